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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_fold_what_does_not_fit_into_other() {
        let mut counts = Counts::default();
        (0..40).for_each(|i| counts.add(&format!("reason{i}"), 1));
        counts.add("no spaces, please", 5);
        counts.add(&"x".repeat(33), 5);
        assert_eq!((counts.iter().count(), counts.get("other"), counts.total()), (COUNT_KEYS_LIMIT, 19, 50));
    }

    #[test]
    fn counts_of_others_are_bounded_too() {
        let hostile: BTreeMap<String, u64> = (0..1000).map(|i| (format!("<b>{i}"), u64::MAX)).collect();
        let json = serde_json::to_string(&hostile).unwrap();
        let counts: Counts = serde_json::from_str(&json).unwrap();
        assert_eq!(counts.iter().collect::<Vec<_>>(), [("other", u64::MAX)]);
    }

    #[test]
    fn histograms_count_by_powers_of_two() {
        let mut histogram = Histogram::default();
        [0, 1, 2, 3, 4, 7, 8].into_iter().for_each(|value| histogram.record(value));
        assert_eq!(histogram.buckets(), [1, 1, 2, 2, 1]);
        histogram.record(u64::MAX);
        assert_eq!((histogram.buckets().len(), histogram.buckets().last()), (HISTOGRAM_BUCKETS, Some(&1)));
    }

    #[test]
    fn histograms_merge() {
        let (mut short, mut long) = (Histogram::default(), Histogram::default());
        short.record(1);
        long.record(4);
        short.merge(&long);
        assert_eq!(short.buckets(), [0, 1, 0, 1]);
        let too_long = serde_json::to_string(&[0; HISTOGRAM_BUCKETS + 1]).unwrap();
        assert!(serde_json::from_str::<Histogram>(&too_long).is_err());
    }

    #[test]
    fn a_report_of_another_version_is_read() {
        let report: Report =
            serde_json::from_str(r#"{"seq": 4, "mood": "fine", "lanes": [{"hue": 1}]}"#).unwrap();
        assert_eq!((report.seq, report.lanes), (4, vec![LaneReport::default()]));
    }
}
