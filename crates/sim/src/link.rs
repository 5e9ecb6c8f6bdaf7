//! One viewer's connection to the world.

use crate::event::Micros;

/// Rates in bytes per second, latency in microseconds one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Uplink.
    pub up_bytes_per_s: u64,
    /// Downlink from the origin.
    pub down_bytes_per_s: u64,
    /// One way.
    pub latency_us: u64,
}

impl Default for Link {
    /// 10 Mb/s up, 50 Mb/s down, 10 ms.
    fn default() -> Self {
        Self { up_bytes_per_s: 1_250_000, down_bytes_per_s: 6_250_000, latency_us: 10_000 }
    }
}

/// When the uplink is free again.
#[derive(Debug, Default)]
pub(crate) struct Uplink {
    free_at: Micros,
}

impl Uplink {
    /// Sends `bytes` now; returns when the last one left.
    pub(crate) fn send(&mut self, now: Micros, bytes: usize, link: &Link) -> Micros {
        let took = (bytes as u64).saturating_mul(1_000_000) / link.up_bytes_per_s.max(1);
        self.free_at = self.free_at.max(now) + took;
        self.free_at
    }
}
