//! WebSocket (RFC 6455), the server's side after the handshake, for sockets that are mostly silent.
//!
//! Every socket of a thread reads into one scratch buffer of that thread, and messages are unmasked and handled where
//! they lie. A socket owns memory only while a message is incomplete or something waits to be written, so an idle
//! connection costs no buffer at all. Every frame is told to whoever listens, fragments and control frames too, so
//! that each can be charged for: libraries keep those to themselves (the crate's README says what was compared).
//! After a Close frame in either direction nothing more is sent.

mod closing;
mod decoder;
mod frame;
mod message;
#[cfg(test)]
mod tests;

use core::ops::ControlFlow;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::cell::RefCell;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) use decoder::Decoder;
use frame::{Opcode, put_head};

/// Bytes read at once.
const SCRATCH_BYTES: usize = 32 * 1024;

/// A socket that still sends so many bytes after its end was told is not waited for.
const LAST_BYTES_LIMIT: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// What the other side sent: one for each of its frames but a Close, which is an [`Ended`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A frame that is not the last of its message.
    Fragment,
    Ping(&'a [u8]),
    Pong,
}

/// What becomes of something heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    /// It is taken; a ping is answered.
    Taken,
    /// It is above what its sender may send; a ping stays without answer.
    Ignored,
    /// Nothing more is wanted of this socket.
    Enough,
}

/// Why nothing more comes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The other side closed, perhaps with a code.
    Closed(Option<u16>),
    /// The connection broke.
    Broken,
    /// The other side broke the protocol; close with this code.
    Violation(u16),
}

/// Codes of [`Ended::Violation`] (RFC 6455 section 7.4.1).
const PROTOCOL: u16 = 1002;
const NOT_UTF8: u16 = 1007;
/// One message in too many pieces.
pub(crate) const POLICY: u16 = 1008;
pub(crate) const TOO_BIG: u16 = 1009;

/// A server's WebSocket over `S`.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    io: S,
    decoder: Decoder,
    /// What arrived together with the handshake.
    early: Vec<u8>,
    out: Outbox,
}

/// Frames to be written, and how much of them is.
#[derive(Debug, Default)]
struct Outbox {
    bytes: Vec<u8>,
    written: usize,
    /// A Close frame is the last.
    closed: bool,
}

impl Outbox {
    fn put(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.closed {
            return;
        }
        self.closed = opcode == Opcode::Close;
        put_head(&mut self.bytes, opcode, payload.len());
        self.bytes.extend_from_slice(payload);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over `io` after the handshake, and `early`, which was read after it. Messages longer than `limit_bytes`
    /// end it.
    pub(crate) fn new(io: S, early: Vec<u8>, limit_bytes: usize) -> Self {
        Self { io, decoder: Decoder::new(limit_bytes), early, out: Outbox::default() }
    }

    /// Reads once, and hands over every message that is complete.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        heard: &mut dyn FnMut(Incoming<'_>) -> Reception,
    ) -> Poll<Result<(), Ended>> {
        if !self.early.is_empty() {
            let mut early = core::mem::take(&mut self.early);
            return Poll::Ready(self.take_in(&mut early, heard));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut free = ReadBuf::new(scratch);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut free)) {
                Ok(()) if !free.filled().is_empty() => Poll::Ready(self.take_in(free.filled_mut(), heard)),
                _ => Poll::Ready(Err(Ended::Broken)),
            }
        })
    }

    fn take_in(
        &mut self,
        bytes: &mut [u8],
        heard: &mut dyn FnMut(Incoming<'_>) -> Reception,
    ) -> Result<(), Ended> {
        let out = &mut self.out;
        self.decoder.feed(bytes, &mut |incoming| match (heard(incoming), incoming) {
            (Reception::Enough, _) => ControlFlow::Break(()),
            (Reception::Taken, Incoming::Ping(payload)) => {
                out.put(Opcode::Pong, payload);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        })
    }

    /// The number of what has begun and not ended: the same number later means that it still has not.
    pub(crate) fn midway(&self) -> Option<u32> {
        self.decoder.midway()
    }

    /// Queues a text message.
    pub(crate) fn put_text(&mut self, text: &str) {
        self.out.put(Opcode::Text, text.as_bytes());
    }

    /// Queues a binary message.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn put_binary(&mut self, bytes: &[u8]) {
        self.out.put(Opcode::Binary, bytes);
    }

    /// Queues a ping.
    pub(crate) fn put_ping(&mut self) {
        self.out.put(Opcode::Ping, &[]);
    }

    /// Queues the answer to a client's Close; nothing can be queued after it.
    pub(crate) fn answer_close(&mut self, code: Option<u16>) {
        let payload = code.map(u16::to_be_bytes);
        self.out.put(Opcode::Close, payload.as_ref().map_or(&[], |code| code));
    }

    /// Queues a close; nothing can be queued after it.
    pub(crate) fn put_close(&mut self, code: u16, reason: &str) {
        self.out.put(Opcode::Close, &closing::payload(code, reason));
    }

    /// Bytes that were queued and not taken.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.out.bytes.len() - self.out.written
    }

    /// Writes what is queued.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let out = &mut self.out;
        while let Some(left) = out.bytes.get(out.written..).filter(|left| !left.is_empty()) {
            match ready!(Pin::new(&mut self.io).poll_write(cx, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => out.written += n,
            }
        }
        out.bytes = Vec::new();
        out.written = 0;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Writes the last words, then waits for the other side to close, so that no reset overtakes them.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        core::future::poll_fn(|cx| self.poll_flush(cx)).await?;
        core::future::poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await?;
        // Not an array: it would lie in the task of every idle socket.
        let (mut ignored, mut total) = (vec![0; 1_024], 0);
        while total < LAST_BYTES_LIMIT {
            let mut buffer = ReadBuf::new(&mut ignored);
            core::future::poll_fn(|cx| Pin::new(&mut self.io).poll_read(cx, &mut buffer)).await?;
            match buffer.filled().len() {
                0 => return Ok(()),
                n => total += n,
            }
        }
        Err(io::Error::other("it goes on sending after the end"))
    }

    /// The connection underneath.
    pub(crate) fn io_mut(&mut self) -> &mut S {
        &mut self.io
    }
}
