//! The edge of a swarm: the real hub, with as many rooms as the viewers need.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use meshedflow_hub::{
    Admission, Limits, PairingRules, Room, RoomInput, RoomKey, RoomOutput, Salter, Session, SessionInput,
    SessionOutput,
};
use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::signal::Join;
use meshedflow_protocol::topology::Topology;

use super::post::{EDGE, Letter, What};
use crate::edge::Mood;
use crate::event::Micros;

/// From a viewer to the edge, and back.
pub(super) const WAY_US: Micros = 15_000;

/// The edge.
pub(super) struct Hall {
    pub(super) up: bool,
    pub(super) mood: Mood,
    limits: Arc<Limits>,
    rules: PairingRules,
    seed: u64,
    sessions: BTreeMap<u32, Seat>,
    rooms: Vec<Room>,
    salter: Salter,
    born: u16,
    now: Micros,
    seq: u32,
    out: Vec<Letter>,
}

struct Seat {
    session: Session,
    room: Option<usize>,
    id: Option<PeerId>,
}

impl Hall {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            up: true,
            mood: Mood::Honest,
            limits: Arc::new(Limits::default()),
            rules: PairingRules::default(),
            seed,
            sessions: BTreeMap::new(),
            rooms: Vec::new(),
            salter: Salter::new([1; 32]),
            born: 0,
            now: 0,
            seq: 0,
            out: Vec::new(),
        }
    }

    fn now_ms(&self) -> u64 {
        self.now / 1_000
    }

    /// What viewers sent arrives; returns what the edge says.
    pub(super) fn hear(&mut self, letters: Vec<Letter>) -> Vec<Letter> {
        for letter in letters {
            self.now = self.now.max(letter.at);
            match letter.what {
                What::Dial => self.dial(letter.from),
                What::Text(text) => self.text(letter.from, &text),
                What::Hangup | What::Left => self.hang_up(letter.from),
                _ => {}
            }
        }
        core::mem::take(&mut self.out)
    }

    /// Comes up or goes down.
    pub(super) fn set_up(&mut self, now: Micros, up: bool) -> Vec<Letter> {
        self.now = self.now.max(now);
        self.up = up;
        if !up {
            let open: Vec<u32> = self.sessions.keys().copied().collect();
            for v in open {
                self.hang_up(v);
                self.say(v, What::SocketClosed);
            }
        }
        core::mem::take(&mut self.out)
    }

    /// Time passes at the edge.
    pub(super) fn tick(&mut self, now: Micros) -> Vec<Letter> {
        self.now = self.now.max(now);
        let ms = self.now_ms();
        let all: Vec<u32> = self.sessions.keys().copied().collect();
        for v in all {
            if let Some(seat) = self.sessions.get_mut(&v) {
                // Sockets of the model answer every ping at once.
                seat.session.handle_input(ms, SessionInput::Alive);
                seat.session.handle_timeout(ms);
            }
            self.drain(v);
        }
        for i in 0..self.rooms.len() {
            self.rooms[i].handle_timeout(ms);
            self.drain_room(i);
        }
        core::mem::take(&mut self.out)
    }

    fn say(&mut self, to: u32, what: What) {
        self.seq = self.seq.wrapping_add(1);
        self.out.push(Letter { at: self.now + WAY_US, to, from: EDGE, seq: self.seq, what });
    }

    fn dial(&mut self, v: u32) {
        if !self.up {
            return self.say(v, What::SocketClosed);
        }
        self.hang_up(v);
        let [_, a, b, c] = v.to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(20 + a, b, c, 1));
        let session = Session::new(self.limits.clone(), address, self.now_ms());
        self.sessions.insert(v, Seat { session, room: None, id: None });
        self.say(v, What::SocketOpen);
    }

    fn text(&mut self, v: u32, text: &str) {
        if !self.up || self.mood == Mood::Silent {
            return;
        }
        self.tell(v, SessionInput::Text(text));
        match self.mood {
            Mood::Drops => {
                self.hang_up(v);
                self.say(v, What::SocketClosed);
            }
            Mood::SendsAway => self.say(v, What::Text(r#"{"reconnect":{"afterMs":0}}"#.into())),
            _ => {}
        }
    }

    fn hang_up(&mut self, v: u32) {
        self.tell(v, SessionInput::Closed);
        self.sessions.remove(&v);
    }

    fn tell(&mut self, v: u32, input: SessionInput<'_>) {
        let ms = self.now_ms();
        if let Some(seat) = self.sessions.get_mut(&v) {
            seat.session.handle_input(ms, input);
        }
        self.drain(v);
    }

    fn drain(&mut self, v: u32) {
        while let Some(output) = self.sessions.get_mut(&v).and_then(|s| s.session.poll_output()) {
            match output {
                SessionOutput::Send(text) => self.say(v, What::Text(text.into())),
                SessionOutput::Admit(join) => self.admit(v, join),
                SessionOutput::Deliver { to, relay } => {
                    let here = self.sessions.get(&to.slot()).is_some_and(|s| s.id == Some(to));
                    match here {
                        true => self.tell(to.slot(), SessionInput::Relayed(relay)),
                        false => self.tell(v, SessionInput::Undelivered(to)),
                    }
                }
                SessionOutput::Room(_, input) => self.tell_room(v, input),
                SessionOutput::Close(..) => self.say(v, What::SocketClosed),
                _ => {}
            }
        }
    }

    /// The fullest room that is not full, as an edge chooses.
    fn room(&mut self) -> usize {
        let open = (0..self.rooms.len()).filter(|i| !self.rooms[*i].is_full());
        open.max_by_key(|i| (self.rooms[*i].len(), usize::MAX - i)).unwrap_or_else(|| {
            let seed = self.seed.wrapping_add(self.rooms.len() as u64);
            self.rooms.push(Room::new(self.rules.clone(), seed));
            self.rooms.len() - 1
        })
    }

    fn admit(&mut self, v: u32, join: Box<Join>) {
        self.born = self.born.wrapping_add(1);
        let room = self.room();
        let [.., a, b, c, d] = (self.seed ^ u64::from(v) ^ u64::from(self.born) << 32)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .to_be_bytes();
        let peer = PeerId::compose(1, 0, v, self.born, [a, b, c, d, 1, 2]);
        if let Some(seat) = self.sessions.get_mut(&v) {
            (seat.room, seat.id) = (Some(room), Some(peer));
        }
        let admission = Admission {
            peer,
            resumed: false,
            resume_refused: false,
            subject: None,
            room: RoomKey { stream: join.stream.clone(), bucket: room as u16 },
            until: None,
            resume: format!("{v:032x}"),
            ice_servers: Vec::new(),
            weights: self.rooms[room].weights(&join.lanes),
            salter: self.salter.clone(),
            salt_delay_ms: u64::from(v % 5_000),
            topology: Topology::default(),
            policy_version: None,
            join,
        };
        self.say(v, What::Named(peer));
        self.tell(v, SessionInput::Admitted(Box::new(admission)));
    }

    fn tell_room(&mut self, v: u32, input: RoomInput) {
        let Some(room) = self.sessions.get(&v).and_then(|s| s.room) else { return };
        let ms = self.now_ms();
        self.rooms[room].handle_input(ms, input);
        self.drain_room(room);
    }

    fn drain_room(&mut self, room: usize) {
        while let Some(output) = self.rooms[room].poll_output() {
            match output {
                RoomOutput::Propose { to, proposals } => self.tell_id(to, SessionInput::Proposed(proposals)),
                RoomOutput::Known { to, neighbours } => self.tell_id(to, SessionInput::Known(neighbours)),
                RoomOutput::Gone { to, peer } => self.tell_id(to, SessionInput::Gone(peer)),
                RoomOutput::Weight { to, lane, weight } => self.tell_weight(&to, &lane, weight),
                RoomOutput::Refused { to } => self.tell_id(to, SessionInput::ProposalsRefused),
            }
        }
    }

    fn tell_weight(&mut self, to: &[PeerId], lane: &Name, weight: f64) {
        for id in to {
            self.tell_id(*id, SessionInput::Weight(lane, weight));
        }
    }

    fn tell_id(&mut self, id: PeerId, input: SessionInput<'_>) {
        if self.sessions.get(&id.slot()).is_some_and(|s| s.id == Some(id)) {
            self.tell(id.slot(), input);
        }
    }
}
