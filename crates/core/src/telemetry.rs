//! Counting: what came from where and why, each byte once.

use crate::sorted::SortedMap;

use meshedflow_json::Object;

use crate::mesh::Mesh;
use crate::output::Reason;

/// Counters of one core.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) peer_bytes: u64,
    pub(crate) delivered_peer_bytes: u64,
    pub(crate) delivered_http_bytes: u64,
    pub(crate) http: SortedMap<Reason, u64>,
    pub(crate) reasons: SortedMap<Reason, u32>,
    pub(crate) duplicate_bytes: u64,
    pub(crate) stray_bytes: u64,
    pub(crate) verify_failures: u32,
    pub(crate) false_signatures: u32,
    pub(crate) verifies_refused: u32,
    pub(crate) rejects: u32,
    pub(crate) slow_peers: u32,
    pub(crate) back_offs: u32,
    pub(crate) hedges: u32,
    pub(crate) connects: u32,
    pub(crate) dial_failures: u32,
    pub(crate) candidates_refused: u32,
    pub(crate) signals_refused: u32,
    pub(crate) elections: u32,
    pub(crate) claims_ignored: u32,
    pub(crate) prefetch_failures: u32,
    pub(crate) unknown_messages: u32,
    pub(crate) stalls: u32,
    pub(crate) segments: u32,
}

impl Tally {
    pub(crate) fn http_bytes(&mut self, reason: Reason, bytes: u32) {
        *self.http.entry(reason).or_default() += u64::from(bytes);
    }

    pub(crate) fn fallback(&mut self, reason: Reason) {
        *self.reasons.entry(reason).or_default() += 1;
    }

    pub(crate) fn delivered(&mut self, from_peers: u32, from_http: u32, reason: Reason) {
        self.segments += 1;
        self.delivered_peer_bytes += u64::from(from_peers);
        self.delivered_http_bytes += u64::from(from_http);
        if matches!(reason, Reason::Peer | Reason::Store) {
            *self.reasons.entry(reason).or_default() += 1;
        }
    }
}

/// A snapshot for the page: bytes since the core started, and what stands now.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Neighbours connected now.
    pub peers: u32,
    /// Verified bytes received from neighbours.
    pub peer_bytes: u64,
    /// Bytes that the player got and that neighbours had sent.
    pub delivered_peer_bytes: u64,
    /// Bytes that the player got and that HTTP had brought.
    pub delivered_http_bytes: u64,
    /// Media bytes over HTTP, by reason.
    pub http_bytes: SortedMap<String, u64>,
    /// Loads by the reason of their way.
    pub reasons: SortedMap<String, u32>,
    /// Media bytes sent to neighbours.
    pub uploaded_bytes: u64,
    /// Verified bytes that were here already.
    pub duplicate_bytes: u64,
    /// Bytes from neighbours that nobody waited for any more.
    pub stray_bytes: u64,
    /// Fragments turned away at the door.
    pub verify_failures: u32,
    /// Lists with a false signature.
    pub false_signatures: u32,
    /// Requests that neighbours refused.
    pub rejects: u32,
    /// Requests given up because a neighbour was slow.
    pub slow_peers: u32,
    /// Requests that moved on to a faster neighbour.
    pub hedges: u32,
    /// Times this viewer gave less because its line grew slow.
    pub back_offs: u32,
    /// Connections that came up.
    pub connects: u32,
    /// Dials that did not.
    pub dial_failures: u32,
    /// Segments fetched because of an election.
    pub elections: u32,
    /// Media kept, in bytes.
    pub stored_bytes: u64,
    /// Loads delivered.
    pub segments: u32,
    /// On, or why not.
    pub sharing: String,
}

impl Stats {
    /// As a JSON object, names in camelCase.
    pub fn to_json(&self) -> String {
        let mut json = Object::new();
        for (name, count) in [
            ("peers", u64::from(self.peers)),
            ("peerBytes", self.peer_bytes),
            ("deliveredPeerBytes", self.delivered_peer_bytes),
            ("deliveredHttpBytes", self.delivered_http_bytes),
            ("uploadedBytes", self.uploaded_bytes),
            ("duplicateBytes", self.duplicate_bytes),
            ("strayBytes", self.stray_bytes),
            ("verifyFailures", self.verify_failures.into()),
            ("falseSignatures", self.false_signatures.into()),
            ("rejects", self.rejects.into()),
            ("slowPeers", self.slow_peers.into()),
            ("hedges", self.hedges.into()),
            ("backOffs", self.back_offs.into()),
            ("connects", self.connects.into()),
            ("dialFailures", self.dial_failures.into()),
            ("elections", self.elections.into()),
            ("storedBytes", self.stored_bytes),
            ("segments", self.segments.into()),
        ] {
            json = json.whole(name, count);
        }
        let (mut bytes, mut reasons) = (Object::new(), Object::new());
        for (reason, count) in &self.http_bytes {
            bytes = bytes.whole(reason, *count);
        }
        for (reason, count) in &self.reasons {
            reasons = reasons.whole(reason, u64::from(*count));
        }
        json.json("httpBytes", &bytes.end())
            .json("reasons", &reasons.end())
            .text("sharing", &self.sharing)
            .end()
    }
}

impl Mesh {
    /// What happened so far.
    pub fn stats(&self) -> Stats {
        let t = &self.tally;
        Stats {
            peers: self.open_peers(),
            peer_bytes: t.peer_bytes,
            delivered_peer_bytes: t.delivered_peer_bytes,
            delivered_http_bytes: t.delivered_http_bytes,
            http_bytes: t.http.iter().map(|(r, b)| (r.name().into(), *b)).collect(),
            reasons: t.reasons.iter().map(|(r, n)| (r.name().into(), *n)).collect(),
            uploaded_bytes: self.uploads.sent_bytes,
            duplicate_bytes: t.duplicate_bytes,
            stray_bytes: t.stray_bytes,
            verify_failures: t.verify_failures,
            false_signatures: t.false_signatures,
            rejects: t.rejects,
            slow_peers: t.slow_peers,
            hedges: t.hedges,
            back_offs: t.back_offs,
            connects: t.connects,
            dial_failures: t.dial_failures,
            elections: t.elections,
            stored_bytes: self.stored_bytes(),
            segments: t.segments,
            sharing: self.why_unshared().unwrap_or("on").into(),
        }
    }
}

impl Reason {
    /// Its kebab-case name, as events, statistics and logs show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Elected => "elected",
            Self::FirstKnower => "first-knower",
            Self::Backup => "backup",
            Self::NoHolder => "no-holder",
            Self::NoPeers => "no-peers",
            Self::Urgent => "urgent",
            Self::PeerSlow => "peer-slow",
            Self::PeerBusy => "peer-busy",
            Self::Unverified => "unverified",
            Self::NoList => "no-list",
            Self::NoKey => "no-key",
            Self::ListMismatch => "list-mismatch",
            Self::Capped => "capped",
            Self::Policy => "policy",
            Self::Killed => "killed",
            Self::NoPolicy => "no-policy",
            Self::NoConsent => "no-consent",
            Self::TooLarge => "too-large",
            Self::HttpOnly => "http-only",
            Self::NoRange => "no-range",
            Self::Peer => "peer",
            Self::Store => "store",
            Self::Quarantine => "quarantine",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;
    use crate::time::Time;

    #[test]
    fn statistics_are_written_with_every_count() {
        let options = Options::parse(r#"{"streamId":"s"}"#).unwrap();
        let mut mesh = Mesh::new(options, 1, Time::default());
        mesh.tally.http_bytes(Reason::Startup, 7);
        mesh.tally.fallback(Reason::NoPeers);
        mesh.tally.elections = 3;
        let json = mesh.stats().to_json();
        for part in [r#""httpBytes":{"startup":7}"#, r#""reasons":{"no-peers":1}"#, r#""elections":3"#] {
            assert!(json.contains(part), "{json}");
        }
        // Each field once, and one entry in each of the two maps.
        let fields = format!("{:?}", mesh.stats());
        assert_eq!(json.matches(":").count() - 2, fields.matches(": ").count(), "{json} {fields}");
    }
}
