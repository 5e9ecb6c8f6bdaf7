//! What a viewer reports: counters only, no addresses, no user ids.
//!
//! A [`Report`] covers one interval. Every counter is a difference against the report before, so that a
//! lost report loses its interval and nothing else. Unknown fields are ignored; maps and lists are bounded
//! because their keys end in metric labels.

use core::fmt;
use std::collections::BTreeMap;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::ids::Name;
use crate::signal::{LANES_LIMIT, at_most};

/// Most keys of one [`Counts`].
pub const COUNT_KEYS_LIMIT: usize = 32;
/// Longest key of a [`Counts`] in bytes.
pub const COUNT_KEY_LIMIT_BYTES: usize = 32;
/// Buckets of a [`Histogram`].
pub const HISTOGRAM_BUCKETS: usize = 24;

/// Counters of one interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Rises by one with each report of the session.
    pub seq: u32,
    /// Length of the interval.
    pub interval_ms: u32,
    /// SDK version.
    pub sdk: String,
    /// Whether the session is in the control group that runs over HTTP alone.
    pub holdout: bool,
    /// Whether the mesh is switched off (policy, consent, no WebRTC) and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
    /// Whether this is the last report of the session.
    pub last: bool,
    /// Bytes by lane, at most 8.
    #[serde(deserialize_with = "at_most::<LANES_LIMIT, _, _>")]
    pub lanes: Vec<LaneReport>,
    /// The player.
    pub player: PlayerReport,
    /// Neighbours.
    pub links: LinkReport,
}

/// Counters of one lane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LaneReport {
    /// The rendition; `None` while it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<Name>,
    /// Segments delivered to the player.
    pub segments: u32,
    /// Verified bytes from peers that the player got.
    pub peer_bytes: u64,
    /// Bytes over HTTP by reason.
    pub http_bytes: Counts,
    /// Bytes over HTTP that connected holders could have delivered in time (`advertise-only`).
    pub shadow_bytes: u64,
    /// Bytes that arrived twice.
    pub duplicate_bytes: u64,
    /// Bytes that arrived and were of no use.
    pub wasted_bytes: u64,
    /// Bytes sent to neighbours.
    pub upload_bytes: u64,
    /// Requests refused to this viewer, by reason.
    pub rejects: Counts,
    /// Fragments or lists that did not verify, by reason.
    pub verify_failures: Counts,
    /// Elections won.
    pub elected: u32,
}

/// Counters of the player.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlayerReport {
    /// Stalls.
    pub stalls: u32,
    /// Time stalled.
    pub stalled_ms: u32,
    /// From the first request to the first segment delivered; once a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_ms: Option<u32>,
    /// Time during which the buffer was below one segment after startup.
    pub buffer_at_risk_ms: u32,
    /// Time played or waited.
    pub watched_ms: u32,
}

/// Counters of connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkReport {
    /// Neighbours now.
    pub neighbours: u16,
    /// Connections that opened, by candidate type.
    pub connects: Counts,
    /// Dials that failed, by stage.
    pub failures: Counts,
    /// Round-trip times in milliseconds.
    pub rtt_ms: Histogram,
    /// Throughput from neighbours in kilobytes (1,000 bytes) per second.
    pub throughput_kb_per_s: Histogram,
}

/// Counts by a short name: at most 32 names of at most 32 bytes of `[A-Za-z0-9-]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Adds `amount` under `key`; a key that is too long, of other characters or one too many counts as
    /// `other`.
    pub fn add(&mut self, key: &str, amount: u64) {
        let fits = is_count_key(key) && (self.0.contains_key(key) || self.0.len() + 1 < COUNT_KEYS_LIMIT);
        let count = self.0.entry(if fits { key } else { "other" }.to_owned()).or_default();
        *count = count.saturating_add(amount);
    }

    /// The count under `key`.
    pub fn get(&self, key: &str) -> u64 {
        self.0.get(key).copied().unwrap_or_default()
    }

    /// The sum of all.
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// All names and counts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(key, n)| (key.as_str(), *n))
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn is_count_key(key: &str) -> bool {
    (1..=COUNT_KEY_LIMIT_BYTES).contains(&key.len())
        && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(CountsVisitor)
    }
}

struct CountsVisitor;

impl<'de> Visitor<'de> for CountsVisitor {
    type Value = Counts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of counts")
    }

    /// Folds what does not fit into `other` instead of refusing the report.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counts, A::Error> {
        let mut counts = Counts::default();
        while let Some((key, amount)) = map.next_entry::<String, u64>()? {
            counts.add(&key, amount);
        }
        Ok(counts)
    }
}

/// Counts by powers of two: bucket 0 holds 0, bucket i holds `2^(i-1) ..= 2^i - 1`, the last all above.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Histogram(Vec<u32>);

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        let bucket = (u64::BITS - value.leading_zeros()) as usize;
        let bucket = bucket.min(HISTOGRAM_BUCKETS - 1);
        if self.0.len() <= bucket {
            self.0.resize(bucket + 1, 0);
        }
        if let Some(count) = self.0.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
    }

    /// The counts; buckets beyond the last are 0.
    pub fn buckets(&self) -> &[u32] {
        &self.0
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(to, from)| *to = to.saturating_add(*from));
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let counts = at_most::<HISTOGRAM_BUCKETS, u32, D>(d).map_err(D::Error::custom)?;
        Ok(Self(counts))
    }
}
