//! Configuration: one TOML file, then environment, then flags; every key has a default, every mistake a message.

mod networks;
mod read;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
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
    /// What admin requests must bear (`Authorization: Bearer ...`); needed where others can reach that listener.
    pub admin_token: Option<String>,
    /// Names in `Host` under which admin requests are answered, besides addresses and localhost.
    pub admin_hosts: Vec<String>,
    /// Who may join: `open` is the one way so far, and must be said where others can reach the listener.
    pub auth: Option<AuthMode>,
    /// Number of this edge in its cluster.
    pub edge: u16,
    /// 64 hex digits that all edges of a cluster share; drawn at the start if not given.
    pub secret: Option<String>,
    /// Origins of pages that may connect; empty: all. Manners, not authentication: only browsers send it honestly.
    pub origins: Vec<String>,
    /// Proxies whose word about addresses is believed, as `address/prefix`. A connection of theirs that does not say
    /// whose it is gets no socket.
    pub trusted_proxies: Vec<AddressRange>,
    /// The one header in which they say it; it must be one that they set or extend themselves.
    pub forwarded_header: ForwardedHeader,
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

/// Where a trusted proxy says whose connection it forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: 203.0.113.7`.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=203.0.113.7` (RFC 7239).
    Forwarded,
}

/// Bounds, each with a counter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Connections in all, from their accepting on; fewer if the process may not open as many files.
    pub connections: usize,
    /// Connections from one IPv4 address or IPv6 /56, from their accepting on.
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
    /// Seconds in which a socket takes nothing of what waits for it until it is reset.
    pub write_s: u64,
    /// Seconds that a message may take from its first byte to its last.
    pub message_s: u64,
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
            admin_token: None,
            admin_hosts: Vec::new(),
            auth: None,
            edge: 1,
            secret: None,
            origins: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
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
            write_s: 10,
            message_s: 10,
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
    /// Finds what a type cannot say: contradictions, numbers out of range, and an edge that is open without saying so.
    pub fn check(&self) -> Result<(), ConfigError> {
        require(self.listen.ip().is_loopback() || self.auth.is_some(), "auth", "nothing", || {
            format!("`auth = \"open\"` said in so many words, since {} is reachable by others", self.listen)
        })?;
        require(self.secret_bytes().is_some(), "secret", "(hidden)", || {
            "64 hex digits, not all of them 0".into()
        })?;
        self.check_admin()?;
        within("origins", self.origins.len(), 0, NAMES_LIMIT)?;
        self.origins.iter().try_for_each(|origin| {
            require(is_origin(origin), "origins", &format!("{origin:?}"), || {
                "origins such as \"https://player.example\", without a path".into()
            })
        })?;
        within("trusted_proxies", self.trusted_proxies.len(), 0, NAMES_LIMIT)?;
        within("ice_servers", self.ice_servers.len(), 0, ICE_SERVERS_LIMIT)?;
        within("drain_s", to_usize(self.drain_s), 0, 3_600)?;
        self.limits.check()?;
        self.pairing.check()
    }

    fn check_admin(&self) -> Result<(), ConfigError> {
        let others = self.admin_listen.filter(|address| !address.ip().to_canonical().is_loopback());
        if let (Some(address), None) = (others, &self.admin_token) {
            return require(false, "admin_token", "nothing", || {
                format!("{TOKEN}, since {address} is reachable by others")
            });
        }
        let fits = |token: &String| {
            (16..=512).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
        };
        require(self.admin_token.as_ref().is_none_or(fits), "admin_token", "(hidden)", || TOKEN.into())?;
        within("admin_hosts", self.admin_hosts.len(), 0, NAMES_LIMIT)?;
        self.admin_hosts.iter().try_for_each(|host| {
            require(is_host(host), "admin_hosts", &format!("{host:?}"), || {
                "host names without a port, such as \"edge.example\"".into()
            })
        })
    }

    /// Whether `address` is a trusted proxy's.
    pub(crate) fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|range| range.contains(address))
    }

    /// The cluster's secret. `None`: it is not 64 hex digits, or nothing but zeros, which stand for a secret that is
    /// drawn at the start.
    pub(crate) fn secret_bytes(&self) -> Option<[u8; 32]> {
        let Some(text) = &self.secret else { return Some([0; 32]) };
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        (bytes != [0; 32]).then_some(bytes)
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

impl LimitsConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let seconds = |key: &str, value: u64, low, high| within(key, to_usize(value), low, high);
        within("limits.connections", self.connections, 1, 1 << 24)?;
        within("limits.connections_per_address", self.connections_per_address as usize, 1, 1 << 24)?;
        within("limits.joins_per_minute", self.joins_per_minute as usize, 1, 1 << 20)?;
        within("limits.message_bytes", self.message_bytes, 1_024, 16 * 1024)?;
        within("limits.queue_messages", self.queue_messages, 8, 4_096)?;
        within("limits.queue_bytes", self.queue_bytes, 16 * 1024, 16 << 20)?;
        within("limits.messages_per_s", self.messages_per_s as usize, 1, 10_000)?;
        within("limits.messages_burst", self.messages_burst as usize, 1, 100_000)?;
        seconds("limits.handshake_s", self.handshake_s, 1, 60)?;
        seconds("limits.idle_s", self.idle_s, 2, 3_600)?;
        seconds("limits.ping_s", self.ping_s, 1, to_usize(self.idle_s) - 1)?;
        seconds("limits.write_s", self.write_s, 1, 10)?;
        seconds("limits.message_s", self.message_s, 1, 60)
    }
}

impl PairingConfig {
    fn check(&self) -> Result<(), ConfigError> {
        within("pairing.room_members", self.room_members, 2, 65_000)?;
        within("pairing.degree_limit", self.degree_limit.into(), 4, 32)?;
        within("pairing.degree_target", self.degree_target.into(), 4, self.degree_limit.into())
    }
}

/// Entries of a list at most.
const NAMES_LIMIT: usize = 1_024;

const TOKEN: &str = "16 to 512 visible ASCII characters";

/// `scheme://host` or `scheme://host:port`, as browsers write it in `Origin`.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_scheme = !scheme.is_empty()
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme
        && port.is_none_or(is_port)
        && bracketed.map_or_else(|| is_host(host), |v6| v6.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_host(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(is_plain)
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
