//! How much a core keeps: every table that grows while it runs, with the bound that is meant to hold.

use crate::buffer_map::MAP_LIMIT;
use crate::lane::{Lane, SEGMENT_LIMIT};
use crate::mesh::Mesh;
use crate::peer::Peer;
use crate::peer::gossip::SHOWN_LIMIT;
use crate::peer::upload::SENT_LIMIT;
use crate::segment::Segment;

/// One table, or all of a kind together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// What is in it.
    pub name: &'static str,
    /// Entries now.
    pub entries: usize,
    /// Most entries that there may ever be.
    pub bound: usize,
}

/// Fragments of a segment as a packager cuts them; a signed list may name up to 1,024.
const FRAGMENTS: usize = 16;
/// Loads and requests that a page has open at once.
const OPEN: usize = 64;

impl Mesh {
    /// Every table, so that a test can see that none grows for ever.
    pub fn sizes(&self) -> Vec<Table> {
        let (lanes, peers) = (self.lanes.len(), self.peers.len());
        let segments = lanes * SEGMENT_LIMIT;
        let per =
            |of: fn(&Segment) -> usize| self.lanes.values().flat_map(|l| l.segments.values()).map(of).sum();
        let by_lane = |of: fn(&Lane) -> usize| self.lanes.values().map(of).sum();
        let by_peer = |of: fn(&Peer) -> usize| self.peers.values().map(of).sum();
        let table = |name, entries, bound| Table { name, entries, bound };
        vec![
            table("segments", by_lane(|l| l.segments.len()), segments),
            table("init digests", by_lane(|l| l.inits.len()), lanes * 16),
            table("fragments", per(|s| s.fragments.len()), segments * FRAGMENTS),
            table("blobs", per(|s| s.blobs.len()), segments * FRAGMENTS),
            table("transfers", per(|s| s.transfers.len()), segments * 2),
            // Of the two newest segments of a lane, from two hops around.
            table("lots", per(|s| s.lots.len()), lanes * 2 * 256),
            table("asked fragments", per(|s| s.asked.len()), OPEN * FRAGMENTS),
            table("loads", self.loads.len(), OPEN),
            table("requests to the origin", self.https.len(), OPEN),
            table("grants", self.grants.len() + self.inits.len(), OPEN * 2),
            table("neighbours", peers, self.effective.peers_max.max(1) * 2),
            table("requests to neighbours", by_peer(|p| p.asks.len()), OPEN),
            table(
                "segments of neighbours",
                by_peer(|p| p.remote.values().map(|r| r.segments.len()).sum()),
                peers * 8 * MAP_LIMIT,
            ),
            table("lists shown", by_peer(|p| p.shown.len()), peers * SHOWN_LIMIT),
            table("segments sent", self.uploads.segments_sent(), SENT_LIMIT),
            table("origins without ranges", self.no_range.len(), 64),
        ]
    }
}
