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
