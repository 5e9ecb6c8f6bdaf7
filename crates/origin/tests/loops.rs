//! Loops of what ffmpeg's HLS muxer makes: two rounds and more of each kind, as players and viewers meet them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that cannot help ends the test")]

mod support;

use std::path::Path;

use meshedflow_manifest::identity::resource_id;
use meshedflow_manifest::{Ed25519, Kind, Rolling, Text, sha256, verify};
use meshedflow_origin::Desk;
use meshedflow_origin::loop_live::{
    LiveLoop, LoopOptions, LoopSource, Seam, entry, master_playlist, media_playlist, rolling,
};
use meshedflow_origin::playlist::{MediaPlaylist, read_media};
use meshedflow_origin::retime::{Tracks, timing};
use support::{Origin, TempDir, With, copy, fixture, media, signer};
use url::Url;

const T0: u64 = 1_800_000_000_000;
/// Segments in a round of each fixture; each plays one second.
const ROUND: u64 = 3;

fn load(path: &Path) -> Result<LoopSource, String> {
    let (folder, file) = entry(path).map_err(|e| e.to_string())?;
    LoopSource::load(&folder, &file).map_err(|e| e.to_string())
}

fn live(source: LoopSource, first_msn: u64) -> LiveLoop {
    let desk = Desk::new(signer(), Text::new("demo").unwrap(), 9);
    LiveLoop::start(source, LoopOptions { first_msn, ..LoopOptions::default() }, desk, T0).unwrap()
}

fn playlist(live: &LiveLoop, index: usize) -> MediaPlaylist {
    let url = Url::parse("http://a.example/live/demo/index.m3u8").unwrap();
    let text = media_playlist(live, index).unwrap();
    read_media(text.as_bytes(), &url).map_err(|why| format!("{why} in {text}")).unwrap()
}

/// Whatever the playlist names is signed as just that.
fn lists_fit(live: &LiveLoop, index: usize) -> MediaPlaylist {
    let list = playlist(live, index);
    let document = rolling(live, index, T0).unwrap();
    let document = Rolling::parse(document.to_json().as_bytes()).unwrap();
    let (source, state) = live.rendition(index).unwrap();
    for segment in &list.segments {
        let entry = document.segments.iter().find(|entry| entry.msn == segment.msn).unwrap();
        let signed = verify(entry.list.decode().unwrap(), &signer().public(), None, &mut Ed25519::default());
        let signed = signed.unwrap();
        let header = signed.header();
        assert_eq!((header.msn, header.dsn), (segment.msn, segment.dsn));
        assert_eq!((header.resource, &*entry.name), (resource_id(&segment.uri), &*segment.uri));
        assert_eq!(header.range_base, segment.range.map_or(0, |range| range.offset));
        let bytes = state.segments.iter().find(|s| s.msn == segment.msn).unwrap().released();
        assert!(signed.closed() && u64::from(signed.length()) == bytes.len() as u64);
        assert!(segment.range.is_none_or(|range| range.length == bytes.len() as u64));
        for record in signed.records() {
            assert_eq!(sha256(&bytes[record.offset as usize..record.end() as usize]), record.sha256);
        }
        let init = segment.init.as_ref().map(|map| source.inits.iter().find(|i| i.uri == map.uri).unwrap());
        assert_eq!(header.init_digest, init.map_or([0; 32], |init| init.digest));
    }
    for (init, entry) in source.inits.iter().zip(&document.init) {
        let signed = verify(entry.list.decode().unwrap(), &signer().public(), None, &mut Ed25519::default());
        assert_eq!((signed.unwrap().header().kind, &entry.name), (Kind::Init, &init.uri));
    }
    list
}

/// Number, discontinuity, name, and first byte and length where it is a range.
type Facts = (u64, u32, String, Option<(u64, u64)>);

/// Plays `seconds` and looks after each second: the facts of all segments that were listed.
fn played(live: &mut LiveLoop, index: usize, seconds: u64) -> Vec<Facts> {
    let mut seen = Vec::new();
    for second in 0..=seconds {
        live.advance(T0 + 1000 * second + 50).unwrap();
        for s in lists_fit(live, index).segments {
            let facts = (s.msn, s.dsn, s.uri, s.range.map(|range| (range.offset, range.length)));
            assert!((s.duration_s - 1.0).abs() < 0.05, "{facts:?} plays {} s", s.duration_s);
            if !seen.contains(&facts) {
                seen.push(facts);
            }
        }
    }
    seen
}

/// Where each track begins and ends in a segment, in seconds.
fn spans(init: &[u8], segment: &[u8]) -> Vec<(f64, f64)> {
    let tracks = Tracks::of_init(init).unwrap();
    let timing = timing(segment, &tracks).unwrap();
    let seconds = |id: u32, ticks: u64| ticks as f64 / f64::from(tracks.get(id).unwrap().timescale);
    timing.spans.iter().map(|(id, span)| (seconds(*id, span.start), seconds(*id, span.end))).collect()
}

#[test]
fn muxed_mp4_is_one_timeline_for_ever_from_files_and_from_byte_ranges() {
    for kind in ["fmp4", "single"] {
        let source = load(&fixture(kind)).unwrap();
        assert!(source.multivariant.is_none() && source.renditions[0].name.as_str() == "main");
        let mut live = live(source, 0);
        assert!(master_playlist(&live).is_none());
        let seen = played(&mut live, 0, 5);
        assert_eq!(seen.len(), 11, "{kind}");
        for (msn, facts) in seen.into_iter().enumerate() {
            assert_eq!(facts, (msn as u64, 0, format!("seg_{msn}.m4s"), None), "{kind}");
        }
        let rendition = &live.source().renditions[0];
        let init = &rendition.inits[0].bytes;
        let at = |msn: u64| spans(init, &rendition.segment(msn).unwrap());
        for msn in (0..9).chain(3_000_000..3_000_009) {
            for (track, (before, after)) in at(msn).iter().zip(at(msn + 1)).enumerate() {
                let step = after.0 - before.1;
                assert!(step.abs() < 0.05, "{kind}: track {track} goes {step} s on after segment {msn}");
            }
            let rounds = (msn / ROUND) as f64;
            for ((start, _), (first, _)) in at(msn).iter().zip(at(msn % ROUND)) {
                assert!((start - first - rounds * 3.0).abs() < 1e-4, "{kind} {msn}: {start} after {first}");
            }
        }
    }
}

#[test]
fn transport_streams_keep_their_bytes_behind_discontinuities() {
    let mut live = live(load(&fixture("ts")).unwrap(), 0);
    let seen = played(&mut live, 0, 6);
    assert_eq!(seen.len(), 12);
    for (msn, facts) in (0..).zip(seen) {
        assert_eq!(facts, (msn, (msn / ROUND) as u32, format!("seg_{msn}.ts"), None));
        let source = std::fs::read(fixture("ts").join(format!("index{}.ts", msn % ROUND))).unwrap();
        assert_eq!(live.source().renditions[0].segment(msn).unwrap(), source);
    }
}

#[test]
fn byte_ranges_of_a_transport_stream_stay_ranges_of_the_one_file() {
    let mut live = live(load(&fixture("tssingle")).unwrap(), 7);
    let ranges = [(0, 9776), (9776, 9964), (19740, 11280)];
    for (msn, facts) in (7..).zip(played(&mut live, 0, 5)) {
        let range = ranges[msn as usize % 3];
        assert_eq!(facts, (msn, (msn / ROUND) as u32, "file_0.ts".to_owned(), Some(range)));
    }
}

#[test]
fn a_lone_loop_is_served_with_all_that_its_playlist_names() {
    let file = std::fs::read(fixture("tssingle").join("index.ts")).unwrap();
    let origin = Origin::start(With { looped: fixture("tssingle"), ..With::default() });
    let text = origin.get("/live/demo/index.m3u8").text();
    assert!(
        text.contains("#EXT-X-BYTERANGE:9964@9776\nfile_0.ts\n") && !text.contains("EXT-X-MAP"),
        "{text}"
    );
    let part = origin.send("GET", "/live/demo/file_0.ts", &[("Range", "bytes=9776-19739")]);
    assert_eq!((part.status, part.header("content-type")), (206, "video/mp2t"));
    assert_eq!(part.body, file[9776..19740]);
    let list = Rolling::parse(&origin.get("/live/demo/index.mfi.json").body).unwrap();
    assert_eq!((list.rendition.as_str(), list.segments[0].uri.as_str()), ("main", "file_0.ts"));
    for missing in ["master.m3u8", "seg_0.ts", "init.mp4", "file_1.ts"] {
        assert_eq!(origin.get(&format!("/live/demo/{missing}")).status, 404, "{missing}");
    }
    let origin = Origin::start(With { looped: fixture("ts"), ..With::default() });
    let answer = origin.get("/live/demo/seg_4.ts");
    assert_eq!((answer.status, answer.header("content-type")), (200, "video/mp2t"));
    assert_eq!(answer.body, std::fs::read(fixture("ts").join("index1.ts")).unwrap());
    assert_eq!(origin.get("/live/demo/seg_4.m4s").status, 404);
}

/// The demo media, for a test to change.
fn demo_media(name: &str) -> TempDir {
    let dir = TempDir::new(name);
    copy(&media(), &dir.0);
    dir
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Rewrites each tfdt as one of version 0.
fn narrow(bytes: &mut [u8]) {
    for at in 0..bytes.len() - 20 {
        if &bytes[at..at + 4] == b"tfdt" {
            bytes[at + 4] = 0;
            bytes.copy_within(at + 12..at + 16, at + 8);
        }
    }
}

#[test]
fn if_one_rendition_cannot_be_moved_all_take_discontinuities() {
    let dir = demo_media("narrow");
    change(&dir.0.join("v216/seg_3.m4s"), |bytes| narrow(bytes));
    let source = load(&dir.0).unwrap();
    assert!(source.renditions.iter().all(|r| r.seam == Seam::Discontinuity { count: 1 }));
    let mut live = live(source, 0);
    live.advance(T0 + 20_050).unwrap();
    for index in 0..3 {
        let facts: Vec<_> = lists_fit(&live, index).segments.iter().map(|s| (s.msn, s.dsn)).collect();
        assert_eq!(facts, [(5, 0), (6, 1), (7, 1), (8, 1), (9, 1), (10, 1)]);
    }
}

#[test]
fn all_renditions_move_by_the_length_of_the_longest() {
    let dir = demo_media("longer");
    // Sound ends 40 ms later: its last fragment begins later, by less than players notice.
    change(&dir.0.join("a64/seg_5.m4s"), |bytes| {
        let last = (0..bytes.len() - 4).rev().find(|at| &bytes[*at..at + 4] == b"tfdt").unwrap();
        let start = u64::from_be_bytes(bytes[last + 8..last + 16].try_into().unwrap());
        bytes[last + 8..last + 16].copy_from_slice(&(start + 1920).to_be_bytes());
    });
    let source = load(&dir.0).unwrap();
    for rendition in &source.renditions {
        let tracks = Tracks::of_init(&rendition.inits[0].bytes).unwrap();
        let scale = f64::from(tracks.lead().unwrap().1.timescale);
        let start = |msn| spans(&rendition.inits[0].bytes, &rendition.segment(msn).unwrap())[0].0;
        assert!((start(6_000) - start(0) - 24_040.0).abs() < 1.5 / scale, "{}", rendition.name);
        assert_eq!((rendition.span_us(5).1, rendition.span_us(6).0), (24_040_000, 24_040_000));
    }
    change(&dir.0.join("v216/index.m3u8"), |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("seg_5.m4s\n", "seg_5.m4s\n#EXTINF:4.0,\nseg_6.m4s\n").into();
    });
    std::fs::copy(dir.0.join("v216/seg_5.m4s"), dir.0.join("v216/seg_6.m4s")).unwrap();
    let error = load(&dir.0).unwrap_err();
    assert!(error.contains("seg_6.m4s") && error.contains("where the last segment ended"), "{error}");
}

/// Renditions side by side in one directory, as ffmpeg writes them with `-var_stream_map`.
#[test]
fn renditions_of_one_directory_have_names_of_their_own() {
    let dir = TempDir::new("flat");
    copy(&fixture("fmp4"), &dir.0);
    std::fs::copy(dir.0.join("index.m3u8"), dir.0.join("other.m3u8")).unwrap();
    let variant =
        |file: &str| format!("#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS=\"avc1.42c00a,mp4a.40.2\"\n{file}\n");
    let text = format!("#EXTM3U\n{}{}", variant("index.m3u8"), variant("other.m3u8"));
    std::fs::write(dir.0.join("film.m3u8"), text).unwrap();
    let origin = Origin::start(With { looped: dir.0.clone(), ..With::default() });
    assert_eq!(origin.get("/live/demo/film.m3u8").status, 200);
    for (index, name) in ["index", "other"].iter().enumerate() {
        let text = origin.get(&format!("/live/demo/{name}.m3u8")).text();
        assert!(text.contains(&format!("URI=\"r{index}_init.mp4\"")), "{text}");
        let uri = text.lines().find(|line| line.contains("seg_")).unwrap().to_owned();
        assert!(uri.starts_with(&format!("r{index}_seg_")) && !text.contains("INDEPENDENT"), "{text}");
        assert_eq!(origin.get(&format!("/live/demo/{uri}")).status, 200);
    }
}

/// ffmpeg gives sound a last segment of its own for what is longer than the picture.
#[test]
fn renditions_with_more_segments_keep_step_in_time() {
    let dir = TempDir::new("more");
    copy(&fixture("ts"), &dir.0.join("a"));
    copy(&fixture("ts"), &dir.0.join("b"));
    change(&dir.0.join("b/index.m3u8"), |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text
            .replace("#EXTINF:1.000000,\nindex2.ts", "#EXTINF:0.9,\nindex2.ts\n#EXTINF:0.1,\nindex1.ts")
            .into();
    });
    let variants = ["a", "b"].map(|v| format!("#EXT-X-STREAM-INF:BANDWIDTH=1\n{v}/index.m3u8\n")).concat();
    std::fs::write(dir.0.join("master.m3u8"), format!("#EXTM3U\n{variants}")).unwrap();
    for first_msn in [0, 3_000_001] {
        let mut live = live(load(&dir.0).unwrap(), first_msn);
        assert_eq!([live.window(0), live.window(1)], [6, 8]);
        for second in 0..30 {
            live.advance(T0 + 1000 * second + 50).unwrap();
            let newest = [0, 1].map(|index| {
                let list = lists_fit(&live, index);
                let last = list.segments.last().unwrap().msn;
                (live.segment(index, last).unwrap().begins_ms, list.segments.last().unwrap().dsn)
            });
            let apart = newest[0].0.abs_diff(newest[1].0);
            assert!(apart <= 1000, "{apart} ms after {second} s");
            assert_eq!(newest[0].1, newest[1].1);
        }
    }
    change(&dir.0.join("b/index.m3u8"), |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("#EXTINF:0.1", "#EXT-X-DISCONTINUITY\n#EXTINF:0.1").into();
    });
    let error = load(&dir.0).unwrap_err();
    assert!(error.contains("discontinuities; expected"), "{error}");
}

fn of_text(name: &str, from: &str, edit: impl Fn(&str) -> String) -> TempDir {
    let dir = TempDir::new(name);
    copy(&fixture(from), &dir.0);
    change(&dir.0.join("index.m3u8"), |bytes| *bytes = edit(std::str::from_utf8(bytes).unwrap()).into());
    dir
}

#[test]
fn discontinuities_and_init_segments_of_the_source_are_counted_in_each_round() {
    let dir = of_text("two-inits", "fmp4", |text| {
        text.replace(
            "#EXTINF:1.000000,\nindex1",
            "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"sub/i.mp4\"\n#EXTINF:1.0,\nindex1",
        )
    });
    std::fs::create_dir(dir.0.join("sub")).unwrap();
    std::fs::copy(dir.0.join("init.mp4"), dir.0.join("sub/i.mp4")).unwrap();
    let mut live = live(load(&dir.0).unwrap(), 0);
    for (msn, (seen, dsn, ..)) in (0..).zip(played(&mut live, 0, 5)) {
        assert_eq!((seen, u64::from(dsn)), (msn, 2 * (msn / 3) + u64::from(msn % 3 > 0)));
    }
    let text = media_playlist(&live, 0).unwrap();
    assert!(text.contains("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init_1.mp4\"\n"), "{text}");
    assert!(text.contains("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init.mp4\"\n"), "{text}");
}

#[test]
fn what_cannot_be_looped_is_refused_with_its_line_and_reason() {
    let with = |name: &str, from: &str, to: &str, kind: &str, words: &[&str]| {
        let dir = of_text(name, kind, |text| text.replacen(from, to, 1));
        let error = load(&dir.0).unwrap_err();
        for word in [&["index.m3u8"], words].concat() {
            assert!(error.contains(word), "{word:?} is not in {error:?}");
        }
    };
    let key = "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF";
    with("key", "#EXTINF", key, "ts", &["line 8", "METHOD=AES-128", "expected segments in the clear"]);
    with("live", "#EXT-X-ENDLIST", "", "ts", &["no EXT-X-ENDLIST", "expected a finished playlist"]);
    with("gap", "#EXTINF", "#EXT-X-GAP\n#EXTINF", "ts", &["line 8", "EXT-X-GAP", "index0.ts"]);
    with("gone", "index1.ts", "none.ts", "ts", &["line 9", "cannot read media file", "none.ts"]);
    with("far", "index1.ts", "../x.ts", "ts", &["line 9", "not in this directory", "../x.ts"]);
    with(
        "range",
        "11280@",
        "11281@",
        "tssingle",
        &["line 14", "index.ts", "bytes 19740 to 31021; the file has 31020"],
    );
    with("zero", "EXTINF:1.000000", "EXTINF:0", "ts", &["line 7", "EXTINF of 0 s; expected more than 0"]);
    with(
        "long",
        "EXTINF:1.000000",
        "EXTINF:1000000000",
        "ts",
        &["line 7", "EXTINF of 1000000000 s; expected"],
    );
    with(
        "map",
        "#EXT-X-MAP:URI=\"init.mp4\"\n",
        "",
        "fmp4",
        &["line 7", "index0.m4s", "MP4 without an EXT-X-MAP"],
    );
    with("own", "init.mp4", "index0.m4s", "fmp4", &["line 8", "\"index0.m4s\" is its own init segment"]);
    with(
        "none",
        "init.mp4",
        "index.m3u8",
        "fmp4",
        &["line 8", "index0.m4s", "is MP4, but what its EXT-X-MAP"],
    );
    with(
        "twice",
        "index1.m4s",
        "index2.m4s",
        "fmp4",
        &["line 10", "index2.m4s", "where the last segment ended"],
    );
    let map = "#EXT-X-MAP:URI=\"index0.ts\"\n#EXTINF:1.000000,\nindex1";
    let dir = of_text("broken", "fmp4", str::to_owned);
    change(&dir.0.join("init.mp4"), |bytes| bytes.truncate(28));
    let error = load(&dir.0).unwrap_err();
    assert!(error.contains("line 8") && error.contains("init.mp4: init segment: no moov box"), "{error}");
    with("late", "#EXTINF:1.000000,\nindex1", map, "ts", &["line 10", "the first EXT-X-MAP"]);
}

#[test]
fn a_gap_in_each_round_is_told_and_a_long_one_is_refused() {
    let dir = TempDir::new("uneven");
    copy(&fixture("ts"), &dir.0.join("a"));
    copy(&fixture("ts"), &dir.0.join("b"));
    let variants =
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na/index.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb/index.m3u8\n";
    std::fs::write(dir.0.join("master.m3u8"), variants).unwrap();
    let text = std::fs::read_to_string(dir.0.join("b/index.m3u8")).unwrap();
    let lasting = |length: &str| {
        let text = text.replacen("EXTINF:1.000000", &format!("EXTINF:{length}"), 1);
        std::fs::write(dir.0.join("b/index.m3u8"), text).unwrap();
        load(&dir.0)
    };
    let told = |source: &LoopSource| source.remarks.lines().collect::<String>();
    assert_eq!(told(&lasting("1.099").unwrap()), "");
    let uneven = lasting("1.2").unwrap();
    let words = "a/index.m3u8: lasts 3.000000 s; expected 3.200000 s as b/index.m3u8";
    assert!(told(&uneven).contains("gap") && told(&uneven).ends_with(words), "{}", told(&uneven));
    assert!(uneven.renditions.iter().all(|r| r.span_us(3).0 == 3_200_000));
    let error = lasting("1.6").unwrap_err();
    assert!(
        error.contains(
            "a/index.m3u8 lasts 3.000000 s; expected 3.600000 s as b/index.m3u8, or at most 0.5 s less"
        ),
        "{error}"
    );
}

#[test]
fn a_first_number_without_a_discontinuity_number_is_refused() {
    let desk = Desk::new(signer(), Text::new("demo").unwrap(), 9);
    let options = LoopOptions { first_msn: 1 << 39, ..LoopOptions::default() };
    let error = LiveLoop::start(load(&fixture("ts")).unwrap(), options, desk, T0).err().unwrap().to_string();
    assert!(
        error.contains("discontinuity 183251937964") && error.contains("first media sequence number"),
        "{error}"
    );
}
