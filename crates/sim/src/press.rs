//! What both origins publish: lists signed for real, the documents that hold them, the key set.

use meshedflow_manifest::identity::resource_id;
use meshedflow_manifest::{
    EncodedList, EpochRange, Header, KeyEntry, KeySetDocument, KeyState, Kind, Record, Rolling, SegmentEntry,
    SegmentState, SignedList, Signer, Text,
};

use crate::event::Micros;
use crate::forge::Forgery;
use crate::origin::OriginFault;

/// Where the stream lives.
pub(crate) const BASE: &str = "https://origin.example/live/";
/// Fragments per segment.
pub(crate) const FRAGMENTS: u32 = 8;
/// Epoch of the signer.
const EPOCH: u64 = 1_000;

/// What the key set of an origin says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeysAre {
    /// The origin's key signs.
    #[default]
    Usual,
    /// A stranger's key signs, and no other: what a poisoned cache serves.
    Strangers,
    /// From this millisecond on the origin's key is revoked.
    RevokedFrom(u64),
}

/// The key that viewers trust, and one that nobody does.
#[derive(Debug)]
pub(crate) struct Press {
    signer: Signer,
    stranger: Signer,
}

impl Press {
    pub(crate) fn new() -> Self {
        Self { signer: Signer::new([7; 32]), stranger: Signer::new([8; 32]) }
    }

    pub(crate) fn keys_json(&self) -> String {
        self.key_set(KeysAre::Usual, 0)
    }

    pub(crate) fn key_set(&self, keys: KeysAre, now: Micros) -> String {
        let revoked = matches!(keys, KeysAre::RevokedFrom(ms) if ms * 1_000 <= now);
        let signer = if keys == KeysAre::Strangers { &self.stranger } else { &self.signer };
        let state = if revoked { KeyState::Revoked } else { KeyState::Active };
        let key = KeyEntry::new(signer.public(), state, 0, 10_000_000_000, vec!["demo".into()]);
        let version = 1 + u32::from(revoked);
        KeySetDocument { version, expires: 10_000_000_000, min_epoch: 0, keys: vec![key] }.to_json()
    }

    /// The origin's key, for pages that pin it.
    pub(crate) fn pin(&self) -> String {
        self.signer.public().to_base64url()
    }

    /// A list of a whole segment that is not the origin's.
    pub(crate) fn forge(&self, how: Forgery, rendition: &str, msn: u64, records: Vec<Record>) -> SignedList {
        let signer = if how == Forgery::Stranger { &self.stranger } else { &self.signer };
        let epoch = if how == Forgery::Yesterday { EPOCH - 1 } else { EPOCH };
        let header = header(signer, OriginFault::None, (rendition, msn), (&format!("seg_{msn}.m4s"), 0));
        signer.sign_list(Header { epoch, ..header }, true, records)
    }

    /// A segment with these fragments, at this place of a resource; with fewer than all it is still growing. Its age is
    /// for the caller to tell.
    pub(crate) fn entry(
        &self,
        fault: OriginFault,
        (rendition, msn): (&str, u64),
        (name, range_base): (String, u64),
        target_us: Micros,
        records: Vec<Record>,
    ) -> SegmentEntry {
        let signer = if fault == OriginFault::WrongKey { &self.stranger } else { &self.signer };
        let closed = records.len() == FRAGMENTS as usize;
        let header = header(signer, fault, (rendition, msn), (&name, range_base));
        let mut list = signer.sign_list(header, closed, records);
        if fault == OriginFault::Unsigned {
            list.signature = [0; 64];
        }
        SegmentEntry {
            msn,
            uri: name.clone(),
            duration_ms: (target_us / 1_000) as u32,
            released_age_ms: 0,
            state: if closed { SegmentState::Complete } else { SegmentState::Growing },
            list: EncodedList::of(&list),
            name,
        }
    }
}

fn header(
    signer: &Signer,
    fault: OriginFault,
    (rendition, msn): (&str, u64),
    (name, range_base): (&str, u64),
) -> Header {
    Header {
        kid: signer.kid(),
        stream: text(stream(fault)),
        epoch: EPOCH,
        rendition: text(rendition),
        kind: Kind::Cmaf,
        msn,
        dsn: 0,
        resource: resource_id(name),
        range_base,
        init_digest: [0; 32],
        issued_at: 1_000,
    }
}

/// The rolling list of a rendition.
pub(crate) fn rolling(
    fault: OriginFault,
    rendition: &str,
    target_us: Micros,
    live: bool,
    segments: Vec<SegmentEntry>,
) -> String {
    let doc = Rolling {
        v: 1,
        stream: text(stream(fault)),
        rendition: text(rendition),
        target_ms: (target_us / 1_000) as u32,
        complete: !live,
        epochs: vec![EpochRange { epoch: EPOCH, first_msn: 0, last_msn: None }],
        init: Vec::new(),
        segments,
    };
    doc.to_json()
}

fn stream(fault: OriginFault) -> &'static str {
    if fault == OriginFault::WrongStream { "other" } else { "demo" }
}

#[allow(clippy::expect_used, reason = "names of the model itself")]
fn text(s: &str) -> Text {
    Text::new(s).expect("a name")
}
