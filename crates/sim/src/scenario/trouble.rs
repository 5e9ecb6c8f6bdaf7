//! Adversaries, and what breaks.

use super::cast::Cast;
use crate::plan::{Act, Change};
use crate::viewer::Evil;

pub(super) fn polluters(c: &mut Cast) {
    c.change("polluters", 0.2, |p, _| p.evil = Evil::Flips);
}

pub(super) fn liars(c: &mut Cast) {
    c.change("liars", 0.2, |p, dice| p.evil = dice.pick(&[Evil::Boasts, Evil::Babbles]));
}

pub(super) fn fetching_liar(c: &mut Cast) {
    c.change("liar", 0.0, |p, _| p.evil = Evil::Babbles);
}

pub(super) fn idle_sybils(c: &mut Cast) {
    let (first, n) = (c.viewers, c.viewers);
    c.come(n, 500, 10_000);
    for p in c.people().iter_mut().skip(first) {
        (p.evil, p.uploads) = (Evil::Withholds, false);
    }
}

pub(super) fn floods(c: &mut Cast) {
    c.change("floods", 0.1, |p, _| p.evil = Evil::Floods);
}

pub(super) fn cutters(c: &mut Cast) {
    c.change("cutters", 0.1, |p, _| p.evil = Evil::ClosesMidFragment);
}

pub(super) fn free_riders(c: &mut Cast) {
    c.change("riders", 0.5, |p, _| p.uploads = false);
}

pub(super) fn hidden_tabs(c: &mut Cast) {
    let end = c.end_ms;
    let mut dice = c.dice("hiding");
    for i in c.some("hidden", 0.5) {
        let arrive = c.people()[i].arrive_ms;
        let at = if dice.chance(0.3) { arrive } else { dice.between(arrive, end * 3 / 4) };
        c.act_of(i, at, Act::Hide);
        if dice.chance(0.5) {
            c.act_of(i, at + dice.between(5_000, 40_000), Act::Show);
        }
    }
}

pub(super) fn all_hidden(c: &mut Cast) {
    c.act("all", 1.0, (c.at(0.25), c.at(0.4)), Act::Hide);
}

pub(super) fn edge_down(c: &mut Cast) {
    let down = c.at(0.4);
    c.happen(down, Change::Edge(false));
    c.happen(down + 20_000, Change::Edge(true));
    c.act("leave", 0.1, (down, down + 20_000), Act::Vanish);
    for k in 0..(c.viewers as u64).div_ceil(10) {
        c.follow(down + 1_000 + k * 18_000 * 10 / c.viewers.max(1) as u64);
    }
}

pub(super) fn edge_never(c: &mut Cast) {
    c.happen(0, Change::Edge(false));
}

pub(super) fn origin_503(c: &mut Cast) {
    for at in [c.at(0.4), c.at(0.7)] {
        c.happen(at, Change::OriginRefuses(true));
        c.happen(at + 3_000, Change::OriginRefuses(false));
    }
}

pub(super) fn origin_slow(c: &mut Cast) {
    let at = c.at(0.4);
    c.happen(at, Change::OriginTtfb(1_000));
    c.happen(at + 30_000, Change::OriginTtfb(30));
}

pub(super) fn thin_origin(c: &mut Cast) {
    let stream = c.stream();
    let bits = u64::from(stream.audio_bps) + stream.rungs_bps.iter().map(|b| u64::from(*b)).sum::<u64>();
    stream.origin_bytes_per_s = Some(bits * 3 / 16);
}

pub(super) fn partition(c: &mut Cast) {
    c.happen(c.at(0.35), Change::Partition);
    c.happen(c.at(0.65), Change::Heal);
}

pub(super) fn clock_skew(c: &mut Cast) {
    c.change("rate", 1.0, |p, dice| p.clock_ppm = dice.between(0, 1_001) as i32 - 500);
    c.change("wall", 0.3, |p, dice| p.wall_offset_ms = dice.between(0, 86_400_000) as i64 - 43_200_000);
}
