//! From a client's bytes to messages, without IO.

use core::ops::ControlFlow;

use super::closing;
use super::frame::{CONTROL_LIMIT_BYTES, Head, HeadReader, Opcode, bounded, unmask};
use super::message::Message;
use super::{Ended, Incoming, NOT_UTF8, PROTOCOL};

/// Takes bytes, hands over messages. It owns memory only while a control frame or a message is incomplete: at most
/// 125 bytes of the one and the limit of the other.
#[derive(Debug)]
pub(crate) struct Decoder {
    limit_bytes: usize,
    head: HeadReader,
    /// The frame whose payload comes now.
    frame: Option<Open>,
    /// The beginning of a control frame's payload.
    control: Vec<u8>,
    message: Option<Box<Message>>,
    /// Messages, and control frames between them, that ended so far.
    ended: u32,
}

/// A frame whose head is read.
#[derive(Clone, Copy, Debug)]
struct Open {
    opcode: Opcode,
    last: bool,
    mask: [u8; 4],
    left: usize,
}

/// Who is told, and says whether more is wanted.
pub(crate) type Heard<'a> = dyn FnMut(Incoming<'_>) -> ControlFlow<()> + 'a;

impl Decoder {
    /// Messages longer than `limit_bytes` end it.
    pub(crate) fn new(limit_bytes: usize) -> Self {
        let head = HeadReader::default();
        Self { limit_bytes, head, frame: None, control: Vec::new(), message: None, ended: 0 }
    }

    /// The number of the message, or of the control frame between messages, that has begun and not ended.
    pub(crate) fn midway(&self) -> Option<u32> {
        let begun = !self.head.is_empty() || self.frame.is_some() || self.message.is_some();
        begun.then_some(self.ended)
    }

    /// Bytes of memory held for what is incomplete.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn held_bytes(&self) -> usize {
        self.control.capacity() + self.message.as_ref().map_or(0, |message| message.capacity())
    }

    /// Takes `bytes`, unmasking them where they lie, and hands over what becomes complete. After `Err`, and after
    /// `heard` broke off, nothing more may be fed.
    pub(crate) fn feed(&mut self, mut bytes: &mut [u8], heard: &mut Heard<'_>) -> Result<(), Ended> {
        loop {
            let open = match self.frame.take() {
                Some(open) => open,
                None => match self.head.read(&mut bytes).map_err(Ended::Violation)? {
                    Some(head) => self.open(head).map_err(Ended::Violation)?,
                    None => return Ok(()),
                },
            };
            let (payload, after) = bytes.split_at_mut(open.left.min(bytes.len()));
            bytes = after;
            if self.take_payload(open, payload, heard)?.is_break() {
                return Ok(());
            }
            if self.frame.is_some() {
                return Ok(());
            }
            self.ended = self.ended.wrapping_add(u32::from(self.message.is_none()));
        }
    }

    /// Judges a head by what came before it.
    fn open(&mut self, head: Head) -> Result<Open, u16> {
        let Head { opcode, last, mask, length } = head;
        match (opcode, self.message.is_some()) {
            (Opcode::Text | Opcode::Binary, true) | (Opcode::Continuation, false) => return Err(PROTOCOL),
            _ => {}
        }
        let limit_bytes = match opcode.is_control() {
            true => CONTROL_LIMIT_BYTES,
            false => {
                self.limit_bytes.saturating_sub(self.message.as_ref().map_or(0, |message| message.len()))
            }
        };
        Ok(Open { opcode, last, mask, left: bounded(length, limit_bytes)? })
    }

    /// Takes what is here of a frame's payload; an incomplete frame stays open.
    fn take_payload(
        &mut self,
        mut open: Open,
        payload: &mut [u8],
        heard: &mut Heard<'_>,
    ) -> Result<ControlFlow<()>, Ended> {
        unmask(payload, &mut open.mask);
        open.left -= payload.len();
        let complete = open.left == 0;
        if !complete {
            self.frame = Some(open);
        }
        match open.opcode.is_control() {
            true => self.take_control(open.opcode, payload, complete, heard),
            false => self.take_data(open, payload, complete, heard),
        }
    }

    fn take_control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        complete: bool,
        heard: &mut Heard<'_>,
    ) -> Result<ControlFlow<()>, Ended> {
        if !complete {
            self.control.reserve_exact(payload.len());
            self.control.extend_from_slice(payload);
            return Ok(ControlFlow::Continue(()));
        }
        let mut begun = core::mem::take(&mut self.control);
        let payload = if begun.is_empty() {
            payload
        } else {
            begun.extend_from_slice(payload);
            &begun
        };
        match opcode {
            Opcode::Ping => Ok(heard(Incoming::Ping(payload))),
            Opcode::Pong => Ok(heard(Incoming::Pong)),
            _ => Err(closing::judge(payload).map_or_else(Ended::Violation, Ended::Closed)),
        }
    }

    fn take_data(
        &mut self,
        open: Open,
        payload: &[u8],
        complete: bool,
        heard: &mut Heard<'_>,
    ) -> Result<ControlFlow<()>, Ended> {
        if complete && open.last && self.message.is_none() {
            return hand_over(payload, open.opcode == Opcode::Text, heard);
        }
        let begin = || Box::new(Message::new(open.opcode == Opcode::Text));
        let message = self.message.get_or_insert_with(begin);
        message.extend(payload, self.limit_bytes).map_err(Ended::Violation)?;
        match (complete, open.last) {
            (false, _) => Ok(ControlFlow::Continue(())),
            (true, false) => Ok(heard(Incoming::Fragment)),
            (true, true) => {
                let (bytes, is_text) =
                    self.message.take().map(|message| message.finish()).unwrap_or_default();
                hand_over(&bytes, is_text, heard)
            }
        }
    }
}

fn hand_over(message: &[u8], is_text: bool, heard: &mut Heard<'_>) -> Result<ControlFlow<()>, Ended> {
    if !is_text {
        return Ok(heard(Incoming::Binary(message)));
    }
    let text = core::str::from_utf8(message).map_err(|_| Ended::Violation(NOT_UTF8))?;
    Ok(heard(Incoming::Text(text)))
}
