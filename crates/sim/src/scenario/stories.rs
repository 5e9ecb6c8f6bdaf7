//! The list of scenarios, and the audiences: who comes, goes, seeks, pauses.

use super::cast::{Cast, line};
use super::{Promise, Scenario, trouble};
use crate::plan::{Act, Change, Nat};

/// What is asked where nothing is in the mesh's way.
const SMOOTH: Promise = Promise { offload: 0.95, origin_copies: 2.5 };
/// What is asked where people come and go.
const MOVING: Promise = Promise { offload: 0.75, origin_copies: 6.0 };
/// What is asked where much is in the way: something, and never harm.
const ROUGH: Promise = Promise { offload: 0.40, origin_copies: 12.0 };
/// Where hardly anything can be shared: no harm.
const NO_HARM: Promise = Promise { offload: 0.0, origin_copies: f64::INFINITY };

const fn story(
    name: &'static str,
    (viewers, seconds): (usize, u64),
    promise: Promise,
    cast: fn(&mut Cast),
    about: &'static str,
) -> Scenario {
    Scenario { name, about, viewers, seconds, promise, cast }
}

/// Every scenario.
pub const SCENARIOS: &[Scenario] = &[
    story("steady", (1_000, 120), SMOOTH, |_| {}, "everybody comes in the first seconds and stays"),
    story(
        "flash-crowd",
        (10_000, 180),
        SMOOTH,
        flash_crowd,
        "one in a hundred watches; the others come within 30 s",
    ),
    story(
        "churn",
        (1_000, 180),
        MOVING,
        churn,
        "30 % leave every minute, half of them without a word; as many come",
    ),
    story(
        "mass-seek",
        (200, 180),
        ROUGH,
        mass_seek,
        "a recording; four of five jump to one place within 3 s",
    ),
    story(
        "replay",
        (200, 150),
        MOVING,
        replay,
        "live; most go two segments back after a goal, then to live again",
    ),
    story(
        "pause-dvr",
        (200, 180),
        ROUGH,
        pause_dvr,
        "40 % pause for up to a minute; half of them stay behind after it",
    ),
    story(
        "rendition-storm",
        (200, 150),
        ROUGH,
        rendition_storm,
        "three renditions; all drop to the lowest, then climb",
    ),
    story(
        "mixed-renditions",
        (200, 120),
        MOVING,
        mixed_renditions,
        "three renditions; each viewer changes now and then",
    ),
    story(
        "half-symmetric-nat",
        (200, 120),
        MOVING,
        half_symmetric,
        "half sit behind a symmetric NAT and reach only the open",
    ),
    story("all-symmetric-nat", (50, 90), NO_HARM, all_symmetric, "nobody can reach anybody"),
    story("slow-uplinks", (200, 120), ROUGH, slow_uplinks, "ADSL: 0.4 to 1 Mb/s up, less than the stream"),
    story(
        "lossy-wifi",
        (200, 120),
        MOVING,
        lossy_wifi,
        "60 % on Wi-Fi with 1 to 5 % loss and up to 30 ms of jitter",
    ),
    story(
        "commuters",
        (100, 150),
        ROUGH,
        commuters,
        "one in three is on a train: the line is good, thin, gone, good",
    ),
    story("cellular", (100, 120), ROUGH, cellular, "70 % on metered lines, which upload nothing unasked"),
    story("polluters", (200, 120), ROUGH, trouble::polluters, "20 % flip a byte of all that they send"),
    story(
        "liars",
        (200, 120),
        ROUGH,
        trouble::liars,
        "20 % boast of what they lack, or babble of what is to come",
    ),
    story(
        "fetching-liar",
        (200, 120),
        MOVING,
        trouble::fetching_liar,
        "one claims to fetch every segment and never does",
    ),
    story(
        "idle-sybils",
        (200, 120),
        ROUGH,
        trouble::idle_sybils,
        "as many false viewers as true ones, which never send media",
    ),
    story("floods", (50, 90), ROUGH, trouble::floods, "one in ten says everything a thousand times"),
    story("cutters", (200, 120), ROUGH, trouble::cutters, "10 % hang up amid every fragment they send"),
    story("free-riders", (200, 120), MOVING, trouble::free_riders, "half take and give nothing"),
    story(
        "hidden-tabs",
        (200, 120),
        MOVING,
        trouble::hidden_tabs,
        "half of the tabs are hidden, some from the start",
    ),
    story(
        "all-hidden",
        (50, 90),
        MOVING,
        trouble::all_hidden,
        "every tab is hidden after a while; somebody must still fetch",
    ),
    story(
        "edge-down",
        (200, 120),
        MOVING,
        trouble::edge_down,
        "the edge is gone for 20 s, while viewers come and go",
    ),
    story("edge-never", (50, 60), NO_HARM, trouble::edge_never, "there is no edge at all"),
    story("origin-503", (200, 120), ROUGH, trouble::origin_503, "the origin refuses media for 3 s, twice"),
    story(
        "origin-slow",
        (200, 120),
        MOVING,
        trouble::origin_slow,
        "the origin's first byte takes a second for half a minute",
    ),
    story(
        "thin-origin",
        (8, 120),
        SMOOTH,
        trouble::thin_origin,
        "the origin can serve one and a half streams in all",
    ),
    story(
        "partition",
        (200, 150),
        MOVING,
        trouble::partition,
        "two halves that do not hear of each other, then one again",
    ),
    story(
        "clock-skew",
        (200, 120),
        SMOOTH,
        trouble::clock_skew,
        "clocks wrong by hours, and fast or slow by up to 500 ppm",
    ),
    story("zapping", (200, 120), ROUGH, zapping, "most stay a few seconds and are replaced"),
    story(
        "halftime",
        (300, 180),
        MOVING,
        halftime,
        "two of three leave within 20 s and come back within 40 s",
    ),
    story("premiere", (200, 150), MOVING, premiere, "a recording that many begin within a minute"),
    story("on-demand", (100, 180), ROUGH, on_demand, "a recording begun at any time, with seeks and pauses"),
    story("evening", (300, 240), ROUGH, evening, "a little of everything at once"),
    story(
        "whole-segments",
        (100, 120),
        MOVING,
        whole_segments,
        "steady, with whole segments instead of fragments",
    ),
    story(
        "browser-lab",
        (4, 60),
        SMOOTH,
        browser_lab,
        "the shape of the tests in real browsers: one machine, viewers in turn",
    ),
];

fn flash_crowd(c: &mut Cast) {
    let first = (c.viewers / 100).max(2).min(c.viewers);
    let (rest, at) = (c.viewers - first, c.at(0.2));
    c.empty();
    c.come(first, 0, 10_000);
    c.come(rest, at, 30_000);
}

/// Those who leave are replaced, so that as many are there as at the beginning.
fn leave_and_follow(c: &mut Cast, per_minute: f64) {
    let mut dice = c.dice("leavers");
    let mut here: Vec<usize> = (0..c.viewers).collect();
    let mean_ms = 60_000.0 / (per_minute * c.viewers as f64).max(1e-9);
    let mut at = c.at(0.1);
    loop {
        at += dice.wait(mean_ms).max(1);
        if at >= c.end_ms {
            return;
        }
        let slot = dice.between(0, here.len() as u64) as usize;
        let act = if dice.chance(0.5) { Act::Vanish } else { Act::Quit };
        c.act_of(here[slot], at, act);
        here[slot] = c.follow(at + dice.between(0, 2_000));
    }
}

fn churn(c: &mut Cast) {
    leave_and_follow(c, 0.3);
}

/// Half a minute and then somebody else, for most.
fn zapping(c: &mut Cast) {
    leave_and_follow(c, 3.0);
}

fn recording(c: &mut Cast, minutes: u64) {
    let stream = c.stream();
    (stream.live, stream.recorded) = (false, minutes * 60_000 / stream.target_ms);
}

fn mass_seek(c: &mut Cast) {
    recording(c, 20);
    let (from, mut dice) = (c.at(0.5), c.dice("place"));
    let place = dice.between(40, 120) as i64;
    c.act("seekers", 0.8, (from, from + 3_000), Act::Seek(place));
    // Some find the place only at the second try.
    c.act("second try", 0.2, (from + 4_000, from + 9_000), Act::Seek(-3));
}

fn replay(c: &mut Cast) {
    let goal = c.at(0.45);
    c.act("replay", 0.7, (goal, goal + 6_000), Act::Seek(-2));
    c.act("replay", 0.7, (goal + 14_000, goal + 24_000), Act::SeekLive);
}

fn pause_dvr(c: &mut Cast) {
    let mut dice = c.dice("pauses");
    for i in c.some("pausers", 0.4) {
        let at = dice.between(c.at(0.2), c.at(0.7));
        let back = at + dice.between(3_000, 60_000);
        c.act_of(i, at, Act::Pause);
        c.act_of(i, back, Act::Resume);
        if dice.chance(0.5) {
            c.act_of(i, back + dice.between(1, 4_000), Act::SeekLive);
        }
    }
}

/// 480p, 720p, 1080p.
fn ladder(c: &mut Cast) {
    c.stream().rungs_bps = vec![1_200_000, 2_500_000, 5_000_000];
    for p in c.people() {
        p.link.down_bytes_per_s = p.link.down_bytes_per_s.max(2_000_000);
    }
}

fn rendition_storm(c: &mut Cast) {
    ladder(c);
    let (storm, calm) = (c.at(0.4), c.at(0.5));
    c.act("first climb", 1.0, (3_000, 12_000), Act::Rung(2));
    c.act("drop", 1.0, (storm, storm + 2_000), Act::Rung(0));
    c.act("climb", 0.9, (calm, calm + 20_000), Act::Rung(1));
    c.act("climb on", 0.7, (calm + 20_000, calm + 40_000), Act::Rung(2));
}

fn mixed_renditions(c: &mut Cast) {
    ladder(c);
    let mut dice = c.dice("changes");
    for i in 0..c.viewers {
        let mut at = 2_000;
        while at < c.end_ms {
            c.act_of(i, at, Act::Rung(dice.pick(&[0, 1, 1, 2, 2, 2])));
            at += 8_000 + dice.wait(40_000.0);
        }
    }
}

fn half_symmetric(c: &mut Cast) {
    c.change("nat", 1.0, |p, dice| p.nat = dice.pick(&[Nat::Open, Nat::Cone, Nat::Cone, Nat::Cone]));
    c.change("symmetric", 0.5, |p, _| p.nat = Nat::Symmetric);
}

fn all_symmetric(c: &mut Cast) {
    c.change("symmetric", 1.0, |p, _| p.nat = Nat::Symmetric);
}

fn slow_uplinks(c: &mut Cast) {
    c.change("adsl", 1.0, |p, dice| {
        p.link = line(dice.between(400, 1_001), dice.between(6_000, 16_001), dice.between(15, 40));
    });
}

fn lossy_wifi(c: &mut Cast) {
    c.change("wifi", 0.6, |p, dice| {
        p.loss_ppm = dice.between(10_000, 50_001) as u32;
        p.jitter_us = dice.between(10_000, 30_001);
    });
}

fn commuters(c: &mut Cast) {
    let mut dice = c.dice("rails");
    for i in c.some("commuters", 0.33) {
        c.people()[i].jitter_us = 20_000;
        let mut at = c.at(0.1) + dice.between(0, 20_000);
        while at < c.end_ms {
            c.act_of(i, at, Act::Line(line(500, 2_500, 80)));
            at += dice.between(4_000, 15_000);
            if dice.chance(0.5) {
                // A tunnel.
                c.act_of(i, at, Act::Line(line(8, 16, 400)));
                at += dice.between(1_000, 6_000);
            }
            c.act_of(i, at, Act::Line(line(8_000, 30_000, 35)));
            at += dice.between(10_000, 40_000);
        }
    }
}

fn cellular(c: &mut Cast) {
    c.change("cellular", 0.7, |p, dice| {
        p.cellular = true;
        p.link = line(dice.between(1_000, 10_001), dice.between(5_000, 40_001), dice.between(25, 70));
        p.jitter_us = dice.between(5_000, 25_000);
    });
}

fn halftime(c: &mut Cast) {
    let (whistle, kick_off) = (c.at(0.35), c.at(0.6));
    let mut dice = c.dice("halftime");
    for i in c.some("leavers", 0.66) {
        let act = if dice.chance(0.3) { Act::Vanish } else { Act::Quit };
        c.act_of(i, dice.between(whistle, whistle + 20_000), act);
        c.follow(dice.between(kick_off, kick_off + 40_000));
    }
}

fn premiere(c: &mut Cast) {
    recording(c, 20);
    let (n, within) = (c.viewers, c.at(0.4).min(60_000));
    c.empty();
    c.come(n, 0, within);
}

fn on_demand(c: &mut Cast) {
    recording(c, 10);
    let (n, within) = (c.viewers, c.at(0.6));
    c.empty();
    c.come(n, 0, within);
    let (end, mut dice) = (c.end_ms, c.dice("browsing"));
    for i in 0..n {
        if dice.chance(0.4) {
            c.act_of(i, dice.between(c.at(0.3), end), Act::Seek(dice.between(0, 31) as i64 - 8));
        }
        if dice.chance(0.3) {
            let at = dice.between(c.at(0.2), end);
            c.act_of(i, at, Act::Pause);
            c.act_of(i, at + dice.between(1_000, 20_000), Act::Resume);
        }
    }
}

fn evening(c: &mut Cast) {
    ladder(c);
    leave_and_follow(c, 0.1);
    lossy_wifi(c);
    c.change("symmetric", 0.15, |p, _| p.nat = Nat::Symmetric);
    c.change("riders", 0.1, |p, _| p.uploads = false);
    c.change("phones", 0.2, |p, _| p.cellular = true);
    c.act("hide", 0.2, (c.at(0.1), c.at(0.8)), Act::Hide);
    c.act("rung", 0.6, (c.at(0.05), c.at(0.5)), Act::Rung(1));
    c.act("higher rung", 0.3, (c.at(0.5), c.at(0.9)), Act::Rung(2));
    pause_dvr(c);
    let down = c.at(0.55);
    c.happen(down, Change::Edge(false));
    c.happen(down + 10_000, Change::Edge(true));
}

fn whole_segments(c: &mut Cast) {
    c.stream().mode = "advertise-only";
}

/// As `tests/browser` has it: all on one machine, each joins when the one before plays.
fn browser_lab(c: &mut Cast) {
    c.stream().ttfb_ms = 2;
    let (end, mut dice) = (c.end_ms, c.dice("gaps"));
    for (i, p) in c.people().iter_mut().enumerate() {
        p.arrive_ms = (i as u64 * 1_000 + dice.between(0, 400)).min(end - 1);
        (p.link, p.nat) = (line(100_000, 200_000, 0), Nat::Open);
        (p.jitter_us, p.clock_ppm, p.wall_offset_ms) = (0, 0, 0);
    }
    let last = c.viewers as u64 * 1_000;
    c.warm_at(last + 9_000);
}
