//! Servers: what they print, what they serve, how they stop.
#![cfg(unix)]

mod support;

use std::io::Read;
use std::net::TcpStream;

use meshedflow_manifest::{Ed25519, KeySet, Rolling, verify};
use support::{Server, TempDir, copy, fixture, get, media, run};

fn demo(more: &[&str], lines: usize) -> Server {
    let media = media().display().to_string();
    Server::start(&[&["demo", "--port", "0", "--media", &media], more].concat(), lines)
}

#[test]
fn the_demo_serves_stream_keys_policy_edge_and_page_on_one_port() {
    let dir = TempDir::new("demo");
    std::fs::create_dir(dir.path().join("sdk")).unwrap();
    std::fs::write(dir.file("index.html"), "the page").unwrap();
    std::fs::write(dir.file("sdk/a b.js"), "the sdk").unwrap();
    let log = dir.file("access.jsonl");
    let server = demo(&["--site", &dir.path().display().to_string(), "--access-log", &log], 5);
    let base = server.url("page").trim_end_matches('/').to_owned();
    let at = |path: &str| get(&format!("{base}{path}"));
    assert_eq!(at("/"), (200, "the page".into()));
    assert_eq!(at("/sdk/a%20b.js"), (200, "the sdk".into()));
    assert_eq!(at("/nothing").0, 404);
    assert_eq!((at("/healthz").0, at("/readyz").0), (200, 200));
    assert_eq!(at("/metrics").0, 404, "metrics are not for everyone who can watch");
    let policy: serde_json::Value = serde_json::from_str(&at("/policy.json").1).unwrap();
    assert_eq!(policy, serde_json::json!({"version": 1, "enabled": true, "cmafMode": "serve"}));
    assert!(get(server.url("stream")).1.contains("#EXT-X-STREAM-INF"));
    let keys = KeySet::parse(get(server.url("keys")).1.as_bytes(), None).unwrap();
    let rolling = Rolling::parse(at("/live/demo/v360/index.mfi.json").1.as_bytes()).unwrap();
    let list = rolling.segments[0].list.decode().unwrap();
    assert!(verify(list, &keys.keys()[0].key, None, &mut Ed25519::default()).is_ok());
    assert!(server.url("edge").starts_with("ws://127.0.0.1:"));
    assert_eq!(at("/mesh").0, 426, "a socket, not a page");
    let lines = std::fs::read_to_string(&log).unwrap();
    assert!(lines.lines().count() >= 10 && lines.contains("\"path\":\"/sdk/a%20b.js\""), "{lines}");
}

#[test]
fn the_demo_loops_any_playlist_under_the_name_that_its_page_asks_for() {
    for (kind, uri) in
        [("fmp4", "seg_0.m4s"), ("ts", "seg_0.ts"), ("single", "seg_0.m4s"), ("tssingle", "file_0.ts")]
    {
        for media in [fixture(kind), fixture(kind).join("index.m3u8")] {
            let media = media.display().to_string();
            let server = Server::start(&["demo", "--port", "0", "--no-edge", "--media", &media], 4);
            let url = server.url("stream");
            assert!(url.ends_with("/live/demo/master.m3u8"));
            assert!(get(url).1.contains(&format!("\n{uri}\n")), "{kind}");
            let rolling = get(&url.replace("master.m3u8", "master.mfi.json")).1;
            let rolling = Rolling::parse(rolling.as_bytes()).unwrap();
            assert_eq!((rolling.rendition.as_str(), rolling.segments[0].uri.as_str()), ("main", uri));
            assert_eq!(get(&url.replace("master.m3u8", uri)).0, 200);
        }
    }
}

#[test]
fn the_demo_works_without_an_edge_and_without_a_site() {
    let dir = TempDir::new("no-edge");
    std::fs::write(dir.file("p.json"), "{\"version\":4,\"enabled\":false}").unwrap();
    let site = dir.path().display().to_string();
    let server = demo(&["--no-edge", "--policy", &dir.file("p.json"), "--site", &site, "--stream", "tv"], 4);
    let base = server.url("page").trim_end_matches('/').to_owned();
    assert_eq!((get(&format!("{base}/readyz")).0, get(&format!("{base}/mesh")).0), (200, 404));
    assert_eq!(get(&format!("{base}/policy.json")).1, "{\"version\":4,\"enabled\":false}");
    // The kill switch is a file; one that is half written does not count.
    std::fs::write(dir.file("p.json"), "{\"version\":5,").unwrap();
    assert!(get(&format!("{base}/policy.json")).1.contains("\"version\":4"));
    std::fs::write(dir.file("p.json"), "{\"version\":5}").unwrap();
    assert_eq!(get(&format!("{base}/policy.json")).1, "{\"version\":5}");
    assert!(server.url("stream").ends_with("/live/tv/master.m3u8"));
}

#[test]
fn the_demo_stops_at_once_on_either_signal_whatever_is_open() {
    for signal in ["TERM", "INT"] {
        let mut server = demo(&[], 5);
        let base = server.url("page").trim_end_matches('/').to_owned();
        // An idle connection, and a list that is waited for.
        let mut idle = TcpStream::connect(base.trim_start_matches("http://")).unwrap();
        let waiting = std::thread::spawn(move || {
            let answer = ureq::get(format!("{base}/live/demo/v216/index.mfi.json?_msn=7&stream=1")).call();
            answer.map(|r| r.into_body().into_reader().read_to_string(&mut String::new()))
        });
        assert_eq!(server.signal(signal).code(), Some(0), "{signal}");
        // What was waited for was broken off: nobody stayed until that segment was complete.
        assert!(!matches!(waiting.join().unwrap(), Ok(Ok(_))), "{signal}");
        assert_eq!(idle.read(&mut [0; 1]).unwrap_or(0), 0);
    }
}

#[test]
fn an_edge_runs_and_stops() {
    let mut server = Server::start(&["edge", "--listen", "127.0.0.1:0"], 1);
    let base = server.url("edge").replace("ws://", "http://").replace("/mesh", "");
    assert_eq!(get(&format!("{base}/readyz")).0, 200);
    assert_eq!(server.signal("TERM").code(), Some(0));
}

#[test]
fn origins_loop_and_serve_with_a_key_of_their_own() {
    let dir = TempDir::new("origins");
    let (key, vod, state) = (dir.file("key"), dir.file("vod"), dir.file("epoch.json"));
    copy(&media(), &dir.path().join("vod"));
    assert!(run(&["keys", "generate", &key]).status.success());
    assert!(run(&["origin", "sign", &vod, "--stream", "tv", "--key", &key]).status.success());
    let common = ["--stream", "tv", "--key", &key, "--listen", "127.0.0.1:0"];
    let mut looping = Server::start(&[&["origin", "loop", &vod, "--state", &state][..], &common].concat(), 2);
    let list = get(&looping.url("stream").replace("master.m3u8", "a64/index.mfi.json")).1;
    let epoch = Rolling::parse(list.as_bytes()).unwrap().epochs[0].epoch;
    assert!(std::fs::read_to_string(&state).unwrap().contains(&epoch.to_string()));
    assert_eq!(looping.signal("TERM").code(), Some(0));
    let alone = fixture("ts").join("index.m3u8").display().to_string();
    let looping = Server::start(&[&["origin", "loop", &alone, "--state", &state][..], &common].concat(), 2);
    assert!(looping.url("stream").ends_with("/live/tv/index.m3u8"));
    assert!(get(looping.url("stream")).1.contains("\nseg_5.ts\n"));
    let mut serving = Server::start(&[&["origin", "serve", &vod][..], &common].concat(), 2);
    let index = get(&format!("{}a64/index.mfi.json", serving.url("stream"))).1;
    let keys = KeySet::parse(get(serving.url("keys")).1.as_bytes(), None).unwrap();
    let list = Rolling::parse(index.as_bytes()).unwrap().segments[5].list.decode().unwrap();
    assert!(verify(list, &keys.keys()[0].key, None, &mut Ed25519::default()).is_ok());
    assert_eq!(serving.signal("INT").code(), Some(0));
}
