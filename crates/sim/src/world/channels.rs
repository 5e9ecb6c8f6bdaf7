//! Connections between viewers: descriptions by way of the edge, then frames and media over links.

use meshedflow_core::wire::peek_data;
use meshedflow_core::{ConnNo, Input, PeerCommand, PeerInput, Span};
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::signal::Description;
use meshedflow_protocol::signal::sdp::{self, DescriptionKind, Fingerprint, expand, reduce};

use super::World;
use crate::event::Happening;
use crate::evil::twist;
use crate::forge::{forge, forged};
use crate::viewer::{Conn, Evil};

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
            PeerCommand::Send(bytes) | PeerCommand::SendData(bytes) => self.send(v, conn, bytes),
            PeerCommand::SendMedia(head, span) => self.send_media(v, conn, head, span),
            PeerCommand::Close => self.close(v, conn),
            PeerCommand::LowMark(bytes) => {
                self.with(v, |viewer| viewer.conns.get_mut(&conn).map(|c| c.low = bytes as usize));
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
        self.with(v, |viewer| {
            let low = viewer.conns.get(&conn).map_or(0, |c| c.low);
            viewer.conns.insert(conn, Conn { low, ..Conn::to(Some((other, theirs)), true) })
        });
        self.with(other, |viewer| viewer.conns.get_mut(&theirs).map(|c| c.open = true));
        self.plan(v, 60_000, Happening::ChannelsOpen { conn });
        self.plan(other, 55_000, Happening::ChannelsOpen { conn: theirs });
    }

    fn other_end(&self, v: usize, conn: ConnNo) -> Option<(usize, ConnNo)> {
        self.viewers.get(v)?.as_ref()?.conns.get(&conn)?.other
    }

    fn send(&mut self, v: usize, conn: ConnNo, bytes: Vec<u8>) {
        let Some((other, theirs)) = self.other_end(v, conn) else { return };
        let me = self.edge.id_of(v).unwrap_or(PeerId([0; 16]));
        let said = self.with(v, |viewer| {
            let (messages, lies) = twist(viewer.evil, me, bytes);
            viewer.lied += lies;
            messages
        });
        for bytes in said.unwrap_or_default() {
            let bytes = self.forge(v, bytes);
            self.plan(other, self.setup.link.latency_us * 2, Happening::Frames { conn: theirs, bytes });
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
        let now = self.now;
        let Some((other, theirs)) = self.other_end(v, conn) else { return };
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
            let left = viewer.uplink.send(now, message.len(), &viewer.link);
            if let Some(c) = viewer.conns.get_mut(&conn) {
                c.queued += message.len();
            }
            let withheld = match viewer.evil {
                Evil::Withholds | Evil::Boasts => true,
                Evil::PoisonsPrefix => quarter > 1,
                _ => false,
            };
            (message, left - now, viewer.link.latency_us * 2, (viewer.evil, withheld))
        });
        let Some((message, after, latency, (evil, withheld))) = sent else { return };
        self.plan(v, after, Happening::Left { conn, bytes: message.len() });
        if !withheld {
            self.plan(other, after + latency, Happening::Media { conn: theirs, message });
        }
        if evil == Evil::ClosesMidFragment {
            self.close(v, conn);
            self.plan(v, 1, Happening::ConnClosed { conn });
        }
    }

    /// Bytes left a channel; as a browser does, the page tells when that brought it to its low mark.
    pub(super) fn left(&mut self, v: usize, conn: ConnNo, bytes: usize) {
        let drained = self.with(v, |viewer| {
            let c = viewer.conns.get_mut(&conn)?;
            c.queued = c.queued.saturating_sub(bytes);
            Some(c.queued <= c.low)
        });
        if drained.flatten() == Some(true) {
            self.feed(v, Input::Peer(conn, PeerInput::Drained));
        }
    }

    fn close(&mut self, v: usize, conn: ConnNo) {
        let other = self.with(v, |viewer| viewer.conns.remove(&conn)).flatten().and_then(|c| c.other);
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
