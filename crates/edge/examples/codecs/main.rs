//! The edge's WebSocket codec beside a library's, behind the same echo server: memory of idle sockets, CPU of an echo.
//!
//! ```text
//! cargo run --release -p meshedflow-edge --features fuzz --example codecs -- [sockets] [echoes] [rounds]
//! cargo run -p meshedflow-edge --features fuzz --example codecs -- serve edge [longest message in bytes]
//! ```
//!
//! The first opens 10,000 sockets to either in turn, has each echo once (so that buffers that stay are there), reads
//! the server's resident memory, and then lets 64 at a time echo 1,000 bytes. CPU time is that of the server's process,
//! kernel included. The second is the echo server alone, for conformance suites.

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

mod load;
mod process;

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use meshedflow_edge::fuzz::{Upgraded, echo, websocket_router};
use tokio_websockets::{Limits, ServerBuilder};

type Failure = Box<dyn std::error::Error>;

/// Longest message that the edge takes.
const LIMIT_BYTES: usize = 16 * 1024;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| arguments.get(at).map_or(Ok(default), |text| text.parse());
    rlimit::increase_nofile_limit(u64::MAX)?;
    if arguments.first().is_some_and(|word| word == "serve") {
        let codec = arguments.get(1).map_or("edge", String::as_str);
        return serve(codec, number(2, LIMIT_BYTES)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(load::compare(number(0, 10_000)?, number(1, 50_000)?, number(2, 2)?))
}

fn serve(codec: &str, limit_bytes: usize) -> Result<(), Failure> {
    let router = match codec {
        "edge" => websocket_router(move |upgraded| own_echo(upgraded, limit_bytes)),
        "tokio-websockets" => websocket_router(move |upgraded| library_echo(upgraded, limit_bytes)),
        other => return Err(format!("codec {other:?}; expected edge or tokio-websockets").into()),
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::select! {
            served = async { axum::serve(listener, service).await } => Ok(served?),
            () = process::parent_gone() => Ok(()),
        }
    })
}

async fn own_echo(upgraded: Upgraded, limit_bytes: usize) {
    // Its end is the client's business.
    echo(upgraded.into_io(), limit_bytes).await.ok();
}

async fn library_echo(upgraded: Upgraded, limit_bytes: usize) {
    let limits = Limits::default().max_payload_len(Some(limit_bytes));
    let mut socket = ServerBuilder::new().limits(limits).serve(upgraded.into_io());
    while let Some(Ok(message)) = socket.next().await {
        let is_message = message.is_text() || message.is_binary();
        if is_message && socket.send(message).await.is_err() {
            return;
        }
    }
}
