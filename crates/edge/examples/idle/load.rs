//! The load: sockets that join and mostly stay silent.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::signal::{Parsed, ServerMessage, SignalData, parse_server};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use tokio_websockets::{ClientBuilder, Limits, Message, WebSocketStream};

use crate::Failure;

/// Sockets that open at once.
const ABREAST: usize = 64;

/// What all sockets share.
#[derive(Default)]
struct Shared {
    joined: usize,
    /// When each signal under way was written, by dial and kind.
    sent: HashMap<(u32, u8), Instant>,
    latencies: Vec<Duration>,
    relayed: u64,
    next_dial: u32,
}

pub(crate) struct Load {
    sockets: LocalSet,
    callers: Vec<UnboundedSender<()>>,
    shared: Rc<RefCell<Shared>>,
}

impl Load {
    pub(crate) async fn open(edge: SocketAddr, sockets: usize) -> Result<Self, Failure> {
        let set = LocalSet::new();
        let shared = Rc::new(RefCell::new(Shared::default()));
        let mut callers = Vec::with_capacity(sockets);
        set.run_until(async {
            for first in (0..sockets).step_by(ABREAST) {
                let opening = (first..sockets.min(first + ABREAST)).map(|number| connect(edge, number));
                for socket in futures_util::future::join_all(opening).await {
                    let (caller, calls) = unbounded_channel();
                    callers.push(caller);
                    tokio::task::spawn_local(Viewer::new(shared.clone()).live(socket?, calls));
                }
            }
            Ok::<(), Failure>(())
        })
        .await?;
        Ok(Self { sockets: set, callers, shared })
    }

    /// Waits until all have their welcome.
    pub(crate) async fn joined(&mut self) -> Result<usize, Failure> {
        let (shared, all) = (self.shared.clone(), self.callers.len());
        let everyone = async {
            while shared.borrow().joined < all {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            all
        };
        Ok(tokio::time::timeout(Duration::from_secs(60), self.sockets.run_until(everyone)).await?)
    }

    /// Has random viewers call others, `rate` relayed messages a second, three a call.
    pub(crate) async fn pace(&mut self, rate: u32, time: Duration) {
        let (callers, ends) = (&self.callers, Instant::now() + time);
        let calls = async {
            let mut tick = tokio::time::interval(Duration::from_millis(1));
            let (mut owed, mut lot) = (0.0, 1_u64);
            while Instant::now() < ends {
                tick.tick().await;
                owed += f64::from(rate) / 3_000.0;
                while owed >= 1.0 {
                    owed -= 1.0;
                    lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let at = usize::try_from(lot >> 33).unwrap_or(0) % callers.len();
                    callers.get(at).map(|caller| caller.send(()));
                }
            }
        };
        self.sockets.run_until(calls).await;
    }

    pub(crate) fn relayed(&self) -> u64 {
        self.shared.borrow().relayed
    }

    pub(crate) fn latency(&self) -> String {
        let mut all = self.shared.borrow().latencies.clone();
        all.sort_unstable();
        let at = |q: f64| all.get((all.len() as f64 * q) as usize).copied().unwrap_or_default();
        format!("p50 {:.2?}, p99 {:.2?}, p99.9 {:.2?}, {} lost", at(0.5), at(0.99), at(0.999), self.lost())
    }

    fn lost(&self) -> usize {
        let long_ago = |sent: &&Instant| sent.elapsed() > Duration::from_secs(1);
        self.shared.borrow().sent.values().filter(long_ago).count()
    }
}

type Socket = WebSocketStream<TcpStream>;

/// Four sockets an address; another /16 with each process, so that ports in TIME_WAIT are in nobody's way.
async fn connect(edge: SocketAddr, number: usize) -> Result<Socket, Failure> {
    let part = |n: usize| u8::try_from(n % 250).unwrap_or(0);
    let process = part(std::process::id() as usize) | 1;
    let source = Ipv4Addr::new(127, process, part(number / 1_000), 1 + part(number / 4));
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0)))?;
    let stream = socket.connect(edge).await?;
    stream.set_nodelay(true)?;
    let builder = ClientBuilder::new().limits(Limits::default().max_payload_len(Some(1 << 20)));
    Ok(builder.uri(&format!("ws://{edge}/mesh"))?.connect_on(stream).await?.0)
}

/// One page.
struct Viewer {
    shared: Rc<RefCell<Shared>>,
    known: Vec<PeerId>,
}

const OFFER: u8 = 0;
const ANSWER: u8 = 1;
const CANDIDATE: u8 = 2;

impl Viewer {
    fn new(shared: Rc<RefCell<Shared>>) -> Self {
        Self { shared, known: Vec::new() }
    }

    async fn live(mut self, mut socket: Socket, mut calls: UnboundedReceiver<()>) {
        let join =
            "{\"join\":{\"wire\":[1,1],\"stream\":\"bench\",\"lanes\":[\"v360\",\"a64\"],\"class\":2}}";
        socket.send(Message::text(join)).await.ok();
        loop {
            let answer = tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(message)) => message.as_text().and_then(|text| self.hear(text)),
                    _ => return,
                },
                call = calls.recv() => match call {
                    Some(()) => self.call(),
                    None => return,
                },
            };
            if let Some(text) = answer {
                socket.send(Message::text(text)).await.ok();
            }
        }
    }

    fn call(&mut self) -> Option<String> {
        let mut shared = self.shared.borrow_mut();
        shared.next_dial += 1;
        let dial = shared.next_dial;
        let peer = *self.known.get(dial as usize % self.known.len().max(1))?;
        shared.sent.insert((dial, OFFER), Instant::now());
        Some(offer_text(peer, dial))
    }

    fn hear(&mut self, text: &str) -> Option<String> {
        let Ok(Parsed::Known(message)) = parse_server(text) else { return None };
        match message {
            ServerMessage::Welcome(_) => self.shared.borrow_mut().joined += 1,
            ServerMessage::Peers(peers) => self.known.extend(peers.0.iter().map(|proposal| proposal.peer)),
            ServerMessage::Signal(signal) => {
                let (kind, next) = match signal.data {
                    SignalData::Offer(_) => (OFFER, Some(ANSWER)),
                    SignalData::Answer(_) => (ANSWER, Some(CANDIDATE)),
                    _ => (CANDIDATE, None),
                };
                self.arrived((signal.dial, kind));
                let next = next?;
                self.shared.borrow_mut().sent.insert((signal.dial, next), Instant::now());
                let answers = next == ANSWER;
                let text = if answers { answer_text } else { candidate_text };
                return Some(text(signal.peer, signal.dial));
            }
            _ => {}
        }
        None
    }

    fn arrived(&self, signal: (u32, u8)) {
        let mut shared = self.shared.borrow_mut();
        shared.relayed += 1;
        if let Some(sent) = shared.sent.remove(&signal) {
            shared.latencies.push(sent.elapsed());
        }
    }
}

/// About 1,000 bytes, as if a page sent more than the fields that count.
pub(crate) fn offer_text(peer: PeerId, dial: u32) -> String {
    description(peer, dial, "offer", "actpass")
}

fn answer_text(peer: PeerId, dial: u32) -> String {
    description(peer, dial, "answer", "active")
}

fn description(peer: PeerId, dial: u32, kind: &str, setup: &str) -> String {
    let (pwd, fingerprint, more) = ("p".repeat(24), ["AB"; 32].join(":"), "x".repeat(660));
    format!(
        "{{\"signal\":{{\"peer\":\"{peer}\",\"dial\":{dial},\"kind\":\"{kind}\",\"data\":{{\"ufrag\":\"abcd\",\
         \"pwd\":\"{pwd}\",\"fingerprint\":\"{fingerprint}\",\"setup\":\"{setup}\",\"mid\":\"0\",\"sctpPort\":5000,\
         \"maxMessageSize\":262144,\"more\":\"{more}\"}}}}}}"
    )
}

fn candidate_text(peer: PeerId, dial: u32) -> String {
    format!(
        "{{\"signal\":{{\"peer\":\"{peer}\",\"dial\":{dial},\"kind\":\"candidate\",\"data\":{{\"foundation\":\"1\",\
         \"priority\":2122260223,\"address\":\"0b1f7a52-6d8e-4c1a-9b0e-3f5d2c4b6a71.local\",\"port\":50000,\
         \"typ\":\"host\"}}}}}}"
    )
}
