//! Ids that the edge proposed to this viewer. Nobody else can be offered anything: since a room proposes only its
//! own members, offers stay inside a stream by construction.

use meshedflow_protocol::ids::PeerId;

/// A bounded list, oldest first.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<(PeerId, bool)>);

impl Known {
    /// Notes a proposal; beyond `limit` the oldest is forgotten.
    pub(super) fn insert(&mut self, peer: PeerId, together: bool, limit: usize) {
        self.remove(peer);
        if self.0.len() >= limit {
            self.0.remove(0);
        }
        self.0.push((peer, together));
    }

    pub(super) fn remove(&mut self, peer: PeerId) {
        self.0.retain(|(known, _)| *known != peer);
    }

    /// Whether the viewer and `peer` are behind one address; `None` if `peer` was never proposed to it.
    pub(super) fn together(&self, peer: PeerId) -> Option<bool> {
        self.0.iter().find(|(known, _)| *known == peer).map(|(_, together)| *together)
    }
}
