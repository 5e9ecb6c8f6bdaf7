//! One neighbour: from dial to goodbye, what it holds, what was asked of it.

pub(crate) mod ask;
pub(crate) mod bucket;
pub(crate) mod channel;
pub(crate) mod choose;
pub(crate) mod claims;
pub(crate) mod electorate;
pub(crate) mod gossip;
pub(crate) mod handshake;
pub(crate) mod hedge;
pub(crate) mod lanes;
pub(crate) mod manners;
pub(crate) mod names;
pub(crate) mod network;
pub(crate) mod offer;
pub(crate) mod throughput;
pub(crate) mod trust;
pub(crate) mod upload;

use crate::sorted::{SortedMap, SortedSet};

use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::wire::{Frame, Frames, Hello, LaneIndex, encode};

use crate::buffer_map::RemoteLane;
use crate::input::{ConnNo, LaneNo, PeerInput};
use crate::mesh::Mesh;
use crate::output::{Event, Output, PeerCommand};
use crate::peer::ask::Ask;
use crate::peer::lanes::TheirLane;
use crate::peer::manners::Delay;
use crate::peer::network::Network;
use crate::peer::throughput::Throughput;
use crate::peer::trust::Budgets;
use crate::scheduler::election::mark;
use crate::scheduler::hearsay::Word;
use crate::segment::SegKey;
use crate::time::{Duration, Time, Wakeup};

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerState {
    /// No channel yet.
    Dialing,
    /// Both channels are up.
    Open,
}

/// A neighbour.
#[derive(Debug)]
pub(crate) struct Peer {
    /// As the edge named it, or as it calls itself since.
    pub(crate) id: PeerId,
    /// As the edge named it when it was dialled.
    pub(crate) named: PeerId,
    /// As far as is known, its edge still calls it by `id`.
    pub(crate) current: bool,
    /// It calls itself `id` although its edge still called it otherwise: that may be somebody else's.
    pub(crate) may_be_another: bool,
    /// Its id in views.
    pub(crate) mark: u64,
    /// This viewer's own id when it dialled: the edge may have given it another since.
    pub(crate) me: Option<PeerId>,
    pub(crate) dial: u32,
    pub(crate) state: PeerState,
    /// Its answer was set.
    pub(crate) answered: bool,
    pub(crate) since: Time,
    pub(crate) hello: Option<Hello>,
    /// Its lanes by its own index.
    pub(crate) lanes: SortedMap<LaneIndex, TheirLane>,
    pub(crate) remote: SortedMap<LaneNo, RemoteLane>,
    pub(crate) speed: Throughput,
    pub(crate) delay: Delay,
    pub(crate) asks: SortedMap<u32, Ask>,
    pub(crate) next_request: u32,
    pub(crate) strikes: u8,
    /// How often it let this viewer down lately, less what it delivered.
    pub(crate) failures: u8,
    /// What its claims and news were worth.
    pub(crate) word: Word,
    /// Its claims and news count for nothing before then.
    pub(crate) ignored_until: Time,
    /// Which of its addresses may be tried.
    pub(crate) network: Network,
    pub(crate) budgets: Budgets,
    /// Records of our lists that were sent to it or shown by it, per segment.
    pub(crate) shown: SortedMap<SegKey, u16>,
    /// The ping on its way, when it was sent, and how long media of this viewer's own held it back.
    pub(crate) ping: Option<(u32, Time, Duration)>,
    pub(crate) next_ping: Time,
    pub(crate) missed_pings: u8,
    pub(crate) not_before: Time,
    pub(crate) peer_bytes: u64,
}

/// Pings go out this often; two without an answer end the connection.
const PING_EVERY: Duration = Duration::from_secs(5);
/// While media flows, the queues that it makes are looked at more often.
const PING_WHILE_SERVING: Duration = Duration::from_secs(1);

impl Peer {
    pub(crate) fn dialing(id: PeerId, me: Option<PeerId>, dial: u32, now: Time) -> Self {
        Self {
            id,
            named: id,
            current: true,
            may_be_another: false,
            me,
            dial,
            state: PeerState::Dialing,
            answered: false,
            since: now,
            hello: None,
            lanes: SortedMap::new(),
            remote: SortedMap::new(),
            speed: Throughput::default(),
            delay: Delay::default(),
            asks: SortedMap::new(),
            next_request: 0,
            strikes: 0,
            failures: 0,
            word: Word::default(),
            mark: mark(id),
            ignored_until: Time::default(),
            network: Network::default(),
            budgets: Budgets::new(now),
            shown: SortedMap::new(),
            ping: None,
            next_ping: now + PING_EVERY,
            missed_pings: 0,
            not_before: Time::default(),
            peer_bytes: 0,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == PeerState::Open && self.hello.is_some()
    }
}

impl Mesh {
    pub(crate) fn on_peer(&mut self, conn: ConnNo, event: PeerInput<'_>) {
        if !self.peers.contains_key(&conn) {
            return;
        }
        match event {
            PeerInput::Described(sdp) => self.on_described(conn, sdp),
            PeerInput::Candidate(line) => self.on_local_candidate(conn, line),
            PeerInput::Opened => self.on_channels_open(conn),
            PeerInput::Frames(bytes) => self.on_frames(conn, bytes),
            PeerInput::Stray(bytes) => self.on_stray(conn, bytes),
            PeerInput::Violation(what) => self.close_peer(conn, Some(what)),
            PeerInput::Drained => self.on_drained(conn),
            PeerInput::Closed => self.close_peer(conn, None),
        }
    }

    fn on_frames(&mut self, conn: ConnNo, bytes: &[u8]) {
        if !self.may_say_more(conn, bytes.len()) {
            return;
        }
        for (n, frame) in Frames::new(bytes).enumerate() {
            match frame {
                Err(_) if self.options.mutant("no-budgets") => return,
                Err(why) => return self.close_peer(conn, Some(&format!("malformed frame: {why}"))),
                // The message itself paid for its first frame.
                Ok(_) if n > 0 && !self.may_say_more(conn, 0) => return,
                Ok(frame) => self.on_frame(conn, frame),
            }
            if !self.peers.contains_key(&conn) {
                return;
            }
        }
    }

    fn on_frame(&mut self, conn: ConnNo, frame: Frame) {
        let greeted = self.peers.get(&conn).is_some_and(|p| p.hello.is_some());
        match frame {
            Frame::Hello(hello) => self.on_hello(conn, hello),
            Frame::Unknown(_) | Frame::Receipt(_) => self.tally.unknown_messages += 1,
            _ if !greeted => self.close_peer(conn, Some("frames before Hello")),
            Frame::Map(map) => self.on_map(conn, map),
            Frame::Delta(delta) => self.on_delta(conn, &delta),
            Frame::Known { segment, age_ms, hops } => self.on_known(conn, segment, age_ms, hops),
            Frame::Fetching(f) => self.on_fetching(conn, &f),
            Frame::Dropped(segment) => self.on_dropped(conn, segment),
            Frame::Lane(change) => self.on_lane_change(conn, change),
            Frame::Identity { peer } => self.on_identity(conn, peer),
            Frame::Request(r) => self.on_request(conn, &r),
            Frame::Queued { request, eta_ms } => self.on_queued(conn, request, eta_ms),
            Frame::Reject { request, reason, queue_ms } => self.on_reject(conn, request, reason, queue_ms),
            Frame::Done { request } => self.on_done(conn, request),
            Frame::Cancel { request } => self.on_cancel(conn, request),
            Frame::Ping { nonce } => self.on_ping(conn, nonce),
            Frame::Pong { nonce, hold_ms } => self.on_pong(conn, nonce, hold_ms),
            Frame::Goodbye { .. } => self.close_peer(conn, None),
            Frame::Data(_) => self.close_peer(conn, Some("media on the control channel")),
        }
    }

    /// Sends one frame on the control channel.
    pub(crate) fn send(&mut self, conn: ConnNo, frame: &Frame) {
        let mut bytes = Vec::new();
        encode(frame, &mut bytes);
        self.push(Output::Peer(conn, PeerCommand::Send(bytes)));
    }

    /// The answer waits behind media of this viewer's own: that is no queue on the way.
    fn on_ping(&mut self, conn: ConnNo, nonce: u32) {
        let hold_ms = u32::try_from(self.uploads.delay(self.now).as_millis()).unwrap_or(u32::MAX);
        self.send(conn, &Frame::Pong { nonce, hold_ms });
    }

    fn on_pong(&mut self, conn: ConnNo, nonce: u32, hold_ms: u32) {
        let (now, serving) = (self.now, self.uploads.is_serving());
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let Some((_, at, held)) = peer.ping.take_if(|(n, ..)| *n == nonce) else { return };
        let rtt = now.since(at);
        peer.speed.round_trip(rtt);
        peer.missed_pings = 0;
        if serving {
            peer.next_ping = peer.next_ping.min(now + PING_WHILE_SERVING);
        }
        self.mind_delay(conn, rtt.saturating_sub(held + Duration::from_millis(hold_ms.into())));
    }

    /// Ends a connection; with a cause it is reported and not dialled again, under none of its ids.
    pub(crate) fn close_peer(&mut self, conn: ConnNo, cause: Option<&str>) {
        let Some(peer) = self.peers.remove(&conn) else { return };
        self.push(Output::Peer(conn, PeerCommand::Close));
        self.uploads.forget_peer(conn);
        if let Some(cause) = cause {
            self.warn("peer-closed", format!("a neighbour was closed: {cause}"));
            self.ban(peer.named);
            if !peer.may_be_another {
                self.ban(peer.id);
            }
            // A name that it only claims may be somebody else's.
            if peer.id == peer.named {
                self.report_bad(peer.id, cause);
            }
        }
        if peer.hello.is_some() {
            self.lost_neighbour();
            let count = self.open_peers();
            self.push(Output::Event(Event::Peer { conn, peer: peer.named.to_string(), up: false, count }));
        }
        if self.options.mutant("stick-to-peer") {
            return;
        }
        self.reassign(conn, &peer);
    }

    /// What was asked of a neighbour that left is asked elsewhere; its claims count no more.
    fn reassign(&mut self, conn: ConnNo, peer: &Peer) {
        for request in peer.asks.keys() {
            self.drop_grants_of_request(conn, *request);
        }
        let mut touched: SortedSet<SegKey> = peer.asks.values().map(|a| a.key).collect();
        for (no, lane) in &mut self.lanes {
            for (msn, seg) in &mut lane.segments {
                seg.hearsay.withdraw(peer.id, conn);
                let before = seg.asked.len();
                seg.asked.retain(|_, (c, _)| *c != conn);
                if seg.asked.len() != before {
                    touched.insert(SegKey { lane: *no, msn: *msn });
                }
            }
        }
        for key in touched {
            self.free_unused_blobs(key);
            self.decide(key);
        }
    }

    pub(crate) fn close_all_peers(&mut self, goodbye: u8) {
        let all: Vec<ConnNo> = self.peers.keys().copied().collect();
        for conn in all {
            if self.peers.get(&conn).is_some_and(Peer::is_open) {
                self.send(conn, &Frame::Goodbye { reason: goodbye });
            }
            self.close_peer(conn, None);
        }
    }

    pub(crate) fn open_peers(&self) -> u32 {
        u32::try_from(self.peers.values().filter(|p| p.is_open()).count()).unwrap_or(u32::MAX)
    }

    pub(crate) fn tick_peers(&mut self) {
        let now = self.now;
        let dial = self.effective.dial;
        let late: Vec<ConnNo> = self
            .peers
            .iter()
            .filter(|(_, p)| p.hello.is_none() && now.since(p.since) > dial)
            .map(|(c, _)| *c)
            .collect();
        for conn in late {
            self.tally.dial_failures += 1;
            self.close_peer(conn, None);
        }
        let due: Vec<ConnNo> =
            self.peers.iter().filter(|(_, p)| p.is_open() && p.next_ping <= now).map(|(c, _)| *c).collect();
        due.into_iter().for_each(|conn| self.ping(conn));
        self.refresh_maps();
    }

    fn ping(&mut self, conn: ConnNo) {
        let now = self.now;
        let nonce = self.fresh();
        let held = self.uploads.delay(now);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        // A timer that fired late says nothing about the neighbour.
        let late = now.since(peer.next_ping) > PING_EVERY;
        if peer.ping.is_some() && !late {
            peer.missed_pings += 1;
        }
        if peer.missed_pings >= 2 {
            return self.close_peer(conn, None);
        }
        peer.ping = Some((nonce, now, held));
        peer.next_ping = now + PING_EVERY;
        self.send(conn, &Frame::Ping { nonce });
    }

    pub(crate) fn peers_wakeup(&self) -> Option<Wakeup> {
        let pings = self.peers.values().filter(|p| p.is_open()).map(|p| p.next_ping);
        let dials = self
            .peers
            .values()
            .filter(|p| p.hello.is_none())
            .map(|p| p.since + self.effective.dial + Duration::from_millis(1));
        let at = pings.chain(dials).chain(self.maps_due()).min()?;
        Some(Wakeup { at, reason: "neighbours" })
    }
}
