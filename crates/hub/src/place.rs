//! Where a viewer is, as far as an edge can see, and how near two viewers are.

use std::net::{IpAddr, Ipv6Addr};

use meshedflow_protocol::topology::Topology;

/// A viewer's place in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address that its packets come from.
    pub address: IpAddr,
    /// What a database or a trusted proxy said about that address.
    pub topology: Topology,
    /// What the viewer says about itself; breaks ties, nothing else.
    pub hint: Option<Topology>,
}

/// How near two viewers are; nearer is smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closeness {
    /// One public address, or one IPv6 /56: usually one home or office.
    Household,
    /// One IPv4 /24 or IPv6 /48.
    Network,
    /// One autonomous system.
    Asn,
    /// One country.
    Country,
    /// Nothing known in common.
    Far,
}

/// Addresses that count as one holder of addresses: one IPv4 address, one IPv6 /56.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Household(u128);

/// Addresses that are rented together: one IPv4 /24 or one IPv6 /32, the least that a provider is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block(u128);

/// One IPv4 /24 or one IPv6 /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network(u128);

impl Household {
    /// The block that its addresses are in.
    pub fn block(self) -> Block {
        Block(prefix(Ipv6Addr::from_bits(self.0).into(), 24, 32))
    }
}

impl Place {
    /// A place of which only the address is known.
    pub fn new(address: IpAddr) -> Self {
        Self { address, topology: Topology::default(), hint: None }
    }

    /// The holder of the address.
    pub fn household(&self) -> Household {
        Household(prefix(self.address, 32, 56))
    }

    /// The surrounding network.
    pub fn network(&self) -> Network {
        Network(prefix(self.address, 24, 48))
    }

    /// How near `other` is.
    pub fn closeness(&self, other: &Self) -> Closeness {
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        if self.household() == other.household() {
            Closeness::Household
        } else if self.network() == other.network() {
            Closeness::Network
        } else if self.topology.asn.is_some() && self.topology.asn == other.topology.asn {
            Closeness::Asn
        } else if same(&self.topology.country, &other.topology.country) {
            Closeness::Country
        } else {
            Closeness::Far
        }
    }

    /// Whether `other` lies outside this viewer's /24 or /48 and ASN: a neighbour that someone who rents a
    /// few addresses next to a victim cannot be.
    pub fn is_outsider(&self, other: &Self) -> bool {
        self.closeness(other) > Closeness::Asn
    }

    /// Whether both viewers hint at the same thing; a tie-break only, since hints cost nothing to invent.
    pub fn hints_agree(&self, other: &Self) -> bool {
        self.hint.is_some() && self.hint == other.hint
    }
}

/// The first bits of `address` as an IPv6 number; IPv4 as IPv4-mapped (RFC 4291 section 2.5.5.2).
fn prefix(address: IpAddr, v4_bits: u32, v6_bits: u32) -> u128 {
    let (bits, keep) = match address.to_canonical() {
        IpAddr::V4(v4) => (Ipv6Addr::to_bits(v4.to_ipv6_mapped()), 96 + v4_bits),
        IpAddr::V6(v6) => (v6.to_bits(), v6_bits),
    };
    bits & u128::MAX.checked_shl(128 - keep).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(address: &str) -> Place {
        Place::new(address.parse().unwrap())
    }

    fn within(address: &str, asn: u32, country: &str) -> Place {
        let topology = Topology { asn: Some(asn), country: Some(country.into()), region: None };
        Place { topology, ..place(address) }
    }

    #[test]
    fn nearness_follows_prefixes_then_asn_then_country() {
        let me = within("198.51.100.7", 64500, "NL");
        assert_eq!(me.closeness(&place("198.51.100.7")), Closeness::Household);
        assert_eq!(me.closeness(&place("::ffff:198.51.100.7")), Closeness::Household);
        assert_eq!(me.closeness(&place("198.51.100.8")), Closeness::Network);
        assert_eq!(me.closeness(&within("203.0.113.1", 64500, "BE")), Closeness::Asn);
        assert_eq!(me.closeness(&within("203.0.113.1", 64501, "NL")), Closeness::Country);
        assert_eq!(me.closeness(&place("203.0.113.1")), Closeness::Far);
    }

    #[test]
    fn ipv6_homes_are_56_bits_and_networks_48() {
        let me = place("2001:db8:1:1100::1");
        assert_eq!(me.closeness(&place("2001:db8:1:11ff::9")), Closeness::Household);
        assert_eq!(me.closeness(&place("2001:db8:1:1200::9")), Closeness::Network);
        assert_eq!(me.closeness(&place("2001:db8:2::1")), Closeness::Far);
    }

    #[test]
    fn unknown_facts_never_match_each_other() {
        let (a, b) = (place("192.0.2.1"), place("203.0.113.1"));
        assert_eq!(a.closeness(&b), Closeness::Far);
        assert!(a.is_outsider(&b) && !a.hints_agree(&b));
    }
}
