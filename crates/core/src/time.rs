//! Time as it comes through the door: the page's monotonic clock, never read here.

use core::ops::{Add, Sub};
use core::time::Duration;

/// Microseconds on the page's monotonic clock (`performance.now()`), any origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(pub u64);

impl Time {
    /// From the milliseconds of `performance.now()`; negative or non-finite values count as 0.
    pub fn from_ms(ms: f64) -> Self {
        if ms.is_finite() && ms > 0.0 { Self((ms * 1000.0) as u64) } else { Self(0) }
    }

    /// Milliseconds, for the page.
    pub fn as_ms(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Time since `earlier`, zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This time less `by`, not below zero.
    pub fn back(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros(by)))
    }
}

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }
}

impl Sub for Time {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

/// When [`crate::Mesh::handle_timeout`] wants to be called, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wakeup {
    /// At or soon after this time.
    pub at: Time,
    /// What will be looked at, for traces.
    pub reason: &'static str,
}
