//! How often two signed lists disagreed lately.

use crate::time::{Duration, Time};

/// So many segments within so long, and nothing is shared until the first of them is that old: one mishap of a signer
/// costs its segment, three in a row mean that something is wrong with it, three in a month do not.
const TOO_MANY: usize = 3;
const WITHIN: Duration = Duration::from_secs(3_600);

/// The last quarantines, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quarantines([Option<Time>; TOO_MANY]);

impl Quarantines {
    pub(crate) fn note(&mut self, now: Time) {
        self.0.rotate_right(1);
        self.0[0] = Some(now);
    }

    /// Until when nothing is shared, if there were too many.
    pub(crate) fn until(&self, now: Time) -> Option<Time> {
        let first = self.0.iter().copied().min().flatten()?;
        Some(first + WITHIN).filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_within_an_hour_are_too_many_and_an_hour_later_they_are_not() {
        let minute = |n: u64| Time(n * 60_000_000);
        let mut q = Quarantines::default();
        q.note(minute(0));
        q.note(minute(40));
        assert_eq!(q.until(minute(40)), None);
        q.note(minute(59));
        assert_eq!(q.until(minute(59)), Some(minute(60)));
        assert_eq!(q.until(minute(60)), None, "one of them is an hour old");
        q.note(minute(70));
        assert_eq!(q.until(minute(70)), Some(minute(100)));
        for month in [0, 43_200, 86_400] {
            q.note(minute(1_000 + month));
            assert_eq!(q.until(minute(1_000 + month)), None, "one a month");
        }
    }
}
