//! Which epoch counts for a media sequence number.

use core::fmt;

use meshedflow_json::{Fields, Json, JsonError};
use serde::Serialize;

/// Most ranges of one anchor.
pub const EPOCH_LIMIT: usize = 64;

/// One epoch and the segments it signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochRange {
    /// The epoch.
    pub epoch: u64,
    /// Its first media sequence number.
    pub first_msn: u64,
    /// Its last one; `None` while it goes on.
    pub last_msn: Option<u64>,
}

impl EpochRange {
    pub(crate) fn read(item: &Json<'_>) -> Result<Self, JsonError> {
        let fields = Fields::of(item, "epochs")?;
        Ok(Self {
            epoch: fields.need_whole("epoch", u64::MAX)?,
            first_msn: fields.need_whole("firstMsn", u64::MAX)?,
            last_msn: fields.u64("lastMsn")?,
        })
    }

    fn contains(&self, msn: u64) -> bool {
        self.first_msn <= msn && self.last_msn.is_none_or(|last| msn <= last)
    }
}

/// The epochs that a document read over HTTPS names. Never built from a peer's words.
///
/// Where ranges overlap (a signer began again at a number already used) the higher epoch counts.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Anchor {
    ranges: Vec<EpochRange>,
}

/// Why epochs do not anchor anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchorError {
    /// No range; expected at least one.
    Empty,
    /// So many ranges; expected at most [`EPOCH_LIMIT`].
    TooMany(usize),
    /// The range of this epoch ends before it begins.
    Backwards(u64),
    /// This epoch is below the key set's floor.
    BelowFloor {
        /// The highest epoch named.
        epoch: u64,
        /// The floor.
        floor: u64,
    },
    /// For this media sequence number an earlier anchor named a higher epoch.
    StepBack {
        /// The media sequence number.
        msn: u64,
        /// The epoch named before.
        was: u64,
        /// The epoch named now.
        now: u64,
    },
}

impl fmt::Display for AnchorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no epoch named; expected at least one"),
            Self::TooMany(n) => write!(f, "{n} epochs named; expected at most {EPOCH_LIMIT}"),
            Self::Backwards(epoch) => write!(f, "epoch {epoch} ends before its first media sequence number"),
            Self::BelowFloor { epoch, floor } => {
                write!(f, "newest epoch {epoch} is below the key set's min_epoch {floor}")
            }
            Self::StepBack { msn, was, now } => {
                write!(f, "epoch {now} named for media sequence number {msn}; {was} was named before")
            }
        }
    }
}

impl core::error::Error for AnchorError {}

impl Anchor {
    /// Checks the ranges and keeps them. `floor` is the key set's `min_epoch`: lower epochs are dropped,
    /// and if none is left nothing is anchored.
    pub fn new(ranges: &[EpochRange], floor: u64) -> Result<Self, AnchorError> {
        if ranges.len() > EPOCH_LIMIT {
            return Err(AnchorError::TooMany(ranges.len()));
        }
        if let Some(bad) = ranges.iter().find(|r| r.last_msn.is_some_and(|last| last < r.first_msn)) {
            return Err(AnchorError::Backwards(bad.epoch));
        }
        let newest = ranges.iter().map(|r| r.epoch).max().ok_or(AnchorError::Empty)?;
        if newest < floor {
            return Err(AnchorError::BelowFloor { epoch: newest, floor });
        }
        let ranges = ranges.iter().filter(|r| r.epoch >= floor).copied().collect();
        Ok(Self { ranges })
    }

    /// The epoch whose lists count for `msn`, if one is named.
    pub fn epoch_for(&self, msn: u64) -> Option<u64> {
        self.ranges.iter().filter(|r| r.contains(msn)).map(|r| r.epoch).max()
    }

    /// The highest epoch named. A list of a higher one is a reason to read the document again.
    pub fn newest(&self) -> u64 {
        self.ranges.iter().map(|r| r.epoch).max().unwrap_or(0)
    }

    /// Replaces this anchor by one read later, unless that names a lower epoch for some segment: a
    /// cache that serves yesterday's document.
    pub fn advance(&mut self, next: Self) -> Result<(), AnchorError> {
        // Both answers change only where a range begins or has ended.
        let begins = |r: &EpochRange| [Some(r.first_msn), r.last_msn.and_then(|last| last.checked_add(1))];
        let steps = self.ranges.iter().chain(&next.ranges).flat_map(begins).flatten();
        for msn in steps {
            if let (Some(was), Some(now)) = (self.epoch_for(msn), next.epoch_for(msn))
                && now < was
            {
                return Err(AnchorError::StepBack { msn, was, now });
            }
        }
        *self = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(epoch: u64, first_msn: u64, last_msn: Option<u64>) -> EpochRange {
        EpochRange { epoch, first_msn, last_msn }
    }

    #[test]
    fn names_one_epoch_per_segment() {
        let anchor = Anchor::new(&[range(3, 0, Some(9)), range(5, 10, None)], 0).unwrap();
        assert_eq!(anchor.epoch_for(9), Some(3));
        assert_eq!(anchor.epoch_for(10), Some(5));
        assert_eq!(anchor.epoch_for(u64::MAX), Some(5));
        assert_eq!(anchor.newest(), 5);
        assert_eq!(Anchor::new(&[range(3, 5, Some(9))], 0).unwrap().epoch_for(4), None);
    }

    #[test]
    fn a_signer_that_began_again_overrides_what_it_signed_before() {
        let anchor = Anchor::new(&[range(8, 0, None), range(7, 0, Some(500))], 0).unwrap();
        assert_eq!(anchor.epoch_for(3), Some(8));
    }

    #[test]
    fn drops_epochs_below_the_floor() {
        let anchor = Anchor::new(&[range(3, 0, Some(9)), range(5, 10, None)], 4).unwrap();
        assert_eq!(anchor.epoch_for(9), None);
        assert_eq!(Anchor::new(&[range(3, 0, None)], 3).unwrap().epoch_for(0), Some(3));
        assert_eq!(Anchor::new(&[range(3, 0, None)], 4), Err(AnchorError::BelowFloor { epoch: 3, floor: 4 }));
    }

    #[test]
    fn refuses_ranges_that_mean_nothing() {
        assert_eq!(Anchor::new(&[], 0), Err(AnchorError::Empty));
        assert_eq!(Anchor::new(&[range(1, 5, Some(4))], 0), Err(AnchorError::Backwards(1)));
        assert_eq!(Anchor::new(&[range(1, 0, None); 65], 0), Err(AnchorError::TooMany(65)));
    }

    #[test]
    fn a_step_back_behind_the_end_of_a_newer_range_is_seen() {
        let mut anchor = Anchor::new(&[range(5, 0, None)], 0).unwrap();
        let next = Anchor::new(&[range(6, 0, Some(9)), range(3, 0, None)], 0).unwrap();
        assert_eq!(anchor.advance(next), Err(AnchorError::StepBack { msn: 10, was: 5, now: 3 }));
    }

    #[test]
    fn never_steps_back_where_it_has_been() {
        let mut anchor = Anchor::new(&[range(3, 0, Some(9)), range(5, 10, None)], 0).unwrap();
        let yesterday = Anchor::new(&[range(3, 0, None)], 0).unwrap();
        assert_eq!(anchor.advance(yesterday), Err(AnchorError::StepBack { msn: 10, was: 5, now: 3 }));
        assert_eq!(anchor.epoch_for(10), Some(5));
        let later = Anchor::new(&[range(5, 10, Some(20)), range(6, 21, None)], 0).unwrap();
        assert_eq!(anchor.advance(later), Ok(()));
        // Seeking back into an older epoch, still named for its own range, is no step back.
        let whole = [range(3, 0, Some(9)), range(5, 10, Some(20)), range(6, 21, None)];
        assert_eq!(anchor.advance(Anchor::new(&whole, 0).unwrap()), Ok(()));
        assert_eq!(anchor.epoch_for(0), Some(3));
    }
}
