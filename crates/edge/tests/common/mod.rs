//! Real viewers on real sockets. Nothing here sleeps: every wait is for a message, within a time limit.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use meshedflow_edge::{Config, EdgeError, EdgeState, serve};
use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::signal::{
    ClientMessage, Join, Parsed, Proposal, ServerMessage, Signal, Welcome, parse_server,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running edge; stops when told to.
pub(crate) struct TestEdge {
    pub(crate) address: SocketAddr,
    pub(crate) state: EdgeState,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) done: JoinHandle<Result<(), EdgeError>>,
}

impl TestEdge {
    pub(crate) async fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let state = EdgeState::new(Config { listen: address, ..config }).unwrap();
        let done = tokio::spawn(serve(listener, state.clone(), async move {
            stopped.await.ok();
        }));
        Self { address, state, stop: Some(stop), done }
    }

    /// Begins the drain.
    pub(crate) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn stop(mut self) {
        self.begin_stop();
        within(self.done).await.unwrap().unwrap();
    }

    /// The value of a line of the metrics, labels included.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.state.metrics_text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("meshedflow_edge_")?.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }

    /// Status and body of a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        within(stream.read_to_string(&mut text)).await.unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
    }
}

pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens in time")
}

/// A page's socket.
pub(crate) struct Viewer {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn join(stream: &str, lanes: &[&str]) -> Join {
    Join {
        wire: [1, 1],
        stream: name(stream),
        label: None,
        lanes: lanes.iter().map(|lane| name(lane)).collect(),
        token: None,
        topology_hint: None,
        class: 2,
        resume: None,
    }
}

impl Viewer {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let uri = format!("ws://{address}/mesh");
        let (socket, _) = within(ClientBuilder::new().uri(&uri).unwrap().connect()).await.unwrap();
        Self { socket }
    }

    /// Connects, joins, and reads the welcome.
    pub(crate) async fn join(address: SocketAddr, join: Join) -> (Self, Welcome) {
        let mut viewer = Self::connect(address).await;
        viewer.say(&ClientMessage::Join(Box::new(join))).await;
        let welcome = viewer.wait(|m| if let ServerMessage::Welcome(w) = m { Some(*w) } else { None }).await;
        (viewer, welcome)
    }

    pub(crate) async fn say(&mut self, message: &ClientMessage<Signal>) {
        self.say_text(message.to_json()).await;
    }

    pub(crate) async fn say_text(&mut self, text: impl Into<String>) {
        within(self.socket.send(Message::text(text.into()))).await.unwrap();
    }

    /// The next message; `None` once the edge closed the socket.
    pub(crate) async fn next(&mut self) -> Option<ServerMessage> {
        loop {
            let message = within(self.socket.next()).await?.ok()?;
            if let Some(text) = message.as_text() {
                let Ok(Parsed::Known(message)) = parse_server(text) else { panic!("{text}") };
                return Some(message);
            }
        }
    }

    /// Reads on until `pick` finds what it wants.
    pub(crate) async fn wait<T>(&mut self, pick: impl Fn(ServerMessage) -> Option<T>) -> T {
        loop {
            let message = self.next().await.expect("the socket stays open");
            if let Some(found) = pick(message) {
                return found;
            }
        }
    }

    /// Reads on until `count` proposals were made.
    pub(crate) async fn proposals(&mut self, count: usize) -> Vec<Proposal> {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(self.wait(|m| if let ServerMessage::Peers(p) = m { Some(p.0) } else { None }).await);
        }
        all
    }

    pub(crate) async fn signal(&mut self) -> Signal {
        self.wait(|m| if let ServerMessage::Signal(signal) = m { Some(signal) } else { None }).await
    }

    /// The code that the edge closes with.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        while let Some(message) = within(self.socket.next()).await {
            if let Some((code, _)) = message.ok()?.as_close() {
                return Some(code.into());
            }
        }
        None
    }
}

/// A valid description as JSON fields.
pub(crate) fn description(setup: &str) -> String {
    let fingerprint = vec!["AB"; 32].join(":");
    format!(
        "{{\"ufrag\":\"abcd\",\"pwd\":\"{}\",\"fingerprint\":\"{fingerprint}\",\"setup\":\"{setup}\",\
         \"mid\":\"0\",\"sctpPort\":5000,\"maxMessageSize\":262144}}",
        "p".repeat(24)
    )
}

pub(crate) fn signal_text(peer: PeerId, dial: u32, kind: &str, data: Option<&str>) -> String {
    let data = data.map(|data| format!(",\"data\":{data}")).unwrap_or_default();
    format!("{{\"signal\":{{\"peer\":\"{peer}\",\"dial\":{dial},\"kind\":\"{kind}\"{data}}}}}")
}
