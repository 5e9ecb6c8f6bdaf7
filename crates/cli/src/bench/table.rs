//! The table on the terminal.

use std::fmt::Write;

use super::{Race, Side};

/// Width of the first column.
const NAMES: usize = 32;
/// Width of the others.
const CELLS: usize = 22;

/// The race as text.
pub(super) fn table(race: &Race) -> String {
    let mut text = heading(race);
    row(&mut text, "", "with the mesh", "plain HLS.js", "");
    shares(&mut text, race);
    playback(&mut text, race);
    costs(&mut text, race);
    machine(&mut text, race);
    for line in &race.short {
        let _ = writeln!(text, "short of the promise: {line}");
    }
    let _ = write!(text, "{}", if race.harm.is_empty() { "no harm done" } else { "HARM DONE" });
    text
}

fn heading(race: &Race) -> String {
    let (s, plan) = (race.scenario, &race.plan);
    let stream = &plan.stream;
    let kind = if stream.live { "live" } else { "recording" };
    let rates: Vec<String> = stream.rungs_bps.iter().map(|b| format!("{:.1}", f64::from(*b) / 1e6)).collect();
    format!(
        "{}: {}\n{} viewers, {} s, seed {}; {kind}, {} s segments, {} Mb/s, {}\n\n",
        s.name,
        s.about,
        whole(race.viewers as u64),
        plan.seconds,
        plan.seed,
        stream.target_ms as f64 / 1e3,
        rates.join("/"),
        stream.mode,
    )
}

fn shares(text: &mut String, race: &Race) {
    let (m, p) = (&race.mesh.figures, &race.plain.figures);
    let possible = |share| format!("possible: {}", percent(share));
    let warm = format!("offload, warm from {} on", clock(race.plan.warm_ms));
    let mut note = possible(m.possible_warm);
    if m.uplinks < m.possible_warm {
        let _ = write!(note, ", by uplinks {}", percent(m.uplinks));
    }
    row(text, &warm, &percent(m.offload_warm), &percent(p.offload_warm), &note);
    row(
        text,
        "offload, whole",
        &percent(m.offload_whole),
        &percent(p.offload_whole),
        &possible(m.possible_whole),
    );
    row(text, "sent by the origin", &bytes(m.origin_bytes), &bytes(p.origin_bytes), "");
    row(
        text,
        "origin copies per segment, warm",
        &number(m.copies_mean),
        &number(p.copies_mean),
        &format!("most: {}", number(m.copies_most)),
    );
    row(text, "election starts per segment", &number(m.elections), "", "");
}

fn playback(text: &mut String, race: &Race) {
    let (m, p) = (&race.mesh.figures, &race.plain.figures);
    let stalls = |f: &meshedflow_sim::Figures| match f.stalls {
        0 => "none".to_owned(),
        n => format!("{} of {} s", whole(n), number(f.stalled_ms as f64 / 1e3)),
    };
    row(text, "stalls", &stalls(m), &stalls(p), "");
    row(text, "viewers who stalled", &whole(m.who_stalled as u64), &whole(p.who_stalled as u64), "");
    let startup =
        |f: &meshedflow_sim::Figures| format!("{} / {} ms", whole(f.startup_ms), whole(f.startup_worst_ms));
    row(text, "startup, median / worst", &startup(m), &startup(p), "");
    if m.never_started + p.never_started > 0 {
        row(
            text,
            "never started",
            &whole(m.never_started as u64),
            &whole(p.never_started as u64),
            "mostly who came at the very end",
        );
    }
}

fn costs(text: &mut String, race: &Race) {
    let m = &race.mesh.figures;
    row(text, "duplicates / waste", &format!("{} / {}", percent(m.duplicate), percent(m.waste)), "", "");
    row(text, "signaling per viewer", &bytes(m.signaling_bytes), "", "");
    let connects = match m.connected {
        0 => "nobody".to_owned(),
        _ => format!("{} / {} ms", whole(m.connect_ms), whole(m.connect_slow_ms)),
    };
    let who = format!("{} of {} viewers", whole(m.connected as u64), whole(m.viewers as u64));
    row(text, "connected after, median / p95", &connects, "", &who);
    if m.refused > 0 {
        row(text, "fragments turned away", &whole(m.refused), "", "");
    }
}

fn machine(text: &mut String, race: &Race) {
    let took = |s: &Side| format!("{:.1} s", s.took.as_secs_f64());
    let threads = format!("threads: {}", race.threads);
    row(text, "wall time", &took(&race.mesh), &took(&race.plain), &threads);
    let events = |s: &Side| {
        let rate = s.outcome.events as f64 / s.took.as_secs_f64().max(1e-9);
        format!("{} ({}/s)", whole(s.outcome.events), whole(rate as u64))
    };
    row(text, "events", &events(&race.mesh), &events(&race.plain), "");
    if race.mesh.outcome.core_bytes > 0 {
        row(text, "memory per core", &bytes(race.mesh.outcome.core_bytes), "", "");
    }
    let trace = |s: &Side| format!("{:016x}", s.outcome.trace);
    row(text, "trace", &trace(&race.mesh), &trace(&race.plain), "");
}

fn row(text: &mut String, name: &str, mesh: &str, plain: &str, note: &str) {
    let line = format!("{name:<NAMES$}{mesh:<CELLS$}{plain:<CELLS$}{note}");
    let _ = writeln!(text, "{}", line.trim_end());
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// With as many decimals as matter.
pub(super) fn number(n: f64) -> String {
    if n < 100.0 { format!("{n:.2}") } else { whole(n.round() as u64) }
}

/// With commas.
pub(super) fn whole(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        _ if n < 1e3 => format!("{n:.0} B"),
        _ if n < 1e6 => format!("{:.1} kB", n / 1e3),
        _ if n < 1e9 => format!("{:.1} MB", n / 1e6),
        _ => format!("{:.1} GB", n / 1e9),
    }
}

/// Minutes and seconds.
pub(super) fn clock(ms: u64) -> String {
    format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!((whole(0), whole(999), whole(1_234_567)), ("0".into(), "999".into(), "1,234,567".into()));
        assert_eq!((number(1.256), number(9_998.4)), ("1.26".into(), "9,998".into()));
        assert_eq!(
            (bytes(512), bytes(41_250), bytes(3_200_000_000)),
            ("512 B".into(), "41.2 kB".into(), "3.2 GB".into())
        );
        assert_eq!((clock(59_999), clock(61_000)), ("0:59".into(), "1:01".into()));
    }
}
