//! Whom to know: the edge socket, the proposals it makes, and dialling them.

use crate::sorted::{SortedMap, SortedSet};
use core::time::Duration;

use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::signal::{
    Bad, ClientMessage, Join, Lanes, Leave, Need, Parsed, Proposal, ServerMessage, Signal, Welcome,
    parse_server,
};
use meshedflow_protocol::wire::{WIRE_MAX, WIRE_MIN};

use crate::input::{ConnNo, LaneNo, SignalInput};
use crate::mesh::Mesh;
use crate::output::{IceServer, Output, PeerCommand};
use crate::peer::{Peer, PeerState};
use crate::time::{Time, Wakeup};

/// This viewer at its edge.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    pub(crate) link: Link,
    pub(crate) me: Option<PeerId>,
    pub(crate) salt: Vec<u8>,
    resume: Option<String>,
    ice_servers: Vec<IceServer>,
    failures: u32,
    next_dial: u32,
    /// Proposed but not dialled yet.
    waiting: Vec<Proposal>,
    /// Proposed here; only these may open a connection to this viewer.
    expected: SortedMap<PeerId, Time>,
    /// Closed for cause: not dialled again in this session.
    pub(crate) banned: SortedSet<PeerId>,
    next_need: Time,
    joined_lanes: SortedSet<Name>,
}

impl Roster {
    /// On the way to the edge, not there yet.
    pub(crate) fn is_joining(&self) -> bool {
        matches!(self.link, Link::Connecting | Link::Joining)
    }
}

/// State of the edge socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nobody asked for it.
    #[default]
    Idle,
    /// Being opened.
    Connecting,
    /// Join was sent.
    Joining,
    /// Welcomed.
    Joined,
    /// Lost; tried again then.
    Waiting(Time),
}

/// Ids that may be remembered as banned or expected.
const ID_LIMIT: usize = 256;

impl Mesh {
    /// The lane has a name: go to the edge with it, if anything may be shared at all.
    pub(crate) fn join_lane(&mut self, no: LaneNo) {
        if self.may_mesh().is_err() {
            return;
        }
        match self.roster.link {
            Link::Idle => self.connect_edge(),
            Link::Joined => self.say_lanes(),
            _ => {}
        }
        self.tell_lane_to_peers(no);
    }

    fn connect_edge(&mut self) {
        let Some(url) = self.options.signaling_url.clone() else { return };
        self.roster.link = Link::Connecting;
        self.push(Output::Connect(url));
    }

    pub(crate) fn on_signal(&mut self, event: SignalInput<'_>) {
        match event {
            SignalInput::Opened => self.say_join(),
            SignalInput::Text(text) => self.on_edge_text(text),
            SignalInput::Closed => self.on_edge_closed(),
        }
    }

    fn say(&mut self, message: &ClientMessage) {
        self.push(Output::Say(message.to_json()));
    }

    fn say_join(&mut self) {
        let Ok(stream) = Name::new(self.options.stream_id.clone()) else {
            let text =
                format!("streamId {:?}: expected 1 to 128 of [A-Za-z0-9._~/-]", self.options.stream_id);
            return self.warn("bad-stream-id", text);
        };
        self.roster.link = Link::Joining;
        let lanes = self.lane_names();
        self.roster.joined_lanes = lanes.iter().cloned().collect();
        let join = Join {
            wire: [WIRE_MIN, WIRE_MAX],
            stream,
            label: self.options.peer_id.clone().and_then(|l| Name::new(l).ok()),
            lanes,
            token: self.options.token.clone(),
            topology_hint: None,
            class: self.my_class_for_edge(),
            resume: self.roster.resume.take(),
        };
        self.say(&ClientMessage::Join(Box::new(join)));
    }

    /// Renditions of the media lanes that take part, at most 8.
    fn lane_names(&self) -> Vec<Name> {
        let media =
            self.lanes.iter().filter(|(_, l)| l.is_media() && l.refused.is_none() && l.anchor.is_some());
        // Video first: the edge pairs by the first lanes.
        let named: SortedMap<_, _> =
            media.filter_map(|(no, l)| Some(((l.info.kind, *no), self.rendition_name(*no)?))).collect();
        named.into_iter().map(|(_, name)| name).take(8).collect()
    }

    fn say_lanes(&mut self) {
        let now: SortedSet<Name> = self.lane_names().into_iter().collect();
        let add: Vec<Name> = now.difference(&self.roster.joined_lanes).cloned().collect();
        if add.is_empty() {
            return;
        }
        self.roster.joined_lanes = now;
        self.say(&ClientMessage::Lanes(Lanes { add, drop: Vec::new() }));
    }

    fn on_edge_text(&mut self, text: &str) {
        match parse_server(text) {
            Ok(Parsed::Known(message)) => self.on_edge_message(message),
            Ok(_) => self.tally.unknown_messages += 1,
            Err(why) => self.warn("edge-message", format!("a message of the edge is not understood: {why}")),
        }
    }

    fn on_edge_message(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Welcome(welcome) => self.on_welcome(*welcome),
            ServerMessage::Peers(proposals) => self.on_proposals(proposals.0),
            ServerMessage::Signal(signal) => self.on_peer_signal(signal),
            ServerMessage::Gone(gone) => self.on_gone(gone.peer),
            ServerMessage::Salt(salt) => self.roster.salt = salt.current.0.to_vec(),
            ServerMessage::Policy(push) => self.on_policy_push(push),
            ServerMessage::Reconnect(r) => self.reconnect_after(Duration::from_millis(r.after_ms.into())),
            ServerMessage::Error(e) => {
                self.warn("edge-refused", format!("the edge refused: {:?} {}", e.code, e.message));
            }
            ServerMessage::Weights(_) => {}
        }
    }

    fn on_welcome(&mut self, w: Welcome) {
        self.roster.link = Link::Joined;
        self.roster.failures = 0;
        self.roster.me = Some(w.peer);
        self.roster.salt = w.salt.current.0.to_vec();
        self.roster.resume = (!w.resume.is_empty()).then_some(w.resume);
        let allowed: Vec<IceServer> =
            w.ice_servers.into_iter().filter_map(|s| self.allowed_server(s)).take(4).collect();
        self.roster.ice_servers = allowed;
        self.roster.next_need = self.now + NEED_EVERY;
        self.say_lanes();
    }

    /// ICE servers of an edge count only at hosts that the page allows: the edge's own, or listed ones.
    fn allowed_server(&self, s: meshedflow_protocol::signal::IceServer) -> Option<IceServer> {
        let own = self.options.signaling_url.as_deref().map(host_of);
        let fits = |url: &String| {
            let host = host_of(url);
            Some(host) == own || self.options.ice_server_hosts.iter().any(|h| h == host)
        };
        let urls: Vec<String> = s.urls.into_iter().filter(fits).collect();
        (!urls.is_empty()).then_some(IceServer { urls, username: s.username, credential: s.credential })
    }

    fn on_proposals(&mut self, proposals: Vec<Proposal>) {
        for p in proposals {
            let known = self.peers.values().any(|q| q.id == p.peer) || self.roster.banned.contains(&p.peer);
            if known || Some(p.peer) == self.roster.me || self.roster.expected.len() >= ID_LIMIT {
                continue;
            }
            self.roster.expected.insert(p.peer, self.now);
            if p.initiate && self.roster.waiting.len() < 64 {
                self.roster.waiting.push(p);
            }
        }
        self.dial_waiting();
    }

    /// Dials proposals within the limits of parallel dials and neighbours.
    fn dial_waiting(&mut self) {
        while !self.roster.waiting.is_empty() {
            let dialling = self.peers.values().filter(|p| p.state == PeerState::Dialing).count();
            if dialling >= self.effective.dial_parallel || self.peers.len() >= self.effective.peers_max {
                return;
            }
            let p = self.roster.waiting.remove(0);
            self.roster.next_dial = self.roster.next_dial.wrapping_add(1);
            let conn = self.open_peer(p.peer, self.roster.next_dial);
            self.push(Output::Peer(conn, PeerCommand::Offer));
        }
    }

    /// Makes the connection object for a dial.
    pub(crate) fn open_peer(&mut self, id: PeerId, dial: u32) -> ConnNo {
        let conn = ConnNo(self.fresh());
        self.peers.insert(conn, Peer::dialing(id, dial, self.now));
        let open = PeerCommand::Open {
            ice_servers: self.roster.ice_servers.clone(),
            relay_only: self.effective.relay_only,
        };
        self.push(Output::Peer(conn, open));
        conn
    }

    /// Was this viewer proposed here (so that its offer is no surprise)?
    pub(crate) fn is_expected(&self, id: PeerId) -> bool {
        self.roster.expected.contains_key(&id) && !self.roster.banned.contains(&id)
    }

    fn on_gone(&mut self, id: PeerId) {
        self.roster.expected.remove(&id);
        self.roster.waiting.retain(|p| p.peer != id);
        // A channel that is up outlives the other side's edge socket.
        let conn =
            self.peers.iter().find(|(_, p)| p.id == id && p.state == PeerState::Dialing).map(|(c, _)| *c);
        if let Some(conn) = conn {
            self.close_peer(conn, None);
        }
    }

    pub(crate) fn signal_to(&mut self, signal: Signal) {
        if self.roster.link == Link::Joined {
            self.say(&ClientMessage::Signal(signal));
        }
    }

    /// Reports a viewer that lied.
    pub(crate) fn report_bad(&mut self, id: PeerId, reason: &str) {
        if self.roster.banned.len() < ID_LIMIT {
            self.roster.banned.insert(id);
        }
        if self.roster.link == Link::Joined {
            let reason = reason.chars().take(200).collect();
            self.say(&ClientMessage::Bad(Bad { peer: id, reason }));
        }
    }

    fn on_edge_closed(&mut self) {
        if matches!(self.roster.link, Link::Idle | Link::Waiting(_)) {
            return;
        }
        self.roster.failures = self.roster.failures.saturating_add(1);
        let wait = Duration::from_secs(1 << self.roster.failures.min(5)).mul_f64(0.5 + self.rng.fraction());
        if self.options.mutant("give-up-edge") {
            return self.wait_for_edge(Duration::from_secs(86_400));
        }
        self.wait_for_edge(wait);
    }

    fn reconnect_after(&mut self, wait: Duration) {
        self.push(Output::Disconnect);
        self.wait_for_edge(wait.min(Duration::from_secs(120)));
    }

    fn wait_for_edge(&mut self, wait: Duration) {
        self.roster.link = Link::Waiting(self.now + wait);
        self.roster.waiting.clear();
        self.roster.expected.clear();
        self.roster.joined_lanes.clear();
    }

    pub(crate) fn leave_edge(&mut self) {
        if self.roster.link == Link::Joined {
            self.say(&ClientMessage::Leave(Leave {}));
        }
        if !matches!(self.roster.link, Link::Idle | Link::Waiting(_)) {
            self.push(Output::Disconnect);
        }
        let banned = core::mem::take(&mut self.roster.banned);
        self.roster = Roster { banned, ..Roster::default() };
    }

    pub(crate) fn tick_roster(&mut self) {
        let ready = self.lanes.values().any(|l| l.anchor.is_some());
        match self.roster.link {
            Link::Waiting(at) if at <= self.now && self.may_mesh().is_ok() => self.connect_edge(),
            Link::Idle if ready && self.may_mesh().is_ok() => self.connect_edge(),
            Link::Joined => self.ask_for_more(),
            _ => {}
        }
    }

    /// Too few neighbours: ask the edge, a few times a minute at most.
    fn ask_for_more(&mut self) {
        self.dial_waiting();
        if self.now < self.roster.next_need || self.peers.len() >= self.effective.peers_min {
            return;
        }
        self.roster.next_need = self.now + NEED_EVERY;
        let count = u8::try_from(self.effective.peers_min - self.peers.len()).unwrap_or(u8::MAX);
        let exclude: Vec<PeerId> =
            self.peers.values().map(|p| p.id).chain(self.roster.banned.iter().copied()).take(64).collect();
        self.say(&ClientMessage::Need(Need { count, exclude }));
    }

    /// A neighbour was lost: not many are left, so the edge is asked sooner, but no more than every 5 s.
    pub(crate) fn lost_neighbour(&mut self) {
        if self.peers.len() < self.effective.peers_min && !self.options.mutant("patient-roster") {
            let soon = self.now + Duration::from_secs(1);
            let spaced = self.roster.next_need.back(NEED_EVERY - Duration::from_secs(5));
            self.roster.next_need = self.roster.next_need.min(soon.max(spaced));
        }
    }

    pub(crate) fn roster_wakeup(&self) -> Option<Wakeup> {
        match self.roster.link {
            Link::Waiting(at) => Some(Wakeup { at, reason: "edge again" }),
            Link::Joined if self.peers.len() < self.effective.peers_min => {
                Some(Wakeup { at: self.roster.next_need, reason: "too few neighbours" })
            }
            _ => None,
        }
    }
}

/// Within the edge's budget of 6 proposals a minute.
const NEED_EVERY: Duration = Duration::from_secs(15);

/// The host of `scheme://host:port/...` or `stun:host:port`.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").or_else(|| url.split_once(':')).map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    // An IPv6 address has colons of its own.
    let end = place.find(']').map_or_else(|| place.find(':'), |end| Some(end + 1));
    end.and_then(|end| place.get(..end)).unwrap_or(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url_is_found_with_and_without_a_port() {
        for (url, host) in [
            ("wss://edge.example/mesh", "edge.example"),
            ("wss://edge.example:8443/mesh?x=1:2", "edge.example"),
            ("ws://[::1]:80/mesh", "[::1]"),
            ("ws://[::1]/mesh", "[::1]"),
            ("stun:edge.example", "edge.example"),
            ("turn:edge.example:3478?transport=udp", "edge.example"),
            ("stun:edge.example@elsewhere.example:1", "elsewhere.example"),
            ("wss://user:secret@edge.example", "edge.example"),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }
}
