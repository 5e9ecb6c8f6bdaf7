//! Who got what from where in a scenario: `cargo run --release -p meshedflow-sim --example people -- SCENARIO VIEWERS
//! SECONDS SEED`. A line for each segment of the warm mesh with the GETs that the origin saw, then one for each viewer.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a measurement for people")]

use meshedflow_sim::{Fate, Outcome, Person, Plan, Scenario, SegmentFate, play};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, viewers, seconds, seed] = words.as_slice() else {
        return println!("expected scenario, viewers, seconds and seed");
    };
    let Some(scenario) = Scenario::find(name) else {
        return println!("no scenario is called {name:?}");
    };
    let number = |word: &String| word.parse::<u64>().expect("a number");
    let plan = scenario.plan(number(viewers) as usize, number(seconds), number(seed));
    let outcome = play(&plan, 2);
    let warm = |s: &&SegmentFate| s.released_ms + plan.stream.target_ms / 4 > plan.warm_ms;
    outcome.segments.iter().filter(warm).for_each(|s| tell_segment(&outcome, s));
    for (index, (person, fate)) in plan.people.iter().zip(&outcome.people).enumerate() {
        tell_person(&plan, index, person, fate);
    }
}

/// When which viewer asked the origin, in seconds after the segment came to be.
fn tell_segment(outcome: &Outcome, segment: &SegmentFate) {
    let mut gets: Vec<(u64, usize)> = Vec::new();
    for (index, fate) in outcome.people.iter().enumerate() {
        let of_it = fate.gets.iter().filter(|(_, lane, msn)| (*lane, *msn) == (segment.lane, segment.msn));
        gets.extend(of_it.map(|(at, ..)| (*at, index)));
    }
    gets.sort_unstable();
    let after = |at: u64| at.saturating_sub(segment.released_ms) as f64 / 1e3;
    let gets: Vec<String> = gets.into_iter().map(|(at, who)| format!("{who}@+{:.2}", after(at))).collect();
    let copies = segment.origin_bytes as f64 / segment.size as f64;
    println!("segment {}/{}: {copies:.2} copies: {}", segment.lane, segment.msn, gets.join(" "));
}

fn tell_person(plan: &Plan, index: usize, person: &Person, fate: &Fate) {
    let (peers, all) = (fate.from_peers, (fate.from_peers + fate.from_http).max(1));
    let late = fate.gets.iter().filter(|(at, ..)| *at > plan.warm_ms).count();
    println!(
        "{index}: came {} ms, {:?}, {} down {} up Mb/s, {} ms; first frame {:?} ms, neighbours {:?} ms; {:.0} % from them, sent {} kB; {} GETs when warm; {} stalls; {:?}",
        person.arrive_ms,
        person.nat,
        person.link.down_bytes_per_s / 125_000,
        person.link.up_bytes_per_s / 125_000,
        person.link.latency_us / 1_000,
        fate.startup_ms,
        fate.connect_ms,
        peers as f64 * 100.0 / all as f64,
        fate.uploaded / 1_000,
        late,
        fate.stalls,
        fate.reasons,
    );
}
