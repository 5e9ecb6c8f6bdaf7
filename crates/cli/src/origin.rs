//! `meshedflow origin`: sign and serve media.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use meshedflow_manifest::Signer;
use meshedflow_origin::directory::{self, SignOptions};
use meshedflow_origin::http::access::{self, AccessLog};
use meshedflow_origin::http::serve::serve;
use meshedflow_origin::http::{self, Channel, ChannelLimits, Cors, Keys, OriginState, Shape};
use meshedflow_origin::loop_live::{LiveLoop, LoopOptions, LoopSource, entry};
use meshedflow_origin::playlist::{Reading, Site};
use meshedflow_origin::{Desk, OriginError, clock, epoch, keys};
use tokio::net::TcpListener;

use crate::duration;
use crate::failure::Failure;
use crate::keys::publish::say_renewal;
use crate::say;
use crate::serving::{bind, open_log, stream_name};
use crate::stop::{Stop, block_on};

/// Environment variable with the JSON of a private key.
const KEY_VARIABLE: &str = "MESHEDFLOW_SIGNING_KEY";

/// Sign media and serve it.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Sign a VOD directory: lists beside the playlists and segments, and keys.json
    Sign(SignFlags),
    /// Serve a VOD directory as an endless live stream, signed as it grows
    Loop(LoopFlags),
    /// Serve a signed VOD directory with its keys
    Serve(ServeFlags),
}

/// Which key signs.
#[derive(Args)]
struct KeyFlags {
    /// Signing key made by `meshedflow keys generate` [default: the key in $MESHEDFLOW_SIGNING_KEY]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// How to serve.
#[derive(Args)]
struct ListenFlags {
    /// Address and port to listen on; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Append one JSON line per request to this file
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Rate of all responses together, in kilobits per second
    #[arg(long, value_name = "KBPS", value_parser = clap::value_parser!(u32).range(1..))]
    rate_kbps: Option<u32>,
    /// Delay before each response, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=60_000))]
    delay_ms: u32,
    /// Expose no headers to pages and refuse preflights with 405, as many CDNs do
    #[arg(long)]
    bare_cors: bool,
}

/// Sign a VOD directory.
///
/// Reads all playlists, as HLS.js does, and media first and writes nothing if anything is wrong. What players never ask this
/// directory for (gaps, other hosts, empty files) is left out of the lists, one line on stderr for each kind. Writes `<playlist>.mfi.json`
/// beside each media playlist, `<segment>.mfi` beside each segment, and keys.json, which belongs at
/// /.well-known/meshedflow/keys.json of the host that serves the playlists. What a keys.json names that is there already
/// stays; one that a root key signed is left as it is. It counts for --keys-valid, then films are fetched over HTTP alone
/// until it was renewed.
#[derive(Args)]
pub(crate) struct SignFlags {
    /// Directory to sign
    dir: PathBuf,
    /// Name of the stream in signed lists
    #[arg(long, value_name = "NAME")]
    stream: String,
    /// The multivariant playlist, or the only media playlist, in the directory
    #[arg(long, value_name = "FILE", default_value = "master.m3u8")]
    playlist: String,
    /// Where the last epoch is kept [default: .meshedflow-epoch.json in the directory]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// How long keys.json counts from now on: a whole number and s, m, h, d or w
    #[arg(long, value_name = "SPAN", default_value = "365d", value_parser = duration::parse)]
    keys_valid: u64,
    /// URL at which the directory will be published: absolute URLs below it are files of the directory
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Leave out renditions whose playlist is missing or cannot be read, instead of refusing the whole
    #[arg(long)]
    skip_unreadable: bool,
    #[command(flatten)]
    key: KeyFlags,
}

/// Serve a finished HLS stream as an endless live one at /live/NAME/.
///
/// Renditions have the same length, to half a second. Fragmented MP4 with 64-bit times, muxed or not, is
/// moved in time and goes on as one timeline. All else (MPEG-TS, packed audio, 32-bit times) keeps its bytes and begins each
/// round with EXT-X-DISCONTINUITY, in all renditions as soon as one needs it. Byte ranges of what is moved become files of
/// their own; others stay ranges of one file. Encrypted and live playlists are refused.
#[derive(Args)]
pub(crate) struct LoopFlags {
    /// Directory to loop, or its playlist, multivariant or media
    #[arg(value_name = "DIR|FILE")]
    dir: PathBuf,
    /// Name of the stream in signed lists and in the path
    #[arg(long, value_name = "NAME")]
    stream: String,
    /// The playlist in the directory [default: master.m3u8, or else the only one]
    #[arg(long, value_name = "FILE")]
    playlist: Option<String>,
    /// Where the last epoch is kept, so that a restart takes a higher one
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Complete segments in the live playlist, 3 to 60
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(3..=60))]
    window: u8,
    /// Media sequence number of the first segment
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..1 << 40))]
    first_msn: u64,
    /// Leave EXT-X-PROGRAM-DATE-TIME out of the playlists
    #[arg(long)]
    no_program_date_time: bool,
    #[command(flatten)]
    key: KeyFlags,
    #[command(flatten)]
    listen: ListenFlags,
}

/// Serve a VOD directory at /vod/NAME/, and the public part of its key.
#[derive(Args)]
pub(crate) struct ServeFlags {
    /// Directory that `origin sign` signed
    dir: PathBuf,
    /// Name of the stream, as it was signed
    #[arg(long, value_name = "NAME")]
    stream: String,
    #[command(flatten)]
    key: KeyFlags,
    #[command(flatten)]
    listen: ListenFlags,
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Sign(flags) => flags.run(),
        Command::Loop(flags) => flags.run(),
        Command::Serve(flags) => flags.run(),
    }
}

impl SignFlags {
    fn run(self) -> Result<(), Failure> {
        let keys = self.dir.join("keys.json");
        let site = self.base_url.as_deref().map_or_else(|| Ok(Site::default()), Site::published_at);
        let site = site.map_err(|reason| Failure::Input(format!("--base-url {reason}")))?;
        let signed = directory::sign(&SignOptions {
            reading: Reading { site, leave_out_unreadable: self.skip_unreadable },
            stream: stream_name(&self.stream)?,
            signer: self.key.load()?,
            root: self.dir,
            entry: self.playlist,
            state: self.state,
            now_ms: clock::now_ms(),
            keys_valid_s: self.keys_valid,
        })
        .map_err(input)?;
        signed.remarks.lines().for_each(|line| eprintln!("{line}"));
        let left_out = match signed.remarks.left_out() {
            0 => String::new(),
            count => format!(", left out {count} segments"),
        };
        say(format_args!(
            "signed {} fragments of {} segments in {} renditions{left_out}, epoch {}; wrote {} files",
            signed.fragments, signed.segments, signed.renditions, signed.epoch, signed.files
        ));
        signed.notes.iter().for_each(say);
        say("publish keys.json at /.well-known/meshedflow/keys.json");
        say_renewal(&keys, signed.keys_until, if signed.keys_by_root { " --root FILE" } else { "" });
        Ok(())
    }
}

impl LoopFlags {
    fn run(self) -> Result<(), Failure> {
        let stream = stream_name(&self.stream)?;
        let signer = self.key.load()?;
        let (dir, playlist) = match &self.playlist {
            Some(playlist) => (self.dir.clone(), playlist.clone()),
            None => entry(&self.dir).map_err(input)?,
        };
        let source = LoopSource::load(&dir, &playlist).map_err(input)?;
        source.remarks.lines().for_each(|line| eprintln!("{line}"));
        epoch::last(&self.state).map_err(Failure::flag("--state"))?;
        block_on(async move {
            let listening = self.listen.bind().await?;
            // Only now: it spends an epoch.
            let epoch = epoch::take(&self.state, clock::now_ms()).map_err(Failure::flag("--state"))?;
            let desk = Desk::new(Arc::clone(&signer), stream.clone(), epoch);
            let live = LiveLoop::start(source, self.options(), desk, clock::now_ms()).map_err(input)?;
            let channel = Channel::new(live, ChannelLimits::default());
            let name = stream.as_str().to_owned();
            let entry = format!("/live/{name}/{playlist}");
            let mut state = self.listen.state(Keys::of(signer, vec![name.clone()], epoch));
            state.channels.insert(name, Arc::clone(&channel));
            tokio::select! {
                served = listening.serve(state, &entry) => served,
                ended = channel.run() => ended.map_err(Failure::run("live stream")),
            }
        })
    }

    fn options(&self) -> LoopOptions {
        LoopOptions {
            window: self.window.into(),
            first_msn: self.first_msn,
            program_date_time: !self.no_program_date_time,
        }
    }
}

impl ServeFlags {
    fn run(self) -> Result<(), Failure> {
        let stream = stream_name(&self.stream)?.as_str().to_owned();
        if !self.dir.is_dir() {
            return Err(Failure::Input(format!("{}: not a directory; expected one", self.dir.display())));
        }
        let mut state = self.listen.state(Keys::of(self.key.load()?, vec![stream.clone()], 0));
        let entry = format!("/vod/{stream}/");
        state.directories.insert(stream, self.dir.clone());
        block_on(async move { self.listen.bind().await?.serve(state, &entry).await })
    }
}

impl KeyFlags {
    fn load(&self) -> Result<Arc<Signer>, Failure> {
        let signer = match (&self.key, std::env::var(KEY_VARIABLE)) {
            (Some(path), _) => keys::load(path).map_err(Failure::flag("--key"))?,
            (None, Ok(text)) => keys::from_env(KEY_VARIABLE, &text).map_err(input)?,
            (None, Err(_)) => {
                let text = format!("--key is missing; expected a file, or a private JWK in ${KEY_VARIABLE}");
                return Err(Failure::Input(text));
            }
        };
        keys::check_clock(&signer, clock::now_ms()).map_err(input)?;
        Ok(Arc::new(signer))
    }
}

impl ListenFlags {
    fn state(&self, keys: Keys) -> OriginState {
        OriginState {
            channels: [].into(),
            directories: [].into(),
            keys,
            cors: if self.bare_cors { Cors::Bare } else { Cors::Open },
            shape: Shape::new(self.rate_kbps, self.delay_ms),
        }
    }

    async fn bind(&self) -> Result<Listening, Failure> {
        let stop = Stop::on_signals()?;
        let listener = bind(self.listen).await?;
        // Only now: it makes a file.
        let log = self.access_log.as_deref().map(open_log).transpose()?;
        Ok(Listening { listener, stop, log })
    }
}

/// A server that has its port and its log.
struct Listening {
    listener: TcpListener,
    stop: Stop,
    log: Option<AccessLog>,
}

impl Listening {
    async fn serve(self, state: OriginState, entry: &str) -> Result<(), Failure> {
        let address = self.listener.local_addr().map_err(Failure::run("cannot learn the port"))?;
        let mut router = http::router(state);
        if let Some(log) = self.log {
            router = access::layer(router, log);
        }
        say(format_args!("stream  http://{address}{entry}"));
        say(format_args!("keys    http://{address}{}", http::KEYS_PATH));
        serve(self.listener, router, self.stop.wait()).await;
        Ok(())
    }
}

/// Everything an origin refuses before it serves is a bad input.
fn input(error: OriginError) -> Failure {
    Failure::Input(error.to_string())
}
