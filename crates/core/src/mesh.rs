//! The switchboard: each Input goes to its owner's file, each due time too. No decision is made here.

use std::collections::VecDeque;

use crate::sorted::SortedMap;

use meshedflow_manifest::{Ed25519, SignatureCheck};

use crate::config::{Consent, Options};
use crate::grant::Grant;
use crate::http::HttpJob;
use crate::input::{
    BlobId, ConnNo, GrantId, HttpId, HttpInput, Input, LaneNo, LoadId, LoadRequest, PlayerInput,
};
use crate::keys::KeyRing;
use crate::lane::Lane;
use crate::lanes::Alias;
use crate::load::Load;
use crate::load::probe::Climb;
use crate::output::{Event, Output, Reason};
use crate::peer::Peer;
use crate::peer::bucket::Bucket;
use crate::peer::hedge::HedgeBudget;
use crate::peer::lanes::WireLanes;
use crate::peer::upload::Uploads;
use crate::player::Player;
use crate::policy::Effective;
use crate::policy_feed::PolicyFeed;
use crate::quarantine::Disputes;
use crate::rng::Rng;
use crate::roster::Roster;
use crate::scheduler::deadline::HttpEstimate;
use crate::segment::SegKey;
use crate::telemetry::Tally;
use crate::time::{Time, Wakeup};

/// The way signatures are checked, chosen at construction.
pub(crate) struct Checker(Box<dyn SignatureCheck + Send>);

impl SignatureCheck for Checker {
    fn check(&mut self, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.check(key, message, signature)
    }
}

/// The mesh of one stream on one page.
pub struct Mesh {
    pub(crate) options: Options,
    pub(crate) effective: Effective,
    pub(crate) feed: PolicyFeed,
    pub(crate) consent: bool,
    pub(crate) started: Time,
    pub(crate) now: Time,
    pub(crate) rng: Rng,
    /// Decides ties that must fall the same way each time.
    pub(crate) seed: u64,
    pub(crate) check: Checker,
    pub(crate) lanes: SortedMap<LaneNo, Lane>,
    /// Playlists of one rendition, each with the lane that stands for all of them.
    pub(crate) aliases: SortedMap<LaneNo, Alias>,
    pub(crate) loads: SortedMap<LoadId, Load>,
    pub(crate) https: SortedMap<HttpId, HttpJob>,
    pub(crate) grants: SortedMap<GrantId, Grant>,
    pub(crate) inits: SortedMap<GrantId, (LaneNo, String, BlobId)>,
    pub(crate) peers: SortedMap<ConnNo, Peer>,
    pub(crate) wire_lanes: WireLanes,
    pub(crate) uploads: Uploads,
    pub(crate) keys: KeyRing,
    pub(crate) roster: Roster,
    pub(crate) http: HttpEstimate,
    pub(crate) climb: Climb,
    pub(crate) hedging: HedgeBudget,
    /// Lists of neighbours that may still be verified on this page.
    pub(crate) verifies: Bucket,
    pub(crate) player: Player,
    pub(crate) tally: Tally,
    pub(crate) disputes: Disputes,
    /// Origins that answer no ranges, a bounded number of them.
    pub(crate) no_range: crate::sorted::SortedSet<String>,
    /// The page's own word allows a mesh, as of the last look.
    pub(crate) allowed: bool,
    /// As the page was told.
    pub(crate) sharing: Option<Option<&'static str>>,
    pub(crate) ended: bool,
    next_id: u32,
    out: VecDeque<Output>,
    warned: crate::sorted::SortedSet<&'static str>,
}

/// Signatures checked for all neighbours together: a third of a millisecond each.
const VERIFIES_PER_S: f64 = 32.0;
const VERIFIES_BURST: f64 = 64.0;

/// Wake-ups come at most 500 times a second, whatever is due.
const WAKE_FLOOR: crate::time::Duration = crate::time::Duration::from_millis(2);

impl Mesh {
    /// A mesh that knows nobody yet. `seed` decides every tie; `now` is the page's clock.
    pub fn new(options: Options, seed: u64, now: Time) -> Self {
        Self::with_check(options, seed, now, Box::new(Ed25519::default()))
    }

    /// Like [`Mesh::new`], with another way to check signatures (the simulator's memo).
    pub fn with_check(options: Options, seed: u64, now: Time, check: Box<dyn SignatureCheck + Send>) -> Self {
        let effective = Effective::fold(&options, None);
        let mut mesh = Self {
            consent: options.consent == Consent::Given,
            uploads: Uploads::new(&effective, now),
            keys: KeyRing::new(&options),
            feed: PolicyFeed::new(&options),
            effective,
            options,
            started: now,
            now,
            rng: Rng::new(seed),
            seed,
            check: Checker(check),
            lanes: SortedMap::new(),
            loads: SortedMap::new(),
            https: SortedMap::new(),
            grants: SortedMap::new(),
            inits: SortedMap::new(),
            peers: SortedMap::new(),
            wire_lanes: WireLanes::new(now),
            roster: Roster::new(now),
            verifies: Bucket::new(VERIFIES_PER_S, VERIFIES_BURST, now),
            http: HttpEstimate::default(),
            climb: Climb::default(),
            hedging: HedgeBudget::default(),
            player: Player::default(),
            tally: Tally::default(),
            disputes: Disputes::default(),
            aliases: SortedMap::new(),
            no_range: Default::default(),
            allowed: false,
            sharing: None,
            ended: false,
            next_id: 0,
            out: VecDeque::new(),
            warned: Default::default(),
        };
        mesh.warn_of_bad_pins();
        mesh.read_policy();
        mesh
    }

    /// Takes in one event. What it leads to is read from [`Mesh::poll_output`]; afterwards
    /// [`Mesh::poll_timeout`] may have changed.
    pub fn handle_input(&mut self, now: Time, input: Input<'_>) {
        self.now = self.now.max(now);
        if self.ended {
            return;
        }
        match input {
            Input::Lane(no, info) => self.on_lane(no, info),
            Input::Load(request) => {
                let lane = self.enter_by(request.lane);
                self.on_load(LoadRequest { lane, ..request });
            }
            Input::LoadAborted(load) => self.on_load_aborted(load),
            Input::Offered { request, blob, length, ttfb, body } => {
                let lane = self.enter_by(request.lane);
                self.on_offered(LoadRequest { lane, ..request }, blob, length, (ttfb, body));
            }
            Input::Player(event) => self.on_player(event),
            Input::Http(http, event) => self.on_http(http, event),
            Input::Measured { grant, measured } => self.on_measured(grant, measured),
            Input::Signal(event) => self.on_signal(event),
            Input::Peer(conn, event) => self.on_peer(conn, event),
            Input::Consent(given) => self.on_consent(given),
            Input::Shutdown => return self.on_shutdown(),
        }
        self.review_sharing();
    }

    /// Acts on everything that is due. Call at or after [`Mesh::poll_timeout`]; calling early does no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = self.now.max(now);
        if self.ended {
            return;
        }
        self.tick_policy();
        self.tick_keys();
        self.tick_lists();
        self.tick_roster();
        self.tick_peers();
        self.tick_probe();
        self.tick_segments();
        self.pump_uploads();
        self.review_sharing();
    }

    /// The next thing to perform; call until `None` after every input and timeout.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`Mesh::handle_timeout`]; ask again after every input and timeout.
    pub fn poll_timeout(&mut self) -> Option<Wakeup> {
        if self.ended {
            return None;
        }
        let wakes = [
            self.policy_wakeup(),
            self.keys_wakeup(),
            self.lists_wakeup(),
            self.roster_wakeup(),
            self.peers_wakeup(),
            self.segments_wakeup(),
            self.probe_wakeup(),
            self.uploads_wakeup(),
        ];
        // What stays due after it was looked at must not spin.
        let floor = self.now + WAKE_FLOOR;
        wakes.into_iter().flatten().min_by_key(|w| w.at).map(|w| Wakeup { at: w.at.max(floor), ..w })
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.out.push_back(output);
    }

    pub(crate) fn outputs(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn warnings(&self) -> usize {
        self.warned.len()
    }

    /// Ids are never reused within a core; 2^31 of them outlast any page. The upper half belongs to the page.
    pub(crate) fn fresh(&mut self) -> u32 {
        self.next_id = self.next_id.wrapping_add(1) & 0x7fff_ffff;
        self.next_id
    }

    pub(crate) fn fresh_blob(&mut self) -> BlobId {
        BlobId(self.fresh())
    }

    pub(crate) fn seg(&self, key: SegKey) -> Option<&crate::segment::Segment> {
        self.lanes.get(&key.lane)?.segments.get(&key.msn)
    }

    pub(crate) fn seg_mut(&mut self, key: SegKey) -> Option<&mut crate::segment::Segment> {
        self.lanes.get_mut(&key.lane)?.segments.get_mut(&key.msn)
    }

    /// One console line per code and page.
    pub(crate) fn warn(&mut self, code: &'static str, text: String) {
        if self.warned.insert(code) {
            self.push(Output::Event(Event::Warn { code, text }));
        }
    }

    /// Seconds since 1970 as the page's clock told at the start, advanced by the monotonic one.
    pub(crate) fn unix_now(&self) -> u64 {
        let start = self.options.platform.unix_ms.max(0.0);
        ((start + self.now.since(self.started).as_secs_f64() * 1000.0) / 1000.0) as u64
    }

    fn on_player(&mut self, event: PlayerInput) {
        match event {
            PlayerInput::Buffer { ahead_ms, rate } => self.player.buffer(self.now, ahead_ms, rate),
            PlayerInput::Playlist { lane, target_ms, segments } => {
                self.on_playlist(self.lane_behind(lane), target_ms, segments)
            }
            PlayerInput::Hidden(hidden) => self.player.hidden = hidden,
            PlayerInput::Stalled => self.tally.stalls += 1,
            PlayerInput::Network { save_data, cellular } => {
                self.options.platform.save_data = save_data;
                self.options.platform.cellular = cellular;
                self.refuse_queued_uploads();
            }
        }
    }

    fn on_http(&mut self, http: HttpId, event: HttpInput<'_>) {
        if let HttpInput::Head { status, length } = event {
            self.on_http_head(http, status, length);
            return;
        }
        let Some(job) = self.https.remove(&http) else { return };
        self.finish_http(http, job, event);
    }

    fn on_consent(&mut self, given: bool) {
        self.consent = given;
        if !given {
            self.go_silent(Reason::NoConsent);
        }
    }

    fn on_shutdown(&mut self) {
        self.go_silent(Reason::Policy);
        let open: Vec<HttpId> = self.https.keys().copied().collect();
        open.into_iter().for_each(|h| self.push(Output::AbortGet(h)));
        self.https.clear();
        self.ended = true;
    }
}
