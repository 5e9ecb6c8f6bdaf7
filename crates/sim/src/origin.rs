//! The origin: a live stream of two lanes, signed for real, with a log of every request.

use std::collections::BTreeMap;

use meshedflow_manifest::{Record, SegmentEntry, SignedList, sha256};

use crate::event::Micros;
use crate::forge::{Forgery, forged};
use crate::press::{BASE, FRAGMENTS, KeysAre, Press, rolling};

/// Lane directories: a video lane and an audio lane.
pub const LANES: [&str; 2] = ["v", "a"];

/// What is wrong with the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OriginFault {
    /// Nothing.
    #[default]
    None,
    /// No list is served.
    NoList,
    /// Lists carry signatures of zeros.
    Unsigned,
    /// Lists are signed by a key that nobody trusts.
    WrongKey,
    /// Lists are for another stream.
    WrongStream,
    /// Media ignores `Range`.
    NoRange,
    /// What no player waits for is refused at once.
    RefusesElected,
    /// What no player waits for is never answered.
    HangsElected,
    /// Segment 12 is a body of no bytes.
    Empty,
}

/// The origin.
#[derive(Debug)]
pub struct Origin {
    press: Press,
    /// Segment duration in microseconds.
    pub(crate) target_us: Micros,
    /// Bytes of a segment, by lane.
    pub(crate) sizes: [u32; 2],
    /// What is wrong.
    pub fault: OriginFault,
    /// What its key set says.
    pub(crate) keys: KeysAre,
    /// Media bytes that left, by (lane, msn).
    pub log: BTreeMap<(usize, u64), Vec<u32>>,
    pub(crate) list_requests: u32,
    live: bool,
    /// Segments of a recording.
    pub(crate) recorded: u64,
    cache: BTreeMap<(usize, u64), SegmentEntry>,
}

impl Origin {
    pub(crate) fn new(target_ms: u64, live: bool) -> Self {
        Self {
            press: Press::new(),
            target_us: target_ms * 1_000,
            sizes: [160_000, 16_000],
            fault: OriginFault::None,
            keys: KeysAre::Usual,
            log: BTreeMap::new(),
            list_requests: 0,
            live,
            recorded: 40,
            cache: BTreeMap::new(),
        }
    }

    /// Highest segment that is complete at `now`; a live stream starts with 6, a recording has all.
    pub(crate) fn newest(&self, now: Micros) -> u64 {
        if self.live { 6 + now / self.target_us } else { self.recorded }
    }

    /// When a segment is complete.
    pub(crate) fn released(&self, msn: u64) -> Micros {
        if self.live { msn.saturating_sub(6) * self.target_us } else { 0 }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    pub(crate) fn url(lane: usize, msn: u64) -> String {
        format!("{BASE}{}/seg_{msn}.m4s", LANES[lane])
    }

    /// The segment that a URL names.
    pub(crate) fn parse(url: &str) -> Option<(usize, u64)> {
        let rest = url.strip_prefix(BASE)?;
        let (dir, file) = rest.split_once('/')?;
        let lane = LANES.iter().position(|l| *l == dir)?;
        Some((lane, file.strip_prefix("seg_")?.strip_suffix(".m4s")?.parse().ok()?))
    }

    /// The bytes of a segment: any, as long as no two segments share them.
    pub(crate) fn body(&self, lane: usize, msn: u64) -> Vec<u8> {
        let seed = sha256(format!("{lane}/{msn}").as_bytes());
        let period: Vec<u8> = (0..=u8::MAX).flat_map(|i| seed.map(|b| b ^ i)).collect();
        let mut body = period.repeat(self.sizes[lane] as usize / period.len() + 1);
        body.truncate(self.sizes[lane] as usize);
        body
    }

    /// Bytes that left for this segment, as a multiple of its size.
    pub fn copies(&self, lane: usize, msn: u64) -> f64 {
        let sent: u32 = self.log.get(&(lane, msn)).map_or(0, |l| l.iter().sum());
        f64::from(sent) / f64::from(self.sizes[lane])
    }

    pub(crate) fn keys_json(&self, now: Micros) -> String {
        self.press.key_set(self.keys, now)
    }

    /// The key set of an advertiser: it claims to sign this stream, too.
    pub(crate) fn adverts_keys_json(&self) -> String {
        self.press.key_set(KeysAre::Strangers, 0)
    }

    pub(crate) fn pin(&self) -> String {
        self.press.pin()
    }

    /// The rolling list of a lane, or nothing where that is the fault.
    pub(crate) fn list_json(&mut self, now: Micros, lane: usize) -> Option<String> {
        self.list_requests += 1;
        if self.fault == OriginFault::NoList {
            return None;
        }
        let newest = self.newest(now);
        let oldest = if self.live { newest.saturating_sub(7) } else { 1 };
        let mut segments: Vec<_> = (oldest..=newest).map(|msn| self.entry(now, lane, msn)).collect();
        let grown = now % self.target_us * u64::from(FRAGMENTS) / self.target_us;
        if self.live && grown > 0 {
            segments.push(self.signed_entry(lane, newest + 1, grown as u32));
        }
        Some(rolling(self.fault, &rendition(lane), self.target_us, self.live, segments))
    }

    fn entry(&mut self, now: Micros, lane: usize, msn: u64) -> SegmentEntry {
        let age = (now.saturating_sub(self.released(msn)) / 1_000) as u32;
        if let Some(known) = self.cache.get(&(lane, msn)) {
            return SegmentEntry { released_age_ms: age, ..known.clone() };
        }
        let entry = SegmentEntry { released_age_ms: age, ..self.signed_entry(lane, msn, FRAGMENTS) };
        self.cache.insert((lane, msn), entry.clone());
        entry
    }

    /// A forger's list of a segment, and what it is about.
    pub(crate) fn forge(&self, how: Forgery, lane: usize, msn: u64) -> SignedList {
        let mut body = self.body(lane, msn);
        forged(&mut body);
        self.press.forge(how, &rendition(lane), msn, self.records(lane, &body))
    }

    /// A segment with so many fragments; with fewer than all it is still growing.
    fn signed_entry(&self, lane: usize, msn: u64, fragments: u32) -> SegmentEntry {
        let mut records = self.records(lane, &self.body(lane, msn));
        records.truncate(fragments as usize);
        self.press.entry(self.fault, (&rendition(lane), msn), self.target_us, records)
    }

    fn records(&self, lane: usize, body: &[u8]) -> Vec<Record> {
        let size = self.sizes[lane] / FRAGMENTS;
        let record = |(i, bytes): (usize, &[u8])| Record {
            offset: i as u32 * size,
            length: bytes.len() as u32,
            flags: 0,
            sha256: sha256(bytes),
        };
        body.chunks(size as usize).enumerate().map(record).collect()
    }
}

/// The rendition id of a lane.
pub(crate) fn rendition(lane: usize) -> String {
    format!("{}/index.m3u8", LANES[lane])
}
