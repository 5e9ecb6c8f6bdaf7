//! The edge as a process: accept, serve, and leave without dropping anyone unannounced.

use core::fmt;
use core::sync::atomic::Ordering::Relaxed;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::config::{Config, ConfigError};
use crate::edge::{Edge, EdgeState};
use crate::http::{admin_router, public_router};
use crate::metrics::add;
use crate::permits::{Exhausted, Permit, Permits};
use crate::queue::Mail;
use crate::stream::{Accepted, reset};
use crate::upgrade::Counted;

/// Connections of operators at once.
const ADMIN_CONNECTIONS: usize = 32;

/// What a connection may take over HTTP, in times of `handshake_s`, which is for one request.
const HTTP_PATIENCES: u32 = 4;

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
    let mut admin = JoinSet::new();
    if let Some(address) = state.0.config.admin_listen {
        let (listener, door) = (TcpListener::bind(address).await?, Door::admin(&state));
        admin.spawn(async move { door.accept(&listener).await });
    }
    let door = Door::public(&state);
    tokio::pin!(shutdown);
    tokio::select! {
        () = door.accept(&listener) => {}
        () = &mut shutdown => {}
    }
    drain(&state, &listener, &door).await;
    Ok(())
}

/// A way in: routes, and who may come how often.
struct Door {
    router: Router,
    permits: Arc<Permits>,
    edge: Arc<Edge>,
    is_public: bool,
}

impl Door {
    fn public(state: &EdgeState) -> Self {
        let (router, edge) = (public_router(state.clone()), state.0.clone());
        Self { router, permits: edge.permits.clone(), edge, is_public: true }
    }

    /// Operators do not wait for viewers: they have permits of their own.
    fn admin(state: &EdgeState) -> Self {
        let permits = Permits::new(ADMIN_CONNECTIONS, u32::MAX);
        Self { router: admin_router(state.clone()), permits, edge: state.0.clone(), is_public: false }
    }

    /// Accepts until dropped. Open HTTP connections end with it; sockets that became WebSockets have tasks of their
    /// own.
    async fn accept(&self, listener: &TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => match self.admit(peer.ip().to_canonical()) {
                        Ok(permit) => drop(connections.spawn(self.converse(stream, peer, permit))),
                        Err(()) => reset(stream),
                    },
                    // Out of descriptors, most likely: those in use will be given back.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    /// Every connection counts from here on, whether it ever says a word or not. A proxy's are counted in all only:
    /// whose they are it says later.
    fn admit(&self, peer: IpAddr) -> Result<Permit, ()> {
        let household = (self.is_public && !self.edge.config.is_trusted_proxy(peer)).then_some(peer);
        self.permits.take(household).map_err(|exhausted| self.refuse(exhausted))
    }

    fn refuse(&self, exhausted: Exhausted) {
        match self.is_public {
            true => self.edge.metrics.full(exhausted),
            false => add(&self.edge.metrics.refused_admin, 1),
        }
    }

    fn converse(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        permit: Permit,
    ) -> impl Future<Output = ()> + use<> {
        let router = self.router.clone().layer(Extension(ConnectInfo(peer))).layer(Extension(Counted));
        let patience = Duration::from_secs(self.edge.config.limits.handshake_s);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .serve_connection(
                TokioIo::new(Accepted::new(stream, Some(permit))),
                TowerToHyperService::new(router),
            )
            .with_upgrades();
        // An error here is a peer that broke off, spoke something else, or never took its answers: its business.
        async move { drop(tokio::time::timeout(patience * HTTP_PATIENCES, connection).await) }
    }
}

/// Not ready; viewers told to go, at spread times; signals relayed until they went or time is over. HTTP is answered
/// all the while, so that a balancer hears the 503.
async fn drain(state: &EdgeState, listener: &TcpListener, door: &Door) {
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
        () = door.accept(listener) => {}
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
        while state.0.metrics.connections.load(Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout_at(last, empty).await.ok();
}
