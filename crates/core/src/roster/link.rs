//! The edge socket's life: opened, welcomed, lost, opened again, each time after a longer while.
//!
//! An edge may be absent, refuse, stay silent, or take every page in only to drop it again. None of these may make
//! thousands of pages come back at once, or one page come back all the time: a membership counts as a success only
//! once it has lasted.

use meshedflow_protocol::signal::{ErrorCode, ErrorMessage, Leave};

use super::{Roster, short};
use crate::input::SignalInput;
use crate::mesh::Mesh;
use crate::output::Output;
use crate::peer::bucket::Bucket;
use crate::time::{Duration, Time};

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

/// An edge that has not opened the socket, or not answered the join, by then is given up.
const SILENCE: Duration = Duration::from_secs(10);
/// A membership that lasted so long is none that was dropped at once.
const LASTING: Duration = Duration::from_secs(30);
/// Longest wait before another attempt, jitter aside.
const LONGEST: Duration = Duration::from_secs(120);
/// Who refuses this page will do so again: the next attempt is no sooner than this.
const REFUSED: Duration = Duration::from_secs(60);

/// What an edge may say: a page with 12 dials under way hears some 200 short messages.
#[derive(Debug)]
pub(crate) struct Said {
    messages: Bucket,
    bytes: Bucket,
}

impl Said {
    pub(crate) fn new(now: Time) -> Self {
        Self { messages: Bucket::new(50.0, 600.0, now), bytes: Bucket::new(65_536.0, 1_048_576.0, now) }
    }
}

impl Mesh {
    pub(crate) fn on_signal(&mut self, event: SignalInput<'_>) {
        match event {
            SignalInput::Opened => self.say_join(),
            SignalInput::Text(text) => self.on_edge_text(text),
            SignalInput::Closed => self.on_edge_closed(),
        }
    }

    pub(super) fn set_link(&mut self, link: Link) {
        self.roster.link = link;
        self.roster.since = self.now;
    }

    pub(super) fn connect_edge(&mut self) {
        let Some(url) = self.options.signaling_url.clone() else { return };
        self.set_link(Link::Connecting);
        self.push(Output::Connect(url));
    }

    /// False once the edge says more than any edge has to; its socket is closed then.
    pub(super) fn edge_may_say(&mut self, bytes: usize) -> bool {
        let now = self.now;
        let said = &mut self.roster.said;
        let within = said.messages.take(now, 1.0) && said.bytes.take(now, bytes as f64);
        if !within && !self.options.mutant("no-budgets") {
            self.warn("edge-flood", "the edge says too much; its socket is closed for a while".into());
            self.roster.failures = self.roster.failures.max(4);
            self.leave_for(Duration::ZERO);
            return false;
        }
        true
    }

    /// A refusal that ends the attempt, or one that is only worth a line.
    pub(super) fn on_edge_error(&mut self, e: &ErrorMessage) {
        if is_of_one_message(e.code) {
            return self.on_message_refused(e);
        }
        let code = e.code.name();
        self.warn("edge-refused", format!("the edge refused: {code} {}", short(&e.message)));
        let floor = match e.code {
            ErrorCode::Unauthorized
            | ErrorCode::Forbidden
            | ErrorCode::Origin
            | ErrorCode::Version
            | ErrorCode::UnknownStream => REFUSED,
            _ => Duration::ZERO,
        };
        if self.roster.is_joining() {
            let asked = Duration::from_millis(e.retry_after_ms.unwrap_or(0).into());
            self.roster.refused_for = floor.max(asked);
        }
    }

    /// One message came to nothing, which is no refusal of this viewer. Of who is gone the edge says so besides.
    fn on_message_refused(&mut self, e: &ErrorMessage) {
        self.tally.signals_refused += 1;
        let asked = Duration::from_millis(e.retry_after_ms.unwrap_or(0).into()).min(LONGEST);
        if e.code == ErrorCode::ProposalsRefused {
            self.roster.next_need = self.roster.next_need.max(self.now + asked);
        }
    }

    /// Neither open nor welcomed for too long.
    pub(super) fn give_up_silent_edge(&mut self) {
        if self.now >= self.silent_edge_at() {
            self.leave_for(Duration::ZERO);
        }
    }

    pub(super) fn silent_edge_at(&self) -> Time {
        self.roster.since + SILENCE
    }

    fn on_edge_closed(&mut self) {
        if !matches!(self.roster.link, Link::Idle | Link::Waiting(_)) {
            self.wait_for_edge(Duration::ZERO);
        }
    }

    /// Closes the socket; back after `wait`, or later.
    pub(super) fn leave_for(&mut self, wait: Duration) {
        if !matches!(self.roster.link, Link::Idle | Link::Waiting(_)) {
            self.push(Output::Disconnect);
            self.wait_for_edge(wait);
        }
    }

    /// Doubles from 2 s to 32 s with every failure, half to one and a half of it, and no sooner than the edge asked.
    fn wait_for_edge(&mut self, asked: Duration) {
        let lasted = self.roster.link == Link::Joined && self.now.since(self.roster.since) >= LASTING;
        self.roster.failures = if lasted { 1 } else { self.roster.failures.saturating_add(1) };
        let jitter = 0.5 + self.rng.fraction();
        let backoff = Duration::from_secs(1 << self.roster.failures.min(5)).mul_f64(jitter);
        let refused = core::mem::take(&mut self.roster.refused_for).min(LONGEST).mul_f64(jitter.max(1.0));
        let wait = match () {
            () if self.options.mutant("give-up-edge") => Duration::from_secs(86_400),
            () if self.options.mutant("no-edge-backoff") => Duration::from_millis(100),
            () => asked.min(LONGEST).max(refused).max(backoff),
        };
        self.set_link(Link::Waiting(self.now + wait));
        self.roster.waiting.clear();
        self.roster.expected.clear();
        self.roster.told_lanes.clear();
        self.roster.lanes_due = None;
    }

    pub(crate) fn leave_edge(&mut self) {
        if self.roster.link == Link::Joined {
            self.say(Leave {}.said());
        }
        if !matches!(self.roster.link, Link::Idle | Link::Waiting(_)) {
            self.push(Output::Disconnect);
        }
        // A page that comes and goes on purpose gets no fresh budgets and no fresh patience by it.
        let old = core::mem::replace(&mut self.roster, Roster::new(self.now));
        let Roster { banned, failures, said, dials, lane_changes, .. } = old;
        self.roster = Roster { banned, failures, said, dials, lane_changes, ..Roster::new(self.now) };
    }
}

/// Says nothing of this viewer: the other one is gone, was not proposed, or has heard enough.
fn is_of_one_message(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::PeerGone | ErrorCode::NotProposed | ErrorCode::ProposalsRefused)
}
