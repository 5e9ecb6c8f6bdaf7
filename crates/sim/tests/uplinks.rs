//! Crowds on thin uplinks: whoever is asked gives what its line can carry.

use meshedflow_sim::{Link, Outcome, Person, Plan, Stream, play};

/// Bits per second of video and audio.
const BITRATE: u64 = 1_296_000;

/// Some viewers 12 s behind live, with uplinks of so many tenths of the bit rate, in turn.
fn told(viewers: u64, tenths: &[u64], seconds: u64) -> Outcome {
    let line = |v: u64| {
        let tenth = tenths.iter().cycle().nth(v as usize).copied().unwrap_or(10);
        Link { up_bytes_per_s: BITRATE * tenth / 80, down_bytes_per_s: 2_500_000, latency_us: 10_000 }
    };
    play(
        &Plan {
            seed: 1,
            seconds,
            warm_ms: 20_000,
            meshed: true,
            stream: Stream {
                live: true,
                target_ms: 4_000,
                recorded: 0,
                behind: 3,
                rungs_bps: vec![1_200_000],
                audio_bps: 96_000,
                mode: "serve",
                ttfb_ms: 30,
                origin_bytes_per_s: None,
            },
            people: (0..viewers).map(|v| Person::usual(v * 1_300, line(v))).collect(),
            changes: Vec::new(),
        },
        1,
    )
}

/// At each step the oracle looks for a request that waits until its channel is told to be low, where nothing is left in
/// it that could tell.
#[test]
fn no_channel_stands_idle_while_a_request_waits() {
    for tenths in [&[6][..], &[12], &[30], &[3, 30]] {
        let outcome = told(4, tenths, 60);
        assert_eq!(outcome.faults, Vec::<String>::new(), "uplinks of {tenths:?} tenths");
        assert!(outcome.people.iter().map(|p| p.uploaded).sum::<u64>() > 1_000_000, "somebody must be asked");
    }
}
