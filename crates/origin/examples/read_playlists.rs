//! What the signer reads in playlists, for `tests/vectors/playlists.test.mjs`, which compares it with HLS.js: a line of
//! JSON in, a line out. In: `{"entry": "index.m3u8", "files": {"index.m3u8": "<base64>"}}`. Out: `{"refused": "why"}`, or
//! each rendition with its segments, and why one is left out.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a program for tests")]

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use meshedflow_origin::playlist::{ByteRange, Presentation, Reading, Rendition, Resource, Segment};
use serde_json::{Value, json};

#[derive(serde::Deserialize)]
struct Directory {
    entry: String,
    files: BTreeMap<PathBuf, String>,
}

fn main() {
    let root = std::env::temp_dir().join(format!("meshedflow-playlists-{}", std::process::id()));
    for line in std::io::stdin().lock().lines() {
        let directory: Directory = serde_json::from_str(&line.expect("a line")).expect("a directory");
        lay_out(&root, &directory.files);
        println!("{}", told(&root, &directory.entry));
    }
    let _ = std::fs::remove_dir_all(&root);
}

/// The files are the directory's only ones.
fn lay_out(root: &Path, files: &BTreeMap<PathBuf, String>) {
    let _ = std::fs::remove_dir_all(root);
    for (path, content) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, BASE64.decode(content).expect("base64")).expect("a file");
    }
}

fn told(root: &Path, entry: &str) -> Value {
    let reading = Reading { leave_out_unreadable: true, ..Reading::default() };
    match Presentation::open(root, entry, &reading) {
        Ok(presentation) => presentation.renditions.iter().map(rendition).collect(),
        Err(why) => json!({ "refused": why.to_string().replace(&root.display().to_string(), "") }),
    }
}

fn rendition(rendition: &Rendition) -> Value {
    let segments: Vec<Value> = rendition.playlist.segments.iter().map(|s| segment(rendition, s)).collect();
    let playlist = &rendition.playlist;
    json!({ "path": rendition.path, "name": rendition.name.as_str(), "ended": playlist.ended, "segments": segments })
}

fn segment(rendition: &Rendition, segment: &Segment) -> Value {
    if let Some(why) = &segment.left_out {
        return json!({ "sn": segment.msn, "leftOut": format!("{:?}", why.kind), "what": why.what });
    }
    let name = |uri: &str| rendition.resource_name(uri).map_err(|why| why.to_string());
    let init = |init: &Resource| json!({ "name": name(&init.uri).unwrap_or_else(|why| why), "range": range(init.range) });
    json!({
        "sn": segment.msn,
        "cc": segment.dsn,
        "name": name(&segment.uri).unwrap_or_else(|why| why),
        "ms": (segment.duration_s * 1000.0).round(),
        "range": range(segment.range),
        "init": segment.init.as_ref().map(init),
    })
}

/// First byte and the byte after the last, as HLS.js has it.
fn range(range: Option<ByteRange>) -> Value {
    range.map_or(Value::Null, |r| json!([r.offset, r.offset + r.length]))
}
