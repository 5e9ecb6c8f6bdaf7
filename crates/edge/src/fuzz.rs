//! What must hold for any bytes whatever, as a function that the fuzz target, property tests and the replay of the
//! corpus in `tests/fuzz` share; and the bare codec as a server, for conformance suites and comparisons.

use core::future::poll_fn;
use core::ops::ControlFlow;
use std::io;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::stream::Line;
use crate::upgrade::{accept_key, switching};
use crate::websocket::{Decoder, Ended, Incoming, Reception, Socket, TOO_BIG};

/// Longest message in [`websocket`].
const LIMIT_BYTES: usize = 1_024;

/// A client's bytes, however they are cut, end the same way, never hold more memory than one message and one control
/// frame may be long, and hand over only what a message may be. The first byte says how they are cut.
pub fn websocket(bytes: &[u8]) {
    let (cut, bytes) = bytes.split_first().map_or((1, bytes), |(cut, rest)| (usize::from(*cut), rest));
    let whole = decode(bytes, bytes.len());
    for piece in [1, cut.max(1)] {
        let cut = decode(bytes, piece);
        // So many pieces of one message are refused; then the cut story is a beginning of the whole one.
        let is_refused = cut.1 == Some(Ended::Violation(crate::websocket::POLICY));
        if is_refused || whole.1 == Some(Ended::Violation(crate::websocket::POLICY)) {
            assert!(whole.0.starts_with(&cut.0) || cut.0.starts_with(&whole.0), "cut by {piece}");
        } else {
            assert_eq!(cut, whole, "cut by {piece}");
        }
    }
}

/// What is heard of `bytes` in pieces of `piece`, and how it ends.
fn decode(bytes: &[u8], piece: usize) -> (Vec<String>, Option<Ended>) {
    let mut decoder = Decoder::new(LIMIT_BYTES);
    let mut heard = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        let fed = decoder.feed(&mut piece.to_vec(), &mut |incoming| {
            check(incoming);
            heard.push(format!("{incoming:?}"));
            ControlFlow::Continue(())
        });
        assert!(decoder.held_bytes() <= LIMIT_BYTES + 125, "{} bytes are held", decoder.held_bytes());
        if let Err(ended) = fed {
            return (heard, Some(ended));
        }
    }
    (heard, None)
}

fn check(incoming: Incoming<'_>) {
    match incoming {
        Incoming::Text(text) => assert!(text.len() <= LIMIT_BYTES),
        Incoming::Binary(bytes) => assert!(bytes.len() <= LIMIT_BYTES),
        Incoming::Ping(payload) => assert!(payload.len() <= 125),
        Incoming::Fragment | Incoming::Pong => {}
    }
}

/// A server that shakes hands on any path and leaves the connection to `converse`.
pub fn websocket_router<F: Future<Output = ()> + Send>(
    converse: impl Fn(Upgraded) -> F + Clone + Send + Sync + 'static,
) -> Router {
    Router::new().fallback(async move |mut request: Request| -> Response {
        let accept = accept_key(request.headers());
        match (accept, request.extensions_mut().remove::<OnUpgrade>()) {
            (Ok(accept), Some(upgrade)) => {
                tokio::spawn(async move {
                    if let Ok(upgraded) = upgrade.await {
                        Box::pin(converse(Upgraded(Line::of(upgraded, None).0))).await;
                    }
                });
                switching(accept)
            }
            (Err(refusal), _) => refusal.into_response(),
            (Ok(_), None) => axum::http::StatusCode::UPGRADE_REQUIRED.into_response(),
        }
    })
}

/// A connection that has shaken hands, as the edge has them.
#[derive(Debug)]
pub struct Upgraded(Line);

impl Upgraded {
    /// The connection itself.
    pub fn into_io(self) -> impl AsyncRead + AsyncWrite + Unpin + Send {
        self.0
    }
}

/// Sends every message back, until the other side closes or breaks the protocol. `io` has shaken hands.
pub async fn echo(io: impl AsyncRead + AsyncWrite + Unpin, limit_bytes: usize) -> io::Result<()> {
    let mut socket = Socket::new(io, Vec::new(), limit_bytes);
    loop {
        let mut echoes = Vec::new();
        let ended = poll_fn(|cx| {
            socket.poll_read(cx, &mut |incoming| {
                match incoming {
                    Incoming::Text(text) => echoes.push((true, text.as_bytes().to_vec())),
                    Incoming::Binary(bytes) => echoes.push((false, bytes.to_vec())),
                    _ => {}
                }
                Reception::Taken
            })
        })
        .await;
        for (is_text, bytes) in echoes {
            match core::str::from_utf8(&bytes) {
                Ok(text) if is_text => socket.put_text(text),
                _ => socket.put_binary(&bytes),
            }
        }
        match ended {
            Ok(()) => poll_fn(|cx| socket.poll_flush(cx)).await?,
            Err(Ended::Broken) => return Ok(()),
            Err(Ended::Closed(code)) => {
                socket.answer_close(code);
                return socket.finish().await;
            }
            Err(Ended::Violation(code)) => {
                socket.put_close(code, if code == TOO_BIG { "message too long" } else { "" });
                return socket.finish().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_holds() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/websocket");
        let mut seen = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            websocket(&std::fs::read(file.unwrap().path()).unwrap());
            seen += 1;
        }
        assert!(seen >= 10, "{seen}");
    }
}
