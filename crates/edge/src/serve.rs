//! The edge as a process: accept, serve, and leave without dropping anyone unannounced.

use core::fmt;
use core::sync::atomic::Ordering::Relaxed;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::config::{Config, ConfigError};
use crate::edge::EdgeState;
use crate::http::{admin_router, public_router};
use crate::queue::Mail;

/// Why an edge did not run.
#[derive(Debug)]
pub enum EdgeError {
    /// Its config does not do.
    Config(ConfigError),
    /// A listener failed.
    Io(io::Error),
}

impl fmt::Display for EdgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Io(error) => write!(f, "listener: {error}"),
        }
    }
}

impl std::error::Error for EdgeError {}

impl From<ConfigError> for EdgeError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<io::Error> for EdgeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Serves `listener` by `config` until `shutdown` resolves; then drains and returns.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), EdgeError> {
    let config = Config { listen: listener.local_addr()?, ..config };
    let state = EdgeState::new(config)?;
    serve(listener, state, shutdown).await
}

/// Serves `listener` with an edge made elsewhere.
pub async fn serve(
    listener: TcpListener,
    state: EdgeState,
    shutdown: impl Future<Output = ()>,
) -> Result<(), EdgeError> {
    let mut http = JoinSet::new();
    if let Some(address) = state.0.config.admin_listen {
        let admin = TcpListener::bind(address).await?;
        let (router, patience) = (admin_router(state.clone()), patience(&state));
        http.spawn(async move { accept(&admin, router, patience).await });
    }
    let router = public_router(state.clone());
    tokio::pin!(shutdown);
    tokio::select! {
        () = accept(&listener, router.clone(), patience(&state)) => {}
        () = &mut shutdown => {}
    }
    drain(&state, &listener, router).await;
    Ok(())
}

fn patience(state: &EdgeState) -> Duration {
    Duration::from_secs(state.0.config.limits.handshake_s)
}

/// Accepts until dropped. Open HTTP connections end with it; sockets that became WebSockets have tasks of their own.
async fn accept(listener: &TcpListener, router: Router, patience: Duration) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => drop(connections.spawn(converse(stream, peer, router.clone(), patience))),
                // Out of descriptors, most likely: those in use will be given back.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, router: Router, patience: Duration) {
    stream.set_nodelay(true).ok();
    let service = TowerToHyperService::new(router.layer(axum::Extension(ConnectInfo(peer))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // An error here is a peer that broke off or spoke something else: its business.
    connection.await.ok();
}

/// Not ready; viewers told to go, at spread times; signals relayed until they went or time is over. HTTP is answered
/// all the while, so that a balancer hears the 503.
async fn drain(state: &EdgeState, listener: &TcpListener, router: Router) {
    let edge = &state.0;
    edge.draining.store(true, Relaxed);
    let last = tokio::time::Instant::now() + Duration::from_secs(edge.config.drain_s);
    let spread_ms = u32::try_from(edge.config.drain_s.saturating_mul(500)).unwrap_or(u32::MAX);
    let leaving = async {
        edge.tell_all(|peer| Mail::Drain(jitter(peer.slot(), spread_ms))).await;
        until_empty(state, last).await;
        edge.tell_all(|_| Mail::Stop).await;
        until_empty(state, tokio::time::Instant::now() + Duration::from_secs(2)).await;
    };
    tokio::select! {
        () = leaving => {}
        () = accept(listener, router, patience(state)) => {}
    }
    edge.registry.withdraw();
}

/// A time below `spread_ms` that neighbouring slots do not share.
fn jitter(slot: u32, spread_ms: u32) -> u32 {
    let lot = u64::from(slot.wrapping_mul(0x9E37_79B9));
    u32::try_from((lot * u64::from(spread_ms)) >> 32).unwrap_or(0)
}

async fn until_empty(state: &EdgeState, last: tokio::time::Instant) {
    let empty = async {
        while state.0.permits.total() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout_at(last, empty).await.ok();
}
