//! Frames (RFC 6455 section 5.2): read from a client, written by a server.

use super::{PROTOCOL, TOO_BIG};

/// Two bytes, eight of length, four of mask.
pub(super) const HEADER_LIMIT_BYTES: usize = 14;

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

    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// A frame of a client, unmasked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) opcode: Opcode,
    pub(super) last: bool,
    pub(super) payload: &'a [u8],
}

/// What the front of some bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A frame, and what follows it.
    Frame(Frame<'a>, &'a mut [u8]),
    /// Not a whole frame yet.
    Incomplete(&'a [u8]),
}

/// Reads one frame and unmasks it in place. `Err`: the code to close with.
pub(super) fn parse(bytes: &mut [u8], limit_bytes: usize) -> Result<Parsed<'_>, u16> {
    let &mut [first, second, ..] = bytes else { return Ok(Parsed::Incomplete(bytes)) };
    let opcode = Opcode::of(first & 0x0f).ok_or(PROTOCOL)?;
    let (last, short) = (first & 0x80 != 0, usize::from(second & 0x7f));
    // Reserved bits belong to extensions, and none was agreed on. Clients mask, always.
    if first & 0x70 != 0 || second & 0x80 == 0 || (opcode.is_control() && (!last || short > 125)) {
        return Err(PROTOCOL);
    }
    let wide = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(extended) = bytes.get(2..2 + wide) else { return Ok(Parsed::Incomplete(bytes)) };
    let extended = extended.iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let length = if wide == 0 { short } else { usize::try_from(extended).map_err(|_| TOO_BIG)? };
    if length > limit_bytes {
        return Err(TOO_BIG);
    }
    let start = 2 + wide + 4;
    if bytes.len() < start + length {
        return Ok(Parsed::Incomplete(bytes));
    }
    let (header, body) = bytes.split_at_mut(start);
    let (payload, after) = body.split_at_mut(length);
    let mask = header.last_chunk::<4>().copied().unwrap_or_default();
    unmask(payload, mask);
    Ok(Parsed::Frame(Frame { opcode, last, payload }, after))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask, mask].concat().try_into().unwrap_or_default());
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        let bytes: [u8; 8] = (&*word).try_into().unwrap_or_default();
        word.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
    }
    words.into_remainder().iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// Writes the head of a whole, unmasked frame.
pub(super) fn put_header(out: &mut Vec<u8>, opcode: Opcode, length: usize) {
    out.reserve(length + HEADER_LIMIT_BYTES);
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
