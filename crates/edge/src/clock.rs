//! The edge's clock: Unix milliseconds that never run backwards.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock once, at the start; the monotonic clock from then on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    unix_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), unix_ms: millis(unix) }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.unix_ms + millis(self.started.elapsed())
    }

    /// The instant at which the clock will show `at_ms`.
    pub(crate) fn instant(&self, at_ms: u64) -> Instant {
        self.started + Duration::from_millis(at_ms.saturating_sub(self.unix_ms))
    }
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
