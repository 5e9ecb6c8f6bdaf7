//! A deterministic world around the real core and the real hub.
//!
//! A [`World`] holds an origin that signs a live stream, an edge (sessions and a room of the real hub), and
//! viewers: each a real core, a driver that really hashes, and a small model of an HLS player. Virtual time
//! moves from event to event; one seed decides everything, so a story that fails can be told again.
//!
//! Stories of a few are told here, over real bytes; crowds of thousands are [`play`]ed from a [`Plan`], without.
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
mod link;
mod origin;
mod outcome;
mod plan;
mod player;
mod scenario;
mod swarm;
mod viewer;
mod world;

pub use edge::Mood;
pub use figures::{Figures, settled};
pub use link::Link;
pub use origin::{LANES, Origin, OriginFault};
pub use outcome::{Fate, Outcome, Sample, SegmentFate};
pub use plan::{Act, Change, Nat, Person, Plan, Stream};
pub use scenario::{Promise, SCENARIOS, SECONDS, Scenario, VIEWERS, harm};
pub use swarm::play;
pub use viewer::{Evil, Report};
pub use world::{Setup, World};
