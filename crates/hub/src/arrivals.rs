//! How often viewers of one household or subject may join.
//!
//! A join costs an edge and a room more than any other message. In a minute a household may join
//! `joins_per_minute` times, and twice more for each of the most connections that it had at once in that minute: a
//! carrier's NAT behind which two hundred viewers arrive together is never refused, one socket that comes again and
//! again is. Whoever resumes does not pay.
//!
//! An account is kept while a connection of it is there, and until its minute is over. Of those whose connections are
//! gone [`RESTING_LIMIT`] are kept; beyond, the one whose minute began first goes. To be rid of a spent account sooner,
//! an attacker needs joins from that many other households within the minute: using those is cheaper.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::RESTING_LIMIT;
use crate::payer::{Payer, Payers};
use crate::window::MINUTE_MS;

/// Joins by household and subject.
#[derive(Debug)]
pub struct Arrivals {
    joins_per_minute: u32,
    accounts: BTreeMap<Payer, Account>,
    /// Those without a connection, by when their minute began.
    resting: BTreeSet<(u64, Payer)>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    /// Connections now.
    here: u32,
    /// Most of them at once in this minute.
    most: u32,
    minute_began_ms: u64,
    joins: u32,
}

impl Arrivals {
    /// Nobody came yet.
    pub fn new(joins_per_minute: u32) -> Self {
        Self { joins_per_minute, accounts: BTreeMap::new(), resting: BTreeSet::new() }
    }

    /// A viewer joins, or must wait so many milliseconds.
    pub fn join(&mut self, payers: Payers, now_ms: u64) -> Result<(), u32> {
        let waits = payers.iter().filter_map(|payer| self.wait_ms(payer, now_ms));
        if let Some(wait_ms) = waits.max() {
            return Err(u32::try_from(wait_ms).unwrap_or(u32::MAX));
        }
        for payer in payers.iter() {
            self.change(payer, now_ms, |account| {
                account.joins = account.joins.saturating_add(1);
                account.arrive();
            });
        }
        Ok(())
    }

    /// A viewer comes back with its resume secret.
    pub fn resume(&mut self, payers: Payers, now_ms: u64) {
        payers.iter().for_each(|payer| self.change(payer, now_ms, Account::arrive));
    }

    /// A viewer's connection is over.
    pub fn leave(&mut self, payers: Payers, now_ms: u64) {
        let leave = |account: &mut Account| account.here = account.here.saturating_sub(1);
        payers.iter().for_each(|payer| self.change(payer, now_ms, leave));
        self.drop_rested(now_ms);
    }

    /// Most connections of a household that were there at once lately.
    pub fn most(&self, payer: Payer) -> u32 {
        self.accounts.get(&payer).map_or(0, |account| account.most)
    }

    /// How many accounts there are.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    fn wait_ms(&self, payer: Payer, now_ms: u64) -> Option<u64> {
        let account = self.accounts.get(&payer)?.at(now_ms);
        let allowed = self.joins_per_minute.saturating_add(account.most.saturating_mul(2));
        let ends_ms = account.minute_began_ms.saturating_add(MINUTE_MS);
        (account.joins >= allowed).then(|| ends_ms.saturating_sub(now_ms).max(1))
    }

    fn change(&mut self, payer: Payer, now_ms: u64, how: impl FnOnce(&mut Account)) {
        let account = self.accounts.entry(payer).or_insert_with(|| Account::new(now_ms));
        self.resting.remove(&(account.minute_began_ms, payer));
        *account = account.at(now_ms);
        how(account);
        if account.here == 0 {
            self.resting.insert((account.minute_began_ms, payer));
        }
    }

    fn drop_rested(&mut self, now_ms: u64) {
        while let Some(&(began_ms, payer)) = self.resting.first()
            && (self.resting.len() > RESTING_LIMIT || now_ms >= began_ms.saturating_add(MINUTE_MS))
        {
            self.resting.pop_first();
            self.accounts.remove(&payer);
        }
    }
}

impl Account {
    fn new(now_ms: u64) -> Self {
        Self { here: 0, most: 0, minute_began_ms: now_ms, joins: 0 }
    }

    /// The account as it is now: a new minute begins with the first event after the last.
    fn at(self, now_ms: u64) -> Self {
        match now_ms >= self.minute_began_ms.saturating_add(MINUTE_MS) {
            true => Self { here: self.here, most: self.here, ..Self::new(now_ms) },
            false => self,
        }
    }

    fn arrive(&mut self) {
        self.here = self.here.saturating_add(1);
        self.most = self.most.max(self.here);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payer::Subject;
    use crate::place::Place;

    fn at(a: u32) -> Payers {
        Payers::new(Place::new(std::net::Ipv4Addr::from(a).into()).household(), None)
    }

    /// Joins and leaves so many times at once; returns how many joins passed and what the first refusal says.
    fn knock(arrivals: &mut Arrivals, payers: Payers, times: u32, now_ms: u64) -> (u32, Option<u32>) {
        let mut passed = (0, None);
        for _ in 0..times {
            match arrivals.join(payers, now_ms) {
                Ok(()) => {
                    passed.0 += 1;
                    arrivals.leave(payers, now_ms);
                }
                Err(wait_ms) => passed.1 = passed.1.or(Some(wait_ms)),
            }
        }
        passed
    }

    #[test]
    fn one_socket_that_comes_again_and_again_waits_for_the_next_minute() {
        let mut arrivals = Arrivals::new(30);
        assert_eq!(knock(&mut arrivals, at(1), 1_000, 10_000), (32, Some(60_000)));
        assert_eq!(knock(&mut arrivals, at(1), 1, 69_999), (0, Some(1)));
        assert_eq!(knock(&mut arrivals, at(2), 1, 69_999).0, 1, "others are not meant");
        assert_eq!(knock(&mut arrivals, at(1), 1_000, 70_000).0, 32);
    }

    #[test]
    fn a_crowd_that_arrives_together_is_not_refused_nor_when_it_returns() {
        let mut arrivals = Arrivals::new(30);
        assert!((0..200).all(|_| arrivals.join(at(1), 0).is_ok()));
        (0..200).for_each(|_| arrivals.leave(at(1), 1_000));
        assert!((0..200).all(|_| arrivals.join(at(1), 2_000).is_ok()));
        assert_eq!(arrivals.most(at(1).iter().next().unwrap()), 200);
    }

    #[test]
    fn coming_back_is_no_join() {
        let mut arrivals = Arrivals::new(1);
        arrivals.join(at(1), 0).unwrap();
        for _ in 0..100 {
            arrivals.leave(at(1), 0);
            arrivals.resume(at(1), 0);
        }
        assert!(arrivals.join(at(1), 0).is_ok());
    }

    #[test]
    fn a_subject_pays_at_every_address() {
        let mut arrivals = Arrivals::new(30);
        let ann = |n| {
            Payers::new(Place::new(std::net::Ipv4Addr::from(n).into()).household(), Some(Subject::of("ann")))
        };
        let passed: u32 = (0..100).map(|n| knock(&mut arrivals, ann(n), 1, 0).0).sum();
        assert_eq!(passed, 32);
    }

    #[test]
    fn accounts_are_few_and_a_spent_one_outlives_as_many_others() {
        let mut arrivals = Arrivals::new(30);
        knock(&mut arrivals, at(1), 100, 0);
        (2..=RESTING_LIMIT as u32).for_each(|n| assert_eq!(knock(&mut arrivals, at(n << 8), 1, 1).0, 1));
        assert_eq!(knock(&mut arrivals, at(1), 1, 2).0, 0);
        (100_000..100_000 + 2 * RESTING_LIMIT as u32).for_each(|n| {
            knock(&mut arrivals, at(n << 8), 1, 3);
        });
        assert_eq!(arrivals.len(), RESTING_LIMIT);
        knock(&mut arrivals, at(1), 1, 120_000);
        assert_eq!(arrivals.len(), 1, "minutes that are over are dropped");
    }
}
