//! What all connections of an edge share, and what happens when one of them joins or leaves.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::net::IpAddr;
use std::sync::Arc;

use meshedflow_hub::{
    Admission, Denial, Limits, MINUTE_MS, Owner, Place, ResumeHash, RoomInput, RoomKey, RoomOutput, Salter,
    Subject, secret_text,
};
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::policy::Patch;
use meshedflow_protocol::signal::{ErrorCode, Join, PolicyPush};
use meshedflow_protocol::topology::Topology;

use crate::auth::{Auth, Open};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::files::{self, FileShortage};
use crate::lobby::{Lobby, Presence, Ticket};
use crate::metrics::{Metrics, add};
use crate::permits::Permits;
use crate::queue::{Mail, Pushed, QueueLimits};
use crate::rooms::{Memory, Registry, Rooms, SharedRoom};
use crate::seats::{Seats, lock};
use crate::ticker;

/// An edge at work; clones share it. It needs a Tokio runtime around it.
#[derive(Clone)]
pub struct EdgeState(pub(crate) Arc<Edge>);

pub(crate) struct Edge {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) limits: Arc<Limits>,
    pub(crate) seats: Seats,
    pub(crate) rooms: Rooms,
    pub(crate) permits: Arc<Permits>,
    pub(crate) metrics: Metrics,
    pub(crate) auth: Box<dyn Auth>,
    pub(crate) registry: Box<dyn Registry>,
    pub(crate) policy: Option<Policy>,
    pub(crate) draining: AtomicBool,
    file_shortage: Option<FileShortage>,
    lobby: Lobby,
    salter: Salter,
    seeds: AtomicU64,
}

/// The policy document that `/policy` serves.
pub(crate) struct Policy {
    pub(crate) bytes: Vec<u8>,
    version: Option<u32>,
}

/// A member's place at this edge, held by its connection.
pub(crate) struct Seat {
    pub(crate) owner: Owner,
    key: RoomKey,
    room: SharedRoom,
    resume: ResumeHash,
    presence: Presence,
}

impl EdgeState {
    /// An edge that goes by `config`, alone.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Self::with(config, Box::new(Open), Box::new(Memory::default()))
    }

    /// An edge with its own admission and registry.
    pub fn with(
        config: Config,
        auth: Box<dyn Auth>,
        registry: Box<dyn Registry>,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let limits = &config.limits;
        let file_shortage = files::shortage(limits.connections, files::raise());
        let connections = file_shortage.map_or(limits.connections, |shortage| shortage.granted);
        let queue = QueueLimits { messages: limits.queue_messages, bytes: limits.queue_bytes };
        let clock = Clock::start();
        let edge = Arc::new(Edge {
            clock,
            limits: Arc::new(config.session_limits()),
            // Parked viewers keep their seats for a minute: there are more seats than connections.
            seats: Seats::new(config.edge, limits.connections * 2, queue),
            rooms: Rooms::new(config.pairing_rules()),
            permits: Permits::new(connections, limits.connections_per_address),
            file_shortage,
            metrics: Metrics::default(),
            auth,
            registry,
            policy: config.policy_file.as_deref().map(Policy::read).transpose()?,
            draining: AtomicBool::new(false),
            lobby: Lobby::new(clock, limits.joins_per_minute, limits.connections_per_address),
            salter: Salter::new(secret(&config)?),
            seeds: AtomicU64::new(u64::from_le_bytes(random())),
            config,
        });
        ticker::start(&edge);
        Ok(Self(edge))
    }

    /// Pushes something about the policy to every viewer: pages only let it tighten.
    pub async fn push_policy(&self, push: PolicyPush) {
        let push = Arc::new(push);
        self.0.tell_all(|_| Mail::Policy(push.clone())).await;
    }

    /// Set if the system does not let this process open as many files as the config allows connections: something an
    /// operator should be told. The limit on open files has been raised as far as it goes by then.
    pub fn file_shortage(&self) -> Option<FileShortage> {
        self.0.file_shortage
    }

    /// What the edge counted.
    pub fn metrics_text(&self) -> String {
        let edge = &self.0;
        edge.metrics.text(edge.rooms.count(), edge.permits.most(), edge.draining.load(Relaxed))
    }
}

impl Policy {
    fn read(path: &std::path::Path) -> Result<Self, ConfigError> {
        let bytes = std::fs::read(path).map_err(|e| ConfigError::File(path.to_owned(), e.to_string()))?;
        let read = Patch::parse(&bytes).map_err(|e| ConfigError::File(path.to_owned(), format!("{e:?}")))?;
        Ok(Self { bytes, version: read.0.version })
    }
}

/// The cluster's secret, or a fresh one.
fn secret(config: &Config) -> Result<[u8; 32], ConfigError> {
    match (&config.secret, config.secret_bytes()) {
        (None, _) => Ok(random()),
        (Some(_), Some(bytes)) => Ok(bytes),
        (Some(_), None) => config.check().map(|()| [0; 32]),
    }
}

/// Bytes from the system. Without them no secret is safe, and an edge must not go on.
#[allow(clippy::expect_used)]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

impl Edge {
    /// Judges a join, and finds the viewer a seat and a room.
    pub(crate) fn admit(
        &self,
        join: Box<Join>,
        address: IpAddr,
        origin: Option<&str>,
    ) -> Result<(Seat, Box<Admission>), Denial> {
        let now_ms = self.clock.now_ms();
        if self.draining.load(Relaxed) {
            return Err(denial(ErrorCode::ShuttingDown, "this edge is about to stop", Some(1_000)));
        }
        let admitted = self.auth.admit(&join, origin, now_ms)?;
        let claim = Owner {
            peer: PeerId::default(),
            subject: admitted.subject,
            origin: origin.map(str::to_owned),
            stream: join.stream.to_string(),
        };
        let subject = claim.subject.as_deref().map(Subject::of);
        let household = Place::new(address).household();
        let back = join.resume.as_deref().and_then(|secret| self.come_back(secret, &claim, now_ms));
        let resumed = back.is_some();
        let presence = match resumed {
            true => self.lobby.resume(household, subject),
            false => self.lobby.join(household, subject).map_err(too_many_joins)?,
        };
        let full = || denial(ErrorCode::Full, "this edge is full", Some(30_000));
        let (peer, key, room) = back.or_else(|| self.find_place(&join)).ok_or_else(full)?;
        add(if resumed { &self.metrics.resumed } else { &self.metrics.joins }, 1);
        let secret = secret_text(random());
        let (owner, resume) = (Owner { peer, ..claim }, ResumeHash::of(&secret));
        let seat = Seat { owner, key: key.clone(), room, resume, presence };
        let admission = Admission {
            peer,
            resumed,
            resume_refused: join.resume.is_some() && !resumed,
            subject,
            room: key,
            until: admitted.until,
            resume: secret,
            ice_servers: self.config.ice_servers.clone(),
            weights: lock(&seat.room).weights(&join.lanes),
            salter: self.salter.clone(),
            salt_delay_ms: self.salt_delay_ms(peer),
            topology: self.topology(address),
            policy_version: self.policy.as_ref().and_then(|policy| policy.version),
            join,
        };
        Ok((seat, Box::new(admission)))
    }

    fn come_back(&self, secret: &str, claim: &Owner, now_ms: u64) -> Option<(PeerId, RoomKey, SharedRoom)> {
        match self.lobby.claim(secret, claim, now_ms) {
            Ticket::Back(peer, key) if self.seats.come_back(peer) => {
                let room = self.rooms.find(&key)?;
                Some((peer, key, room))
            }
            Ticket::Back(peer, key) | Ticket::Spent(peer, key) => {
                self.forget(peer, &key);
                None
            }
            Ticket::Unknown => None,
        }
    }

    fn find_place(&self, join: &Join) -> Option<(PeerId, RoomKey, SharedRoom)> {
        let peer = self.take_seat()?;
        let Some((key, room)) = self.rooms.enter(&join.stream, self.seeds.fetch_add(1, Relaxed)) else {
            self.seats.free(peer);
            return None;
        };
        self.metrics.members.fetch_add(1, Relaxed);
        Some((peer, key, room))
    }

    /// A seat; if all are taken, that of the identity which waits the longest.
    fn take_seat(&self) -> Option<PeerId> {
        loop {
            if let Some(peer) = self.seats.take(random()) {
                return Some(peer);
            }
            let (evicted, key) = self.lobby.pop_oldest()?;
            self.forget(evicted, &key);
        }
    }

    /// New salts leave within a quarter of a millisecond per connection, up to a quarter of a minute.
    fn salt_delay_ms(&self, peer: PeerId) -> u64 {
        let spread = (self.permits.total() as u64 / 4).min(MINUTE_MS / 4);
        if spread == 0 { 0 } else { u64::from(peer.slot()).wrapping_mul(0x9E37_79B9) % spread }
    }

    /// What is known of an address: nothing yet beyond its prefix, which the hub reads itself.
    fn topology(&self, _: IpAddr) -> Topology {
        Topology::default()
    }

    /// Tells a room, and carries out what it asks. Mail is put into queues under the room's lock, so that viewers hear
    /// of each other in the order in which the room decided.
    pub(crate) fn tell_room(&self, room: &SharedRoom, input: RoomInput) {
        let mut room = lock(room);
        room.handle_input(self.clock.now_ms(), input);
        while let Some(output) = room.poll_output() {
            self.perform(output);
        }
    }

    fn perform(&self, output: RoomOutput) {
        match output {
            RoomOutput::Propose { to, proposals } => {
                add(&self.metrics.proposals, proposals.len());
                self.post(to, Mail::Proposed(proposals));
            }
            RoomOutput::Known { to, neighbours } => self.post(to, Mail::Known(neighbours)),
            RoomOutput::Gone { to, peer } => self.post(to, Mail::Gone(peer)),
            RoomOutput::Refused { to } => self.post(to, Mail::ProposalsRefused),
            RoomOutput::Weight { to, lane, weight } => {
                let weight = Arc::new((lane, weight));
                to.into_iter().for_each(|to| self.post(to, Mail::Weight(weight.clone())));
            }
        }
    }

    /// Puts mail into a queue and counts what that cost.
    pub(crate) fn push(&self, to: PeerId, mail: Mail) -> Pushed {
        let pushed = self.seats.push(to, mail);
        match pushed {
            Pushed::Queued { dropped: 0 } | Pushed::Absent => {}
            Pushed::Queued { dropped } | Pushed::Dropped { dropped } => {
                add(&self.metrics.signals_dropped, dropped);
            }
            Pushed::Overflowed => add(&self.metrics.queues_overflowed, 1),
        }
        pushed
    }

    /// Like [`Edge::push`], for mail that nobody misses when the recipient is gone.
    fn post(&self, to: PeerId, mail: Mail) {
        self.push(to, mail);
    }

    /// A member's socket broke: its identity waits a minute.
    pub(crate) fn park(&self, seat: Seat) {
        let (peer, now_ms) = (seat.owner.peer, self.clock.now_ms());
        self.seats.leave(peer);
        let evicted = self.lobby.park(seat.resume, seat.owner, seat.key, &seat.presence, now_ms);
        evicted.iter().for_each(|(peer, key)| self.forget(*peer, key));
    }

    /// A member said goodbye, or was shown the door; its room knows already.
    pub(crate) fn release(&self, peer: PeerId, key: &RoomKey) {
        self.seats.free(peer);
        self.metrics.members.fetch_sub(1, Relaxed);
        self.registry.publish(key, self.rooms.exit(key));
    }

    /// A parked member will not come back.
    fn forget(&self, peer: PeerId, key: &RoomKey) {
        if let Some(room) = self.rooms.find(key) {
            self.tell_room(&room, RoomInput::Leave(peer));
        }
        self.release(peer, key);
    }

    /// Ends the identities whose minute is over.
    pub(crate) fn forget_expired(&self) {
        self.lobby.expired(self.clock.now_ms()).iter().for_each(|(peer, key)| self.forget(*peer, key));
    }

    /// Puts mail into every queue, a few at a time, so that others are served in between.
    pub(crate) async fn tell_all(&self, mut mail: impl FnMut(PeerId) -> Mail) {
        let all: Vec<PeerId> = self.seats.present().collect();
        for some in all.chunks(SLICE) {
            some.iter().for_each(|peer| self.post(*peer, mail(*peer)));
            tokio::time::sleep(SLICE_PAUSE).await;
        }
    }

    /// What weights and other news to many are sent by.
    pub(crate) async fn tell_many(&self, output: RoomOutput) {
        let RoomOutput::Weight { to, lane, weight } = output else { return self.perform(output) };
        let weight = Arc::new((lane, weight));
        for some in to.chunks(SLICE) {
            some.iter().for_each(|to| self.post(*to, Mail::Weight(weight.clone())));
            tokio::time::sleep(SLICE_PAUSE).await;
        }
    }
}

/// Queues written to at once when many get the same news.
const SLICE: usize = 32;
const SLICE_PAUSE: core::time::Duration = core::time::Duration::from_millis(2);

impl Seat {
    pub(crate) fn peer(&self) -> PeerId {
        self.owner.peer
    }

    pub(crate) fn room(&self) -> &SharedRoom {
        &self.room
    }

    pub(crate) fn key(&self) -> &RoomKey {
        &self.key
    }
}

fn too_many_joins(wait_ms: u32) -> Denial {
    denial(ErrorCode::RateLimited, "too many joins from this address or of this subject", Some(wait_ms))
}

fn denial(code: ErrorCode, message: &str, retry_after_ms: Option<u32>) -> Denial {
    Denial { code, message: message.into(), retry_after_ms }
}
