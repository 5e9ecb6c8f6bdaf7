//! Whom to know: the edge, the proposals it makes, and dialling them.
//!
//! An edge is believed no further than it must be: what it says is budgeted, it counts only between its welcome and
//! its end, and it can make this page neither dial without end nor talk to hosts that the page did not allow.

mod ice;
mod link;
mod proposals;

use crate::sorted::{SortedMap, SortedSet};

use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::signal::{
    Bad, Join, Lanes, Need, Parsed, Salt, ServerMessage, Signal, Welcome, parse_server,
};
use meshedflow_protocol::wire::{LANES_LIMIT, WIRE_MAX, WIRE_MIN};

use crate::input::ConnNo;
use crate::mesh::Mesh;
use crate::output::{IceServer, Output, PeerCommand};
use crate::peer::Peer;
use crate::peer::bucket::Bucket;
use crate::time::{Duration, Time, Wakeup};

pub(crate) use link::Link;
use link::Said;
use proposals::Waiting;

/// This viewer at its edge.
#[derive(Debug)]
pub(crate) struct Roster {
    pub(crate) link: Link,
    /// When `link` took its value.
    since: Time,
    pub(crate) me: Option<PeerId>,
    salt: [u8; 16],
    /// The salt before, and until when it counts: all change at one moment, however late they heard of the new one.
    old_salt: Option<([u8; 16], Time)>,
    /// Summed election weights of lanes, as the edge last told.
    pub(crate) weights: SortedMap<Name, f64>,
    resume: Option<String>,
    ice_servers: Vec<IceServer>,
    /// Attempts and short memberships in a row.
    failures: u32,
    /// The edge itself said how long not to come back.
    refused_for: Duration,
    /// What the edge may still say.
    said: Said,
    next_dial: u32,
    /// Connections that may still be made for proposals and offers.
    dials: Bucket,
    /// Proposed but not dialled yet.
    waiting: Vec<Waiting>,
    /// Proposed here; only these may open a connection to this viewer.
    expected: SortedMap<PeerId, Time>,
    /// Closed for cause: not dialled again in this session.
    pub(crate) banned: SortedSet<PeerId>,
    next_need: Time,
    /// The lanes that the edge knows this viewer in, most important first.
    told_lanes: Vec<Name>,
    /// Changes of them that may still be told.
    lane_changes: Bucket,
    /// Changes that were not told yet are told then.
    pub(crate) lanes_due: Option<Time>,
}

impl Roster {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            link: Link::Idle,
            since: now,
            me: None,
            salt: [0; 16],
            old_salt: None,
            weights: SortedMap::new(),
            resume: None,
            ice_servers: Vec::new(),
            failures: 0,
            refused_for: Duration::ZERO,
            said: Said::new(now),
            next_dial: 0,
            dials: Bucket::new(DIALS_PER_S, DIALS_BURST, now),
            waiting: Vec::new(),
            expected: SortedMap::new(),
            banned: SortedSet::new(),
            next_need: now,
            told_lanes: Vec::new(),
            lane_changes: Bucket::new(LANE_CHANGES_PER_S, LANE_CHANGES_BURST, now),
            lanes_due: None,
        }
    }

    /// The salt in force.
    pub(crate) fn salt(&self, now: Time) -> [u8; 16] {
        self.old_salt.filter(|(_, until)| now < *until).map_or(self.salt, |(old, _)| old)
    }

    /// Edges send a new salt some time into its minute; until half of the minute is over the one before counts.
    fn take_salt(&mut self, now: Time, salt: &Salt) {
        let left = Duration::from_millis(salt.valid_ms.into()).saturating_sub(SALT_OVERLAP).min(SALT_OVERLAP);
        self.salt = salt.current.0;
        self.old_salt = salt.previous.filter(|_| !left.is_zero()).map(|old| (old.0, now + left));
    }

    /// Ids of viewers that were proposed, and of those that are not dialled again.
    pub(crate) fn ids_kept(&self) -> (usize, usize) {
        (self.waiting.len() + self.expected.len(), self.banned.len())
    }

    /// On the way to the edge, not there yet.
    pub(crate) fn is_joining(&self) -> bool {
        matches!(self.link, Link::Connecting | Link::Joining)
    }
}

/// Ids that may be remembered as banned or expected.
pub(crate) const ID_LIMIT: usize = 256;
/// The salt before counts for the first half of a minute.
const SALT_OVERLAP: Duration = Duration::from_secs(30);
/// Changes of lanes told to the edge, which pairs anew each time.
const LANE_CHANGES_BURST: f64 = 4.0;
const LANE_CHANGES_PER_S: f64 = 0.2;
/// A lane that nothing follows was left for good.
const LEFT_FOR_GOOD: Duration = Duration::from_secs(2);
/// Twice the degree at once, then more than an edge may propose: connections to nobody cost the page much.
const DIALS_BURST: f64 = 32.0;
const DIALS_PER_S: f64 = 0.2;

impl Mesh {
    /// The lane has a name: go to the edge with it, if anything may be shared at all.
    pub(crate) fn join_lane(&mut self) {
        if self.may_mesh().is_err() {
            return;
        }
        if self.roster.link == Link::Idle {
            self.connect_edge();
        }
        self.tell_lanes();
    }

    fn say(&mut self, message: String) {
        self.push(Output::Say(message));
    }

    fn say_join(&mut self) {
        let Ok(stream) = Name::new(self.options.stream_id.clone()) else {
            let text =
                format!("streamId \"{}\": expected 1 to 128 of [A-Za-z0-9._~/-]", self.options.stream_id);
            return self.warn("bad-stream-id", text);
        };
        self.set_link(Link::Joining);
        let lanes = self.lane_names();
        self.roster.told_lanes.clone_from(&lanes);
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
        self.say(join.said());
    }

    /// Renditions of the lanes that are watched, video first: the edge pairs by the first lanes.
    fn lane_names(&self) -> Vec<Name> {
        let watched = self.lanes.iter().filter(|(no, _)| self.is_in(**no));
        let named: SortedMap<_, _> =
            watched.filter_map(|(no, l)| Some(((l.info.kind, *no), self.rendition_name(*no)?))).collect();
        named.into_iter().map(|(_, name)| name).take(LANES_LIMIT).collect()
    }

    /// Tells the edge where this viewer went, but not each time a player cannot make up its mind. A lane that was only
    /// left is told late: the list of the one that follows it is on its way.
    pub(crate) fn say_lanes(&mut self) {
        if self.roster.link != Link::Joined {
            return;
        }
        let (now, wanted) = (self.now, self.lane_names());
        let (add, drop) = change_of(&self.roster.told_lanes, &wanted);
        let roster = &mut self.roster;
        if add.is_empty() && drop.is_empty() {
            roster.lanes_due = None;
            return;
        }
        let settled = !add.is_empty() || roster.lanes_due.is_some_and(|due| due <= now);
        if !settled {
            roster.lanes_due.get_or_insert(now + LEFT_FOR_GOOD);
        } else if roster.lane_changes.take(now, 1.0) {
            (roster.told_lanes, roster.lanes_due) = (wanted, None);
            self.say(Lanes { add, drop }.said());
        } else {
            roster.lanes_due = roster.lane_changes.wait(now, 1.0).map(|wait| now + wait);
        }
    }

    fn on_edge_text(&mut self, text: &str) {
        if !self.edge_may_say(text.len()) {
            return;
        }
        match parse_server(text) {
            Ok(Parsed::Known(message)) => self.on_edge_message(message),
            Ok(_) => self.tally.unknown_messages += 1,
            Err(why) => {
                let why = short(&why.to_string());
                self.warn("edge-message", format!("a message of the edge is not understood: {why}"));
            }
        }
    }

    fn on_edge_message(&mut self, message: ServerMessage) {
        let joined = self.roster.link == Link::Joined;
        match message {
            ServerMessage::Welcome(welcome) if self.roster.link == Link::Joining => self.on_welcome(*welcome),
            ServerMessage::Reconnect(r) => self.leave_for(Duration::from_millis(r.after_ms.into())),
            ServerMessage::Error(e) => self.on_edge_error(&e),
            ServerMessage::Peers(proposals) if joined => self.on_proposals(proposals.0),
            ServerMessage::Signal(signal) if joined => self.on_peer_signal(signal),
            ServerMessage::Gone(gone) if joined => self.on_gone(gone.peer),
            ServerMessage::Salt(salt) if joined => self.roster.take_salt(self.now, &salt),
            ServerMessage::Policy(push) if joined => self.on_policy_push(push),
            ServerMessage::Weights(weights) if joined => self.take_weights(weights),
            // Out of turn: before the welcome, or a second one.
            _ => self.tally.unknown_messages += 1,
        }
    }

    fn on_welcome(&mut self, w: Welcome) {
        self.set_link(Link::Joined);
        self.roster.refused_for = Duration::ZERO;
        self.take_name(w.peer);
        self.roster.take_salt(self.now, &w.salt);
        self.take_weights(w.weights);
        self.roster.resume = (!w.resume.is_empty()).then_some(w.resume);
        let allowed: Vec<IceServer> =
            w.ice_servers.into_iter().filter_map(|s| self.allowed_server(s)).take(4).collect();
        self.roster.ice_servers = allowed;
        self.roster.next_need = self.now + NEED_EVERY;
        self.tell_lanes();
    }

    /// Only of lanes that this viewer named.
    fn take_weights(&mut self, weights: SortedMap<Name, f64>) {
        let roster = &mut self.roster;
        for (name, weight) in weights {
            if roster.told_lanes.contains(&name) {
                roster.weights.insert(name, weight);
            }
        }
    }

    /// Takes one connection out of the budget, whoever wants it.
    pub(crate) fn may_dial(&mut self) -> bool {
        let now = self.now;
        self.roster.dials.take(now, 1.0)
    }

    /// Makes the connection object for a dial.
    pub(crate) fn open_peer(&mut self, id: PeerId, dial: u32) -> ConnNo {
        let conn = ConnNo(self.fresh());
        self.peers.insert(conn, Peer::dialing(id, self.roster.me, dial, self.now));
        let open = PeerCommand::Open {
            ice_servers: self.roster.ice_servers.clone(),
            relay_only: self.effective.relay_only,
        };
        self.push(Output::Peer(conn, open));
        conn
    }

    pub(crate) fn signal_to(&mut self, signal: Signal) {
        if self.roster.link == Link::Joined {
            self.say(signal.said());
        }
    }

    /// A viewer of this id is neither dialled nor answered any more.
    pub(crate) fn ban(&mut self, id: PeerId) {
        if self.roster.banned.len() < ID_LIMIT {
            self.roster.banned.insert(id);
        }
    }

    /// Reports a viewer that lied.
    pub(crate) fn report_bad(&mut self, id: PeerId, reason: &str) {
        if self.roster.link == Link::Joined {
            let reason = reason.chars().take(200).collect();
            self.say(Bad { peer: id, reason }.said());
        }
    }

    pub(crate) fn tick_roster(&mut self) {
        if self.lanes_to_tell() && self.may_mesh().is_ok() {
            self.tell_lanes();
        }
        let ready = self.lanes.values().any(|l| l.anchor.is_some());
        match self.roster.link {
            Link::Waiting(at) if at <= self.now && self.may_mesh().is_ok() => self.connect_edge(),
            Link::Idle if ready && self.may_mesh().is_ok() => self.connect_edge(),
            Link::Connecting | Link::Joining => self.give_up_silent_edge(),
            Link::Joined => self.ask_for_more(),
            _ => {}
        }
    }

    /// Too few neighbours: ask the edge, a few times a minute at most.
    fn ask_for_more(&mut self) {
        self.dial_waiting();
        let lacking = self.lacking();
        if self.now < self.roster.next_need || lacking == 0 {
            return;
        }
        self.roster.next_need = self.now + NEED_EVERY;
        let count = u8::try_from(lacking).unwrap_or(u8::MAX);
        let exclude: Vec<PeerId> =
            self.peers.values().map(|p| p.id).chain(self.roster.banned.iter().copied()).take(64).collect();
        self.say(Need { count, exclude }.said());
    }

    /// How many neighbours are too few, within what the page allows.
    fn lacking(&self) -> usize {
        self.effective.peers_min.min(self.effective.peers_max).saturating_sub(self.peers.len())
    }

    /// A neighbour was lost: not many are left, so the edge is asked sooner, but no more than every 5 s.
    pub(crate) fn lost_neighbour(&mut self) {
        if self.lacking() > 0 && !self.options.mutant("patient-roster") {
            let soon = self.now + Duration::from_secs(1);
            let spaced = self.roster.next_need.back(NEED_EVERY - Duration::from_secs(5));
            self.roster.next_need = self.roster.next_need.min(soon.max(spaced));
        }
    }

    pub(crate) fn roster_wakeup(&self) -> Option<Wakeup> {
        let lanes = self.wire_lanes.due().into_iter().chain(self.roster.lanes_due).min();
        let lanes = lanes.filter(|_| self.may_mesh().is_ok());
        let lanes = lanes.map(|at| Wakeup { at, reason: "lanes to tell" });
        let all = [self.link_wakeup(), self.waiting_wakeup(), lanes];
        all.into_iter().flatten().min_by_key(|w| w.at)
    }

    fn link_wakeup(&self) -> Option<Wakeup> {
        match self.roster.link {
            Link::Waiting(at) => Some(Wakeup { at, reason: "edge again" }),
            Link::Connecting | Link::Joining => {
                Some(Wakeup { at: self.silent_edge_at(), reason: "edge is silent" })
            }
            Link::Joined if self.lacking() > 0 => {
                Some(Wakeup { at: self.roster.next_need, reason: "too few neighbours" })
            }
            _ => None,
        }
    }
}

/// Within the edge's budget of 6 proposals a minute.
const NEED_EVERY: Duration = Duration::from_secs(15);

/// What an edge is told so that it knows a viewer in the lanes `wanted`, in that order: it puts what is added last.
fn change_of(told: &[Name], wanted: &[Name]) -> (Vec<Name>, Vec<Name>) {
    let kept: Vec<&Name> = told.iter().filter(|name| wanted.contains(name)).collect();
    let same = kept.iter().zip(wanted).take_while(|(kept, wanted)| **kept == *wanted).count();
    let (_, add) = wanted.split_at(same);
    let drop = told.iter().filter(|name| !wanted.contains(name) || add.contains(name));
    (add.to_vec(), drop.cloned().collect())
}

/// Text of others, cut for a console line.
fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use meshedflow_protocol::ids::ElectionSalt;

    use super::*;

    /// Edges tell of a new salt over a quarter of its minute: until then viewers would draw different lots.
    #[test]
    fn all_change_salts_at_one_moment() {
        let at = |s: u64| Time(s * 1_000_000);
        let told = |into_s: u32, first: bool| {
            let mut roster = Roster::new(at(0));
            let salt = Salt {
                current: ElectionSalt([2; 16]),
                previous: (!first).then_some(ElectionSalt([1; 16])),
                valid_ms: (60 - into_s) * 1_000,
            };
            roster.take_salt(at(into_s.into()), &salt);
            [29, 31].map(|s| roster.salt(at(s))[0])
        };
        assert_eq!([told(0, false), told(14, false), told(29, false)], [[1, 2]; 3]);
        assert_eq!(told(40, false), [2, 2]);
        assert_eq!(told(0, true), [2, 2], "an edge that has just begun");
    }
}
