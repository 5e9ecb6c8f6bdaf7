//! The policy in force: tuning values of the page, above them the remote policy's, above them its entry for the stream;
//! limits by the strictest of all and the built-in ceilings.

use crate::time::Duration;
use meshedflow_protocol::policy::{CmafMode, Patch};

use crate::config::Options;

/// Values in force now.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// False: the kill switch.
    pub enabled: bool,
    /// Unix seconds after which peers close and HTTP remains.
    pub expires_at: Option<u64>,
    /// What flows between peers.
    pub cmaf_mode: CmafMode,
    /// Longest wait for a peer's first verified bytes.
    pub p2p_budget: Duration,
    /// Longest time for a connection to open.
    pub dial: Duration,
    /// Fewest neighbours wanted.
    pub peers_min: usize,
    /// Most neighbours.
    pub peers_max: usize,
    /// Dials at a time.
    pub dial_parallel: usize,
    /// Open requests per neighbour.
    pub in_flight_per_peer: usize,
    /// Open requests in all.
    pub in_flight_total: usize,
    /// Upload rate in bytes per second; 0 forbids.
    pub upload_rate_bytes_per_s: u32,
    /// Upload bytes per session.
    pub upload_session_bytes: u64,
    /// Parallel uploads.
    pub upload_slots: usize,
    /// Uploaded bytes per downloaded byte, if that is limited.
    pub upload_ratio: Option<f64>,
    /// Uploading on cellular links.
    pub upload_on_cellular: bool,
    /// Uploading although the user saves data.
    pub upload_on_save_data: bool,
    /// Bytes of media kept.
    pub memory_bytes: u64,
    /// Full maps every so often.
    pub map_refresh: Duration,
    /// A map older than this says nothing.
    pub map_ttl: Duration,
    /// Rarest first beyond the urgent horizon.
    pub rarest_first: bool,
    /// Relays only.
    pub relay_only: bool,
    /// Policy is read again after this.
    pub refresh: Duration,
}

const MIB: u64 = 1 << 20;

impl Effective {
    /// Combines the page's options with a policy, if one was read.
    ///
    /// Tuning values: page, then policy, then its entry for the stream. Limits: the strictest of all three. Where the
    /// page has an option for a limit, its default counts as the page's word: a policy cannot go beyond it.
    pub fn fold(options: &Options, policy: Option<&Patch>) -> Self {
        let mut e = Self::of_page(options);
        let layers = [policy, policy.and_then(|p| p.for_stream(&options.stream_id))];
        for p in layers.into_iter().flatten() {
            e.tune(p);
        }
        for p in layers.into_iter().flatten() {
            e.limit(p);
        }
        e.peers_min = e.peers_min.min(e.peers_max);
        e
    }

    /// Every value that is stricter than what is in force counts, none that is not: what an edge pushed, for one.
    pub fn tighten(&mut self, patch: &Patch, stream: &str) {
        for p in [Some(patch), patch.for_stream(stream)].into_iter().flatten() {
            self.limit(p);
            tighten(&mut self.cmaf_mode, p.cmaf_mode);
            if let Some(t) = &p.timeouts {
                tighten(&mut self.p2p_budget, t.p2p_budget_ms.map(millis));
                tighten(&mut self.dial, t.dial_ms.map(millis));
            }
            if let Some(n) = &p.peers {
                tighten(&mut self.dial_parallel, n.dial_parallel.map(usize::from));
            }
        }
        self.peers_min = self.peers_min.min(self.peers_max);
    }

    fn of_page(o: &Options) -> Self {
        let memory = if o.platform.mobile { 48 * MIB } else { 96 * MIB };
        Self {
            enabled: true,
            expires_at: None,
            cmaf_mode: o.cmaf_mode,
            p2p_budget: Duration::from_millis(2_500),
            dial: Duration::from_secs(10),
            peers_min: 4,
            peers_max: o.max_peers.map_or(if o.platform.mobile { 8 } else { 12 }, usize::from),
            dial_parallel: 4,
            in_flight_per_peer: 3,
            in_flight_total: 24,
            upload_rate_bytes_per_s: o.upload.rate_bytes_per_s.unwrap_or(UPLOAD_CEILING).min(UPLOAD_CEILING),
            upload_session_bytes: o.upload.session_bytes.unwrap_or(u64::MAX),
            upload_slots: usize::from(o.upload.slots.unwrap_or(4)).min(16),
            upload_ratio: None,
            upload_on_cellular: false,
            upload_on_save_data: false,
            memory_bytes: o.memory_bytes.unwrap_or(memory).min(512 * MIB),
            map_refresh: Duration::from_secs(10),
            map_ttl: Duration::from_secs(30),
            rarest_first: o.enable_rarest_first,
            relay_only: o.relay_only,
            refresh: Duration::from_secs(60),
        }
    }

    /// The last word counts; of limits that the page has no option for, until [`Effective::limit`] has them all.
    fn tune(&mut self, p: &Patch) {
        set(&mut self.cmaf_mode, p.cmaf_mode);
        set(&mut self.rarest_first, p.rarest_first);
        set(&mut self.map_refresh, p.map_refresh_ms.map(millis));
        set(&mut self.map_ttl, p.map_ttl_ms.map(millis));
        set(&mut self.refresh, p.refresh_ms.map(millis));
        self.refresh = self.refresh.clamp(Duration::from_secs(10), Duration::from_secs(300));
        if let Some(t) = &p.timeouts {
            set(&mut self.p2p_budget, t.p2p_budget_ms.map(millis));
            set(&mut self.dial, t.dial_ms.map(millis));
        }
        if let Some(n) = &p.peers {
            set(&mut self.peers_min, n.min.map(usize::from));
            set(&mut self.dial_parallel, n.dial_parallel.map(usize::from));
        }
        if let Some(f) = &p.in_flight {
            set(&mut self.in_flight_per_peer, f.per_peer.map(usize::from));
            set(&mut self.in_flight_total, f.total.map(usize::from));
        }
        if let Some(u) = &p.upload {
            set(&mut self.upload_on_cellular, u.on_cellular);
            set(&mut self.upload_on_save_data, u.on_save_data);
        }
    }

    /// Values that can only become stricter, whoever says them.
    fn limit(&mut self, p: &Patch) {
        self.enabled &= p.enabled.unwrap_or(true);
        self.relay_only |= p.topology.as_ref().and_then(|t| t.relay_only).unwrap_or(false);
        self.expires_at = [self.expires_at, p.expires_at].into_iter().flatten().min();
        tighten(&mut self.memory_bytes, p.memory_bytes);
        tighten(&mut self.peers_max, p.peers.as_ref().and_then(|n| n.max).map(usize::from));
        if let Some(f) = &p.in_flight {
            tighten(&mut self.in_flight_per_peer, f.per_peer.map(usize::from));
            tighten(&mut self.in_flight_total, f.total.map(usize::from));
        }
        if let Some(u) = &p.upload {
            tighten(&mut self.upload_on_cellular, u.on_cellular);
            tighten(&mut self.upload_on_save_data, u.on_save_data);
            tighten(&mut self.upload_rate_bytes_per_s, u.rate_bytes_per_s);
            tighten(&mut self.upload_session_bytes, u.session_bytes);
            tighten(&mut self.upload_slots, u.slots.map(usize::from));
            self.upload_ratio = least(self.upload_ratio, u.ratio.filter(|r| r.is_finite() && *r >= 0.0));
        }
    }
}

/// Keys that have no effect on this version of the SDK, and whether a policy asks for them.
pub(crate) fn without_effect(p: &Patch) -> [(&'static str, bool); 7] {
    let topology = p.topology.as_ref();
    [
        ("timeouts.listMs", p.timeouts.as_ref().is_some_and(|t| t.list_ms.is_some())),
        ("originCopies", p.origin_copies.is_some()),
        ("stageMs", p.stage_ms.is_some()),
        ("topology.sameCountryOnly", topology.is_some_and(|t| t.same_country_only == Some(true))),
        ("topology.sameAsnOnly", topology.is_some_and(|t| t.same_asn_only == Some(true))),
        ("holdoutPercent", p.holdout_percent.is_some_and(|percent| percent > 0)),
        ("telemetry", p.telemetry.is_some()),
    ]
}

/// 100 Mb/s: more would be no favour to anyone's uplink.
const UPLOAD_CEILING: u32 = 12_500_000;

fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(v) = value {
        *to = v;
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

fn tighten<T: Ord + Copy>(to: &mut T, value: Option<T>) {
    if let Some(v) = value {
        *to = v.min(*to);
    }
}

/// The smaller of two bounds, either of which may be absent.
fn least(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        _ => a.or(b),
    }
}

#[cfg(test)]
mod tests;
