//! What the page's driver does, without bytes: buffers know where their content comes from, and digests are stated.
//!
//! A piece of content is named by the segment and offset it was cut from. Its digest is the signed one exactly if it
//! is what the record says, where the record says it, unharmed; anything else gets a digest that fits nothing. So
//! the core's door decides as it would over real bytes.

use std::collections::BTreeMap;

use meshedflow_core::measure::Measured;
use meshedflow_core::{BlobId, ConnNo, Expect, GrantId, HttpId, Input, PeerInput, Source, Span};

use super::post::Parcel;
use super::source::Source as Origin;

/// Where a run of bytes was cut from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) lane: u8,
    /// Somebody changed it on the way.
    pub(super) harmed: bool,
    pub(super) msn: u32,
    /// Within the segment.
    pub(super) off: u32,
    pub(super) len: u32,
}

/// A buffer: pieces with their places, in order.
#[derive(Debug, Default)]
pub(super) struct Blob {
    pieces: Vec<(u32, Piece)>,
}

impl Blob {
    fn end(&self) -> u32 {
        self.pieces.last().map_or(0, |(at, p)| at + p.len)
    }

    fn put(&mut self, at: u32, piece: Piece) {
        if piece.len == 0 {
            return;
        }
        if let Some((before, last)) = self.pieces.last_mut() {
            let follows = *before + last.len == at && last.off + last.len == piece.off;
            if follows && (last.lane, last.msn, last.harmed) == (piece.lane, piece.msn, piece.harmed) {
                last.len += piece.len;
                return;
            }
        }
        self.pieces.push((at, piece));
    }

    /// The content of a span, if it is of one piece.
    pub(super) fn cut(&self, at: u32, len: u32) -> Option<Piece> {
        let (start, p) = self.pieces.iter().find(|(s, p)| *s <= at && at + len <= s + p.len)?;
        Some(Piece { off: p.off + (at - start), len, ..*p })
    }
}

/// An open GET of media.
#[derive(Debug)]
pub(super) struct Get {
    pub(super) blob: BlobId,
    /// All that will come.
    pub(super) body: Piece,
    pub(super) there: u32,
    /// Index in the viewer's log.
    pub(super) entry: usize,
    /// The load that a player without a mesh made it for.
    pub(super) load: Option<u32>,
}

/// A viewer's buffers, grants and GETs.
#[derive(Debug, Default)]
pub(super) struct Driver {
    pub(super) blobs: BTreeMap<BlobId, Blob>,
    grants: BTreeMap<GrantId, Grant>,
    pub(super) gets: BTreeMap<HttpId, Get>,
}

#[derive(Debug)]
struct Grant {
    expect: Expect,
    /// Blob offset up to which bytes were measured, and up to which they are there.
    at: u32,
    there: u32,
}

/// What the core is to be told.
pub(super) type Told = Vec<Input<'static>>;

impl Driver {
    pub(super) fn expect(&mut self, origin: &Origin, expect: Expect, told: &mut Told) {
        let there = match expect.from {
            Source::Peer(..) => expect.range.start,
            _ => self.blobs.get(&expect.blob).map_or(0, Blob::end),
        };
        let mut grant = Grant { at: expect.range.start, there, expect };
        if !measure(&self.blobs, origin, &mut grant, told) {
            self.grants.insert(grant.expect.grant, grant);
        }
    }

    pub(super) fn forget(&mut self, id: GrantId) {
        self.grants.remove(&id);
    }

    /// Requests to neighbours under way: in all, and at most at one of them.
    pub(super) fn in_flight(&self) -> (usize, usize) {
        let mut by_conn: BTreeMap<ConnNo, usize> = BTreeMap::new();
        for g in self.grants.values() {
            if let Source::Peer(conn, _) = g.expect.from {
                *by_conn.entry(conn).or_default() += 1;
            }
        }
        (by_conn.values().sum(), by_conn.values().copied().max().unwrap_or(0))
    }

    /// The body of a GET is here up to `upto`.
    pub(super) fn http_bytes(&mut self, origin: &Origin, http: HttpId, upto: u32, told: &mut Told) {
        let Some(get) = self.gets.get_mut(&http) else { return };
        let piece = Piece { off: get.body.off + get.there, len: upto.saturating_sub(get.there), ..get.body };
        let at = get.there;
        get.there = get.there.max(upto);
        self.blobs.entry(get.blob).or_default().put(at, piece);
        self.advance(origin, Source::Http(http), upto, told);
    }

    /// A message of a neighbour.
    pub(super) fn media(&mut self, origin: &Origin, conn: ConnNo, parcel: &Parcel, told: &mut Told) {
        let Some((request, offset)) = parcel.head else {
            return told.push(Input::Peer(conn, PeerInput::Violation("not a Data frame")));
        };
        let from = Source::Peer(conn, request);
        let Some(grant) = self.grants.values().find(|g| g.expect.from == from) else {
            return told.push(Input::Peer(conn, PeerInput::Stray(parcel.piece.len)));
        };
        let e = &grant.expect;
        let at = offset.checked_sub(e.base).filter(|at| *at + parcel.piece.len <= e.range.end);
        let (Some(at), blob) = (at, e.blob) else {
            return told.push(Input::Peer(conn, PeerInput::Violation("bytes outside the grant")));
        };
        self.blobs.entry(blob).or_default().put(at, parcel.piece);
        self.advance(origin, from, at + parcel.piece.len, told);
    }

    fn advance(&mut self, origin: &Origin, from: Source, there: u32, told: &mut Told) {
        let mut over = Vec::new();
        for (id, grant) in self.grants.iter_mut().filter(|(_, g)| g.expect.from == from) {
            grant.there = grant.there.max(there);
            if measure(&self.blobs, origin, grant, told) {
                over.push(*id);
            }
        }
        over.iter().for_each(|id| {
            self.grants.remove(id);
        });
    }

    /// The content of parts in order, if they make up one whole segment of the origin's.
    pub(super) fn is_whole(&self, parts: &[Span], lane: u8, msn: u64, size: u32) -> bool {
        let mut next = 0;
        for part in parts {
            let piece = self.blobs.get(&part.blob).and_then(|b| b.cut(part.at, part.len));
            let fits = |p: &Piece| !p.harmed && (p.lane, u64::from(p.msn), p.off) == (lane, msn, next);
            if !piece.as_ref().is_some_and(fits) {
                return false;
            }
            next += part.len;
        }
        next == size
    }

    /// Bytes of all buffers.
    pub(super) fn bytes(&self) -> u64 {
        self.blobs.values().flat_map(|b| &b.pieces).map(|(_, p)| u64::from(p.len)).sum()
    }
}

/// States the measures of all cuts that are there; true once the grant is used up.
fn measure(blobs: &BTreeMap<BlobId, Blob>, origin: &Origin, grant: &mut Grant, told: &mut Told) -> bool {
    let Some(blob) = blobs.get(&grant.expect.blob) else { return false };
    for cut in grant.expect.cuts.iter().copied() {
        if cut <= grant.at || cut > grant.there {
            continue;
        }
        let len = cut - grant.at;
        let digest = blob.cut(grant.at, len).and_then(|piece| origin.digest(&piece)).unwrap_or([0xee; 32]);
        grant.at = cut;
        told.push(Input::Measured { grant: grant.expect.grant, measured: Measured::claimed(len, digest) });
    }
    grant.at == grant.expect.range.end
}
