//! How many connections there are, in all and from one address.

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

/// The right to one connection, given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    permits: Arc<Permits>,
    household: Household,
}

impl Permits {
    pub(crate) fn new(most: usize, most_per_household: u32) -> Arc<Self> {
        Arc::new(Self { most, most_per_household, held: Mutex::default() })
    }

    /// A permit for a connection from `address` (an IPv6 /56 counts as one).
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Exhausted> {
        let household = Place::new(address).household();
        let mut held = lock(&self.held);
        if held.total >= self.most {
            return Err(Exhausted::Total);
        }
        let here = held.by_household.entry(household).or_default();
        if *here >= self.most_per_household {
            return Err(Exhausted::Address);
        }
        *here += 1;
        held.total += 1;
        Ok(Permit { permits: self.clone(), household })
    }

    pub(crate) fn total(&self) -> usize {
        lock(&self.held).total
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = lock(&self.permits.held);
        held.total -= 1;
        if let Entry::Occupied(mut entry) = held.by_household.entry(self.household) {
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

    #[test]
    fn permits_run_out_by_address_then_in_all_and_come_back() {
        let permits = Permits::new(3, 2);
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let first = permits.take(address(1)).unwrap();
        let _second = permits.take(address(1)).unwrap();
        assert_eq!(permits.take(address(1)).unwrap_err(), Exhausted::Address);
        let _third = permits.take(address(2)).unwrap();
        assert_eq!(permits.take(address(3)).unwrap_err(), Exhausted::Total);
        drop(first);
        assert!(permits.take(address(1)).is_ok());
        assert_eq!(permits.total(), 2);
    }
}
