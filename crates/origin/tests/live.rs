//! The live origin as viewers meet it: over HTTP, with lists that verify.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that cannot help ends the test")]

mod support;

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use meshedflow_manifest::identity::resource_id;
use meshedflow_manifest::{
    Ed25519, KeySet, KeyUse, Kind, PublicKey, SegmentState, SignedList, VerifiedList, sha256, verify,
};
use meshedflow_origin::http::{Cors, Shape};
use support::{Origin, TempDir, With, agent};

const RENDITIONS: [&str; 3] = ["a64", "v360", "v216"];

fn key(origin: &Origin) -> PublicKey {
    let set = KeySet::parse(&origin.get("/.well-known/meshedflow/keys.json").body, None).unwrap();
    let now = meshedflow_origin::clock::now_ms() / 1000;
    let use_ = KeyUse { via_https: true, issued_at: now as u32, now_unix: now };
    set.usable(&support::signer().kid(), "demo", use_).unwrap()
}

fn matches(list: &VerifiedList, bytes: &[u8]) {
    for record in list.records() {
        assert_eq!(sha256(&bytes[record.offset as usize..record.end() as usize]), record.sha256);
    }
}

#[test]
fn every_listed_segment_verifies_and_is_served_byte_for_byte() {
    let origin = Origin::start(With::default());
    let key = key(&origin);
    for rendition in RENDITIONS {
        let rolling = origin.rolling(rendition, "");
        assert_eq!((rolling.stream.as_str(), rolling.complete), ("demo", false));
        let init = origin.get(&format!("/live/demo/{rendition}/init.mp4"));
        let list =
            verify(rolling.init[0].list.decode().unwrap(), &key, None, &mut Ed25519::default()).unwrap();
        assert_eq!(list.header().kind, Kind::Init);
        assert_eq!(list.length() as usize, init.body.len());
        matches(&list, &init.body);
        let complete: Vec<_> =
            rolling.segments.iter().filter(|s| s.state == SegmentState::Complete).collect();
        assert!(complete.len() >= 6);
        for segment in complete {
            let list = verify(segment.list.decode().unwrap(), &key, None, &mut Ed25519::default()).unwrap();
            let header = list.header();
            assert_eq!((header.msn, header.epoch, header.kind), (segment.msn, 77, Kind::Cmaf));
            assert_eq!(header.rendition.as_str(), format!("{rendition}/index.m3u8"));
            assert_eq!(
                (header.resource, header.init_digest),
                (resource_id(&segment.uri), sha256(&init.body))
            );
            let body = origin.get(&format!("/live/demo/{rendition}/{}", segment.uri)).body;
            assert!(list.closed() && list.length() as usize == body.len());
            assert_eq!(list.count(), 8);
            matches(&list, &body);
        }
    }
}

#[test]
fn playlists_name_what_is_there_and_nothing_else() {
    let origin = Origin::start(With::default());
    let master = origin.get("/live/demo/master.m3u8");
    assert_eq!(master.header("content-type"), "application/vnd.apple.mpegurl");
    assert!(master.text().contains("URI=\"a64/index.m3u8\"") && master.text().contains("v216/index.m3u8"));
    let text = origin.get("/live/demo/v216/index.m3u8").text();
    assert!(text.contains("#EXT-X-TARGETDURATION:4\n") && !text.contains("ENDLIST"), "{text}");
    assert_eq!(text.matches("#EXTINF:4.000000,\nseg_").count(), 6);
    for missing in ["v216/seg_400.m4s", "v216/seg_00.m4s", "v216/other.m3u8", "../demo/x", "v216/seg_-1.m4s"]
    {
        assert_eq!(origin.get(&format!("/live/demo/{missing}")).status, 404, "{missing}");
    }
    assert_eq!(origin.get("/live/other/master.m3u8").status, 404);
}

#[test]
fn a_list_can_be_waited_for_by_segment_and_by_fragment() {
    let origin = Origin::start(With::default());
    let open = origin.rolling("v216", "").segments.last().unwrap().msn.max(6);
    let list = origin.rolling("v216", &format!("?_msn={open}&_part=2"));
    let growing = list.segments.last().unwrap();
    assert!(growing.msn == open && growing.list.decode().unwrap().records.len() >= 3);
    let list = origin.rolling("v216", &format!("?_msn={open}"));
    let done = list.segments.iter().find(|s| s.msn == open).unwrap();
    assert_eq!(done.state, SegmentState::Complete);
    // What is long there, and what is long gone, is answered while others wait for what comes.
    let next = origin.url(&format!("/live/demo/v216/index.mfi.json?_msn={}", open + 1));
    let waiting = std::thread::spawn(move || agent().get(next).call().map(|r| r.status()));
    let whole = origin.rolling("v216", "");
    let first = |list: &meshedflow_manifest::Rolling| list.segments.first().map(|s| s.msn);
    assert!(first(&whole) < first(&list), "who names a segment is not told again of all before it");
    assert_eq!(first(&list), Some(open - 1));
    origin.rolling("v216", "?_msn=1");
    assert!(!waiting.is_finished());
    assert_eq!(origin.get("/live/demo/v216/index.mfi.json?_msn=99").status, 400);
    assert_eq!(origin.get("/live/demo/v216/index.mfi.json?_msn=x").status, 400);
    assert_eq!(origin.get("/live/demo/v216/index.mfi.json?_part=1").status, 400);
}

#[test]
fn more_waiters_than_allowed_are_sent_away() {
    let origin = Origin::start(With { waiters: 1, ..With::default() });
    let path = "/live/demo/v216/index.mfi.json?_msn=7";
    let refused = std::thread::scope(|scope| {
        let first = scope.spawn(|| origin.get(path).status);
        let second = scope.spawn(|| origin.get(path));
        let (first, second) = (first.join().unwrap(), second.join().unwrap());
        assert_eq!(first.min(second.status), 200);
        first.max(second.status)
    });
    assert_eq!(refused, 503);
}

#[test]
fn deltas_arrive_line_by_line_as_they_are_signed() {
    let origin = Origin::start(With::default());
    let key = key(&origin);
    // The segment after the open one: its first line cannot be there yet.
    let response = agent().get(origin.url("/live/demo/v216/index.mfi.json?_msn=7&stream=1")).call().unwrap();
    let mut prior: Option<VerifiedList> = None;
    let mut lines = 0;
    for line in BufReader::new(response.into_body().into_reader()).lines() {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let bytes = |name: &str| line[name].as_str().map(|text| BASE64.decode(text).unwrap());
        assert_eq!(line["header"].is_string(), prior.is_none(), "the header comes once");
        let list = SignedList::extend_from_batch(
            prior.as_ref(),
            bytes("header").as_deref(),
            line["first"].as_u64().unwrap() as u16,
            &bytes("records").unwrap(),
            line["closed"].as_bool().unwrap(),
            bytes("signature").unwrap().try_into().unwrap(),
        );
        prior = Some(verify(list.unwrap(), &key, prior.as_ref(), &mut Ed25519::default()).unwrap());
        lines += 1;
    }
    let list = prior.unwrap();
    assert!(list.closed() && list.count() == 8);
    // A busy machine may sign two fragments before either is sent; never all eight, which are 3.5 s apart.
    assert!((2..=8).contains(&lines), "{lines} lines");
    matches(&list, &origin.get("/live/demo/v216/seg_7.m4s").body);
}

#[test]
fn an_open_segment_is_sent_as_it_grows() {
    let origin = Origin::start(With::default());
    let open = origin.rolling("v360", "?_msn=6&_part=0").segments.last().unwrap().msn;
    let growing = origin.get(&format!("/live/demo/v360/seg_{open}.m4s"));
    assert_eq!((growing.status, growing.header("content-length")), (200, ""));
    let whole = origin.get(&format!("/live/demo/v360/seg_{open}.m4s"));
    assert_eq!(whole.header("content-length"), whole.body.len().to_string());
    assert_eq!(growing.body, whole.body);
}

#[test]
fn ranges_heads_and_conditions_are_answered_as_http_says() {
    let origin = Origin::start(With::default());
    let path = "/live/demo/v360/seg_3.m4s";
    let whole = origin.get(path);
    let length = whole.body.len();
    let range = |value: &str| origin.send("GET", path, &[("Range", value)]);
    let part = range("bytes=1000-1999");
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[1000..2000]));
    assert_eq!(part.header("content-range"), format!("bytes 1000-1999/{length}"));
    let tail = range("bytes=-500");
    assert_eq!((tail.status, &tail.body[..]), (206, &whole.body[length - 500..]));
    let beyond = range(&format!("bytes={length}-"));
    assert_eq!((beyond.status, beyond.header("content-range")), (416, &*format!("bytes */{length}")));
    let head = origin.send("HEAD", path, &[]);
    assert_eq!((head.status, head.header("content-length")), (200, &*length.to_string()));
    assert_eq!(origin.send("DELETE", path, &[]).status, 405);
    let list = origin.get("/live/demo/a64/index.mfi.json");
    assert_eq!(list.header("cache-control"), "max-age=1");
    let etag = list.header("etag").to_owned();
    let again = origin.send("GET", "/live/demo/a64/index.mfi.json", &[("If-None-Match", &etag)]);
    // A fragment may have been signed in between; then it is another document.
    assert!(again.status == 304 && again.body.is_empty() || again.header("etag") != etag);
}

#[test]
fn any_page_may_read_everything_unless_the_laboratory_says_otherwise() {
    let open = Origin::start(With::default());
    let answer = open.get("/live/demo/v216/seg_2.m4s");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("access-control-expose-headers").contains("Content-Range"));
    let preflight =
        open.send("OPTIONS", "/live/demo/v216/seg_2.m4s", &[("Access-Control-Request-Headers", "range")]);
    assert_eq!((preflight.status, preflight.header("access-control-allow-headers")), (204, "*"));
    let bare = Origin::start(With { cors: Cors::Bare, ..With::default() });
    assert_eq!(bare.send("OPTIONS", "/live/demo/v216/seg_2.m4s", &[]).status, 405);
    let answer = bare.get("/live/demo/v216/seg_2.m4s");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-expose-headers"), "");
}

#[test]
fn a_shaped_origin_is_no_faster_than_asked() {
    let origin = Origin::start(With { shape: Shape::new(Some(2000), 100), ..With::default() });
    let before = Instant::now();
    let bytes = origin.get("/live/demo/v360/seg_1.m4s").body.len();
    let (took, due) = (before.elapsed().as_secs_f64(), 0.1 + bytes as f64 * 8.0 / 2e6);
    assert!(took >= due - 0.01, "{took:.3} s, expected at least {due:.3} s");
}

#[test]
fn the_access_log_counts_what_left() {
    let dir = TempDir::new("access-log");
    let log = dir.0.join("access.jsonl");
    let origin = Origin::start(With { log: Some(log.clone()), ..With::default() });
    let length = origin.get("/live/demo/v216/seg_2.m4s?token=a%20b").body.len();
    origin.send("GET", "/live/demo/v216/seg_2.m4s", &[("Range", "bytes=0-9"), ("User-Agent", "lab \"1\"")]);
    origin.send("HEAD", "/live/demo/v216/seg_2.m4s", &[]);
    origin.get("/live/demo/nothing");
    let read = || -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&log).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    // A line is written when the server lets go of the body, just after the client has all of it.
    let until = Instant::now() + Duration::from_secs(5);
    while read().len() < 4 && Instant::now() < until {
        std::thread::yield_now();
    }
    let facts: Vec<_> =
        read().iter().map(|l| (l["status"].as_u64().unwrap(), l["bytes"].as_u64().unwrap())).collect();
    assert_eq!(facts[..3], [(200, length as u64), (206, 10), (200, 0)]);
    assert_eq!(facts[3].0, 404);
    let lines = read();
    assert_eq!((&lines[0]["query"], &lines[1]["range"]), (&"token=a%20b".into(), &"bytes=0-9".into()));
    assert_eq!(lines[1]["ua"], "lab \"1\"");
}
