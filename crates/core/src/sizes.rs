//! How much a core keeps: every table that grows while it runs, with the bound that is meant to hold.
//!
//! The structs below are taken apart field by field, without `..`: whoever adds a field says here whether it grows, or
//! this file does not compile. `tests/memory.rs` holds the sum of it all against the allocator.

use crate::buffer_map::{MAP_LIMIT, REMOTE_LANES};
use crate::index::INDEX_LIMIT_BYTES;
use crate::keys::{REVOKED_LIMIT, SOURCE_LIMIT};
use crate::lane::{Lane, ListState, SEGMENT_LIMIT, UNREAD_LIMIT};
use crate::lanes::{ALIAS_LIMIT, LANE_LIMIT};
use crate::load::rescue::NO_RANGE_LIMIT;
use crate::manifests::{DISPUTED_LIMIT, EARLY_LIMIT_BYTES};
use crate::mesh::Mesh;
use crate::peer::Peer;
use crate::peer::gossip::SHOWN_LIMIT;
use crate::peer::upload::SENT_LIMIT;
use crate::quarantine::DISPUTING_LIMIT;
use crate::segment::Segment;
use crate::store::PAGE_SEGMENT_LIMIT;

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

/// Name, entries now, and the most that one of its kind may have.
type Part = (&'static str, usize, usize);

/// Fragments of a segment as a packager cuts them; a signed list may name up to 1,024.
const FRAGMENTS: usize = 16;
/// Loads and requests that a page has open at once.
const OPEN: usize = 64;
/// Neighbours whose names a segment keeps: those met while it is here.
const NAMES: usize = 64;

impl Mesh {
    /// Every table, so that a test can see that none grows for ever.
    pub fn sizes(&self) -> Vec<Table> {
        let mut tables = self.page_tables();
        let lanes = self.lanes.len();
        add(&mut tables, self.lanes.values().map(lane_parts), lanes);
        let segments = (lanes * SEGMENT_LIMIT).min(PAGE_SEGMENT_LIMIT + UNREAD_LIMIT);
        let each = || self.lanes.values().flat_map(|l| l.segments.values());
        tables.push(Table { name: "segments", entries: each().count(), bound: segments });
        add(&mut tables, each().map(segment_parts), segments);
        // Of the two newest segments of a lane, from two hops around.
        let lots = each().map(|s| s.lots.len()).sum();
        tables.push(Table { name: "lots", entries: lots, bound: lanes * 2 * 256 });
        let asked = each().map(|s| s.asked.len()).sum();
        tables.push(Table { name: "asked fragments", entries: asked, bound: OPEN * FRAGMENTS });
        add(&mut tables, self.peers.values().map(peer_parts), self.peers.len());
        tables
    }

    /// What the page has once.
    fn page_tables(&self) -> Vec<Table> {
        let table = |(name, entries, bound): Part| Table { name, entries, bound };
        let asks = self.peers.values().map(|p| p.asks.len()).sum();
        let parts = [
            ("lanes", self.lanes.len(), LANE_LIMIT),
            ("playlists of one lane", self.aliases.len(), ALIAS_LIMIT),
            ("loads", self.loads.len(), OPEN),
            ("requests to the origin", self.https.len(), OPEN),
            ("grants", self.grants.len() + self.inits.len(), OPEN * 2),
            ("neighbours", self.peers.len(), self.effective.peers_max.max(1) * 2),
            ("requests to neighbours", asks, OPEN),
            ("segments sent", self.uploads.segments_sent(), SENT_LIMIT),
            ("uploads", self.uploads.open_jobs(), self.peers.len() * OPEN),
            ("origins without ranges", self.no_range.len(), NO_RANGE_LIMIT),
            ("key sets", self.keys.len(), SOURCE_LIMIT),
            ("origins that disputed", self.disputes.len(), DISPUTING_LIMIT),
            ("revoked keys", self.keys.revoked(), SOURCE_LIMIT * REVOKED_LIMIT),
            ("viewers proposed", self.roster.ids_kept().0, crate::roster::ID_LIMIT * 2),
            ("viewers closed for cause", self.roster.ids_kept().1, crate::roster::ID_LIMIT),
            ("outputs", self.outputs(), 4_096),
            // Each code is a word of the source.
            ("warnings", self.warnings(), 64),
        ];
        parts.into_iter().map(table).collect()
    }
}

/// Adds up what all of a kind have; `count` of them there may be.
fn add<const N: usize>(tables: &mut Vec<Table>, all: impl Iterator<Item = [Part; N]>, count: usize) {
    let mut sums: Option<[Part; N]> = None;
    for parts in all {
        match &mut sums {
            Some(sums) => sums.iter_mut().zip(parts).for_each(|(sum, (_, entries, _))| sum.1 += entries),
            None => sums = Some(parts),
        }
    }
    let table = |(name, entries, bound): Part| Table { name, entries, bound: bound * count };
    tables.extend(sums.into_iter().flatten().map(table));
}

#[rustfmt::skip]
fn lane_parts(lane: &Lane) -> [Part; 6] {
    let Lane {
        lists, index, inits,
        // Counted above.
        segments: _,
        // Of one size, or of a few names and epochs.
        info: _, rendition: _, anchor: _, target: _, live: _, ended: _, newest: _, sure: _, last_requested: _,
        latest_url: _, first_load: _, last_load: _, left: _, left_since: _, page_no: _, twin: _, bound: _,
        media_loads: _, prefetch_blocked_until: _, bitrate_bps: _, next_bps: _, map_due: _, own_setup: _,
        extents: _, told_class: _, chance: _, proven: _, unlisted: _, refused: _, trouble: _,
    } = lane;
    let ListState {
        expected, early, unread, disputed,
        open: _, failures: _, not_before: _, last_ok: _, issued_at: _, refresh: _, refreshed: _,
    } = lists;
    [
        ("init digests", inits.len(), 16),
        ("lists of a recording, in bytes", index.bytes(), INDEX_LIMIT_BYTES * 2),
        ("lists not verified yet", unread.len(), UNREAD_LIMIT),
        ("segments that wait for their URL", expected.len(), UNREAD_LIMIT),
        ("disputed segments", disputed.len(), DISPUTED_LIMIT),
        ("documents before the keys, in bytes", early.as_ref().map_or(0, Vec::len), EARLY_LIMIT_BYTES),
    ]
}

#[rustfmt::skip]
fn segment_parts(segment: &Segment) -> [Part; 5] {
    let Segment {
        list, fragments, blobs, transfers, shunned, relayed, senders, list_asked, given,
        // Counted above.
        lots: _, asked: _,
        // Of one size; claims and ranges are at most 16 each.
        url: _, name: _, byte_range: _, init: _, discontinuity: _, duration: _, bitrate_bps: _, release: _,
        first_knower: _, quarantined: _, mismatch: _, body: _, body_played: _, mine: _, hearsay: _, salt: _,
        told_by: _, yielded: _, peer_bytes: _, http_bytes: _, flow: _, list_retry: _, look_again: _, list_tries: _,
        unnamed: _, reason: _, tainted: _,
    } = segment;
    let names = shunned.len() + relayed.len() + senders.len() + list_asked.len();
    [
        ("records", list.as_ref().map_or(0, |l| l.count().into()), FRAGMENTS),
        ("fragments", fragments.len().max(given.len()), FRAGMENTS),
        ("blobs", blobs.len(), FRAGMENTS),
        ("transfers", transfers.len(), 2),
        ("neighbours noted at segments", names, NAMES),
    ]
}

fn peer_parts(peer: &Peer) -> [Part; 4] {
    [
        ("lanes named by neighbours", peer.lanes.len(), REMOTE_LANES),
        ("lanes of neighbours", peer.remote.len(), REMOTE_LANES),
        (
            "segments of neighbours",
            peer.remote.values().map(|r| r.segments.len()).sum(),
            REMOTE_LANES * MAP_LIMIT,
        ),
        ("lists shown", peer.shown.len(), SHOWN_LIMIT),
    ]
}
