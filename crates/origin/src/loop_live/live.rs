//! The stream itself: what is complete, what is open, what is due next.

use std::collections::VecDeque;

use bytes::Bytes;
use meshedflow_manifest::{Kind, SignedList, Text};

use super::rendition::LoopRendition;
use super::source::LoopSource;
use crate::OriginError;
use crate::clock::unix_s;
use crate::cut::{Cut, whole};
use crate::desk::{Desk, Growing, Subject};
use crate::playlist::ByteRange;

/// So many segments a stream must have before it when it starts: more than anybody plays.
const AHEAD: u64 = 1 << 30;

/// How a loop is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopOptions {
    /// Complete segments in the playlist, at least 3 (RFC 8216bis section 6.2.2); more where segments are shorter.
    pub window: usize,
    /// Media sequence number of the first segment, in the first rendition.
    pub first_msn: u64,
    /// Whether playlists carry `EXT-X-PROGRAM-DATE-TIME`.
    pub program_date_time: bool,
}

impl Default for LoopOptions {
    fn default() -> Self {
        Self { window: 6, first_msn: 0, program_date_time: true }
    }
}

/// An endless live stream. Ask [`next_due`](Self::next_due) when to [`advance`](Self::advance).
pub struct LiveLoop {
    source: LoopSource,
    options: LoopOptions,
    desk: Desk,
    /// Wall clock at the start of the timeline, in milliseconds; can lie before 1970 for a late first msn.
    zero_ms: i64,
    renditions: Vec<LiveRendition>,
}

/// What is available of one rendition.
pub struct LiveRendition {
    /// Media sequence number of its first segment.
    pub first_msn: u64,
    /// The signed lists of the init segments.
    pub init_lists: Vec<SignedList>,
    /// Segments in order; the last one is open, all others are complete.
    pub segments: VecDeque<LiveSegment>,
}

/// A segment of the stream.
pub struct LiveSegment {
    /// Media sequence number.
    pub msn: u64,
    /// Its file name, also its signed name.
    pub uri: String,
    /// Which bytes of that file it is, if it shares it with others.
    pub range: Option<ByteRange>,
    /// Discontinuity sequence number.
    pub dsn: u32,
    /// Its init segment, by place in the source's rendition.
    pub init: Option<usize>,
    /// When it begins on the wall clock, in milliseconds.
    pub begins_ms: u64,
    /// How long it plays, in microseconds.
    pub duration_us: u64,
    /// When its last fragment was released, in milliseconds of the wall clock; `None` while it is open.
    pub completed_ms: Option<u64>,
    /// The list as signed last; `None` before the first fragment.
    pub list: Option<SignedList>,
    bytes: Bytes,
    cuts: Vec<Cut>,
    growing: Growing,
}

impl LiveSegment {
    /// The bytes released so far.
    pub fn released(&self) -> Bytes {
        let end = self.growing.records().last().map_or(0, |r| r.end());
        self.bytes.slice(..usize::try_from(end).unwrap_or(0).min(self.bytes.len()))
    }

    /// True once all fragments are out.
    pub fn is_complete(&self) -> bool {
        self.completed_ms.is_some()
    }

    /// Fragments released so far.
    pub fn count(&self) -> usize {
        self.growing.records().len()
    }
}

impl LiveLoop {
    /// Starts the stream at `now_ms` with its whole window complete.
    ///
    /// # Errors
    /// [`OriginError::Playlist`] if a rendition would run out of numbers; and all that [`Desk::sign`] refuses.
    pub fn start(
        source: LoopSource,
        options: LoopOptions,
        desk: Desk,
        now_ms: u64,
    ) -> Result<Self, OriginError> {
        let window = |r: &LoopRendition| source.window(r, options.window.max(3)) as u64;
        let last = |r: &LoopRendition| source.beside(r, options.first_msn).saturating_add(window(r) - 1);
        source.renditions.iter().try_for_each(|rendition| can_count(rendition, last(rendition)))?;
        let ends_us = source.renditions.iter().map(|r| r.span_us(last(r)).1).max().unwrap_or(0);
        let zero_ms = now_ms as i64 - (ends_us.div_ceil(1000)) as i64;
        let mut live = Self { source, options, desk, zero_ms, renditions: Vec::new() };
        for index in 0..live.source.renditions.len() {
            let rendition = live.open_rendition(index, now_ms)?;
            live.renditions.push(rendition);
        }
        live.advance(now_ms)?;
        Ok(live)
    }

    /// Releases and signs every fragment that is due at `now_ms`. True if there was one.
    pub fn advance(&mut self, now_ms: u64) -> Result<bool, OriginError> {
        let mut released = false;
        for index in 0..self.renditions.len() {
            while self.due_ms(index).is_some_and(|due| due <= now_ms) {
                self.release(index, now_ms)?;
                released = true;
            }
        }
        for (rendition, state) in self.source.renditions.iter().zip(&self.renditions) {
            let oldest = state.segments.front().map_or(0, |segment| segment.msn);
            self.desk.forget_before(&rendition.name, oldest);
        }
        Ok(released)
    }

    /// Wall clock in milliseconds at which the next fragment is due: call [`advance`](Self::advance) then.
    pub fn next_due(&self) -> u64 {
        (0..self.renditions.len()).filter_map(|i| self.due_ms(i)).min().unwrap_or(u64::MAX)
    }

    /// The directory behind the stream.
    pub fn source(&self) -> &LoopSource {
        &self.source
    }

    /// How it is played.
    pub fn options(&self) -> &LoopOptions {
        &self.options
    }

    /// The stream's name in signed lists.
    pub fn stream(&self) -> &Text {
        self.desk.stream()
    }

    /// The epoch that all its lists carry.
    pub fn epoch(&self) -> u64 {
        self.desk.epoch()
    }

    /// A rendition with what is available of it, by its place in the source.
    pub fn rendition(&self, index: usize) -> Option<(&LoopRendition, &LiveRendition)> {
        self.source.renditions.get(index).zip(self.renditions.get(index))
    }

    /// Complete segments in a rendition's playlist.
    pub fn window(&self, rendition: usize) -> usize {
        let count = self.options.window.max(3);
        self.source.renditions.get(rendition).map_or(count, |r| self.source.window(r, count))
    }

    /// A segment that is still available.
    pub fn segment(&self, rendition: usize, msn: u64) -> Option<&LiveSegment> {
        self.renditions.get(rendition)?.segments.iter().find(|s| s.msn == msn)
    }

    fn open_rendition(&mut self, index: usize, now_ms: u64) -> Result<LiveRendition, OriginError> {
        let Some(rendition) = self.source.renditions.get(index) else { return Err(lost()) };
        let first_msn = self.source.beside(rendition, self.options.first_msn);
        let subject = |name: &str| Subject {
            rendition: rendition.name.clone(),
            kind: Kind::Init,
            msn: first_msn,
            dsn: dsn(rendition, first_msn),
            name: name.to_owned(),
            range_base: 0,
            init_digest: [0; 32],
            issued_at: unix_s(now_ms),
        };
        let mut init_lists = Vec::with_capacity(rendition.inits.len());
        for init in &rendition.inits {
            let cut = whole(&init.bytes).ok_or_else(lost)?;
            init_lists.push(self.desk.sign_whole(subject(&init.uri), &init.bytes, &[cut])?);
        }
        let first = self.open_segment(index, first_msn, now_ms)?;
        Ok(LiveRendition { first_msn, init_lists, segments: VecDeque::from([first]) })
    }

    fn open_segment(&self, index: usize, msn: u64, now_ms: u64) -> Result<LiveSegment, OriginError> {
        let Some(rendition) = self.source.renditions.get(index) else { return Err(lost()) };
        let (_, segment) = rendition.locate(msn).ok_or_else(lost)?;
        let (begins_us, ends_us) = rendition.span_us(msn);
        let uri = rendition.uri(msn).ok_or_else(lost)?;
        let (range, dsn) = (segment.part_of.map(|(_, range)| range), dsn(rendition, msn));
        let init = segment.init.and_then(|init| rendition.inits.get(init));
        let growing = self.desk.open(Subject {
            rendition: rendition.name.clone(),
            kind: segment.kind,
            msn,
            dsn,
            name: uri.clone(),
            range_base: range.map_or(0, |range| range.offset),
            init_digest: init.map_or([0; 32], |init| init.digest),
            issued_at: unix_s(now_ms),
        });
        Ok(LiveSegment {
            msn,
            uri,
            range,
            dsn,
            init: segment.init,
            begins_ms: self.wall_ms(begins_us),
            duration_us: ends_us - begins_us,
            completed_ms: None,
            list: None,
            bytes: rendition.segment(msn).ok_or_else(lost)?,
            cuts: segment.cuts.clone(),
            growing,
        })
    }

    /// When the next fragment of a rendition is due.
    fn due_ms(&self, index: usize) -> Option<u64> {
        let open = self.renditions.get(index)?.segments.back()?;
        let rendition = self.source.renditions.get(index)?;
        Some(self.wall_ms(rendition.piece_end_us(open.msn, open.count())))
    }

    fn release(&mut self, index: usize, now_ms: u64) -> Result<(), OriginError> {
        let due = self.due_ms(index).unwrap_or(now_ms);
        let Some(open) = self.renditions.get_mut(index).and_then(|r| r.segments.back_mut()) else {
            return Err(lost());
        };
        let Some(cut) = open.cuts.get(open.growing.records().len()) else { return Err(lost()) };
        open.growing.append(cut.of(&open.bytes), cut);
        let closed = open.growing.records().len() == open.cuts.len();
        open.list = Some(self.desk.sign(&open.growing, closed)?);
        if closed {
            open.completed_ms = Some(due);
            let next = open.msn + 1;
            let segment = self.open_segment(index, next, now_ms)?;
            self.keep(index, segment);
        }
        Ok(())
    }

    /// A segment stays available for one more window after it left the playlist (RFC 8216bis section 6.2.2).
    fn keep(&mut self, index: usize, segment: LiveSegment) {
        let most = 2 * self.window(index) + 1;
        if let Some(rendition) = self.renditions.get_mut(index) {
            rendition.segments.push_back(segment);
            while rendition.segments.len() > most {
                rendition.segments.pop_front();
            }
        }
    }

    fn wall_ms(&self, timeline_us: u64) -> u64 {
        let ms = timeline_us.div_ceil(1000) as i64;
        u64::try_from(self.zero_ms.saturating_add(ms)).unwrap_or(0)
    }
}

/// [`can_count`] saw to it that it fits.
fn dsn(rendition: &LoopRendition, msn: u64) -> u32 {
    u32::try_from(rendition.dsn(msn)).unwrap_or(u32::MAX)
}

/// Discontinuities are counted in 32 bits, microseconds in 64.
fn can_count(rendition: &LoopRendition, msn: u64) -> Result<(), OriginError> {
    let far = msn.saturating_add(AHEAD);
    if rendition.dsn(far) <= u32::MAX.into() && rendition.span_us(far).1 < i64::MAX as u64 {
        return Ok(());
    }
    let reason = format!(
        "segment {msn} is discontinuity {}, {} s after the start; expected a first media sequence number with fewer before it",
        rendition.dsn(msn),
        rendition.span_us(msn).0 / 1_000_000
    );
    Err(OriginError::playlist(rendition.name.as_str(), reason))
}

/// Only reachable if this file contradicts itself: indexes come from the source's own length.
fn lost() -> OriginError {
    OriginError::media("loop", "segment or rendition out of range; expected one of the source")
}
