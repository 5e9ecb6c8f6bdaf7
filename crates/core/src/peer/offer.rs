//! First copies: whoever fetched a fragment offers it to one neighbour, each time another; the others wait for that
//! one to have it, instead of all pulling at the fetcher's uplink.

use crate::time::Duration;
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::policy::CmafMode;
use meshedflow_protocol::wire::Delta;

use crate::input::ConnNo;
use crate::mesh::Mesh;
use crate::output::Source;
use crate::segment::SegKey;
use crate::sorted::SortedSet;

/// A neighbour that was offered a first copy gets this long to ask for it, besides what its holder needs.
const ASKING: Duration = Duration::from_millis(100);
/// Nobody waits longer for a holder-to-be.
const HINT_LIMIT: Duration = Duration::from_secs(3);

impl Mesh {
    /// Whom the first copy of a fragment that just verified goes to; `None` where all may come at once.
    pub(crate) fn offer_of(&self, key: SegKey, index: u16) -> Option<PeerId> {
        let seg = self.seg(key)?;
        let fetched = |i: u16| seg.fragments.get(&i).is_some_and(|v| !matches!(v.from(), Source::Peer(..)));
        let whole = self.effective.cmaf_mode != CmafMode::Serve;
        if !fetched(index) || (whole && !seg.is_complete()) || seg.copies_given(index) > 0 {
            return None;
        }
        // Each segment begins with another neighbour, each fragment goes to the next.
        let turn = if whole { key.msn } else { key.msn.wrapping_mul(7).wrapping_add(index.into()) };
        let takers: SortedSet<PeerId> =
            self.peers.values().filter(|p| p.is_open() && p.awaits(key)).map(|p| p.id).collect();
        let place = turn.checked_rem(takers.iter().len() as u64)?;
        takers.iter().nth(usize::try_from(place).ok()?).copied().filter(|_| takers.iter().len() > 1)
    }

    /// A neighbour offers fragments: to this viewer, or to another one that will have them soon.
    pub(crate) fn note_offer(&mut self, conn: ConnNo, key: SegKey, d: &Delta) {
        let (now, mine) = (self.now, d.offer_to == self.roster.me);
        let http = self.http.rate();
        let bytes = self
            .seg(key)
            .map_or(0, |s| (d.first..d.first.saturating_add(d.held)).map(|i| s.bytes_of(&[i])).sum());
        let whole = self.effective.cmaf_mode != CmafMode::Serve;
        let bytes: u32 = if whole { self.seg(key).and_then(|s| s.length()).unwrap_or(bytes) } else { bytes };
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let rate = peer.speed.rate().or(http).unwrap_or(500_000.0).max(1_000.0);
        let sending = Duration::from_secs_f64(f64::from(bytes) * 2.0 / rate.max(1.0)).min(HINT_LIMIT);
        let rtt = peer.speed.rtt();
        let Some(remote) = peer.remote.get_mut(&key.lane) else { return };
        let wait = (remote.queue(now) + sending + rtt * 2 + ASKING).min(HINT_LIMIT);
        let entry = remote.entry(key.msn);
        for i in d.first..d.first.saturating_add(d.held) {
            match d.offer_to {
                Some(_) if mine => entry.offered.set(i),
                Some(_) => entry.hinted.set(i),
                None => {}
            }
        }
        if d.offer_to.is_some() && !mine {
            entry.hint_until = now + wait;
        }
    }
}

impl crate::peer::Peer {
    /// It is in the lane of this segment and has not told of having it.
    fn awaits(&self, key: SegKey) -> bool {
        let Some(remote) = self.remote.get(&key.lane) else { return false };
        remote.elect.is_some() && remote.segments.get(&key.msn).is_none_or(|s| s.held.is_empty() || !s.closed)
    }
}
