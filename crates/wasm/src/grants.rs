//! Which bytes may enter which blob, and how far each grant is measured. No JavaScript here: [`crate::door`]
//! fetches and stores the bytes.
//!
//! A grant is measured from its first byte on without gaps. Bytes that continue the measured prefix are hashed
//! as they pass; bytes beyond a gap, and bytes that were in the blob before the grant, are read back later, in
//! tasks. A measured byte is frozen: a second arrival of it is dropped.

use std::collections::VecDeque;
use std::ops::Range;

use meshedflow_core::measure::{Measured, Measurer};
use meshedflow_core::sorted::SortedMap;
use meshedflow_core::{BlobId, ConnNo, Expect, GrantId, HttpId, Source};

/// Most separate spans that may wait beyond the measured prefix of one grant; one more is a violation.
const WAITING_SPANS: usize = 64;

/// A peer's messages hold at least so many bytes on average: a sixteenth of what ours do.
const PIECE_BYTES: u32 = 1_024;
/// Messages beyond that, and beyond one for the end of each fragment.
const PIECES_SPARE: u32 = 64;

/// A peer's bytes, judged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Put the bytes from `skip` on into the blob at `at`.
    Put {
        /// Where.
        blob: BlobId,
        /// Blob offset of the first byte to put.
        at: u32,
        /// How many leading bytes are frozen already.
        skip: u32,
    },
    /// No grant, or nothing new.
    Stray,
    /// Outside the grant.
    Violation(&'static str),
}

/// A piece of a blob that is to be read back and measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) grant: GrantId,
    pub(crate) blob: BlobId,
    pub(crate) at: u32,
    pub(crate) len: u32,
}

/// Receives each finished measure.
pub(crate) type Report<'a> = &'a mut dyn FnMut(GrantId, Measured);

struct Grant {
    from: Source,
    blob: BlobId,
    range: Range<u32>,
    base: u32,
    cuts: VecDeque<u32>,
    measurer: Measurer,
    /// Blob offset up to which all bytes are measured.
    measured: u32,
    /// Bytes beyond `measured` that are in the blob: start to end, disjoint.
    waiting: SortedMap<u32, u32>,
    /// Messages in which a peer may still bring the bytes.
    pieces: u32,
}

/// All grants of one mesh.
#[derive(Default)]
pub(crate) struct Grants {
    grants: SortedMap<GrantId, Grant>,
    requests: SortedMap<(ConnNo, u32), GrantId>,
    /// Blobs that grow from the front (bodies of GETs, offered bodies): bytes there.
    filled: SortedMap<BlobId, u32>,
    bodies: SortedMap<HttpId, BlobId>,
    late: VecDeque<GrantId>,
}

impl Grants {
    /// The body of `http` will be appended to `blob`.
    pub(crate) fn body(&mut self, http: HttpId, blob: BlobId) {
        self.bodies.insert(http, blob);
        self.filled.insert(blob, 0);
    }

    /// The page offered a blob that is complete.
    pub(crate) fn offered(&mut self, blob: BlobId, length: u32) {
        self.filled.insert(blob, length);
    }

    /// No more bytes of this body will come.
    pub(crate) fn body_ended(&mut self, http: HttpId) {
        self.bodies.remove(&http);
    }

    /// A new grant. A cut outside its range, or not beyond the one before, is left out.
    pub(crate) fn expect(&mut self, expect: Expect) {
        let Expect { grant, from, blob, range, base, mut cuts } = expect;
        let mut last = range.start;
        cuts.retain(|&cut| {
            let good = cut > last && cut <= range.end;
            last = if good { cut } else { last };
            good
        });
        if let Source::Peer(conn, request) = from {
            self.requests.insert((conn, request), grant);
        }
        let measured = range.start;
        let measurer = Measurer::new();
        let pieces = cuts.len() as u32 + range.end.saturating_sub(range.start) / PIECE_BYTES + PIECES_SPARE;
        let (cuts, waiting) = (cuts.into(), SortedMap::new());
        let given = Grant { from, blob, range, base, cuts, measurer, measured, waiting, pieces };
        self.grants.insert(grant, given);
        self.queue_late(grant);
    }

    /// The grant ends; bytes that still come for it are strays.
    pub(crate) fn forget(&mut self, grant: GrantId) {
        let Some(gone) = self.grants.remove(&grant) else { return };
        if let Source::Peer(conn, request) = gone.from
            && self.requests.get(&(conn, request)) == Some(&grant)
        {
            self.requests.remove(&(conn, request));
        }
    }

    /// The blob is gone, and all grants on it.
    pub(crate) fn free(&mut self, blob: BlobId) {
        while let Some(grant) = self.next_on(blob, 0) {
            self.forget(grant);
        }
        self.filled.remove(&blob);
        self.bodies.retain(|_, body| *body != blob);
    }

    /// The connection is gone, and all grants on it.
    pub(crate) fn drop_peer(&mut self, conn: ConnNo) {
        let gone: Vec<GrantId> = self.requests.range((conn, 0)..=(conn, u32::MAX)).map(|(_, g)| *g).collect();
        for grant in gone {
            self.forget(grant);
        }
    }

    /// `bytes` of a peer arrived for `request`, at `offset` of the segment.
    pub(crate) fn peer_bytes(
        &mut self,
        conn: ConnNo,
        request: u32,
        offset: u32,
        bytes: &[u8],
        report: Report<'_>,
    ) -> Verdict {
        let Some(id) = self.requests.get(&(conn, request)).copied() else { return Verdict::Stray };
        let Some(grant) = self.grants.get_mut(&id) else { return Verdict::Stray };
        let Some(span) = grant.place(offset, bytes.len()) else {
            return Verdict::Violation("data outside the granted range");
        };
        let skip = grant.measured.saturating_sub(span.start);
        let Some(fresh) = bytes.get(skip as usize..).filter(|fresh| !fresh.is_empty()) else {
            return Verdict::Stray;
        };
        let (blob, at) = (grant.blob, span.start + skip);
        if at == grant.measured {
            grant.feed(id, fresh, report);
        } else if grant.waiting.len() >= WAITING_SPANS {
            return Verdict::Violation("data in too many pieces");
        } else {
            grant.wait(at..span.end);
        }
        // Each piece costs the page a call or two, however small it is.
        grant.pieces = grant.pieces.saturating_sub(1);
        if grant.pieces == 0 {
            return Verdict::Violation("data in too many pieces");
        }
        self.settle(id);
        Verdict::Put { blob, at, skip }
    }

    /// Would any grant measure bytes of this body that arrive at `at`? Notes that `len` bytes are there.
    pub(crate) fn body_grows(&mut self, http: HttpId, at: u32, len: u32) -> Option<BlobId> {
        let blob = self.bodies.get(&http).copied()?;
        let end = at.saturating_add(len);
        self.filled.insert(blob, end);
        let wanted = self.grants.values().any(|grant| grant.blob == blob && grant.wants(at, end));
        wanted.then_some(blob)
    }

    /// Measures `bytes` at `at` of a growing blob for every grant that they continue.
    pub(crate) fn body_bytes(&mut self, blob: BlobId, at: u32, bytes: &[u8], report: Report<'_>) {
        let mut from = 0;
        while let Some(id) = self.next_on(blob, from) {
            from = id.0.saturating_add(1);
            let Some(grant) = self.grants.get_mut(&id) else { continue };
            let skip = grant.measured.checked_sub(at).map(|skip| skip as usize);
            if let Some(fresh) = skip.and_then(|skip| bytes.get(skip..)) {
                grant.feed(id, fresh, report);
            }
            self.settle(id);
        }
    }

    /// The next piece to read back, at most `most` bytes.
    pub(crate) fn next_late(&mut self, most: u32) -> Option<Late> {
        while let Some(id) = self.late.front().copied() {
            if let Some(grant) = self.grants.get(&id) {
                let (blob, at) = (grant.blob, grant.measured);
                let len = grant.readable(self.filled.get(&blob).copied()).min(most);
                if len > 0 {
                    return Some(Late { grant: id, blob, at, len });
                }
            }
            self.late.pop_front();
        }
        None
    }

    /// Measures what was read back for [`Grants::next_late`].
    pub(crate) fn late_bytes(&mut self, late: Late, bytes: &[u8], report: Report<'_>) {
        let Some(grant) = self.grants.get_mut(&late.grant) else { return };
        if grant.measured == late.at {
            grant.feed(late.grant, bytes, report);
        }
        self.settle(late.grant);
    }

    /// After a step of a grant: a finished one goes, one with readable bytes gets in line.
    fn settle(&mut self, id: GrantId) {
        match self.grants.get_mut(&id) {
            Some(grant) if grant.cuts.is_empty() => self.forget(id),
            Some(grant) => {
                grant.forget_measured();
                self.queue_late(id);
            }
            None => {}
        }
    }

    fn queue_late(&mut self, id: GrantId) {
        let Some(grant) = self.grants.get(&id) else { return };
        if grant.readable(self.filled.get(&grant.blob).copied()) > 0 && !self.late.contains(&id) {
            self.late.push_back(id);
        }
    }

    /// The blob's first grant numbered `from` or higher. Grants are few: there is no index by blob.
    fn next_on(&self, blob: BlobId, from: u32) -> Option<GrantId> {
        self.grants.range(GrantId(from)..).find(|(_, grant)| grant.blob == blob).map(|(id, _)| *id)
    }
}

impl Grant {
    /// Where in the blob `len` bytes at a segment offset lie; `None` outside the grant.
    fn place(&self, offset: u32, len: usize) -> Option<Range<u32>> {
        let start = offset.checked_sub(self.base)?;
        let end = start.checked_add(u32::try_from(len).ok()?)?;
        (start >= self.range.start && end <= self.range.end).then_some(start..end)
    }

    fn wants(&self, at: u32, end: u32) -> bool {
        !matches!(self.from, Source::Peer(..))
            && self.measured >= at
            && self.measured < end.min(self.range.end)
    }

    /// Measures bytes that lie at `self.measured`; those beyond the last cut are left alone.
    fn feed(&mut self, id: GrantId, mut bytes: &[u8], report: Report<'_>) {
        while let Some(&cut) = self.cuts.front() {
            let missing = cut.saturating_sub(self.measured) as usize;
            let Some((now, later)) = bytes.split_at_checked(missing.min(bytes.len())) else { return };
            self.measurer.update(now);
            self.measured += now.len() as u32;
            if self.measured < cut {
                return;
            }
            self.cuts.pop_front();
            report(id, self.measurer.finish());
            bytes = later;
        }
    }

    /// Notes bytes beyond a gap, joined with what touches them.
    fn wait(&mut self, mut span: Range<u32>) {
        loop {
            let before = self.waiting.range(..=span.end).next_back().map(|(start, end)| (*start, *end));
            let Some((start, end)) = before.filter(|(_, end)| *end >= span.start) else { break };
            self.waiting.remove(&start);
            span = start.min(span.start)..end.max(span.end);
        }
        self.waiting.insert(span.start, span.end);
    }

    fn forget_measured(&mut self) {
        let measured = self.measured;
        self.waiting.retain(|_, end| *end > measured);
    }

    /// Bytes that are in the blob right behind the measured ones.
    fn readable(&self, filled: Option<u32>) -> u32 {
        let touching = self.waiting.range(..=self.measured).next_back().map_or(0, |(_, end)| *end);
        let end = touching.max(filled.unwrap_or(0)).min(self.range.end);
        end.saturating_sub(self.measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN: ConnNo = ConnNo(3);
    const GRANT: GrantId = GrantId(9);
    const BLOB: BlobId = BlobId(1);

    /// A page: one blob with true bytes, and the measures it was told.
    struct Page {
        grants: Grants,
        truth: Vec<u8>,
        told: Vec<Measured>,
    }

    fn page(from: Source, range: Range<u32>, cuts: &[u32]) -> Page {
        let mut grants = Grants::default();
        grants.body(HttpId(4), BLOB);
        grants.expect(Expect { grant: GRANT, from, blob: BLOB, range, base: 1000, cuts: cuts.to_vec() });
        Page { grants, truth: (0..200).map(|i| i as u8).collect(), told: Vec::new() }
    }

    impl Page {
        /// The peer sends these bytes of the segment, whose blob begins at 1000.
        fn peer(&mut self, bytes: Range<u32>) -> Verdict {
            let data = &self.truth[bytes.start as usize..bytes.end as usize];
            let told = &mut self.told;
            self.grants.peer_bytes(CONN, 5, 1000 + bytes.start, data, &mut |grant, measured| {
                assert_eq!(grant, GRANT);
                told.push(measured);
            })
        }

        fn body(&mut self, bytes: Range<u32>) {
            let told = &mut self.told;
            if let Some(blob) = self.grants.body_grows(HttpId(4), bytes.start, bytes.end - bytes.start) {
                let data = &self.truth[bytes.start as usize..bytes.end as usize];
                self.grants.body_bytes(blob, bytes.start, data, &mut |_, measured| told.push(measured));
            }
        }

        fn catch_up(&mut self, most: u32) -> usize {
            let mut tasks = 0;
            while let Some(late) = self.grants.next_late(most) {
                let data = &self.truth[late.at as usize..(late.at + late.len) as usize];
                let told = &mut self.told;
                self.grants.late_bytes(late, data, &mut |_, measured| told.push(measured));
                tasks += 1;
            }
            tasks
        }

        /// Was told the measures of the bytes between these marks, once each, in order?
        fn told_truth(&self, marks: &[usize]) -> bool {
            let truth = marks.windows(2).map(|span| {
                let mut measurer = Measurer::new();
                measurer.update(&self.truth[span[0]..span[1]]);
                measurer.finish()
            });
            self.told == truth.collect::<Vec<_>>()
        }
    }

    fn put(at: u32, skip: u32) -> Verdict {
        Verdict::Put { blob: BLOB, at, skip }
    }

    #[test]
    fn odd_pieces_are_measured_once_for_each_cut() {
        let mut page = page(Source::Peer(CONN, 5), 0..100, &[30, 100]);
        assert_eq!(page.peer(0..7), put(0, 0));
        assert_eq!(page.peer(7..31), put(7, 0));
        assert!(page.told_truth(&[0, 30]));
        assert_eq!(page.peer(31..100), put(31, 0));
        assert!(page.told_truth(&[0, 30, 100]));
        assert_eq!(page.peer(0..100), Verdict::Stray, "the grant is used up");
    }

    #[test]
    fn measured_bytes_are_frozen() {
        let mut page = page(Source::Peer(CONN, 5), 0..100, &[100]);
        page.peer(0..50);
        assert_eq!(page.peer(10..40), Verdict::Stray);
        assert_eq!(page.peer(40..60), put(50, 10));
        page.peer(60..100);
        assert!(page.told_truth(&[0, 100]));
    }

    #[test]
    fn bytes_outside_the_grant_are_a_violation() {
        let mut page = page(Source::Peer(CONN, 5), 10..100, &[100]);
        for bytes in [0..20, 9..10, 90..101, 100..101] {
            assert!(matches!(page.peer(bytes.clone()), Verdict::Violation(_)), "{bytes:?}");
        }
        let below_base = page.grants.peer_bytes(CONN, 5, 999, &[1], &mut |_, _| ());
        assert!(matches!(below_base, Verdict::Violation(_)));
        assert_eq!(page.grants.peer_bytes(CONN, 6, 1010, &[1], &mut |_, _| ()), Verdict::Stray);
        assert_eq!(page.grants.peer_bytes(ConnNo(4), 5, 1010, &[1], &mut |_, _| ()), Verdict::Stray);
    }

    #[test]
    fn a_gap_is_closed_from_the_blob() {
        let mut page = page(Source::Peer(CONN, 5), 0..100, &[100]);
        assert_eq!(page.peer(60..80), put(60, 0));
        assert_eq!(page.peer(20..40), put(20, 0));
        assert_eq!(page.peer(40..60), put(40, 0));
        assert_eq!(page.catch_up(64), 0, "nothing touches the measured prefix yet");
        assert_eq!(page.peer(0..20), put(0, 0));
        assert_eq!(page.catch_up(64), 1);
        assert_eq!(page.peer(80..100), put(80, 0));
        assert!(page.told_truth(&[0, 100]));
    }

    #[test]
    fn a_peer_cannot_bring_a_fragment_byte_by_byte() {
        let mut page = page(Source::Peer(CONN, 5), 0..200, &[200]);
        let verdicts: Vec<_> = (0..99).map(|i| page.peer(i..i + 1)).collect();
        let good = verdicts.iter().take_while(|v| matches!(v, Verdict::Put { .. })).count();
        assert_eq!(good, PIECES_SPARE as usize);
        assert_eq!(verdicts[good], Verdict::Violation("data in too many pieces"));
    }

    #[test]
    fn a_peer_cannot_make_endless_gaps() {
        let mut page = page(Source::Peer(CONN, 5), 0..200, &[200]);
        let verdicts: Vec<_> = (0..99).map(|i| page.peer(2 * i + 1..2 * i + 2)).collect();
        assert!(matches!(verdicts[63], Verdict::Put { .. }));
        assert!(matches!(verdicts[64], Verdict::Violation(_)));
    }

    #[test]
    fn a_body_is_measured_as_it_grows() {
        let mut page = page(Source::Http(HttpId(4)), 0..100, &[30, 100]);
        page.body(0..29);
        page.body(29..64);
        page.body(64..130);
        assert!(page.told_truth(&[0, 30, 100]));
    }

    #[test]
    fn a_grant_over_bytes_already_there_reads_them_back() {
        let mut page = page(Source::Http(HttpId(4)), 0..10, &[10]);
        page.body(0..80);
        let (grant, from) = (GrantId(10), Source::Http(HttpId(4)));
        let cuts = vec![60, 100];
        page.grants.expect(Expect { grant, from, blob: BLOB, range: 10..100, base: 1000, cuts });
        page.body(80..90);
        assert_eq!(page.catch_up(32), 3, "80 bytes in pieces of 32");
        page.body(90..100);
        assert!(page.told_truth(&[0, 10, 60, 100]));
    }

    #[test]
    fn an_offered_body_is_read_back() {
        let mut page = page(Source::Peer(CONN, 5), 0..1, &[1]);
        let (blob, grant) = (BlobId(70), GrantId(11));
        page.grants.offered(blob, 100);
        let cuts = vec![50, 100];
        page.grants.expect(Expect { grant, from: Source::Offered, blob, range: 0..100, base: 0, cuts });
        page.catch_up(256);
        assert!(page.told_truth(&[0, 50, 100]));
    }

    #[test]
    fn what_is_forgotten_or_freed_takes_no_more_bytes() {
        let mut one = page(Source::Peer(CONN, 5), 0..100, &[100]);
        one.grants.forget(GRANT);
        assert_eq!(one.peer(0..10), Verdict::Stray);
        let mut two = page(Source::Peer(CONN, 5), 0..100, &[100]);
        two.grants.free(BLOB);
        assert_eq!(two.peer(0..10), Verdict::Stray);
        let mut three = page(Source::Peer(CONN, 5), 0..100, &[100]);
        three.grants.drop_peer(CONN);
        assert_eq!(three.peer(0..10), Verdict::Stray);
    }
}
