//! How much was spent in a window of time.

/// One minute in milliseconds.
pub(crate) const MINUTE_MS: u64 = 60_000;
/// One hour in milliseconds.
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// What was spent in one of many windows of equal length that follow each other; the caller numbers them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    number: u64,
    spent: u32,
}

impl Window {
    /// What was spent in window `number`.
    pub(crate) fn spent_in(self, number: u64) -> u32 {
        if self.number == number { self.spent } else { 0 }
    }

    /// Spends one in window `number`.
    pub(crate) fn spend(&mut self, number: u64) {
        self.spent = self.spent_in(number).saturating_add(1);
        self.number = number;
    }
}
