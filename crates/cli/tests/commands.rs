//! Commands that end by themselves: what they print, what they write, how they refuse.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help ends the test")]

mod support;

use meshedflow_manifest::{Ed25519, KeySet, KeyState, KeyUse, PublicKey, SignedList};
use support::{TempDir, command, copy, fixture, media, refused, run, stdout, tree};

const COMMANDS: [&[&str]; 14] = [
    &[],
    &["demo"],
    &["edge"],
    &["origin"],
    &["origin", "sign"],
    &["origin", "loop"],
    &["origin", "serve"],
    &["bench"],
    &["bench", "sim"],
    &["keys"],
    &["keys", "generate"],
    &["keys", "show"],
    &["keys", "publish"],
    &["keys", "jwks"],
];

#[test]
fn every_command_explains_itself_and_each_of_its_flags() {
    for command in COMMANDS {
        let output = run(&[command, &["--help"]].concat());
        assert!(output.status.success(), "{command:?}");
        let help = stdout(&output);
        assert!(help.contains("Usage: meshedflow"), "{command:?}");
        // A flag without words after it, on its line or the next, would leave a stranger alone.
        let lines: Vec<_> = help.lines().collect();
        for (line, next) in lines.iter().zip(lines.iter().skip(1)) {
            let flag = line.trim_start();
            if flag.starts_with("--") {
                let words = flag.split_once("  ").map_or_else(|| next.trim(), |(_, words)| words.trim());
                assert!(words.len() > 10, "{command:?}: {flag}");
            }
        }
    }
}

#[test]
fn a_key_is_made_shown_and_published_without_its_secret() {
    let dir = TempDir::new("keys");
    let file = dir.file("origin.key");
    let made = run(&["keys", "generate", &file]);
    assert!(made.status.success());
    let secret: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let secret = secret["d"].as_str().unwrap().to_owned();
    let shown = run(&["keys", "show", &file]);
    let set = run(&["keys", "jwks", &file, "--stream", "demo", "--stream", "films/*"]);
    for output in [&made, &shown, &set] {
        assert!(
            !stdout(output).contains(&secret) && !String::from_utf8_lossy(&output.stderr).contains(&secret)
        );
    }
    let x = stdout(&shown).lines().find_map(|l| l.strip_prefix("x    ").map(str::to_owned)).unwrap();
    let set: serde_json::Value = serde_json::from_slice(&set.stdout).unwrap();
    assert_eq!((&set["keys"][0]["x"], &set["keys"][0]["streams"][1]), (&x.into(), &"films/*".into()));
}

#[test]
fn bad_key_inputs_are_refused_and_files_stay() {
    let dir = TempDir::new("bad-keys");
    let file = dir.file("origin.key");
    assert!(run(&["keys", "generate", &file]).status.success());
    let before = tree(dir.path());
    refused(&["keys", "generate", &file], &["origin.key", "never overwritten"]);
    assert_eq!(tree(dir.path()), before);
    refused(&["keys", "show", &dir.file("none")], &["none", "cannot read"]);
    refused(&["keys", "jwks", &file, "--stream", "a b"], &["--stream"]);
    refused(&["keys", "jwks", &file], &["--stream"]);
    std::fs::write(dir.file("text"), "hello").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |file: &str, mode| {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&dir.file("text"), 0o600);
        mode(&file, 0o644);
        refused(&["keys", "show", &file], &["0644", "expected 0600"]);
    }
    refused(&["keys", "show", &dir.file("text")], &["text", "JWK"]);
}

/// A key set as viewers read it.
fn set(file: &str) -> KeySet {
    KeySet::parse(&std::fs::read(file).unwrap(), None).unwrap()
}

fn done(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    stdout(&output)
}

fn line<'a>(text: &'a str, prefix: &str) -> &'a str {
    text.lines().find_map(|l| l.strip_prefix(prefix)).unwrap().trim()
}

fn states(set: &KeySet) -> Vec<KeyState> {
    set.keys().iter().map(|info| info.state).collect()
}

#[test]
fn a_key_set_goes_through_the_life_of_its_keys() {
    let dir = TempDir::new("life");
    let (one, two, out) = (dir.file("one.key"), dir.file("two.key"), dir.file("keys.json"));
    let kid = |file: &str| line(&done(&["keys", "show", file]), "kid").to_owned();
    done(&["keys", "generate", &one]);
    done(&["keys", "generate", &two]);
    let publish = |rest: &[&str]| done(&[&["keys", "publish", "--out", &out], rest].concat());
    let said = publish(&[&one, "--stream", "films/*", "--valid", "30d"]);
    let renewal = format!("renew it before with: meshedflow keys publish --out {out}");
    assert!(said.contains("in 30 days") && said.contains("films/*") && said.contains(&renewal), "{said}");
    let first = set(&out);
    assert_eq!(states(&first), [KeyState::Active]);
    assert!(first.keys()[0].nbf > 1_700_000_000, "it signs from when it was made");
    // Published ahead, by its public part alone; then it takes over.
    let x = line(&done(&["keys", "show", &two]), "x ").to_owned();
    publish(&["--next", &x]);
    assert_eq!(states(&set(&out)), [KeyState::Active, KeyState::Next]);
    publish(&[&two, "--retired", &kid(&one), "--min-epoch", "5"]);
    assert_eq!(states(&set(&out)), [KeyState::Retired, KeyState::Active]);
    publish(&["--revoked", &one]);
    // Renewed by the command that it told.
    let words: Vec<&str> = renewal.split_whitespace().skip_while(|w| *w != "meshedflow").skip(1).collect();
    done(&words);
    let last = set(&out);
    assert_eq!((states(&last), last.min_epoch()), (vec![KeyState::Revoked, KeyState::Active], 5));
    assert!(last.version() >= first.version() + 4 && last.expires() > first.expires());
    refused(&["keys", "publish", "--out", &out, &one], &["keys.json", "is revoked"]);
    refused(
        &["keys", "publish", "--out", &out, "--min-epoch", "4"],
        &["keys.json", "lowest epoch 4", "the 5"],
    );
    assert_eq!(set(&out), last);
    let shown = done(&["keys", "show", &out]);
    for words in
        [&format!("revoked {}", kid(&one)), &format!("active {}", kid(&two)), "lowest epoch 5", "films/*"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(tree(dir.path()).len(), 3, "two keys and their set: nothing half-written");
}

#[test]
fn a_root_signs_a_key_set() {
    let dir = TempDir::new("root");
    let (key, root, out) = (dir.file("a.key"), dir.file("root.key"), dir.file("keys.json"));
    done(&["keys", "generate", &key]);
    done(&["keys", "generate", &root]);
    let said = done(&["keys", "publish", &key, "--stream", "s", "--out", &out, "--root", &root]);
    assert!(said.contains(&format!("--out {out} --root {root}")), "{said}");
    let pin = PublicKey::from_base64url(line(&done(&["keys", "show", &root]), "x ")).unwrap();
    let json = std::fs::read(&out).unwrap();
    assert!(KeySet::verify_root(&json, None, &pin, &mut Ed25519::default()).is_ok());
    refused(&["keys", "publish", "--out", &out], &["signed by a root key"]);
    assert!(done(&["keys", "show", &out]).contains("signed by a root key"));
    // The root's set is the root's to change: the film is signed, the set stays.
    copy(&media(), &dir.path().join("vod"));
    let vod = dir.file("vod");
    std::fs::copy(&out, dir.path().join("vod/keys.json")).unwrap();
    let sign = |stream: &str| run(&["origin", "sign", &vod, "--stream", stream, "--key", &key]);
    assert!(stdout(&sign("s")).contains("keys.json --root FILE"));
    assert_eq!(std::fs::read(dir.path().join("vod/keys.json")).unwrap(), json);
    let other = sign("t");
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other.stderr).contains("may not sign this stream"));
}

#[test]
fn bad_words_for_a_key_set_are_named_and_nothing_is_written() {
    let dir = TempDir::new("bad-publish");
    let (key, out) = (dir.file("a.key"), dir.file("keys.json"));
    done(&["keys", "generate", &key]);
    let publish = |rest: &[&str], words: &[&str]| {
        refused(&[&["keys", "publish", "--out", &out], rest].concat(), words);
    };
    publish(&[], &["keys.json", "no key"]);
    publish(&[&key], &["keys.json", "no stream"]);
    publish(&[&key, "--stream", "a b"], &["--stream", "a b"]);
    publish(&[&dir.file("none"), "--stream", "s"], &["KEY", "none", "no such file", "public part"]);
    publish(&["--next", &dir.file("none")], &["--next", "none"]);
    publish(&["--revoked", "0011223344556677"], &["0011223344556677", "none"]);
    publish(&[&key, "--stream", "s", "--root", &dir.file("none")], &["--root", "none", "cannot read"]);
    for (span, words) in
        [("365", "no unit"), ("1y", "s, m, h, d or w"), ("0d", "no time"), ("9999d", "too long")]
    {
        publish(&[&key, "--stream", "s", "--valid", span], &["--valid", span, words, "expected"]);
    }
    refused(
        &["origin", "sign", &dir.file("vod"), "--stream", "s", "--keys-valid", "soon"],
        &["--keys-valid", "soon"],
    );
    assert_eq!(tree(dir.path()).len(), 1, "the key only");
}

#[test]
fn what_cannot_be_shown_says_why_and_an_expired_set_how_to_renew_it() {
    let dir = TempDir::new("show");
    let (key, out) = (dir.file("a.key"), dir.file("keys.json"));
    done(&["keys", "generate", &key]);
    let private = std::fs::read_to_string(&key).unwrap();
    let json: serde_json::Value = serde_json::from_str(&private).unwrap();
    let public = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": json["x"]}).to_string();
    std::fs::write(dir.file("public.jwk"), &public).unwrap();
    assert!(done(&["keys", "show", &dir.file("public.jwk")]).contains("public part only"));
    refused(&["keys", "jwks", &dir.file("none"), "--stream", "s"], &["none", "cannot read"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(dir.file("public.jwk"), mode).unwrap();
    }
    refused(&["keys", "jwks", &dir.file("public.jwk"), "--stream", "s"], &["public.jwk", "is a public key"]);
    // A key of before does not tell when it was made.
    let undated = private.replace(&format!(",\"iat\":{}", json["iat"]), "");
    assert_ne!(undated, private);
    std::fs::write(&key, undated).unwrap();
    assert!(done(&["keys", "show", &key]).contains("made not told"));
    done(&["keys", "publish", &key, "--stream", "s", "--out", &out]);
    assert_eq!(set(&out).keys()[0].nbf, 0);
    assert!(done(&["keys", "show", &out]).contains("lists from any time"));
    let now = set(&out).expires();
    let text = std::fs::read_to_string(&out).unwrap();
    std::fs::write(&out, text.replace(&now.to_string(), "1700000000")).unwrap();
    let expired = run(&["keys", "show", &out]);
    let error = String::from_utf8_lossy(&expired.stderr).into_owned();
    assert_eq!(expired.status.code(), Some(2));
    let renew =
        format!("expired at 2023-11-14T22:13:20Z; renew it with `meshedflow keys publish --out {out}`");
    assert!(error.contains(&renew), "{error}");
    assert!(stdout(&expired).contains("active "), "and is shown");
    done(&["keys", "publish", "--out", &out]);
    assert!(run(&["keys", "show", &out]).status.success());
}

#[test]
fn a_film_is_shared_for_a_year_and_its_key_set_keeps_what_it_named() {
    let dir = TempDir::new("film");
    copy(&media(), &dir.path().join("vod"));
    let (vod, one, two) = (dir.file("vod"), dir.file("one.key"), dir.file("two.key"));
    let keys = dir.file("vod/keys.json");
    done(&["keys", "generate", &one]);
    done(&["keys", "generate", &two]);
    let said = done(&["origin", "sign", &vod, "--stream", "film", "--key", &one]);
    assert!(said.contains(&format!("renew it before with: meshedflow keys publish --out {keys}")), "{said}");
    let first = set(&keys);
    let now = u64::from(first.version());
    assert_eq!(first.expires() - now, 365 * 24 * 3600);
    // The list counts to the end of the year.
    let sidecar = std::fs::read(dir.path().join("vod/v360/seg_0.m4s.mfi")).unwrap();
    let list = SignedList::parse(&sidecar).unwrap();
    let use_ = KeyUse { via_https: false, issued_at: list.header.issued_at, now_unix: first.expires() };
    assert!(first.usable(&list.header.kid, "film", use_).is_ok());
    done(&["origin", "sign", &vod, "--stream", "other", "--key", &two, "--keys-valid", "7d"]);
    let second = set(&keys);
    assert_eq!(states(&second), [KeyState::Active, KeyState::Active]);
    assert!(second.version() > first.version() && second.expires() < first.expires());
    // A key that was revoked signs nothing, and the directory stays as it was.
    done(&["keys", "publish", "--out", &keys, "--revoked", &two]);
    let before = tree(dir.path());
    refused(&["origin", "sign", &vod, "--stream", "film", "--key", &two], &["keys.json", "is revoked"]);
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn a_directory_is_signed_with_a_key_from_a_file_or_the_environment() {
    let dir = TempDir::new("sign");
    copy(&media(), &dir.path().join("vod"));
    let (vod, key) = (dir.file("vod"), dir.file("origin.key"));
    assert!(run(&["keys", "generate", &key]).status.success());
    let signed = run(&["origin", "sign", &vod, "--stream", "film", "--key", &key]);
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    assert!(stdout(&signed).contains("144 fragments of 18 segments in 3 renditions"), "{}", stdout(&signed));
    assert!(dir.path().join("vod/v360/seg_0.m4s.mfi").exists() && dir.path().join("vod/keys.json").exists());
    let jwk = std::fs::read_to_string(&key).unwrap();
    let args = ["origin", "sign", &vod, "--stream", "film"];
    let again = command(&args).env("MESHEDFLOW_SIGNING_KEY", jwk).output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn what_cannot_be_signed_is_named_and_left_alone() {
    let dir = TempDir::new("bad-sign");
    copy(&media(), &dir.path().join("vod"));
    let (vod, key) = (dir.file("vod"), dir.file("origin.key"));
    assert!(run(&["keys", "generate", &key]).status.success());
    std::fs::remove_file(dir.path().join("vod/v216/seg_4.m4s")).unwrap();
    let before = tree(dir.path());
    let with_key = |rest: &[&str], words: &[&str]| {
        refused(&[&["origin", "sign", "--key", &key], rest].concat(), words);
    };
    with_key(&[&vod, "--stream", "film"], &["seg_4.m4s", "cannot read media file"]);
    with_key(&[&vod, "--stream", "f i"], &["--stream"]);
    with_key(&[&vod, "--stream", "film", "--playlist", "other.m3u8"], &["other.m3u8"]);
    with_key(&[&dir.file("nowhere"), "--stream", "film"], &["nowhere"]);
    refused(&["origin", "sign", &vod, "--stream", "film"], &["--key is missing", "MESHEDFLOW_SIGNING_KEY"]);
    refused(&["origin", "sign", &vod], &["--stream"]);
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn servers_refuse_bad_inputs_before_they_listen() {
    let dir = TempDir::new("bad-serve");
    std::fs::write(dir.file("policy.json"), "{\"version\":\"one\"}").unwrap();
    let media = media().display().to_string();
    let before = tree(dir.path());
    let demo = |rest: &[&str], words: &[&str]| refused(&[&["demo", "--port", "0"], rest].concat(), words);
    demo(&["--media", &dir.file("none")], &["--media", "none"]);
    demo(&["--media", &media, "--site", &dir.file("none")], &["--site", "none", "expected"]);
    demo(&["--media", &media, "--policy", &dir.file("policy.json")], &["--policy", "policy.json"]);
    demo(&["--media", &media, "--policy", &dir.file("none.json")], &["--policy", "none.json"]);
    demo(&["--media", &media, "--access-log", &dir.file("no/log")], &["--access-log", "no/log", "expected"]);
    demo(&["--media", &media, "--stream", "a/b"], &["--stream", "slash"]);
    demo(&["--media", &media, "--window", "2"], &["--window"]);
    demo(&["--media", &media, "--key", &dir.file("none.key")], &["--key", "none.key"]);
    demo(&["--listen", "nowhere"], &["--listen"]);
    refused(&["origin", "loop", &media, "--stream", "s"], &["--state"]);
    refused(&["origin", "serve", &dir.file("none"), "--stream", "s"], &["not a directory"]);
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn what_cannot_be_looped_is_refused_with_its_file_and_reason() {
    let dir = TempDir::new("bad-loop");
    copy(&fixture("ts"), dir.path());
    let (whole, key) = (dir.path().display().to_string(), dir.file("key"));
    let playlist = dir.file("index.m3u8");
    let text = std::fs::read_to_string(&playlist).unwrap();
    let is = |text: String| std::fs::write(&playlist, text).unwrap();
    assert!(run(&["keys", "generate", &key]).status.success());
    let both = |media: &str, words: &[&str]| {
        refused(&["demo", "--port", "0", "--media", media], &[&["--media"], words].concat());
        let flags =
            ["--stream", "s", "--key", &key, "--state", &dir.file("epoch"), "--listen", "127.0.0.1:0"];
        refused(&[&["origin", "loop", media], &flags[..]].concat(), words);
    };
    both(&dir.file("none.m3u8"), &["none.m3u8", "cannot read"]);
    both(&dir.file("index0.ts"), &["index0.ts", "line 1: expected #EXTM3U"]);
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    both(&dir.file("empty"), &["empty", "no .m3u8 file in this directory"]);
    std::fs::copy(&playlist, dir.file("copy.m3u8")).unwrap();
    both(&whole, &["several playlists in this directory: copy.m3u8, index.m3u8; expected the path of one"]);
    std::fs::remove_file(dir.file("copy.m3u8")).unwrap();
    is(text.replace("#EXT-X-ENDLIST", ""));
    both(&whole, &["index.m3u8", "no EXT-X-ENDLIST", "expected a finished playlist"]);
    is(text.replacen("#EXTINF", "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF", 1));
    both(&whole, &["index.m3u8", "line 8", "METHOD=SAMPLE-AES", "expected segments in the clear"]);
    is(text.replacen("#EXTINF", "#EXT-X-GAP\n#EXTINF", 1));
    both(&playlist, &["line 8", "EXT-X-GAP", "index0.ts"]);
    std::fs::remove_file(dir.file("index2.ts")).unwrap();
    is(text);
    both(&playlist, &["line 11", "cannot read media file", "index2.ts"]);
    assert!(!dir.path().join("epoch").exists(), "an epoch was spent on what cannot be played");
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let media = media().display().to_string();
    let dir = TempDir::new("taken");
    let (log, state, key) = (dir.file("log"), dir.file("epoch"), dir.file("key"));
    assert!(run(&["keys", "generate", &key]).status.success());
    let words = [&*address, "cannot listen", "expected a free address"];
    refused(&["demo", "--media", &media, "--listen", &address, "--access-log", &log], &words);
    let common = ["--stream", "s", "--key", &key, "--listen", &address, "--access-log", &log];
    refused(&[&["origin", "loop", &media, "--state", &state][..], &common].concat(), &words);
    refused(&[&["origin", "serve", &media][..], &common].concat(), &words);
    refused(&["edge", "--listen", &address], &words);
    assert_eq!(tree(dir.path()).len(), 1, "no log, no epoch, the key only");
}

#[test]
fn an_edge_config_is_checked_without_running() {
    let dir = TempDir::new("edge");
    let file = dir.file("edge.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:9000\"\n[limits]\nping_s = 20\n").unwrap();
    let good = run(&["edge", "--config", &file, "--set", "limits.idle_s=90", "--check-config"]);
    assert!(good.status.success() && stdout(&good).contains("127.0.0.1:9000"), "{}", stdout(&good));
    std::fs::write(&file, "listen = \"127.0.0.1:9000\"\nlimit = 3\n").unwrap();
    refused(&["edge", "--config", &file, "--check-config"], &["limit"]);
    refused(&["edge", "--config", &dir.file("none.toml"), "--check-config"], &["none.toml"]);
    refused(&["edge", "--set", "limits.ping_s", "--check-config"], &["--set", "KEY=VALUE"]);
    refused(&["edge", "--listen", "0.0.0.0:0", "--check-config"], &["auth"]);
}

#[test]
fn no_directory_is_made_from_a_mistyped_path() {
    let dir = TempDir::new("typo");
    copy(&media(), &dir.path().join("vod"));
    let (vod, key, typo) = (dir.file("vod"), dir.file("origin.key"), dir.file("typo/file"));
    assert!(run(&["keys", "generate", &key]).status.success());
    let before = tree(dir.path());
    let words = ["there is no directory", "typo"];
    refused(&["keys", "generate", &typo], &words);
    let sign = ["origin", "sign", &vod, "--stream", "film", "--key", &key, "--state", &typo];
    refused(&sign, &words);
    let looped = ["origin", "loop", &vod, "--stream", "film", "--key", &key, "--listen", "127.0.0.1:0"];
    refused(&[&looped[..], &["--state", &typo, "--access-log", &dir.file("log")]].concat(), &words);
    refused(&[&looped[..], &["--state", &dir.file("epoch"), "--access-log", &typo]].concat(), &words);
    refused(&["origin", "sign", &dir.file("typo"), "--stream", "film", "--key", &key], &["typo"]);
    assert!(!dir.path().join("typo").exists());
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn the_edge_configurations_that_we_show_are_good() {
    let root = media().join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let shown = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let dir = TempDir::new("edge-shown");
    std::fs::write(dir.file("edge.toml"), shown).unwrap();
    let example = root.join("examples/edge/edge.toml").display().to_string();
    for file in [dir.file("edge.toml"), example] {
        let checked = run(&["edge", "--config", &file, "--check-config"]);
        let error = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && stdout(&checked).contains("127.0.0.1:8480"), "{file}: {error}");
    }
    // One text: what the README shows is what the file says.
    let file = std::fs::read_to_string(root.join("examples/edge/edge.toml")).unwrap();
    assert!(file.ends_with(shown), "{shown}");
    let proxy = std::fs::read_to_string(root.join("examples/edge/nginx.conf")).unwrap();
    let snippet = readme.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(proxy.ends_with(snippet) && snippet.contains("http://127.0.0.1:8480;"), "{snippet}");
}
