//! Connections between viewers: descriptions by way of the edge, then frames and media over links.

use meshedflow_core::wire::peek_data;
use meshedflow_core::{ConnNo, Input, PeerCommand, PeerInput, Span};
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::signal::Description;
use meshedflow_protocol::signal::sdp::{self, DescriptionKind, Fingerprint, expand, reduce};

use super::World;
use crate::event::{Happening, Micros};
use crate::evil::twist;
use crate::forge::{forge, forged};
use crate::uplink::{Left, Message as _, Stream};
use crate::viewer::{Conn, Evil, Outgoing};

impl World {
    pub(super) fn peer(&mut self, v: usize, conn: ConnNo, command: PeerCommand) {
        match command {
            PeerCommand::Open { .. } => {
                self.with(v, |viewer| {
                    viewer.tally.connections += 1;
                    viewer.conns.insert(conn, Conn::to(None, false))
                });
            }
            PeerCommand::Offer => self.describe(v, conn, Side::Offer),
            PeerCommand::Answer(offer) => self.answer(v, conn, &offer),
            PeerCommand::Accept(answer) => self.accept(v, conn, &answer),
            PeerCommand::Send(bytes) => self.send(v, conn, Stream::Control, bytes),
            PeerCommand::SendData(bytes) => self.send(v, conn, Stream::Data, bytes),
            PeerCommand::SendMedia(head, span) => self.send_media(v, conn, head, span),
            PeerCommand::Close => self.close(v, conn),
            PeerCommand::LowMark(bytes) => {
                self.with(v, |viewer| viewer.up.low_mark(conn, bytes.into()));
            }
            PeerCommand::Candidate(_) => {}
        }
    }

    fn describe(&mut self, v: usize, conn: ConnNo, kind: Side) {
        let ufrag = format!("v{v}c{}xxxx", conn.0);
        let role = if kind == Side::Offer { sdp::Setup::Actpass } else { sdp::Setup::Active };
        let Ok(d) = Description::new(&ufrag, &"p".repeat(24), Fingerprint([v as u8; 32]), role) else {
            return;
        };
        let kind = if kind == Side::Offer { DescriptionKind::Offer } else { DescriptionKind::Answer };
        let sdp = expand(&d, kind);
        self.plan(v, 3_000, Happening::Described { conn, sdp });
    }

    fn answer(&mut self, v: usize, conn: ConnNo, offer: &str) {
        if let Some((other, theirs)) = end_of(offer) {
            self.with(v, |viewer| viewer.conns.insert(conn, Conn::to(Some((other, theirs)), false)));
        }
        self.describe(v, conn, Side::Answer);
    }

    fn accept(&mut self, v: usize, conn: ConnNo, answer: &str) {
        let Some((other, theirs)) = end_of(answer) else { return };
        self.with(v, |viewer| viewer.conns.insert(conn, Conn::to(Some((other, theirs)), true)));
        self.with(other, |viewer| viewer.conns.get_mut(&theirs).map(|c| c.open = true));
        self.plan(v, 60_000, Happening::ChannelsOpen { conn });
        self.plan(other, 55_000, Happening::ChannelsOpen { conn: theirs });
    }

    fn other_end(&self, v: usize, conn: ConnNo) -> Option<(usize, ConnNo)> {
        self.viewers.get(v)?.as_ref()?.conns.get(&conn)?.other
    }

    fn send(&mut self, v: usize, conn: ConnNo, stream: Stream, bytes: Vec<u8>) {
        let me = self.edge.id_of(v).unwrap_or(PeerId([0; 16]));
        let said = self.with(v, |viewer| {
            let (messages, lies) = twist(viewer.evil, me, bytes);
            viewer.lied += lies;
            messages
        });
        for bytes in said.unwrap_or_default() {
            let bytes = self.forge(v, bytes);
            self.queue(v, conn, stream, Outgoing::Frames(bytes));
        }
    }

    /// Into the line, unless nothing is before a frame of control: that one is on its way.
    fn queue(&mut self, v: usize, conn: ConnNo, stream: Stream, what: Outgoing) {
        let now = self.now;
        let passed = self.with(v, |viewer| {
            let rate = viewer.link.up_bytes_per_s;
            let passed =
                (stream == Stream::Control).then(|| viewer.up.pass(now, what.bytes(), rate)).flatten();
            if passed.is_none() {
                viewer.sent |= stream == Stream::Data;
                viewer.up.push(conn, stream, what);
                return None;
            }
            passed.map(|took| (took, what))
        });
        match passed.flatten() {
            Some((took, what)) => self.arrive_at(v, conn, took, what),
            None => self.next_message(v),
        }
    }

    fn next_message(&mut self, v: usize) {
        let now = self.now;
        let took = self.with(v, |viewer| viewer.up.begin(now, viewer.link.up_bytes_per_s)).flatten();
        if let Some(took) = took {
            self.plan(v, took, Happening::Left);
        }
    }

    /// What leaves within `took` arrives at the other end.
    fn arrive_at(&mut self, v: usize, conn: ConnNo, took: Micros, what: Outgoing) {
        let Some((other, conn)) = self.other_end(v, conn) else { return };
        let way = self.with(v, |viewer| viewer.link.latency_us * 2).unwrap_or_default();
        match what {
            Outgoing::Frames(bytes) => self.plan(other, took + way, Happening::Frames { conn, bytes }),
            Outgoing::Media { withheld: true, .. } => {}
            Outgoing::Media { message, .. } => {
                self.plan(other, took + way, Happening::Media { conn, message })
            }
        }
    }

    /// What a forger says instead.
    fn forge(&mut self, v: usize, bytes: Vec<u8>) -> Vec<u8> {
        let Some(viewer) = self.viewers.get_mut(v).and_then(Option::as_mut) else { return bytes };
        let Evil::Forges(how) = viewer.evil else { return bytes };
        let (said, lies) = forge(how, &self.origin, &mut viewer.forged, &bytes);
        viewer.lied += lies;
        said
    }

    fn send_media(&mut self, v: usize, conn: ConnNo, head: Vec<u8>, span: Span) {
        let quarter_bytes = self.origin.sizes[0] / 4;
        let sent = self.with(v, |viewer| {
            let mut message = head;
            let at = message.len();
            let blob = viewer.driver.blobs.get(&span.blob).map_or(&[][..], |b| b);
            message.extend_from_slice(
                blob.get(span.at as usize..(span.at + span.len) as usize).unwrap_or_default(),
            );
            let quarter = peek_data(&message).map_or(0, |peek| peek.offset / quarter_bytes);
            viewer.lied += u32::from(viewer.evil != Evil::No);
            if viewer.evil == Evil::Flips
                && let Some(byte) = message.get_mut(at)
            {
                *byte ^= 1;
            }
            if let Evil::Forges(_) = viewer.evil {
                forged(&mut message[at..]);
            }
            if viewer.evil == Evil::PoisonsPrefix && quarter == 0 {
                forged(&mut message[at..]);
            }
            let withheld = match viewer.evil {
                Evil::Withholds | Evil::Boasts => true,
                Evil::PoisonsPrefix => quarter > 1,
                _ => false,
            };
            Outgoing::Media { message, withheld }
        });
        if let Some(what) = sent {
            self.queue(v, conn, Stream::Data, what);
        }
    }

    /// A message has left the uplink, or the frame that was waited for.
    pub(super) fn message_left(&mut self, v: usize) {
        if let Some(left) = self.with(v, |viewer| viewer.up.finish()).flatten() {
            self.send_off(v, left);
        }
        self.next_message(v);
    }

    fn send_off(&mut self, v: usize, left: Left<Outgoing>) {
        let Left { conn, what, low, .. } = left;
        let hangs_up = self.with(v, |viewer| viewer.evil) == Some(Evil::ClosesMidFragment);
        let is_media = matches!(what, Outgoing::Media { .. });
        self.arrive_at(v, conn, 0, what);
        if is_media && hangs_up {
            self.close(v, conn);
            self.plan(v, 1, Happening::ConnClosed { conn });
        } else if low {
            self.feed(v, Input::Peer(conn, PeerInput::Drained));
        }
    }

    /// The driver's task after it has sent.
    pub(super) fn look_at_channels(&mut self, v: usize) {
        let low = self.with(v, |viewer| core::mem::take(&mut viewer.sent).then(|| viewer.up.settle()));
        for conn in low.flatten().unwrap_or_default() {
            self.feed(v, Input::Peer(conn, PeerInput::Drained));
        }
    }

    fn close(&mut self, v: usize, conn: ConnNo) {
        let closed = self.with(v, |viewer| {
            viewer.up.forget(conn);
            viewer.conns.remove(&conn)
        });
        let other = closed.flatten().and_then(|c| c.other);
        if let Some((other, theirs)) = other {
            self.plan(other, 30_000, Happening::ConnClosed { conn: theirs });
        }
    }
}

/// Which description is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Offer,
    Answer,
}

/// The viewer and connection that a description of the model names in its ufrag.
fn end_of(sdp: &str) -> Option<(usize, ConnNo)> {
    let d = reduce(sdp).ok()?;
    let (v, c) = d.ufrag.strip_prefix('v')?.split_once('c')?;
    Some((v.parse().ok()?, ConnNo(c.trim_end_matches('x').parse().ok()?)))
}
