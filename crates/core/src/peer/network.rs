//! Which addresses of a neighbour may be tried: those of the rules that the edge has as well, and private ones only
//! where this page itself has reason to believe that both are in one network.
//!
//! An edge relays candidates and could make them up, so its word that two viewers are close counts for nothing here, nor
//! does a server-reflexive address that it says the neighbour has: whoever sees this page's own could repeat it. A reason
//! is what this page's own browser found, a host address in the same /24 or /64. Candidates come one by one on both sides,
//! so a private one without a reason waits for it. Names under `.local` need none: multicast ends at the edge of the own
//! network.

use core::net::IpAddr;

use meshedflow_protocol::signal::sdp::{CandidateAddress, CandidateKind};
use meshedflow_protocol::signal::{Admitted, Candidate, Refusal, Rules};

/// Addresses of one dial.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// The neighbour's candidates that were let pass.
    admitted: Admitted,
    /// This page's own addresses, as its browser found them.
    hosts: Vec<IpAddr>,
    /// The neighbour's private candidates, without a reason so far.
    held: Vec<Candidate>,
}

/// Own addresses that are remembered, and candidates that wait for a reason.
const LIMIT: usize = 12;

impl Network {
    /// The browser found an address of this page; returns candidates of the neighbour that may be tried because of it.
    pub(crate) fn found(&mut self, own: &Candidate) -> Vec<Candidate> {
        let (CandidateAddress::Ip(ip), CandidateKind::Host) = (&own.address, own.kind) else {
            return Vec::new();
        };
        if self.hosts.len() < LIMIT && !self.hosts.contains(ip) {
            self.hosts.push(*ip);
        }
        self.release()
    }

    /// The neighbour is said to be reached there; returns the candidate if it may be tried now.
    ///
    /// # Errors
    /// Why not this one; a private one may be returned later.
    pub(crate) fn offered(&mut self, c: Candidate) -> Result<Candidate, Refusal> {
        let verdict = self.admit(&c);
        if verdict == Err(Refusal::Private) && self.held.len() < LIMIT {
            self.held.push(c.clone());
        }
        verdict.map(|()| c)
    }

    fn release(&mut self) -> Vec<Candidate> {
        let held = core::mem::take(&mut self.held);
        let (tried, held) = held.into_iter().partition(|c| self.admit(c).is_ok());
        self.held = held;
        tried
    }

    fn admit(&mut self, c: &Candidate) -> Result<(), Refusal> {
        let rules = Rules { same_address: self.is_near(&c.address), ..Rules::default() };
        self.admitted.admit(c, &rules)
    }

    /// Is there a reason to believe that this address is in a network of this page?
    fn is_near(&self, address: &CandidateAddress) -> bool {
        let CandidateAddress::Ip(ip) = address else { return false };
        self.hosts.iter().any(|own| is_one_network(*own, *ip))
    }
}

/// In one /24 or one /64?
fn is_one_network(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.to_bits() >> 8 == b.to_bits() >> 8,
        (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() >> 64 == b.to_bits() >> 64,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(address: &str, kind: &str) -> Candidate {
        Candidate::parse(&format!("candidate:1 1 udp 5 {address} 5000 typ {kind}")).unwrap()
    }

    /// How many of these are tried at once, given what the browser found before.
    fn tried(own: &[(&str, &str)], theirs: &[(&str, &str)]) -> usize {
        let mut network = Network::default();
        own.iter().for_each(|(address, kind)| drop(network.found(&candidate(address, kind))));
        let mut offered = |(address, kind): &(&str, &str)| network.offered(candidate(address, kind));
        theirs.iter().filter(|c| offered(c).is_ok()).count()
    }

    #[test]
    fn a_private_address_needs_a_reason_of_this_page() {
        let target = ("192.168.1.1", "host");
        assert_eq!(tried(&[], &[target]), 0);
        assert_eq!(tried(&[("192.168.1.77", "host")], &[target]), 1, "one /24");
        assert_eq!(tried(&[("192.168.2.77", "host")], &[target]), 0, "the next one");
        assert_eq!(tried(&[("fd00:1:2:3::7", "host")], &[("fd00:1:2:3:9::1", "host")]), 1, "one /64");
        assert_eq!(tried(&[("fd00:1:2:3::7", "host")], &[("fd00:1:2:4::1", "host")]), 0);
        // The edge may know this page's public address, and say that the neighbour has it, too.
        let repeated = ("198.51.100.7", "srflx");
        assert_eq!(tried(&[repeated], &[repeated, target]), 1, "the repeated one alone");
        // What is no address of its own says nothing of where this page is.
        for kind in ["srflx", "relay", "prflx"] {
            assert_eq!(tried(&[("192.168.1.77", kind)], &[target]), 0);
        }
        assert_eq!(tried(&[("2e1d58a8-0655-4604-8b1a-fb485d470a9f.local", "host")], &[target]), 0);
    }

    #[test]
    fn what_has_no_reason_waits_for_one() {
        let mut network = Network::default();
        let private = candidate("192.168.1.5", "host");
        assert_eq!(network.offered(private.clone()), Err(Refusal::Private));
        assert_eq!(network.found(&candidate("198.51.100.7", "srflx")), []);
        assert_eq!(network.found(&candidate("192.168.1.9", "host")), [private], "once");
        assert_eq!(network.found(&candidate("192.168.1.9", "host")), []);
    }

    #[test]
    fn neither_what_waits_nor_what_is_tried_grows_without_end() {
        let mut network = Network::default();
        for n in 0..1_000 {
            let _ = network.offered(candidate(&format!("10.0.{}.{}", n % 4, n / 4), "host"));
            network.found(&candidate(&format!("10.9.{}.{}", n % 4, n / 4), "host"));
        }
        assert_eq!((network.held.len(), network.hosts.len()), (LIMIT, LIMIT));
        network.hosts.clear();
        let tried: Vec<_> =
            (0..4).flat_map(|n| network.found(&candidate(&format!("10.0.{n}.9"), "host"))).collect();
        assert_eq!(tried.len(), LIMIT);
        assert_eq!(network.offered(candidate("203.0.113.7", "host")), Err(Refusal::TooMany));
    }

    #[test]
    fn two_server_reflexive_addresses_of_a_family_are_enough() {
        let three = ["203.0.113.7", "203.0.113.8", "203.0.113.9"].map(|address| (address, "srflx"));
        assert_eq!(tried(&[], &three), 2);
        assert_eq!(tried(&[], &[three[0], three[1], ("2001:db8::1", "srflx")]), 3);
    }
}
