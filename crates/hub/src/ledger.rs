//! What households and subjects have learned of an audience, beyond one connection.
//!
//! A member has a budget of proposals of its own. One that leaves and joins again would have a new one: so whoever
//! comes again pays from the account of its household and its subject, which stay. An account grows with what is
//! there at once: each connection more than ever before gets the first helping, and while `n` connections are
//! present they share [`units`]`(n)` times the sustained budget of one. So a carrier's NAT works, a single viewer
//! that reloads its page meets its neighbours again (an id that was told to all its payers is no news; what was left of
//! its first helping is still there), and coming again, by whichever number of sockets one after the other, gains nothing.
//!
//! Accounts of those present are never dropped. Resting ones are dropped after an hour, by when their budget would
//! be whole again, and beyond [`RESTING_LIMIT`] the one that rested longest. To be rid of a spent account sooner, an
//! attacker must let that many other households come and go, each of which could have asked for itself: using them
//! is cheaper than wiping the slate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use meshedflow_protocol::ids::PeerId;

use crate::payer::{Payer, Payers};
use crate::room::PairingRules;
use crate::window::{HOUR_MS, MINUTE_MS, Window};

/// Accounts without a connection at most.
pub const RESTING_LIMIT: usize = 16_384;
/// Ids remembered per account at most; beyond, the one told longest ago is news again.
const TOLD_LIMIT: usize = 96;
/// Whoever came again meets the same viewer so often a minute at most, times what counts of those present.
const MEETINGS_A_MINUTE: u32 = 3;

/// The accounts of one stream. Rooms that are buckets of one stream share a ledger.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Accounts>);

#[derive(Debug, Default)]
struct Accounts {
    open: BTreeMap<Payer, Account>,
    /// Those without a connection, by when they began to rest.
    resting: BTreeSet<(u64, Payer)>,
}

#[derive(Debug)]
struct Account {
    opened_ms: u64,
    /// Connections present.
    here: u32,
    /// Most of them at once: so many first helpings were given.
    most: u32,
    rests_ms: u64,
    minute: Window,
    hour: Window,
    meetings: Window,
    /// Ids told, the latest last.
    told: VecDeque<Told>,
    /// What connections that are gone left of their first helpings.
    unspent: u16,
}

/// An id that was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) peer: PeerId,
    /// Which of the account's minutes, and how often in it.
    minute: u32,
    times: u8,
}

/// What a connection may be told at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Helping {
    /// So many news in its first minute.
    pub(crate) count: u16,
    /// As many of its household or its subject were here before: it takes of what they left.
    pub(crate) is_again: bool,
}

/// What the payers of one connection were told.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    told: Vec<Told>,
    minute: u32,
    /// How often it may be told the same id in a minute.
    often: u32,
}

impl Memory {
    /// Whether this id is no news.
    pub(crate) fn has(&self, peer: PeerId) -> bool {
        self.find(peer).is_some()
    }

    /// The ids that were told.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.told.iter().map(|t| t.peer)
    }

    /// Whether this id was told often enough this minute.
    pub(crate) fn is_tired_of(&self, peer: PeerId) -> bool {
        self.find(peer).is_some_and(|t| t.minute == self.minute && u32::from(t.times) >= self.often)
    }

    fn find(&self, peer: PeerId) -> Option<&Told> {
        self.told.iter().find(|t| t.peer == peer)
    }
}

impl Ledger {
    /// A connection enters. Returns its first helping; if as many were here before, that is what they left of theirs.
    pub(crate) fn enter(&self, payers: Payers, now_ms: u64, rules: &PairingRules) -> Helping {
        let mut accounts = self.lock();
        let mut helping = Helping { count: u16::MAX, is_again: false };
        for payer in payers.iter() {
            let offered = accounts.account(payer, now_ms).enter(rules);
            helping.count = helping.count.min(offered.count);
            helping.is_again |= offered.is_again;
        }
        for payer in payers.iter() {
            let account = accounts.account(payer, now_ms);
            account.unspent = account.unspent.saturating_sub(helping.count);
        }
        helping
    }

    /// What a connection left of its first helping is there for whoever comes again.
    pub(crate) fn give_back(&self, payers: Payers, unspent: u16) {
        self.each(payers, |account| account.unspent = account.unspent.saturating_add(unspent));
    }

    /// A connection that was away is back.
    pub(crate) fn come_back(&self, payers: Payers, now_ms: u64) {
        let mut accounts = self.lock();
        payers.iter().for_each(|payer| accounts.account(payer, now_ms).arrive());
    }

    /// A connection is gone, or away.
    pub(crate) fn exit(&self, payers: Payers, now_ms: u64) {
        let mut accounts = self.lock();
        payers.iter().for_each(|payer| accounts.exit(payer, now_ms));
    }

    /// How many news its payers may still be told.
    pub(crate) fn left(&self, payers: Payers, now_ms: u64, rules: &PairingRules) -> u16 {
        self.least(payers, |account| account.left(now_ms, rules))
    }

    /// How many viewers of small lanes it may still meet in this minute.
    pub(crate) fn meetings_left(&self, payers: Payers, now_ms: u64, rules: &PairingRules) -> u16 {
        self.least(payers, |account| account.meetings_left(now_ms, rules))
    }

    /// Its payers are told news.
    pub(crate) fn spend(&self, payers: Payers, now_ms: u64) {
        self.each(payers, |account| account.spend(now_ms));
    }

    /// It met someone of a small lane.
    pub(crate) fn meet(&self, payers: Payers, now_ms: u64) {
        self.each(payers, |account| account.meetings.spend(account.minute(now_ms)));
    }

    /// Notes that its payers were told this id.
    pub(crate) fn tell(&self, payers: Payers, peer: PeerId, now_ms: u64) {
        self.each(payers, |account| account.tell(peer, now_ms));
    }

    /// Whether all of its payers were told this id.
    pub(crate) fn has_told(&self, payers: Payers, peer: PeerId) -> bool {
        let accounts = self.lock();
        let told = |account: &Account| account.told.iter().any(|t| t.peer == peer);
        payers.iter().all(|payer| accounts.open.get(&payer).is_some_and(told))
    }

    /// What all of its payers were told.
    pub(crate) fn memory(&self, payers: Payers, now_ms: u64) -> Memory {
        let accounts = self.lock();
        let mut all = payers.iter().filter_map(|payer| accounts.open.get(&payer));
        let Some(first) = all.next() else { return Memory::default() };
        let (mut told, minute): (Vec<Told>, _) =
            (first.told.iter().copied().collect(), first.minute_u32(now_ms));
        let mut often = first.often();
        for other in all {
            often = often.min(other.often());
            told.retain(|t| other.told.iter().any(|o| o.peer == t.peer));
        }
        Memory { told, minute, often }
    }

    /// How many accounts there are.
    pub fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().open.is_empty()
    }

    fn least(&self, payers: Payers, what: impl Fn(&Account) -> u16) -> u16 {
        let accounts = self.lock();
        payers.iter().filter_map(|payer| accounts.open.get(&payer)).map(what).min().unwrap_or(0)
    }

    fn each(&self, payers: Payers, act: impl Fn(&mut Account)) {
        let mut accounts = self.lock();
        for payer in payers.iter() {
            accounts.open.get_mut(&payer).into_iter().for_each(&act);
        }
    }

    /// No code that holds the lock leaves an account half-changed.
    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    /// The account of someone who is present.
    fn account(&mut self, payer: Payer, now_ms: u64) -> &mut Account {
        let account = self.open.entry(payer).or_insert_with(|| Account::new(now_ms));
        if account.here == 0 {
            self.resting.remove(&(account.rests_ms, payer));
            account.renew_after_rest(now_ms);
        }
        account
    }

    fn exit(&mut self, payer: Payer, now_ms: u64) {
        let Some(account) = self.open.get_mut(&payer).filter(|account| account.here > 0) else { return };
        account.here -= 1;
        if account.here == 0 {
            account.rests_ms = now_ms;
            self.resting.insert((now_ms, payer));
            self.drop_rested(now_ms);
        }
    }

    fn drop_rested(&mut self, now_ms: u64) {
        while let Some(&(since_ms, payer)) = self.resting.first()
            && (self.resting.len() > RESTING_LIMIT || now_ms >= since_ms + HOUR_MS)
        {
            self.resting.pop_first();
            self.open.remove(&payer);
        }
    }
}

impl Account {
    fn new(now_ms: u64) -> Self {
        Self {
            opened_ms: now_ms,
            here: 0,
            most: 0,
            rests_ms: now_ms,
            minute: Window::default(),
            hour: Window::default(),
            meetings: Window::default(),
            told: VecDeque::new(),
            unspent: 0,
        }
    }

    /// After an hour of rest an account is as good as new, whether or not it was dropped meanwhile.
    fn renew_after_rest(&mut self, now_ms: u64) {
        if now_ms >= self.rests_ms + HOUR_MS {
            *self = Self::new(now_ms);
        }
    }

    fn enter(&mut self, rules: &PairingRules) -> Helping {
        let most = self.most;
        self.arrive();
        let full = rules.proposals_first_minute;
        let count = match self.here {
            here if here <= most => {
                return Helping { count: self.unspent.min(full), is_again: true };
            }
            here if here <= IN_FULL => full,
            _ => u16::from(rules.degree_at_first).min(full),
        };
        self.unspent = self.unspent.saturating_add(count);
        Helping { count, is_again: false }
    }

    fn arrive(&mut self) {
        self.here = self.here.saturating_add(1);
        self.most = self.most.max(self.here);
    }

    fn left(&self, now_ms: u64, rules: &PairingRules) -> u16 {
        let units = units(self.here);
        let left = |budget: u16, spent: u32| (u32::from(budget) * units).saturating_sub(spent);
        let minute = left(rules.proposals_per_minute, self.minute.spent_in(self.minute(now_ms)));
        let hour = left(rules.proposals_per_hour, self.hour.spent_in(self.age_ms(now_ms) / HOUR_MS));
        u16::try_from(minute.min(hour)).unwrap_or(u16::MAX)
    }

    fn meetings_left(&self, now_ms: u64, rules: &PairingRules) -> u16 {
        let budget = (rules.meetings_per_minute() as u32).saturating_mul(units(self.here));
        let left = budget.saturating_sub(self.meetings.spent_in(self.minute(now_ms)));
        u16::try_from(left).unwrap_or(u16::MAX)
    }

    fn spend(&mut self, now_ms: u64) {
        self.minute.spend(self.minute(now_ms));
        self.hour.spend(self.age_ms(now_ms) / HOUR_MS);
    }

    fn tell(&mut self, peer: PeerId, now_ms: u64) {
        let minute = self.minute_u32(now_ms);
        let at = self.told.iter().position(|t| t.peer == peer);
        let before = at.and_then(|at| self.told.remove(at)).filter(|t| t.minute == minute);
        if self.told.len() >= TOLD_LIMIT {
            self.told.pop_front();
        }
        let times = before.map_or(0, |t| t.times).saturating_add(1);
        self.told.push_back(Told { peer, minute, times });
    }

    fn often(&self) -> u32 {
        MEETINGS_A_MINUTE.saturating_mul(units(self.here).max(1))
    }

    fn age_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.opened_ms)
    }

    fn minute(&self, now_ms: u64) -> u64 {
        self.age_ms(now_ms) / MINUTE_MS
    }

    fn minute_u32(&self, now_ms: u64) -> u32 {
        u32::try_from(self.minute(now_ms)).unwrap_or(u32::MAX)
    }
}

/// So many connections of one household or subject count in full; beyond, eight count as one.
const IN_FULL: u32 = 8;

/// How many times the budget of one connection `connections` of one household or subject share.
fn units(connections: u32) -> u32 {
    connections.min(IN_FULL) + connections.saturating_sub(IN_FULL).div_ceil(IN_FULL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payer::Subject;
    use crate::place::Place;

    fn payers(a: u8, b: u8) -> Payers {
        Payers::new(Place::new([192, 0, a, b].into()).household(), None)
    }

    fn id(n: u8) -> PeerId {
        PeerId([n; 16])
    }

    #[test]
    fn each_connection_more_than_ever_gets_a_helping_coming_again_gets_none() {
        let (ledger, rules, home) = (Ledger::default(), PairingRules::default(), payers(2, 1));
        assert_eq!(ledger.enter(home, 0, &rules).count, 24);
        assert_eq!(ledger.enter(home, 0, &rules).count, 24);
        ledger.exit(home, 0);
        assert_eq!(ledger.enter(home, 0, &rules).count, 0, "again");
        assert_eq!((3..=9).map(|_| ledger.enter(home, 0, &rules).count).last(), Some(6), "the ninth");
    }

    #[test]
    fn a_subject_pays_wherever_it_is() {
        let (ledger, rules) = (Ledger::default(), PairingRules::default());
        let ann = |at| Payers::new(Place::new([192, 0, 2, at].into()).household(), Some(Subject::of("ann")));
        assert_eq!(ledger.enter(ann(1), 0, &rules).count, 24);
        ledger.exit(ann(1), 0);
        assert_eq!(ledger.enter(ann(2), 0, &rules).count, 0);
        (0..6).for_each(|_| ledger.spend(ann(2), 0));
        ledger.exit(ann(2), 0);
        ledger.enter(ann(3), 0, &rules);
        assert_eq!(ledger.left(ann(3), 0, &rules), 0);
        assert_eq!(ledger.left(ann(3), MINUTE_MS, &rules), 6);
    }

    #[test]
    fn what_is_shared_grows_with_those_present_but_not_as_fast() {
        assert_eq!([0, 1, 4, 8, 9, 16, 200].map(units), [0, 1, 4, 8, 9, 9, 32]);
    }

    #[test]
    fn an_account_outlives_its_connections_by_an_hour() {
        let (ledger, rules, home) = (Ledger::default(), PairingRules::default(), payers(2, 1));
        ledger.enter(home, 0, &rules);
        ledger.tell(home, id(1), 0);
        ledger.exit(home, 1_000);
        assert!(ledger.memory(home, 1_000).has(id(1)));
        assert_eq!(ledger.enter(home, HOUR_MS + 999, &rules).count, 0);
        ledger.exit(home, HOUR_MS + 999);
        assert_eq!(ledger.enter(home, 2 * HOUR_MS + 999, &rules).count, 24, "as good as new");
        assert!(!ledger.memory(home, 2 * HOUR_MS + 999).has(id(1)));
    }

    #[test]
    fn a_spent_account_is_pushed_out_by_as_many_others_only() {
        let (ledger, rules, home) = (Ledger::default(), PairingRules::default(), payers(2, 1));
        ledger.enter(home, 0, &rules);
        ledger.exit(home, 0);
        let stays = payers(3, 1);
        ledger.enter(stays, 0, &rules);
        let come_and_go = |n: u32| {
            let other = Payers::new(Place::new(std::net::Ipv4Addr::from(n << 8).into()).household(), None);
            assert_eq!(ledger.enter(other, 1, &rules).count, 24, "each could ask for itself");
            ledger.exit(other, 1);
        };
        (1..RESTING_LIMIT as u32).for_each(come_and_go);
        assert_eq!(ledger.enter(home, 1, &rules).count, 0, "still known");
        ledger.exit(home, 2);
        (100_000..100_000 + 2 * RESTING_LIMIT as u32).for_each(come_and_go);
        assert_eq!(ledger.len(), RESTING_LIMIT + 1);
        assert_eq!(ledger.left(stays, 1, &rules), 6, "whoever is present keeps its account");
    }

    #[test]
    fn what_was_told_is_no_news_but_not_told_without_end() {
        let (ledger, rules, home) = (Ledger::default(), PairingRules::default(), payers(2, 1));
        ledger.enter(home, 0, &rules);
        (0..3).for_each(|_| ledger.tell(home, id(1), 0));
        ledger.tell(home, id(2), 0);
        let memory = ledger.memory(home, 0);
        assert!(memory.has(id(1)) && memory.is_tired_of(id(1)) && !memory.is_tired_of(id(2)));
        assert!(!ledger.memory(home, MINUTE_MS).is_tired_of(id(1)));
        (3..=98).for_each(|n| ledger.tell(home, id(n), 0));
        assert!(!ledger.memory(home, 0).has(id(2)), "of too many the oldest is forgotten");
    }
}
