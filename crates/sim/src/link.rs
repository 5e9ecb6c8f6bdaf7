//! One viewer's connection to the world.

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
