//! The golden policies of `tests/vectors/policy`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use meshedflow_protocol::policy::{Patch, PolicyNotice};
use serde_json::Value;

#[test]
fn every_policy_reads_as_it_says() {
    let text = include_str!("../../../tests/vectors/policy/policies.json");
    let vectors: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(vectors.len() >= 12);
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        match Patch::parse(vector["policy"].as_str().unwrap().as_bytes()) {
            Err(error) => assert_eq!(vector.get("error"), Some(&Value::Bool(true)), "{name}: {error}"),
            Ok((patch, notices)) => {
                assert_eq!(serde_json::to_value(&patch).unwrap(), vector["patch"], "{name}");
                let expected: BTreeSet<String> = serde_json::from_value(vector["notices"].clone()).unwrap();
                assert_eq!(notices.iter().map(short).collect::<BTreeSet<_>>(), expected, "{name}");
            }
        }
    }
}

fn short(notice: &PolicyNotice) -> String {
    match notice {
        PolicyNotice::Unknown(name) => format!("unknown {name}"),
        PolicyNotice::Dropped { name, .. } => format!("dropped {name}"),
        PolicyNotice::Clamped { name, .. } => format!("clamped {name}"),
    }
}
