//! A viewer's uplink and the channels above it, for a few viewers and for thousands.
//!
//! One message after another leaves. Connections take turns, and so do the two streams of one: as Chromium's SCTP
//! (dcSCTP, without I-DATA) has it, a message that was begun ends before the other stream has its turn, whatever the
//! priorities. A control frame therefore waits behind the message under way and one of each busy neighbour, never
//! behind all that was queued; so do pings, which is what the core's back-off by delay listens to.
//!
//! What a page is told of its data channel is [`Page`]: the shipped driver (`js/src/host-rtc.ts`) and this model are held
//! together by the cases of `tests/vectors/channel`, which both run.

use std::collections::{BTreeMap, VecDeque};

use meshedflow_core::ConnNo;

use crate::event::Micros;

/// Something that leaves through an uplink.
pub(crate) trait Message {
    /// What it takes of the line.
    fn bytes(&self) -> u64;
}

/// The two channels of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Control,
    Data,
}

/// What has left.
#[derive(Debug)]
pub(crate) struct Left<M> {
    pub(crate) conn: ConnNo,
    pub(crate) stream: Stream,
    pub(crate) what: M,
    /// When its first byte left.
    pub(crate) since: Micros,
    /// It made the data channel low, which the page is told.
    pub(crate) low: bool,
}

/// The line, and all that waits for it.
#[derive(Debug)]
pub(crate) struct Uplink<M> {
    ends: BTreeMap<ConnNo, End<M>>,
    leaving: Option<(ConnNo, Stream, M, Micros)>,
    /// Whose turn it was.
    last: Option<ConnNo>,
    /// A frame that found nobody before it is on the line until then.
    busy_until: Micros,
    /// The end of that is waited for.
    waits: bool,
}

/// One end of a connection.
#[derive(Debug)]
struct End<M> {
    control: VecDeque<M>,
    data: VecDeque<M>,
    last: Stream,
    page: Page,
}

/// A data channel as its page sees it, and what the driver tells the core of it.
#[derive(Debug, Default)]
struct Page {
    /// `bufferedAmount`.
    bytes: u64,
    /// `bufferedAmountLowThreshold`.
    low: u64,
    /// Something was sent since the core last heard that it drained.
    sent: bool,
}

impl Page {
    fn send(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.sent = true;
    }

    /// Bytes have left. True if that is the `bufferedamountlow` of the standard: from above the mark to it or below.
    fn left(&mut self, bytes: u64) -> bool {
        let above = self.bytes > self.low;
        self.bytes = self.bytes.saturating_sub(bytes);
        let falls = above && self.bytes <= self.low;
        self.sent &= !falls;
        falls
    }

    /// The look of the driver, in a task of its own after it has sent: what never rose above its mark gets no event.
    fn settle(&mut self) -> bool {
        self.bytes <= self.low && core::mem::take(&mut self.sent)
    }
}

impl<M> Default for End<M> {
    fn default() -> Self {
        let (control, data) = (VecDeque::new(), VecDeque::new());
        Self { control, data, last: Stream::Data, page: Page::default() }
    }
}

impl<M: Message> End<M> {
    fn waits(&self) -> bool {
        !self.control.is_empty() || !self.data.is_empty()
    }

    /// The next message: the other stream's, if it has one.
    fn next(&mut self) -> Option<(Stream, M)> {
        let control = match self.last {
            Stream::Data => !self.control.is_empty(),
            Stream::Control => self.data.is_empty(),
        };
        let (stream, queue) =
            if control { (Stream::Control, &mut self.control) } else { (Stream::Data, &mut self.data) };
        self.last = stream;
        Some((stream, queue.pop_front()?))
    }
}

impl<M> Default for Uplink<M> {
    fn default() -> Self {
        Self { ends: BTreeMap::new(), leaving: None, last: None, busy_until: 0, waits: false }
    }
}

impl<M: Message> Uplink<M> {
    /// Puts something in line.
    pub(crate) fn push(&mut self, conn: ConnNo, stream: Stream, what: M) {
        let end = self.ends.entry(conn).or_default();
        match stream {
            Stream::Control => end.control.push_back(what),
            Stream::Data => {
                end.page.send(what.bytes());
                end.data.push_back(what);
            }
        }
    }

    /// A control frame that nothing is before leaves at once: in how long, or `None` if it has to wait in line.
    pub(crate) fn pass(&mut self, now: Micros, bytes: u64, bytes_per_s: u64) -> Option<Micros> {
        if self.leaving.is_some() || self.waits || self.busy_until > now {
            return None;
        }
        let took = time(bytes, bytes_per_s);
        self.busy_until = now + took;
        Some(took)
    }

    /// The mark at which a connection counts as low from now on. As in a browser, setting it tells nothing.
    pub(crate) fn low_mark(&mut self, conn: ConnNo, bytes: u64) {
        self.ends.entry(conn).or_default().page.low = bytes;
    }

    /// The driver's look at all connections: those that took all they were given without passing their mark.
    pub(crate) fn settle(&mut self) -> Vec<ConnNo> {
        let low = |(conn, end): (&ConnNo, &mut End<M>)| end.page.settle().then_some(*conn);
        self.ends.iter_mut().filter_map(low).collect()
    }

    /// Will the browser still tell that this data channel is low? Of a closed one the core hears otherwise.
    pub(crate) fn will_tell(&self, conn: ConnNo) -> bool {
        self.ends.get(&conn).is_none_or(|end| end.page.bytes > end.page.low)
    }

    /// Begins with the next message, if the line is free; returns when to [`Self::finish`].
    pub(crate) fn begin(&mut self, now: Micros, bytes_per_s: u64) -> Option<Micros> {
        if self.leaving.is_some() || self.waits {
            return None;
        }
        let conn = self.next_conn()?;
        if self.busy_until > now {
            self.waits = true;
            return Some(self.busy_until - now);
        }
        let (stream, what) = self.ends.get_mut(&conn)?.next()?;
        let took = time(what.bytes(), bytes_per_s);
        self.last = Some(conn);
        self.leaving = Some((conn, stream, what, now));
        Some(took)
    }

    /// Whose turn it is: the next one after the last who has something.
    fn next_conn(&self) -> Option<ConnNo> {
        let after = self.last.map_or(ConnNo(0), |c| ConnNo(c.0.saturating_add(1)));
        let busy = |(conn, end): (&ConnNo, &End<M>)| end.waits().then_some(*conn);
        self.ends.range(after..).find_map(busy).or_else(|| self.ends.iter().find_map(busy))
    }

    /// The time is over that [`Self::begin`] told: what has left, unless the line was only waited for.
    pub(crate) fn finish(&mut self) -> Option<Left<M>> {
        self.waits = false;
        let (conn, stream, what, since) = self.leaving.take()?;
        let end = self.ends.get_mut(&conn).filter(|_| stream == Stream::Data);
        let low = end.is_some_and(|end| end.page.left(what.bytes()));
        Some(Left { conn, stream, what, since, low })
    }

    /// A connection is closed: what of it waits is lost.
    pub(crate) fn forget(&mut self, conn: ConnNo) {
        self.ends.remove(&conn);
    }
}

fn time(bytes: u64, bytes_per_s: u64) -> Micros {
    bytes.saturating_mul(1_000_000) / bytes_per_s.max(1)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what panics is a test that fails"
)]
mod tests {
    use super::*;
    use serde_json::Value;

    const A: ConnNo = ConnNo(1);
    const B: ConnNo = ConnNo(2);

    impl Message for u64 {
        fn bytes(&self) -> u64 {
            *self
        }
    }

    /// Lets so many messages leave; which they were.
    fn leave(up: &mut Uplink<u64>, count: usize) -> Vec<(ConnNo, u64)> {
        let mut order = Vec::new();
        for _ in 0..count {
            up.begin(0, 1_000_000).unwrap();
            let left = up.finish().unwrap();
            order.push((left.conn, left.what));
        }
        order
    }

    #[test]
    fn connections_take_turns_and_so_do_the_streams_of_one() {
        let mut up = Uplink::default();
        for bytes in [100, 101, 102] {
            up.push(A, Stream::Data, bytes);
        }
        up.push(B, Stream::Data, 200);
        up.push(A, Stream::Control, 1);
        up.push(A, Stream::Control, 2);
        let order = leave(&mut up, 6);
        assert_eq!(order, [(A, 1), (B, 200), (A, 100), (A, 2), (A, 101), (A, 102)]);
        assert_eq!(up.begin(0, 1), None);
    }

    #[test]
    fn a_frame_that_nothing_is_before_passes_and_others_wait_for_it() {
        let mut up = Uplink::default();
        assert_eq!(up.pass(0, 100, 1_000), Some(100_000));
        assert_eq!(up.pass(50_000, 100, 1_000), None);
        up.push(A, Stream::Control, 100);
        assert_eq!(up.begin(50_000, 1_000), Some(50_000));
        assert_eq!(up.begin(60_000, 1_000), None, "it is waited for already");
        assert!(up.finish().is_none());
        assert_eq!(up.begin(100_000, 1_000), Some(100_000));
        assert_eq!(up.pass(100_000, 100, 1_000), None);
        assert_eq!(up.finish().map(|l| (l.since, l.low)), Some((100_000, false)));
    }

    /// The cases that `js/test/channel.test.mjs` runs with the shipped driver.
    #[test]
    fn the_core_is_told_what_the_shipped_driver_tells() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/channel/drained.json");
        let cases: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let cases = cases["cases"].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let mut up = Uplink::default();
            for (n, step) in case["steps"].as_array().unwrap().iter().enumerate() {
                let told = perform(&mut up, step);
                let wanted = step["drained"].as_u64().unwrap_or(0);
                let bytes = up.ends.get(&A).map_or(0, |end| end.page.bytes);
                let buffered = step["buffered"].as_u64().unwrap();
                assert_eq!((told, bytes), (wanted, buffered), "{}, step {n}: {step}", case["name"]);
            }
        }
    }

    /// One step; how often the core is told.
    fn perform(up: &mut Uplink<u64>, step: &Value) -> u64 {
        let number = |name: &str| step[name].as_u64();
        if let Some(bytes) = number("send") {
            up.push(A, Stream::Data, bytes);
        } else if let Some(bytes) = number("control") {
            up.push(A, Stream::Control, bytes);
            leave_control(up);
        } else if let Some(bytes) = number("mark") {
            up.low_mark(A, bytes);
        } else if let Some(messages) = number("leave") {
            let left = |_| {
                up.begin(0, 1_000_000)?;
                up.finish().filter(|left| left.low)
            };
            return (0..messages).filter_map(left).count() as u64;
        } else if step["do"] == "settle" {
            return up.settle().len() as u64;
        } else if step["do"] == "close" {
            up.forget(A);
        } else {
            panic!("no such step: {step}");
        }
        0
    }

    /// A frame of control has gone, and nothing else.
    fn leave_control(up: &mut Uplink<u64>) {
        let end = up.ends.get_mut(&A).unwrap();
        assert!(end.control.pop_front().is_some());
    }
}
