//! `meshedflow edge`: a signaling edge.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Router;
use clap::Args;
use meshedflow_edge::{AuthMode, Config, EdgeState, LimitsConfig};

use crate::failure::Failure;
use crate::say;
use crate::serving::bind;
use crate::stop::{Stop, block_on};
use crate::warn;

/// Run a signaling edge: it pairs viewers of a stream and relays their WebRTC signals.
///
/// Settings come from a TOML file, then from environment variables (MESHEDFLOW_EDGE_LISTEN,
/// MESHEDFLOW_EDGE_LIMITS__PING_S, ...), then from flags; each has a default. Stop it with SIGTERM: it tells its
/// viewers to connect elsewhere and ends within `drain_s` seconds.
#[derive(Args)]
pub(crate) struct Flags {
    /// TOML file with settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port of the public listener; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// One setting by its dotted name, as in --set limits.ping_s=20; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Check the settings, print what will be listened on, and end
    #[arg(long)]
    check_config: bool,
}

pub(crate) fn run(flags: Flags) -> Result<(), Failure> {
    let config = flags.config()?;
    if flags.check_config {
        say(format_args!("config is good; would listen on {}", config.listen));
        return Ok(());
    }
    block_on(serve(config))
}

impl Flags {
    fn config(&self) -> Result<Config, Failure> {
        let mut set = self.set.clone();
        set.extend(self.listen.map(|listen| ("listen".to_owned(), listen.to_string())));
        Config::load(self.config.as_deref(), std::env::vars(), &set)
            .map_err(|e| Failure::Input(e.to_string()))
    }
}

async fn serve(config: Config) -> Result<(), Failure> {
    let stop = Stop::on_signals()?;
    let listener = bind(config.listen).await?;
    let address = listener.local_addr().map_err(Failure::run("cannot learn the port"))?;
    say(format_args!("edge    ws://{address}/mesh"));
    let state =
        EdgeState::new(Config { listen: address, ..config }).map_err(|e| Failure::Input(e.to_string()))?;
    if let Some(shortage) = state.file_shortage() {
        warn(format_args!("{shortage}"));
    }
    meshedflow_edge::serve(listener, state, stop.wait()).await.map_err(Failure::run("edge"))
}

/// The edge's public routes for the demo's port: open to everybody, all of whom may come from one address.
pub(crate) fn demo_router(address: SocketAddr) -> Result<Router, Failure> {
    let limits = LimitsConfig { connections_per_address: 50_000, ..LimitsConfig::default() };
    let config = Config { listen: address, auth: Some(AuthMode::Open), limits, ..Config::default() };
    let state = EdgeState::new(config).map_err(|e| Failure::Run(e.to_string()))?;
    Ok(meshedflow_edge::public_router(state))
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
