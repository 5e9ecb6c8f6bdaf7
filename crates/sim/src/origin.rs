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

/// What files the segments of a stream lie in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Files {
    /// One each.
    #[default]
    Each,
    /// So many segments after one another in one, a byte range each.
    Of(u64),
    /// All in one that grows, a byte range each.
    Growing,
}

impl Files {
    /// Name of the file that a segment is in, and how many segments lie before it there.
    fn place(self, msn: u64) -> (String, u64) {
        match self {
            Self::Each => (format!("seg_{msn}.m4s"), 0),
            Self::Of(each) => (format!("file_{}.m4s", msn / each), msn % each),
            Self::Growing => ("all.m4s".into(), msn),
        }
    }
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
    /// What files the segments lie in.
    pub(crate) files: Files,
    /// GETs of whole files in which more than one segment lies.
    pub whole_files: u32,
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
            files: Files::Each,
            whole_files: 0,
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

    pub(crate) fn url(&self, lane: usize, msn: u64) -> String {
        format!("{BASE}{}/{}", LANES[lane], self.name(msn))
    }

    /// Name of the file that a segment is in.
    pub(crate) fn name(&self, msn: u64) -> String {
        self.files.place(msn).0
    }

    /// The bytes of its file that a segment is, if it is not the whole file.
    pub(crate) fn range(&self, lane: usize, msn: u64) -> Option<(u64, u64)> {
        let size = u64::from(self.sizes[lane]);
        let from = self.files.place(msn).1 * size;
        (self.files != Files::Each).then_some((from, from + size))
    }

    /// The lane of a URL, and the segments of its file that are complete at `now`.
    pub(crate) fn parse(&self, now: Micros, url: &str) -> Option<(usize, Vec<u64>)> {
        let rest = url.strip_prefix(BASE)?;
        let (dir, file) = rest.split_once('/')?;
        let lane = LANES.iter().position(|l| *l == dir)?;
        let within: Vec<u64> = (0..=self.newest(now)).filter(|msn| self.name(*msn) == file).collect();
        (!within.is_empty()).then_some((lane, within))
    }

    /// The bytes that a GET brings, and the segment to which they are counted.
    pub(crate) fn bytes(&mut self, lane: usize, within: &[u64], range: Option<(u64, u64)>) -> (u64, Vec<u8>) {
        let size = u64::from(self.sizes[lane]);
        let Some((from, to)) = range else {
            self.whole_files += u32::from(within.len() > 1);
            return (within[0], within.iter().flat_map(|msn| self.body(lane, *msn)).collect());
        };
        // Nobody asks for bytes of two segments at once.
        let msn = within[(from / size) as usize];
        let at = from / size * size;
        (msn, self.body(lane, msn)[(from - at) as usize..(to - at) as usize].to_vec())
    }

    /// The bytes of a segment: any, as long as no two segments share them.
    pub(crate) fn body(&self, lane: usize, msn: u64) -> Vec<u8> {
        let seed = sha256(format!("{lane}/{msn}").as_bytes());
        let period: Vec<u8> = (0..=u8::MAX).flat_map(|i| seed.map(|b| b ^ i)).collect();
        let mut body = period.repeat(self.sizes[lane] as usize / period.len() + 1);
        body.truncate(self.sizes[lane] as usize);
        body
    }

    /// What a player gets for a segment: where ranges are ignored, the whole file.
    pub(crate) fn played(&mut self, now: Micros, lane: usize, msn: u64) -> Vec<u8> {
        match self.parse(now, &self.url(lane, msn)) {
            Some((lane, within)) if self.fault == OriginFault::NoRange => {
                within.iter().flat_map(|msn| self.body(lane, *msn)).collect()
            }
            _ => self.body(lane, msn),
        }
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
        let place = (self.name(msn), self.range(lane, msn).map_or(0, |(from, _)| from));
        self.press.entry(self.fault, (&rendition(lane), msn), place, self.target_us, records)
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
