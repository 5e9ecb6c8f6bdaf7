//! Time as it comes through the door: the page's monotonic clock, never read here.

use core::ops::{Add, AddAssign, Div, Mul, Sub};

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
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// This time less `by`, not below zero.
    pub fn back(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.0))
    }
}

impl Sub for Time {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// A length of time in whole microseconds, as [`Time`] counts them; its methods are those of
/// `core::time::Duration`, whose seconds and nanoseconds apart make every sum and comparison several times as
/// long in the module that each viewer loads. All of them saturate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Duration(u64);

impl Duration {
    /// None.
    pub const ZERO: Self = Self(0);
    /// Longer than any page lives.
    pub const MAX: Self = Self(u64::MAX);

    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// So many milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    /// So many seconds; negative ones and what is no number count as none.
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self((seconds * 1e6) as u64)
    }

    /// Whole seconds.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Whole milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// Seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Is it none?
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This less `by`, not below none.
    pub const fn saturating_sub(self, by: Self) -> Self {
        Self(self.0.saturating_sub(by.0))
    }

    /// This less `by`, if it is as long.
    pub const fn checked_sub(self, by: Self) -> Option<Self> {
        match self.0.checked_sub(by.0) {
            Some(left) => Some(Self(left)),
            None => None,
        }
    }

    /// What is left of 1 after this time, if half of it goes within each `half_life`. All powers of the core are such
    /// ones, and a power function of its own would be two kilobytes more for every page.
    pub fn decay(self, half_life: Self) -> f64 {
        (-core::f64::consts::LN_2 * self.as_secs_f64() / half_life.as_secs_f64()).exp()
    }

    /// This times `factor`, as [`Duration::from_secs_f64`].
    pub fn mul_f64(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor) as u64)
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

impl Sub for Duration {
    type Output = Self;
    fn sub(self, less: Self) -> Self {
        self.saturating_sub(less)
    }
}

impl AddAssign for Duration {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}

impl Mul<u32> for Duration {
    type Output = Self;
    fn mul(self, times: u32) -> Self {
        Self(self.0.saturating_mul(times.into()))
    }
}

impl Div<u32> for Duration {
    type Output = Self;
    fn div(self, parts: u32) -> Self {
        Self(self.0 / u64::from(parts.max(1)))
    }
}

/// When [`crate::Mesh::handle_timeout`] wants to be called, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wakeup {
    /// At or soon after this time.
    pub at: Time,
    /// What will be looked at, for traces.
    pub reason: &'static str,
}
