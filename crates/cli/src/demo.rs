//! `meshedflow demo`: everything on one port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use clap::Args;
use meshedflow_manifest::{Signer, Text};
use meshedflow_origin::http::access;
use meshedflow_origin::http::serve::serve;
use meshedflow_origin::http::{self, Channel, ChannelLimits, Cors, Keys, OriginState, Shape, files};
use meshedflow_origin::loop_live::{LiveLoop, LoopOptions, LoopSource, entry};
use meshedflow_origin::{Desk, OriginError, clock, keys};

use crate::failure::Failure;
use crate::serving::{bind, open_log, stream_name};
use crate::stop::{Stop, block_on};
use crate::{edge, find, page, say};

/// What the stream's playlist is called.
const ENTRY: &str = "master.m3u8";

/// Play a live stream with everything it needs on one port.
///
/// A finished HLS stream is looped as an endless live one, signed fragment by fragment with a key made at start, and
/// served together with the signaling edge, a policy and a page. Fragmented MP4, muxed or not, goes on as one timeline;
/// MPEG-TS and all else begins each round with a discontinuity. Stop it with Ctrl-C or SIGTERM.
#[derive(Args)]
pub(crate) struct Flags {
    /// Address and port to listen on; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "port")]
    listen: Option<SocketAddr>,
    /// Port to listen on at 127.0.0.1; 0 takes a free one and prints it
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// Playlist to loop, multivariant or media, or the directory of one [default: examples/media of this repository]
    #[arg(long, value_name = "FILE|DIR")]
    media: Option<PathBuf>,
    /// Directory of static files for / (demo page, /sdk, /vendor) [default: target/demo-site, if it is there]
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,
    /// Name of the stream in signed lists and in the path /live/NAME/
    #[arg(long, value_name = "NAME", default_value = "demo")]
    stream: String,
    /// Complete segments in the live playlist, 3 to 60
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(3..=60))]
    window: u8,
    /// Append one JSON line per request to this file
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// JSON file to serve as /policy.json, read again for each request [default: version 1, enabled, cmafMode serve]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Signing key made by `meshedflow keys generate` [default: a new key, kept in memory]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Leave the signaling edge out: origin and page only
    #[arg(long)]
    no_edge: bool,
    /// Rate of all media, playlists and lists together, in kilobits per second
    #[arg(long, value_name = "KBPS", value_parser = clap::value_parser!(u32).range(1..))]
    rate_kbps: Option<u32>,
    /// Delay before each answer about media, playlists and lists, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=60_000))]
    delay_ms: u32,
}

/// Inputs that were checked.
struct Checked {
    address: SocketAddr,
    stream: Text,
    source: LoopSource,
    signer: Arc<Signer>,
    site: Option<PathBuf>,
    policy: Option<page::Policy>,
}

pub(crate) fn run(flags: Flags) -> Result<(), Failure> {
    let checked = flags.check()?;
    block_on(flags.serve(checked))
}

impl Flags {
    fn check(&self) -> Result<Checked, Failure> {
        let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.port);
        let media = self.media()?;
        Ok(Checked {
            address: self.listen.unwrap_or(local),
            stream: stream_name(&self.stream)?,
            source: source(&media).map_err(Failure::flag("--media"))?,
            signer: Arc::new(match &self.key {
                Some(path) => signing_key(path).map_err(Failure::flag("--key"))?,
                None => keys::generate().map_err(Failure::run("cannot make a key"))?,
            }),
            site: self.site()?,
            policy: self.policy.clone().map(page::Policy::open).transpose()?,
        })
    }

    fn media(&self) -> Result<PathBuf, Failure> {
        let found = || find::upwards("examples/media", "master.m3u8");
        self.media.clone().or_else(found).ok_or_else(|| {
            Failure::Input(
                "--media is missing: no examples/media above this directory; expected a directory".into(),
            )
        })
    }

    fn site(&self) -> Result<Option<PathBuf>, Failure> {
        match &self.site {
            Some(site) if !site.is_dir() => {
                Err(Failure::Input(format!("--site {}: not a directory; expected one", site.display())))
            }
            Some(site) => Ok(Some(site.clone())),
            None => Ok(find::upwards("target/demo-site", "index.html")),
        }
    }

    async fn serve(self, checked: Checked) -> Result<(), Failure> {
        let stop = Stop::on_signals()?;
        let listener = bind(checked.address).await?;
        let address = listener.local_addr().map_err(Failure::run("cannot learn the port"))?;
        // Only now: it makes a file.
        let log = self.access_log.as_deref().map(open_log).transpose()?;
        let stream = checked.stream.as_str().to_owned();
        let channel = self.channel(&checked)?;
        let around = if self.no_edge { page::health() } else { edge::demo_router(address)? };
        let mut router = http::router(self.origin(&checked, &channel))
            .merge(around)
            .merge(page::policy(checked.policy))
            .merge(site(checked.site, &stream));
        if let Some(log) = log {
            router = access::layer(router, log);
        }
        announce(address, &stream, self.no_edge);
        tokio::select! {
            () = serve(listener, router, stop.wait()) => Ok(()),
            ended = channel.run() => ended.map_err(Failure::run("live stream")),
        }
    }

    fn channel(&self, checked: &Checked) -> Result<Arc<Channel>, Failure> {
        let now = clock::now_ms();
        let desk = Desk::new(Arc::clone(&checked.signer), checked.stream.clone(), now);
        let options = LoopOptions { window: self.window.into(), ..LoopOptions::default() };
        let live = LiveLoop::start(checked.source.clone(), options, desk, now)
            .map_err(Failure::run("cannot start the stream"))?;
        // Tabs of one browser share a cache; stored media would hide what each viewer fetches.
        Ok(Channel::new(live, ChannelLimits { media_cache: "no-store", ..ChannelLimits::default() }))
    }

    fn origin(&self, checked: &Checked, channel: &Arc<Channel>) -> OriginState {
        let stream = checked.stream.as_str().to_owned();
        OriginState {
            channels: [(stream.clone(), Arc::clone(channel))].into(),
            directories: [].into(),
            keys: Keys::of(Arc::clone(&checked.signer), vec![stream], channel.read(LiveLoop::epoch)),
            cors: Cors::Open,
            shape: Shape::new(self.rate_kbps, self.delay_ms),
        }
    }
}

/// What the page plays is called the same, whatever the playlist's own name.
fn source(media: &Path) -> Result<LoopSource, OriginError> {
    let (folder, file) = entry(media)?;
    let source = LoopSource::load(&folder, &file)?.named(ENTRY)?;
    source.remarks.lines().for_each(|line| eprintln!("{line}"));
    Ok(source)
}

fn site(folder: Option<PathBuf>, stream: &str) -> Router {
    match folder {
        Some(folder) => files::router(folder),
        None => page::bare(stream),
    }
}

fn announce(address: SocketAddr, stream: &str, no_edge: bool) {
    say(format_args!("page    http://{address}/"));
    say(format_args!("stream  http://{address}/live/{stream}/{ENTRY}"));
    say(format_args!("keys    http://{address}{}", http::KEYS_PATH));
    say(format_args!("policy  http://{address}/policy.json"));
    if !no_edge {
        say(format_args!("edge    ws://{address}/mesh"));
    }
}

fn signing_key(path: &Path) -> Result<Signer, OriginError> {
    let signer = keys::load(path)?;
    keys::check_clock(&signer, clock::now_ms()).map(|()| signer)
}
