//! The world: moves time from event to event and performs what cores and hub ask.

mod channels;
mod http;
mod sums;

use std::collections::BinaryHeap;

use meshedflow_core::config::Options;
use meshedflow_core::{
    BlobId, Duration, HttpFailure, HttpInput, Input, LaneInfo, LaneKind, LaneNo, LoadId, LoadKind,
    LoadRequest, Loaded, Output, PeerInput, PlayerInput, SignalInput, Time,
};

use crate::edge::{Edge, Mood, Said};
use crate::event::{Event, Happening, Micros};
use crate::link::Link;
use crate::origin::{Files, LANES, Origin, OriginFault, rendition};
use crate::player::Player;
use crate::press::{BASE, KeysAre};
use crate::viewer::{Evil, Report, Viewer};

/// Where the advertisement is.
const ADVERT: &str = "https://ads.example/spot/";

/// How a world begins.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Decides everything.
    pub seed: u64,
    /// Viewers, with the millisecond at which each arrives.
    pub arrivals_ms: Vec<u64>,
    /// Everybody's link.
    pub link: Link,
    /// The links of those who have another one.
    pub links: Vec<(usize, Link)>,
    /// Segment duration in milliseconds.
    pub target_ms: u64,
    /// Live, or video on demand.
    pub live: bool,
    /// `off`, `advertise-only` or `serve`.
    pub mode: &'static str,
    /// Time to first byte of the origin in milliseconds.
    pub ttfb_ms: u64,
    /// Bit rate of the level above the one that is played, for all; 0 for none.
    pub next_bps: u32,
    /// What is wrong with the origin.
    pub fault: OriginFault,
    /// What files the segments lie in.
    pub files: Files,
    /// What its key set says.
    pub keys: KeysAre,
    /// Pages pin the origin's key.
    pub pinned: bool,
    /// Pages have shown an advertisement before, from a host whose key set claims to sign this stream.
    pub advert: bool,
    /// Viewers on pages with an `xhrSetup`.
    pub own_setups: Vec<usize>,
    /// Misbehaving viewers.
    pub evil: Vec<(usize, Evil)>,
    /// The edge answers.
    pub edge: bool,
    /// How it treats who comes.
    pub mood: Mood,
    /// The remote policy over time: from so many milliseconds on, this document; `""` is a 404. Without any,
    /// pages are told of none.
    pub policy: Vec<(u64, &'static str)>,
    /// Bytes of a segment, by lane.
    pub sizes: [u32; 2],
    /// Segments of a recording.
    pub recorded: u64,
    /// Viewers that begin so many segments before the others.
    pub behind: Vec<(usize, u64)>,
    /// Memory of the store, if not the core's own choice.
    pub memory_bytes: Option<u64>,
    /// Defence to switch off (feature `mutants`).
    pub mutant: Option<&'static str>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            arrivals_ms: vec![0, 1_300, 2_600, 3_900],
            link: Link::default(),
            links: Vec::new(),
            target_ms: 4_000,
            live: true,
            mode: "serve",
            ttfb_ms: 30,
            next_bps: 0,
            fault: OriginFault::None,
            files: Files::Each,
            keys: KeysAre::Usual,
            pinned: false,
            advert: false,
            own_setups: Vec::new(),
            evil: Vec::new(),
            edge: true,
            mood: Mood::Honest,
            policy: Vec::new(),
            sizes: [160_000, 16_000],
            recorded: 40,
            behind: Vec::new(),
            memory_bytes: None,
            mutant: None,
        }
    }
}

/// Everything, at one instant.
pub struct World {
    /// The origin with its log.
    pub origin: Origin,
    setup: Setup,
    now: Micros,
    order: u64,
    queue: BinaryHeap<Event>,
    viewers: Vec<Option<Viewer>>,
    edge: Edge,
}

impl World {
    /// A world in which nobody has arrived yet.
    pub fn new(setup: Setup) -> Self {
        let mut origin = Origin::new(setup.target_ms, setup.live);
        (origin.fault, origin.files, origin.keys) = (setup.fault, setup.files, setup.keys);
        (origin.sizes, origin.recorded) = (setup.sizes, setup.recorded);
        let mut edge = Edge::new(setup.seed);
        edge.up = setup.edge;
        let mut world =
            Self { origin, now: 0, order: 0, queue: BinaryHeap::new(), viewers: Vec::new(), edge, setup };
        for (i, ms) in world.setup.arrivals_ms.clone().into_iter().enumerate() {
            world.viewers.push(None);
            world.plan(i, ms * 1_000, Happening::Arrive);
        }
        world.plan(0, 500_000, Happening::EdgeWake);
        world
    }

    /// Lets so many milliseconds pass.
    pub fn run_ms(&mut self, ms: u64) {
        let until = self.now + ms * 1_000;
        while self.queue.peek().is_some_and(|e| e.at <= until) {
            let Some(event) = self.queue.pop() else { break };
            self.now = event.at;
            self.happen(event.viewer, event.what);
        }
        self.now = until;
    }

    /// What a viewer went through so far.
    pub fn report(&self, viewer: usize) -> Report {
        self.viewers.get(viewer).and_then(Option::as_ref).map(Viewer::report).unwrap_or_default()
    }

    /// Reports of all viewers.
    pub fn reports(&self) -> Vec<Report> {
        (0..self.viewers.len()).map(|v| self.report(v)).collect()
    }

    /// A viewer closes its tab without a word.
    pub fn vanish(&mut self, viewer: usize) {
        self.happen(viewer, Happening::Leave);
    }

    /// The edge goes down or comes back. It gives new ids to all who come again.
    pub fn set_edge(&mut self, up: bool) {
        self.edge.up = up;
        for v in (0..self.viewers.len()).filter(|_| !up) {
            if self.has_socket(v) {
                self.edge.closed(v, self.now / 1_000);
                self.plan(v, 1_000, Happening::SignalClosed);
            }
        }
    }

    /// One viewer's socket to the edge breaks, and the edge has forgotten it before it comes again.
    pub fn expire_socket(&mut self, viewer: usize) {
        if self.has_socket(viewer) {
            let said = self.edge.expired(viewer, self.now / 1_000);
            self.hear(said);
            self.plan(viewer, 1_000, Happening::SignalClosed);
        }
    }

    fn has_socket(&self, viewer: usize) -> bool {
        self.viewers.get(viewer).and_then(Option::as_ref).is_some_and(|v| v.socket)
    }

    /// A viewer's tab is hidden.
    pub fn hide(&mut self, viewer: usize) {
        self.feed(viewer, Input::Player(PlayerInput::Hidden(true)));
    }

    /// Media copies that left the origin for a segment.
    pub fn copies(&self, lane: usize, msn: u64) -> f64 {
        self.origin.copies(lane, msn)
    }

    /// GETs of a segment that the origin answered.
    pub fn requests(&self, lane: usize, msn: u64) -> usize {
        self.origin.log.get(&(lane, msn)).map_or(0, Vec::len)
    }

    /// Share of delivered bytes that the origin did not send, over segments from `first` on.
    pub fn offload(&self) -> f64 {
        let delivered: u64 = self.reports().iter().map(|r| r.from_peers + r.from_http).sum();
        let sent: u64 = self.origin.log.values().flatten().map(|b| u64::from(*b)).sum();
        1.0 - sent as f64 / delivered.max(1) as f64
    }

    /// Highest complete segment now.
    pub fn newest(&self) -> u64 {
        self.origin.newest(self.now)
    }

    fn plan(&mut self, viewer: usize, after: Micros, what: Happening) {
        self.order += 1;
        self.queue.push(Event { at: self.now + after, order: self.order, viewer, what });
    }

    fn happen(&mut self, v: usize, what: Happening) {
        if let Happening::EdgeWake = what {
            let said = self.edge.tick(self.now / 1_000);
            self.hear(said);
            return self.plan(0, 500_000, Happening::EdgeWake);
        }
        if let Happening::Arrive = what {
            return self.arrive(v);
        }
        let now = self.now;
        let Some(viewer) = self.viewers.get_mut(v).and_then(Option::as_mut).filter(|v| !v.gone) else {
            return;
        };
        viewer.player.advance(now);
        viewer.note_overdue(now);
        match what {
            Happening::Wake => self.wake(v),
            Happening::PlayerTick => self.player_tick(v),
            Happening::Leave => self.leave(v),
            Happening::Chunk { http, upto } => {
                let inputs = viewer.driver.http_bytes(http, upto);
                self.feed_all(v, inputs);
            }
            Happening::Media { conn, message } => {
                let inputs = viewer.driver.media(conn, &message);
                self.feed_all(v, inputs);
            }
            Happening::Done { http } => self.done(v, http),
            Happening::SignalOpened => {
                viewer.socket = true;
                self.edge.open(v, now / 1_000);
                self.feed(v, Input::Signal(SignalInput::Opened));
            }
            Happening::SignalClosed => {
                viewer.socket = false;
                self.feed(v, Input::Signal(SignalInput::Closed));
            }
            Happening::ToEdge(text) => self.tell_edge(v, &text),
            Happening::ToEdgeClosed => {
                let said = self.edge.closed(v, now / 1_000);
                self.hear(said);
            }
            other => self.feed_simple(v, other),
        }
    }

    fn feed_simple(&mut self, v: usize, what: Happening) {
        match what {
            Happening::Head { http, status, length } => {
                self.feed(v, Input::Http(http, HttpInput::Head { status, length }))
            }
            Happening::Body { http, body } => self.feed(v, Input::Http(http, HttpInput::Body(&body))),
            Happening::Failed { http } => {
                self.feed(v, Input::Http(http, HttpInput::Failed(HttpFailure::Status(404))))
            }
            Happening::SignalText(text) => self.feed(v, Input::Signal(SignalInput::Text(&text))),
            Happening::Described { conn, sdp } => self.feed(v, Input::Peer(conn, PeerInput::Described(&sdp))),
            Happening::ChannelsOpen { conn } => self.feed(v, Input::Peer(conn, PeerInput::Opened)),
            Happening::Frames { conn, bytes } => self.feed(v, Input::Peer(conn, PeerInput::Frames(&bytes))),
            Happening::Left => self.message_left(v),
            Happening::ConnClosed { conn } => {
                self.with(v, |viewer| {
                    viewer.up.forget(conn);
                    viewer.conns.remove(&conn)
                });
                self.feed(v, Input::Peer(conn, PeerInput::Closed));
            }
            _ => {}
        }
    }

    fn with<T>(&mut self, v: usize, f: impl FnOnce(&mut Viewer) -> T) -> Option<T> {
        self.viewers.get_mut(v).and_then(Option::as_mut).map(f)
    }

    fn tell_edge(&mut self, v: usize, text: &str) {
        if !self.edge.up || self.setup.mood == Mood::Silent {
            return;
        }
        let said = self.edge.text(v, self.now / 1_000, text);
        self.hear(said);
        match self.setup.mood {
            Mood::Drops => {
                self.edge.closed(v, self.now / 1_000);
                self.plan(v, 16_000, Happening::SignalClosed);
            }
            Mood::SendsAway => {
                self.plan(v, 16_000, Happening::SignalText(r#"{"reconnect":{"afterMs":0}}"#.into()));
            }
            _ => {}
        }
    }

    fn hear(&mut self, said: Vec<Said>) {
        for s in said {
            match s {
                Said::Text(v, text) => self.plan(v, 15_000, Happening::SignalText(text)),
                Said::Close(v) => self.plan(v, 15_000, Happening::SignalClosed),
            }
        }
    }

    fn arrive(&mut self, v: usize) {
        let mut json = serde_json::json!({
            "streamId": "demo", "signalingUrl": "wss://edge.example/mesh", "cmafMode": self.setup.mode,
            "platform": {"unixMs": 1.7e12, "webrtc": true},
        });
        if !self.setup.policy.is_empty() {
            json["remoteConfigUrl"] = "https://origin.example/policy.json".into();
        }
        if let Some(bytes) = self.setup.memory_bytes {
            json["memoryBytes"] = bytes.into();
        }
        if self.setup.pinned {
            json["trustedKeys"] = serde_json::json!([self.origin.pin()]);
        }
        if let Some(mutant) = self.setup.mutant {
            json["mutant"] = mutant.into();
        }
        let options: Options = match Options::parse(&json.to_string()) {
            Ok(options) => options,
            Err(why) => unreachable!("options of the model: {why}"),
        };
        let target = self.origin.target_us;
        let phase = (self.setup.seed.wrapping_mul(31) + v as u64 * 2_654_435_761) % target;
        let evil = self.setup.evil.iter().find(|(e, _)| *e == v).map_or(Evil::No, |(_, e)| *e);
        let behind = self.setup.behind.iter().find(|(b, _)| *b == v).map_or(0, |(_, n)| *n);
        let player = Player::new(self.now, phase, behind);
        let seed = self.setup.seed * 1_000 + v as u64;
        let own = self.setup.links.iter().find(|(who, _)| *who == v);
        let link = own.map_or(self.setup.link, |(_, link)| *link);
        let viewer = Viewer::new(options, seed, self.now, player, link, evil);
        if let Some(slot) = self.viewers.get_mut(v) {
            *slot = Some(viewer);
        }
        for (i, kind) in [LaneKind::Main, LaneKind::Audio].into_iter().enumerate() {
            let info = LaneInfo {
                playlist: format!("{BASE}{}", rendition(i)),
                origin: "https://origin.example".into(),
                list_url: format!("{BASE}{}/index.mfi.json", LANES[i]),
                rendition: None,
                alone: false,
                kind,
            };
            self.feed(v, Input::Lane(LaneNo(i as u16), info));
        }
        if self.setup.advert {
            self.show_advert(v);
        }
        self.plan(v, 0, Happening::PlayerTick);
    }

    /// An advertisement played: its playlist is on another host, its one segment was loaded by the page itself.
    fn show_advert(&mut self, v: usize) {
        let lane = LaneNo(LANES.len() as u16);
        let info = LaneInfo {
            playlist: format!("{ADVERT}index.m3u8"),
            origin: "https://ads.example".into(),
            list_url: format!("{ADVERT}index.mfi.json"),
            rendition: None,
            alone: false,
            kind: LaneKind::Main,
        };
        self.feed(v, Input::Lane(lane, info));
        let request = LoadRequest {
            lane,
            url: format!("{ADVERT}seg_1.m4s"),
            live: false,
            ..self.request(v, 0, 1, LoadId(0))
        };
        let (ttfb, body) = (Duration::ZERO, Duration::ZERO);
        self.feed(v, Input::Offered { request, blob: BlobId(u32::MAX), length: 1_000, ttfb, body });
    }

    fn leave(&mut self, v: usize) {
        let conns = self.with(v, |viewer| {
            viewer.gone = true;
            core::mem::take(&mut viewer.conns)
        });
        for conn in conns.unwrap_or_default().into_values() {
            if let Some((other, theirs)) = conn.other {
                self.plan(other, 200_000, Happening::ConnClosed { conn: theirs });
            }
        }
        let said = self.edge.closed(v, self.now / 1_000);
        self.hear(said);
    }

    fn player_tick(&mut self, v: usize) {
        let (now, newest, target, live) =
            (self.now, self.newest(), self.origin.target_us, self.origin.is_live());
        for lane in 0..LANES.len() {
            let wanted =
                self.with(v, |viewer| viewer.player.wants(now, lane, newest, target, live)).flatten();
            if let Some(msn) = wanted {
                self.ask(v, lane, msn);
            }
        }
        self.plan(v, 50_000, Happening::PlayerTick);
    }

    fn ask(&mut self, v: usize, lane: usize, msn: u64) {
        let load = self.with(v, |viewer| {
            viewer.next_load += 1;
            viewer.loads.insert(viewer.next_load, (lane, msn));
            viewer.player.loading[lane] = Some(viewer.next_load);
            viewer.next_load
        });
        let request = self.request(v, lane, msn, LoadId(load.unwrap_or(0)));
        self.feed(v, Input::Load(request));
    }

    fn request(&self, v: usize, lane: usize, msn: u64, load: LoadId) -> LoadRequest {
        let (target, size, live) = (self.origin.target_us, self.origin.sizes[lane], self.origin.is_live());
        LoadRequest {
            load,
            lane: LaneNo(lane as u16),
            url: self.origin.url(lane, msn),
            name: self.origin.name(msn),
            kind: LoadKind::Media,
            msn,
            discontinuity: 0,
            duration_ms: (target / 1_000) as u32,
            range: self.origin.range(lane, msn),
            init: None,
            bitrate_bps: (u64::from(size) * 8_000_000 / target) as u32,
            next_bps: self.setup.next_bps,
            http_only: false,
            live,
            own_setup: self.setup.own_setups.contains(&v),
        }
    }

    fn wake(&mut self, v: usize) {
        let now = self.now;
        self.with(v, |viewer| {
            viewer.wake = None;
            viewer.mesh.handle_timeout(Time(now));
        });
        self.perform_all(v);
    }

    fn feed_all(&mut self, v: usize, inputs: Vec<Input<'static>>) {
        inputs.into_iter().for_each(|input| self.feed(v, input));
    }

    fn feed(&mut self, v: usize, input: Input<'_>) {
        let now = self.now;
        self.with(v, |viewer| viewer.mesh.handle_input(Time(now), input));
        self.perform_all(v);
    }

    fn perform_all(&mut self, v: usize) {
        while let Some(output) = self.with(v, |viewer| viewer.mesh.poll_output()).flatten() {
            self.perform(v, output);
        }
        self.look_at_channels(v);
        let now = self.now;
        let wake = self.with(v, |viewer| {
            let at = viewer.mesh.poll_timeout()?.at.0.max(now + 1);
            let sooner = viewer.wake.is_none_or(|w| at < w || w <= now);
            sooner.then(|| viewer.wake.insert(at)).copied()
        });
        if let Some(at) = wake.flatten() {
            self.plan(v, at - now, Happening::Wake);
        }
    }

    fn perform(&mut self, v: usize, output: Output) {
        match output {
            Output::Get(get) => self.get(v, get),
            Output::AbortGet(http) => {
                self.cut_log(v, http);
            }
            Output::NewBlob(blob, _) => {
                self.with(v, |viewer| viewer.driver.blobs.insert(blob, Vec::new()));
            }
            Output::FreeBlob(blob) => {
                self.with(v, |viewer| viewer.driver.blobs.remove(&blob));
            }
            Output::Expect(expect) => {
                let inputs = self.with(v, |viewer| viewer.driver.expect(expect)).unwrap_or_default();
                self.feed_all(v, inputs);
            }
            Output::Forget(grant) => {
                self.with(v, |viewer| viewer.driver.forget(grant));
            }
            Output::Loaded(loaded) => self.loaded(v, &loaded),
            Output::LoadFailed { load, .. } => self.load_failed(v, load),
            Output::Due { load, at, .. } => {
                self.with(v, |viewer| viewer.dues.insert(load.0, at));
            }
            Output::Connect(_) => {
                self.with(v, |viewer| viewer.tally.sockets += 1);
                let what = if self.edge.up { Happening::SignalOpened } else { Happening::SignalClosed };
                self.plan(v, 30_000, what);
            }
            Output::Say(text) => self.plan(v, 15_000, Happening::ToEdge(text)),
            Output::Disconnect => self.plan(v, 15_000, Happening::ToEdgeClosed),
            Output::Peer(conn, command) => self.peer(v, conn, command),
            Output::Event(meshedflow_core::Event::Warn { code, .. }) => {
                self.with(v, |viewer| viewer.tally.warnings.push(code));
            }
            Output::Event(_) | Output::Progress { .. } => {}
        }
    }

    fn loaded(&mut self, v: usize, loaded: &Loaded) {
        let (now, target) = (self.now, self.origin.target_us);
        let Some((lane, msn)) = self.with(v, |viewer| viewer.load_of(loaded.load)).flatten() else { return };
        let truth = self.origin.played(now, lane, msn);
        self.with(v, |viewer| {
            let mut body = Vec::new();
            for part in &loaded.parts {
                let blob = viewer.driver.blobs.get(&part.blob).map_or(&[][..], |b| b);
                body.extend_from_slice(
                    blob.get(part.at as usize..(part.at + part.len) as usize).unwrap_or_default(),
                );
            }
            viewer.loads.remove(&loaded.load.0);
            viewer.dues.remove(&loaded.load.0);
            viewer.tally.delivered += 1;
            viewer.tally.told_bps.extend(loaded.report_bps.filter(|_| lane == 0));
            viewer.tally.corrupt += u32::from(body != truth);
            viewer.tally.from_peers += u64::from(loaded.from_peers);
            viewer.tally.from_http += u64::from(loaded.from_http);
            *viewer.tally.reasons.entry(loaded.reason.name()).or_default() += 1;
            viewer.player.deliver(now, lane, target);
        });
    }

    fn load_failed(&mut self, v: usize, load: LoadId) {
        self.with(v, |viewer| {
            viewer.tally.failed += 1;
            viewer.dues.remove(&load.0);
            if let Some((lane, _)) = viewer.loads.remove(&load.0) {
                viewer.player.loading[lane] = None;
            }
        });
    }
}
