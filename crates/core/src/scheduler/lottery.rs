//! Who fetches in lanes too large for an exact order: a lottery that escalates until somebody has won.
//!
//! Stage k opens at release + k x [`DELTA`] to tickets below c x 2^k / W, where W is the sum of all weights, for
//! whoever has heard of no fetch that lives. One stage alone would leave e^-c of the segments with nobody.

use crate::time::{Duration, Time};

/// Lanes of more weight than this draw lots; up to it their viewers keep to an exact order.
pub const LARGE: f64 = 16.0;
/// From one stage to the next: some hops of a neighbourhood.
pub const DELTA: Duration = Duration::from_millis(250);
/// No more is believed of a lane's weight: an edge could silence all with it.
const WEIGHT_LIMIT: f64 = 100_000.0;
/// Later stages open to everyone.
const STAGE_LIMIT: u8 = 24;
/// Segments whose fetchers are remembered.
const REMEMBERED: usize = 8;
/// More fetchers than this on average are too many.
const TOO_MANY: u32 = 3;

/// What of an even chance this viewer takes: c.
#[derive(Clone, Debug)]
pub struct Chance {
    halvings: u8,
    fetchers: Vec<u8>,
}

impl Default for Chance {
    fn default() -> Self {
        Self { halvings: 0, fetchers: Vec::with_capacity(REMEMBERED) }
    }
}

impl Chance {
    /// c, at most 1.
    pub fn value(&self) -> f64 {
        0.5f64.powi(self.halvings.into())
    }

    /// So many fetchers were proven for the segment before. Halves c while their mean over the last 8 is above 3,
    /// and doubles it again once the mean is below half of that.
    pub fn note(&mut self, fetchers: usize) {
        if self.fetchers.len() >= REMEMBERED {
            self.fetchers.remove(0);
        }
        self.fetchers.push(u8::try_from(fetchers).unwrap_or(u8::MAX));
        let count = u32::try_from(self.fetchers.len()).unwrap_or(1);
        let sum: u32 = self.fetchers.iter().map(|n| u32::from(*n)).sum();
        // Half of what is meant to be remembered must have been seen since the last change.
        if count < REMEMBERED as u32 / 2 {
            return;
        }
        let (many, few) = (sum > TOO_MANY * count, sum * 2 < TOO_MANY * count);
        if many && self.halvings < 10 {
            self.halvings += 1;
            self.fetchers.clear();
        } else if few && self.halvings > 0 {
            self.halvings -= 1;
            self.fetchers.clear();
        }
    }
}

/// The stage at which a ticket opens in a lane of this weight.
pub fn stage(ticket: f64, chance: f64, weight: f64) -> u8 {
    let ratio = ticket * weight.clamp(1.0, WEIGHT_LIMIT) / chance;
    (0..STAGE_LIMIT).find(|k| ratio < f64::from(1u32 << k)).unwrap_or(STAGE_LIMIT)
}

/// When a stage opens.
pub fn opens_at(release: Time, stage: u8) -> Time {
    release + DELTA * stage.into()
}

/// The same for those whom others' words or proofs held back until `silence`: from then on stage by stage, too, as
/// the stages of all that hear of one fetcher are long open when nothing more comes of it.
pub fn opens_after(release: Time, silence: Option<Time>, stage: u8) -> Time {
    silence.map_or(release, |end| release.max(end)) + DELTA * stage.into()
}

/// Up to when mere words hold back, all together: two stages after the first that could be true. Counted from the
/// release they would not hold back at all where the first lot opened late.
pub fn words_end(first: Time) -> Time {
    first + DELTA * 2
}

/// Can somebody with this ticket have begun at this stage by now? Views of weight differ by a quarter, and of the
/// release by what news need to travel.
pub fn is_open(ticket: f64, claimed: u8, weight: f64, release: Time, now: Time) -> bool {
    stage(ticket / 2.0, 1.0, weight) <= claimed && opens_at(release, claimed) <= now + DELTA
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_open_to_twice_as_many_each_time() {
        let opens = |ticket: f64| stage(ticket, 1.0, 1_000.0);
        assert_eq!([0.0009, 0.0019, 0.0039, 0.0079, 1.0].map(opens), [0, 1, 2, 3, 10]);
        assert_eq!(stage(0.0019, 0.5, 1_000.0), 2, "who halved its chance waits a stage longer");
        assert_eq!(opens_at(Time(1_000_000), 3), Time(1_750_000));
    }

    #[test]
    fn no_weight_silences_a_lane_for_ever() {
        for weight in [f64::INFINITY, 1e300, -5.0, f64::NAN] {
            assert!(stage(20.0, 0.001, weight) <= STAGE_LIMIT, "{weight}");
        }
    }

    #[test]
    fn a_claim_counts_only_if_its_ticket_may_be_open() {
        let (release, at) = (Time(0), |ms: u64| Time(ms * 1_000));
        assert!(is_open(0.0005, 0, 1_000.0, release, at(0)));
        assert!(is_open(0.0015, 0, 1_000.0, release, at(0)), "weights are known to a quarter only");
        assert!(!is_open(0.0100, 0, 1_000.0, release, at(0)), "this ticket is of stage 4");
        assert!(!is_open(0.0100, 9, 1_000.0, release, at(200)), "stage 9 is far off");
        assert!(is_open(0.0100, 4, 1_000.0, release, at(900)));
    }

    #[test]
    fn too_many_fetchers_halve_the_chance_and_few_give_it_back() {
        let mut c = Chance::default();
        (0..3).for_each(|_| c.note(9));
        assert_eq!(c.value(), 1.0, "three segments say little");
        (0..5).for_each(|_| c.note(9));
        assert_eq!(c.value(), 0.25);
        (0..8).for_each(|_| c.note(2));
        assert_eq!(c.value(), 0.25, "neither too many nor few");
        (0..16).for_each(|_| c.note(1));
        assert_eq!(c.value(), 1.0);
    }

    #[test]
    fn words_last_two_stages_and_proofs_are_followed_stage_by_stage() {
        let at = |ms: u64| Time(ms * 1_000);
        assert_eq!(words_end(at(1_000)), at(1_500));
        assert_eq!(opens_after(at(1_000), None, 2), at(1_500));
        assert_eq!(opens_after(at(1_000), Some(at(3_000)), 2), at(3_500));
        assert_eq!(opens_after(at(1_000), Some(at(500)), 0), at(1_000), "silence before the release is none");
    }

    #[test]
    fn a_ticket_at_the_border_of_a_stage_waits_for_the_next() {
        assert_eq!([0.001, 0.002, 0.004].map(|t| stage(t, 1.0, 1_000.0)), [1, 2, 3]);
        assert_eq!(stage(1e9, 1.0, 1_000.0), STAGE_LIMIT, "the last stage is open to all");
        assert_eq!(
            (stage(0.5, 1.0, 0.0), stage(0.5, 1.0, 1.0)),
            (0, 0),
            "no lane weighs less than one viewer"
        );
        assert_eq!(stage(0.001, 1.0, 1e9), stage(0.001, 1.0, 100_000.0), "nor more than is believed");
    }

    /// News travel for a while: a claim may be heard a stage before it could be true here.
    #[test]
    fn a_claim_may_be_a_stage_early_and_no_more() {
        let (release, at) = (Time(1_000_000), |ms: u64| Time(1_000_000 + ms * 1_000));
        let open = |claimed, now| is_open(0.0005, claimed, 1_000.0, release, now);
        assert!(open(0, Time(750_000)) && !open(0, Time(749_999)));
        assert!(open(2, at(250)) && !open(2, at(249)));
    }

    #[test]
    fn a_chance_is_halved_ten_times_at_most() {
        let mut c = Chance::default();
        (0..200).for_each(|_| c.note(9));
        assert_eq!(c.value(), 0.5f64.powi(10));
        let mut c = Chance::default();
        (0..40).for_each(|_| c.note(3));
        assert_eq!(c.value(), 1.0, "three on average are not too many");
        (0..4).for_each(|_| c.note(4));
        assert_eq!(c.value(), 0.5, "the last eight count: four of three and four of four");
        let mut c = Chance::default();
        (0..4).for_each(|_| c.note(9));
        (0..4).for_each(|n| c.note(1 + n % 2));
        assert_eq!(c.value(), 0.5, "a half of three is not few yet");
        (0..4).for_each(|_| c.note(1));
        assert_eq!(c.value(), 1.0);
    }
}
