//! The origin of a swarm: segments that are sizes and digests, lists that are signed for real.

use std::collections::BTreeMap;
use std::sync::Arc;

use meshedflow_core::LaneKind;
use meshedflow_manifest::{Record, SegmentEntry};

use super::content::Piece;
use crate::event::Micros;
use crate::origin::OriginFault;
use crate::plan::Stream;
use crate::press::{BASE, FRAGMENTS, Press, rolling};

/// Segments that a live stream has when the world begins.
const BEGUN: u64 = 8;
/// Segments in a live list.
const WINDOW: u64 = 8;
/// Live lists come out of a cache that is so old at most.
const CACHED_US: Micros = 250_000;

/// One rendition.
#[derive(Debug)]
pub(super) struct Rendition {
    pub(super) dir: String,
    pub(super) kind: LaneKind,
    /// Bytes of a segment.
    pub(super) size: u32,
    pub(super) bps: u32,
}

/// A list: when it was written, what it tells of, its text.
type Written = (Micros, Edge, Arc<[u8]>);
/// The newest complete segment, and how many fragments there are of the next.
type Edge = (u64, u32);

/// The origin, as viewers may read it at any time within a window.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) lanes: Vec<Rendition>,
    pub(super) target_us: Micros,
    pub(super) live: bool,
    pub(super) recorded: u64,
    pub(super) fault: OriginFault,
    /// Media is answered with 503.
    pub(super) refuses: bool,
    pub(super) ttfb_us: Micros,
    /// What each open body gets at most.
    pub(super) share_bytes_per_s: u64,
    pub(super) keys: Arc<[u8]>,
    /// Of each lane, with the time at which they were written.
    lists: Vec<Option<Written>>,
    entries: BTreeMap<(usize, u64), SegmentEntry>,
    press: Press,
}

impl Source {
    pub(super) fn new(stream: &Stream) -> Self {
        let size = |bps: u32| u32::try_from(u64::from(bps) * stream.target_ms / 8_000).unwrap_or(u32::MAX);
        let rung = |(i, bps): (usize, &u32)| Rendition {
            dir: format!("v{i}"),
            kind: LaneKind::Main,
            size: size(*bps).max(FRAGMENTS),
            bps: *bps,
        };
        let mut lanes: Vec<Rendition> = stream.rungs_bps.iter().enumerate().map(rung).collect();
        if stream.audio_bps > 0 {
            let bps = stream.audio_bps;
            lanes.push(Rendition {
                dir: "a".into(),
                kind: LaneKind::Audio,
                size: size(bps).max(FRAGMENTS),
                bps,
            });
        }
        let press = Press::new();
        Self {
            lists: vec![None; lanes.len()],
            lanes,
            target_us: stream.target_ms * 1_000,
            live: stream.live,
            recorded: stream.recorded,
            fault: OriginFault::None,
            refuses: false,
            ttfb_us: stream.ttfb_ms * 1_000,
            share_bytes_per_s: u64::MAX,
            keys: press.keys_json().into_bytes().into(),
            entries: BTreeMap::new(),
            press,
        }
    }

    /// Highest segment that is complete at `now`.
    pub(super) fn newest(&self, now: Micros) -> u64 {
        if self.live { BEGUN + now / self.target_us } else { self.recorded }
    }

    /// The live edge: a fragment is signed and listed as soon as it is made.
    fn edge(&self, now: Micros) -> Edge {
        let grown = if self.live { now % self.target_us * u64::from(FRAGMENTS) / self.target_us } else { 0 };
        (self.newest(now), grown as u32)
    }

    /// When a segment came to be.
    pub(super) fn released(&self, msn: u64) -> Micros {
        if self.live { msn.saturating_sub(BEGUN) * self.target_us } else { 0 }
    }

    pub(super) fn url(&self, lane: usize, msn: u64) -> String {
        format!("{BASE}{}/seg_{msn}.m4s", self.lanes[lane].dir)
    }

    /// The segment that a URL names.
    pub(super) fn parse(&self, url: &str) -> Option<(usize, u64)> {
        let (dir, file) = url.strip_prefix(BASE)?.split_once('/')?;
        Some((self.lane(dir)?, file.strip_prefix("seg_")?.strip_suffix(".m4s")?.parse().ok()?))
    }

    /// The lane whose list a URL names, and the segment that the answer waits for.
    pub(super) fn list_lane(&self, url: &str) -> Option<(usize, Option<u64>)> {
        let (dir, file) = url.strip_prefix(BASE)?.split_once('/')?;
        let (_, query) = file.split_once(".mfi.json")?;
        Some((self.lane(dir)?, query.strip_prefix("?_msn=").and_then(|n| n.parse().ok())))
    }

    fn lane(&self, dir: &str) -> Option<usize> {
        self.lanes.iter().position(|l| l.dir == dir)
    }

    /// The rendition id of a lane.
    pub(super) fn rendition(&self, lane: usize) -> String {
        format!("{}/index.m3u8", self.lanes[lane].dir)
    }

    /// Offset and length of the fragment that holds this byte.
    fn fragment(&self, lane: usize, off: u32) -> (u32, u32) {
        let size = self.lanes[lane].size;
        let each = size / FRAGMENTS;
        let i = (off / each).min(FRAGMENTS - 1);
        let end = if i == FRAGMENTS - 1 { size } else { (i + 1) * each };
        (i * each, end - i * each)
    }

    /// The end of the fragment that begins at or holds `off`.
    pub(super) fn next_cut(&self, lane: usize, off: u32) -> u32 {
        let (at, len) = self.fragment(lane, off);
        at + len
    }

    /// The signed digest of exactly these bytes, if they are a fragment.
    pub(super) fn digest(&self, piece: &Piece) -> Option<[u8; 32]> {
        let lane = usize::from(piece.lane);
        let whole = !piece.harmed && self.fragment(lane, piece.off) == (piece.off, piece.len);
        whole.then(|| digest_of(lane, piece.msn.into(), piece.off))
    }

    /// The list of a lane now, if it is served.
    pub(super) fn list(&self, lane: usize) -> Option<Arc<[u8]>> {
        let there = self.fault != OriginFault::NoList;
        self.lists[lane].as_ref().filter(|_| there).map(|(.., text)| text.clone())
    }

    /// Time went on: signs what is new, writes lists anew. Between windows only.
    pub(super) fn advance(&mut self, now: Micros) {
        let edge = self.edge(now);
        for lane in 0..self.lanes.len() {
            let old = self.lists[lane].as_ref();
            let stale = |(at, told, _): &Written| *told != edge || now >= at + CACHED_US && self.live;
            if old.is_none_or(stale) {
                let text = self.write_list(now, lane, edge);
                self.lists[lane] = Some((now, edge, text.into_bytes().into()));
            }
        }
        if self.live {
            self.entries.retain(|(_, msn), _| msn + 2 * WINDOW > edge.0);
        }
    }

    /// Lists are written anew: what they say has changed.
    pub(super) fn forget_lists(&mut self) {
        self.entries.clear();
        self.lists.iter_mut().for_each(|l| *l = None);
    }

    fn write_list(&mut self, now: Micros, lane: usize, (newest, grown): Edge) -> String {
        let oldest = if self.live { newest.saturating_sub(WINDOW - 1) } else { 1 };
        let mut segments: Vec<_> = (oldest..=newest).map(|msn| self.entry(now, lane, msn)).collect();
        if grown > 0 {
            segments.push(self.signed_entry(lane, newest + 1, grown));
        }
        rolling(self.fault, &self.rendition(lane), self.target_us, self.live, segments)
    }

    fn entry(&mut self, now: Micros, lane: usize, msn: u64) -> SegmentEntry {
        let age = (now.saturating_sub(self.released(msn)) / 1_000) as u32;
        if let Some(known) = self.entries.get(&(lane, msn)) {
            return SegmentEntry { released_age_ms: age, ..known.clone() };
        }
        let entry = SegmentEntry { released_age_ms: age, ..self.signed_entry(lane, msn, FRAGMENTS) };
        self.entries.insert((lane, msn), entry.clone());
        entry
    }

    /// A segment with so many fragments; with fewer than all it is still growing.
    fn signed_entry(&self, lane: usize, msn: u64, fragments: u32) -> SegmentEntry {
        let mut records = Vec::new();
        let mut offset = 0;
        for _ in 0..fragments {
            let (_, length) = self.fragment(lane, offset);
            records.push(Record { offset, length, flags: 0, sha256: digest_of(lane, msn, offset) });
            offset += length;
        }
        let place = (format!("seg_{msn}.m4s"), 0);
        self.press.entry(self.fault, (&self.rendition(lane), msn), place, self.target_us, records)
    }
}

/// A digest of bytes that do not exist: no two fragments share one.
fn digest_of(lane: usize, msn: u64, offset: u32) -> [u8; 32] {
    let mut digest = [0x5a; 32];
    digest[..8].copy_from_slice(&msn.to_be_bytes());
    digest[8..12].copy_from_slice(&offset.to_be_bytes());
    digest[12] = lane as u8;
    digest
}
