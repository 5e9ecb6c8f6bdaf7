//! What neighbours are called: channels outlive the edge's sockets, and an edge that comes back gives new ids.
//!
//! An edge vouches for the id under which a connection was made, and for no other. Whoever gets a new one says so on
//! its own channel. That is a claim: it counts for lots and words on that channel, so that all draw the same lots
//! again and nobody is dialled twice. It takes nothing from anybody else: no id of this viewer's own, of one that was
//! closed for cause, or of another open channel can be claimed; a claim ends no dial; and whom the edge itself named
//! by an id keeps it, the channel that only claims it is closed. Of two that claim one id nobody is closed, the second is
//! known by the id that it had.

use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::wire::Frame;

use crate::input::ConnNo;
use crate::mesh::Mesh;
use crate::peer::Peer;
use crate::scheduler::election::mark;
use crate::time::Duration;

/// Who may be about to say a new id says so within this time of being proposed under it.
pub(crate) const NAMING: Duration = Duration::from_millis(1_500);

impl Peer {
    /// The edge named it so, or it says so itself.
    pub(crate) fn is_called(&self, id: PeerId) -> bool {
        self.id == id || self.named == id
    }
}

impl Mesh {
    /// The edge calls this viewer `me` now.
    pub(crate) fn take_name(&mut self, me: PeerId) {
        let before = self.roster.me.replace(me);
        if before.is_none_or(|before| before == me) {
            return;
        }
        // That edge knows none of the neighbours by the ids they had.
        self.peers.values_mut().for_each(|p| p.current = false);
        self.conns_up().into_iter().for_each(|conn| self.say_identity(conn));
    }

    /// Tells one neighbour the id that this viewer has now.
    pub(crate) fn say_identity(&mut self, conn: ConnNo) {
        if let Some(peer) = self.roster.me {
            self.send(conn, &Frame::Identity { peer });
        }
    }

    /// A neighbour says that it has another id.
    pub(crate) fn on_identity(&mut self, conn: ConnNo, id: PeerId) {
        let now = self.now;
        let others = || self.peers.iter().filter(|(c, p)| **c != conn && p.is_open()).map(|(_, p)| p);
        let (taken, claimed) = (others().any(|p| p.named == id), others().any(|p| p.id == id));
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let due = !core::mem::replace(&mut peer.current, true);
        if peer.id == id {
            return;
        }
        if Some(id) == self.roster.me {
            return self.close_peer(conn, Some("this viewer's own id"));
        }
        // Two channels to one viewer, or a name that is somebody else's: that one stays. Who changes it all the time
        // draws lots until one suits.
        if taken || self.roster.banned.contains(&id) || !peer.budgets.names.take(now, 1.0) {
            return self.close_peer(conn, None);
        }
        // Nobody vouches for either: who was there first may have heard of the other's new id.
        if claimed {
            return;
        }
        peer.may_be_another = !due;
        let before = core::mem::replace(&mut peer.id, id);
        peer.mark = mark(id);
        self.rename(before, id);
    }

    /// What was heard of a viewer was heard of the same one.
    fn rename(&mut self, before: PeerId, id: PeerId) {
        for seg in self.lanes.values_mut().flat_map(|l| l.segments.values_mut()) {
            seg.hearsay.rename(before, id);
            seg.relayed.iter_mut().filter(|fetcher| **fetcher == before).for_each(|fetcher| *fetcher = id);
            if seg.senders.remove(&before) {
                seg.senders.insert(id);
            }
        }
        let remotes = self.peers.values_mut().flat_map(|p| p.remote.values_mut());
        let listed = remotes.flat_map(|r| r.neighbours.iter_mut()).filter(|listed| **listed == before);
        listed.for_each(|listed| *listed = id);
    }

    /// The edge vouches for this channel: another one that only claims its id is closed, or was there before.
    pub(crate) fn end_namesakes(&mut self, conn: ConnNo, id: PeerId) {
        let others = self.peers.iter().filter(|(c, p)| **c != conn && p.is_open() && p.is_called(id));
        let others: Vec<ConnNo> = others.map(|(c, _)| *c).collect();
        others.into_iter().for_each(|other| self.close_peer(other, None));
    }

    /// Some neighbour's edge may have given it another id, which it has not said yet.
    pub(crate) fn awaits_names(&self) -> bool {
        self.peers.values().any(|p| p.is_open() && !p.current)
    }
}
