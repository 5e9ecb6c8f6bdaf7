//! Where lists are signed: one key, one stream, one epoch, and a memory of what was vouched for.

use std::collections::BTreeMap;
use std::sync::Arc;

use meshedflow_manifest::identity::resource_id;
use meshedflow_manifest::{Header, Kind, Record, SignedList, Signer, Text, sha256};

use crate::OriginError;
use crate::cut::Cut;

/// Signs lists of one stream in one epoch, and never two digests for one (msn, resource).
pub struct Desk {
    signer: Arc<Signer>,
    stream: Text,
    epoch: u64,
    vouched: BTreeMap<Vouched, Vec<Record>>,
}

/// Whose records are remembered. `msn` first: forgetting is by msn.
type Vouched = (u64, Text, [u8; 16], u64);

/// What a list will be about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The rendition.
    pub rendition: Text,
    /// What the records will cut up.
    pub kind: Kind,
    /// Media sequence number.
    pub msn: u64,
    /// Discontinuity sequence number.
    pub dsn: u32,
    /// The resource's name (manifest's `identity`).
    pub name: String,
    /// First byte of the range within the resource; 0 without a range.
    pub range_base: u64,
    /// SHA-256 of the init segment that applies; zeros without one.
    pub init_digest: [u8; 32],
    /// When the segment was opened, Unix seconds.
    pub issued_at: u32,
}

/// A segment whose list grows.
#[derive(Clone, Debug)]
pub struct Growing {
    name: String,
    header: Header,
    records: Vec<Record>,
}

impl Growing {
    /// Records the next fragment.
    pub fn append(&mut self, bytes: &[u8], cut: &Cut) {
        let record =
            Record { offset: cut.offset, length: cut.length, flags: cut.flags, sha256: sha256(bytes) };
        self.records.push(record);
    }

    /// The fragments recorded so far.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// What the list is about.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl Desk {
    /// A desk for `stream`, signing in `epoch`.
    pub fn new(signer: Arc<Signer>, stream: Text, epoch: u64) -> Self {
        Self { signer, stream, epoch, vouched: BTreeMap::new() }
    }

    /// The stream.
    pub fn stream(&self) -> &Text {
        &self.stream
    }

    /// The epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Begins a list.
    pub fn open(&self, subject: Subject) -> Growing {
        let header = Header {
            kid: self.signer.kid(),
            stream: self.stream.clone(),
            epoch: self.epoch,
            rendition: subject.rendition,
            kind: subject.kind,
            msn: subject.msn,
            dsn: subject.dsn,
            resource: resource_id(&subject.name),
            range_base: subject.range_base,
            init_digest: subject.init_digest,
            issued_at: subject.issued_at,
        };
        Growing { name: subject.name, header, records: Vec::new() }
    }

    /// Signs the list as it stands; `closed` says that the segment ends here.
    ///
    /// # Errors
    /// [`OriginError::TwoDigests`] if other fragments were signed before for this (msn, resource);
    /// [`OriginError::Media`] if no verifier would take the list (too many or too large fragments).
    pub fn sign(&mut self, growing: &Growing, closed: bool) -> Result<SignedList, OriginError> {
        self.vouch(growing)?;
        let list = self.signer.sign_list(growing.header.clone(), closed, growing.records.clone());
        list.check().map_err(|e| OriginError::media(&growing.name, e.to_string()))?;
        Ok(list)
    }

    /// Cuts, records and signs a whole resource.
    pub fn sign_whole(
        &mut self,
        subject: Subject,
        bytes: &[u8],
        cuts: &[Cut],
    ) -> Result<SignedList, OriginError> {
        let mut growing = self.open(subject);
        for cut in cuts {
            growing.append(cut.of(bytes), cut);
        }
        self.sign(&growing, true)
    }

    /// Forgets what was vouched for in a rendition below this media sequence number: those segments are gone for good.
    pub fn forget_before(&mut self, rendition: &Text, msn: u64) {
        self.vouched.retain(|(of, name, ..), _| *of >= msn || name != rendition);
    }

    fn vouch(&mut self, growing: &Growing) -> Result<(), OriginError> {
        let known = self.vouched.entry(key(&growing.header)).or_default();
        if known.iter().zip(&growing.records).any(|(a, b)| a != b) {
            let (msn, name) = (growing.header.msn, growing.name.clone());
            return Err(OriginError::TwoDigests { msn, name, epoch: self.epoch });
        }
        if known.len() < growing.records.len() {
            known.clone_from(&growing.records);
        }
        Ok(())
    }
}

fn key(header: &Header) -> Vouched {
    (header.msn, header.rendition.clone(), header.resource, header.range_base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshedflow_manifest::{Ed25519, verify};

    fn subject(msn: u64) -> Subject {
        Subject {
            rendition: Text::new("v").unwrap(),
            kind: Kind::Opaque,
            msn,
            dsn: 0,
            name: "a.ts".into(),
            range_base: 0,
            init_digest: [0; 32],
            issued_at: 1,
        }
    }

    fn desk() -> Desk {
        Desk::new(Arc::new(Signer::new([7; 32])), Text::new("s").unwrap(), 5)
    }

    fn whole(bytes: &[u8]) -> Vec<Cut> {
        vec![Cut { offset: 0, length: bytes.len() as u32, flags: 0 }]
    }

    #[test]
    fn two_digests_for_one_sequence_number_and_resource_are_refused() {
        let mut desk = desk();
        let list = desk.sign_whole(subject(1), b"one", &whole(b"one")).unwrap();
        assert!(verify(list, &desk.signer.public(), None, &mut Ed25519::default()).is_ok());
        assert!(desk.sign_whole(subject(1), b"one", &whole(b"one")).is_ok(), "the same bytes again");
        let error = desk.sign_whole(subject(1), b"two", &whole(b"two")).unwrap_err();
        assert!(matches!(error, OriginError::TwoDigests { msn: 1, epoch: 5, .. }), "{error}");
        assert!(desk.sign_whole(subject(2), b"two", &whole(b"two")).is_ok(), "another segment");
        desk.forget_before(&Text::new("w").unwrap(), 2);
        assert!(desk.sign_whole(subject(1), b"two", &whole(b"two")).is_err(), "another rendition's");
        desk.forget_before(&Text::new("v").unwrap(), 2);
        assert!(desk.sign_whole(subject(1), b"two", &whole(b"two")).is_ok(), "forgotten");
    }

    #[test]
    fn a_list_that_no_verifier_would_take_is_not_signed() {
        let growing = desk().open(subject(1));
        assert!(matches!(desk().sign(&growing, true), Err(OriginError::Media { .. })));
    }
}
