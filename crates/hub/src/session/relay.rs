//! Signals from viewer to viewer: who may say what to whom.
//!
//! An offer goes only to an id that was proposed to its sender. It carries a grant into the recipient's session,
//! and only with that grant may the recipient answer, once. So an answer needs no table shared between sockets,
//! and a late answer is told from a new dial by the dial's number. Data are checked here and relayed as they came.

use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::signal::{
    ErrorCode, RawSignal, Refusal, Rules, ServerMessage, SignalData, SignalKind,
};

use super::dials::{Dial, Side, TooSoon};
use super::{Counted, Session, SessionOutput};

/// A signal on its way to another session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Who sends it.
    pub from: PeerId,
    /// The initiator's number of the dial.
    pub dial: u32,
    /// What it is.
    pub kind: RelayKind,
    /// The message for the recipient, serialised once.
    pub frame: String,
}

/// What is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayKind {
    /// An offer, with the right to answer it.
    Offer(OfferGrant),
    /// An answer to an offer of the recipient.
    Answer,
    /// A candidate: the first to go when a queue is full.
    Candidate,
    /// No more candidates, or the dial is given up.
    End,
}

/// The right to answer an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferGrant {
    /// Until when, in the edge's milliseconds.
    pub until_ms: u64,
}

/// A viewer says of a dial that no more candidates follow, and perhaps that it gives it up.
const ENDS_PER_DIAL: u8 = 2;

/// Why a signal goes no further.
type Refused = (Counted, ErrorCode, String);

impl Session {
    pub(super) fn relay(&mut self, signal: RawSignal<'_>, now_ms: u64) {
        match self.judge(&signal, now_ms) {
            Ok(kind) => self.deliver(signal, kind),
            Err((counted, code, message)) => self.refuse(counted, code, message, now_ms),
        }
    }

    fn judge(&mut self, signal: &RawSignal<'_>, now_ms: u64) -> Result<RelayKind, Refused> {
        match signal.kind {
            SignalKind::Offer => self.judge_offer(signal, now_ms),
            SignalKind::Answer => self.judge_answer(signal, now_ms),
            SignalKind::Candidate => self.judge_candidate(signal, now_ms),
            SignalKind::End => {
                signal
                    .check_size()
                    .map_err(|e| (Counted::CandidateRefused, ErrorCode::Refused, e.to_string()))?;
                let dial = self.dials.either(signal.peer, signal.dial, now_ms);
                let dial = dial.filter(|dial| dial.ended < ENDS_PER_DIAL).ok_or_else(|| no_offer(signal))?;
                dial.ended += 1;
                Ok(RelayKind::End)
            }
            SignalKind::Other => {
                let message = "signal of a kind that is not known here".to_owned();
                Err((Counted::UnknownMessage, ErrorCode::UnknownMessage, message))
            }
        }
    }

    fn judge_offer(&mut self, signal: &RawSignal<'_>, now_ms: u64) -> Result<RelayKind, Refused> {
        if self.known.together(signal.peer).is_none() {
            let message = format!("{} was not proposed to you", signal.peer);
            return Err((Counted::NotProposed, ErrorCode::NotProposed, message));
        }
        check_description(signal)?;
        let grant = OfferGrant { until_ms: now_ms + self.limits.offer_ms };
        self.open(signal.peer, signal.dial, Side::Mine, grant, now_ms)
            .map_err(|TooSoon| self.too_soon(signal))?;
        Ok(RelayKind::Offer(grant))
    }

    fn too_soon(&self, signal: &RawSignal<'_>) -> Refused {
        let (RawSignal { peer, dial, .. }, most) = (signal, self.limits.dials_per_pair);
        let every_s = self.limits.restart_every_ms / 1_000;
        let message = format!(
            "dial {dial} to {peer} comes too soon; expected {most} dials in {every_s} s, each offered once"
        );
        (Counted::RestartTooSoon, ErrorCode::RateLimited, message)
    }

    fn judge_answer(&mut self, signal: &RawSignal<'_>, now_ms: u64) -> Result<RelayKind, Refused> {
        let keep_ms = self.limits.offer_ms;
        let dial = self.dials.find(signal.peer, signal.dial, Side::Theirs, now_ms);
        let dial = dial.filter(|dial| !dial.answered).ok_or_else(|| no_offer(signal))?;
        check_description(signal)?;
        dial.answered = true;
        dial.until_ms = now_ms + keep_ms;
        Ok(RelayKind::Answer)
    }

    fn judge_candidate(&mut self, signal: &RawSignal<'_>, now_ms: u64) -> Result<RelayKind, Refused> {
        let same_address = self.known.together(signal.peer).unwrap_or(false);
        let seen = Some(self.address).filter(|address| is_public(*address));
        let strict_srflx = self.limits.strict_srflx && seen.is_some();
        let rules = Rules { same_address, seen, strict_srflx, relays: None };
        let dial = self.dials.either(signal.peer, signal.dial, now_ms).ok_or_else(|| no_offer(signal))?;
        let data =
            signal.typed().map_err(|e| (Counted::CandidateRefused, ErrorCode::Refused, e.to_string()))?;
        let SignalData::Candidate(candidate) = data else { return Ok(RelayKind::Candidate) };
        match dial.admitted.admit(&candidate, &rules) {
            Ok(()) => Ok(RelayKind::Candidate),
            Err(Refusal::TooMany) => {
                Err((Counted::CandidatesExceeded, ErrorCode::Refused, Refusal::TooMany.to_string()))
            }
            Err(refusal) => Err((Counted::CandidateRefused, ErrorCode::Refused, refusal.to_string())),
        }
    }

    fn open(
        &mut self,
        peer: PeerId,
        number: u32,
        side: Side,
        grant: OfferGrant,
        now_ms: u64,
    ) -> Result<(), TooSoon> {
        // The offering side's own entry lives longer, so that it knows a restart from a new dial for a minute.
        let keep_ms = if side == Side::Mine { self.limits.restart_every_ms } else { 0 };
        let until_ms = grant.until_ms.saturating_add(keep_ms);
        let dial = Dial {
            peer,
            number,
            side,
            offered_ms: now_ms,
            answered: false,
            until_ms,
            admitted: Default::default(),
            ended: 0,
        };
        self.dials.open(dial, &self.limits)
    }

    fn deliver(&mut self, signal: RawSignal<'_>, kind: RelayKind) {
        let Some(from) = self.peer() else { return };
        let frame = ServerMessage::Signal(RawSignal { peer: from, ..signal }).to_json();
        let relay = Relay { from, dial: signal.dial, kind, frame };
        self.outputs.push_back(SessionOutput::Deliver { to: signal.peer, relay });
    }

    /// A signal for this viewer: offers bring the right to answer, answers must fit an offer of ours. Offers are
    /// counted here again, since the sender's session may be a new one.
    pub(super) fn receive(&mut self, relay: Relay, now_ms: u64) {
        match relay.kind {
            RelayKind::Offer(grant) => {
                if self.open(relay.from, relay.dial, Side::Theirs, grant, now_ms).is_err() {
                    return self.count(Counted::RestartTooSoon);
                }
            }
            RelayKind::Answer => match self.dials.find(relay.from, relay.dial, Side::Mine, now_ms) {
                Some(dial) => dial.answered = true,
                None => return self.count(Counted::NoOffer),
            },
            RelayKind::Candidate | RelayKind::End => {}
        }
        self.outputs.push_back(SessionOutput::Send(relay.frame));
    }
}

fn no_offer(signal: &RawSignal<'_>) -> Refused {
    let message = format!("no offer {} between you and {}, or not any more", signal.dial, signal.peer);
    (Counted::NoOffer, ErrorCode::NotProposed, message)
}

fn check_description(signal: &RawSignal<'_>) -> Result<(), Refused> {
    let refused = |e: meshedflow_protocol::signal::SignalError| {
        (Counted::DescriptionRefused, ErrorCode::Refused, e.to_string())
    };
    signal.typed().map(|_| ()).map_err(refused)
}

/// An address that NAT did not leave inside: only then can a server-reflexive candidate be expected to equal it.
fn is_public(address: std::net::IpAddr) -> bool {
    match address.to_canonical() {
        std::net::IpAddr::V4(v4) => !(v4.is_private() || v4.is_loopback() || v4.is_link_local()),
        std::net::IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}
