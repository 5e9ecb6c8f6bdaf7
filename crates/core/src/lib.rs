//! The mesh of one stream on one page, sans-IO.
//!
//! HLS.js asks for a segment ([`Input::Load`]). If everything needed for trust is there (consent, policy, a
//! key, a list that the origin signed), the segment may come from neighbours; otherwise the core asks the
//! page to GET it, exactly as plain HLS.js would, and says why.
//!
//! Whoever learns first that a segment exists tells its neighbours. One of them is elected by a ticket that
//! all can compute, fetches the segment from the origin, and announces each fragment as soon as its bytes
//! verified; the others ask the best holder for what they miss, fragment by fragment, while the rest is
//! still arriving at the first. Every open load has a time at which the core would rather use HTTP, for
//! exactly the bytes that are missing then; the page knows that time and takes the load over if the core
//! lets it pass.
//!
//! Bytes never enter here: they lie in buffers of the page, named by [`BlobId`]. The page's driver measures
//! them as they arrive ([`measure`]), and [`verify::admit`] is the only way from measured bytes to
//! [`verify::Verified`], which is all that store, uploads and assembly take.
//!
//! Drive it with five verbs: [`Mesh::new`], [`Mesh::handle_input`], [`Mesh::handle_timeout`],
//! [`Mesh::poll_output`] until `None`, [`Mesh::poll_timeout`]. Time and chance come in as arguments; the
//! same Inputs give the same Outputs.

mod buffer_map;
pub mod config;
mod grant;
mod hints;
mod http;
mod index;
mod input;
mod keys;
mod lane;
mod lanes;
mod load;
mod manifests;
mod mesh;
mod output;
mod peer;
mod player;
mod policy;
mod policy_feed;
mod quarantine;
mod rng;
mod roster;
pub mod scheduler;
mod segment;
mod sharing;
mod sizes;
mod store;
mod telemetry;
mod time;
mod url;
pub mod verify;

pub use input::*;
pub use mesh::Mesh;
pub use meshedflow_protocol::sorted;
pub use output::*;
pub use policy::Effective;
pub use sizes::Table;
pub use telemetry::Stats;
pub use time::{Duration, Time, Wakeup};

/// Measuring bytes as they arrive, for the driver that holds them.
pub mod measure {
    pub use meshedflow_manifest::{Measured, Measurer};
}

/// Reading the head of a Data frame, for the driver that places its bytes.
pub mod wire {
    pub use meshedflow_protocol::wire::{DataPeek, MESSAGE_LIMIT_BYTES, peek_data};
}
