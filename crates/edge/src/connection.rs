//! One connection: a task that owns a socket and a session, and lets the session decide.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use meshedflow_hub::{Code, Counted, Relay, RoomInput, RoomKey, Session, SessionInput, SessionOutput};
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::signal::Join;
use tokio::time::{Instant, Sleep};

use crate::edge::{Edge, Seat};
use crate::metrics::add;
use crate::queue::{Mail, Overflow, Pushed};
use crate::stream::Line;
use crate::websocket::{Ended, Incoming, POLICY, Reception, Socket, TOO_BIG};

/// How long a socket has to take the last words, and to close; then it is reset.
const GOODBYE: Duration = Duration::from_secs(2);

/// Mails that an idle connection keeps room for.
const SPARE_MAILS: usize = 4;

/// Who connects.
pub(crate) struct Visitor {
    pub(crate) address: IpAddr,
    pub(crate) origin: Option<String>,
}

/// What wakes a connection.
enum Event {
    /// The session heard something.
    Heard,
    Ended(Ended),
    Mail,
    Overflow,
    Due,
    Broken,
}

pub(crate) struct Connection {
    edge: Arc<Edge>,
    socket: Socket<Line>,
    session: Session,
    visitor: Visitor,
    seat: Option<Seat>,
    mails: VecDeque<Mail>,
    /// All that was written has left.
    flushed: bool,
    /// Bytes that the socket does not take, and since when it has taken none.
    stuck: Option<(usize, Instant)>,
    /// The message that has not ended, and since when.
    midway: Option<(u32, Instant)>,
    over: Option<End>,
}

/// How a connection ends.
enum End {
    /// The edge closes it.
    Close(Code, &'static str),
    /// The viewer spoke something else; close with this code.
    Violation(u16),
    /// The viewer closed it, perhaps with a code.
    Closed(Option<u16>),
    /// It broke.
    Broken,
    /// The viewer takes nothing any more, not even a goodbye.
    Stalled,
}

impl Connection {
    /// `early` is what came after the handshake, but with it.
    pub(crate) fn new(edge: Arc<Edge>, line: Line, early: Vec<u8>, visitor: Visitor) -> Self {
        let socket = Socket::new(line, early, edge.config.limits.message_bytes);
        let session = Session::new(edge.limits.clone(), visitor.address, edge.clock.now_ms());
        Self {
            edge,
            socket,
            session,
            visitor,
            seat: None,
            mails: VecDeque::new(),
            flushed: true,
            stuck: None,
            midway: None,
            over: None,
        }
    }

    /// Runs until the connection ends, and cleans up after it.
    pub(crate) async fn run(mut self) {
        add(&self.edge.metrics.opened, 1);
        self.edge.metrics.connections.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        self.converse().await;
        self.session.handle_input(self.edge.clock.now_ms(), SessionInput::Closed);
        self.perform();
        if let Some(seat) = self.seat.take() {
            self.edge.park(seat);
        }
        self.say_goodbye().await;
        // The socket is gone, and its permits are given back, before it stops to count.
        drop(self.socket);
        self.edge.metrics.connections.fetch_sub(1, core::sync::atomic::Ordering::Relaxed);
    }

    /// The last words, if they can be said. A socket that does not take them in time, or broke, is reset, so that the
    /// kernel keeps nothing for it.
    async fn say_goodbye(&mut self) {
        let metrics = &self.edge.metrics;
        match self.over {
            Some(End::Close(code, reason)) => {
                metrics.closed(code);
                self.socket.put_close(code as u16, reason);
            }
            Some(End::Violation(code)) => {
                metrics.count(Counted::Malformed);
                self.socket.put_close(code, "");
            }
            Some(End::Closed(code)) => self.socket.answer_close(code),
            Some(End::Stalled) => {
                add(&metrics.resets_stalled, 1);
                return self.socket.io_mut().reset_on_close();
            }
            Some(End::Broken) | None => return self.socket.io_mut().reset_on_close(),
        }
        let said = tokio::time::timeout(GOODBYE, self.socket.finish()).await;
        if !matches!(said, Ok(Ok(()))) {
            add(&metrics.resets_goodbye, 1);
            self.socket.io_mut().reset_on_close();
        }
    }

    async fn converse(&mut self) {
        let timer = tokio::time::sleep_until(self.due());
        tokio::pin!(timer);
        loop {
            let event = poll_fn(|cx| self.poll_event(cx, timer.as_mut())).await;
            let due = matches!(event, Event::Due);
            self.handle(event);
            self.perform();
            if self.over.is_some() {
                return;
            }
            // Most events only move the deadline away: the timer may then fire early once, which costs less than
            // setting it anew with each message.
            let deadline = self.due();
            if due || deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
        }
    }

    fn due(&self) -> Instant {
        let at_ms = self.session.poll_timeout().map(|wakeup| wakeup.at_ms);
        let far_ms = || self.edge.clock.now_ms() + 3_600_000;
        let session = Instant::from_std(self.edge.clock.instant(at_ms.unwrap_or_else(far_ms)));
        let own = [self.stalls_at(), self.tires_at()];
        own.into_iter().flatten().fold(session, Instant::min)
    }

    /// When a socket that takes nothing is given up.
    fn stalls_at(&self) -> Option<Instant> {
        let patience = Duration::from_secs(self.edge.config.limits.write_s);
        self.stuck.map(|(_, since)| since + patience)
    }

    /// When a message that does not end is given up.
    fn tires_at(&self) -> Option<Instant> {
        let patience = Duration::from_secs(self.edge.config.limits.message_s);
        self.midway.map(|(_, since)| since + patience)
    }

    /// Writing comes first. While the socket does not take what it was given, nothing more is read or taken from the
    /// queue; an overflow of the queue is still noticed.
    fn poll_event(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<Event> {
        if !self.flushed {
            match self.socket.poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.flushed = true;
                    self.stuck = None;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Event::Broken),
                Poll::Pending => self.wait_for_room(timer.as_mut()),
            }
        }
        if let Poll::Ready(event) = self.poll_queue(cx) {
            return Poll::Ready(event);
        }
        if self.flushed
            && let Poll::Ready(heard) = self.poll_socket(cx)
        {
            return Poll::Ready(heard.map_or_else(Event::Ended, |()| Event::Heard));
        }
        timer.poll(cx).map(|()| Event::Due)
    }

    /// The socket does not take all: from now on, or since it last took something, its patience runs.
    fn wait_for_room(&mut self, timer: Pin<&mut Sleep>) {
        let unsent = self.socket.unsent_bytes();
        let since = match self.stuck {
            Some((left, since)) if unsent >= left => since,
            _ => Instant::now(),
        };
        self.stuck = Some((unsent, since));
        if let Some(at) = self.stalls_at().filter(|at| *at < timer.deadline()) {
            timer.reset(at);
        }
    }

    /// Reads, and lets the session hear what is complete: where the bytes lie, without a copy.
    fn poll_socket(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let (edge, session) = (&self.edge, &mut self.session);
        self.socket.poll_read(cx, &mut |incoming| {
            edge.metrics.heard(incoming);
            let input = match incoming {
                Incoming::Text(text) => SessionInput::Text(text),
                Incoming::Binary(_) => SessionInput::Text(""),
                Incoming::Fragment | Incoming::Ping(_) | Incoming::Pong => SessionInput::Alive,
            };
            session.handle_input(edge.clock.now_ms(), input);
            match (session.is_over(), session.ignores()) {
                (true, _) => Reception::Enough,
                (false, true) => Reception::Ignored,
                (false, false) => Reception::Taken,
            }
        })
    }

    fn poll_queue(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let Some(seat) = &self.seat else { return Poll::Pending };
        let (seats, peer) = (&self.edge.seats, seat.peer());
        match self.flushed {
            true => seats.poll_take(peer, cx.waker(), &mut self.mails).map(|taken| match taken {
                Ok(()) => Event::Mail,
                Err(Overflow) => Event::Overflow,
            }),
            false => seats.poll_overflow(peer, cx.waker()).map(|Overflow| Event::Overflow),
        }
    }

    fn handle(&mut self, event: Event) {
        let now_ms = self.edge.clock.now_ms();
        match event {
            Event::Heard => self.heard(),
            Event::Ended(Ended::Violation(TOO_BIG)) => {
                self.over = Some(End::Close(Code::TooBig, "message too long"));
            }
            Event::Ended(Ended::Violation(POLICY)) => self.abandon("message in too many pieces"),
            Event::Ended(Ended::Violation(code)) => self.over = Some(End::Violation(code)),
            Event::Ended(Ended::Closed(code)) => self.over = Some(End::Closed(code)),
            Event::Ended(Ended::Broken) => self.over = Some(End::Broken),
            Event::Mail => self.open_mail(now_ms),
            Event::Overflow => self.over = Some(End::Close(Code::TryAgainLater, "queue is full")),
            Event::Due => self.time_passed(now_ms),
            Event::Broken => self.over = Some(End::Broken),
        }
    }

    fn heard(&mut self) {
        // A ping may have been answered: that has to leave.
        self.flushed = false;
        self.midway = match (self.socket.midway(), self.midway) {
            (Some(message), Some((same, since))) if message == same => Some((same, since)),
            (midway, _) => midway.map(|message| (message, Instant::now())),
        };
    }

    fn time_passed(&mut self, now_ms: u64) {
        let now = Instant::now();
        if self.stalls_at().is_some_and(|at| at <= now) {
            self.over = Some(End::Stalled);
        } else if self.tires_at().is_some_and(|at| at <= now) {
            self.abandon("message does not end");
        } else {
            self.session.handle_timeout(now_ms);
        }
    }

    /// Gives up on a message that its viewer keeps open.
    fn abandon(&mut self, why: &'static str) {
        add(&self.edge.metrics.messages_abandoned, 1);
        self.over = Some(End::Close(Code::Policy, why));
    }

    fn open_mail(&mut self, now_ms: u64) {
        let mut mails = core::mem::take(&mut self.mails);
        for mail in mails.drain(..) {
            let session = &mut self.session;
            match mail {
                Mail::Relay(relay, since) => {
                    self.edge.metrics.latency(since.elapsed());
                    session.handle_input(now_ms, SessionInput::Relayed(relay));
                }
                Mail::Proposed(proposed) => session.handle_input(now_ms, SessionInput::Proposed(proposed)),
                Mail::Known(known) => session.handle_input(now_ms, SessionInput::Known(known)),
                Mail::Gone(peer) => session.handle_input(now_ms, SessionInput::Gone(peer)),
                Mail::ProposalsRefused => session.handle_input(now_ms, SessionInput::ProposalsRefused),
                Mail::Weight(w) => session.handle_input(now_ms, SessionInput::Weight(&w.0, w.1)),
                Mail::Policy(push) => session.handle_input(now_ms, SessionInput::Policy((*push).clone())),
                Mail::Drain(after_ms) => session.handle_input(now_ms, SessionInput::Drain { after_ms }),
                Mail::Stop => session.handle_input(now_ms, SessionInput::Stop),
            }
        }
        // The emptied buffer is the queue's next, unless a busy moment made it large.
        if mails.capacity() <= SPARE_MAILS {
            self.mails = mails;
        }
    }

    /// Carries out what the session asks.
    fn perform(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                SessionOutput::Send(text) => self.write(|socket| socket.put_text(&text)),
                SessionOutput::Ping => self.write(Socket::put_ping),
                SessionOutput::Admit(join) => self.admit(join),
                SessionOutput::Renew(token) => self.renew(&token),
                SessionOutput::Deliver { to, relay } => self.deliver(to, relay),
                SessionOutput::Room(key, input) => self.tell_room(&key, input),
                SessionOutput::Report(_) => add(&self.edge.metrics.reports, 1),
                SessionOutput::Receipts(receipts) => add(&self.edge.metrics.receipts, receipts.len()),
                SessionOutput::Count(counted) => self.edge.metrics.count(counted),
                SessionOutput::Close(code, reason) => self.over = Some(End::Close(code, reason)),
            }
        }
    }

    /// Hands a message to the socket, which keeps it until the next flush. That is bounded: a full queue is the most
    /// that is taken between two flushes, and nothing is read before the last is through.
    fn write(&mut self, put: impl FnOnce(&mut Socket<Line>)) {
        self.flushed = false;
        put(&mut self.socket);
    }

    fn admit(&mut self, join: Box<Join>) {
        let (address, origin) = (self.visitor.address, self.visitor.origin.as_deref());
        let answer = match self.edge.admit(join, address, origin) {
            Ok((seat, admission)) => {
                self.seat = Some(seat);
                SessionInput::Admitted(admission)
            }
            Err(denial) => {
                add(&self.edge.metrics.refused_join, 1);
                SessionInput::Denied(denial)
            }
        };
        self.session.handle_input(self.edge.clock.now_ms(), answer);
    }

    fn renew(&mut self, token: &str) {
        let now_ms = self.edge.clock.now_ms();
        let subject = self.seat.as_ref().and_then(|seat| seat.owner.subject.as_deref());
        let answer = match self.edge.auth.renew(token, subject, now_ms) {
            Ok(admitted) => SessionInput::Renewed(admitted.until),
            Err(denial) => SessionInput::Denied(denial),
        };
        self.session.handle_input(now_ms, answer);
    }

    fn deliver(&mut self, to: PeerId, relay: Relay) {
        let kind = relay.kind;
        let pushed = if to.edge() == self.edge.config.edge {
            self.edge.push(to, Mail::Relay(relay, std::time::Instant::now()))
        } else {
            self.edge.registry.forward(to, relay).map_or(Pushed::Absent, |()| Pushed::Queued { dropped: 0 })
        };
        match pushed {
            Pushed::Absent => {
                self.session.handle_input(self.edge.clock.now_ms(), SessionInput::Undelivered(to))
            }
            _ => self.edge.metrics.relayed(kind),
        }
    }

    fn tell_room(&mut self, key: &RoomKey, input: RoomInput) {
        let Some(seat) = &self.seat else { return };
        let leaves = matches!(input, RoomInput::Leave(_));
        let joins = matches!(input, RoomInput::Join(_));
        self.edge.tell_room(seat.room(), input);
        if joins {
            self.edge.registry.publish(key, crate::seats::lock(seat.room()).len());
        }
        if leaves {
            self.edge.release(seat.peer(), seat.key());
            self.seat = None;
        }
    }
}
