//! Where media bytes pass: from a message or an HTTP chunk through one fixed scratch into the hash, and, for a
//! peer's bytes, from the message into the blob that the grant names.
//!
//! Per chunk there are two calls out, `fill` and (for a peer's bytes) `blob_put`, and nothing is allocated.
//! Late hashing reads blobs back in tasks of at most [`TASK_BYTES`].

use meshedflow_core::measure::Measured;
use meshedflow_core::wire;
use meshedflow_core::{ConnNo, GrantId, HttpId};

use crate::grants::{Grants, Verdict};
use crate::host::Host;

/// Bytes copied into the module at a time; for a peer that sends longer messages it grows, once, to their limit.
pub(crate) const SCRATCH_BYTES: usize = 64 * 1024;
/// Most bytes measured late in one task, so that a page stays responsive.
pub(crate) const TASK_BYTES: u32 = 256 * 1024;

/// What a message of the data channel turned out to be.
pub(crate) enum Arrived {
    /// Media, in its blob now.
    Stored,
    /// Media without a grant, so many bytes.
    Stray(u32),
    /// Something that a true peer does not send.
    Violation(&'static str),
    /// Frames for the core.
    Frames(Vec<u8>),
}

/// The scratch and the grants.
pub(crate) struct Door {
    scratch: Box<[u8]>,
    pub(crate) grants: Grants,
}

impl Door {
    pub(crate) fn new() -> Self {
        Self { scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(), grants: Grants::default() }
    }

    /// Judges a message of the data channel; media is measured and put into its blob. A list piece that rides on
    /// it is left alone: lists come on the control channel, too.
    pub(crate) fn data(
        &mut self,
        host: &Host,
        conn: ConnNo,
        len: usize,
        report: &mut dyn FnMut(GrantId, Measured),
    ) -> Arrived {
        if len > wire::MESSAGE_LIMIT_BYTES {
            return Arrived::Violation("message too long");
        }
        if len > self.scratch.len() {
            self.scratch = vec![0; wire::MESSAGE_LIMIT_BYTES].into_boxed_slice();
        }
        let Some(bytes) = self.scratch.get_mut(..len) else { return Arrived::Violation("message too long") };
        host.fill(bytes, 0);
        let Some(peek) = wire::peek_data(bytes) else { return Arrived::Frames(bytes.to_vec()) };
        let Some(media) = bytes.get(peek.payload.clone()) else {
            return Arrived::Violation("data frame beyond its message");
        };
        let size = media.len() as u32;
        match self.grants.peer_bytes(conn, peek.request, peek.offset, media, report) {
            Verdict::Put { blob, at, skip } => {
                let from = peek.payload.start as u32 + skip;
                host.blob_put(blob.0, at, from, size - skip);
                Arrived::Stored
            }
            Verdict::Stray => Arrived::Stray(size),
            Verdict::Violation(what) => Arrived::Violation(what),
        }
    }

    /// A chunk of an HTTP body arrived at `at` of its blob; the page has put it there already.
    pub(crate) fn body(
        &mut self,
        host: &Host,
        http: HttpId,
        at: u32,
        len: u32,
        report: &mut dyn FnMut(GrantId, Measured),
    ) {
        let Some(blob) = self.grants.body_grows(http, at, len) else { return };
        let mut from = 0;
        while from < len {
            let size = (len - from).min(SCRATCH_BYTES as u32);
            let Some(room) = self.scratch.get_mut(..size as usize) else { return };
            host.fill(room, from);
            self.grants.body_bytes(blob, at.saturating_add(from), room, report);
            from += size;
        }
    }

    /// One task of late hashing; true if more is left.
    pub(crate) fn catch_up(&mut self, host: &Host, report: &mut dyn FnMut(GrantId, Measured)) -> bool {
        let mut left = TASK_BYTES;
        while left > 0 {
            let most = left.min(SCRATCH_BYTES as u32);
            let Some(late) = self.grants.next_late(most) else { return false };
            let Some(room) = self.scratch.get_mut(..late.len as usize) else { return false };
            if !host.blob_read(room, late.blob.0, late.at) {
                // Without its bytes the grant can never be measured.
                self.grants.forget(late.grant);
                continue;
            }
            self.grants.late_bytes(late, room, report);
            left -= late.len;
        }
        self.grants.next_late(1).is_some()
    }
}
