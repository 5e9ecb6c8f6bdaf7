//! `meshedflow edge`: a signaling edge.

use std::net::SocketAddr;

use axum::Router;
use clap::Args;

use crate::failure::Failure;

/// Run a signaling edge.
#[derive(Args)]
pub(crate) struct Flags {}

pub(crate) fn run(_: Flags) -> Result<(), Failure> {
    Err(Failure::Run("the edge is not part of this build yet".into()))
}

/// The edge's routes for the demo's port.
pub(crate) fn demo_router(_: SocketAddr) -> Result<Router, Failure> {
    Err(Failure::Input("this build has no edge yet; expected --no-edge".into()))
}
