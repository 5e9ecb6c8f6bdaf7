//! The words that viewers, edges and origins share.
//!
//! A viewer says who it is with a [`ids::PeerId`] that the edge gave it. To the edge it speaks JSON
//! ([`signal`]); to another viewer it speaks small binary frames ([`wire`]). A stream's owner tunes
//! both with a JSON [`policy`]. Nothing here does IO, reads a clock or draws a random number.

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod ids;
pub mod policy;
pub mod signal;
pub mod telemetry;
pub mod topology;
pub mod wire;
