//! Serving neighbours, politely: a few slots, a rate, a session cap, small messages.
//!
//! Whatever was sent least often goes first, so that a fragment reaches a second viewer before a third gets another
//! one, but nobody waits for ever: what waited for long counts as sent less often. A fragment that was begun is finished before the next, so that its receiver can serve it on the sooner.

use std::collections::VecDeque;

use meshedflow_protocol::wire::{DataHeader, Frame, RejectReason, Request, encode, encode_data_head};

use crate::input::{ConnNo, Span};
use crate::mesh::Mesh;
use crate::output::{Output, PeerCommand};
use crate::peer::bucket::Bucket;
use crate::peer::channel::Channels;
use crate::peer::manners::{Politeness, own_queue};
use crate::policy::Effective;
use crate::segment::SegKey;
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Duration, Time, Wakeup};

/// Everything being served.
#[derive(Debug)]
pub(crate) struct Uploads {
    /// In the order in which they came.
    jobs: Vec<Job>,
    pub(crate) channels: Channels,
    bucket: Bucket,
    rate: u32,
    pub(crate) polite: Politeness,
    pub(crate) sent_bytes: u64,
    /// How often each fragment of a segment went to each neighbour.
    sent: SortedMap<(ConnNo, SegKey), Vec<u8>>,
    /// Messages wait for the rate, or for channels that will not tell: until then.
    pause: Option<Time>,
}

/// A request being served.
#[derive(Debug)]
struct Job {
    conn: ConnNo,
    request: u32,
    key: SegKey,
    urgent: bool,
    since: Time,
    /// The fragment at the head of `left` is half sent: it has a slot.
    begun: bool,
    /// What is left of it, in order.
    left: VecDeque<Piece>,
}

/// A fragment, or the rest of one, that is to be sent.
#[derive(Clone, Copy, Debug)]
struct Piece {
    index: u16,
    /// Segment offset.
    offset: u32,
    span: Span,
}

/// Media bytes per message: with its head a message stays below 16 KiB.
const MESSAGE_BYTES: u32 = 16 * 1024 - 64;
/// So long a wait weighs as much as a copy that was sent.
const A_COPY: Duration = Duration::from_millis(250);
/// Requests waiting or running, per neighbour and in all.
const PER_PEER: usize = 8;
const IN_ALL: usize = 64;
/// Segments of neighbours for which it is known how often each fragment went out.
pub(crate) const SENT_LIMIT: usize = 1_024;
/// A viewer that is asked to give no more than it takes may still begin with so much.
const RATIO_ADVANCE_BYTES: f64 = 4e6;

impl Uploads {
    pub(crate) fn new(effective: &Effective, now: Time) -> Self {
        let rate = effective.upload_rate_bytes_per_s;
        Self {
            jobs: Vec::new(),
            channels: Channels::default(),
            bucket: Bucket::new(f64::from(rate), burst(f64::from(rate)), now),
            rate,
            polite: Politeness::new(now),
            sent_bytes: 0,
            sent: SortedMap::new(),
            pause: None,
        }
    }

    pub(crate) fn retune(&mut self, effective: &Effective) {
        self.rate = effective.upload_rate_bytes_per_s;
    }

    pub(crate) fn forget_peer(&mut self, conn: ConnNo) {
        self.jobs.retain(|j| j.conn != conn);
        self.channels.forget(conn);
        self.sent.retain(|(c, ..), _| *c != conn);
    }

    pub(crate) fn forget_segment(&mut self, key: SegKey) {
        self.sent.retain(|(_, k), _| *k != key);
    }

    /// Requests that are being served, or wait for it.
    pub(crate) fn open_jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Of how many segments of neighbours the sending is remembered.
    pub(crate) fn segments_sent(&self) -> usize {
        self.sent.len()
    }

    pub(crate) fn is_serving(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Bytes of the largest piece that waits, for the slowest rate.
    pub(crate) fn largest_piece(&self) -> u32 {
        self.jobs.iter().flat_map(|j| &j.left).map(|p| p.span.len).max().unwrap_or(0).max(MESSAGE_BYTES)
    }

    fn note_sent(&mut self, conn: ConnNo, key: SegKey, index: u16) {
        if self.sent.len() >= SENT_LIMIT {
            self.sent.pop_first();
        }
        let times = self.sent.entry((conn, key)).or_default();
        let at = usize::from(index);
        if times.len() <= at {
            times.resize(at + 1, 0);
        }
        if let Some(n) = times.get_mut(at) {
            *n = n.saturating_add(1);
        }
    }

    /// Bytes that wait in front of a new request.
    fn queued_bytes(&self, now: Time) -> u64 {
        self.promised_bytes() + u64::from(self.channels.waiting(now))
    }

    /// Bytes that were asked for and are still to be sent.
    fn promised_bytes(&self) -> u64 {
        self.jobs.iter().flat_map(|j| &j.left).map(|p| u64::from(p.span.len)).sum()
    }

    /// What is sent now leaves about so much later, behind what lies in this viewer's own channels.
    pub(crate) fn delay(&self, now: Time) -> Duration {
        Duration::from_secs_f64(f64::from(self.channels.waiting(now)) / self.believed_rate())
    }

    /// Bytes per second that this viewer is believed to send.
    fn believed_rate(&self) -> f64 {
        let cap = f64::from(self.rate.max(1));
        self.channels.rate().map_or(cap, |r| r.min(cap)).max(1_000.0)
    }
}

/// A quarter of a second, at least one message.
fn burst(rate: f64) -> f64 {
    (rate / 4.0).max(f64::from(MESSAGE_BYTES))
}

impl Mesh {
    /// May this viewer give anything at all?
    pub(crate) fn may_upload(&self) -> bool {
        let taken = self.tally.peer_bytes + self.tally.delivered_http_bytes;
        let fair = |ratio: f64| self.uploads.sent_bytes as f64 <= ratio * taken as f64 + RATIO_ADVANCE_BYTES;
        self.may_send(1) && self.effective.upload_ratio.is_none_or(fair)
    }

    /// May so many bytes more leave this viewer?
    fn may_send(&self, bytes: u64) -> bool {
        let (e, p) = (&self.effective, &self.options.platform);
        e.upload_rate_bytes_per_s > 0
            && e.upload_slots > 0
            && self.uploads.sent_bytes.saturating_add(bytes) <= e.upload_session_bytes
            && (!p.save_data || e.upload_on_save_data)
            && (!p.cellular || e.upload_on_cellular)
    }

    /// A limit became stricter: what waits is refused, and what is half sent, too, if nothing may be sent any more.
    pub(crate) fn refuse_queued_uploads(&mut self) {
        if self.may_upload() {
            return;
        }
        let last = self.may_send(1);
        self.refuse_jobs(|job| !last || !job.begun);
    }

    fn refuse_jobs(&mut self, which: impl Fn(&Job) -> bool) {
        while let Some(at) = self.uploads.jobs.iter().position(&which) {
            let job = self.uploads.jobs.remove(at);
            self.reject(job.conn, job.request, RejectReason::Capped);
        }
    }

    /// Neighbours whose requests wait until their channel is told to have drained, whatever time passes. The page must
    /// have that still to tell; simulators ask.
    pub fn waiting_for_drains(&self) -> impl Iterator<Item = ConnNo> {
        let Uploads { jobs, channels, .. } = &self.uploads;
        jobs.iter().filter(|j| channels.waits_for_word(j.conn, j.next_len())).map(|j| j.conn)
    }

    /// What a new request would wait for, in milliseconds of the rate that this viewer's uplink shows.
    pub(crate) fn queue_ms(&self) -> u32 {
        let ms = self.uploads.queued_bytes(self.now) as f64 * 1_000.0 / self.uploads.believed_rate();
        ms as u32
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

    fn judge(&self, conn: ConnNo, key: SegKey, r: &Request) -> Result<VecDeque<Piece>, RejectReason> {
        if self.may_mesh().is_err() || self.is_stopped(key.lane) {
            return Err(RejectReason::Policy);
        }
        if !self.may_upload() {
            return Err(RejectReason::Capped);
        }
        let theirs = self.uploads.jobs.iter().filter(|j| j.conn == conn).count();
        if theirs >= PER_PEER || self.uploads.jobs.len() >= IN_ALL || self.queue_ms() > r.deadline_ms {
            return Err(RejectReason::Busy);
        }
        let seg = self.seg(key).filter(|s| !s.quarantined).ok_or(RejectReason::NotHeld)?;
        let epoch = seg.list.as_ref().map(|l| l.header().epoch);
        if epoch != Some(r.segment.epoch) {
            return Err(RejectReason::NotHeld);
        }
        let sent = self.uploads.sent.get(&(conn, key));
        let mut left = VecDeque::new();
        for index in r.first..r.first.saturating_add(r.count) {
            let held = seg.fragments.get(&index).ok_or(RejectReason::NotHeld)?;
            let (offset, _) = seg.bounds(index).ok_or(RejectReason::NotHeld)?;
            if sent.and_then(|times| times.get(usize::from(index))).is_some_and(|n| *n >= 2) {
                return Err(RejectReason::Repeated);
            }
            let skip = if index == r.first { r.skip.min(held.span().len) } else { 0 };
            left.push_back(Piece { index, offset, span: held.span() }.after(skip));
        }
        // What is promised fits into what the session may give.
        let bytes = left.iter().map(|p| u64::from(p.span.len)).sum::<u64>() + self.uploads.promised_bytes();
        if !self.may_send(bytes) {
            return Err(RejectReason::Capped);
        }
        Ok(left)
    }

    /// The answer comes within a round trip: bytes, or when they will come.
    fn enqueue(&mut self, conn: ConnNo, r: &Request, key: SegKey, left: VecDeque<Piece>) {
        let eta_ms = self.queue_ms();
        let job =
            Job { conn, request: r.request, key, urgent: r.urgent, since: self.now, begun: false, left };
        self.uploads.jobs.push(job);
        self.pump_uploads();
        let waits = self.uploads.jobs.iter().any(|j| j.conn == conn && j.request == r.request && !j.begun);
        if waits {
            self.send(conn, &Frame::Queued { request: r.request, eta_ms });
        }
    }

    fn reject(&mut self, conn: ConnNo, request: u32, reason: RejectReason) {
        let queue_ms = self.queue_ms();
        self.send(conn, &Frame::Reject { request, reason, queue_ms });
    }

    pub(crate) fn on_cancel(&mut self, conn: ConnNo, request: u32) {
        self.uploads.jobs.retain(|j| (j.conn, j.request) != (conn, request));
    }

    pub(crate) fn on_drained(&mut self, conn: ConnNo) {
        if let Some(low) = self.uploads.channels.drained(self.now, conn) {
            self.push(Output::Peer(conn, PeerCommand::LowMark(low)));
        }
        self.pump_uploads();
    }

    /// Sends what rate, slots and channels allow.
    pub(crate) fn pump_uploads(&mut self) {
        self.uploads.pause = None;
        // What is measured for the player's choice of level is measured alone.
        if self.uploads.jobs.is_empty() || self.effective.upload_slots == 0 || self.is_probing() {
            return;
        }
        let now = self.now;
        let rate = self.uploads.polite.rate(now, f64::from(self.uploads.rate));
        self.uploads.bucket.retune(rate, burst(rate));
        let slots = self.effective.upload_slots;
        let share = rate * (2.0 / slots as f64).min(1.0);
        while let Some(at) = self.next_job() {
            let len = self.uploads.jobs.get(at).map_or(0, Job::next_len);
            if len > 0 && !self.may_send(len.into()) {
                return self.refuse_jobs(|_| true);
            }
            if len > 0 && !self.uploads.bucket.take(now, f64::from(len)) {
                let wait = self.uploads.bucket.wait(now, f64::from(len));
                return self.pause_uploads(wait.unwrap_or(Duration::from_secs(1)));
            }
            self.send_piece(at, share);
        }
    }

    fn pause_uploads(&mut self, wait: Duration) {
        let at = self.now + wait.max(Duration::from_millis(5));
        self.uploads.pause = Some(self.uploads.pause.map_or(at, |p| p.min(at)));
    }

    /// The job whose next message goes now: what was begun, then what was sent least often, then what came first; of
    /// one neighbour's jobs the urgent ones before the others.
    fn next_job(&mut self) -> Option<usize> {
        let now = self.now;
        let jobs = &self.uploads.jobs;
        if let Some(over) = jobs.iter().position(|j| j.left.is_empty()) {
            return Some(over);
        }
        let slots = self.effective.upload_slots;
        // The last three tenths of the slots are for first copies.
        let for_all = (slots - (slots * 3).div_ceil(10)).max(1);
        let takes = |j: &&Job| self.uploads.channels.has_room(now, j.conn, j.next_len());
        let begun = jobs.iter().filter(takes).filter(|j| j.begun).count();
        let mut order: SortedSet<((bool, u16, bool), usize)> = SortedSet::new();
        for (at, job) in jobs.iter().enumerate().filter(|(_, j)| takes(j)) {
            let copies = job.left.front().map_or(0, |p| self.copies_given(job.key, p.index));
            if job.begun || begun < if copies == 0 { slots } else { for_all } {
                let yields = !job.urgent && jobs.iter().any(|j| j.conn == job.conn && j.urgent);
                let waited = now.since(job.since).as_millis() / A_COPY.as_millis();
                let behind = copies.saturating_sub(u16::try_from(waited).unwrap_or(u16::MAX));
                order.insert(((!job.begun, behind, yields), at));
            }
        }
        let mut wait: Option<Duration> = None;
        for (_, at) in order.iter().copied() {
            let Some((conn, len)) = self.uploads.jobs.get(at).map(|j| (j.conn, j.next_len())) else {
                continue;
            };
            let channels = &mut self.uploads.channels;
            let full = if channels.is_full(now, len) { channels.wait(len) } else { Duration::ZERO };
            let later = channels.share_wait(now, conn, len).max(full);
            if later.is_zero() {
                return Some(at);
            }
            wait = Some(wait.map_or(later, |w| w.min(later)));
        }
        if let Some(wait) = wait {
            self.pause_uploads(wait);
        }
        None
    }

    fn copies_given(&self, key: SegKey, index: u16) -> u16 {
        self.seg(key).map_or(0, |s| s.copies_given(index))
    }

    /// One message of this job, or its end.
    fn send_piece(&mut self, at: usize, share: f64) {
        let Some(job) = self.uploads.jobs.get(at) else { return };
        let (conn, request, key, begun) = (job.conn, job.request, job.key, job.begun);
        let Some(piece) = job.left.front().copied() else {
            self.uploads.jobs.remove(at);
            return self.say_done(conn, request);
        };
        // Evicted in the meantime, or of a list that counts no more?
        let held = |s: &crate::segment::Segment| {
            s.fragments.get(&piece.index).is_some_and(|v| v.span().blob == piece.span.blob)
        };
        if !self.seg(key).is_some_and(held) {
            self.uploads.jobs.remove(at);
            return self.reject(conn, request, RejectReason::NotHeld);
        }
        if !begun {
            self.uploads.note_sent(conn, key, piece.index);
            if let Some(seg) = self.seg_mut(key) {
                seg.note_given(piece.index);
            }
        }
        let len = piece.span.len.min(MESSAGE_BYTES);
        self.send_media(conn, request, Piece { span: Span { len, ..piece.span }, ..piece }, share);
        let rest = piece.after(len);
        let Some(job) = self.uploads.jobs.get_mut(at) else { return };
        job.left.pop_front();
        job.begun = rest.span.len > 0;
        if job.begun {
            job.left.push_front(rest);
        }
    }

    fn send_media(&mut self, conn: ConnNo, request: u32, piece: Piece, share: f64) {
        let Piece { offset, span, .. } = piece;
        let mut head = Vec::with_capacity(24);
        encode_data_head(&DataHeader { request, offset, batch: None }, span.len as usize, &mut head);
        self.uploads.channels.put(self.now, conn, span.len, share);
        self.uploads.sent_bytes += u64::from(span.len);
        self.push(Output::Peer(conn, PeerCommand::SendMedia(head, span)));
    }

    fn say_done(&mut self, conn: ConnNo, request: u32) {
        let mut bytes = Vec::new();
        encode(&Frame::Done { request }, &mut bytes);
        self.push(Output::Peer(conn, PeerCommand::SendData(bytes)));
    }

    /// A pong tells how long the queues on the way are, beyond what lay in the channels at both ends.
    pub(crate) fn mind_delay(&mut self, conn: ConnNo, rtt: Duration) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        peer.delay.sample(now, rtt);
        let queue = own_queue(self.peers.values().filter_map(|p| p.delay.longer(now)));
        let Some(delay) = queue.filter(|_| self.uploads.is_serving()) else { return };
        let (sending, fragment) = (self.uploads.believed_rate(), self.uploads.largest_piece());
        if self.uploads.polite.judge(now, delay, rtt, sending, fragment) {
            self.tally.back_offs += 1;
        }
    }

    pub(crate) fn uploads_wakeup(&self) -> Option<Wakeup> {
        self.uploads.pause.map(|at| Wakeup { at, reason: "upload rate" })
    }
}

impl Job {
    /// Bytes of its next message.
    fn next_len(&self) -> u32 {
        self.left.front().map_or(0, |p| p.span.len.min(MESSAGE_BYTES))
    }
}

impl Piece {
    /// What is left of it after `skip` bytes.
    fn after(self, skip: u32) -> Self {
        let Span { blob, at, len } = self.span;
        let span = Span { blob, at: at + skip, len: len - skip };
        Self { index: self.index, offset: self.offset + skip, span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Larger messages are not taken by every browser, much smaller ones cost a page more.
    #[test]
    fn a_message_with_its_head_fits_into_16_kib() {
        let mut head = Vec::new();
        let header = DataHeader { request: u32::MAX, offset: u32::MAX, batch: None };
        encode_data_head(&header, MESSAGE_BYTES as usize, &mut head);
        let message = head.len() + MESSAGE_BYTES as usize;
        assert!((15 * 1024..=16 * 1024).contains(&message), "{message} B");
    }
}
