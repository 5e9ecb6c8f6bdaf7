use super::*;

fn refusal(text: &str, env: &[(&str, &str)]) -> String {
    let file = std::env::temp_dir().join(format!("meshedflow-config-{}.toml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let error = Config::load(Some(&file), env, &[]).unwrap_err().to_string();
    std::fs::remove_file(&file).ok();
    error
}

#[test]
fn nothing_set_is_a_loopback_edge() {
    let config = Config::load(None, [], &[]).unwrap();
    assert_eq!(config, Config::default());
    assert!(config.listen.ip().is_loopback());
}

#[test]
fn file_then_environment_then_flags() {
    let file = Config::parse("listen = \"127.0.0.1:1\"\n[limits]\nping_s = 10\nidle_s = 50\n").unwrap();
    assert_eq!((file.limits.ping_s, file.limits.idle_s, file.limits.handshake_s), (10, 50, 5));
    let env =
        [("MESHEDFLOW_EDGE_LIMITS__PING_S", "11"), ("MESHEDFLOW_EDGE_ORIGINS", "[\"https://a.example\"]")];
    let env = env.map(|(k, v)| (k.to_owned(), v.to_owned()));
    let flags =
        [("limits.ping_s".to_owned(), "12".to_owned()), ("listen".to_owned(), "127.0.0.1:9".to_owned())];
    let config = Config::load(None, env, &flags).unwrap();
    assert_eq!((config.limits.ping_s, config.listen.port()), (12, 9));
    assert_eq!(config.origins, ["https://a.example"]);
}

#[test]
fn an_edge_that_others_reach_says_that_it_is_open() {
    let error = refusal("listen = \"0.0.0.0:8480\"", &[]);
    assert!(error.contains("`auth`") && error.contains("auth = \"open\""), "{error}");
    Config::parse("listen = \"0.0.0.0:8480\"\nauth = \"open\"").unwrap().check().unwrap();
}

#[test]
fn mistakes_name_key_value_and_expectation() {
    let unknown = refusal("lissen = 1", &[]);
    assert!(unknown.contains("lissen") && unknown.contains("listen"), "{unknown}");
    let kind = refusal("[limits]\nping_s = \"often\"", &[]);
    assert!(kind.contains("ping_s") && kind.contains("often"), "{kind}");
    let range = refusal("[limits]\nmessage_bytes = 1", &[]);
    assert_eq!(range, "config `limits.message_bytes` is 1; expected 1024 to 16384");
    let env = refusal("", &[("MESHEDFLOW_EDGE_EDGE", "many")]);
    assert!(env.contains("MESHEDFLOW_EDGE_EDGE") && env.contains("many"), "{env}");
    let secret = refusal("secret = \"12\"", &[]);
    assert!(secret.contains("64 hex digits") && !secret.contains("12"), "{secret}");
}

#[test]
fn every_number_has_bounds_and_says_so() {
    let huge = u64::MAX / 2;
    for (section, key, values) in [
        ("", "drain_s", vec![3_601, huge]),
        ("limits", "connections", vec![0, huge]),
        ("limits", "connections_per_address", vec![0, (1 << 24) + 1]),
        ("limits", "message_bytes", vec![0, 1_023, 16_385, huge]),
        ("limits", "messages_per_s", vec![0, 10_001]),
        ("limits", "messages_burst", vec![0, 100_001]),
        ("limits", "queue_messages", vec![0, 4_097]),
        ("limits", "queue_bytes", vec![0, huge]),
        ("limits", "handshake_s", vec![0, 61, huge]),
        ("limits", "ping_s", vec![0, 60, huge]),
        ("limits", "idle_s", vec![0, 1, 25, 3_601, huge]),
        ("limits", "write_s", vec![0, 11, huge]),
        ("limits", "message_s", vec![0, 61, huge]),
        ("pairing", "room_members", vec![0, 1, 65_001]),
        ("pairing", "degree_limit", vec![0, 3, 33]),
        ("pairing", "degree_target", vec![0, 3, 33]),
    ] {
        for value in values {
            let head = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
            let config = Config::parse(&format!("{head}{key} = {value}")).unwrap();
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains("; expected "), "{key} = {value}: {error}");
            assert!(error.contains(key) || (key, value) == ("idle_s", 25), "{key} = {value}: {error}");
        }
    }
}

#[test]
fn the_longest_durations_that_pass_the_check_can_be_added() {
    let limits = LimitsConfig {
        idle_s: 3_600,
        ping_s: 3_599,
        handshake_s: 60,
        write_s: 10,
        message_s: 60,
        ..Default::default()
    };
    let config = Config { drain_s: 3_600, limits, ..Config::default() };
    config.check().unwrap();
    assert_eq!(config.session_limits().idle_ms, 3_600_000);
}

#[test]
fn a_secret_is_drawn_by_the_operator_or_by_the_edge() {
    let taken = |secret: &str| Config { secret: Some(secret.into()), ..Config::default() }.check().is_ok();
    assert!(taken(&"0f".repeat(32)) && taken(&"AB".repeat(32)));
    for secret in [
        "0".repeat(64),
        "+f".repeat(32),
        "-1".repeat(32),
        " f".repeat(32),
        "0x".repeat(32),
        "ab".repeat(31),
        "é".repeat(32),
        String::new(),
    ] {
        assert!(!taken(&secret), "{secret:?}");
    }
}

#[test]
fn an_admin_listener_that_others_reach_needs_a_token() {
    let config = |address: &str, token: Option<&str>| Config {
        admin_listen: Some(address.parse().unwrap()),
        admin_token: token.map(str::to_owned),
        ..Config::default()
    };
    for address in ["0.0.0.0:9499", "[::]:9499", "192.0.2.1:9499", "[::ffff:192.0.2.1]:1"] {
        let error = config(address, None).check().unwrap_err().to_string();
        assert!(error.contains("`admin_token`") && error.contains("reachable by others"), "{error}");
        config(address, Some("0123456789abcdef")).check().unwrap();
    }
    for address in ["127.0.0.1:9499", "[::1]:9499", "127.9.9.9:1", "[::ffff:127.0.0.1]:1"] {
        config(address, None).check().unwrap();
    }
    for token in ["", "short", "0123456789abcde\n", "with a space in it"] {
        let error = config("127.0.0.1:1", Some(token)).check().unwrap_err().to_string();
        assert!(error.contains("`admin_token` is (hidden)"), "{error}");
    }
}

#[test]
fn names_are_written_as_browsers_send_them() {
    let origin = |text: &str| Config { origins: vec![text.into()], ..Config::default() }.check();
    for text in ["https://player.example", "http://127.0.0.1:8080", "http://[::1]:8080", "app://x"] {
        origin(text).unwrap();
    }
    for text in
        ["player.example", "https://player.example/", "*", "", "https://", "https://a:b", "https://a:+1"]
    {
        let error = origin(text).unwrap_err().to_string();
        assert!(error.contains("`origins`") && error.contains("player.example"), "{error}");
    }
    let host = |text: &str| Config { admin_hosts: vec![text.into()], ..Config::default() }.check();
    assert!(host("edge.example").is_ok() && host("edge.example:80").is_err() && host("").is_err());
}
