//! The signaling edge: a Tokio shell around `meshedflow_hub`, which decides everything.
//!
//! A page opens one WebSocket at `/mesh`. After HTTP's upgrade its connection is one task, which owns the socket and
//! the hub's `Session`, and one bounded queue, into which others put what is for this viewer. The task reads a
//! message, lets the session judge it, and performs what the session asks: send, ask the room, put a signal into
//! another viewer's queue. A peer id is an address in a slab (edge, slot, generation, random), so a relay looks
//! nothing up; it locks the recipient's queue and nothing else, and the frame it puts there was serialised once, with
//! the sender's data spliced in as they came. Rooms are locked for joins, lanes, needs and leaves only.
//!
//! A queue that is full loses the newest signals of whoever has most in it; if that is not enough, the connection is
//! closed with 1013.
//! Nothing is dropped without a counter. A socket that breaks leaves its viewer parked for a minute: with its resume
//! secret it comes back under the same id. When the edge stops, it says so (`/readyz` answers 503), tells viewers to
//! connect again at spread times, relays on for a while, and leaves.
//!
//! [`run`] serves a listener until a future resolves. [`public_router`] gives the same as a piece for a larger server.
//!
//! ```no_run
//! # async fn serve() -> Result<(), meshedflow_edge::EdgeError> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8480").await?;
//! let stop = async { tokio::signal::ctrl_c().await.unwrap_or(()) };
//! meshedflow_edge::run(listener, meshedflow_edge::Config::default(), stop).await
//! # }
//! ```

mod admin;
mod auth;
mod clock;
mod config;
mod connection;
mod edge;
mod files;
mod forwarded;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod http;
mod lobby;
mod metrics;
mod permits;
mod queue;
mod rooms;
mod seats;
mod serve;
mod stream;
mod ticker;
mod upgrade;
mod websocket;

pub use auth::{Admitted, Auth, Open};
pub use config::{
    AddressRange, AuthMode, Config, ConfigError, ENV_PREFIX, ForwardedHeader, LimitsConfig, PairingConfig,
};
pub use edge::EdgeState;
pub use files::FileShortage;
pub use http::{admin_router, public_router};
pub use metrics::Metrics;
pub use rooms::{Memory, Registry};
pub use serve::{EdgeError, run, serve};
