//! What `keys show` prints of a key or a key set.

use std::path::Path;

use meshedflow_manifest::{KeyInfo, KeySet, PublicKey};
use meshedflow_origin::clock::iso8601_s;
use meshedflow_origin::key_sets::{KeySetFile, hex};
use meshedflow_origin::keys::{self, KeyFile};

use crate::duration::in_words;
use crate::failure::Failure;
use crate::say;

pub(super) fn run(path: &Path, now: u64) -> Result<(), Failure> {
    match keys::open(path).map_err(Failure::flag("FILE"))? {
        KeyFile::Private(signer) => key(&signer.public(), signer.created()),
        KeyFile::Public(public, created) => {
            say("public part only: it verifies, and signs nothing");
            key(&public, created);
        }
        KeyFile::Set(file) => {
            say_set(&file.set, file.signed, now);
            return check_expiry(path, &file, now);
        }
    }
    Ok(())
}

/// A key, for the SDK's `trustedKeys`.
pub(super) fn key(key: &PublicKey, created: Option<u64>) {
    say(format_args!("kid  {}", hex(&key.kid())));
    say(format_args!("x    {}", key.to_base64url()));
    say(format_args!(
        "made {}",
        created.map_or_else(|| "not told: lists of any time count".to_owned(), iso8601_s)
    ));
}

/// A set, key by key.
pub(super) fn say_set(set: &KeySet, signed: bool, now: u64) {
    let by = if signed { ", signed by a root key" } else { "" };
    say(format_args!("key set version {}{by}", set.version()));
    say(format_args!("expires {}, {}", iso8601_s(set.expires()), from_now(set.expires(), now)));
    say(format_args!("lowest epoch {}", set.min_epoch()));
    set.keys().iter().for_each(say_key);
}

fn say_key(info: &KeyInfo) {
    let from = match info.nbf {
        0 => "any time (the key did not tell when it was made)".to_owned(),
        at => iso8601_s(at),
    };
    let streams: Vec<String> = info.streams.iter().map(ToString::to_string).collect();
    let streams = if streams.is_empty() { "none".to_owned() } else { streams.join(" ") };
    say(format_args!("{} {} x {}", info.state.name(), hex(&info.key.kid()), info.key.to_base64url()));
    say(format_args!("  lists from {from} until {}", iso8601_s(info.exp)));
    say(format_args!("  streams {streams}"));
}

fn from_now(at: u64, now: u64) -> String {
    match at.checked_sub(now) {
        Some(left) => format!("in {}", in_words(left)),
        None => format!("{} ago", in_words(now.saturating_sub(at))),
    }
}

/// A set that expired is shown, and is a failure all the same: a timer may ask.
fn check_expiry(path: &Path, file: &KeySetFile, now: u64) -> Result<(), Failure> {
    let at = file.set.expires();
    if now <= at {
        return Ok(());
    }
    let (file, by) = (path.display(), if file.signed { " --root FILE" } else { "" });
    Err(Failure::Input(format!(
        "{file}: the key set expired at {}; renew it with `meshedflow keys publish --out {file}{by}`",
        iso8601_s(at)
    )))
}
