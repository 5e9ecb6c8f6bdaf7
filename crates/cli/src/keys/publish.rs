//! `meshedflow keys publish`: the key set of an origin, as a file.

use std::path::{Path, PathBuf};

use clap::Args;
use meshedflow_manifest::{KeyState, PublicKey, Signer};
use meshedflow_origin::atomic::{self, Mode};
use meshedflow_origin::clock::iso8601_s;
use meshedflow_origin::key_sets::{self, Changes, Named};
use meshedflow_origin::keys::{self, KeyFile};

use super::show;
use crate::duration;
use crate::failure::Failure;
use crate::say;

/// Write a key set, to be published at /.well-known/meshedflow/keys.json.
///
/// What the file at --out names already stays unless it is told otherwise here, so that the same command without
/// any key renews a set. A KEY is a key file, the public part of a key (its "x"), or the kid of one that the file
/// names. The file appears whole or not at all, its version always rises, and nothing is written that a viewer
/// would refuse.
#[derive(Args)]
pub(crate) struct Flags {
    /// Keys that sign from now on
    #[arg(value_name = "KEY")]
    active: Vec<String>,
    /// The key set file to write, or to write anew
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Stream that the active and next keys may sign, or a path with one trailing * after a slash; can be repeated
    #[arg(long = "stream", value_name = "NAME")]
    streams: Vec<String>,
    /// Key that will sign later, published ahead; nothing that it signs counts yet; can be repeated
    #[arg(long, value_name = "KEY")]
    next: Vec<String>,
    /// Key that signs no more; what it signed goes on to count; can be repeated
    #[arg(long, value_name = "KEY")]
    retired: Vec<String>,
    /// Key of which nothing counts any more, for good; can be repeated
    #[arg(long, value_name = "KEY")]
    revoked: Vec<String>,
    /// Key that the set names no more; can be repeated
    #[arg(long, value_name = "KEY")]
    drop: Vec<String>,
    /// How long the set counts from now on: a whole number and s, m, h, d or w
    #[arg(long, value_name = "SPAN", default_value = "365d", value_parser = duration::parse)]
    valid: u64,
    /// Key file of the root that signs the set, for pages that pin it as `rootKey`
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// No list of a lower epoch counts; never lower than before
    #[arg(long, value_name = "N")]
    min_epoch: Option<u64>,
}

impl Flags {
    pub(super) fn run(self, now: u64) -> Result<(), Failure> {
        let root = self.root.as_deref().map(keys::load).transpose().map_err(Failure::flag("--root"))?;
        let changes = self.changes(root.as_ref())?;
        let published =
            key_sets::change(&self.out, &changes, now).map_err(|e| Failure::Input(e.to_string()))?;
        atomic::write(&self.out, published.json.as_bytes(), Mode::Public)
            .map_err(Failure::run("cannot publish the key set"))?;
        say(format_args!("wrote {}", self.out.display()));
        published.notes.iter().for_each(say);
        show::say_set(&published.set, root.is_some(), now);
        let root = self.root.as_deref().map(|path| format!(" --root {}", path.display()));
        say_renewal(&self.out, published.set.expires(), &root.unwrap_or_default());
        Ok(())
    }

    fn changes<'a>(&self, root: Option<&'a Signer>) -> Result<Changes<'a>, Failure> {
        let mut keys = Vec::new();
        for (flag, texts, state) in [
            ("KEY", &self.active, KeyState::Active),
            ("--next", &self.next, KeyState::Next),
            ("--retired", &self.retired, KeyState::Retired),
            ("--revoked", &self.revoked, KeyState::Revoked),
        ] {
            for text in texts {
                keys.push((named(flag, text)?, state));
            }
        }
        for stream in &self.streams {
            meshedflow_manifest::StreamPattern::parse(stream).map_err(Failure::flag("--stream"))?;
        }
        let dropped = self.drop.iter().map(|text| named("--drop", text).map(|key| key.kid()));
        Ok(Changes {
            keys,
            dropped: dropped.collect::<Result<_, _>>()?,
            streams: self.streams.clone(),
            min_epoch: self.min_epoch,
            valid_s: self.valid,
            root,
        })
    }
}

/// Until when a set counts, and how to renew it.
pub(crate) fn say_renewal(path: &Path, expires: u64, root: &str) {
    let (path, at) = (path.display(), iso8601_s(expires));
    say(format_args!(
        "{path} counts until {at}; renew it before with: meshedflow keys publish --out {path}{root}"
    ));
}

/// A key file, a kid, or a public part.
fn named(flag: &'static str, text: &str) -> Result<Named, Failure> {
    let path = Path::new(text);
    if path.exists() {
        return match keys::open(path).map_err(Failure::flag(flag))? {
            KeyFile::Private(signer) => Ok(Named::of(&signer)),
            KeyFile::Public(key, since) => Ok(Named::Key { key, since }),
            KeyFile::Set(_) => Err(Failure::Input(format!("{flag}: {text} is a key set; expected one key"))),
        };
    }
    let kid = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
    let kid = kid.filter(|_| text.bytes().all(|b| b.is_ascii_hexdigit()));
    let key = || PublicKey::from_base64url(text).map(|key| Named::Key { key, since: None });
    kid.map(|kid| Named::Kid(kid.to_be_bytes())).or_else(key).ok_or_else(|| {
        Failure::Input(format!("{flag}: {text}: no such file; expected a key file, a kid (16 hex digits), or a public part (43 characters, the \"x\" of a JWK)"))
    })
}
