//! Listening, and stopping.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long open requests may finish after the shutdown signal. Lists that are waited for and segments that
/// grow would hold the server for ever.
pub const GRACE: Duration = Duration::from_secs(1);
/// Most bytes that a connection keeps for a slow reader: what the access log may count too much.
const BUFFER_BYTES: usize = 64 << 10;
/// How long a client may take to send a request's head.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// Serves `router` on `listener` until `shutdown` resolves: then no connection is accepted, open requests get
/// [`GRACE`] to finish, and what is left is dropped. Handlers find the peer's address as
/// `ConnectInfo<SocketAddr>`; upgraded connections are theirs.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let (stopping, stop) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    connections.spawn(converse(socket, peer, router.clone(), stop.clone()));
                }
                // Out of descriptors, most likely: those in use will be given back.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let _ = stopping.send(true);
    let _ = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
}

async fn converse(socket: TcpStream, peer: SocketAddr, router: Router, mut stop: watch::Receiver<bool>) {
    // Small bodies must not wait for the peer's acknowledgements. A socket that refuses still works.
    let _ = socket.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(axum::Extension(ConnectInfo(peer))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // Errors here are a peer that broke off or spoke something else: its business.
    tokio::select! {
        _ = &mut connection => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
