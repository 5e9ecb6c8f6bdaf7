//! Coarse network position, as an edge sees it.

use serde::{Deserialize, Serialize};

/// Where a viewer's packets come from. Every field is optional; an edge fills what it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// ISO 3166-1 alpha-2 country code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Autonomous system number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Operator-defined region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}
