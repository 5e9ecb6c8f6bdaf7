//! One socket: admission, limits, heartbeat, and whom its viewer may talk to.

mod admission;
mod dials;
mod known;
mod relay;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::signal::{
    ClientMessage, ERROR_LIMIT_BYTES, ErrorCode, ErrorMessage, Gone, Join, PROPOSALS_LIMIT, Parsed,
    PolicyPush, Proposal, Proposals, RawSignal, Reconnect, ServerMessage, SignalError, parse_client,
};
use meshedflow_protocol::sorted::SortedMap;
use meshedflow_protocol::telemetry::Report;

use crate::limits::Limits;
use crate::rate::TokenBucket;
use crate::room::{Proposed, RoomInput, RoomKey};
use crate::{Wakeup, WakeupReason};
use admission::Membership;
pub use admission::{Admission, Denial};
use dials::Dials;
use known::Known;
pub use relay::{OfferGrant, Relay, RelayKind};

/// What a session is told.
#[derive(Debug)]
pub enum SessionInput<'a> {
    /// A text message of its viewer.
    Text(&'a str),
    /// Any other frame of its viewer: a ping, a pong, a fragment of a message. It costs what a message costs.
    Alive,
    /// The shell admits the join that [`SessionOutput::Admit`] asked about.
    Admitted(Box<Admission>),
    /// The shell refuses it, or a renewal.
    Denied(Denial),
    /// A renewed token holds until this Unix second.
    Renewed(Option<u64>),
    /// Its room proposes neighbours.
    Proposed(Vec<Proposed>),
    /// These were proposed before; whether viewer and neighbour are behind one address.
    Known(Vec<(PeerId, bool)>),
    /// A proposed neighbour left.
    Gone(PeerId),
    /// Its room refuses further proposals for now.
    ProposalsRefused,
    /// The weight of a lane changed.
    Weight(&'a Name, f64),
    /// A signal of another viewer.
    Relayed(Relay),
    /// The recipient of a [`SessionOutput::Deliver`] is not here.
    Undelivered(PeerId),
    /// The edge pushes something about the policy.
    Policy(PolicyPush),
    /// The edge is about to stop.
    Drain {
        /// When the viewer should connect again.
        after_ms: u32,
    },
    /// The edge stops now.
    Stop,
    /// The socket closed.
    Closed,
}

/// What a session asks.
#[derive(Debug, PartialEq)]
pub enum SessionOutput {
    /// Send this text to the viewer.
    Send(String),
    /// Send a WebSocket ping.
    Ping,
    /// Judge this join: token, stream, resume secret. Answer with Admitted or Denied.
    Admit(Box<Join>),
    /// Judge this token. Answer with Renewed or Denied.
    Renew(String),
    /// Put this into the queue of viewer `to`.
    Deliver {
        /// The recipient.
        to: PeerId,
        /// What it gets.
        relay: Relay,
    },
    /// Tell the viewer's room.
    Room(RoomKey, RoomInput),
    /// Telemetry came in.
    Report(Box<Report>),
    /// Receipts came in, for the ledger.
    Receipts(Vec<String>),
    /// Something worth a counter happened.
    Count(Counted),
    /// Close the socket with this code and reason; nothing follows.
    Close(Code, &'static str),
}

/// WebSocket close codes (RFC 6455 section 7.4) that an edge uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Code {
    /// The viewer said goodbye.
    Normal = 1000,
    /// The edge stops.
    GoingAway = 1001,
    /// The viewer broke the rules for good.
    Policy = 1008,
    /// A message was too long.
    TooBig = 1009,
    /// The edge, or this viewer's queue, is full.
    TryAgainLater = 1013,
    /// No sign of life.
    Idle = 4000,
    /// No join in time.
    NoJoin = 4001,
    /// Not admitted, or the token ended.
    Unauthorized = 4003,
}

/// Things that an edge counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// A message that is not of this protocol.
    Malformed,
    /// A message with a key that this version does not know.
    UnknownMessage,
    /// A message before the join, or a second join.
    OutOfOrder,
    /// A message above the rate.
    RateLimited,
    /// A signal to an id that was not proposed to its sender.
    NotProposed,
    /// An answer or candidate without an offer, or too late for it.
    NoOffer,
    /// A restart too soon after the last.
    RestartTooSoon,
    /// A description that breaks its grammar.
    DescriptionRefused,
    /// A candidate that breaks the rules.
    CandidateRefused,
    /// A candidate beyond 12 of its offer.
    CandidatesExceeded,
    /// A relay to someone who is not here.
    PeerGone,
    /// A `need` beyond the budget.
    ProposalsRefused,
    /// A complaint about a neighbour.
    Complaint,
    /// A socket that never joined.
    NoJoin,
    /// A socket without a sign of life.
    Idle,
    /// A membership that ended with its token.
    Expired,
}

#[derive(Debug)]
enum Phase {
    /// Until the join.
    Waiting,
    /// The shell judges the join.
    Asked,
    /// A member of a room.
    Joined(Box<Membership>),
    /// Nothing more happens.
    Over,
}

/// One socket's state machine.
#[derive(Debug)]
pub struct Session {
    limits: Arc<Limits>,
    address: IpAddr,
    phase: Phase,
    opened_ms: u64,
    heard_ms: u64,
    pinged_ms: u64,
    rate: TokenBucket,
    /// The last frame was above the rate.
    ignores: bool,
    /// How many more may be ignored before the socket is closed.
    patience: TokenBucket,
    complained_ms: Option<u64>,
    known: Known,
    dials: Dials,
    outputs: VecDeque<SessionOutput>,
}

impl Session {
    /// A socket from `address` was accepted.
    pub fn new(limits: Arc<Limits>, address: IpAddr, now_ms: u64) -> Self {
        let rate = TokenBucket::new(limits.messages_per_s, limits.messages_burst, now_ms);
        let patience = TokenBucket::new(limits.messages_per_s, limits.messages_ignored, now_ms);
        Self {
            limits,
            address,
            phase: Phase::Waiting,
            opened_ms: now_ms,
            heard_ms: now_ms,
            pinged_ms: now_ms,
            rate,
            ignores: false,
            patience,
            complained_ms: None,
            known: Known::default(),
            dials: Dials::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened. Poll outputs afterwards.
    pub fn handle_input(&mut self, now_ms: u64, input: SessionInput<'_>) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        match input {
            SessionInput::Text(text) => self.hear(text, now_ms),
            SessionInput::Alive => {
                self.pays(now_ms);
            }
            SessionInput::Admitted(admission) => self.welcome(*admission, now_ms),
            SessionInput::Denied(denial) => self.deny(denial),
            SessionInput::Renewed(until) => self.renewed(until),
            SessionInput::Proposed(proposed) => self.propose(proposed),
            SessionInput::Known(neighbours) => {
                neighbours
                    .into_iter()
                    .for_each(|(peer, together)| self.known.insert(peer, together, self.limits.known));
            }
            SessionInput::Gone(peer) => self.part(peer),
            SessionInput::ProposalsRefused => self.refuse_proposals(),
            SessionInput::Weight(lane, weight) => {
                self.send(&ServerMessage::Weights(SortedMap::from([(lane.clone(), weight)])));
            }
            SessionInput::Relayed(relay) => self.receive(relay, now_ms),
            SessionInput::Undelivered(peer) => self.undelivered(peer, now_ms),
            SessionInput::Policy(push) => self.send(&ServerMessage::Policy(push)),
            SessionInput::Drain { after_ms } => self.send(&ServerMessage::Reconnect(Reconnect { after_ms })),
            SessionInput::Stop => self.leave_and_close(Code::GoingAway, "this edge stops"),
            SessionInput::Closed => self.close_quietly(),
        }
    }

    /// Time passed: pings, deadlines, salts.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        while let Some(wakeup) = self.poll_timeout()
            && wakeup.at_ms <= now_ms
        {
            match wakeup.reason {
                WakeupReason::Join => self.end(Counted::NoJoin, Code::NoJoin, "no join in time"),
                WakeupReason::Idle => self.end(Counted::Idle, Code::Idle, "no sign of life"),
                WakeupReason::Expired => self.end(Counted::Expired, Code::Unauthorized, "membership ended"),
                WakeupReason::Salt => self.send_salt(now_ms),
                WakeupReason::Ping | WakeupReason::Mature | WakeupReason::Weights => {
                    self.pinged_ms = now_ms;
                    self.outputs.push_back(SessionOutput::Ping);
                }
            }
        }
    }

    /// What to do next; call until `None` after every input and timeout.
    pub fn poll_output(&mut self) -> Option<SessionOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`Session::handle_timeout`]; ask again after every input and timeout.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let limits = &self.limits;
        let wakeup = |at_ms, reason| Some(Wakeup { at_ms, reason });
        match &self.phase {
            Phase::Over => None,
            Phase::Waiting | Phase::Asked => {
                wakeup(self.opened_ms + limits.join_within_ms, WakeupReason::Join)
            }
            Phase::Joined(membership) => {
                let quiet_ms = self.heard_ms.max(self.pinged_ms);
                let expired =
                    membership.until.map(|s| s.saturating_mul(1_000).saturating_add(limits.grace_ms));
                let all = [
                    wakeup(self.heard_ms + limits.idle_ms, WakeupReason::Idle),
                    wakeup(quiet_ms + limits.ping_every_ms, WakeupReason::Ping),
                    wakeup(membership.salt_due_ms, WakeupReason::Salt),
                    expired.and_then(|at_ms| wakeup(at_ms, WakeupReason::Expired)),
                ];
                all.into_iter().flatten().min_by_key(|wakeup| wakeup.at_ms)
            }
        }
    }

    /// The viewer's id, once it has one.
    pub fn peer(&self) -> Option<PeerId> {
        self.membership().map(|membership| membership.peer)
    }

    /// The last frame was above the rate: it had no effect.
    pub fn ignores(&self) -> bool {
        self.ignores
    }

    /// Nothing more happens here.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn membership(&self) -> Option<&Membership> {
        match &self.phase {
            Phase::Joined(membership) => Some(membership),
            _ => None,
        }
    }

    fn hear(&mut self, text: &str, now_ms: u64) {
        if !self.pays(now_ms) {
            return;
        }
        match parse_client(text) {
            Ok(Parsed::Known(message)) => self.act(message, now_ms),
            Ok(Parsed::Unknown(key)) => {
                let message = format!("message {key:?} is not known here");
                self.refuse(Counted::UnknownMessage, ErrorCode::UnknownMessage, message, now_ms);
            }
            Err(error @ SignalError::TooLong(..)) => {
                self.refuse(Counted::Malformed, ErrorCode::TooLarge, error.to_string(), now_ms);
            }
            Err(error) => self.refuse(Counted::Malformed, ErrorCode::Malformed, error.to_string(), now_ms),
        }
    }

    fn act(&mut self, message: ClientMessage<RawSignal<'_>>, now_ms: u64) {
        let Some(membership) = self.membership() else { return self.act_outside(message, now_ms) };
        let (peer, room) = (membership.peer, membership.room.clone());
        match message {
            ClientMessage::Join(_) => self.out_of_order("joined already", now_ms),
            ClientMessage::Signal(signal) => self.relay(signal, now_ms),
            ClientMessage::Lanes(lanes) => {
                self.room(room, RoomInput::Lanes { peer, add: lanes.add, drop: lanes.drop });
            }
            ClientMessage::Need(need) => {
                let exclude =
                    need.exclude.into_iter().filter(|id| self.known.together(*id).is_some()).collect();
                self.room(room, RoomInput::Need { peer, count: need.count, exclude });
            }
            ClientMessage::Report(report) => self.outputs.push_back(SessionOutput::Report(report)),
            ClientMessage::Receipts(receipts) => self.outputs.push_back(SessionOutput::Receipts(receipts.0)),
            ClientMessage::Bad(bad) => {
                self.count(Counted::Complaint);
                self.room(room, RoomInput::Bad { from: peer, about: bad.peer });
            }
            ClientMessage::Renew(renew) => self.outputs.push_back(SessionOutput::Renew(renew.token)),
            ClientMessage::Leave(_) => {
                self.room(room, RoomInput::Leave(peer));
                self.close(Code::Normal, "goodbye");
            }
        }
    }

    fn act_outside(&mut self, message: ClientMessage<RawSignal<'_>>, now_ms: u64) {
        match (message, &self.phase) {
            (ClientMessage::Join(join), Phase::Waiting) => self.ask(join, now_ms),
            (ClientMessage::Leave(_), _) => self.close(Code::Normal, "goodbye"),
            _ => self.out_of_order("expected `join` first, once", now_ms),
        }
    }

    fn propose(&mut self, proposed: Vec<Proposed>) {
        for neighbour in &proposed {
            self.known.insert(neighbour.peer, neighbour.together, self.limits.known);
        }
        let proposal =
            |p: Proposed| Proposal { peer: p.peer, lanes: p.lanes, initiate: p.initiate, until: p.until };
        let mut proposals = proposed.into_iter().map(proposal).peekable();
        while proposals.peek().is_some() {
            let some = proposals.by_ref().take(PROPOSALS_LIMIT).collect();
            self.send(&ServerMessage::Peers(Proposals(some)));
        }
    }

    fn part(&mut self, peer: PeerId) {
        self.known.remove(peer);
        self.dials.forget(peer);
        self.send(&ServerMessage::Gone(Gone { peer }));
    }

    fn undelivered(&mut self, peer: PeerId, now_ms: u64) {
        self.part(peer);
        self.refuse(Counted::PeerGone, ErrorCode::PeerGone, format!("{peer} is not here"), now_ms);
    }

    fn refuse_proposals(&mut self) {
        self.count(Counted::ProposalsRefused);
        let message = "no more proposals in this minute or hour".to_owned();
        self.error(ErrorCode::ProposalsRefused, message, Some(60_000));
    }

    /// Whether there is a token for a frame; without one it is ignored.
    fn pays(&mut self, now_ms: u64) -> bool {
        self.heard_ms = now_ms;
        self.ignores = !self.rate.take(now_ms);
        if self.ignores {
            self.ignore(now_ms);
        }
        !self.ignores
    }

    fn ignore(&mut self, now_ms: u64) {
        self.count(Counted::RateLimited);
        if !self.patience.take(now_ms) {
            return self.leave_and_close(Code::Policy, "too many messages");
        }
        if self.may_complain(now_ms) {
            let wait_ms = self.rate.wait_ms();
            let rate = self.limits.messages_per_s;
            let message = format!("message ignored; expected at most {rate} a second");
            self.error(ErrorCode::RateLimited, message, Some(wait_ms));
        }
    }

    fn out_of_order(&mut self, why: &str, now_ms: u64) {
        self.refuse(Counted::OutOfOrder, ErrorCode::OutOfOrder, why.to_owned(), now_ms);
    }

    /// Counts a refusal and tells the viewer.
    fn refuse(&mut self, counted: Counted, code: ErrorCode, message: String, now_ms: u64) {
        self.count(counted);
        self.complained_ms = Some(now_ms);
        self.error(code, message, None);
    }

    /// Complaints about the rate go out once a second, or they would double a flood.
    fn may_complain(&mut self, now_ms: u64) -> bool {
        let due = self.complained_ms.is_none_or(|at_ms| now_ms >= at_ms + 1_000);
        if due {
            self.complained_ms = Some(now_ms);
        }
        due
    }

    fn error(&mut self, code: ErrorCode, message: String, retry_after_ms: Option<u32>) {
        let message = short(&message);
        self.send(&ServerMessage::Error(ErrorMessage { code, message, retry_after_ms }));
    }

    fn send(&mut self, message: &ServerMessage) {
        self.outputs.push_back(SessionOutput::Send(message.to_json()));
    }

    fn room(&mut self, key: RoomKey, input: RoomInput) {
        self.outputs.push_back(SessionOutput::Room(key, input));
    }

    fn count(&mut self, counted: Counted) {
        self.outputs.push_back(SessionOutput::Count(counted));
    }

    fn end(&mut self, counted: Counted, code: Code, reason: &'static str) {
        self.count(counted);
        self.leave_and_close(code, reason);
    }

    fn leave_and_close(&mut self, code: Code, reason: &'static str) {
        if let Some(membership) = self.membership() {
            let (room, input) = (membership.room.clone(), RoomInput::Leave(membership.peer));
            self.room(room, input);
        }
        self.close(code, reason);
    }

    fn close(&mut self, code: Code, reason: &'static str) {
        self.phase = Phase::Over;
        self.outputs.push_back(SessionOutput::Close(code, reason));
    }

    /// The socket is gone without a goodbye: the viewer may come back.
    fn close_quietly(&mut self) {
        if let Some(membership) = self.membership() {
            let (room, input) = (membership.room.clone(), RoomInput::Away(membership.peer));
            self.room(room, input);
        }
        self.phase = Phase::Over;
    }
}

/// The text of an error, cut, and without what JSON would write as an escape of six bytes.
fn short(message: &str) -> String {
    let end = message.floor_char_boundary(ERROR_LIMIT_BYTES);
    let kept = message.get(..end).unwrap_or_default();
    kept.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
