//! A real origin on a real socket, looping the demo media.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that cannot help ends the test")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use meshedflow_manifest::{Rolling, Signer, Text};
use meshedflow_origin::http::access::{self, AccessLog};
use meshedflow_origin::http::serve::serve;
use meshedflow_origin::http::{self, Channel, ChannelLimits, Cors, Keys, OriginState, Shape};
use meshedflow_origin::loop_live::{LiveLoop, LoopOptions, LoopSource, entry};
use meshedflow_origin::{Desk, clock};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub(crate) fn media() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/media")
}

/// Small media of each kind that ffmpeg's HLS muxer makes: three segments of a second, picture and sound in one file.
/// `fmp4` and `single` are `-hls_segment_type fmp4`, the others MPEG-TS; `single` and `tssingle` are
/// `-hls_flags single_file`.
pub(crate) fn fixture(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media").join(kind)
}

pub(crate) fn signer() -> Arc<Signer> {
    Arc::new(Signer::new([3; 32]))
}

/// How an [`Origin`] differs from the usual.
pub(crate) struct With {
    pub(crate) cors: Cors,
    pub(crate) shape: Shape,
    pub(crate) waiters: usize,
    pub(crate) log: Option<PathBuf>,
    pub(crate) directory: Option<PathBuf>,
    /// The playlist to loop.
    pub(crate) looped: PathBuf,
}

impl Default for With {
    fn default() -> Self {
        let looped = media().join("master.m3u8");
        Self { cors: Cors::Open, shape: Shape::default(), waiters: 64, log: None, directory: None, looped }
    }
}

/// A running origin; stops when dropped.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
    stop: Option<oneshot::Sender<()>>,
}

impl Origin {
    pub(crate) fn start(with: With) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (folder, file) = entry(&with.looped).unwrap();
        let source = LoopSource::load(&folder, &file).unwrap();
        let desk = Desk::new(signer(), Text::new("demo").unwrap(), 77);
        let live = LiveLoop::start(source, LoopOptions::default(), desk, clock::now_ms()).unwrap();
        let channel = Channel::new(live, ChannelLimits { waiters: with.waiters, ..ChannelLimits::default() });
        let mut router = http::router(OriginState {
            channels: [("demo".to_owned(), Arc::clone(&channel))].into(),
            directories: with.directory.map(|d| ("dir".to_owned(), d)).into_iter().collect(),
            keys: Keys::of(signer(), vec!["demo".into()], 77),
            cors: with.cors,
            shape: with.shape,
        });
        if let Some(log) = with.log {
            router = access::layer(router, AccessLog::open(&log).unwrap());
        }
        runtime.spawn(channel.run());
        runtime.spawn(serve(listener, router, async {
            let _ = stopped.await;
        }));
        Self { address, runtime: Some(runtime), stop: Some(stop) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[])
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = agent().run(request.body(()).unwrap()).unwrap();
        let headers = response.headers().clone();
        let body = if method == "HEAD" { Vec::new() } else { response.body_mut().read_to_vec().unwrap() };
        Answer { status: response.status().as_u16(), headers, body }
    }

    pub(crate) fn rolling(&self, rendition: &str, query: &str) -> Rolling {
        let answer = self.get(&format!("/live/demo/{rendition}/index.mfi.json{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        Rolling::parse(&answer.body).unwrap()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(20)))
        .build();
    config.into()
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A directory that goes away with its value.
pub(crate) struct TempDir(pub(crate) PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("meshedflow-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
