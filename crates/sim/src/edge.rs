//! The real hub, shell-less: one session per viewer, one room.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use meshedflow_hub::{
    Admission, Limits, PairingRules, Room, RoomInput, RoomKey, RoomOutput, Salter, Session, SessionInput,
    SessionOutput,
};
use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::topology::Topology;

/// What the edge says to a viewer's socket.
pub(crate) enum Said {
    Text(usize, String),
    Close(usize),
}

/// How the edge treats who comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// As the hub says.
    #[default]
    Honest,
    /// Takes every socket and never says a word.
    Silent,
    /// Welcomes everyone and hangs up at once.
    Drops,
    /// Says again and again that one should come back at once.
    SendsAway,
}

/// The edge.
pub(crate) struct Edge {
    pub(crate) up: bool,
    limits: Arc<Limits>,
    sessions: BTreeMap<usize, Session>,
    ids: BTreeMap<PeerId, usize>,
    room: Room,
    salter: Salter,
    born: u16,
    said: Vec<Said>,
}

impl Edge {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            up: true,
            limits: Arc::new(Limits::default()),
            sessions: BTreeMap::new(),
            ids: BTreeMap::new(),
            room: Room::new(PairingRules::default(), seed),
            salter: Salter::new([1; 32]),
            born: 0,
            said: Vec::new(),
        }
    }

    /// The id that this viewer's connection has.
    pub(crate) fn id_of(&self, viewer: usize) -> Option<PeerId> {
        self.ids.iter().rev().find(|(_, v)| **v == viewer).map(|(id, _)| *id)
    }

    pub(crate) fn open(&mut self, viewer: usize, now_ms: u64) {
        let address = IpAddr::V4(Ipv4Addr::new(198, 51, (viewer / 250) as u8, 1 + (viewer % 250) as u8));
        self.sessions.insert(viewer, Session::new(self.limits.clone(), address, now_ms));
    }

    pub(crate) fn text(&mut self, viewer: usize, now_ms: u64, text: &str) -> Vec<Said> {
        self.tell(viewer, now_ms, SessionInput::Text(text));
        core::mem::take(&mut self.said)
    }

    pub(crate) fn closed(&mut self, viewer: usize, now_ms: u64) -> Vec<Said> {
        self.tell(viewer, now_ms, SessionInput::Closed);
        self.sessions.remove(&viewer);
        core::mem::take(&mut self.said)
    }

    /// A socket broke for so long that its id cannot come back.
    pub(crate) fn expired(&mut self, viewer: usize, now_ms: u64) -> Vec<Said> {
        let peer = self.id_of(viewer);
        self.tell(viewer, now_ms, SessionInput::Closed);
        self.sessions.remove(&viewer);
        if let Some(peer) = peer {
            self.tell_room(now_ms, RoomInput::Leave(peer));
        }
        core::mem::take(&mut self.said)
    }

    /// Time passes at the edge; returns what it says and when to come again.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Vec<Said> {
        let ids: Vec<usize> = self.sessions.keys().copied().collect();
        for v in ids {
            // Sockets of the model answer every ping at once.
            self.tell(v, now_ms, SessionInput::Alive);
            if let Some(s) = self.sessions.get_mut(&v) {
                s.handle_timeout(now_ms);
            }
            self.drain(v, now_ms);
        }
        self.room.handle_timeout(now_ms);
        self.drain_room(now_ms);
        core::mem::take(&mut self.said)
    }

    fn tell(&mut self, viewer: usize, now_ms: u64, input: SessionInput<'_>) {
        if let Some(s) = self.sessions.get_mut(&viewer) {
            s.handle_input(now_ms, input);
        }
        self.drain(viewer, now_ms);
    }

    fn drain(&mut self, viewer: usize, now_ms: u64) {
        while let Some(output) = self.sessions.get_mut(&viewer).and_then(Session::poll_output) {
            match output {
                SessionOutput::Send(text) => self.said.push(Said::Text(viewer, text)),
                SessionOutput::Admit(join) => self.admit(viewer, now_ms, join),
                SessionOutput::Deliver { to, relay } => match self.ids.get(&to).copied() {
                    Some(other) => self.tell(other, now_ms, SessionInput::Relayed(relay)),
                    None => self.tell(viewer, now_ms, SessionInput::Undelivered(to)),
                },
                SessionOutput::Room(_, input) => self.tell_room(now_ms, input),
                SessionOutput::Close(..) => self.said.push(Said::Close(viewer)),
                _ => {}
            }
        }
    }

    fn admit(&mut self, viewer: usize, now_ms: u64, join: Box<meshedflow_protocol::signal::Join>) {
        self.born += 1;
        let peer = PeerId::compose(1, 0, viewer as u32, self.born, [viewer as u8; 6]);
        self.ids.insert(peer, viewer);
        let weights = self.room.weights(&join.lanes);
        let admission = Admission {
            peer,
            resumed: false,
            resume_refused: false,
            subject: None,
            room: RoomKey { stream: join.stream.clone(), bucket: 0 },
            until: None,
            resume: format!("{viewer:032x}"),
            ice_servers: Vec::new(),
            weights,
            salter: self.salter.clone(),
            salt_delay_ms: 0,
            topology: Topology::default(),
            policy_version: None,
            join,
        };
        self.tell(viewer, now_ms, SessionInput::Admitted(Box::new(admission)));
    }

    fn tell_room(&mut self, now_ms: u64, input: RoomInput) {
        self.room.handle_input(now_ms, input);
        self.drain_room(now_ms);
    }

    fn drain_room(&mut self, now_ms: u64) {
        while let Some(output) = self.room.poll_output() {
            match output {
                RoomOutput::Propose { to, proposals } => {
                    self.tell_id(to, now_ms, SessionInput::Proposed(proposals))
                }
                RoomOutput::Known { to, neighbours } => {
                    self.tell_id(to, now_ms, SessionInput::Known(neighbours))
                }
                RoomOutput::Gone { to, peer } => self.tell_id(to, now_ms, SessionInput::Gone(peer)),
                RoomOutput::Weight { to, lane, weight } => self.tell_weight(&to, now_ms, &lane, weight),
                RoomOutput::Refused { to } => self.tell_id(to, now_ms, SessionInput::ProposalsRefused),
            }
        }
    }

    fn tell_weight(&mut self, to: &[PeerId], now_ms: u64, lane: &Name, weight: f64) {
        for id in to {
            self.tell_id(*id, now_ms, SessionInput::Weight(lane, weight));
        }
    }

    fn tell_id(&mut self, id: PeerId, now_ms: u64, input: SessionInput<'_>) {
        if let Some(viewer) = self.ids.get(&id).copied() {
            self.tell(viewer, now_ms, input);
        }
    }
}
