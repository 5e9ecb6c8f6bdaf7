//! Which epoch counts for a media sequence number.

use core::fmt;

use meshedflow_json::{Fields, Json, JsonError};
use serde::Serialize;

/// Most ranges of one anchor.
pub const EPOCH_LIMIT: usize = 64;
/// Most steps of what was named in a session; beyond it the oldest are held to the higher epoch of two.
const STEP_LIMIT: usize = 4 * EPOCH_LIMIT;

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
    floors: Floors,
}

/// The highest epoch that any anchor of this session named, by media sequence number. It outlives the ranges: a window
/// that slid on names its old segments no more, and that must not free them for an older signer's lists.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Floors {
    /// From this media sequence number on, up to the next step; epoch 0 where none was named. Ascending.
    steps: Vec<(u64, u64)>,
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
        let mut anchor = Self { ranges: ranges.to_vec(), floors: Floors::default() };
        anchor.raise_floor(floor);
        anchor.floors.raise(&anchor.ranges);
        Ok(anchor)
    }

    /// Epochs below the key set's `min_epoch` count no more.
    pub fn raise_floor(&mut self, floor: u64) {
        self.ranges.retain(|r| r.epoch >= floor);
    }

    /// The epoch whose lists count for `msn`, if one is named.
    pub fn epoch_for(&self, msn: u64) -> Option<u64> {
        named(&self.ranges, msn)
    }

    /// The highest epoch named. A list of a higher one is a reason to read the document again.
    pub fn newest(&self) -> u64 {
        self.ranges.iter().map(|r| r.epoch).max().unwrap_or(0)
    }

    /// Replaces this anchor by one read later, unless that names a lower epoch for some segment than any anchor did
    /// before, or for one that follows them: a cache that serves yesterday's document.
    pub fn advance(&mut self, next: Self) -> Result<(), AnchorError> {
        for msn in self.floors.edges(&next.ranges) {
            let was = self.floors.at(msn);
            if let Some(now) = next.epoch_for(msn).filter(|now| *now < was) {
                return Err(AnchorError::StepBack { msn, was, now });
            }
        }
        self.floors.raise(&next.ranges);
        self.ranges = next.ranges;
        Ok(())
    }
}

fn named(ranges: &[EpochRange], msn: u64) -> Option<u64> {
    ranges.iter().filter(|r| r.contains(msn)).map(|r| r.epoch).max()
}

impl Floors {
    /// No lower epoch counts for `msn`. Signers go up, in epochs as in segments: what was never named is held to the
    /// highest epoch named before it.
    fn at(&self, msn: u64) -> u64 {
        let before = || self.steps.iter().take_while(|(from, _)| *from <= msn).map(|(_, epoch)| *epoch);
        match before().last() {
            None | Some(0) => before().max().unwrap_or(0),
            Some(epoch) => epoch,
        }
    }

    /// What was named for `msn` itself.
    fn named_for(&self, msn: u64) -> u64 {
        self.steps.iter().take_while(|(from, _)| *from <= msn).last().map_or(0, |(_, epoch)| *epoch)
    }

    /// Where something changes, here or in `ranges`: where one begins or has ended.
    fn edges(&self, ranges: &[EpochRange]) -> Vec<u64> {
        let of = |r: &EpochRange| [Some(r.first_msn), r.last_msn.and_then(|last| last.checked_add(1))];
        let all = ranges.iter().flat_map(of).flatten().chain(self.steps.iter().map(|(from, _)| *from));
        let mut edges = Vec::new();
        for edge in all {
            // A few hundred at most; each kind of `sort` adds kilobytes to the module that every page loads.
            if let Err(at) = edges.binary_search(&edge) {
                edges.insert(at, edge);
            }
        }
        edges
    }

    fn raise(&mut self, ranges: &[EpochRange]) {
        let highest = |msn| self.named_for(msn).max(named(ranges, msn).unwrap_or(0));
        let mut steps: Vec<(u64, u64)> =
            self.edges(ranges).into_iter().map(|msn| (msn, highest(msn))).collect();
        steps.dedup_by_key(|(_, epoch)| *epoch);
        let spare = steps.len().saturating_sub(STEP_LIMIT);
        let oldest = steps.drain(..spare).map(|(_, epoch)| epoch).max();
        if let (Some(oldest), Some(first)) = (oldest, steps.first_mut()) {
            *first = (0, first.1.max(oldest));
        }
        self.steps = steps;
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

    fn anchor(ranges: &[EpochRange]) -> Anchor {
        Anchor::new(ranges, 0).unwrap()
    }

    #[test]
    fn what_slid_out_of_the_window_stays_with_its_epoch() {
        let mut live = anchor(&[range(5, 10, None)]);
        assert_eq!(live.advance(anchor(&[range(5, 20, None)])), Ok(()));
        assert_eq!(live.epoch_for(12), None);
        let stale = anchor(&[range(3, 0, Some(19)), range(5, 20, None)]);
        assert_eq!(live.advance(stale), Err(AnchorError::StepBack { msn: 10, was: 5, now: 3 }));
        // What no document named, before all that was named, may be an older run's.
        assert_eq!(live.advance(anchor(&[range(3, 0, Some(9)), range(5, 10, None)])), Ok(()));
        assert_eq!((live.epoch_for(9), live.epoch_for(12)), (Some(3), Some(5)));
    }

    #[test]
    fn what_comes_anew_is_no_older_runs() {
        for stale in [range(3, 21, Some(30)), range(4, 25, None)] {
            let mut live = anchor(&[range(5, 10, Some(20))]);
            let next = anchor(&[range(5, 12, Some(20)), stale]);
            assert!(matches!(live.advance(next), Err(AnchorError::StepBack { was: 5, .. })), "{stale:?}");
            assert_eq!(live.advance(anchor(&[range(5, 15, Some(25))])), Ok(()));
        }
        // Nor in a gap between two documents.
        let mut live = anchor(&[range(5, 10, Some(20))]);
        assert_eq!(live.advance(anchor(&[range(7, 40, Some(50))])), Ok(()));
        let gap = anchor(&[range(4, 30, Some(39)), range(7, 40, Some(50))]);
        assert_eq!(live.advance(gap), Err(AnchorError::StepBack { msn: 30, was: 5, now: 4 }));
        assert_eq!(live.advance(anchor(&[range(6, 30, Some(39)), range(7, 40, Some(50))])), Ok(()));
    }

    #[test]
    fn a_refused_document_leaves_no_trace() {
        let mut live = anchor(&[range(5, 10, None)]);
        let before = live.clone();
        assert!(live.advance(anchor(&[range(9, 0, Some(9)), range(4, 10, None)])).is_err());
        assert_eq!(live, before);
    }

    #[test]
    fn a_floor_that_rises_un_names_what_is_below_it_and_frees_nothing() {
        let mut live = anchor(&[range(3, 0, Some(9)), range(5, 10, None)]);
        live.raise_floor(6);
        assert_eq!((live.epoch_for(3), live.epoch_for(12)), (None, None));
        assert_eq!(
            live.advance(anchor(&[range(4, 0, None)])),
            Err(AnchorError::StepBack { msn: 10, was: 5, now: 4 })
        );
    }

    #[test]
    fn a_session_of_many_epochs_is_remembered_in_little() {
        let mut live = anchor(&[range(1, 0, Some(9))]);
        for epoch in 2..600 {
            let first = epoch * 10;
            live.advance(anchor(&[range(epoch, first, Some(first + 4))])).unwrap();
        }
        assert!(live.floors.steps.len() <= STEP_LIMIT);
        // What was forgotten in detail is held to more, never to less.
        for msn in [0, 9, 3_000, 5_900, 5_993, 20_000] {
            let lower = anchor(&[range(1.max(live.floors.at(msn)) - 1, msn, Some(msn))]);
            assert!(live.clone().advance(lower).is_err(), "{msn}");
            assert!(live.floors.at(msn) >= (msn / 10).min(599), "{msn}");
        }
    }
}
