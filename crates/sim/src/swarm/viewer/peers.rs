//! Connections between viewers: descriptions by way of the edge, then frames and media over both lines.

use meshedflow_core::wire::peek_data;
use meshedflow_core::{ConnNo, Input, PeerCommand, PeerInput, Span};
use meshedflow_protocol::signal::Description;
use meshedflow_protocol::signal::sdp::{self, DescriptionKind, Fingerprint, expand, reduce};

use super::{Conn, Viewer};
use crate::event::Micros;
use crate::evil::twist;
use crate::swarm::content::Piece;
use crate::swarm::lines::Outgoing;
use crate::swarm::post::{Parcel, What};
use crate::swarm::shard::Desk;
use crate::uplink::{Left, Stream};
use crate::viewer::Evil;

/// Gathering and making a description.
const DESCRIBE_US: Micros = 3_000;
/// Lost packets are sent again so long after the way there and back.
const AGAIN_US: Micros = 50_000;

impl Viewer {
    pub(super) fn peer(&mut self, desk: &mut Desk<'_>, conn: ConnNo, command: PeerCommand) {
        match command {
            PeerCommand::Open { .. } => {
                self.conns.insert(conn, Conn::default());
            }
            PeerCommand::Offer => self.describe(desk, conn, DescriptionKind::Offer),
            PeerCommand::Answer(offer) => {
                self.meet(conn, &offer);
                self.describe(desk, conn, DescriptionKind::Answer);
            }
            PeerCommand::Accept(answer) => self.accept(desk, conn, &answer),
            PeerCommand::Send(bytes) => self.send(desk, conn, bytes),
            PeerCommand::SendData(bytes) => self.queue(desk, conn, Stream::Data, Outgoing::Frames(bytes)),
            PeerCommand::SendMedia(head, span) => self.send_media(desk, conn, head, span),
            PeerCommand::Close => self.close(desk, conn),
            PeerCommand::LowMark(bytes) => self.up.low_mark(conn, bytes.into()),
            PeerCommand::Candidate(_) => {}
        }
    }

    fn describe(&mut self, desk: &mut Desk<'_>, conn: ConnNo, kind: DescriptionKind) {
        let ufrag = format!("v{}c{}xxxx", self.index, conn.0);
        let offer = matches!(kind, DescriptionKind::Offer);
        let role = if offer { sdp::Setup::Actpass } else { sdp::Setup::Active };
        let print = Fingerprint([self.index as u8; 32]);
        let Ok(d) = Description::new(&ufrag, &"p".repeat(24), print, role) else { return };
        let sdp = expand(&d, kind).into();
        self.plan(desk, DESCRIBE_US, What::Described { conn, sdp });
    }

    fn meet(&mut self, conn: ConnNo, sdp: &str) -> Option<(u32, ConnNo)> {
        let end = end_of(sdp)?;
        self.conns.entry(conn).or_default().other = Some(end);
        Some(end)
    }

    /// The offerer knows both ends: the connection comes up if their networks let it.
    fn accept(&mut self, desk: &mut Desk<'_>, conn: ConnNo, answer: &str) {
        let Some((other, theirs)) = self.meet(conn, answer) else { return };
        let people = &desk.scene.plan.people;
        let (Some(me), Some(they)) = (people.get(self.index as usize), people.get(other as usize)) else {
            return;
        };
        if !me.nat.reaches(they.nat) || desk.scene.is_parted(self.index, other) {
            return;
        }
        // ICE, DTLS and SCTP take some five ways; nobody's first frame comes before the other's channels are open.
        let way = self.way(desk, other);
        self.plan(desk, way * 5, What::ChannelsOpen { conn });
        self.post(desk, other, way * 5, What::ChannelsOpen { conn: theirs });
    }

    /// From here to another viewer.
    fn way(&self, desk: &Desk<'_>, other: u32) -> Micros {
        let theirs = desk.scene.plan.people.get(other as usize).map_or(0, |p| p.link.latency_us);
        (self.link.latency_us + theirs).max(desk.scene.window_us)
    }

    pub(super) fn on_channels_open(&mut self, desk: &mut Desk<'_>, conn: ConnNo) {
        if self.conns.contains_key(&conn) {
            let since = (desk.now - self.arrived) / 1_000;
            self.fate.connect_ms.get_or_insert(since);
            self.feed(desk, Input::Peer(conn, PeerInput::Opened));
        }
    }

    /// When a message arrives that leaves within `left`, in order with those before; `None` if it never does.
    fn arrival(
        &mut self,
        desk: &Desk<'_>,
        conn: ConnNo,
        stream: Stream,
        left: Micros,
    ) -> Option<(u32, ConnNo, Micros)> {
        let (other, theirs) = self.conns.get(&conn)?.other?;
        if desk.scene.is_parted(self.index, other) {
            self.conns.get_mut(&conn)?.broken = true;
        }
        let people = &desk.scene.plan.people;
        let (me, they) = (people.get(self.index as usize)?, people.get(other as usize)?);
        let (loss, jitter) =
            (u64::from(me.loss_ppm) + u64::from(they.loss_ppm), me.jitter_us + they.jitter_us);
        let way = self.way(desk, other);
        let late = if jitter > 0 { self.draw(jitter) } else { 0 };
        let lost = loss > 0 && self.draw(1_000_000) < loss;
        let after = left + way + late + if lost { 2 * way + AGAIN_US } else { 0 };
        let c = self.conns.get_mut(&conn).filter(|c| !c.broken)?;
        let latest = &mut c.latest[stream as usize];
        *latest = (*latest).max(desk.now + after);
        Some((other, theirs, *latest - desk.now))
    }

    fn send(&mut self, desk: &mut Desk<'_>, conn: ConnNo, bytes: Vec<u8>) {
        let person = &desk.scene.plan.people[self.index as usize];
        let (messages, lies) = match person.evil {
            Evil::No => (vec![bytes], 0),
            evil => twist(evil, self.me, bytes),
        };
        self.fate.lied += lies;
        for bytes in messages {
            self.fate.control += bytes.len() as u64;
            self.send_frames(desk, conn, bytes);
        }
    }

    /// Nothing before it: one event instead of two.
    fn send_frames(&mut self, desk: &mut Desk<'_>, conn: ConnNo, bytes: Vec<u8>) {
        let Some(left) = self.up.pass(desk.now, bytes.len() as u64, self.link.up_bytes_per_s) else {
            return self.queue(desk, conn, Stream::Control, Outgoing::Frames(bytes));
        };
        if let Some((other, theirs, after)) = self.arrival(desk, conn, Stream::Control, left) {
            self.post(desk, other, after, What::Frames { conn: theirs, bytes });
        }
    }

    fn send_media(&mut self, desk: &mut Desk<'_>, conn: ConnNo, head: Vec<u8>, span: Span) {
        let person = &desk.scene.plan.people[self.index as usize];
        if !person.uploads {
            self.fault(desk, "media was sent where nothing may be uploaded");
        }
        let held = self.driver.blobs.get(&span.blob).and_then(|b| b.cut(span.at, span.len));
        let lost = || Piece { harmed: true, len: span.len, ..Piece::default() };
        let mut piece = held.unwrap_or_else(lost);
        if person.evil == Evil::Flips {
            piece.harmed = true;
        }
        self.fate.lied += u32::from(person.evil != Evil::No);
        let bytes = head.len() as u32;
        let head = peek_data(desk.message(&head, span.len)).map(|p| (p.request, p.offset));
        self.queue(desk, conn, Stream::Data, Outgoing::Media(head, bytes, piece));
    }

    fn queue(&mut self, desk: &mut Desk<'_>, conn: ConnNo, stream: Stream, what: Outgoing) {
        self.sent |= stream == Stream::Data;
        self.up.push(conn, stream, what);
        self.next_message(desk);
    }

    fn next_message(&mut self, desk: &mut Desk<'_>) {
        if let Some(took) = self.up.begin(desk.now, self.link.up_bytes_per_s) {
            self.plan(desk, took, What::Left);
        }
    }

    /// A message has left the uplink, or the frame that was waited for.
    pub(super) fn message_left(&mut self, desk: &mut Desk<'_>) {
        if let Some(left) = self.up.finish() {
            self.send_off(desk, left);
        }
        self.next_message(desk);
    }

    fn send_off(&mut self, desk: &mut Desk<'_>, left: Left<Outgoing>) {
        let Left { conn, stream, what, since, low } = left;
        let evil = desk.scene.plan.people[self.index as usize].evil;
        let took = desk.now - since;
        let arrival = self.arrival(desk, conn, stream, 0);
        let is_media = matches!(what, Outgoing::Media(..));
        match (what, arrival) {
            (Outgoing::Media(head, _, piece), Some((other, conn, after)))
                if !matches!(evil, Evil::Withholds | Evil::Boasts) =>
            {
                let parcel = Box::new(Parcel { head, piece, took: Some(took) });
                self.post(desk, other, after, What::Media { conn, parcel });
            }
            (Outgoing::Frames(bytes), Some((other, conn, after))) => {
                self.post(desk, other, after, What::Frames { conn, bytes });
            }
            _ => {}
        }
        if is_media && evil == Evil::ClosesMidFragment {
            self.close(desk, conn);
            self.plan(desk, 1, What::Closed { conn });
        } else if low && self.conns.contains_key(&conn) {
            self.feed(desk, Input::Peer(conn, PeerInput::Drained));
        }
    }

    /// Media is at the door; it passes when the downlink has had time for it.
    pub(super) fn on_media(&mut self, desk: &mut Desk<'_>, conn: ConnNo, mut parcel: Box<Parcel>) {
        if let Some(took) = parcel.took.take() {
            let bytes = u64::from(parcel.piece.len);
            let began = desk.now.saturating_sub(took);
            let here = self.down.receive(began, desk.now, bytes, self.link.down_bytes_per_s);
            let Some(c) = self.conns.get_mut(&conn) else { return };
            c.received = here.max(c.received);
            let wait = c.received - desk.now;
            if wait > 0 {
                c.received += 1;
                return self.plan(desk, wait, What::Media { conn, parcel });
            }
        }
        self.driver.media(&desk.scene.source, conn, &parcel, &mut self.told);
        if !self.told.is_empty() {
            self.settle(desk);
        }
    }

    fn close(&mut self, desk: &mut Desk<'_>, conn: ConnNo) {
        self.up.forget(conn);
        let other = self.conns.remove(&conn).filter(|c| !c.broken).and_then(|c| c.other);
        if let Some((other, theirs)) = other {
            self.post(desk, other, 30_000, What::Closed { conn: theirs });
        }
    }
}

/// The viewer and connection that a description of the model names in its ufrag.
fn end_of(sdp: &str) -> Option<(u32, ConnNo)> {
    let d = reduce(sdp).ok()?;
    let (v, c) = d.ufrag.strip_prefix('v')?.split_once('c')?;
    Some((v.parse().ok()?, ConnNo(c.trim_end_matches('x').parse().ok()?)))
}
