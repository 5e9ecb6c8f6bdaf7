//! Token buckets: how much of something is allowed now.

/// Allows `per_s` events a second on average and `burst` at once.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    /// Tokens in thousandths.
    milli: u64,
    filled_ms: u64,
    per_s: u32,
    burst: u32,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(per_s: u32, burst: u32, now_ms: u64) -> Self {
        Self { milli: u64::from(burst) * 1000, filled_ms: now_ms, per_s, burst }
    }

    /// Takes one token if there is one.
    pub fn take(&mut self, now_ms: u64) -> bool {
        self.fill(now_ms);
        let there = self.milli >= 1000;
        if there {
            self.milli -= 1000;
        }
        there
    }

    /// Milliseconds until the next token; 0 when there is one.
    pub fn wait_ms(&self) -> u32 {
        let missing = 1000_u64.saturating_sub(self.milli);
        u32::try_from(missing.div_ceil(u64::from(self.per_s.max(1)))).unwrap_or(u32::MAX)
    }

    fn fill(&mut self, now_ms: u64) {
        let elapsed = now_ms.saturating_sub(self.filled_ms);
        let most = u64::from(self.burst) * 1000;
        self.milli = self.milli.saturating_add(elapsed.saturating_mul(u64::from(self.per_s))).min(most);
        self.filled_ms = self.filled_ms.max(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_average_holds() {
        let mut bucket = TokenBucket::new(20, 60, 1_000);
        assert_eq!((0..100).filter(|_| bucket.take(1_000)).count(), 60);
        assert_eq!(bucket.wait_ms(), 50);
        assert!(!bucket.take(1_049));
        assert!(bucket.take(1_050));
        assert_eq!((0..100).filter(|_| bucket.take(2_050)).count(), 20);
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_away() {
        let mut bucket = TokenBucket::new(1, 1, 10_000);
        assert!(bucket.take(10_000));
        assert!(!bucket.take(0));
        assert!(!bucket.take(10_500));
        assert!(bucket.take(11_000));
    }
}
