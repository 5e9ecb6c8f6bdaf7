//! Commands that end by themselves: what they print, what they write, how they refuse.

mod support;

use support::{TempDir, command, copy, media, refused, run, stdout, tree};

const COMMANDS: [&[&str]; 13] = [
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
