//! The remote JSON policy: how a stream's owner tunes, tightens or switches off a mesh.
//!
//! A [`Patch`] says only what it wants to change: every field is optional. [`Patch::parse`] never fails on
//! a single value: a key it does not know is ignored, a value out of [`LIMITS`] is dropped so that the
//! reader's default stays, and each gives one [`PolicyNotice`]. How patches combine (tuning values: page,
//! then policy, then stream; safety values: the strictest) is the reader's business.
//!
//! The same names are published as JSON Schema in `policy.schema.json` beside this crate's `Cargo.toml`.

mod limits;
mod read;

use serde::{Deserialize, Serialize};

use crate::sorted::SortedMap;

pub use limits::{LIMITS, Limit, NAMES, limit};
pub use read::{NOTICE_LIMIT, POLICY_LIMIT_BYTES, PolicyError, PolicyNotice, STREAMS_LIMIT, URL_LIMIT_BYTES};

/// What precedes the raw bytes of a policy in the message that its optional signature covers.
pub const SIGNATURE_MAGIC: &[u8] = b"meshedflow/policy/v1\0";

/// Changes to the defaults. `None` changes nothing. Units are in the names; ranges are in [`LIMITS`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// Rises with each publication; with a pinned key a lower one is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Unix seconds after which peers close and HTTP remains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// How often to ask again; clamped, not refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_ms: Option<u32>,
    /// The kill switch: false closes every peer connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What flows between peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmaf_mode: Option<CmafMode>,
    /// Time limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// How many neighbours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<Peers>,
    /// How many requests at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlight>,
    /// Caps of what a viewer gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<Upload>,
    /// The store's size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Copies of a segment that a large lane may fetch from the origin, c of the lottery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_copies: Option<f64>,
    /// Time between stages of the lottery, delta.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage_ms: Option<u32>,
    /// How often a whole buffer map is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_refresh_ms: Option<u32>,
    /// Age at which a neighbour's map no longer counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_ttl_ms: Option<u32>,
    /// Whether fragments beyond the urgent horizon go rarest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rarest_first: Option<bool>,
    /// With whom a viewer may be paired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<TopologyRules>,
    /// Share of sessions that run over HTTP alone, for comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holdout_percent: Option<u8>,
    /// Reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<TelemetryRules>,
    /// Patches for single streams: a stream id, or a prefix of ids ending in `*`. No streams within.
    #[serde(skip_serializing_if = "SortedMap::is_empty")]
    pub streams: SortedMap<String, Box<Self>>,
}

/// What flows between peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CmafMode {
    /// Whole segments, verified by the closed list.
    Off,
    /// Fragments are verified and announced; whole segments flow.
    AdvertiseOnly,
    /// Fragments flow, cut-through.
    Serve,
}

impl CmafMode {
    /// The mode's name in policies and options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::AdvertiseOnly => "advertise-only",
            Self::Serve => "serve",
        }
    }

    /// The mode of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Off, Self::AdvertiseOnly, Self::Serve].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// Time limits.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// Longest time a load may wait for peers before HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p2p_budget_ms: Option<u32>,
    /// Longest time from offer to open channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dial_ms: Option<u32>,
    /// Longest time to wait for a signed list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_ms: Option<u32>,
}

/// How many neighbours.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peers {
    /// Below this many the edge is asked for more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u8>,
    /// Never more than this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u8>,
    /// Dials at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dial_parallel: Option<u8>,
}

/// How many requests at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InFlight {
    /// To one neighbour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_peer: Option<u8>,
    /// In all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u8>,
}

/// Caps of what a viewer gives.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// Rate over all neighbours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_bytes_per_s: Option<u32>,
    /// Bytes a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_bytes: Option<u64>,
    /// Uploads at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u8>,
    /// Uploaded bytes per downloaded byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Whether to upload on a cellular link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_cellular: Option<bool>,
    /// Whether to upload when the user asked to save data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_save_data: Option<bool>,
}

/// With whom a viewer may be paired.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TopologyRules {
    /// Only within one country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_country_only: Option<bool>,
    /// Only within one autonomous system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_asn_only: Option<bool>,
    /// Only through relays, so that viewers do not learn each other's addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_only: Option<bool>,
}

/// Reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TelemetryRules {
    /// Share of sessions that report, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<f64>,
    /// Where to, when not over the edge socket; the reader checks it against its allowlist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u32>,
}

impl Patch {
    /// The override for `stream`: that of its own id, else that of the longest matching prefix.
    pub fn for_stream(&self, stream: &str) -> Option<&Self> {
        let by_prefix = || {
            let matching = self.streams.iter().filter_map(|(pattern, patch)| {
                let prefix = pattern.strip_suffix('*')?;
                stream.starts_with(prefix).then_some((prefix.len(), patch.as_ref()))
            });
            matching.max_by_key(|(length, _)| *length).map(|(_, patch)| patch)
        };
        self.streams.get(stream).map(Box::as_ref).or_else(by_prefix)
    }
}

#[cfg(test)]
mod tests;
