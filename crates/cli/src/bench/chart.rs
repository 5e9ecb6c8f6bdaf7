//! The chart: who is there, offload, origin copies, stalls and buffers over time, readable on light and dark pages.

use std::fmt::Write;

use meshedflow_sim::{Sample, settled};

use super::panel::{HEIGHT, Panel, Series, WIDTH, escape};
use super::table::{clock, number, percent, whole};
use super::{Race, Side};

/// Offload at an instant is that of so many seconds before it.
const WINDOW_S: usize = 12;
/// Above the panels.
const HEAD: f64 = 64.0;

/// Own ground under the lines, so that the page around it does not matter; dashes and dots beside colours.
const STYLE: &str = "\
.ground{fill:#fff;stroke:#d0d7de}
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1f2328}
.head{font-size:17px;font-weight:600}.title{font-size:13px;font-weight:600}
.key{font-size:12px}.tick,.sub{font-size:12px;fill:#59636e}
.grid{stroke:#e4e8ec}.axis{stroke:#818b98}.mark{stroke:#818b98;stroke-dasharray:2 4}
polyline{fill:none;stroke-width:2;stroke-linejoin:round}
polyline.mesh{stroke:#0969da}polyline.plain{stroke:#bc4c00;stroke-dasharray:7 4}
polyline.low{stroke:#0969da;stroke-width:1.3;stroke-dasharray:2 3}
polyline.ideal{stroke:#1a7f37;stroke-width:1.5;stroke-dasharray:10 5}
circle.mesh{fill:#0969da}
@media (prefers-color-scheme:dark){
.ground{fill:#0d1117;stroke:#3d444d}text{fill:#f0f6fc}.tick,.sub{fill:#9198a1}
.grid{stroke:#262c36}.axis,.mark{stroke:#656c76}
polyline.mesh,polyline.low{stroke:#58a6ff}polyline.plain{stroke:#f0883e}polyline.ideal{stroke:#3fb950}
circle.mesh{fill:#58a6ff}}";

/// The race as an SVG document.
pub(super) fn svg(race: &Race) -> String {
    let panels = [viewers(race), offload(race), copies(race), stalls(race), buffers(race)];
    let height = HEAD + HEIGHT * panels.len() as f64 + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>\n",
        escape(&race.command()).replace('"', "&quot;")
    );
    let (w, h) = (WIDTH - 1.0, height - 1.0);
    let _ = writeln!(svg, "<rect class=\"ground\" x=\".5\" y=\".5\" width=\"{w}\" height=\"{h}\" rx=\"8\"/>");
    let (name, about) = (race.scenario.name, race.scenario.about);
    let (n, seed) = (whole(race.viewers as u64), race.plan.seed);
    let head = format!("{name}: {n} viewers, {}, seed {seed}", clock(race.plan.seconds * 1_000));
    let _ = writeln!(svg, "<text class=\"head\" x=\"24\" y=\"30\">{}</text>", escape(&head));
    let _ = writeln!(svg, "<text class=\"sub\" x=\"24\" y=\"50\">{}</text>", escape(about));
    for (i, panel) in panels.iter().enumerate() {
        svg.push_str(&panel.draw(HEAD + HEIGHT * i as f64));
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(race: &Race, title: &str, unit: &'static str, series: Vec<Series>) -> Panel {
    Panel {
        title: title.to_owned(),
        unit,
        along: "time, minutes:seconds",
        until_s: race.plan.seconds as f64,
        at_least: 0.0,
        at_most: None,
        series,
        remark: None,
        mark: None,
    }
}

fn line(name: &str, class: &'static str, side: &Side, of: impl Fn(&Sample) -> f64) -> Series {
    let points = side.outcome.samples.iter().map(|s| (s.at_ms as f64 / 1e3, of(s))).collect();
    Series { name: name.to_owned(), class, dots: false, points }
}

fn viewers(race: &Race) -> Panel {
    let series = vec![line("there", "mesh", &race.mesh, |s| f64::from(s.viewers))];
    Panel { at_least: 4.0, ..panel(race, "Viewers", "", series) }
}

fn offload(race: &Race) -> Panel {
    let samples = &race.mesh.outcome.samples;
    let recent = samples.iter().enumerate().map(|(i, s)| {
        let before = i.checked_sub(WINDOW_S).and_then(|i| samples.get(i)).copied().unwrap_or_default();
        let delivered = s.from_peers + s.from_http - before.from_peers - before.from_http;
        let sent = s.origin_bytes - before.origin_bytes;
        let share = if delivered == 0 { 0.0 } else { 1.0 - sent as f64 / delivered as f64 };
        (s.at_ms as f64 / 1e3, share.max(0.0) * 100.0)
    });
    let mesh = Series { name: "with the mesh".into(), class: "mesh", dots: false, points: recent.collect() };
    let possible = race.mesh.figures.possible_warm * 100.0;
    let until = race.plan.seconds as f64;
    let ideal = Series {
        name: "one copy of each segment".into(),
        class: "ideal",
        dots: false,
        points: vec![(0.0, possible), (until, possible)],
    };
    let warm = percent(race.mesh.figures.offload_warm);
    Panel {
        at_least: 100.0,
        at_most: Some(100.0),
        remark: Some(format!("warm: {warm}; plain HLS.js: 0 %")),
        mark: Some((race.plan.warm_ms as f64 / 1e3, "warm")),
        ..panel(race, &format!("Offload, over {WINDOW_S} s"), " %", vec![ideal, mesh])
    }
}

fn copies(race: &Race) -> Panel {
    let (plan, video) = (&race.plan, race.plan.stream.rungs_bps.len());
    let mut all: Vec<_> =
        race.mesh.outcome.segments.iter().filter(|s| s.lane < video && s.delivered > 0).collect();
    all.sort_by_key(|s| (s.msn, s.lane));
    let second = |s: &meshedflow_sim::SegmentFate| match plan.stream.live {
        true => s.released_ms as f64 / 1e3,
        false => (s.msn * plan.stream.target_ms) as f64 / 1e3,
    };
    let points: Vec<(f64, f64)> =
        all.iter().map(|s| (second(s), s.origin_bytes as f64 / s.size.max(1) as f64)).collect();
    let most = settled(plan, &race.mesh.outcome).filter(|s| s.lane < video);
    let most = most.map(|s| s.origin_bytes as f64 / s.size.max(1) as f64).fold(4.0, f64::max);
    let live = plan.stream.live;
    let until_s = if live { plan.seconds as f64 } else { points.iter().map(|p| p.0).fold(60.0, f64::max) };
    let (m, p) = (number(race.mesh.figures.copies_mean), number(race.plain.figures.copies_mean));
    Panel {
        until_s,
        along: if live {
            "time of release, minutes:seconds"
        } else {
            "place in the recording, minutes:seconds"
        },
        at_least: 4.0,
        // The first segments, which everybody fetches alone, may lie above: the scale is for the rest.
        at_most: Some(most * 1.25),
        remark: Some(format!("mean, warm: {m}; plain HLS.js: {p}")),
        ..panel(
            race,
            "Origin copies per segment",
            "",
            vec![Series { name: "a video segment".into(), class: "mesh", dots: true, points }],
        )
    }
}

fn stalls(race: &Race) -> Panel {
    let series = vec![
        line("plain HLS.js", "plain", &race.plain, |s| s.stalls as f64),
        line("with the mesh", "mesh", &race.mesh, |s| s.stalls as f64),
    ];
    Panel { at_least: 4.0, ..panel(race, "Stalls so far, all viewers", "", series) }
}

fn buffers(race: &Race) -> Panel {
    let series = vec![
        line("plain HLS.js, mean", "plain", &race.plain, |s| f64::from(s.buffer_mean_ms) / 1e3),
        line("with the mesh, lowest 5 %", "low", &race.mesh, |s| f64::from(s.buffer_low_ms) / 1e3),
        line("with the mesh, mean", "mesh", &race.mesh, |s| f64::from(s.buffer_mean_ms) / 1e3),
    ];
    Panel { at_least: 8.0, ..panel(race, "Buffer ahead", " s", series) }
}
