//! Heads of frames (RFC 6455 section 5.2): read from a client, written by a server.

use super::{PROTOCOL, TOO_BIG};

/// Two bytes, eight of length, four of mask.
const HEAD_LIMIT_BYTES: usize = 14;

/// Longest payload of a control frame.
pub(super) const CONTROL_LIMIT_BYTES: usize = 125;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn of(byte: u8) -> Option<Self> {
        let all = [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong];
        all.into_iter().find(|opcode| *opcode as u8 == byte)
    }

    pub(super) fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The head of a client's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    pub(super) last: bool,
    pub(super) mask: [u8; 4],
    pub(super) length: u64,
}

/// The bytes of a head that are here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadReader {
    bytes: [u8; HEAD_LIMIT_BYTES],
    len: usize,
}

impl HeadReader {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes bytes off the front of `bytes` until the head is whole. `None`: they did not do. `Err`: the code to
    /// close with, as soon as the bytes that are here say so.
    pub(super) fn read(&mut self, bytes: &mut &mut [u8]) -> Result<Option<Head>, u16> {
        self.fill(bytes, 2);
        let [first, second, ..] = self.bytes;
        if self.len < 2 {
            return Ok(None);
        }
        let opcode = check(first, second)?;
        let short = second & 0x7f;
        let wide = extended_bytes(short);
        let whole = 2 + wide + 4;
        self.fill(bytes, whole);
        if self.len < whole {
            return Ok(None);
        }
        let length = self.length(short, wide)?;
        let mask = self.bytes.get(2 + wide..whole).and_then(|mask| mask.try_into().ok()).unwrap_or_default();
        self.len = 0;
        Ok(Some(Head { opcode, last: first & 0x80 != 0, mask, length }))
    }

    fn fill(&mut self, from: &mut &mut [u8], until: usize) {
        let count = until.saturating_sub(self.len).min(from.len());
        let (taken, rest) = core::mem::take(from).split_at_mut(count);
        if let Some(free) = self.bytes.get_mut(self.len..self.len + count) {
            free.copy_from_slice(taken);
            self.len += count;
        }
        *from = rest;
    }

    /// Lengths come in their shortest form, and their topmost bit is 0.
    fn length(&self, short: u8, wide: usize) -> Result<u64, u16> {
        let extended = self.bytes.get(2..2 + wide).unwrap_or_default();
        let extended = extended.iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        match wide {
            2 if extended > 125 => Ok(extended),
            8 if extended > 0xffff && extended >> 63 == 0 => Ok(extended),
            2 | 8 => Err(PROTOCOL),
            _ => Ok(short.into()),
        }
    }
}

/// Judges the first two bytes. Reserved bits belong to extensions, and none was agreed on. Clients mask, always.
fn check(first: u8, second: u8) -> Result<Opcode, u16> {
    let opcode = Opcode::of(first & 0x0f).ok_or(PROTOCOL)?;
    let (last, short) = (first & 0x80 != 0, usize::from(second & 0x7f));
    if first & 0x70 != 0 || second & 0x80 == 0 {
        return Err(PROTOCOL);
    }
    if opcode.is_control() && (!last || short > CONTROL_LIMIT_BYTES) {
        return Err(PROTOCOL);
    }
    Ok(opcode)
}

fn extended_bytes(short: u8) -> usize {
    match short {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

/// A length that a message of at most `limit_bytes` may have.
pub(super) fn bounded(length: u64, limit_bytes: usize) -> Result<usize, u16> {
    usize::try_from(length).ok().filter(|length| *length <= limit_bytes).ok_or(TOO_BIG)
}

/// Unmasks the next part of a payload, and turns the mask to where the part after it begins.
pub(super) fn unmask(payload: &mut [u8], mask: &mut [u8; 4]) {
    let wide = u64::from_ne_bytes([*mask, *mask].concat().try_into().unwrap_or_default());
    let turned = payload.len() % 4;
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        let bytes: [u8; 8] = (&*word).try_into().unwrap_or_default();
        word.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
    }
    words.into_remainder().iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    mask.rotate_left(turned);
}

/// Writes the head of a whole, unmasked frame.
pub(super) fn put_head(out: &mut Vec<u8>, opcode: Opcode, length: usize) {
    out.reserve(length + HEAD_LIMIT_BYTES);
    out.push(0x80 | opcode as u8);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}
