//! One viewer: a real core, its driver, its player.

use std::collections::BTreeMap;

use meshedflow_core::config::Options;
use meshedflow_core::{ConnNo, LoadId, Mesh, Stats, Table, Time};

use crate::driver::Driver;
use crate::event::Micros;
use crate::forge::{Forgery, Lanes};
use crate::link::Link;
use crate::player::Player;
use crate::uplink::{Message, Uplink};

/// How a viewer misbehaves towards its neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evil {
    /// Not at all.
    #[default]
    No,
    /// Flips a byte of every media message it sends.
    Flips,
    /// Cuts the connection after its first media message of each request.
    ClosesMidFragment,
    /// Sends no media at all.
    Withholds,
    /// Says that it has all of every segment, shows no list and sends no media.
    Boasts,
    /// With every frame tells of segments far ahead, claims to fetch them and all others, and drops them again.
    Babbles,
    /// Says everything a thousand times.
    Floods,
    /// Shows lists that are not the origin's, and sends the bytes that they name.
    Forges(Forgery),
    /// Sends the first quarter of each segment with a byte flipped, the second as it is, and no more.
    PoisonsPrefix,
}

/// One end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Conn {
    pub(crate) other: Option<(usize, ConnNo)>,
    pub(crate) open: bool,
}

impl Conn {
    pub(crate) fn to(other: Option<(usize, ConnNo)>, open: bool) -> Self {
        Self { other, open }
    }
}

/// Something on its way to a neighbour.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Frames(Vec<u8>),
    /// Media; withheld, it leaves and never arrives.
    Media {
        message: Vec<u8>,
        withheld: bool,
    },
}

impl Message for Outgoing {
    fn bytes(&self) -> u64 {
        let (Self::Frames(bytes) | Self::Media { message: bytes, .. }) = self;
        bytes.len() as u64
    }
}

pub(crate) struct Viewer {
    pub(crate) mesh: Mesh,
    pub(crate) driver: Driver,
    pub(crate) player: Player,
    pub(crate) link: Link,
    pub(crate) up: Uplink<Outgoing>,
    /// Something was sent on a data channel: the driver looks at them all in its next task.
    pub(crate) sent: bool,
    pub(crate) conns: BTreeMap<ConnNo, Conn>,
    pub(crate) loads: BTreeMap<u32, (usize, u64)>,
    pub(crate) dues: BTreeMap<u32, Option<Time>>,
    pub(crate) next_load: u32,
    pub(crate) socket: bool,
    pub(crate) wake: Option<Micros>,
    pub(crate) evil: Evil,
    /// Its lanes as it names them, where it forges.
    pub(crate) forged: Lanes,
    pub(crate) gone: bool,
    pub(crate) lied: u32,
    pub(crate) tally: Report,
}

/// What a viewer went through.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Loads delivered.
    pub delivered: u32,
    /// Of those, with bytes that differ from the origin's: must be 0.
    pub corrupt: u32,
    /// Bytes from peers, and over HTTP, as delivered.
    pub from_peers: u64,
    /// Bytes over HTTP, as delivered.
    pub from_http: u64,
    /// Loads whose due time passed: the page would have taken over.
    pub takeovers: u32,
    /// Loads that failed.
    pub failed: u32,
    /// Rates told to ABR, in bits per second, of video that did not come over HTTP alone.
    pub told_bps: Vec<u32>,
    /// Stalls and their sum in milliseconds.
    pub stalls: u32,
    /// Milliseconds stalled.
    pub stalled_ms: u64,
    /// Milliseconds to the first frame.
    pub startup_ms: u64,
    /// Times this viewer did to others what its [`Evil`] says.
    pub lied: u32,
    /// Sockets to the edge that were asked for.
    pub sockets: u32,
    /// Ranges of segments that were asked of the origin.
    pub ranges: u32,
    /// Connections to neighbours that were made or tried.
    pub connections: u32,
    /// Reasons as delivered.
    pub reasons: BTreeMap<&'static str, u32>,
    /// The core's own counters.
    pub stats: Option<Stats>,
    /// Buffers that the page keeps for the core, and their bytes.
    pub blobs: usize,
    /// Bytes of all buffers.
    pub blob_bytes: usize,
    /// Grants that the page keeps.
    pub grants: usize,
    /// The core's tables.
    pub tables: Vec<Table>,
    /// Warnings of the core.
    pub warnings: Vec<&'static str>,
}

impl Viewer {
    pub(crate) fn new(
        options: Options,
        seed: u64,
        now: Micros,
        player: Player,
        link: Link,
        evil: Evil,
    ) -> Self {
        Self {
            mesh: Mesh::new(options, seed, Time(now)),
            driver: Driver::default(),
            player,
            link,
            up: Uplink::default(),
            sent: false,
            conns: BTreeMap::new(),
            loads: BTreeMap::new(),
            dues: BTreeMap::new(),
            next_load: 0,
            socket: false,
            wake: None,
            evil,
            forged: Lanes::new(),
            gone: false,
            lied: 0,
            tally: Report::default(),
        }
    }

    /// The oracle's look at a load that the core lets wait.
    pub(crate) fn note_overdue(&mut self, now: Micros) {
        let late: Vec<u32> = self
            .dues
            .iter()
            .filter(|(_, due)| due.is_some_and(|at| at.0 + 250_000 < now))
            .map(|(load, _)| *load)
            .collect();
        for load in late {
            self.dues.remove(&load);
            self.tally.takeovers += 1;
        }
    }

    pub(crate) fn report(&self) -> Report {
        Report {
            stalls: self.player.stalls,
            stalled_ms: self.player.stalled_us / 1_000,
            startup_ms: self.player.startup_us.unwrap_or(u64::MAX) / 1_000,
            lied: self.lied,
            blobs: self.driver.blobs.len(),
            blob_bytes: self.driver.blobs.values().map(Vec::len).sum(),
            grants: self.driver.grants(),
            tables: self.mesh.sizes(),
            stats: Some(self.mesh.stats()),
            ..self.tally.clone()
        }
    }

    pub(crate) fn load_of(&self, load: LoadId) -> Option<(usize, u64)> {
        self.loads.get(&load.0).copied()
    }
}
