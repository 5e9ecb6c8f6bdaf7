//! Who may depend on whom, and what every crate must say about itself.

use crate::json::Json;

/// Each crate with the crates of this workspace that it may use, in code and in tests alike.
const ALLOWED: &[(&str, &[&str])] = &[
    ("meshedflow-json", &[]),
    ("meshedflow-protocol", &["meshedflow-json"]),
    ("meshedflow-manifest", &["meshedflow-json"]),
    ("meshedflow-cmaf", &[]),
    ("meshedflow-core", &["meshedflow-json", "meshedflow-protocol", "meshedflow-manifest"]),
    ("meshedflow-hub", &["meshedflow-protocol"]),
    ("meshedflow-origin", &["meshedflow-manifest", "meshedflow-cmaf"]),
    ("meshedflow-edge", &["meshedflow-hub", "meshedflow-protocol"]),
    ("meshedflow-wasm", &["meshedflow-core", "meshedflow-json"]),
    ("meshedflow-sim", &["meshedflow-core", "meshedflow-hub", "meshedflow-manifest", "meshedflow-protocol"]),
    (
        "meshedflow-cli",
        &[
            "meshedflow-origin",
            "meshedflow-edge",
            "meshedflow-manifest",
            "meshedflow-protocol",
            "meshedflow-sim",
        ],
    ),
    ("xtask", &[]),
];

/// Features of our crates that must never reach a page: they sign, state digests unhashed, or break things for tests.
const NEVER_IN_WASM: &[&str] = &["sign", "claims", "mutants", "test-hooks", "fuzz"];

/// The wasm layer may need `unsafe` where wasm-bindgen's generated code does; it then states lints of its own.
const OWN_LINTS: &[&str] = &["crates/wasm/Cargo.toml", "crates/bindgen/Cargo.toml"];

/// A crate and the workspace crates it depends on.
#[derive(Debug)]
pub(super) struct Crate {
    name: String,
    uses: Vec<String>,
}

/// The workspace's crates, from `cargo metadata --no-deps`.
pub(super) fn crates(metadata: &Json) -> Vec<Crate> {
    let packages = metadata.list("packages");
    let is_ours = |name: &str| packages.iter().any(|package| package.text("name") == name);
    let uses = |package: &Json| {
        let all = package.list("dependencies").iter().map(|dependency| dependency.text("name").to_owned());
        // A crate may name itself among its test dependencies, to have its features in its tests.
        all.filter(|name| is_ours(name) && name != package.text("name")).collect()
    };
    packages.iter().map(|package| Crate { name: package.text("name").into(), uses: uses(package) }).collect()
}

/// Arrows that are not in the list, and crates that are not.
pub(super) fn complaints(crates: &[Crate]) -> Vec<String> {
    let mut complaints = Vec::new();
    for Crate { name, uses } in crates {
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| known == name) else {
            complaints.push(format!("crate {name} has no line in the list of arrows"));
            continue;
        };
        for used in uses.iter().filter(|used| !allowed.contains(&used.as_str())) {
            complaints.push(format!("{name} depends on {used}; it may use only {allowed:?}"));
        }
    }
    complaints
}

/// Forbidden features in the wasm crate's own graph, from `cargo tree --format "{p}|{f}"`.
pub(super) fn wasm_features(tree: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for line in tree.lines().filter(|line| line.starts_with("meshedflow-")) {
        let (name, features) = (line.split(' ').next(), line.rsplit_once('|').map(|(_, features)| features));
        let features = features.unwrap_or_default().trim_end_matches("(*)").trim();
        for feature in features.split(',').filter(|feature| NEVER_IN_WASM.contains(feature)) {
            complaints.push(format!("the shipped module has {} with `{feature}`", name.unwrap_or_default()));
        }
    }
    if !tree.contains("meshedflow-manifest ") {
        complaints.push("meshedflow-wasm does not depend on meshedflow-manifest: is the tree right?".into());
    }
    complaints.dedup();
    complaints
}

/// The workspace itself must forbid `unsafe`.
pub(super) fn workspace_lints(manifest: &str) -> Vec<String> {
    let lints = section(manifest, "[workspace.lints.rust]");
    if lints.iter().any(|line| line.replace(' ', "") == "unsafe_code=\"forbid\"") {
        return Vec::new();
    }
    vec!["Cargo.toml: [workspace.lints.rust] must have unsafe_code = \"forbid\"".into()]
}

/// A crate takes the workspace's lints, or, where it is excused, states its own view of `unsafe`.
pub(super) fn crate_lints(path: &str, manifest: &str) -> Vec<String> {
    let has = |header: &str, wanted: &str| {
        section(manifest, header).iter().any(|line| line.replace(' ', "").starts_with(wanted))
    };
    if has("[lints]", "workspace=true") {
        return Vec::new();
    }
    if OWN_LINTS.contains(&path) && has("[lints.rust]", "unsafe_code=") {
        return Vec::new();
    }
    vec![format!("{path}: [lints] workspace = true is missing")]
}

/// The lines of a TOML table.
pub(super) fn section<'a>(toml: &'a str, header: &str) -> Vec<&'a str> {
    let lines = toml.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    lines.take_while(|line| !line.starts_with('[')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, uses: &[&str]) -> Crate {
        Crate { name: name.into(), uses: uses.iter().map(|used| (*used).into()).collect() }
    }

    #[test]
    fn arrows_up_are_fine_and_others_are_not() {
        assert!(complaints(&[one("meshedflow-core", &["meshedflow-protocol"])]).is_empty());
        let down = complaints(&[one("meshedflow-protocol", &["meshedflow-core"])]);
        assert!(
            down.len() == 1 && down[0].contains("meshedflow-protocol depends on meshedflow-core"),
            "{down:?}"
        );
        assert_eq!(complaints(&[one("newcomer", &[])]).len(), 1);
    }

    #[test]
    fn metadata_is_reduced_to_our_own_crates() {
        let text = r#"{"packages":[
            {"name":"meshedflow-core","dependencies":[{"name":"serde"},{"name":"meshedflow-hub","kind":"dev"},
                {"name":"meshedflow-core","kind":"dev"}]},
            {"name":"meshedflow-hub","dependencies":[]}]}"#;
        let crates = crates(&Json::parse(text).unwrap());
        assert_eq!(crates[0].uses, ["meshedflow-hub"]);
        assert_eq!(complaints(&crates).len(), 1);
    }

    #[test]
    fn a_forbidden_feature_is_found() {
        let tree = |features: &str| {
            format!("meshedflow-wasm v0.1.0 (/r)|\nmeshedflow-manifest v0.1.0 (/r)|{features}\n")
        };
        assert!(wasm_features(&tree("")).is_empty());
        assert!(wasm_features(&tree("default (*)")).is_empty());
        assert_eq!(wasm_features(&tree("claims")).len(), 1);
        assert_eq!(wasm_features(&tree("default,sign (*)")).len(), 1);
        assert_eq!(wasm_features(&(tree("") + "meshedflow-core v0.1.0 (/r)|mutants\n")).len(), 1);
        assert_eq!(wasm_features("serde v1|\n").len(), 1);
    }

    #[test]
    fn lints_must_be_taken_over() {
        assert!(crate_lints("crates/a/Cargo.toml", "[package]\n[lints]\nworkspace = true\n").is_empty());
        assert_eq!(crate_lints("crates/a/Cargo.toml", "[package]\nname = \"a\"\n").len(), 1);
        assert_eq!(crate_lints("crates/a/Cargo.toml", "[lints.rust]\nunsafe_code = \"deny\"\n").len(), 1);
        assert!(crate_lints("crates/wasm/Cargo.toml", "[lints.rust]\nunsafe_code = \"deny\"\n").is_empty());
        assert!(workspace_lints("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n").is_empty());
        assert_eq!(workspace_lints("[workspace.lints.rust]\nunsafe_code = \"warn\"\n").len(), 1);
    }
}
