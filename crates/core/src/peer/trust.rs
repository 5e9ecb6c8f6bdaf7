//! Strikes: wrong bytes once are a warning, twice the end.

use crate::input::ConnNo;
use crate::mesh::Mesh;

/// Strikes that end a connection.
const LIMIT: u8 = 2;

impl Mesh {
    /// All bytes of a fragment came from one neighbour and were wrong: it alone is to blame.
    pub(crate) fn strike(&mut self, conn: ConnNo, what: &str) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        peer.strikes += 1;
        if peer.strikes >= LIMIT {
            self.close_peer(conn, Some(what));
        }
    }
}
