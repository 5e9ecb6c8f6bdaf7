//! One panel of a chart: axes with units, lines, dots, a legend. SVG text, no library.

use std::fmt::Write;

/// Width of the whole chart in pixels.
pub(super) const WIDTH: f64 = 920.0;
/// Height of a panel with its title and axis.
pub(super) const HEIGHT: f64 = 210.0;
/// Left of the plot: labels of the axis.
const LEFT: f64 = 76.0;
/// Right of it.
const RIGHT: f64 = 28.0;
/// Above it: title and legend.
const ABOVE: f64 = 40.0;
/// Below it: labels of time.
const BELOW: f64 = 38.0;
/// A line has at most so many points: more than can be told apart.
const POINTS: usize = 800;

/// What is drawn over what.
pub(super) struct Panel {
    pub(super) title: String,
    /// Unit of the values, as in `%`.
    pub(super) unit: &'static str,
    /// What lies along the bottom.
    pub(super) along: &'static str,
    /// Seconds at the right end.
    pub(super) until_s: f64,
    /// The scale reaches at least this.
    pub(super) at_least: f64,
    /// And at most this; nothing means as high as the values.
    pub(super) at_most: Option<f64>,
    pub(super) series: Vec<Series>,
    /// Words in the legend for what is not drawn.
    pub(super) remark: Option<String>,
    /// A moment that is marked: seconds, and its name.
    pub(super) mark: Option<(f64, &'static str)>,
}

/// One line, or a cloud of dots.
pub(super) struct Series {
    pub(super) name: String,
    /// Class in the style sheet: `mesh`, `plain`, `low` or `ideal`.
    pub(super) class: &'static str,
    pub(super) dots: bool,
    /// Seconds and values.
    pub(super) points: Vec<(f64, f64)>,
}

impl Panel {
    /// Draws it with its upper edge at `top`.
    pub(super) fn draw(&self, top: f64) -> String {
        let mut svg = format!("<g transform=\"translate(0 {top})\">\n");
        let step = nice(self.highest() / 4.0);
        let high = (self.highest() / step).ceil().max(1.0) * step;
        let _ = writeln!(svg, "<text class=\"title\" x=\"{LEFT}\" y=\"18\">{}</text>", escape(&self.title));
        self.values(&mut svg, step, high);
        self.times(&mut svg);
        self.marked(&mut svg);
        for series in &self.series {
            self.plot(&mut svg, series, high);
        }
        self.legend(&mut svg);
        svg.push_str("</g>\n");
        svg
    }

    fn highest(&self) -> f64 {
        let values = self.series.iter().flat_map(|s| s.points.iter().map(|p| p.1));
        let high = values.fold(self.at_least, f64::max).max(1e-6);
        self.at_most.map_or(high, |most| high.min(most))
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + seconds / self.until_s.max(1e-6) * (WIDTH - LEFT - RIGHT)
    }

    fn y(value: f64, high: f64) -> f64 {
        let share = (value / high).clamp(0.0, 1.0);
        HEIGHT - BELOW - share * (HEIGHT - ABOVE - BELOW)
    }

    fn values(&self, svg: &mut String, step: f64, high: f64) {
        let right = WIDTH - RIGHT;
        for k in 0..=(high / step).round() as u32 {
            let value = f64::from(k) * step;
            let y = Self::y(value, high);
            let class = if k == 0 { "axis" } else { "grid" };
            let _ = writeln!(
                svg,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            );
            let (x, label, unit) = (LEFT - 8.0, label(value, step), self.unit);
            let _ = writeln!(
                svg,
                "<text class=\"tick\" text-anchor=\"end\" x=\"{x}\" y=\"{:.1}\">{label}{unit}</text>",
                y + 4.0
            );
        }
    }

    fn times(&self, svg: &mut String) {
        let step = time_step(self.until_s);
        let bottom = HEIGHT - BELOW;
        let mut at = 0.0;
        while at <= self.until_s + 1e-6 {
            let x = self.x(at);
            let _ = writeln!(
                svg,
                "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom}\" y2=\"{}\"/>",
                bottom + 4.0
            );
            let clock = super::table::clock((at * 1e3) as u64);
            let _ = writeln!(
                svg,
                "<text class=\"tick\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{clock}</text>",
                bottom + 17.0
            );
            at += step;
        }
        let (x, y) = (WIDTH - RIGHT, bottom + 31.0);
        let _ = writeln!(
            svg,
            "<text class=\"tick\" text-anchor=\"end\" x=\"{x}\" y=\"{y}\">{}</text>",
            escape(self.along)
        );
    }

    fn marked(&self, svg: &mut String) {
        let Some((seconds, name)) = self.mark.filter(|(s, _)| *s > 0.0 && *s < self.until_s) else { return };
        let (x, top, bottom) = (self.x(seconds), ABOVE - 2.0, HEIGHT - BELOW);
        let _ =
            writeln!(svg, "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>");
        let _ = writeln!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + 4.0,
            bottom - 5.0,
            escape(name)
        );
    }

    fn plot(&self, svg: &mut String, series: &Series, high: f64) {
        let at = |p: &(f64, f64)| (self.x(p.0), Self::y(p.1, high));
        let class = series.class;
        if series.dots {
            for (x, y) in series.points.iter().map(at) {
                let _ = writeln!(svg, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\"/>");
            }
            return;
        }
        let points: Vec<String> =
            thinned(&series.points).map(at).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "));
    }

    /// From the right, so that it ends where the plot ends.
    fn legend(&self, svg: &mut String) {
        let mut right = WIDTH - RIGHT;
        if let Some(remark) = &self.remark {
            let _ = writeln!(
                svg,
                "<text class=\"key\" text-anchor=\"end\" x=\"{right}\" y=\"18\">{}</text>",
                escape(remark)
            );
            right -= width(remark) + 18.0;
        }
        for series in self.series.iter().rev() {
            let _ = writeln!(
                svg,
                "<text class=\"key\" text-anchor=\"end\" x=\"{right:.1}\" y=\"18\">{}</text>",
                escape(&series.name)
            );
            let end = right - width(&series.name) - 6.0;
            let class = series.class;
            let _ = if series.dots {
                writeln!(svg, "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"14\" r=\"3\"/>", end - 6.0)
            } else {
                writeln!(svg, "<polyline class=\"{class}\" points=\"{:.1},14 {end:.1},14\"/>", end - 22.0)
            };
            right = end - if series.dots { 30.0 } else { 40.0 };
        }
    }
}

/// About what a legend's word takes; legends stand to the left of their neighbour, so more is better than less.
fn width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.3
}

fn thinned(points: &[(f64, f64)]) -> impl Iterator<Item = &(f64, f64)> {
    points.iter().step_by(points.len().div_ceil(POINTS).max(1))
}

/// The next of 1, 2, 5, 10, 20, ... that is no less.
fn nice(wanted: f64) -> f64 {
    let power = 10_f64.powf(wanted.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    steps.iter().map(|s| s * power).find(|s| *s >= wanted - 1e-12).unwrap_or(10.0 * power)
}

fn time_step(until_s: f64) -> f64 {
    let steps = [5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0];
    steps.into_iter().find(|s| until_s / s <= 12.0).unwrap_or(14_400.0)
}

fn label(value: f64, step: f64) -> String {
    if step >= 1.0 && step.fract() == 0.0 {
        super::table::whole(value.round() as u64)
    } else if (step * 10.0).fract().abs() < 1e-9 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(points: Vec<(f64, f64)>) -> Panel {
        Panel {
            title: "a < b".into(),
            unit: " s",
            along: "time",
            until_s: 60.0,
            at_least: 0.0,
            at_most: None,
            series: vec![Series { name: "mesh".into(), class: "mesh", dots: false, points }],
            remark: None,
            mark: None,
        }
    }

    #[test]
    fn scales_end_on_round_numbers() {
        assert_eq!((nice(0.3), nice(2.2), nice(7.0), nice(25.0)), (0.5, 2.5, 10.0, 25.0));
        assert_eq!((time_step(60.0), time_step(180.0), time_step(86_400.0)), (5.0, 15.0, 7_200.0));
        assert_eq!((label(0.5, 0.5), label(2_000.0, 500.0)), ("0.5".into(), "2,000".into()));
    }

    #[test]
    fn what_is_empty_constant_or_huge_is_drawn_without_nonsense() {
        for points in [vec![], vec![(0.0, 0.0)], vec![(0.0, 1e12), (60.0, 1e12)], vec![(30.0, -5.0)]] {
            let svg = panel(points).draw(0.0);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(svg.contains("a &lt; b"));
        }
    }

    #[test]
    fn long_lines_are_thinned() {
        let svg = panel((0..100_000).map(|i| (f64::from(i) / 2_000.0, 1.0)).collect()).draw(0.0);
        assert!(svg.len() < 20_000, "{}", svg.len());
    }
}
