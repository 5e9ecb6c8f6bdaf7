//! What a neighbour may do, and what becomes of one that lies, floods or lets others wait.
//!
//! Wrong bytes once are a warning, twice the end. Who says more than any true neighbour has to is closed. Who promises
//! and does not deliver is no liar (links fail), but is asked later and later, and its word covers nothing meanwhile.

use crate::input::ConnNo;
use crate::mesh::Mesh;
use crate::peer::Peer;
use crate::peer::bucket::Bucket;
use crate::time::{Duration, Time};

/// Strikes that end a connection.
const LIMIT: u8 = 2;
/// A neighbour that kept this viewer waiting; a request answered in full makes good for half of it.
const LET_DOWN: u8 = 2;
/// From here on its word covers nothing: two requests in a row without an answer.
const UNRELIABLE: u8 = 4;
/// More failures make no difference.
const FAILURES_LIMIT: u8 = 14;
/// So long nobody listens to a neighbour of whose last five claims three came to nothing.
const DEAF: Duration = Duration::from_secs(60);
/// A message without use costs at least as much as one of so many bytes.
const STRAY_FLOOR_BYTES: u32 = 2_048;

/// What a neighbour may still say and cause.
#[derive(Debug)]
pub(crate) struct Budgets {
    /// Control frames: 100/s. After a page slept, ten seconds of them may come at once.
    frames: Bucket,
    /// Their bytes.
    bytes: Bucket,
    /// Media that nobody waits for: what is on its way when a request is cancelled.
    stray: Bucket,
    /// Maps and lists that it makes this viewer send.
    replies: Bucket,
    /// Lists of its that are verified.
    verifies: Bucket,
    /// Claims that are passed on for it.
    relays: Bucket,
    /// Ids that it may yet give itself: an edge comes back once in a while.
    pub(crate) names: Bucket,
}

impl Budgets {
    pub(crate) fn new(now: Time) -> Self {
        let kib = |n: u32| f64::from(n) * 1024.0;
        Self {
            frames: Bucket::new(100.0, 1_000.0, now),
            bytes: Bucket::new(kib(256), kib(2_048), now),
            stray: Bucket::new(kib(512), kib(4_096), now),
            replies: Bucket::new(4.0, 64.0, now),
            verifies: Bucket::new(8.0, 32.0, now),
            relays: Bucket::new(2.0, 4.0, now),
            names: Bucket::new(1.0 / 60.0, 4.0, now),
        }
    }
}

impl Peer {
    /// It promised and did not deliver: asked again after 0.5 s, 1 s, .. 32 s.
    pub(crate) fn let_down(&mut self, now: Time) {
        self.failures = (self.failures + LET_DOWN).min(FAILURES_LIMIT);
        let wait = Duration::from_millis(250) * (1 << (self.failures / LET_DOWN));
        self.not_before = self.not_before.max(now + wait);
    }

    /// It turned a request away that it had invited.
    pub(crate) fn turned_away(&mut self) {
        self.failures = (self.failures + 1).min(FAILURES_LIMIT);
    }

    pub(crate) fn delivered(&mut self) {
        self.failures = self.failures.saturating_sub(1);
    }

    /// May others be left waiting because this one says that it has, or will bring, something?
    pub(crate) fn is_reliable(&self) -> bool {
        self.failures < UNRELIABLE
    }
}

impl Mesh {
    /// All bytes of a fragment came from one neighbour and were wrong: it alone is to blame.
    pub(crate) fn strike(&mut self, conn: ConnNo, what: &str) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        peer.strikes += 1;
        if peer.strikes >= LIMIT {
            self.close_peer(conn, Some(what));
        }
    }

    /// Takes a message or frame out of a neighbour's budget; false if it was closed for its flood.
    pub(crate) fn may_say_more(&mut self, conn: ConnNo, bytes: usize) -> bool {
        let now = self.now;
        let Some(budgets) = self.peers.get_mut(&conn).map(|p| &mut p.budgets) else { return false };
        let flood = match () {
            () if !budgets.frames.take(now, 1.0) => "more than 100 frames a second",
            () if !budgets.bytes.take(now, bytes as f64) => "more than 256 KiB of frames a second",
            () => return true,
        };
        self.end_flood(conn, flood)
    }

    /// Media that nobody waits for.
    pub(crate) fn on_stray(&mut self, conn: ConnNo, bytes: u32) {
        let now = self.now;
        self.tally.stray_bytes += u64::from(bytes);
        let cost = f64::from(bytes.max(STRAY_FLOOR_BYTES));
        if self.peers.get_mut(&conn).is_some_and(|p| !p.budgets.stray.take(now, cost)) {
            self.end_flood(conn, "media that nobody asked for");
        }
    }

    fn end_flood(&mut self, conn: ConnNo, what: &str) -> bool {
        let tolerated = self.options.mutant("no-budgets");
        if !tolerated {
            self.close_peer(conn, Some(what));
        }
        tolerated
    }

    /// May this neighbour make this viewer send a map or a list once more?
    pub(crate) fn may_reply(&mut self, conn: ConnNo) -> bool {
        let now = self.now;
        self.peers.get_mut(&conn).is_some_and(|p| p.budgets.replies.take(now, 1.0))
    }

    /// May another list of this neighbour be verified? All neighbours share the page's own budget.
    pub(crate) fn may_verify(&mut self, conn: ConnNo) -> bool {
        let now = self.now;
        let theirs = self.peers.get_mut(&conn).is_some_and(|p| p.budgets.verifies.take(now, 1.0));
        let allowed = theirs && self.verifies.take(now, 1.0);
        if !allowed {
            self.tally.verifies_refused += 1;
        }
        allowed
    }

    /// Do claims and news of this neighbour count?
    pub(crate) fn is_heeded(&self, conn: ConnNo) -> bool {
        self.peers.get(&conn).is_some_and(|p| p.ignored_until <= self.now)
            || self.options.mutant("believe-all")
    }

    /// What it said kept this viewer waiting, or sent it to the origin, for nothing.
    pub(crate) fn said_in_vain(&mut self, conn: ConnNo) {
        if self.peers.get_mut(&conn).is_some_and(|p| p.word.broken()) {
            self.close_ears(conn);
        }
    }

    /// Claims that it brought and of which nothing came count against it.
    pub(crate) fn review_word(&mut self, conn: ConnNo) {
        let now = self.now;
        if self.peers.get_mut(&conn).is_some_and(|p| p.word.review(now)) {
            self.close_ears(conn);
        }
    }

    fn close_ears(&mut self, conn: ConnNo) {
        let until = self.now + DEAF;
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.ignored_until = until;
        }
    }

    /// May another claim that this neighbour brought be passed on?
    pub(crate) fn may_relay_for(&mut self, conn: ConnNo) -> bool {
        let now = self.now;
        self.peers.get_mut(&conn).is_some_and(|p| p.budgets.relays.take(now, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use meshedflow_protocol::ids::PeerId;

    use super::*;

    #[test]
    fn who_lets_others_wait_is_asked_later_and_later_until_it_delivers() {
        let mut peer = Peer::dialing(PeerId([1; 16]), None, 1, Time(0));
        let pause = |p: &mut Peer| {
            p.not_before = Time(0);
            p.let_down(Time(0));
            p.not_before.since(Time(0)).as_millis()
        };
        assert_eq!((pause(&mut peer), peer.is_reliable()), (500, true));
        assert_eq!((pause(&mut peer), peer.is_reliable()), (1_000, false));
        assert_eq!([0; 6].map(|_| pause(&mut peer)), [2_000, 4_000, 8_000, 16_000, 32_000, 32_000]);
        (0..11).for_each(|_| peer.delivered());
        assert!(peer.is_reliable());
    }
}
