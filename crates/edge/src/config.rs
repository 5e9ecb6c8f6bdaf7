//! Configuration: one TOML file, then environment, then flags; every key has a default, every mistake a message.

mod networks;
mod read;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;

use meshedflow_hub::{Limits, PairingRules};
use meshedflow_protocol::signal::{ICE_SERVERS_LIMIT, IceServer};
use serde::Deserialize;

pub use networks::AddressRange;
pub use read::{ConfigError, ENV_PREFIX};

/// Everything an operator can set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the public listener.
    pub listen: SocketAddr,
    /// Address of the listener for `/metrics`; none: metrics are not served by `run`.
    pub admin_listen: Option<SocketAddr>,
    /// Who may join: `open` is the one way so far, and must be said where others can reach the listener.
    pub auth: Option<AuthMode>,
    /// Number of this edge in its cluster.
    pub edge: u16,
    /// 64 hex digits that all edges of a cluster share; drawn at the start if not given.
    pub secret: Option<String>,
    /// Origins of pages that may connect; empty: all. Manners, not authentication: only browsers send it honestly.
    pub origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed, as `address/prefix`.
    pub trusted_proxies: Vec<AddressRange>,
    /// STUN and TURN servers told to viewers, at most 4.
    pub ice_servers: Vec<IceServer>,
    /// Policy document served at `/policy`.
    pub policy_file: Option<PathBuf>,
    /// Seconds that signals are relayed on after the signal to stop.
    pub drain_s: u64,
    /// Bounds.
    pub limits: LimitsConfig,
    /// Pairing.
    pub pairing: PairingConfig,
}

/// Who may join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Everybody, every stream.
    Open,
}

/// Bounds, each with a counter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one IPv4 address or IPv6 /56.
    pub connections_per_address: u32,
    /// Joins a minute from one address or of one subject, beside two for each connection it has at once.
    pub joins_per_minute: u32,
    /// Longest message of a viewer in bytes.
    pub message_bytes: usize,
    /// Messages a second of one viewer, on average.
    pub messages_per_s: u32,
    /// Messages of one viewer at once.
    pub messages_burst: u32,
    /// Messages that may wait for one viewer.
    pub queue_messages: usize,
    /// Bytes that may wait for one viewer.
    pub queue_bytes: usize,
    /// Seconds until a connection must have spoken HTTP, and again until it must have joined.
    pub handshake_s: u64,
    /// Seconds between pings.
    pub ping_s: u64,
    /// Seconds without a sign of life until a connection is closed.
    pub idle_s: u64,
    /// One server-reflexive candidate must be the address the edge sees.
    pub strict_srflx: bool,
}

/// Pairing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairingConfig {
    /// Viewers of one room at most.
    pub room_members: usize,
    /// Neighbours a viewer should have in lanes too large for everyone with everyone.
    pub degree_target: u8,
    /// Neighbours at most.
    pub degree_limit: u8,
    /// Pair only within a country.
    pub same_country_only: bool,
    /// Pair only within an autonomous system.
    pub same_asn_only: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            admin_listen: None,
            auth: None,
            edge: 1,
            secret: None,
            origins: Vec::new(),
            trusted_proxies: Vec::new(),
            ice_servers: Vec::new(),
            policy_file: None,
            drain_s: 30,
            limits: LimitsConfig::default(),
            pairing: PairingConfig::default(),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections: 50_000,
            connections_per_address: 200,
            joins_per_minute: 30,
            message_bytes: 16 * 1024,
            messages_per_s: 20,
            messages_burst: 60,
            queue_messages: 64,
            queue_bytes: 128 * 1024,
            handshake_s: 5,
            ping_s: 25,
            idle_s: 60,
            strict_srflx: true,
        }
    }
}

impl Default for PairingConfig {
    fn default() -> Self {
        let rules = PairingRules::default();
        Self {
            room_members: rules.members_limit,
            degree_target: rules.degree_target,
            degree_limit: rules.degree_limit,
            same_country_only: false,
            same_asn_only: false,
        }
    }
}

impl Config {
    /// Finds what a type cannot say: contradictions, and an edge that is open without saying so.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (limits, pairing) = (&self.limits, &self.pairing);
        require(self.listen.ip().is_loopback() || self.auth.is_some(), "auth", "nothing", || {
            format!("`auth = \"open\"` said in so many words, since {} is reachable by others", self.listen)
        })?;
        require(self.secret_bytes().is_some(), "secret", "(hidden)", || "64 hex digits".into())?;
        within("ice_servers", self.ice_servers.len(), 0, ICE_SERVERS_LIMIT)?;
        within("limits.connections", limits.connections, 1, 1 << 24)?;
        within("limits.joins_per_minute", limits.joins_per_minute as usize, 1, 1 << 20)?;
        within("limits.message_bytes", limits.message_bytes, 1_024, 16 * 1024)?;
        within("limits.queue_messages", limits.queue_messages, 8, 4_096)?;
        within("limits.queue_bytes", limits.queue_bytes, 16 * 1024, 16 << 20)?;
        within("limits.messages_per_s", limits.messages_per_s as usize, 1, 10_000)?;
        within("limits.messages_burst", limits.messages_burst as usize, 1, 100_000)?;
        within("limits.ping_s", to_usize(limits.ping_s), 1, to_usize(limits.idle_s).saturating_sub(1))?;
        within("limits.handshake_s", to_usize(limits.handshake_s), 1, 60)?;
        within("pairing.room_members", pairing.room_members, 2, 65_000)?;
        within("pairing.degree_limit", pairing.degree_limit.into(), 4, 32)?;
        within("pairing.degree_target", pairing.degree_target.into(), 4, pairing.degree_limit.into())
    }

    /// The cluster's secret; all zero stands for one to be drawn. `None`: not 64 hex digits.
    pub(crate) fn secret_bytes(&self) -> Option<[u8; 32]> {
        let Some(text) = &self.secret else { return Some([0; 32]) };
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(bytes)
    }

    pub(crate) fn session_limits(&self) -> Limits {
        let limits = &self.limits;
        Limits {
            join_within_ms: limits.handshake_s * 1_000,
            ping_every_ms: limits.ping_s * 1_000,
            idle_ms: limits.idle_s * 1_000,
            messages_per_s: limits.messages_per_s,
            messages_burst: limits.messages_burst,
            strict_srflx: limits.strict_srflx,
            ..Limits::default()
        }
    }

    pub(crate) fn pairing_rules(&self) -> PairingRules {
        let pairing = &self.pairing;
        PairingRules {
            members_limit: pairing.room_members,
            degree_at_first: pairing.degree_limit / 2,
            degree_target: pairing.degree_target,
            degree_limit: pairing.degree_limit,
            degree_ceiling: pairing.degree_limit + 2,
            same_country_only: pairing.same_country_only,
            same_asn_only: pairing.same_asn_only,
            ..PairingRules::default()
        }
    }
}

fn require(
    holds: bool,
    key: &str,
    value: &str,
    expected: impl FnOnce() -> String,
) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::value(key, value, &expected())) }
}

fn within(key: &str, value: usize, low: usize, high: usize) -> Result<(), ConfigError> {
    require((low..=high).contains(&value), key, &value.to_string(), || format!("{low} to {high}"))
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
