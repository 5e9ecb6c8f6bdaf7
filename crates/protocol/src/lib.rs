//! The words that viewers, edges and origins share. Nothing here does IO, reads a clock or draws a random
//! number; everything that enters is checked once, where it enters, and has a stated bound.
//!
//! **A page and its edge** speak JSON over one WebSocket ([`signal`]). The page joins a stream and gets an
//! id ([`ids::PeerId`]), which belongs to that connection and tells every edge where to route. The edge
//! proposes neighbours; pages then exchange session descriptions and ICE candidates through it. These
//! travel as typed fields: [`signal::sdp::reduce`] takes them out of what the browser printed, both edge
//! and receiver judge them ([`signal::Rules`]), and [`signal::sdp::expand`] writes a fresh SDP around them.
//!
//! **Two pages** speak binary frames over two data channels ([`wire`]): who I am, what I hold, what exists,
//! who fetches it, please send, here it comes. Media bytes follow the head of a frame and are never copied
//! by this crate; [`wire::peek_data`] finds them without allocating.
//!
//! **The stream's owner** tunes, tightens or ends it all by a JSON [`policy`], in which a bad value costs
//! that value only. Pages report counters ([`telemetry`]).
//!
//! **Later versions** are met with patience. A reader skips frames of unknown type and the unknown tail of
//! a body, ignores unknown JSON fields, reports unknown messages and policy keys and reads unknown enum
//! values as `Other`. Hello and join carry the range of wire versions a side speaks, and both use the
//! lower of their highest ([`wire::agree`]). `tests/vectors` at the top of the repository holds golden
//! examples of it all, some of them from the future.

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod ids;
pub mod policy;
pub mod signal;
pub mod sorted;
pub mod telemetry;
pub mod topology;
pub mod wire;
