//! An accepted TCP connection: what the kernel may hold for it, and the permits that end with it.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::permits::Permit;

/// What is asked of the kernel for each direction of a socket. Linux counts its own overhead too and grants twice as
/// much; left alone it goes to several MiB for a client that does not read.
const KERNEL_BUFFER_BYTES: usize = 64 * 1024;

/// Closes `stream` at once.
pub(crate) fn reset(stream: TcpStream) {
    reset_on_close(&stream);
}

fn reset_on_close(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).ok();
}

/// A connection that is closed before its permits are given back: fields are dropped in this order.
#[derive(Debug)]
pub(crate) struct Accepted {
    stream: TcpStream,
    /// The last write was not taken whole.
    is_blocked: bool,
    permits: [Option<Permit>; 2],
}

impl Accepted {
    /// Bounds what the kernel holds for `stream`, and writes without delay.
    pub(crate) fn new(stream: TcpStream, permit: Option<Permit>) -> Self {
        let socket = SockRef::from(&stream);
        // A socket without these options still works: nothing to do about an error.
        socket.set_send_buffer_size(KERNEL_BUFFER_BYTES).ok();
        socket.set_recv_buffer_size(KERNEL_BUFFER_BYTES).ok();
        socket.set_tcp_nodelay(true).ok();
        Self { stream, is_blocked: false, permits: [permit, None] }
    }

    /// Gives `permit` back when the connection is gone.
    pub(crate) fn keep(mut self, permit: Option<Permit>) -> Self {
        let [first, _] = self.permits.each_mut().map(Option::take);
        self.permits = [first, permit];
        self
    }

    /// From now on, closing it means a reset: what the kernel still holds for it is dropped at once instead of being
    /// offered for minutes to someone who does not take it.
    pub(crate) fn reset_on_close(&self) {
        reset_on_close(&self.stream);
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        if self.is_blocked {
            self.reset_on_close();
        }
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.is_blocked = written.is_pending();
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.is_blocked = written.is_pending();
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What a WebSocket runs over.
#[derive(Debug)]
pub(crate) enum Line {
    /// A TCP connection.
    Tcp(Accepted),
    /// Something else, that another server accepted and upgraded.
    Foreign {
        /// Its server's connection.
        upgraded: TokioIo<Upgraded>,
        /// Given back when the connection is gone.
        _permit: Option<Permit>,
    },
}

impl Line {
    /// The connection under `upgraded`, which keeps `permit`, and what was read from it already: a copy, since the
    /// buffer it was read into is some KiB large and would stay with an idle socket.
    pub(crate) fn of(upgraded: Upgraded, permit: Option<Permit>) -> (Self, Vec<u8>) {
        let upgraded = match upgraded.downcast::<TokioIo<Accepted>>() {
            Ok(parts) => return (Self::Tcp(parts.io.into_inner().keep(permit)), parts.read_buf.to_vec()),
            Err(upgraded) => upgraded,
        };
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => (Self::Tcp(Accepted::new(parts.io.into_inner(), permit)), parts.read_buf.to_vec()),
            Err(upgraded) => {
                (Self::Foreign { upgraded: TokioIo::new(upgraded), _permit: permit }, Vec::new())
            }
        }
    }

    /// See [`Accepted::reset_on_close`]; what is not TCP closes as it does.
    pub(crate) fn reset_on_close(&self) {
        if let Self::Tcp(accepted) = self {
            accepted.reset_on_close();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(accepted) => Pin::new(accepted).poll_read(cx, buffer),
            Self::Foreign { upgraded, .. } => Pin::new(upgraded).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(accepted) => Pin::new(accepted).poll_write(cx, bytes),
            Self::Foreign { upgraded, .. } => Pin::new(upgraded).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(accepted) => Pin::new(accepted).poll_flush(cx),
            Self::Foreign { upgraded, .. } => Pin::new(upgraded).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(accepted) => Pin::new(accepted).poll_shutdown(cx),
            Self::Foreign { upgraded, .. } => Pin::new(upgraded).poll_shutdown(cx),
        }
    }
}
