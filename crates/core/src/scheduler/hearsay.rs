//! What others said and showed about one segment. Words silence briefly, proof silences while it flows.

use meshedflow_protocol::ids::PeerId;

use crate::input::ConnNo;
use crate::scheduler::election::CLAIM_SILENCE;
use crate::time::{Duration, Time};

/// Claims, and ranges claimed, that are kept of one segment.
const CLAIMS: usize = 16;
/// Gaps between proofs that are kept: more say nothing new about their median.
const GAPS: usize = 15;

/// What others said and showed about one segment.
#[derive(Clone, Debug, Default)]
pub struct Hearsay {
    claims: Vec<Claim>,
    ranges: Vec<(Time, PeerId, (u32, u32))>,
    /// The first claim, withdrawn or not: all words together count from it.
    first: Option<Time>,
    /// Last verified list growth or verified bytes of this segment from a neighbour.
    proof: Option<Time>,
    /// Times between two proofs.
    gaps: Vec<Duration>,
}

/// Somebody fetches it, as a neighbour says.
#[derive(Clone, Copy, Debug)]
struct Claim {
    fetcher: PeerId,
    /// Who said so: the fetcher itself, or a neighbour of both.
    via: ConnNo,
    /// Who said so has shown some of it since.
    proven: bool,
    at: Time,
}

impl Hearsay {
    /// Notes a claim to fetch; false if it is no news. A viewer's claim counts once, whoever brings it.
    pub fn claim(&mut self, now: Time, age: Duration, fetcher: PeerId, via: ConnNo) -> bool {
        let news = self.claims.len() < CLAIMS && self.claims.iter().all(|c| c.fetcher != fetcher);
        if news {
            self.claims.push(Claim { fetcher, via, proven: false, at: now.back(age) });
            self.first.get_or_insert(now);
        }
        news
    }

    /// Notes that somebody fetches these bytes of it.
    pub fn claim_range(&mut self, now: Time, fetcher: PeerId, range: (u32, u32)) {
        self.ranges.retain(|(_, id, _)| *id != fetcher);
        if self.ranges.len() < CLAIMS {
            self.ranges.push((now, fetcher, range));
        }
    }

    /// Forgets the claims of a viewer that dropped the fetch or left, and those that it passed on.
    pub fn withdraw(&mut self, fetcher: PeerId, via: ConnNo) {
        self.claims.retain(|c| c.fetcher != fetcher && c.via != via);
        self.ranges.retain(|(_, id, _)| *id != fetcher);
    }

    /// A viewer has another id now.
    pub fn rename(&mut self, before: PeerId, id: PeerId) {
        let claims = self.claims.iter_mut().map(|c| &mut c.fetcher);
        let ranges = self.ranges.iter_mut().map(|(_, fetcher, _)| fetcher);
        claims.chain(ranges).filter(|fetcher| **fetcher == before).for_each(|fetcher| *fetcher = id);
    }

    /// Notes a verified Delta or verified bytes.
    pub fn prove(&mut self, now: Time) {
        if let Some(last) = self.proof.replace(now)
            && self.gaps.len() < GAPS
        {
            self.gaps.push(now.since(last));
        }
    }

    /// A neighbour has shown some of the segment: what it said of fetchers was true.
    pub fn bear_out(&mut self, via: ConnNo) {
        self.claims.iter_mut().filter(|c| c.via == via).for_each(|c| c.proven = true);
    }

    /// True if somebody claims to fetch it.
    pub fn claimed(&self) -> bool {
        !self.claims.is_empty()
    }

    /// When this viewer was last said to fetch it, or a part of it.
    pub fn claimed_by(&self, fetcher: PeerId) -> Option<Time> {
        let whole = self.claims.iter().filter(|c| c.fetcher == fetcher).map(|c| c.at);
        let parts = self.ranges.iter().filter(|(_, id, _)| *id == fetcher).map(|(at, ..)| *at);
        whole.chain(parts).max()
    }

    /// When somebody first claimed to fetch it, if anybody still does.
    pub fn words(&self) -> Option<Time> {
        self.first.filter(|_| self.claimed())
    }

    /// Fetchers that were heard of and borne out.
    pub fn proven_fetchers(&self) -> usize {
        self.claims.iter().filter(|c| c.proven).count()
    }

    /// Until when this viewer holds back; all words together end at `words_end` of the first claim, and a proof lasts
    /// for `least` at least.
    pub fn silent_until(&self, words_end: impl Fn(Time) -> Time, least: Duration) -> Option<Time> {
        let words = self.first.filter(|_| self.claimed()).map(words_end);
        words.max(self.proof_ends(least))
    }

    /// When something of it was last seen to be on its way to others.
    pub fn proof(&self) -> Option<Time> {
        self.proof
    }

    /// Proof holds others back for one and a half times the median gap between fragments, or for `least` if that is
    /// longer: where there is time, a page that is busy for a moment is waited for.
    pub fn proof_ends(&self, least: Duration) -> Option<Time> {
        let median = self.median_gap();
        self.proof.map(|at| at + (median * 3 / 2).max(CLAIM_SILENCE).max(least))
    }

    /// The largest gap with no more than half of all below it.
    fn median_gap(&self) -> Duration {
        let below = |gap: &&Duration| self.gaps.iter().filter(|other| other < gap).count();
        let lower = self.gaps.iter().filter(|gap| below(gap) <= self.gaps.len() / 2);
        lower.max().copied().unwrap_or_default()
    }

    /// Until when others are left to fetch exactly these bytes; `patience` counts from each claim.
    pub fn fetched_by_others(&self, (from, to): (u32, u32), patience: Duration) -> Option<Time> {
        let covering = self.ranges.iter().filter(|(_, _, (a, b))| *a <= from && to <= *b);
        covering.map(|(at, ..)| *at + patience).max()
    }
}

/// What one neighbour's word was worth lately: of five claims that it brought, three in vain are too many.
#[derive(Clone, Debug, Default)]
pub struct Word {
    /// Claims of which nothing was seen yet, by lane and segment, with the time by which something should be.
    open: Vec<((u16, u64), Time)>,
    /// The last outcomes, newest first, a bit set for each in vain.
    vain: u8,
}

/// Claims of one neighbour that may be open at a time.
const OPEN: usize = 8;
/// Outcomes that count, and how many of them in vain are too many.
const OUTCOMES: u8 = 0b1_1111;
const VAIN: u32 = 3;

impl Word {
    /// It said that somebody fetches this segment.
    pub fn given(&mut self, about: (u16, u64), until: Time) {
        if self.open.len() < OPEN && self.open.iter().all(|(key, _)| *key != about) {
            self.open.push((about, until));
        }
    }

    /// It showed some of this segment.
    pub fn kept(&mut self, about: (u16, u64)) {
        if self.taken_back(about) {
            self.vain = self.vain << 1 & OUTCOMES;
        }
    }

    /// It said that the fetch was given up; true if it had claimed one.
    pub fn taken_back(&mut self, about: (u16, u64)) -> bool {
        let before = self.open.len();
        self.open.retain(|(key, _)| *key != about);
        self.open.len() < before
    }

    /// Something that it said came to nothing; true if that is too much.
    pub fn broken(&mut self) -> bool {
        self.vain = (self.vain << 1 | 1) & OUTCOMES;
        let too_much = self.vain.count_ones() >= VAIN;
        if too_much {
            *self = Self::default();
        }
        too_much
    }

    /// Looks at what is open: true if too much came to nothing.
    pub fn review(&mut self, now: Time) -> bool {
        let before = self.open.len();
        self.open.retain(|(_, until)| now < *until);
        (self.open.len()..before).fold(false, |too_much, _| self.broken() || too_much)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> PeerId {
        PeerId([n; 16])
    }

    fn soon(first: Time) -> Time {
        first + CLAIM_SILENCE
    }

    #[test]
    fn words_silence_briefly_and_proof_silences_while_it_flows() {
        let mut h = Hearsay::default();
        assert_eq!(h.silent_until(soon, Duration::ZERO), None);
        assert!(h.claim(Time(0), Duration::ZERO, id(1), ConnNo(1)));
        assert!(
            !h.claim(Time(10_000), Duration::ZERO, id(1), ConnNo(2)),
            "the same claim by another way is no news"
        );
        h.claim(Time(250_000), Duration::ZERO, id(2), ConnNo(2));
        assert_eq!(
            h.silent_until(soon, Duration::ZERO),
            Some(Time(300_000)),
            "a second claim does not prolong"
        );
        h.withdraw(id(1), ConnNo(1));
        h.withdraw(id(2), ConnNo(2));
        assert_eq!(h.silent_until(soon, Duration::ZERO), None);
        h.claim(Time(290_000), Duration::ZERO, id(3), ConnNo(3));
        assert_eq!(
            h.silent_until(soon, Duration::ZERO),
            Some(Time(300_000)),
            "nor do claims that are taken back and made anew"
        );
        h.prove(Time(200_000));
        h.prove(Time(1_200_000));
        assert_eq!(h.silent_until(soon, Duration::ZERO), Some(Time(2_700_000)));
    }

    #[test]
    fn one_long_gap_does_not_silence_for_long() {
        let mut h = Hearsay::default();
        for ms in [0, 400, 800, 5_000, 5_400, 5_800] {
            h.prove(Time(ms * 1_000));
        }
        assert_eq!(h.proof_ends(Duration::ZERO), Some(Time(6_400_000)));
    }

    #[test]
    fn only_fetchers_that_were_borne_out_count() {
        let mut h = Hearsay::default();
        (1..5).for_each(|n| assert!(h.claim(Time(0), Duration::ZERO, id(n), ConnNo(u32::from(n) % 2))));
        assert_eq!(h.proven_fetchers(), 0);
        h.bear_out(ConnNo(1));
        assert_eq!(h.proven_fetchers(), 2);
        h.withdraw(id(1), ConnNo(9));
        assert_eq!(h.proven_fetchers(), 1);
    }

    #[test]
    fn ranges_of_others_are_left_to_them_for_a_while() {
        let mut h = Hearsay::default();
        let ms = Duration::from_millis;
        h.claim_range(Time(0), id(1), (100, 900));
        assert_eq!(h.fetched_by_others((100, 500), ms(50)), Some(Time(50_000)));
        assert_eq!(h.fetched_by_others((0, 500), ms(50)), None);
        h.withdraw(id(1), ConnNo(0));
        assert_eq!(h.fetched_by_others((100, 500), ms(50)), None);
    }

    #[test]
    fn three_claims_in_vain_of_five_are_too_many() {
        let mut w = Word::default();
        let outcomes = |w: &mut Word, kept: &[bool]| {
            kept.iter().enumerate().any(|(n, kept)| {
                let about = (0, n as u64);
                w.given(about, Time(1));
                if *kept {
                    w.kept(about);
                }
                w.review(Time(1))
            })
        };
        assert!(!outcomes(&mut w, &[false, true, false, true, true, false, true, true]));
        assert!(outcomes(&mut w, &[false, false]), "with the one before, three of five");
        let mut w = Word::default();
        assert!(
            !outcomes(&mut w, &[false, true, true, false, true, true, false, true]),
            "not three of any five"
        );
        w.given((0, 99), Time(5));
        assert!(!w.review(Time(4)), "not yet in vain");
        assert!(w.taken_back((0, 99)) && !w.review(Time(9)), "a claim that was taken back is no lie");
    }

    /// Whoever makes up viewers fills no more than this.
    #[test]
    fn sixteen_claims_and_ranges_are_kept() {
        let mut h = Hearsay::default();
        let news = |h: &mut Hearsay, n| h.claim(Time(0), Duration::ZERO, id(n), ConnNo(0));
        assert_eq!((1..=20).filter(|n| news(&mut h, *n)).count(), 16);
        (1..=20).for_each(|n| h.claim_range(Time(0), id(n), (n.into(), 100)));
        let known = |n: u32| h.fetched_by_others((n, n + 1), Duration::ZERO).is_some();
        assert!(known(16) && h.claimed_by(id(16)).is_some() && h.claimed_by(id(17)).is_none());
    }

    #[test]
    fn a_viewer_that_begins_anew_takes_its_range_back_and_nobody_elses() {
        let mut h = Hearsay::default();
        let patience = Duration::from_millis(50);
        h.claim_range(Time(0), id(1), (0, 100));
        h.claim_range(Time(0), id(2), (200, 300));
        h.claim_range(Time(10_000), id(1), (400, 500));
        let until = |range| h.fetched_by_others(range, patience);
        assert_eq!([until((0, 100)), until((200, 300))], [None, Some(Time(50_000))]);
        assert_eq!(until((400, 500)), Some(Time(60_000)), "both ends belong to it");
        assert_eq!([until((399, 500)), until((400, 501)), until((100, 400))], [None; 3]);
        h.claim_range(Time(30_000), id(3), (200, 300));
        assert_eq!(h.fetched_by_others((200, 300), patience), Some(Time(80_000)), "the last of them counts");
        h.withdraw(id(3), ConnNo(0));
        assert_eq!(h.fetched_by_others((200, 300), patience), Some(Time(50_000)));
    }

    #[test]
    fn claims_are_as_old_as_they_say_and_go_with_who_brought_them() {
        let mut h = Hearsay::default();
        h.claim(Time(900_000), Duration::from_millis(400), id(1), ConnNo(1));
        h.claim_range(Time(700_000), id(2), (0, 10));
        assert_eq!(h.claimed_by(id(1)), Some(Time(500_000)));
        assert_eq!((h.claimed_by(id(2)), h.claimed_by(id(3))), (Some(Time(700_000)), None));
        assert_eq!(
            (h.claimed(), h.words()),
            (true, Some(Time(900_000))),
            "words count from when they were heard"
        );
        h.claim_range(Time(800_000), id(1), (0, 10));
        assert_eq!(h.claimed_by(id(1)), Some(Time(800_000)));
        h.claim(Time(900_000), Duration::ZERO, id(4), ConnNo(2));
        h.withdraw(id(9), ConnNo(1));
        assert_eq!((h.claimed(), h.words()), (true, Some(Time(900_000))), "another neighbour's stays");
        h.withdraw(id(4), ConnNo(7));
        assert_eq!((h.claimed(), h.words()), (false, None));
    }

    #[test]
    fn proof_lasts_for_as_long_as_the_next_may_take() {
        let mut h = Hearsay::default();
        assert_eq!((h.proof(), h.proof_ends(Duration::ZERO)), (None, None));
        h.prove(Time(0));
        assert_eq!(h.proof_ends(Duration::ZERO), Some(Time(300_000)), "as long as words at least");
        h.prove(Time(100_000));
        assert_eq!((h.proof(), h.proof_ends(Duration::ZERO)), (Some(Time(100_000)), Some(Time(400_000))));
        assert_eq!(h.proof_ends(Duration::from_secs(2)), Some(Time(2_100_000)), "where there is time");
        // Fifteen gaps are kept: what comes after them changes nothing.
        let mut h = Hearsay::default();
        (0..=15).for_each(|n| h.prove(Time(n * 400_000)));
        (1..=40).for_each(|n| h.prove(Time(6_000_000 + n)));
        assert_eq!(h.proof_ends(Duration::ZERO), Some(Time(6_000_040 + 600_000)));
        let mut h = Hearsay::default();
        (0..=7).for_each(|n| h.prove(Time(n * 400_000)));
        (1..=8).for_each(|n| h.prove(Time(2_800_000 + n)));
        assert_eq!(h.proof_ends(Duration::ZERO), Some(Time(2_800_008 + 300_000)), "the fifteenth counts");
        h.prove(Time(3_300_008));
        assert_eq!(h.proof_ends(Duration::ZERO), Some(Time(3_300_008 + 300_000)), "the sixteenth does not");
    }

    #[test]
    fn only_what_was_claimed_can_be_kept_or_broken() {
        let mut w = Word::default();
        w.kept((0, 1));
        assert!(!w.taken_back((0, 1)));
        // Eight are open at a time, and the same one counts once.
        (0..8).for_each(|n| w.given((0, n), Time(5)));
        w.given((0, 0), Time(9));
        w.given((0, 8), Time(5));
        assert!(!w.taken_back((0, 8)) && w.taken_back((0, 7)) && !w.taken_back((0, 7)));
        assert!(w.taken_back((0, 0)) && !w.taken_back((1, 1)), "another lane's is another");
        (1..5).for_each(|n| w.kept((0, n)));
        assert!(!w.review(Time(5)), "two left, both broken");
        assert!(w.broken(), "the third of five");
        assert!(!w.broken() && !w.broken(), "whoever was not listened to begins anew");
        assert!(w.broken());
    }
}
