//! What both origins publish: lists signed for real, the documents that hold them, the key set.

use meshedflow_manifest::identity::resource_id;
use meshedflow_manifest::{
    EncodedList, EpochRange, Header, KeyEntry, KeySetDocument, KeyState, Kind, Record, Rolling, SegmentEntry,
    SegmentState, Signer, Text,
};

use crate::event::Micros;
use crate::origin::OriginFault;

/// Where the stream lives.
pub(crate) const BASE: &str = "https://origin.example/live/";
/// Fragments per segment.
pub(crate) const FRAGMENTS: u32 = 8;
/// Epoch of the signer.
const EPOCH: u64 = 1_000;

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
        let key =
            KeyEntry::new(self.signer.public(), KeyState::Active, 0, 10_000_000_000, vec!["demo".into()]);
        KeySetDocument { version: 1, expires: 10_000_000_000, min_epoch: 0, keys: vec![key] }.to_json()
    }

    /// A segment with these fragments, at this place of a resource; with fewer than all it is still growing. Its age is for the caller to tell.
    pub(crate) fn entry(
        &self,
        fault: OriginFault,
        (rendition, msn): (&str, u64),
        (name, range_base): (String, u64),
        target_us: Micros,
        records: Vec<Record>,
    ) -> SegmentEntry {
        let signer = if fault == OriginFault::WrongKey { &self.stranger } else { &self.signer };
        let header = Header {
            kid: signer.kid(),
            stream: text(stream(fault)),
            epoch: EPOCH,
            rendition: text(rendition),
            kind: Kind::Cmaf,
            msn,
            dsn: 0,
            resource: resource_id(&name),
            range_base,
            init_digest: [0; 32],
            issued_at: 1_000,
        };
        let closed = records.len() == FRAGMENTS as usize;
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
