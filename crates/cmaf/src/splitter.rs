//! The push scanner.

use core::fmt;

use crate::header::{self, HEADER_LIMIT_BYTES, Header, Read, Size};
use crate::moof;

/// Tile length in bytes for opaque data.
pub const TILE_BYTES: u32 = 64 << 10;
/// Tile length in bytes for MPEG-TS: 348 packets of 188 bytes.
pub const TS_TILE_BYTES: u32 = 348 * 188;
/// First byte of every MPEG-TS packet.
const TS_SYNC: u8 = 0x47;

/// What a segment may have at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one fragment; a longer one is tiled.
    pub fragment_bytes: u32,
    /// Bytes of the segment; more is an error.
    pub segment_bytes: u32,
    /// Fragments of the segment; more is an error.
    pub fragments: u32,
    /// Top-level boxes; what follows them is tiled.
    pub boxes: u32,
    /// Bytes of a `moof` kept to read its flags; a longer one counts as not independent.
    pub moof_bytes: u32,
}

impl Default for Limits {
    /// The caps of a signed list, version 1.
    fn default() -> Self {
        Self {
            fragment_bytes: 16 << 20,
            segment_bytes: 64 << 20,
            fragments: 1024,
            boxes: 16 << 10,
            moof_bytes: 256 << 10,
        }
    }
}

/// A run of bytes that ends where a cut is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// First byte, from the segment's start.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
    /// Decoding may begin here: its first samples are sync samples.
    pub independent: bool,
}

/// What a segment is, once that is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Fragments end where an `mdat` ends.
    Cmaf,
    /// Tiles.
    Opaque(NotCmaf),
}

/// Why a segment is tiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCmaf {
    /// The caller said so.
    Asked,
    /// The bytes at this offset begin no box.
    NotABox(u32),
    /// An `mdat` at this offset before any `moof`.
    MdatFirst(u32),
    /// A box at this offset, other than `mdat`, that claims to reach to the end of the file.
    OpenBox(u32),
    /// The box at this offset makes its fragment longer than allowed.
    TooLong(u32),
    /// More top-level boxes than allowed, the first too many at this offset.
    TooManyBoxes(u32),
    /// The segment ended before its first `mdat` did.
    Incomplete,
}

/// Why a segment cannot be cut at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitError {
    /// It has more bytes than this.
    TooLong(u32),
    /// It has more fragments than this.
    TooManyFragments(u32),
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(limit) => write!(f, "segment of more than {limit} bytes"),
            Self::TooManyFragments(limit) => write!(f, "segment of more than {limit} fragments"),
        }
    }
}

impl core::error::Error for SplitError {}

/// Cuts one segment. Give it all bytes in order, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct Splitter {
    limits: Limits,
    state: State,
    /// Bytes taken.
    at: u32,
    /// End of the last fragment named.
    cut: u32,
    fragments: u32,
    boxes: u32,
    moof_seen: bool,
    independent: bool,
    verdict: Option<Verdict>,
}

#[derive(Debug)]
enum State {
    /// In the header of a box that begins at `start`.
    Header { start: u32, bytes: [u8; HEADER_LIMIT_BYTES], have: usize },
    /// In a box that is passed over; `ends` if a fragment ends with it.
    Body { left: u32, ends: bool },
    /// In a `moof`, kept as it arrives.
    Moof { left: u32, kept: Vec<u8> },
    /// In an `mdat` that reaches to the end.
    OpenMdat,
    /// Tiles of so many bytes.
    Tiles(u32),
}

impl State {
    fn header(start: u32) -> Self {
        Self::Header { start, bytes: [0; HEADER_LIMIT_BYTES], have: 0 }
    }
}

impl Splitter {
    /// For a segment that should be CMAF.
    pub fn new(limits: Limits) -> Self {
        Self::with_state(limits, State::header(0), None)
    }

    /// For a segment that is known to be something else: tiles of `tile_bytes` bytes (at least 1).
    pub fn opaque(limits: Limits, tile_bytes: u32) -> Self {
        let tiles = State::Tiles(tile_bytes.clamp(1, limits.fragment_bytes.max(1)));
        Self::with_state(limits, tiles, Some(Verdict::Opaque(NotCmaf::Asked)))
    }

    fn with_state(limits: Limits, state: State, verdict: Option<Verdict>) -> Self {
        let [at, cut, fragments, boxes] = [0; 4];
        Self { limits, state, at, cut, fragments, boxes, moof_seen: false, independent: false, verdict }
    }

    /// What the segment is; certain from the first fragment on.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// Bytes taken so far.
    pub fn position(&self) -> u32 {
        self.at
    }

    /// Takes the next bytes; returns the fragments that they complete, in order.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Fragment>, SplitError> {
        let room = self.limits.segment_bytes.saturating_sub(self.at) as usize;
        let mut cuts = Vec::new();
        let mut rest = bytes.get(..room).unwrap_or(bytes);
        while !rest.is_empty() {
            let taken = self.step(rest, &mut cuts)?;
            rest = rest.get(taken..).unwrap_or_default();
        }
        if bytes.len() > room { Err(SplitError::TooLong(self.limits.segment_bytes)) } else { Ok(cuts) }
    }

    /// The segment ends here: names what is left of it.
    pub fn finish(mut self) -> Result<(Vec<Fragment>, Verdict), SplitError> {
        let mut cuts = Vec::new();
        let whole = match self.state {
            State::Header { have, .. } => have == 0,
            State::OpenMdat => true,
            State::Body { .. } | State::Moof { .. } | State::Tiles(_) => false,
        };
        if whole && (self.verdict.is_some() || matches!(self.state, State::OpenMdat)) {
            self.end_fragment(&mut cuts)?;
        } else {
            self.give_up(NotCmaf::Incomplete, &mut cuts)?;
            self.end_fragment(&mut cuts)?;
        }
        Ok((cuts, self.verdict.unwrap_or(Verdict::Opaque(NotCmaf::Incomplete))))
    }

    /// Takes a first part of `bytes`, at least one of them; returns how many.
    fn step(&mut self, bytes: &[u8], cuts: &mut Vec<Fragment>) -> Result<usize, SplitError> {
        match &mut self.state {
            State::Header { .. } => self.step_header(bytes, cuts),
            State::Body { left, ends } => {
                let taken = take(left, bytes);
                let (done, ends) = (*left == 0, *ends);
                self.at += taken as u32;
                if done {
                    self.end_box(ends, cuts)?;
                }
                Ok(taken)
            }
            State::Moof { left, kept } => {
                let taken = take(left, bytes);
                kept.extend_from_slice(bytes.get(..taken).unwrap_or_default());
                self.at += taken as u32;
                if *left == 0 {
                    self.independent = moof::is_independent(kept);
                    self.end_box(false, cuts)?;
                }
                Ok(taken)
            }
            State::OpenMdat => {
                let taken = self.advance(bytes);
                self.check_open_mdat(cuts)?;
                Ok(taken)
            }
            State::Tiles(_) => {
                let taken = self.advance(bytes);
                self.tile(cuts)?;
                Ok(taken)
            }
        }
    }

    fn advance(&mut self, bytes: &[u8]) -> usize {
        // `push` bounds the bytes by the segment limit, a u32.
        self.at += bytes.len() as u32;
        bytes.len()
    }

    fn step_header(&mut self, bytes: &[u8], cuts: &mut Vec<Fragment>) -> Result<usize, SplitError> {
        let State::Header { start, bytes: head, have } = &mut self.state else { return Ok(0) };
        let start = *start;
        let wanted = match header::read(head.get(..*have).unwrap_or_default()) {
            Read::More(wanted) => wanted,
            Read::Header(..) | Read::NotABox => *have,
        };
        let gap = head.get_mut(*have..wanted).unwrap_or_default();
        let taken = gap.len().min(bytes.len());
        gap.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        *have += taken;
        let read = header::read(head.get(..*have).unwrap_or_default());
        self.at += taken as u32;
        match read {
            Read::More(_) => {}
            Read::NotABox => self.give_up(NotCmaf::NotABox(start), cuts)?,
            Read::Header(header, _) => self.begin_box(start, header, cuts)?,
        }
        Ok(taken)
    }

    fn begin_box(&mut self, start: u32, header: Header, cuts: &mut Vec<Fragment>) -> Result<(), SplitError> {
        self.boxes += 1;
        if self.boxes > self.limits.boxes {
            return self.give_up(NotCmaf::TooManyBoxes(start), cuts);
        }
        let mdat = header.kind == *b"mdat";
        if mdat && !self.moof_seen {
            return self.give_up(NotCmaf::MdatFirst(start), cuts);
        }
        let left = match header.size {
            Size::ToEnd if mdat => {
                self.state = State::OpenMdat;
                return self.check_open_mdat(cuts);
            }
            Size::ToEnd => return self.give_up(NotCmaf::OpenBox(start), cuts),
            Size::Body(left) => left,
        };
        let fragment = left.saturating_add(u64::from(self.at - self.cut));
        let Some(left) = u32::try_from(left).ok().filter(|_| fragment <= self.limits.fragment_bytes.into())
        else {
            return self.give_up(NotCmaf::TooLong(start), cuts);
        };
        if header.kind == *b"moof" {
            self.moof_seen = true;
            self.independent = false;
            if left <= self.limits.moof_bytes {
                self.state = State::Moof { left, kept: Vec::new() };
                return if left == 0 { self.end_box(false, cuts) } else { Ok(()) };
            }
        }
        self.state = State::Body { left, ends: mdat };
        if left == 0 { self.end_box(mdat, cuts) } else { Ok(()) }
    }

    /// An `mdat` without an end is too long as soon as its fragment is, be it by what came before it.
    fn check_open_mdat(&mut self, cuts: &mut Vec<Fragment>) -> Result<(), SplitError> {
        if self.at - self.cut > self.limits.fragment_bytes {
            return self.give_up(NotCmaf::TooLong(self.cut), cuts);
        }
        Ok(())
    }

    fn end_box(&mut self, ends: bool, cuts: &mut Vec<Fragment>) -> Result<(), SplitError> {
        self.state = State::header(self.at);
        if ends { self.end_fragment(cuts) } else { Ok(()) }
    }

    /// Names the bytes since the last cut, if any.
    fn end_fragment(&mut self, cuts: &mut Vec<Fragment>) -> Result<(), SplitError> {
        self.verdict.get_or_insert(Verdict::Cmaf);
        let independent = core::mem::take(&mut self.independent);
        self.cut_at(self.at, independent, cuts)
    }

    fn cut_at(&mut self, end: u32, independent: bool, cuts: &mut Vec<Fragment>) -> Result<(), SplitError> {
        let (offset, length) = (self.cut, end - self.cut);
        if length == 0 {
            return Ok(());
        }
        if self.fragments == self.limits.fragments {
            return Err(SplitError::TooManyFragments(self.limits.fragments));
        }
        self.fragments += 1;
        self.cut = end;
        cuts.push(Fragment { offset, length, independent });
        Ok(())
    }

    /// From the last cut on, tiles. What was named stays, and so does the verdict it gave.
    fn give_up(&mut self, why: NotCmaf, cuts: &mut Vec<Fragment>) -> Result<(), SplitError> {
        if let State::Tiles(_) = self.state {
            return Ok(());
        }
        let ts = matches!(self.state, State::Header { start: 0, bytes: [TS_SYNC, ..], .. });
        let tile = if ts { TS_TILE_BYTES } else { TILE_BYTES };
        self.state = State::Tiles(tile.min(self.limits.fragment_bytes.max(1)));
        self.independent = false;
        self.verdict.get_or_insert(Verdict::Opaque(why));
        self.tile(cuts)
    }

    fn tile(&mut self, cuts: &mut Vec<Fragment>) -> Result<(), SplitError> {
        let State::Tiles(tile) = self.state else { return Ok(()) };
        while self.at - self.cut >= tile {
            self.cut_at(self.cut + tile, false, cuts)?;
        }
        Ok(())
    }
}

/// Takes up to `left` of `bytes`.
fn take(left: &mut u32, bytes: &[u8]) -> usize {
    let taken = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(*left);
    *left -= taken;
    taken as usize
}
