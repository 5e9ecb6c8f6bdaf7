//! Counters, and their text for Prometheus (exposition format 0.0.4).

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use meshedflow_hub::{Code, Counted, RelayKind};

use crate::permits::Exhausted;
use crate::websocket::Incoming;

/// Everything the edge counts. Label sets are fixed: nothing a viewer says becomes a label.
#[derive(Debug, Default)]
pub struct Metrics {
    pub(crate) connections: AtomicI64,
    pub(crate) members: AtomicI64,
    pub(crate) opened: AtomicU64,
    pub(crate) joins: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) proposals: AtomicU64,
    pub(crate) reports: AtomicU64,
    pub(crate) receipts: AtomicU64,
    pub(crate) refused_total: AtomicU64,
    pub(crate) refused_address: AtomicU64,
    pub(crate) refused_origin: AtomicU64,
    pub(crate) refused_draining: AtomicU64,
    pub(crate) refused_join: AtomicU64,
    pub(crate) signals_dropped: AtomicU64,
    pub(crate) queues_overflowed: AtomicU64,
    pub(crate) refused_forwarded: AtomicU64,
    pub(crate) refused_admin: AtomicU64,
    pub(crate) resets_stalled: AtomicU64,
    pub(crate) resets_goodbye: AtomicU64,
    pub(crate) messages_abandoned: AtomicU64,
    pings: AtomicU64,
    pongs: AtomicU64,
    fragments: AtomicU64,
    relays: [AtomicU64; 4],
    counted: [AtomicU64; COUNTED.len()],
    closed: [AtomicU64; CODES.len()],
    latency: Histogram,
}

/// Label of every [`Counted`].
const COUNTED: [(Counted, &str); 16] = [
    (Counted::Malformed, "malformed"),
    (Counted::UnknownMessage, "unknown_message"),
    (Counted::OutOfOrder, "out_of_order"),
    (Counted::RateLimited, "rate_limited"),
    (Counted::NotProposed, "not_proposed"),
    (Counted::NoOffer, "no_offer"),
    (Counted::RestartTooSoon, "restart_too_soon"),
    (Counted::DescriptionRefused, "description_refused"),
    (Counted::CandidateRefused, "candidate_refused"),
    (Counted::CandidatesExceeded, "candidates_exceeded"),
    (Counted::PeerGone, "peer_gone"),
    (Counted::ProposalsRefused, "proposals_refused"),
    (Counted::Complaint, "complaint"),
    (Counted::NoJoin, "no_join"),
    (Counted::Idle, "idle"),
    (Counted::Expired, "expired"),
];

const CODES: [Code; 8] = [
    Code::Normal,
    Code::GoingAway,
    Code::Policy,
    Code::TooBig,
    Code::TryAgainLater,
    Code::Idle,
    Code::NoJoin,
    Code::Unauthorized,
];

const RELAYS: [&str; 4] = ["offer", "answer", "candidate", "end"];

pub(crate) fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Relaxed);
}

impl Metrics {
    pub(crate) fn count(&self, counted: Counted) {
        let at = COUNTED.iter().position(|(c, _)| *c == counted);
        at.and_then(|at| self.counted.get(at)).into_iter().for_each(|n| add(n, 1));
    }

    pub(crate) fn closed(&self, code: Code) {
        let at = CODES.iter().position(|c| *c == code);
        at.and_then(|at| self.closed.get(at)).into_iter().for_each(|n| add(n, 1));
    }

    pub(crate) fn relayed(&self, kind: RelayKind) {
        let at = match kind {
            RelayKind::Offer(_) => 0,
            RelayKind::Answer => 1,
            RelayKind::Candidate => 2,
            RelayKind::End => 3,
        };
        self.relays.get(at).into_iter().for_each(|n| add(n, 1));
    }

    /// Counts a connection that was refused since a limit is reached.
    pub(crate) fn full(&self, exhausted: Exhausted) {
        let counter = match exhausted {
            Exhausted::Total => &self.refused_total,
            Exhausted::Address => &self.refused_address,
        };
        add(counter, 1);
    }

    /// Counts a frame of a viewer.
    pub(crate) fn heard(&self, incoming: Incoming<'_>) {
        let counter = match incoming {
            Incoming::Text(_) | Incoming::Binary(_) => &self.messages,
            Incoming::Fragment => &self.fragments,
            Incoming::Ping(_) => &self.pings,
            Incoming::Pong => &self.pongs,
        };
        add(counter, 1);
    }

    pub(crate) fn latency(&self, took: Duration) {
        self.latency.observe(took);
    }

    /// The exposition text; `rooms` is (streams, rooms), `limit` connections at most, `draining` whether the edge is
    /// about to stop.
    pub(crate) fn text(&self, rooms: (usize, usize), limit: usize, draining: bool) -> String {
        let mut text = String::with_capacity(4_096);
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, rooms, limit, draining);
        text
    }

    fn write(&self, out: &mut String, rooms: (usize, usize), limit: usize, draining: bool) -> fmt::Result {
        gauge(out, "connections", "Open sockets.", self.connections.load(Relaxed))?;
        gauge(out, "connections_limit", "Connections taken at most, sockets and HTTP.", limit)?;
        gauge(
            out,
            "members",
            "Viewers in rooms, those that may come back included.",
            self.members.load(Relaxed),
        )?;
        gauge(out, "streams", "Streams with viewers.", rooms.0)?;
        gauge(out, "rooms", "Rooms with viewers.", rooms.1)?;
        gauge(out, "draining", "1 while the edge is about to stop.", u8::from(draining))?;
        let plain = [
            ("connections_opened_total", "Sockets accepted.", &self.opened),
            ("joins_total", "Joins admitted.", &self.joins),
            ("resumed_total", "Joins that brought an identity back.", &self.resumed),
            ("messages_total", "Messages of viewers.", &self.messages),
            ("proposals_total", "Neighbours proposed, each side counted.", &self.proposals),
            ("reports_total", "Telemetry reports.", &self.reports),
            ("receipts_total", "Receipts.", &self.receipts),
            (
                "queue_signals_dropped_total",
                "Signals of those who send most, dropped from full queues.",
                &self.signals_dropped,
            ),
            (
                "queue_overflows_total",
                "Connections closed with 1013 for a full queue.",
                &self.queues_overflowed,
            ),
            (
                "messages_abandoned_total",
                "Sockets closed for a message that did not end.",
                &self.messages_abandoned,
            ),
            ("admin_refused_total", "Requests that the admin listener refused.", &self.refused_admin),
        ];
        plain.iter().try_for_each(|(name, help, n)| counter(out, name, help, &[("", n)]))?;
        let relays: Vec<_> = RELAYS.iter().copied().zip(&self.relays).collect();
        labelled(out, "relays_total", "Signals relayed.", "kind", &relays)?;
        let counted: Vec<_> = COUNTED.iter().map(|(_, label)| *label).zip(&self.counted).collect();
        labelled(out, "refusals_total", "What viewers did that is counted.", "reason", &counted)?;
        let codes: Vec<String> = CODES.iter().map(|code| (*code as u16).to_string()).collect();
        let closed: Vec<_> = codes.iter().map(String::as_str).zip(&self.closed).collect();
        labelled(out, "closes_total", "Sockets closed by the edge.", "code", &closed)?;
        let frames = [("ping", &self.pings), ("pong", &self.pongs), ("fragment", &self.fragments)];
        labelled(out, "frames_total", "Frames of viewers that are no message.", "kind", &frames)?;
        let resets = [("stalled", &self.resets_stalled), ("goodbye", &self.resets_goodbye)];
        labelled(out, "resets_total", "Sockets reset for not taking what was sent.", "reason", &resets)?;
        let refused = [
            ("total", &self.refused_total),
            ("address", &self.refused_address),
            ("forwarded", &self.refused_forwarded),
            ("origin", &self.refused_origin),
            ("draining", &self.refused_draining),
            ("join", &self.refused_join),
        ];
        labelled(out, "connections_refused_total", "Sockets and joins refused.", "reason", &refused)?;
        self.latency.write(out)
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) -> fmt::Result {
    write!(out, "# HELP meshedflow_edge_{name} {help}\n# TYPE meshedflow_edge_{name} {kind}\n")
}

fn gauge(out: &mut String, name: &str, help: &str, value: impl fmt::Display) -> fmt::Result {
    head(out, name, help, "gauge")?;
    writeln!(out, "meshedflow_edge_{name} {value}")
}

fn counter(out: &mut String, name: &str, help: &str, values: &[(&str, &AtomicU64)]) -> fmt::Result {
    head(out, name, help, "counter")?;
    values
        .iter()
        .try_for_each(|(labels, n)| writeln!(out, "meshedflow_edge_{name}{labels} {}", n.load(Relaxed)))
}

fn labelled(
    out: &mut String,
    name: &str,
    help: &str,
    key: &str,
    values: &[(&str, &AtomicU64)],
) -> fmt::Result {
    let labels: Vec<String> = values.iter().map(|(label, _)| format!("{{{key}=\"{label}\"}}")).collect();
    let values: Vec<_> = labels.iter().map(String::as_str).zip(values.iter().map(|(_, n)| *n)).collect();
    counter(out, name, help, &values)
}

/// Time of a signal from the sender's task to the recipient's socket.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

const BOUNDS_US: [u64; 10] = [10, 25, 50, 100, 250, 500, 1_000, 5_000, 25_000, 250_000];

impl Histogram {
    fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|bound| us <= *bound);
        bucket.and_then(|at| self.buckets.get(at)).into_iter().for_each(|n| add(n, 1));
        self.count.fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        head(out, "relay_seconds", "Time a signal spent inside the edge.", "histogram")?;
        let name = "meshedflow_edge_relay_seconds";
        let mut below = 0;
        for (bound, n) in BOUNDS_US.iter().zip(&self.buckets) {
            below += n.load(Relaxed);
            writeln!(out, "{name}_bucket{{le=\"{}\"}} {below}", Duration::from_micros(*bound).as_secs_f64())?;
        }
        let (count, sum) = (self.count.load(Relaxed), Duration::from_micros(self.sum_us.load(Relaxed)));
        writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}")?;
        writeln!(out, "{name}_sum {}\n{name}_count {count}", sum.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_counts_what_was_counted() {
        let metrics = Metrics::default();
        metrics.count(Counted::NotProposed);
        metrics.closed(Code::TryAgainLater);
        metrics.relayed(RelayKind::Answer);
        metrics.latency(Duration::from_micros(40));
        let text = metrics.text((1, 2), 5, false);
        for line in [
            "meshedflow_edge_refusals_total{reason=\"not_proposed\"} 1",
            "meshedflow_edge_closes_total{code=\"1013\"} 1",
            "meshedflow_edge_relays_total{kind=\"answer\"} 1",
            "meshedflow_edge_relay_seconds_bucket{le=\"0.00005\"} 1",
            "meshedflow_edge_relay_seconds_count 1",
            "meshedflow_edge_rooms 2",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
        }
    }
}
