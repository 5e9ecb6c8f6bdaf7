//! Serving neighbours, politely: a few slots, a rate, a session cap, small messages, their turn each.

use core::time::Duration;
use std::collections::VecDeque;

use meshedflow_protocol::wire::{DataHeader, Frame, RejectReason, Request, encode, encode_data_head};

use crate::input::{ConnNo, Span};
use crate::mesh::Mesh;
use crate::output::{Output, PeerCommand};
use crate::peer::bucket::Bucket;
use crate::peer::handshake::LOW_MARK;
use crate::policy::Effective;
use crate::segment::SegKey;
use crate::sorted::SortedMap;
use crate::time::{Time, Wakeup};

/// Everything being served.
#[derive(Debug)]
pub(crate) struct Uploads {
    jobs: VecDeque<Job>,
    /// Bytes handed to each channel and not known to have drained.
    in_channel: SortedMap<ConnNo, u32>,
    bucket: Bucket,
    rate: u32,
    pub(crate) sent_bytes: u64,
    /// How often each fragment of a segment went to each neighbour.
    sent: SortedMap<(ConnNo, SegKey), Vec<u8>>,
}

/// A request being served.
#[derive(Debug)]
struct Job {
    conn: ConnNo,
    request: u32,
    key: SegKey,
    /// What is left of it, in order, with segment offsets.
    left: VecDeque<(u32, Span)>,
}

/// What became of the request at the head of the line.
enum Sent {
    /// It moved on, or is over.
    On,
    /// Its neighbour's channel takes no more now.
    ChannelFull,
    /// This viewer's upload rate is used up.
    RateSpent,
}

/// Media bytes per message: with its head a message stays below 16 KiB.
const MESSAGE_BYTES: u32 = 16 * 1024 - 64;
/// Bytes in a channel at most: 100 ms at 20 Mb/s.
const HIGH_WATER: u32 = 256 * 1024;
/// Requests waiting or running, per neighbour and in all.
const PER_PEER: usize = 8;
const IN_ALL: usize = 64;
/// Segments of neighbours for which it is known how often each fragment went out.
pub(crate) const SENT_LIMIT: usize = 1_024;

impl Uploads {
    pub(crate) fn new(effective: &Effective, now: Time) -> Self {
        let rate = effective.upload_rate_bytes_per_s;
        Self {
            jobs: VecDeque::new(),
            in_channel: SortedMap::new(),
            bucket: Bucket::new(f64::from(rate), burst(rate), now),
            rate,
            sent_bytes: 0,
            sent: SortedMap::new(),
        }
    }

    pub(crate) fn retune(&mut self, effective: &Effective) {
        self.rate = effective.upload_rate_bytes_per_s;
        self.bucket.retune(f64::from(self.rate), burst(self.rate));
    }

    pub(crate) fn forget_peer(&mut self, conn: ConnNo) {
        self.jobs.retain(|j| j.conn != conn);
        self.in_channel.remove(&conn);
        self.sent.retain(|(c, ..), _| *c != conn);
    }

    /// Of how many segments of neighbours the sending is remembered.
    pub(crate) fn segments_sent(&self) -> usize {
        self.sent.len()
    }

    fn note_sent(&mut self, conn: ConnNo, key: SegKey, first: u16, count: u16) {
        if self.sent.len() >= SENT_LIMIT {
            self.sent.pop_first();
        }
        let (first, count) = (usize::from(first), usize::from(count));
        let times = self.sent.entry((conn, key)).or_default();
        if times.len() < first + count {
            times.resize(first + count, 0);
        }
        times.iter_mut().skip(first).take(count).for_each(|n| *n += 1);
    }

    fn queued_bytes(&self) -> u64 {
        self.jobs.iter().flat_map(|j| &j.left).map(|(_, s)| u64::from(s.len)).sum()
    }
}

/// A quarter of a second, at least one message.
fn burst(rate: u32) -> f64 {
    (f64::from(rate) / 4.0).max(f64::from(MESSAGE_BYTES))
}

impl Mesh {
    /// May this viewer give anything at all?
    pub(crate) fn may_upload(&self) -> bool {
        let (e, p) = (&self.effective, &self.options.platform);
        e.upload_rate_bytes_per_s > 0
            && e.upload_slots > 0
            && self.uploads.sent_bytes < e.upload_session_bytes
            && (!p.save_data || e.upload_on_save_data)
            && (!p.cellular || e.upload_on_cellular)
    }

    /// What a new request would wait for, in milliseconds of the upload rate.
    pub(crate) fn queue_ms(&self) -> u32 {
        let ms = self.uploads.queued_bytes() * 1_000 / u64::from(self.uploads.rate.max(1));
        u32::try_from(ms).unwrap_or(u32::MAX)
    }

    pub(crate) fn on_request(&mut self, conn: ConnNo, r: &Request) {
        let Some(lane) = self.lane_of(conn, r.segment.lane) else {
            return self.reject(conn, r.request, RejectReason::NotHeld);
        };
        let key = SegKey { lane, msn: r.segment.msn };
        if r.count == 0 {
            return self.answer_list(conn, key, r.first);
        }
        match self.judge(conn, key, r) {
            Err(reason) => self.reject(conn, r.request, reason),
            Ok(left) => self.enqueue(conn, r, key, left),
        }
    }

    /// The list alone was asked for.
    fn answer_list(&mut self, conn: ConnNo, key: SegKey, have: u16) {
        if self.may_reply(conn) && self.seg(key).is_some() {
            self.show_again(conn, key, have);
            self.send_delta(conn, key, 0, 0);
        }
    }

    fn judge(&self, conn: ConnNo, key: SegKey, r: &Request) -> Result<VecDeque<(u32, Span)>, RejectReason> {
        if self.may_mesh().is_err() {
            return Err(RejectReason::Policy);
        }
        if !self.may_upload() {
            return Err(RejectReason::Capped);
        }
        let theirs = self.uploads.jobs.iter().filter(|j| j.conn == conn).count();
        if theirs >= PER_PEER || self.uploads.jobs.len() >= IN_ALL {
            return Err(RejectReason::Busy);
        }
        let seg = self.seg(key).filter(|s| !s.quarantined).ok_or(RejectReason::NotHeld)?;
        let epoch = seg.list.as_ref().map(|l| l.header().epoch);
        if epoch != Some(r.segment.epoch) {
            return Err(RejectReason::NotHeld);
        }
        let sent = self.uploads.sent.get(&(conn, key));
        let mut left = VecDeque::new();
        for i in r.first..r.first.saturating_add(r.count) {
            let held = seg.fragments.get(&i).ok_or(RejectReason::NotHeld)?;
            let (offset, _) = seg.bounds(i).ok_or(RejectReason::NotHeld)?;
            if sent.and_then(|times| times.get(usize::from(i))).is_some_and(|n| *n >= 2) {
                return Err(RejectReason::Repeated);
            }
            let skip = if i == r.first { r.skip.min(held.span().len) } else { 0 };
            let Span { blob, at, len } = held.span();
            left.push_back((offset + skip, Span { blob, at: at + skip, len: len - skip }));
        }
        Ok(left)
    }

    fn enqueue(&mut self, conn: ConnNo, r: &Request, key: SegKey, left: VecDeque<(u32, Span)>) {
        let waiting = self.uploads.jobs.len() >= self.effective.upload_slots;
        if waiting {
            let eta_ms = self.queue_ms();
            self.send(conn, &Frame::Queued { request: r.request, eta_ms });
        }
        self.uploads.note_sent(conn, key, r.first, r.count);
        self.uploads.jobs.push_back(Job { conn, request: r.request, key, left });
        self.pump_uploads();
    }

    fn reject(&mut self, conn: ConnNo, request: u32, reason: RejectReason) {
        let queue_ms = self.queue_ms();
        self.send(conn, &Frame::Reject { request, reason, queue_ms });
    }

    pub(crate) fn on_cancel(&mut self, conn: ConnNo, request: u32) {
        self.uploads.jobs.retain(|j| (j.conn, j.request) != (conn, request));
    }

    pub(crate) fn on_drained(&mut self, conn: ConnNo) {
        self.uploads
            .in_channel
            .insert(conn, LOW_MARK.min(self.uploads.in_channel.get(&conn).copied().unwrap_or(0)));
        self.pump_uploads();
    }

    /// Sends what rate, slots and channels allow, each request in turn.
    pub(crate) fn pump_uploads(&mut self) {
        if self.effective.upload_slots == 0 {
            return;
        }
        let mut full = 0;
        while full < self.uploads.jobs.len() {
            match self.send_next() {
                Sent::On => full = 0,
                Sent::ChannelFull => full += 1,
                Sent::RateSpent => return,
            }
        }
    }

    /// One message of the request at the head of the line.
    fn send_next(&mut self) -> Sent {
        let now = self.now;
        let Some(mut job) = self.uploads.jobs.pop_front() else { return Sent::RateSpent };
        let in_channel = self.uploads.in_channel.get(&job.conn).copied().unwrap_or(0);
        let Some((offset, span)) = job.left.front().copied() else { return self.finish_job(&job) };
        let len = span.len.min(MESSAGE_BYTES);
        if !self.still_held(&job, span) {
            self.reject(job.conn, job.request, RejectReason::NotHeld);
            return Sent::On;
        }
        if in_channel + len > HIGH_WATER {
            // A neighbour that takes nothing must not hold a slot that others could use.
            self.uploads.jobs.push_back(job);
            return Sent::ChannelFull;
        }
        if !self.uploads.bucket.take(now, f64::from(len)) {
            self.uploads.jobs.push_front(job);
            return Sent::RateSpent;
        }
        self.send_media(job.conn, job.request, offset, Span { len, ..span });
        job.left.pop_front();
        if len < span.len {
            job.left
                .push_front((offset + len, Span { blob: span.blob, at: span.at + len, len: span.len - len }));
        }
        self.keep_place(job);
        Sent::On
    }

    /// Jobs take turns within the slots; those beyond wait for their order.
    fn keep_place(&mut self, job: Job) {
        let at = self.uploads.jobs.len().min(self.effective.upload_slots.saturating_sub(1));
        self.uploads.jobs.insert(at, job);
    }

    /// Evicted in the meantime?
    fn still_held(&self, job: &Job, span: Span) -> bool {
        self.seg(job.key).is_some_and(|s| s.blobs.contains_key(&span.blob))
    }

    fn send_media(&mut self, conn: ConnNo, request: u32, offset: u32, span: Span) {
        let mut head = Vec::with_capacity(24);
        encode_data_head(&DataHeader { request, offset, batch: None }, span.len as usize, &mut head);
        *self.uploads.in_channel.entry(conn).or_default() += span.len;
        self.uploads.sent_bytes += u64::from(span.len);
        self.push(Output::Peer(conn, PeerCommand::SendMedia(head, span)));
    }

    fn finish_job(&mut self, job: &Job) -> Sent {
        let mut bytes = Vec::new();
        encode(&Frame::Done { request: job.request }, &mut bytes);
        self.push(Output::Peer(job.conn, PeerCommand::SendData(bytes)));
        Sent::On
    }

    pub(crate) fn uploads_wakeup(&mut self) -> Option<Wakeup> {
        let now = self.now;
        let open = |j: &&Job| {
            self.uploads.in_channel.get(&j.conn).copied().unwrap_or(0) + MESSAGE_BYTES <= HIGH_WATER
        };
        self.uploads.jobs.iter().find(open)?;
        let wait = self.uploads.bucket.wait(now, f64::from(MESSAGE_BYTES))?;
        Some(Wakeup { at: now + wait.max(Duration::from_millis(5)), reason: "upload rate" })
    }
}
