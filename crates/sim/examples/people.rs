#![allow(clippy::print_stdout, clippy::expect_used, clippy::indexing_slicing)]
use meshedflow_sim::*;
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let (n, s, seed) = (a[1].parse().unwrap(), a[2].parse().unwrap(), a[3].parse().unwrap());
    let story = Scenario::find(&a[0]).unwrap();
    let plan = story.plan(n, s, seed);
    let o = play(&plan, 2);
    for g in o.segments.iter().filter(|g| g.released_ms + 1000 > plan.warm_ms) {
        let mut who: Vec<(u64, usize)> = o.people.iter().enumerate().flat_map(|(i, f)| f.gets.iter().filter(|x| (x.1, x.2) == (g.lane, g.msn)).map(move |x| (x.0, i))).collect();
        who.sort();
        println!("seg {}/{} released {} copies {:.2} elected {} requests {}: {}", g.lane, g.msn, g.released_ms, g.origin_bytes as f64 / g.size as f64, g.elected, g.requests, who.iter().map(|(t, i)| format!("{i}@+{:.2}", (*t as f64 - g.released_ms as f64) / 1000.0)).collect::<Vec<_>>().join(" "));
    }
    for (i, (p, f)) in plan.people.iter().zip(&o.people).enumerate() {
        let all = f.from_http + f.from_peers;
        let late: Vec<_> = f.gets.iter().filter(|g| g.0 > plan.warm_ms).collect();
        println!("{i:3} at {:6} {:?} up {} down {} lat {} start {:?} conn {:?} peers {:.2} up'd {} dup {} stray {} el {} stalls {} {:?} late gets {} {:?}", p.arrive_ms, p.nat, p.link.up_bytes_per_s/125000, p.link.down_bytes_per_s/125000, p.link.latency_us/1000, f.startup_ms, f.connect_ms, f.from_peers as f64 / all.max(1) as f64, f.uploaded/1000, f.duplicate/1000, f.stray/1000, f.elections, f.stalls, f.reasons, late.len(), late.iter().filter(|g|g.1==0).take(9).collect::<Vec<_>>());
    }
}
