use meshedflow_protocol::policy::{LIMITS, NAMES};

use super::*;

/// How a key of the policy combines.
enum Kind {
    /// The last word counts.
    Tuning,
    /// The strictest word counts; the page says it in this option, if it can at all.
    Limit(Option<&'static str>),
    /// Read, told, and of no effect on this version.
    Idle,
    /// About the document itself, or a section.
    Document,
}
use Kind::{Document, Idle, Limit, Tuning};

/// Key, kind, a strict value, a loose one. For tuning values merely two that differ.
const KEYS: &[(&str, Kind, &str, &str)] = &[
    ("version", Document, "1", "2"),
    ("expiresAt", Limit(None), "1000", "2000"),
    ("refreshMs", Tuning, "20000", "30000"),
    ("timeouts.p2pBudgetMs", Tuning, "200", "5000"),
    ("timeouts.dialMs", Tuning, "2000", "20000"),
    ("timeouts.listMs", Idle, "200", "5000"),
    ("peers.min", Tuning, "1", "5"),
    ("peers.max", Limit(Some("maxPeers")), "6", "30"),
    ("peers.dialParallel", Tuning, "1", "8"),
    ("inFlight.perPeer", Limit(None), "2", "16"),
    ("inFlight.total", Limit(None), "4", "64"),
    ("upload.rateBytesPerS", Limit(Some("upload.rateBytesPerS")), "0", "12000000"),
    ("upload.sessionBytes", Limit(Some("upload.sessionBytes")), "7", "9000000000"),
    ("upload.slots", Limit(Some("upload.slots")), "1", "9"),
    ("upload.ratio", Limit(None), "0.5", "3"),
    ("upload.onCellular", Limit(None), "false", "true"),
    ("upload.onSaveData", Limit(None), "false", "true"),
    ("memoryBytes", Limit(Some("memoryBytes")), "1000", "200000000"),
    ("originCopies", Idle, "1", "2"),
    ("stageMs", Idle, "100", "200"),
    ("mapRefreshMs", Tuning, "500", "20000"),
    ("mapTtlMs", Tuning, "1000", "60000"),
    ("holdoutPercent", Idle, "100", "5"),
    ("telemetry.sampleRate", Idle, "0", "1"),
    ("telemetry.intervalMs", Idle, "5000", "6000"),
    ("telemetry.url", Idle, "\"https://a\"", "\"https://b\""),
    ("enabled", Limit(None), "false", "true"),
    ("cmafMode", Tuning, "\"off\"", "\"serve\""),
    ("rarestFirst", Tuning, "false", "true"),
    ("topology.sameCountryOnly", Idle, "true", "true"),
    ("topology.sameAsnOnly", Idle, "true", "true"),
    ("topology.relayOnly", Limit(Some("relayOnly")), "true", "false"),
    ("timeouts", Document, "{}", "{}"),
    ("peers", Document, "{}", "{}"),
    ("inFlight", Document, "{}", "{}"),
    ("upload", Document, "{}", "{}"),
    ("topology", Document, "{}", "{}"),
    ("telemetry", Idle, "{}", "{}"),
    ("streams", Document, "{}", "{}"),
];

/// What is in force of this key, as it would be written in a policy.
fn in_force(e: &Effective, key: &str) -> String {
    let ms = |d: Duration| d.as_millis().to_string();
    match key {
        "expiresAt" => e.expires_at.map_or_else(|| "none".into(), |at| at.to_string()),
        "refreshMs" => ms(e.refresh),
        "timeouts.p2pBudgetMs" => ms(e.p2p_budget),
        "timeouts.dialMs" => ms(e.dial),
        "peers.min" => e.peers_min.to_string(),
        "peers.max" => e.peers_max.to_string(),
        "peers.dialParallel" => e.dial_parallel.to_string(),
        "inFlight.perPeer" => e.in_flight_per_peer.to_string(),
        "inFlight.total" => e.in_flight_total.to_string(),
        "upload.rateBytesPerS" => e.upload_rate_bytes_per_s.to_string(),
        "upload.sessionBytes" => e.upload_session_bytes.to_string(),
        "upload.slots" => e.upload_slots.to_string(),
        "upload.ratio" => e.upload_ratio.map_or_else(|| "none".into(), |ratio| ratio.to_string()),
        "upload.onCellular" => e.upload_on_cellular.to_string(),
        "upload.onSaveData" => e.upload_on_save_data.to_string(),
        "memoryBytes" => e.memory_bytes.to_string(),
        "mapRefreshMs" => ms(e.map_refresh),
        "mapTtlMs" => ms(e.map_ttl),
        "enabled" => e.enabled.to_string(),
        "cmafMode" => format!("{:?}", e.cmaf_mode.as_str()),
        "rarestFirst" => e.rarest_first.to_string(),
        "topology.relayOnly" => e.relay_only.to_string(),
        other => panic!("{other} has no effect"),
    }
}

/// `{"a":{"b":value}}` for `a.b`.
fn nested(key: &str, value: &str) -> String {
    key.rsplit('.').fold(value.to_owned(), |inner, name| format!("{{\"{name}\":{inner}}}"))
}

fn patch(json: &str) -> Patch {
    Patch::parse(json.as_bytes()).unwrap().0
}

/// In force with these words of page, policy and stream; an empty one is none.
fn fold(key: &str, option: Option<&str>, page: &str, policy: &str, stream: &str) -> String {
    let mut members = vec!["\"streamId\":\"s\"".to_owned()];
    if let (Some(option), false) = (option, page.is_empty()) {
        members.push(nested(option, page)[1..].strip_suffix('}').unwrap().to_owned());
    }
    let options = Options::parse(&format!("{{{}}}", members.join(","))).unwrap();
    let mut read = if policy.is_empty() { Patch::default() } else { patch(&nested(key, policy)) };
    if !stream.is_empty() {
        read.streams.insert("s".to_owned(), Box::new(patch(&nested(key, stream))));
    }
    in_force(&Effective::fold(&options, Some(&read)), key)
}

#[test]
fn the_table_has_every_key_of_the_policy() {
    let known = LIMITS.iter().map(|l| l.name).chain(NAMES.iter().copied());
    let (mut known, mut here): (Vec<_>, Vec<_>) = (known.collect(), KEYS.iter().map(|k| k.0).collect());
    known.sort_unstable();
    here.sort_unstable();
    assert_eq!(here, known);
}

#[test]
fn the_strictest_word_counts_for_a_limit_and_the_last_one_for_the_rest() {
    for (key, kind, strict, loose) in KEYS {
        let by = |option, [page, policy, stream]: [&str; 3]| fold(key, option, page, policy, stream);
        match kind {
            Tuning => {
                assert_eq!(by(None, ["", strict, ""]), *strict, "{key}");
                assert_eq!(by(None, ["", strict, loose]), *loose, "{key}");
                assert_eq!(by(None, ["", loose, strict]), *strict, "{key}");
            }
            Limit(option) => {
                let words = [["", strict, loose], ["", loose, strict], ["", strict, ""], ["", "", strict]];
                for words in words {
                    assert_eq!(by(*option, words), *strict, "{key}: {words:?}");
                }
                if option.is_some() {
                    for words in [[*strict, loose, ""], [strict, "", loose], [strict, loose, loose]] {
                        assert_eq!(by(*option, words), *strict, "{key}: {words:?}");
                    }
                    assert_eq!(by(*option, [loose, "", ""]), *loose, "{key}: the page's own word");
                    assert_eq!(by(*option, [loose, loose, strict]), *strict, "{key}");
                    let default = by(*option, ["", "", ""]);
                    let smaller = match (default.parse::<u64>(), loose.parse::<u64>()) {
                        (Ok(default), Ok(loose)) => default.min(loose).to_string(),
                        _ => default,
                    };
                    assert_eq!(
                        by(*option, ["", loose, loose]),
                        smaller,
                        "{key}: the default is a limit, too"
                    );
                } else {
                    assert_eq!(by(*option, ["", loose, loose]), *loose, "{key}");
                }
            }
            Idle | Document => {}
        }
    }
}

#[test]
fn what_has_no_effect_is_told() {
    for (key, kind, asked, _) in KEYS {
        let told = without_effect(&patch(&nested(key, asked)));
        let told: Vec<_> = told.iter().filter(|(_, asked)| *asked).map(|(name, _)| *name).collect();
        let names = told.iter().all(|name| key.starts_with(name));
        assert_eq!((told.len(), names), (usize::from(matches!(kind, Idle)), true), "{key}: {told:?}");
    }
}

#[test]
fn nothing_goes_beyond_the_built_in_ceilings() {
    let options = r#"{"streamId":"s","memoryBytes":9000000000000,
        "upload":{"rateBytesPerS":4294967295,"slots":255}}"#;
    let e = Effective::fold(&Options::parse(options).unwrap(), None);
    for key in ["upload.slots", "memoryBytes"] {
        let ceiling = meshedflow_protocol::policy::limit(key).unwrap().max;
        assert_eq!(in_force(&e, key).parse(), Ok(ceiling), "{key}");
    }
    assert_eq!(e.upload_rate_bytes_per_s, UPLOAD_CEILING);
}

/// Keys that an edge may tighten: all limits, and tuning values of which less means less of the mesh.
const PUSHED: &[&str] = &["timeouts.p2pBudgetMs", "timeouts.dialMs", "peers.dialParallel", "cmafMode"];

#[test]
fn a_push_tightens_every_key_that_can_be_tightened_and_loosens_none() {
    let options = r#"{"streamId":"s","cmafMode":"serve","maxPeers":30,"memoryBytes":200000000,
        "upload":{"sessionBytes":9000000000,"slots":9}}"#;
    let options = Options::parse(options).unwrap();
    for (key, kind, strict, loose) in KEYS {
        let before = |value| Effective::fold(&options, Some(&patch(&nested(key, value))));
        for push in [nested(key, strict), format!("{{\"streams\":{{\"s\":{}}}}}", nested(key, strict))] {
            let mut e = before(loose);
            let unchanged = e.clone();
            e.tighten(&patch(&push), "s");
            if matches!(kind, Limit(_)) || PUSHED.contains(key) {
                assert_eq!(in_force(&e, key), *strict, "{key}");
            } else if *key != "timeouts.listMs" {
                assert_eq!(e, unchanged, "{key} does not tighten anything");
            }
        }
        let strictest = before(strict);
        let mut e = strictest.clone();
        e.tighten(&patch(&nested(key, loose)), "s");
        if *key != "timeouts.listMs" {
            assert_eq!(e, strictest, "{key} was loosened");
        }
    }
    // And for another stream nothing at all.
    let mut e = Effective::fold(&options, None);
    e.tighten(&patch(r#"{"streams":{"t":{"enabled":false}}}"#), "s");
    assert_eq!(e, Effective::fold(&options, None));
}

#[test]
fn no_more_neighbours_are_wanted_than_are_allowed() {
    let few = |json| Effective::fold(&Options::parse(json).unwrap(), None).peers_min;
    assert_eq!([few(r#"{"streamId":"s","maxPeers":2}"#), few(r#"{"streamId":"s"}"#)], [2, 4]);
}
