//! WebSocket (RFC 6455), the server's side after the handshake, for sockets that are mostly silent.
//!
//! Every socket of a thread reads into one scratch buffer of that thread, and messages are unmasked and handled where
//! they lie. A socket owns memory only while a frame is incomplete or something waits to be written, so an idle
//! connection costs no buffer at all. Libraries keep 4 to 128 KiB for each.

mod frame;
#[cfg(test)]
mod tests;

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::cell::RefCell;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use frame::{Frame, HEADER_LIMIT_BYTES, Opcode, Parsed, put_header};

/// A scratch buffer holds the largest incomplete frame and as much again.
const SCRATCH_BYTES: usize = 2 * (LIMIT_BYTES + HEADER_LIMIT_BYTES);

/// Longest message that can be configured, in bytes.
pub(crate) const LIMIT_BYTES: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// What the other side sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message; nobody here speaks any.
    Binary,
    /// A ping (it is answered already) or a pong.
    Alive,
}

/// Why nothing more comes.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The other side closed; its close is answered, which is still to be flushed.
    Closed,
    /// The connection broke.
    Broken,
    /// The other side broke the protocol; close with this code.
    Violation(u16),
}

/// Codes of [`Ended::Violation`] (RFC 6455 section 7.4.1).
const PROTOCOL: u16 = 1002;
const NOT_UTF8: u16 = 1007;
pub(crate) const TOO_BIG: u16 = 1009;

/// A server's WebSocket over `S`.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    io: S,
    limit_bytes: usize,
    /// The beginning of a frame that is not complete.
    rest: Vec<u8>,
    /// The beginning of a message whose last fragment is not here, and whether it is text.
    message: Option<(Vec<u8>, bool)>,
    /// Frames to be written, and how much of them is.
    out: Vec<u8>,
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over `io` after the handshake. Messages longer than `limit_bytes` end it.
    pub(crate) fn new(io: S, limit_bytes: usize) -> Self {
        let limit_bytes = limit_bytes.min(LIMIT_BYTES);
        Self { io, limit_bytes, rest: Vec::new(), message: None, out: Vec::new(), written: 0 }
    }

    /// Reads once, and hands over every message that is complete. `heard` must not use the socket.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        heard: &mut dyn FnMut(Incoming<'_>),
    ) -> Poll<Result<(), Ended>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let kept = self.rest.len();
            let Some(head) = scratch.get_mut(..kept) else { return Poll::Ready(Err(Ended::Broken)) };
            head.copy_from_slice(&self.rest);
            let Some(free) = scratch.get_mut(kept..) else { return Poll::Ready(Err(Ended::Broken)) };
            let mut free = ReadBuf::new(free);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut free)).map(|()| free.filled().len());
            match read {
                Ok(0) | Err(_) => Poll::Ready(Err(Ended::Broken)),
                Ok(n) => Poll::Ready(self.take_in(scratch.get_mut(..kept + n).unwrap_or_default(), heard)),
            }
        })
    }

    /// Handles the frames in `bytes`, and keeps what is left.
    fn take_in(&mut self, mut bytes: &mut [u8], heard: &mut dyn FnMut(Incoming<'_>)) -> Result<(), Ended> {
        loop {
            match frame::parse(bytes, self.limit_bytes).map_err(Ended::Violation)? {
                Parsed::Frame(frame, after) => {
                    self.take_frame(frame, heard)?;
                    bytes = after;
                }
                Parsed::Incomplete(rest) => {
                    self.rest = rest.to_vec();
                    return Ok(());
                }
            }
        }
    }

    fn take_frame(&mut self, frame: Frame<'_>, heard: &mut dyn FnMut(Incoming<'_>)) -> Result<(), Ended> {
        match frame.opcode {
            Opcode::Text | Opcode::Binary => self.begin(frame, heard),
            Opcode::Continuation => self.go_on(frame, heard),
            Opcode::Ping => {
                self.put(Opcode::Pong, frame.payload);
                heard(Incoming::Alive);
                Ok(())
            }
            Opcode::Pong => {
                heard(Incoming::Alive);
                Ok(())
            }
            Opcode::Close => {
                self.put(Opcode::Close, frame.payload.get(..2).unwrap_or_default());
                Err(Ended::Closed)
            }
        }
    }

    fn begin(&mut self, frame: Frame<'_>, heard: &mut dyn FnMut(Incoming<'_>)) -> Result<(), Ended> {
        if self.message.is_some() {
            return Err(Ended::Violation(PROTOCOL));
        }
        let text = frame.opcode == Opcode::Text;
        if frame.last {
            return hand_over(frame.payload, text, heard);
        }
        self.message = Some((frame.payload.to_vec(), text));
        Ok(())
    }

    fn go_on(&mut self, frame: Frame<'_>, heard: &mut dyn FnMut(Incoming<'_>)) -> Result<(), Ended> {
        let Some((mut message, text)) = self.message.take() else { return Err(Ended::Violation(PROTOCOL)) };
        if message.len() + frame.payload.len() > self.limit_bytes {
            return Err(Ended::Violation(TOO_BIG));
        }
        message.extend_from_slice(frame.payload);
        if frame.last {
            return hand_over(&message, text, heard);
        }
        self.message = Some((message, text));
        Ok(())
    }

    /// Queues a text message.
    pub(crate) fn put_text(&mut self, text: &str) {
        self.put(Opcode::Text, text.as_bytes());
    }

    /// Queues a ping.
    pub(crate) fn put_ping(&mut self) {
        self.put(Opcode::Ping, &[]);
    }

    /// Queues a close.
    pub(crate) fn put_close(&mut self, code: u16, reason: &str) {
        let payload: Vec<u8> = code.to_be_bytes().into_iter().chain(reason.bytes().take(120)).collect();
        self.put(Opcode::Close, &payload);
    }

    fn put(&mut self, opcode: Opcode, payload: &[u8]) {
        put_header(&mut self.out, opcode, payload.len());
        self.out.extend_from_slice(payload);
    }

    /// Writes what is queued.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(left) = self.out.get(self.written..).filter(|left| !left.is_empty()) {
            match ready!(Pin::new(&mut self.io).poll_write(cx, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.written += n,
            }
        }
        self.out = Vec::new();
        self.written = 0;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Writes the last words, then waits for the other side to close, so that no reset overtakes them.
    pub(crate) async fn finish(mut self) -> io::Result<()> {
        core::future::poll_fn(|cx| self.poll_flush(cx)).await?;
        core::future::poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await?;
        let mut ignored = [0; 256];
        loop {
            let mut buffer = ReadBuf::new(&mut ignored);
            core::future::poll_fn(|cx| Pin::new(&mut self.io).poll_read(cx, &mut buffer)).await?;
            if buffer.filled().is_empty() {
                return Ok(());
            }
        }
    }
}

fn hand_over(message: &[u8], text: bool, heard: &mut dyn FnMut(Incoming<'_>)) -> Result<(), Ended> {
    if !text {
        heard(Incoming::Binary);
        return Ok(());
    }
    let text = core::str::from_utf8(message).map_err(|_| Ended::Violation(NOT_UTF8))?;
    heard(Incoming::Text(text));
    Ok(())
}
