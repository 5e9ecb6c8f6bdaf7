//! How many connections there are, in all and from one address, from the moment they are accepted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use meshedflow_hub::{Household, Place};

use crate::seats::lock;

/// Counts connections by address and in all.
#[derive(Debug)]
pub(crate) struct Permits {
    most: usize,
    most_per_household: u32,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_household: HashMap<Household, u32>,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exhausted {
    Total,
    Address,
}

/// The right to one connection, or one household's share of it; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    permits: Arc<Permits>,
    counts_in_all: bool,
    household: Option<Household>,
}

impl Permits {
    pub(crate) fn new(most: usize, most_per_household: u32) -> Arc<Self> {
        Arc::new(Self { most, most_per_household, held: Mutex::default() })
    }

    /// A permit for a connection from `address` (an IPv6 /56 counts as one), or for one whose viewer's address is not
    /// known yet, since it comes from a proxy: that viewer's household is charged by [`Permits::charge`].
    pub(crate) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Permit, Exhausted> {
        self.grant(true, address)
    }

    /// A permit for the household's share of a connection that counts in all already.
    pub(crate) fn charge(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Exhausted> {
        self.grant(false, Some(address))
    }

    fn grant(self: &Arc<Self>, counts_in_all: bool, address: Option<IpAddr>) -> Result<Permit, Exhausted> {
        let household = address.map(|address| Place::new(address).household());
        let mut held = lock(&self.held);
        if counts_in_all && held.total >= self.most {
            return Err(Exhausted::Total);
        }
        if let Some(household) = household {
            let here = held.by_household.entry(household).or_default();
            if *here >= self.most_per_household {
                return Err(Exhausted::Address);
            }
            *here += 1;
        }
        held.total += usize::from(counts_in_all);
        Ok(Permit { permits: self.clone(), counts_in_all, household })
    }

    pub(crate) fn total(&self) -> usize {
        lock(&self.held).total
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = lock(&self.permits.held);
        held.total -= usize::from(self.counts_in_all);
        let Some(household) = self.household else { return };
        if let Entry::Occupied(mut entry) = held.by_household.entry(household) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn permits_run_out_by_address_then_in_all_and_come_back() {
        let permits = Permits::new(3, 2);
        let first = permits.take(Some(address(1))).unwrap();
        let _second = permits.take(Some(address(1))).unwrap();
        assert_eq!(permits.take(Some(address(1))).unwrap_err(), Exhausted::Address);
        let _third = permits.take(Some(address(2))).unwrap();
        assert_eq!(permits.take(Some(address(3))).unwrap_err(), Exhausted::Total);
        drop(first);
        assert!(permits.take(Some(address(1))).is_ok());
        assert_eq!(permits.total(), 2);
    }

    #[test]
    fn a_proxy_is_no_household_and_its_viewers_are() {
        let permits = Permits::new(4, 1);
        let _connections: Vec<Permit> = (0..3).map(|_| permits.take(None).unwrap()).collect();
        let viewer = permits.charge(address(1)).unwrap();
        assert_eq!(permits.charge(address(1)).unwrap_err(), Exhausted::Address);
        assert_eq!(permits.total(), 3, "a connection counts once");
        drop(viewer);
        assert!(permits.charge(address(1)).is_ok());
    }

    #[test]
    fn a_refused_address_leaves_no_trace() {
        let permits = Permits::new(1, 1);
        let _only = permits.take(Some(address(1))).unwrap();
        assert_eq!(permits.take(Some(address(2))).unwrap_err(), Exhausted::Total);
        assert_eq!(lock(&permits.held).by_household.len(), 1);
    }
}
