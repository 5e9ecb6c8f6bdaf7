//! What the page's driver does, in the model: blobs, grants that really hash, GETs.

use std::collections::BTreeMap;

use meshedflow_core::measure::Measurer;
use meshedflow_core::wire::peek_data;
use meshedflow_core::{BlobId, ConnNo, Expect, GrantId, HttpId, Input, PeerInput, Source};

/// A viewer's buffers and grants.
#[derive(Debug, Default)]
pub(crate) struct Driver {
    pub(crate) blobs: BTreeMap<BlobId, Vec<u8>>,
    grants: BTreeMap<GrantId, Grant>,
    pub(crate) gets: BTreeMap<HttpId, Get>,
}

/// An open GET of media.
#[derive(Debug)]
pub(crate) struct Get {
    pub(crate) blob: BlobId,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
struct Grant {
    expect: Expect,
    measurer: Measurer,
    /// Blob offset up to which bytes were measured.
    at: u32,
    /// Blob offset up to which bytes are there.
    there: u32,
}

impl Driver {
    pub(crate) fn expect(&mut self, expect: Expect) -> Vec<Input<'static>> {
        let id = expect.grant;
        let there = match expect.from {
            Source::Peer(..) => expect.range.start,
            _ => self.blobs.get(&expect.blob).map_or(0, Vec::len) as u32,
        };
        self.grants.insert(id, Grant { at: expect.range.start, there, measurer: Measurer::new(), expect });
        self.measure(id)
    }

    /// Grants that are open.
    pub(crate) fn grants(&self) -> usize {
        self.grants.len()
    }

    pub(crate) fn forget(&mut self, id: GrantId) {
        self.grants.remove(&id);
    }

    /// HTTP bytes arrived up to `upto` of the body.
    pub(crate) fn http_bytes(&mut self, http: HttpId, upto: u32) -> Vec<Input<'static>> {
        let Some(get) = self.gets.get(&http) else { return Vec::new() };
        let blob = self.blobs.entry(get.blob).or_default();
        let upto = (upto as usize).min(get.body.len());
        if upto > blob.len() {
            blob.extend_from_slice(&get.body[blob.len()..upto]);
        }
        self.advance(|e| e.from == Source::Http(http), upto as u32)
    }

    /// A media message of a neighbour.
    pub(crate) fn media(&mut self, conn: ConnNo, message: &[u8]) -> Vec<Input<'static>> {
        let Some(peek) = peek_data(message) else {
            return vec![Input::Peer(conn, PeerInput::Violation("not a Data frame"))];
        };
        let payload = &message[peek.payload.clone()];
        let from = Source::Peer(conn, peek.request);
        let Some(grant) = self.grants.values().find(|g| g.expect.from == from) else {
            return vec![Input::Peer(conn, PeerInput::Stray(payload.len() as u32))];
        };
        let e = &grant.expect;
        let at = peek.offset.checked_sub(e.base).filter(|at| *at + payload.len() as u32 <= e.range.end);
        let (Some(at), blob) = (at, e.blob) else {
            return vec![Input::Peer(conn, PeerInput::Violation("bytes outside the grant"))];
        };
        let bytes = self.blobs.entry(blob).or_default();
        let end = at as usize + payload.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at as usize..end].copy_from_slice(payload);
        self.advance(|e| e.from == from, end as u32)
    }

    fn advance(&mut self, which: impl Fn(&Expect) -> bool, there: u32) -> Vec<Input<'static>> {
        let ids: Vec<GrantId> =
            self.grants.iter().filter(|(_, g)| which(&g.expect)).map(|(id, _)| *id).collect();
        let mut inputs = Vec::new();
        for id in ids {
            if let Some(g) = self.grants.get_mut(&id) {
                g.there = g.there.max(there);
            }
            inputs.extend(self.measure(id));
        }
        inputs
    }

    fn measure(&mut self, id: GrantId) -> Vec<Input<'static>> {
        let Some(g) = self.grants.get_mut(&id) else { return Vec::new() };
        let Some(bytes) = self.blobs.get(&g.expect.blob) else { return Vec::new() };
        let mut inputs = Vec::new();
        for cut in g.expect.cuts.clone() {
            if cut <= g.at || cut > g.there {
                continue;
            }
            g.measurer.update(&bytes[g.at as usize..cut as usize]);
            g.at = cut;
            inputs.push(Input::Measured { grant: id, measured: g.measurer.finish() });
        }
        if g.at == g.expect.range.end {
            self.grants.remove(&id);
        }
        inputs
    }
}
