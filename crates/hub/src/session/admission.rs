//! Joining, staying, and what a member is told about itself.

use core::fmt;

use meshedflow_protocol::ids::Name;
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::signal::{ErrorCode, IceServer, Join, ServerMessage, Welcome};
use meshedflow_protocol::sorted::SortedMap;
use meshedflow_protocol::topology::Topology;
use meshedflow_protocol::wire::{WIRE_MAX, WIRE_MIN};

use super::{Code, Counted, Phase, Session, SessionOutput};
use crate::payer::Subject;
use crate::place::Place;
use crate::room::{Newcomer, RoomInput, RoomKey};
use crate::salt::{MINUTE_MS, Salter};

/// What the shell decided about a join.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The join as it came.
    pub join: Box<Join>,
    /// The viewer's id: a new one, or its old one if its resume secret held.
    pub peer: PeerId,
    /// The id is its old one, so its room has it already.
    pub resumed: bool,
    /// A resume secret was presented and did not hold.
    pub resume_refused: bool,
    /// Subject of the token, if it has one.
    pub subject: Option<Subject>,
    /// Which room.
    pub room: RoomKey,
    /// Unix seconds at which the token ends, if there is one.
    pub until: Option<u64>,
    /// The next resume secret.
    pub resume: String,
    /// STUN and TURN servers.
    pub ice_servers: Vec<IceServer>,
    /// Weights of its lanes now.
    pub weights: SortedMap<Name, f64>,
    /// Makes the salts.
    pub salter: Salter,
    /// New salts are sent this long after the minute, so that an edge does not write to all sockets at once.
    pub salt_delay_ms: u64,
    /// What is known of its address.
    pub topology: Topology,
    /// Version of the edge's policy.
    pub policy_version: Option<u32>,
}

/// Why a join or renewal is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What the viewer can act on.
    pub code: ErrorCode,
    /// What to print.
    pub message: String,
    /// When trying again may help.
    pub retry_after_ms: Option<u32>,
}

/// A session that joined.
pub(super) struct Membership {
    pub(super) peer: PeerId,
    pub(super) room: RoomKey,
    pub(super) until: Option<u64>,
    pub(super) salt_due_ms: u64,
    salt_delay_ms: u64,
    salter: Salter,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Membership({} in {:?})", self.peer, self.room)
    }
}

impl Session {
    /// Checks a join as far as the session can, and asks the shell for the rest.
    pub(super) fn ask(&mut self, join: Box<Join>, now_ms: u64) {
        let [low, high] = join.wire;
        if low > high || low > WIRE_MAX || high < WIRE_MIN {
            let message =
                format!("wire versions {low} to {high}; expected an overlap with {WIRE_MIN} to {WIRE_MAX}");
            return self.refuse(Counted::OutOfOrder, ErrorCode::Version, message, now_ms);
        }
        self.phase = Phase::Asked;
        self.outputs.push_back(SessionOutput::Admit(join));
    }

    pub(super) fn welcome(&mut self, admission: Admission, now_ms: u64) {
        if !matches!(self.phase, Phase::Asked) {
            return;
        }
        let Admission { peer, room, until, .. } = &admission;
        let entry = match admission.resumed {
            true => RoomInput::Back(Box::new(self.newcomer(&admission))),
            false => RoomInput::Join(Box::new(self.newcomer(&admission))),
        };
        let salt_delay_ms = admission.salt_delay_ms.min(MINUTE_MS / 4);
        let membership = Membership {
            peer: *peer,
            room: room.clone(),
            until: *until,
            salt_due_ms: salt_due(now_ms, salt_delay_ms),
            salt_delay_ms,
            salter: admission.salter.clone(),
        };
        let (room, refused) = (room.clone(), admission.resume_refused);
        let welcome = ServerMessage::Welcome(Box::new(self.welcome_message(admission, now_ms)));
        self.send(&welcome);
        if refused {
            self.error(
                ErrorCode::ResumeRefused,
                "resume secret does not hold; a new id was given".into(),
                None,
            );
        }
        self.phase = Phase::Joined(Box::new(membership));
        self.room(room, entry);
    }

    fn newcomer(&self, admission: &Admission) -> Newcomer {
        let Admission { join, peer, until, topology, .. } = admission;
        let hint = join.topology_hint.clone();
        Newcomer {
            peer: *peer,
            place: Place { address: self.address, topology: topology.clone(), hint },
            wire: join.wire,
            lanes: join.lanes.clone(),
            class: join.class,
            until: *until,
            subject: admission.subject,
        }
    }

    fn welcome_message(&self, admission: Admission, now_ms: u64) -> Welcome {
        Welcome {
            peer: admission.peer,
            edge: admission.peer.edge(),
            resume: admission.resume,
            ice_servers: admission.ice_servers,
            heartbeat_ms: u32::try_from(self.limits.ping_every_ms).unwrap_or(u32::MAX),
            weights: admission.weights,
            salt: admission.salter.at(admission.room.stream.as_str(), now_ms),
            topology: Some(admission.topology).filter(|topology| *topology != Topology::default()),
            policy_version: admission.policy_version,
            until: admission.until,
        }
    }

    /// A refused join ends the socket; a refused renewal does not, the old token counts until it ends.
    pub(super) fn deny(&mut self, denial: Denial) {
        let refused = denial.code;
        self.error(refused, denial.message, denial.retry_after_ms);
        if matches!(self.phase, Phase::Asked) {
            let later = [ErrorCode::Full, ErrorCode::RateLimited, ErrorCode::ShuttingDown];
            let code = if later.contains(&refused) { Code::TryAgainLater } else { Code::Unauthorized };
            self.close(code, "not admitted");
        }
    }

    pub(super) fn renewed(&mut self, until: Option<u64>) {
        let Phase::Joined(membership) = &mut self.phase else { return };
        membership.until = until;
        let (room, input) = (membership.room.clone(), RoomInput::Until(membership.peer, until));
        self.room(room, input);
    }

    pub(super) fn send_salt(&mut self, now_ms: u64) {
        let Phase::Joined(membership) = &mut self.phase else { return };
        membership.salt_due_ms = salt_due(now_ms, membership.salt_delay_ms);
        let salt = membership.salter.at(membership.room.stream.as_str(), now_ms);
        self.send(&ServerMessage::Salt(salt));
    }
}

/// When the next minute's salt is to be sent.
fn salt_due(now_ms: u64, delay_ms: u64) -> u64 {
    let minute = now_ms.saturating_sub(delay_ms) / MINUTE_MS + 1;
    minute * MINUTE_MS + delay_ms
}
