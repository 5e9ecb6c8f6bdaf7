//! What is promised in a scenario, and in all of them.

use crate::figures::Figures;
use crate::outcome::Outcome;

/// What the mesh promises in a scenario beyond what always holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// Offload while warm, as a share of what one copy of each segment and the uplinks there make possible.
    pub offload: f64,
    /// Copies of a segment that leave the origin, on average while warm.
    pub origin_copies: f64,
}

/// Startup may be later than that of plain players by this much, in milliseconds.
const STARTUP_MS: u64 = 100;

impl Promise {
    /// Where the mesh stayed behind what it promises in this scenario, a line each.
    pub fn short(&self, mesh: &Figures) -> Vec<String> {
        let floor = self.offload * mesh.possible_warm.min(mesh.uplinks);
        let mut lines = Lines::default();
        let (percent, promised) = (mesh.offload_warm * 100.0, floor * 100.0);
        lines.ask(mesh.offload_warm >= floor, || {
            format!("offload {percent:.1} % while warm; promised is {promised:.1} %")
        });
        let (copies, most) = (mesh.copies_mean, self.origin_copies);
        lines.ask(copies <= most, || format!("{copies:.2} origin copies per segment; promised is {most:.2}"));
        lines.0
    }
}

/// Where the mesh did harm: what may happen in no scenario, a line each. `plain` is the same world with plain players.
pub fn harm(outcome: &Outcome, mesh: &Figures, plain: &Figures) -> Vec<String> {
    let mut lines = Lines(outcome.faults.clone());
    lines.ask(mesh.corrupt == 0, || format!("{} loads with bytes that are not the origin's", mesh.corrupt));
    lines.never_more("loads that failed", mesh.failed, plain.failed);
    lines.never_more("loads beyond their due time", mesh.takeovers, plain.takeovers);
    lines.never_more("stalls", mesh.stalls, plain.stalls);
    lines.never_more("milliseconds stalled", mesh.stalled_ms, plain.stalled_ms);
    lines.never_more("viewers who never started", mesh.never_started as u64, plain.never_started as u64);
    lines.never_more(
        "milliseconds to the first frame, median",
        mesh.startup_ms,
        plain.startup_ms + STARTUP_MS,
    );
    let worst = plain.startup_worst_ms + STARTUP_MS;
    lines.never_more("milliseconds to the first frame, worst", mesh.startup_worst_ms, worst);
    lines.0
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn ask(&mut self, kept: bool, line: impl FnOnce() -> String) {
        if !kept {
            self.0.push(line());
        }
    }

    fn never_more(&mut self, what: &str, mesh: u64, allowed: u64) {
        self.ask(mesh <= allowed, || format!("{what}: {mesh}; beside plain players at most {allowed}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMISE: Promise = Promise { offload: 0.9, origin_copies: 2.0 };

    fn good() -> Figures {
        let (offload_warm, possible_warm, copies_mean) = (0.8, 0.8, 1.2);
        Figures {
            offload_warm,
            possible_warm,
            copies_mean,
            uplinks: 5.0,
            startup_ms: 300,
            ..Figures::default()
        }
    }

    #[test]
    fn a_good_run_is_neither_short_nor_harmful() {
        assert_eq!(PROMISE.short(&good()), [""; 0]);
        assert_eq!(harm(&Outcome::default(), &good(), &good()), [""; 0]);
    }

    #[test]
    fn each_promise_that_is_not_kept_is_a_line() {
        let copies = Figures { copies_mean: 2.1, ..good() };
        let offload = Figures { offload_warm: 0.71, ..good() };
        for (word, figures) in [("copies", copies), ("offload", offload)] {
            let short = PROMISE.short(&figures);
            assert!(short.len() == 1 && short[0].contains(word), "{word}: {short:?}");
        }
    }

    #[test]
    fn each_harm_is_a_line() {
        type Spoil = fn(&mut Figures);
        let cases: [(&str, Spoil); 8] = [
            ("not the origin's", |f| f.corrupt = 1),
            ("failed", |f| f.failed = 1),
            ("due time", |f| f.takeovers = 1),
            ("stalls", |f| f.stalls = 1),
            ("milliseconds stalled", |f| f.stalled_ms = 1),
            ("never started", |f| f.never_started = 1),
            ("first frame, median", |f| f.startup_ms = 401),
            ("first frame, worst", |f| f.startup_worst_ms = 101),
        ];
        for (word, spoil) in cases {
            let mut figures = good();
            spoil(&mut figures);
            let harm = harm(&Outcome::default(), &figures, &good());
            assert!(harm.len() == 1 && harm[0].contains(word), "{word}: {harm:?}");
        }
        let outcome = Outcome { faults: vec!["oracle".into()], ..Outcome::default() };
        assert_eq!(harm(&outcome, &good(), &good()), ["oracle"]);
    }

    #[test]
    fn where_plain_players_stall_as_much_no_harm_is_done() {
        let stalls = Figures { stalls: 3, stalled_ms: 900, ..good() };
        assert_eq!(harm(&Outcome::default(), &stalls, &stalls), [""; 0]);
    }
}
