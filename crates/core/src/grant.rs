//! Grants: who may put which bytes where, and what becomes of their measures.

use std::collections::VecDeque;

use meshedflow_manifest::Measured;

use crate::input::{BlobId, ConnNo, GrantId, HttpId, Span};
use crate::mesh::Mesh;
use crate::output::{Expect, Output, Source};
use crate::segment::SegKey;
use crate::time::Time;
use crate::verify::{FragmentKey, Mismatch, TrustedRecord, Unverified, Verified, admit};

/// One grant.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) key: SegKey,
    pub(crate) epoch: u64,
    pub(crate) from: Source,
    pub(crate) blob: BlobId,
    /// Fragments still to be measured: index, first byte and length in the blob.
    pub(crate) cuts: VecDeque<(u16, u32, u32)>,
    /// When it was given, or its last cut was measured.
    pub(crate) since: Time,
}

impl Mesh {
    /// Gives a grant over consecutive records of a segment; `base` is the segment offset of blob byte 0.
    pub(crate) fn grant(
        &mut self,
        key: SegKey,
        from: Source,
        blob: BlobId,
        base: u32,
        records: &[u16],
    ) -> Option<GrantId> {
        let seg = self.seg(key)?;
        let epoch = seg.list.as_ref()?.header().epoch;
        let mut cuts = VecDeque::new();
        for i in records {
            let (start, end) = seg.bounds(*i)?;
            cuts.push_back((*i, start.checked_sub(base)?, end - start));
        }
        let first = cuts.front().map(|(_, at, _)| *at)?;
        let ends: Vec<u32> = cuts.iter().map(|(_, at, len)| at + len).collect();
        let last = *ends.last()?;
        let grant = GrantId(self.fresh());
        self.grants.insert(grant, Grant { key, epoch, from, blob, cuts, since: self.now });
        self.push(Output::Expect(Expect { grant, from, blob, range: first..last, base, cuts: ends }));
        Some(grant)
    }

    /// The driver measured the next cut.
    pub(crate) fn on_measured(&mut self, id: GrantId, measured: Measured) {
        if self.on_init_measured(id, &measured) {
            return;
        }
        let now = self.now;
        let Some(grant) = self.grants.get_mut(&id) else { return };
        let Some((index, at, len)) = grant.cuts.pop_front() else { return };
        let took = now.since(grant.since);
        grant.since = now;
        let (key, from, blob, epoch, over) =
            (grant.key, grant.from, grant.blob, grant.epoch, grant.cuts.is_empty());
        if over {
            self.grants.remove(&id);
        }
        let bytes = Unverified {
            key: FragmentKey { lane: key.lane, epoch, msn: key.msn, index },
            span: Span { blob, at, len },
            from,
        };
        match self.check_fragment(bytes, measured) {
            Some(Ok(verified)) => self.on_verified(key, verified, took, over),
            Some(Err(why)) => self.on_mismatch(key, index, from, why),
            None => {}
        }
    }

    fn check_fragment(&self, bytes: Unverified, measured: Measured) -> Option<Result<Verified, Mismatch>> {
        let FragmentKey { lane, msn, index, epoch } = bytes.key;
        let list = self.seg(SegKey { lane, msn })?.list.as_ref()?;
        if list.header().epoch != epoch {
            return None;
        }
        #[cfg(feature = "mutants")]
        if self.options.mutant("accept-unverified") {
            return Some(Ok(crate::verify::wave_through(bytes)));
        }
        TrustedRecord::of(list, index).map(|record| admit(bytes, measured, &record))
    }

    /// Ends a grant; later bytes are dropped by the driver.
    pub(crate) fn revoke(&mut self, id: GrantId) {
        if self.grants.remove(&id).is_some() {
            self.push(Output::Forget(id));
        }
    }

    pub(crate) fn drop_grants_of(&mut self, key: SegKey) {
        self.revoke_where(|g| g.key == key);
    }

    pub(crate) fn drop_grants_of_request(&mut self, conn: ConnNo, request: u32) {
        self.revoke_where(|g| g.from == Source::Peer(conn, request));
    }

    pub(crate) fn drop_grants_of_http(&mut self, http: HttpId) {
        self.revoke_where(|g| g.from == Source::Http(http));
    }

    fn revoke_where(&mut self, which: impl Fn(&Grant) -> bool) {
        let ids: Vec<GrantId> = self.grants.iter().filter(|(_, g)| which(g)).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.revoke(id));
    }
}
