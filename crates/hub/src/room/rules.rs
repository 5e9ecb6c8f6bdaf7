//! Numbers that pairing goes by.

use meshedflow_protocol::signal::LANES_LIMIT;

/// How a [`super::Room`] pairs. Operators change these with care; the defaults are what the simulator runs.
#[derive(Clone, Debug, PartialEq)]
pub struct PairingRules {
    /// Members of one room at most.
    pub members_limit: usize,
    /// In lanes of up to so many viewers everyone is proposed to everyone.
    pub clique_limit: usize,
    /// Neighbours a newcomer to a larger lane gets at once. While a lane grows, each viewer is found by later ones as
    /// often as it was given earlier ones, so this is half of `degree_limit`: more, and the last would find nobody.
    pub degree_at_first: u8,
    /// Neighbours a member should have before long.
    pub degree_target: u8,
    /// A member with so many neighbours is not proposed to further viewers.
    pub degree_limit: u8,
    /// Unless someone would otherwise find fewer than `degree_at_first`, or fewer than `outsiders_min` from outside
    /// its own network: then up to so many.
    pub degree_ceiling: u8,
    /// Neighbours from outside one's own /24, /48 and ASN, at least: the rule against eclipse. They are also the
    /// far links that keep the mesh in one piece.
    pub outsiders_min: u8,
    /// Neighbours behind one address other than one's own, at most, whichever of the two asked.
    pub per_foreign_address: usize,
    /// Neighbours in one IPv4 /24 or IPv6 /32 other than one's own, at most, whichever of the two asked.
    pub per_foreign_block: usize,
    /// Strangers' ids in a member's first minute, if it did not come again.
    pub proposals_first_minute: u16,
    /// Strangers' ids a minute after that.
    pub proposals_per_minute: u16,
    /// Strangers' ids an hour after that.
    pub proposals_per_hour: u16,
    /// Candidates looked at per pick, so that a pick costs the same in a room of 100 and of 2,000.
    pub sample: usize,
    /// After so long a pair that came to nothing may be proposed again.
    pub again_ms: u64,
    /// Complaints about a neighbour count for so long after it was proposed.
    pub blame_within_ms: u64,
    /// A connection counts for the election after so long.
    pub mature_ms: u64,
    /// So many connections count per IPv4 address or IPv6 /56.
    pub weighed_per_household: u16,
    /// Weight of each election class.
    pub class_weights: [f64; 4],
    /// Weights are pushed at most so often.
    pub weights_every_ms: u64,
    /// Only viewers of one country are paired.
    pub same_country_only: bool,
    /// Only viewers of one autonomous system are paired.
    pub same_asn_only: bool,
}

impl PairingRules {
    /// Viewers of small lanes that one connection meets in a minute, free of the budget for strangers: as many as
    /// eight full cliques have.
    pub fn meetings_per_minute(&self) -> usize {
        LANES_LIMIT * self.clique_limit.saturating_sub(1)
    }

    /// Partners remembered per member: all of its cliques and a few neighbourhoods. Beyond, the oldest is forgotten.
    pub(crate) fn partners_limit(&self) -> usize {
        self.meetings_per_minute() + 2 * usize::from(self.degree_ceiling)
    }
}

impl Default for PairingRules {
    fn default() -> Self {
        Self {
            members_limit: 2_000,
            clique_limit: 13,
            degree_at_first: 6,
            degree_target: 8,
            degree_limit: 12,
            degree_ceiling: 14,
            outsiders_min: 3,
            per_foreign_address: 3,
            per_foreign_block: 6,
            proposals_first_minute: 24,
            proposals_per_minute: 6,
            proposals_per_hour: 60,
            sample: 64,
            again_ms: 10_000,
            blame_within_ms: 600_000,
            mature_ms: 15_000,
            weighed_per_household: 4,
            class_weights: [0.0, 0.25, 1.0, 2.0],
            weights_every_ms: 2_000,
            same_country_only: false,
            same_asn_only: false,
        }
    }
}
