//! The policy in force: page options below remote policy below its stream override, safety values by the
//! stricter of all and the built-in ceilings.

use crate::time::Duration;
use meshedflow_protocol::policy::{CmafMode, Patch};

use crate::config::Options;

/// Values in force now.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// False: the kill switch.
    pub enabled: bool,
    /// What flows between peers.
    pub cmaf_mode: CmafMode,
    /// Longest wait for a peer's first verified bytes.
    pub p2p_budget: Duration,
    /// Longest time for a connection to open.
    pub dial: Duration,
    /// Longest wait for a list.
    pub list: Duration,
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
    pub fn fold(options: &Options, policy: Option<&Patch>) -> Self {
        let mut e = Self::of_page(options);
        if let Some(p) = policy {
            e.apply(p);
            if let Some(s) = stream_override(p, &options.stream_id) {
                e.apply(s);
            }
        }
        e
    }

    fn of_page(o: &Options) -> Self {
        let memory = if o.platform.mobile { 48 * MIB } else { 96 * MIB };
        Self {
            enabled: true,
            cmaf_mode: o.cmaf_mode,
            p2p_budget: Duration::from_millis(2_500),
            dial: Duration::from_secs(10),
            list: Duration::from_millis(1_500),
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

    fn apply(&mut self, p: &Patch) {
        self.apply_safety(p);
        set(&mut self.cmaf_mode, p.cmaf_mode);
        set(&mut self.rarest_first, p.rarest_first);
        set_ms(&mut self.map_refresh, p.map_refresh_ms);
        set_ms(&mut self.map_ttl, p.map_ttl_ms);
        set_ms(&mut self.refresh, p.refresh_ms);
        self.refresh = self.refresh.clamp(Duration::from_secs(10), Duration::from_secs(300));
        if let Some(t) = &p.timeouts {
            set_ms(&mut self.p2p_budget, t.p2p_budget_ms);
            set_ms(&mut self.dial, t.dial_ms);
            set_ms(&mut self.list, t.list_ms);
        }
        if let Some(n) = &p.peers {
            set(&mut self.peers_min, n.min.map(usize::from));
            set(&mut self.peers_max, n.max.map(usize::from));
            set(&mut self.dial_parallel, n.dial_parallel.map(usize::from));
        }
        if let Some(f) = &p.in_flight {
            set(&mut self.in_flight_per_peer, f.per_peer.map(usize::from));
            set(&mut self.in_flight_total, f.total.map(usize::from));
        }
    }

    /// Values that a policy may only tighten.
    fn apply_safety(&mut self, p: &Patch) {
        self.enabled &= p.enabled.unwrap_or(true);
        self.relay_only |= p.topology.as_ref().and_then(|t| t.relay_only).unwrap_or(false);
        tighten(&mut self.memory_bytes, p.memory_bytes);
        if let Some(u) = &p.upload {
            tighten(&mut self.upload_rate_bytes_per_s, u.rate_bytes_per_s);
            tighten(&mut self.upload_session_bytes, u.session_bytes);
            tighten(&mut self.upload_slots, u.slots.map(usize::from));
            let ratio = u.ratio.filter(|r| r.is_finite() && *r >= 0.0);
            self.upload_ratio =
                ratio.map(|r| self.upload_ratio.map_or(r, |old| old.min(r))).or(self.upload_ratio);
            set(&mut self.upload_on_cellular, u.on_cellular);
            set(&mut self.upload_on_save_data, u.on_save_data);
        }
    }
}

/// 100 Mb/s: more would be no favour to anyone's uplink.
const UPLOAD_CEILING: u32 = 12_500_000;

fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(v) = value {
        *to = v;
    }
}

fn set_ms(to: &mut Duration, value: Option<u32>) {
    set(to, value.map(|ms| Duration::from_millis(ms.into())));
}

fn tighten<T: Ord + Copy>(to: &mut T, value: Option<T>) {
    if let Some(v) = value {
        *to = v.min(*to);
    }
}

/// The exact entry wins over a pattern, the longest pattern over shorter ones.
fn stream_override<'a>(p: &'a Patch, stream: &str) -> Option<&'a Patch> {
    if let Some(exact) = p.streams.get(stream) {
        return Some(exact);
    }
    let fits = |pattern: &str| pattern.strip_suffix('*').is_some_and(|start| stream.starts_with(start));
    p.streams.iter().filter(|(k, _)| fits(k)).max_by_key(|(k, _)| k.len()).map(|(_, patch)| patch.as_ref())
}
