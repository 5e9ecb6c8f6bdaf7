//! A deterministic world around the real core and the real hub.
//!
//! A [`World`] holds an origin that signs a live stream, an edge (sessions and a room of the real hub), and
//! viewers: each a real core, a driver that really hashes, and a small model of an HLS player. Virtual time
//! moves from event to event; one seed decides everything, so a story that fails can be told again.
//!
//! Stories of a few are told here, over real bytes; crowds of thousands are [`play`]ed from a [`Plan`], without.
//!
//! # Speed
//!
//! `cargo run --release -p meshedflow-sim --example crowd -- 400 60 1`, on two busy cores: 1,763,555 events, 87 per
//! viewer-second, 9.2 s of processor time (5.2 us an event, 454 us a viewer-second), 187 to 200 kB resident for each
//! viewer with its core, driver, line and letters; the same trace with two threads. The goal is 40 events of 3 us, and
//! 60 kB for a core. Of 81 events, 48 are frames of neighbours (24 deltas, 10 claims), 22 media messages that leave and
//! arrive, 10 wake-ups, of which four come before the core wants any.
//!
//! The network is a model of flows: a message takes the link's latency, and the bytes of one sender leave
//! one after the other at its uplink's rate. The oracle stands in the viewer: every delivered body is
//! compared with the origin's, each load ends exactly once, and a load whose due time the core lets pass is
//! noted as a takeover.

#![allow(clippy::indexing_slicing, reason = "a model that panics is a test that fails")]

mod driver;
mod edge;
mod event;
mod evil;
mod figures;
mod forge;
mod link;
mod origin;
mod outcome;
mod plan;
mod player;
mod press;
mod scenario;
mod swarm;
mod uplink;
mod viewer;
mod world;

pub use edge::Mood;
pub use figures::{Figures, settled};
pub use forge::Forgery;
pub use link::Link;
pub use origin::{Files, LANES, Origin, OriginFault};
pub use outcome::{Fate, Outcome, Sample, SegmentFate};
pub use plan::{Act, Change, Nat, Person, Plan, Stream};
pub use press::KeysAre;
pub use scenario::{Promise, SCENARIOS, SECONDS, Scenario, VIEWERS, harm};
pub use swarm::play;
pub use viewer::{Evil, Report};
pub use world::{Setup, World};
