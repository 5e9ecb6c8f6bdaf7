//! Which candidates may be tried: the same rules at the edge that relays and at the page that receives.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::limits::CANDIDATES_PER_OFFER;
use super::sdp::{Candidate, CandidateAddress, CandidateKind};

/// What the checker knows about the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules<'a> {
    /// Whether sender and receiver are seen behind one address: then private addresses are allowed.
    pub same_address: bool,
    /// The address the edge sees the sender at, where the checker knows it.
    pub seen: Option<IpAddr>,
    /// Refuse any server-reflexive candidate other than `seen` until one equal to it came.
    pub strict_srflx: bool,
    /// Addresses of our TURN servers, where the checker knows them.
    pub relays: Option<&'a [IpAddr]>,
}

/// Why a candidate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// 127.0.0.0/8, ::1.
    Loopback,
    /// 169.254.0.0/16, fe80::/10.
    LinkLocal,
    /// Multicast or broadcast.
    Multicast,
    /// 0.0.0.0/8, ::.
    Unspecified,
    /// Reserved, or a transition address that hides an IPv4 address.
    Reserved,
    /// A private, shared or unique local address, and the two are not behind one address.
    Private,
    /// A third server-reflexive candidate of one family.
    TooManyReflexive,
    /// Server-reflexive candidates of a family, none equal to the address the edge sees.
    NotSeen,
    /// A relay that is not ours.
    ForeignRelay,
    /// More than 12 after one description.
    TooMany,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "loopback candidate",
            Self::LinkLocal => "link-local candidate",
            Self::Multicast => "multicast or broadcast candidate",
            Self::Unspecified => "unspecified candidate",
            Self::Reserved => "candidate in a reserved or transition range",
            Self::Private => "private candidate; expected only between viewers behind one address",
            Self::TooManyReflexive => "third server-reflexive candidate of a family; expected at most 2",
            Self::NotSeen => "server-reflexive candidate other than the address the edge sees",
            Self::ForeignRelay => "candidate at a relay that is not ours",
            Self::TooMany => "candidate beyond 12 of one description",
        })
    }
}

impl std::error::Error for Refusal {}

impl Candidate {
    /// Judges this candidate by itself; see [`Admitted`] for the rules over all of one description.
    pub fn check(&self, rules: &Rules<'_>) -> Result<(), Refusal> {
        // A name under .local is resolved by multicast DNS, so it can only lead into the reader's own network.
        let CandidateAddress::Ip(ip) = self.address else { return Ok(()) };
        match class(ip) {
            Class::Public => {}
            Class::Private if rules.same_address => {}
            Class::Private => return Err(Refusal::Private),
            Class::Never(refusal) => return Err(refusal),
        }
        match rules.relays {
            Some(relays) if self.kind == CandidateKind::Relay && !relays.contains(&ip) => {
                Err(Refusal::ForeignRelay)
            }
            _ => Ok(()),
        }
    }
}

/// The candidates admitted so far after one offer or answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    count: usize,
    v4: Reflexive,
    v6: Reflexive,
}

/// Server-reflexive candidates of one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reflexive {
    as_seen: u8,
    other: u8,
}

impl Admitted {
    /// Judges the next candidate, and counts it if it is admitted.
    pub fn admit(&mut self, candidate: &Candidate, rules: &Rules<'_>) -> Result<(), Refusal> {
        if self.count == CANDIDATES_PER_OFFER {
            return Err(Refusal::TooMany);
        }
        candidate.check(rules)?;
        if let (CandidateKind::Srflx, CandidateAddress::Ip(ip)) = (candidate.kind, &candidate.address) {
            let family = if ip.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
            family.admit(*ip, rules)?;
        }
        self.count += 1;
        Ok(())
    }
}

impl Reflexive {
    /// At most two, and at most one that is not the address the edge sees, where it sees one of the family.
    fn admit(&mut self, ip: IpAddr, rules: &Rules<'_>) -> Result<(), Refusal> {
        if self.as_seen + self.other == 2 {
            return Err(Refusal::TooManyReflexive);
        }
        let seen = rules.seen.map(|seen| seen.to_canonical()).filter(|seen| seen.is_ipv4() == ip.is_ipv4());
        if seen == Some(ip) {
            self.as_seen += 1;
            return Ok(());
        }
        let others = if rules.strict_srflx { self.as_seen } else { 1 };
        if seen.is_some() && self.other >= others {
            return Err(Refusal::NotSeen);
        }
        self.other += 1;
        Ok(())
    }
}

enum Class {
    Public,
    Private,
    Never(Refusal),
}

fn class(ip: IpAddr) -> Class {
    match ip {
        IpAddr::V4(ip) => class_v4(ip),
        IpAddr::V6(ip) => class_v6(ip),
    }
}

/// After the special-purpose registry of RFC 6890. The documentation ranges lead nowhere and stay allowed.
fn class_v4(ip: Ipv4Addr) -> Class {
    match ip.octets() {
        [0, ..] => Class::Never(Refusal::Unspecified),
        [127, ..] => Class::Never(Refusal::Loopback),
        [169, 254, ..] => Class::Never(Refusal::LinkLocal),
        [224..=239, ..] | [255, 255, 255, 255] => Class::Never(Refusal::Multicast),
        // 192.88.99.0/24 leads into 6to4 (RFC 7526).
        [240..=255, ..] | [192, 0, 0, _] | [192, 88, 99, _] => Class::Never(Refusal::Reserved),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Class::Private,
        // Carrier networks (RFC 6598) and benchmarking (RFC 2544), which proxies use inside.
        [100, 64..=127, ..] | [198, 18..=19, ..] => Class::Private,
        _ => Class::Public,
    }
}

fn class_v6(ip: Ipv6Addr) -> Class {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Never(Refusal::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Never(Refusal::Loopback),
        [0xfe80..=0xfebf, ..] => Class::Never(Refusal::LinkLocal),
        [0xff00..=0xffff, ..] => Class::Never(Refusal::Multicast),
        [0xfc00..=0xfdff, ..] => Class::Private,
        // 6to4, Teredo and ISATAP (RFC 5214): each would carry an IPv4 address past its own check.
        [0x2002, ..] | [0x2001, 0, ..] | [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => {
            Class::Never(Refusal::Reserved)
        }
        // Global unicast. Outside of it are all other forms of IPv4 addresses (mapped, compatible, translated, NAT64).
        [0x2000..=0x3fff, ..] => Class::Public,
        _ => Class::Never(Refusal::Reserved),
    }
}

#[cfg(test)]
mod tests;
