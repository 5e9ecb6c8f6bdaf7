//! The loop: Inputs in, Outputs out, each Output performed with nothing borrowed.
//!
//! Every entry queues its Input and drives. An entry made while a drive is on (a page's listener that calls
//! back) only queues: the drive that is on picks it up. The core is borrowed for one `handle_*` or `poll_*`
//! at a time.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

#[cfg(feature = "test-hooks")]
use meshedflow_core::Output;
use meshedflow_core::config::Options;
use meshedflow_core::measure::Measured;
use meshedflow_core::{ConnNo, GrantId, HttpId, HttpInput, Input, Mesh, PeerInput, SignalInput, Time};

use crate::door::{Arrived, Door};
use crate::host::{Host, NONE};

/// Most Outputs performed in one entry. A core that asks for more is caught in a loop: the page's thread is
/// worth more than the core.
const OUTPUT_LIMIT: u32 = 100_000;

/// Longest message on a control channel that is put together here.
const POST_BYTES: usize = 16 * 1024;

/// An Input with what it borrows.
pub(crate) enum Pending {
    /// Borrows nothing.
    Plain(Input<'static>),
    /// The body of a request without blob.
    Body(HttpId, Vec<u8>),
    /// A message of the edge socket.
    Text(String),
    /// Frames of a peer.
    Frames(ConnNo, Vec<u8>),
    /// The local description.
    Described(ConnNo, String),
    /// A local candidate.
    Candidate(ConnNo, String),
}

/// One mesh and everything that drives it.
pub(crate) struct Driver {
    pub(crate) host: Host,
    mesh: RefCell<Mesh>,
    queue: RefCell<VecDeque<Pending>>,
    pub(crate) door: RefCell<Door>,
    driving: Cell<bool>,
    now: Cell<Time>,
    armed: Cell<Option<Time>>,
    woken: Cell<bool>,
    /// When the core wants to be woken; unknown once it was told something.
    wakes: Cell<Option<Option<Time>>>,
    /// Frames for control channels: what one entry has to say to a neighbour goes in one message.
    outbox: RefCell<Vec<(ConnNo, Vec<u8>)>>,
    /// Outputs performed since the page entered.
    performed: Cell<u32>,
    /// Outputs are thrown away: the "core that never answers" of the tests.
    pub(crate) mute: Cell<bool>,
    /// Outputs never end: the "core caught in a loop" of the tests.
    #[cfg(feature = "test-hooks")]
    pub(crate) spin: Cell<bool>,
}

impl Driver {
    pub(crate) fn new(host: Host, options: Options, seed: u64, now: Time) -> Self {
        Self {
            host,
            mesh: RefCell::new(Mesh::new(options, seed, now)),
            queue: RefCell::default(),
            door: RefCell::new(Door::new()),
            driving: Cell::new(false),
            now: Cell::new(now),
            armed: Cell::new(None),
            woken: Cell::new(false),
            wakes: Cell::new(None),
            outbox: RefCell::default(),
            performed: Cell::new(0),
            mute: Cell::new(false),
            #[cfg(feature = "test-hooks")]
            spin: Cell::new(false),
        }
    }

    /// Queues and drives.
    pub(crate) fn enter(&self, now: f64, input: Pending) {
        self.queue.borrow_mut().push_back(input);
        self.drive(now);
    }

    /// Queues and drives an Input that borrows nothing.
    pub(crate) fn tell(&self, now: f64, input: Input<'static>) {
        if let Input::Offered { blob, length, .. } = &input {
            self.door.borrow_mut().grants.offered(*blob, *length);
        }
        self.enter(now, Pending::Plain(input));
    }

    /// A message of a data channel that the page holds; see [`Host::fill`].
    pub(crate) fn data_message(&self, now: f64, conn: ConnNo, len: usize) {
        let arrived = self.door.borrow_mut().data(&self.host, conn, len, &mut self.report());
        match arrived {
            Arrived::Stored => self.drive(now),
            Arrived::Stray(bytes) => self.tell(now, Input::Peer(conn, PeerInput::Stray(bytes))),
            Arrived::Violation(what) => self.tell(now, Input::Peer(conn, PeerInput::Violation(what))),
            Arrived::Frames(frames) => self.enter(now, Pending::Frames(conn, frames)),
        }
    }

    /// Bytes of an HTTP body that the page has put into its blob and still holds.
    pub(crate) fn body_chunk(&self, now: f64, http: HttpId, at: u32, len: u32) {
        self.door.borrow_mut().body(&self.host, http, at, len, &mut self.report());
        self.drive(now);
    }

    /// The end of a body.
    pub(crate) fn body_ended(&self, now: f64, http: HttpId, input: HttpInput<'static>) {
        self.door.borrow_mut().grants.body_ended(http);
        self.tell(now, Input::Http(http, input));
    }

    /// A timer fired, or a task of its own came. At the first one the core looks at what is due even if nothing is:
    /// engines compile code when it first runs, and that task brings nothing else along.
    pub(crate) fn wake(&self, now: f64) {
        if !self.woken.replace(true) {
            self.wakes.set(Some(Some(Time::default())));
        }
        let more = self.door.borrow_mut().catch_up(&self.host, &mut self.report());
        if more {
            self.host.soon();
        }
        self.armed.set(None);
        self.drive(now);
    }

    /// The core's counters as JSON.
    pub(crate) fn stats(&self) -> String {
        let Ok(mesh) = self.mesh.try_borrow() else { return "null".into() };
        mesh.stats().to_json()
    }

    fn report(&self) -> impl FnMut(GrantId, Measured) + '_ {
        |grant, measured| {
            self.queue.borrow_mut().push_back(Pending::Plain(Input::Measured { grant, measured }));
        }
    }

    fn drive(&self, now: f64) {
        // The page's clock never runs backwards; a late entry of a nested call may seem to.
        self.now.set(self.now.get().max(Time::from_ms(now)));
        if self.driving.replace(true) {
            return;
        }
        self.performed.set(0);
        self.drain();
        if self.wakes_at().is_some_and(|at| at <= self.now.get()) {
            // Once for each entry: a core that is always due must not hold the page.
            self.mesh.borrow_mut().handle_timeout(self.now.get());
            self.perform_all();
            self.drain();
        }
        self.post_all();
        self.arm();
        self.driving.set(false);
    }

    fn drain(&self) {
        loop {
            let next = self.queue.borrow_mut().pop_front();
            let Some(input) = next else { return };
            input.hand_to(&mut self.mesh.borrow_mut(), self.now.get());
            self.perform_all();
        }
    }

    /// Asked once for all that the core was told: most chunks of media tell it nothing.
    fn wakes_at(&self) -> Option<Time> {
        if let Some(known) = self.wakes.get() {
            return known;
        }
        let at = self.mesh.borrow_mut().poll_timeout().map(|wakeup| wakeup.at);
        self.wakes.set(Some(at));
        at
    }

    /// Control frames wait for the end of the entry, unless they would be too long for one message.
    pub(crate) fn post(&self, conn: ConnNo, frames: Vec<u8>) {
        let full = |waiting: &Vec<u8>| waiting.len() + frames.len() > POST_BYTES;
        if self.outbox.borrow().iter().any(|(to, waiting)| *to == conn && full(waiting)) {
            self.post_now(conn);
        }
        let mut outbox = self.outbox.borrow_mut();
        match outbox.iter_mut().find(|(to, _)| *to == conn) {
            Some((_, waiting)) => waiting.extend_from_slice(&frames),
            None => outbox.push((conn, frames)),
        }
    }

    /// What waits for this neighbour goes now.
    pub(crate) fn post_now(&self, conn: ConnNo) {
        let at = self.outbox.borrow().iter().position(|(to, _)| *to == conn);
        if let Some(at) = at {
            let (_, frames) = self.outbox.borrow_mut().remove(at);
            self.host.peer_send(conn.0, false, &frames);
        }
    }

    fn post_all(&self) {
        let all = self.outbox.take();
        all.iter().for_each(|(conn, frames)| self.host.peer_send(conn.0, false, frames));
    }

    fn perform_all(&self) {
        // Called after each thing that the core was told.
        self.wakes.set(None);
        loop {
            let next = self.mesh.borrow_mut().poll_output();
            #[cfg(feature = "test-hooks")]
            let next = next.or_else(|| self.spin.get().then_some(Output::Disconnect));
            let Some(output) = next else { return };
            self.performed.set(self.performed.get() + 1);
            if self.performed.get() > OUTPUT_LIMIT {
                // Caught by the page like a trap, and the end of this module like one.
                wasm_bindgen::throw_str("the core does not come to an end");
            }
            if !self.mute.get() {
                self.perform(output);
            }
        }
    }

    fn arm(&self) {
        let at = self.wakes_at();
        // The time moves with nearly every chunk. A ring that has become too early does nothing but ask again, which
        // costs less than a call for each move.
        let rings_before =
            self.armed.get().is_some_and(|armed| armed > self.now.get() && at.is_none_or(|at| armed <= at));
        if !rings_before && self.armed.replace(at) != at {
            self.host.arm(at.map_or(NONE, Time::as_ms));
        }
    }
}

impl Pending {
    fn hand_to(self, mesh: &mut Mesh, now: Time) {
        match self {
            Self::Plain(input) => mesh.handle_input(now, input),
            Self::Body(http, body) => mesh.handle_input(now, Input::Http(http, HttpInput::Body(&body))),
            Self::Text(text) => mesh.handle_input(now, Input::Signal(SignalInput::Text(&text))),
            Self::Frames(conn, frames) => {
                mesh.handle_input(now, Input::Peer(conn, PeerInput::Frames(&frames)))
            }
            Self::Described(conn, sdp) => {
                mesh.handle_input(now, Input::Peer(conn, PeerInput::Described(&sdp)))
            }
            Self::Candidate(conn, line) => {
                mesh.handle_input(now, Input::Peer(conn, PeerInput::Candidate(&line)))
            }
        }
    }
}
