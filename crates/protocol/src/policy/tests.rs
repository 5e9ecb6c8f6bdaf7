use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;

const SCHEMA: &str = include_str!("../../policy.schema.json");

/// Every name that the schema has, with its section.
fn schema_names() -> BTreeMap<String, Value> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut names = BTreeMap::new();
    collect("", &schema["$defs"]["patch"]["properties"], &mut names);
    collect("", &schema["properties"], &mut names);
    names
}

fn collect(section: &str, properties: &Value, names: &mut BTreeMap<String, Value>) {
    for (key, value) in properties.as_object().unwrap() {
        let name = format!("{section}{key}");
        if let Some(inner) = value.get("properties") {
            collect(&format!("{name}."), inner, names);
        }
        names.insert(name, value.clone());
    }
}

/// A policy that uses every name at its greatest value.
fn full() -> Value {
    let mut policy = json!({});
    for (name, rule) in schema_names() {
        let value = match (&rule["type"], rule.get("enum")) {
            (_, Some(choices)) => choices[0].clone(),
            (Value::String(kind), _) if kind == "boolean" => json!(true),
            (Value::String(kind), _) if kind == "string" => json!("https://example.com/report"),
            (Value::String(kind), _) if kind == "object" => continue,
            _ => rule["maximum"].clone(),
        };
        let path = format!("/{}", name.replace('.', "/"));
        let (parent, key) = path.rsplit_once('/').unwrap();
        if !parent.is_empty() && policy.pointer(parent).is_none() {
            policy[&parent[1..]] = json!({});
        }
        policy.pointer_mut(parent).unwrap()[key] = value;
    }
    policy
}

#[test]
fn the_schema_and_the_reader_know_the_same_names() {
    let known: BTreeSet<String> =
        LIMITS.iter().map(|l| l.name).chain(NAMES.iter().copied()).map(str::to_owned).collect();
    assert_eq!(schema_names().into_keys().collect::<BTreeSet<_>>(), known);
}

#[test]
fn the_schema_has_the_ranges_of_the_reader() {
    let names = schema_names();
    for limit in LIMITS {
        let rule = &names[limit.name];
        assert_eq!(rule["minimum"].as_f64(), Some(limit.min), "{}", limit.name);
        assert_eq!(rule["maximum"].as_f64(), Some(limit.max), "{}", limit.name);
        assert_eq!(rule["type"] == "integer", limit.whole, "{}", limit.name);
    }
}

#[test]
fn a_policy_of_all_names_is_taken_whole_and_written_back() {
    let policy = full();
    let (patch, notices) = Patch::parse(policy.to_string().as_bytes()).unwrap();
    assert_eq!(notices, []);
    let written: Value = serde_json::to_value(&patch).unwrap();
    assert_eq!(flat(&written), flat(&policy));
    assert_eq!(Patch::parse(written.to_string().as_bytes()).unwrap(), (patch, vec![]));
}

/// Leaves by path; numbers as f64, so that 1 and 1.0 are equal.
fn flat(value: &Value) -> BTreeMap<String, String> {
    fn walk(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(inner) => inner.iter().for_each(|(k, v)| walk(&format!("{path}/{k}"), v, leaves)),
            Value::Number(n) => drop(leaves.insert(path.to_owned(), n.as_f64().unwrap().to_string())),
            other => drop(leaves.insert(path.to_owned(), other.to_string())),
        }
    }
    let mut leaves = BTreeMap::new();
    walk("", value, &mut leaves);
    leaves
}

#[test]
fn every_number_one_beyond_its_range_is_dropped_or_clamped_with_a_notice() {
    for limit in LIMITS {
        for beyond in [limit.max + 2.0, limit.min - 1.0] {
            let mut policy = json!(beyond);
            for key in limit.name.rsplit('.') {
                policy = json!({ key: policy });
            }
            let (patch, notices) = Patch::parse(policy.to_string().as_bytes()).unwrap();
            let kept = !flat(&serde_json::to_value(&patch).unwrap()).is_empty();
            let expected = matches!(
                (&notices[..], limit.clamped),
                ([PolicyNotice::Clamped { name, .. }], true) | ([PolicyNotice::Dropped { name, .. }], false)
                    if name == limit.name
            );
            assert!(expected && kept == limit.clamped, "{}: {notices:?}", limit.name);
        }
    }
}

#[test]
fn the_longest_matching_stream_pattern_holds() {
    let json =
        br#"{"streams": {"*": {"stageMs": 100}, "news/*": {"stageMs": 200}, "news/1": {"stageMs": 300}}}"#;
    let (policy, notices) = Patch::parse(json).unwrap();
    let stage = |stream| policy.for_stream(stream).and_then(|patch| patch.stage_ms);
    assert_eq!(notices, []);
    assert_eq!([stage("sport"), stage("news/2"), stage("news/1")], [Some(100), Some(200), Some(300)]);
    assert_eq!(Patch::default().for_stream("news"), None);
}

#[test]
fn notices_are_bounded() {
    let policy: BTreeMap<String, u32> = (0..1000).map(|i| (format!("key{i}"), i)).collect();
    let (patch, notices) = Patch::parse(serde_json::to_string(&policy).unwrap().as_bytes()).unwrap();
    assert_eq!((patch, notices.len()), (Patch::default(), NOTICE_LIMIT));
}

#[test]
fn an_endless_policy_is_refused_unread() {
    let long = vec![b' '; POLICY_LIMIT_BYTES + 1];
    assert_eq!(Patch::parse(&long), Err(PolicyError::TooLong(long.len())));
}

#[test]
fn bounds_are_told_as_written() {
    let told = |json: &str| Patch::parse(json.as_bytes()).unwrap().1[0].to_string();
    let drop = "policy value of originCopies was ignored; expected a number from 0.1 to 16";
    assert_eq!(told(r#"{"originCopies": 99}"#), drop);
    let clamp = "policy value of refreshMs was clamped; expected a whole number from 10000 to 300000";
    assert_eq!(told(r#"{"refreshMs": 1}"#), clamp);
    for bound in LIMITS.iter().flat_map(|limit| [limit.min, limit.max]) {
        assert_eq!(read::plain(bound), bound.to_string());
    }
}
