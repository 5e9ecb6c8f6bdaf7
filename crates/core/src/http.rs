//! GETs on their way: what each is for, and what its end means.

use core::ops::Range;

use crate::input::{BlobId, HttpFailure, HttpId, HttpInput, LaneNo, LoadId};
use crate::mesh::Mesh;
use crate::output::{HttpGet, Output, Purpose};
use crate::segment::SegKey;
use crate::time::Time;

/// An open GET.
#[derive(Debug)]
pub(crate) struct HttpJob {
    pub(crate) kind: JobKind,
    pub(crate) started: Time,
    pub(crate) head: Option<Time>,
    /// The load it was made for, if any.
    pub(crate) load: Option<LoadId>,
}

/// What a GET is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobKind {
    Segment(SegKey),
    Direct(LoadId),
    List {
        lane: LaneNo,
        msn: Option<u64>,
    },
    /// These bytes of a list.
    ListPart {
        lane: LaneNo,
        part: Range<u32>,
    },
    Keys(String),
    Policy,
}

/// A media GET to be made.
pub(crate) struct MediaGet {
    pub(crate) kind: JobKind,
    pub(crate) url: String,
    pub(crate) range: Option<(u64, u64)>,
    pub(crate) purpose: Purpose,
    pub(crate) lane: LaneNo,
    pub(crate) load: Option<LoadId>,
}

impl Mesh {
    /// Begins a media GET; its body goes into a blob of its own.
    pub(crate) fn get_media(&mut self, get: MediaGet) -> (HttpId, BlobId) {
        let (http, blob) = (HttpId(self.fresh()), self.fresh_blob());
        let MediaGet { kind, url, range, purpose, lane, load } = get;
        self.https.insert(http, HttpJob { kind, started: self.now, head: None, load });
        let page_no = self.lanes.get(&lane).and_then(|l| l.page_no);
        self.push(Output::Get(HttpGet {
            http,
            url,
            range,
            purpose,
            lane: page_no.or(Some(lane)),
            load,
            blob: Some(blob),
        }));
        (http, blob)
    }

    /// Begins a GET of a small document.
    pub(crate) fn get_document(&mut self, kind: JobKind, url: String, purpose: Purpose) -> HttpId {
        self.get_document_part(kind, url, None, purpose)
    }

    /// Begins a GET of a range of a document.
    pub(crate) fn get_document_part(
        &mut self,
        kind: JobKind,
        url: String,
        range: Option<(u64, u64)>,
        purpose: Purpose,
    ) -> HttpId {
        let http = HttpId(self.fresh());
        self.https.insert(http, HttpJob { kind, started: self.now, head: None, load: None });
        let get = HttpGet { http, url, range, purpose, lane: None, load: None, blob: None };
        self.push(Output::Get(get));
        http
    }

    pub(crate) fn on_http_head(&mut self, http: HttpId, status: u16, length: Option<u64>) {
        let Some(job) = self.https.get_mut(&http) else { return };
        job.head = Some(self.now);
        if let JobKind::Segment(key) = job.kind {
            self.on_segment_head(key, http, status, length);
        }
    }

    /// The GET is over; `job` is already out of the table.
    pub(crate) fn finish_http(&mut self, http: HttpId, job: HttpJob, event: HttpInput<'_>) {
        match (job.kind.clone(), event) {
            (JobKind::Segment(key), HttpInput::Done { length }) => {
                self.sample_http(&job, length);
                self.on_segment_body(key, http, length, job.load);
            }
            (JobKind::Segment(key), HttpInput::Failed(why)) => {
                if tells_of_ranges(why) {
                    self.note_no_range(key, http);
                }
                self.on_segment_failed(key, http, job.load);
            }
            (JobKind::Direct(load), HttpInput::Done { length }) => {
                self.sample_http(&job, length);
                self.on_direct_body(load, http, length);
            }
            (JobKind::Direct(load), HttpInput::Failed(_)) => self.on_direct_failed(load, http),
            (JobKind::List { lane, .. }, HttpInput::Body(body)) => self.on_list_document(lane, body),
            (JobKind::List { lane, .. }, HttpInput::Failed(why)) => self.on_list_failed(lane, why),
            (JobKind::ListPart { lane, part }, HttpInput::Body(body)) => self.on_list_part(lane, &part, body),
            (JobKind::ListPart { lane, .. }, HttpInput::Failed(why)) => {
                self.on_list_part_failed(lane, why, tells_of_ranges(why));
            }
            (JobKind::Keys(origin), HttpInput::Body(body)) => self.on_keys(&origin, body),
            (JobKind::Keys(origin), HttpInput::Failed(why)) => self.on_keys_failed(&origin, why),
            (JobKind::Policy, HttpInput::Body(body)) => self.on_policy(body),
            (JobKind::Policy, HttpInput::Failed(why)) => self.on_policy_failed(why),
            _ => {}
        }
    }

    fn sample_http(&mut self, job: &HttpJob, length: u32) {
        let Some(head) = job.head else { return };
        let body = self.now.since(head);
        self.http.sample(self.now, length, head.since(job.started), body);
    }
}

/// A range that the origin or the way to it does not bear; other errors say nothing about ranges.
fn tells_of_ranges(why: HttpFailure) -> bool {
    matches!(why, HttpFailure::Network | HttpFailure::TooLong | HttpFailure::Status(405 | 416 | 501))
}

/// One line for people.
pub(crate) fn failure_text(why: HttpFailure) -> String {
    match why {
        HttpFailure::Status(status) => format!("HTTP {status}"),
        HttpFailure::Network => "no response".into(),
        HttpFailure::Timeout => "timed out".into(),
        HttpFailure::TooLong => "more bytes than expected".into(),
    }
}
