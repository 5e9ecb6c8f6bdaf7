//! From proposal to open channels: typed session descriptions both ways, every candidate checked.

use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::policy::CmafMode;
use meshedflow_protocol::signal::sdp::{DescriptionKind, Setup, expand, reduce};
use meshedflow_protocol::signal::{Candidate, Description, Signal, SignalData};
use meshedflow_protocol::wire::{Frame, Hello, WIRE_MAX, WIRE_MIN, agree};

use crate::input::ConnNo;
use crate::mesh::Mesh;
use crate::output::{Event, Output, PeerCommand};
use crate::peer::PeerState;
use crate::peer::channel::FIRST_LOW_MARK;
use crate::peer::lanes::TheirLane;

impl Mesh {
    /// The browser made a description: send its typed form.
    pub(crate) fn on_described(&mut self, conn: ConnNo, sdp: &str) {
        let Some(peer) = self.peers.get(&conn) else { return };
        let (id, dial) = (peer.named, peer.dial);
        match reduce(sdp) {
            Ok(d) => {
                let data =
                    if d.setup == Setup::Actpass { SignalData::Offer(d) } else { SignalData::Answer(d) };
                self.signal_to(Signal { peer: id, dial, data });
            }
            Err(why) => {
                self.warn("own-sdp", format!("this browser's own description is not understood: {why}"));
                self.close_peer(conn, None);
            }
        }
    }

    /// The browser found a candidate: the edge and the other side judge it too.
    pub(crate) fn on_local_candidate(&mut self, conn: ConnNo, line: &str) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let (id, dial) = (peer.named, peer.dial);
        if line.is_empty() {
            return self.signal_to(Signal { peer: id, dial, data: SignalData::End });
        }
        // TCP and other forms that may not travel are simply not offered.
        if let Ok(c) = Candidate::parse(line) {
            let tried = peer.network.found(&c);
            self.try_candidates(conn, &tried);
            self.signal_to(Signal { peer: id, dial, data: SignalData::Candidate(c) });
        }
    }

    /// A signal from another page, relayed by the edge.
    pub(crate) fn on_peer_signal(&mut self, s: Signal) {
        let conn = self.peers.iter().find(|(_, p)| p.named == s.peer).map(|(c, _)| *c);
        match (s.data, conn) {
            (SignalData::Offer(d), None) if self.roster.is_expected(s.peer) => {
                self.answer(s.peer, s.dial, &d)
            }
            (SignalData::Answer(d), Some(conn)) => self.accept(conn, s.dial, &d),
            (SignalData::Candidate(c), Some(conn)) => self.add_candidate(conn, s.dial, c),
            (SignalData::End, Some(conn)) => self.end_of_candidates(conn, s.dial),
            _ => self.tally.unknown_messages += 1,
        }
    }

    /// The limit on neighbours counts dials and answers alike.
    fn answer(&mut self, id: PeerId, dial: u32, offer: &Description) {
        if self.peers.len() >= self.effective.peers_max || !self.may_dial() {
            return;
        }
        let conn = self.open_peer(id, dial);
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.answered = true;
        }
        self.push(Output::Peer(conn, PeerCommand::Answer(expand(offer, DescriptionKind::Offer))));
    }

    fn accept(&mut self, conn: ConnNo, dial: u32, answer: &Description) {
        let fits =
            |p: &&mut crate::peer::Peer| p.dial == dial && p.state == PeerState::Dialing && !p.answered;
        if let Some(peer) = self.peers.get_mut(&conn).filter(fits) {
            peer.answered = true;
            self.push(Output::Peer(conn, PeerCommand::Accept(expand(answer, DescriptionKind::Answer))));
        }
    }

    fn add_candidate(&mut self, conn: ConnNo, dial: u32, c: Candidate) {
        let Some(peer) = self.peers.get_mut(&conn).filter(|p| p.dial == dial) else { return };
        if self.options.mutant("trust-edge") {
            return self.try_candidates(conn, &[c]);
        }
        match peer.network.offered(c) {
            Ok(c) => self.try_candidates(conn, &[c]),
            Err(_) => self.tally.candidates_refused += 1,
        }
    }

    fn try_candidates(&mut self, conn: ConnNo, candidates: &[Candidate]) {
        for c in candidates {
            self.push(Output::Peer(conn, PeerCommand::Candidate(c.to_line())));
        }
    }

    fn end_of_candidates(&mut self, conn: ConnNo, dial: u32) {
        if self.peers.get(&conn).is_some_and(|p| p.dial == dial && p.state == PeerState::Dialing) {
            self.push(Output::Peer(conn, PeerCommand::Candidate(String::new())));
        }
    }

    /// Both channels are up: introduce ourselves.
    pub(crate) fn on_channels_open(&mut self, conn: ConnNo) {
        let Some(peer) = self.peers.get_mut(&conn).filter(|p| p.state == PeerState::Dialing) else { return };
        peer.state = PeerState::Open;
        let Some(me) = peer.me else { return self.close_peer(conn, None) };
        let (lanes, left) = self.my_lanes();
        self.push(Output::Peer(conn, PeerCommand::LowMark(FIRST_LOW_MARK)));
        let hello = Hello {
            wire: (WIRE_MIN, WIRE_MAX),
            peer: me,
            uplink_bytes_per_s: self.uploads.channels.lower_quartile(),
            sharing: match self.effective.cmaf_mode {
                CmafMode::Off => 0,
                CmafMode::AdvertiseOnly => 1,
                CmafMode::Serve => 2,
            },
            class: self.my_class_for_edge(),
            lanes,
        };
        self.send(conn, &Frame::Hello(hello));
        left.into_iter().for_each(|change| self.send(conn, &Frame::Lane(change)));
        if self.roster.me != Some(me) {
            self.say_identity(conn);
        }
    }

    pub(crate) fn on_hello(&mut self, conn: ConnNo, hello: Hello) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if peer.hello.is_some() {
            return self.close_peer(conn, Some("a second Hello"));
        }
        if hello.peer != peer.named {
            return self.close_peer(conn, Some("another id than the edge named"));
        }
        if agree((WIRE_MIN, WIRE_MAX), hello.wire).is_none() {
            return self.close_peer(conn, None);
        }
        peer.lanes = hello.lanes.iter().map(|(i, name)| (*i, TheirLane::entered(name.clone()))).collect();
        let id = peer.named;
        peer.hello = Some(hello);
        self.end_namesakes(conn, id);
        let count = self.open_peers();
        self.tally.connects += 1;
        self.push(Output::Event(Event::Peer { conn, peer: id.to_string(), up: true, count }));
        self.send_maps(conn);
    }

    /// Neighbours whose channels are up, be their Hello still on its way.
    pub(crate) fn conns_up(&self) -> Vec<ConnNo> {
        self.peers.iter().filter(|(_, p)| p.state == PeerState::Open).map(|(c, _)| *c).collect()
    }

    pub(crate) fn open_conns(&self) -> Vec<ConnNo> {
        self.peers.iter().filter(|(_, p)| p.is_open()).map(|(c, _)| *c).collect()
    }
}
