//! One viewer of a swarm: a real core, its driver, its line, its player.

mod act;
mod http;
mod peers;
mod perform;

use std::collections::BTreeMap;

use meshedflow_core::config::Options;
use meshedflow_core::{ConnNo, HttpId, Input, LaneInfo, LaneNo, Mesh, PeerInput, SignalInput, Time};
use meshedflow_protocol::ids::PeerId;

use super::content::{Driver, Told};
use super::lines::{Downlink, Outgoing};
use super::post::What;
use super::screen::{Screen, Show};
use super::shard::Desk;
use crate::event::Micros;
use crate::link::Link;
use crate::outcome::Fate;
use crate::plan::Person;
use crate::press::BASE;
use crate::uplink::Uplink;

/// One end of a connection.
#[derive(Debug, Default)]
struct Conn {
    other: Option<(u32, ConnNo)>,
    /// A message of it was lost for good: nothing comes through any more.
    broken: bool,
    /// The latest arrival at the other side, by channel: both are ordered.
    latest: [Micros; 2],
    /// When the latest media was received here.
    received: Micros,
}

/// An open load.
#[derive(Clone, Copy, Debug)]
struct Open {
    track: usize,
    lane: usize,
    msn: u64,
    asked: Micros,
    due: Option<Micros>,
}

/// A GET of media, as the origin's log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) lane: u8,
    pub(super) elected: bool,
    pub(super) msn: u32,
    pub(super) at: Micros,
    /// First byte asked for.
    pub(super) from: u32,
    /// Bytes that left.
    pub(super) bytes: u32,
}

/// A viewer.
pub(super) struct Viewer {
    pub(super) index: u32,
    pub(super) mesh: Option<Mesh>,
    pub(super) driver: Driver,
    pub(super) screen: Screen,
    pub(super) fate: Fate,
    pub(super) log: Vec<Served>,
    /// Segments delivered, by lane.
    pub(super) got: Vec<(u8, u32)>,
    pub(super) faults: Vec<String>,
    pub(super) trace: u64,
    pub(super) events: u64,
    pub(super) gone: bool,
    arrived: Micros,
    clock_ppm: i64,
    link: Link,
    up: Uplink<Outgoing>,
    /// Something was sent on a data channel: the driver looks at them all in its next task.
    sent: bool,
    down: Downlink,
    conns: BTreeMap<ConnNo, Conn>,
    loads: BTreeMap<u32, Open>,
    next_load: u32,
    /// Of players without a mesh, whose GETs are not numbered by a core.
    next_http: u32,
    seq: u32,
    told: Told,
    wake_at: Option<Micros>,
    wake_planned: Option<Micros>,
    look_planned: Option<Micros>,
    me: PeerId,
    dice: u64,
    memory: u64,
}

/// Loads that are open so long while the origin answers are lost.
const LOST_US: Micros = 20_000_000;

impl Viewer {
    /// One that arrives now.
    pub(super) fn new(index: u32, desk: &Desk<'_>) -> Self {
        let (plan, source) = (desk.scene.plan, &desk.scene.source);
        let person = &plan.people[index as usize];
        let show = Show {
            target: source.target_us,
            live: source.live,
            behind: if source.live { plan.stream.behind + person.behind } else { 0 },
            tracks: if source.lanes.len() > plan.stream.rungs_bps.len() { 2 } else { 1 },
        };
        let dice = mix(plan.seed, u64::from(index));
        let memory = desk.scene.memory_bytes;
        let mesh = plan.meshed.then(|| {
            let options = options(person, &plan.stream, desk.now, memory);
            Mesh::with_check(options, dice, Time(desk.now), Box::new(desk.scene.memo.clone()))
        });
        Self {
            index,
            mesh,
            driver: Driver::default(),
            screen: Screen::new(desk.now, show),
            fate: Fate { came: true, ..Fate::default() },
            log: Vec::new(),
            got: Vec::new(),
            faults: Vec::new(),
            trace: dice,
            events: 0,
            gone: false,
            arrived: desk.now,
            clock_ppm: person.clock_ppm.into(),
            link: person.link,
            up: Uplink::default(),
            sent: false,
            down: Downlink::default(),
            conns: BTreeMap::new(),
            loads: BTreeMap::new(),
            next_load: 0,
            next_http: 0,
            seq: 0,
            told: Vec::new(),
            wake_at: None,
            wake_planned: None,
            look_planned: None,
            me: PeerId([0; 16]),
            dice,
            memory,
        }
    }

    /// Tells the core of the playlists, and looks.
    pub(super) fn begin(&mut self, desk: &mut Desk<'_>) {
        for i in 0..desk.scene.source.lanes.len() {
            let info = LaneInfo {
                playlist: format!("{BASE}{}", desk.scene.source.rendition(i)),
                origin: "https://origin.example".into(),
                list_url: format!("{BASE}{}/index.mfi.json", desk.scene.source.lanes[i].dir),
                rendition: None,
                alone: false,
                kind: desk.scene.source.lanes[i].kind,
            };
            self.feed(desk, Input::Lane(LaneNo(i as u16), info));
        }
        self.look(desk);
    }

    /// Something happens.
    pub(super) fn happen(&mut self, desk: &mut Desk<'_>, what: What) {
        self.events += 1;
        self.trace = mix(self.trace ^ tag(&what), desk.now);
        self.screen.advance(desk.now);
        self.note_overdue(desk);
        match what {
            What::Wake => self.wake(desk),
            What::Look => self.on_look(desk),
            What::Act(i) => self.act(desk, i),
            What::Left => self.message_left(desk),
            What::Head { http, status, length } => self.on_head(desk, http, status, length),
            What::Bytes { http, upto } => self.on_bytes(desk, http, upto),
            What::Listed { http, lane } => self.get_list(desk, http, lane),
            What::Document { http, body } => {
                self.feed(desk, Input::Http(http, meshedflow_core::HttpInput::Body(&body)));
            }
            What::Refused { http, status } => self.on_refused(desk, http, status),
            What::Media { conn, parcel } => self.on_media(desk, conn, parcel),
            What::Frames { conn, bytes } => self.peer_input(desk, conn, PeerInput::Frames(&bytes)),
            What::Described { conn, sdp } => self.peer_input(desk, conn, PeerInput::Described(&sdp)),
            What::ChannelsOpen { conn } => self.on_channels_open(desk, conn),
            What::Closed { conn } => {
                self.conns.remove(&conn);
                self.up.forget(conn);
                self.peer_input(desk, conn, PeerInput::Closed);
            }
            What::SocketOpen => self.feed(desk, Input::Signal(SignalInput::Opened)),
            What::SocketClosed => self.feed(desk, Input::Signal(SignalInput::Closed)),
            What::Named(id) => self.me = id,
            What::Text(text) => {
                self.fate.signaling += text.len() as u64;
                self.feed(desk, Input::Signal(SignalInput::Text(&text)));
            }
            What::Arrive | What::Dial | What::Hangup => {}
        }
    }

    fn peer_input(&mut self, desk: &mut Desk<'_>, conn: ConnNo, input: PeerInput<'_>) {
        self.feed(desk, Input::Peer(conn, input));
    }

    /// The core's clock.
    fn clock(&self, now: Micros) -> Time {
        let passed = (now - self.arrived) as i64;
        Time(now.saturating_add_signed(passed * self.clock_ppm / 1_000_000))
    }

    /// When the core's clock will show this.
    fn at_clock(&self, at: Time) -> Micros {
        let shown = at.0.saturating_sub(self.arrived) as i128;
        self.arrived + (shown * 1_000_000 / (1_000_000 + i128::from(self.clock_ppm))) as u64
    }

    fn wake(&mut self, desk: &mut Desk<'_>) {
        if self.wake_planned.is_some_and(|at| at <= desk.now) {
            self.wake_planned = None;
        }
        // What the core wanted to be woken for has changed since: nothing is to be done yet.
        if self.wake_at.is_none_or(|at| at > desk.now) {
            return self.plan_wake(desk);
        }
        let time = self.clock(desk.now);
        if let Some(mesh) = &mut self.mesh {
            mesh.handle_timeout(time);
        }
        self.settle(desk);
    }

    fn feed(&mut self, desk: &mut Desk<'_>, input: Input<'_>) {
        let time = self.clock(desk.now);
        let Some(mesh) = &mut self.mesh else { return };
        mesh.handle_input(time, input);
        self.settle(desk);
    }

    /// Performs all that the core asks, tells it what comes of that, and plans its next wake-up.
    fn settle(&mut self, desk: &mut Desk<'_>) {
        let time = self.clock(desk.now);
        loop {
            while let Some(output) = self.mesh.as_mut().and_then(Mesh::poll_output) {
                self.perform(desk, output);
            }
            self.look_at_channels();
            if self.told.is_empty() {
                break;
            }
            for input in core::mem::take(&mut self.told) {
                if let Some(mesh) = &mut self.mesh {
                    mesh.handle_input(time, input);
                }
            }
        }
        self.note_idle_channels(desk);
        let at = self.mesh.as_mut().and_then(Mesh::poll_timeout).map(|w| w.at);
        // The core's clock may be a microsecond behind where it is converted.
        self.wake_at = at.map(|at| self.at_clock(at).max(desk.now) + 1);
        self.plan_wake(desk);
    }

    /// The driver's task after it has sent.
    fn look_at_channels(&mut self) {
        if core::mem::take(&mut self.sent) {
            let low = self.up.settle().into_iter();
            self.told.extend(low.map(|conn| Input::Peer(conn, PeerInput::Drained)));
        }
    }

    fn plan_wake(&mut self, desk: &mut Desk<'_>) {
        let Some(at) = self.wake_at else { return };
        if self.wake_planned.is_none_or(|planned| at < planned) {
            self.wake_planned = Some(at);
            self.plan(desk, at - desk.now, What::Wake);
        }
    }

    fn plan(&mut self, desk: &mut Desk<'_>, after: Micros, what: What) {
        self.seq = self.seq.wrapping_add(1);
        desk.plan(self.index, self.seq, after, what);
    }

    fn post(&mut self, desk: &mut Desk<'_>, to: u32, after: Micros, what: What) {
        self.seq = self.seq.wrapping_add(1);
        desk.post(self.index, self.seq, to, after, what);
    }

    fn tell_edge(&mut self, desk: &mut Desk<'_>, what: What) {
        self.seq = self.seq.wrapping_add(1);
        desk.tell_edge(self.index, self.seq, what);
    }

    /// A fraction, drawn.
    fn draw(&mut self, below: u64) -> u64 {
        self.dice = mix(self.dice, 1);
        self.dice % below.max(1)
    }

    fn fault(&mut self, desk: &Desk<'_>, what: &str) {
        let (seed, ms) = (desk.scene.plan.seed, desk.now / 1_000);
        if self.faults.len() < 8 {
            self.faults.push(format!("seed {seed}, viewer {}, at {ms} ms: {what}", self.index));
        }
    }

    /// The oracle's look at loads that the core lets wait.
    fn note_overdue(&mut self, desk: &Desk<'_>) {
        let now = desk.now;
        let mut lost = None;
        for (id, open) in &mut self.loads {
            if open.due.is_some_and(|at| at + 250_000 < now) {
                open.due = None;
                self.fate.takeovers += 1;
            }
            if desk.scene.sound
                && now > open.asked.max(desk.scene.sound_since) + LOST_US + 4 * desk.scene.source.target_us
            {
                lost = Some(*id);
            }
        }
        if let Some(open) = lost.and_then(|id| self.loads.get_mut(&id)) {
            open.asked = now;
            let what = format!("segment {} of lane {} is awaited for ever", open.msn, open.lane);
            self.fault(desk, &what);
        }
    }

    /// The oracle's look at channels that stand idle for ever: a request waits until one is told to be low, and nothing
    /// is left in it that could tell.
    fn note_idle_channels(&mut self, desk: &Desk<'_>) {
        let idle = |conn: &ConnNo| !self.up.will_tell(*conn);
        let idle = self.mesh.as_ref().and_then(|mesh| mesh.waiting_for_drains().find(idle));
        if let Some(conn) = idle {
            self.fault(desk, &format!("a request of connection {} waits for a channel that is low", conn.0));
        }
    }

    /// The oracle's look once a second: memory within its cap.
    pub(super) fn inspect(&mut self, desk: &Desk<'_>) {
        let slack = 4 * desk.scene.largest + (8 << 20);
        if self.mesh.is_some() && self.driver.bytes() > self.memory + slack {
            let what = format!("{} bytes of media kept, at most {} wanted", self.driver.bytes(), self.memory);
            self.fault(desk, &what);
        }
    }

    /// Numbers that the core counted.
    pub(super) fn last_words(&mut self) {
        let Some(stats) = self.mesh.as_ref().map(Mesh::stats) else { return };
        let fate = &mut self.fate;
        (fate.uploaded, fate.duplicate) = (stats.uploaded_bytes, stats.duplicate_bytes);
        (fate.stray, fate.refused) = (stats.stray_bytes, stats.verify_failures);
        (fate.elections, fate.back_offs) = (stats.elections, stats.back_offs);
        fate.neighbours = stats.peers;
    }

    /// Counters of the player.
    pub(super) fn close_books(&mut self) {
        self.last_words();
        self.fate.stalls = self.screen.stalls;
        self.fate.stalled_ms = self.screen.stalled_us / 1_000;
        let get = |s: &Served| (s.at / 1_000, usize::from(s.lane), u64::from(s.msn));
        self.fate.gets = self.log.iter().map(get).collect();
        self.fate.startup_ms = self.screen.startup_us.map(|us| us / 1_000);
    }

    /// Bodies of GETs that are on their way.
    pub(super) fn bodies(&self) -> u64 {
        self.driver.gets.len() as u64
    }
}

fn options(person: &Person, stream: &crate::plan::Stream, now: Micros, memory: u64) -> Options {
    let unix_ms = 1.7e12 + (now / 1_000) as f64 + person.wall_offset_ms as f64;
    let mut json = serde_json::json!({
        "streamId": "demo", "signalingUrl": "wss://edge.example/mesh", "cmafMode": stream.mode,
        "memoryBytes": memory,
        "platform": {"unixMs": unix_ms, "webrtc": true, "cellular": person.cellular},
    });
    if !person.uploads {
        json["upload"] = serde_json::json!({"rateBytesPerS": 0});
    }
    match Options::parse(&json.to_string()) {
        Ok(options) => options,
        Err(why) => unreachable!("options of the model: {why}"),
    }
}

/// SplitMix64's finisher over two numbers.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let z = a.wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_add(b.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What the trace keeps of an event, besides its time.
fn tag(what: &What) -> u64 {
    let (kind, detail) = match what {
        What::Arrive => (1, 0),
        What::Act(i) => (2, u64::from(*i)),
        What::Look => (3, 0),
        What::Wake => (4, 0),
        What::Head { http, .. } => (5, http_no(*http)),
        What::Bytes { http, upto } => (6, http_no(*http) << 32 | u64::from(*upto)),
        What::Document { http, body } => (7, http_no(*http) << 32 | body.len() as u64),
        What::Refused { http, .. } => (8, http_no(*http)),
        What::Left => (9, 0),
        What::Described { conn, sdp } => (10, u64::from(conn.0) << 32 | sdp.len() as u64),
        What::ChannelsOpen { conn } => (11, conn.0.into()),
        What::Frames { conn, bytes } => (12, u64::from(conn.0) << 32 | sum(bytes)),
        What::Media { conn, parcel } => {
            (13, u64::from(conn.0) << 32 | u64::from(parcel.head.map_or(0, |(r, o)| r ^ o)))
        }
        What::Closed { conn } => (14, conn.0.into()),
        What::SocketOpen => (15, 0),
        What::SocketClosed => (16, 0),
        What::Named(id) => (17, sum(&id.0)),
        What::Text(text) => (18, sum(text.as_bytes())),
        What::Dial => (19, 0),
        What::Hangup => (20, 0),
        What::Listed { http, .. } => (21, http_no(*http)),
    };
    kind << 56 ^ detail
}

fn http_no(http: HttpId) -> u64 {
    http.0.into()
}

/// FNV-1a, 32 bits.
fn sum(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193));
    hash.into()
}
