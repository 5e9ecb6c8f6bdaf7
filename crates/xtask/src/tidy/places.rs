//! The repository names no machine, no directory of one, and no package registry.

/// Directories of particular machines, put together here so that this file does not hold them itself. A path
/// counts only where it begins: `https://host/root/x` names no directory.
const DIRECTORIES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tm", "p/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];
/// Hosts of registries: which one serves a machine is the machine's affair.
const REGISTRIES: &[&str] = &[
    concat!("registry.", "npmjs.org"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("pypi", ".org"),
];

/// Lines that name one.
pub(super) fn complaints(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = format!("{path}:{}", index + 1);
        if let Some(directory) = DIRECTORIES.iter().find(|directory| names_directory(line, directory)) {
            complaints.push(format!("{at}: names a machine's directory {directory}"));
        }
        if let Some(host) = REGISTRIES.iter().find(|host| line.contains(**host)) {
            complaints.push(format!("{at}: names the registry {host}"));
        }
        if path.ends_with("package-lock.json") && line.contains("\"resolved\"") {
            complaints.push(format!("{at}: a lock without `resolved` works with any registry"));
        }
    }
    complaints
}

/// Does the path begin here, rather than continue another or a URL?
fn names_directory(line: &str, directory: &str) -> bool {
    let continues = |before: char| before.is_alphanumeric() || "./_-:}*".contains(before);
    line.match_indices(directory).any(|(at, _)| !line.get(..at).is_some_and(|head| head.ends_with(continues)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_and_registries_are_found() {
        for directory in DIRECTORIES {
            assert_eq!(complaints("a.sh", &format!("cd {directory}x")).len(), 1, "{directory}");
            assert_eq!(complaints("a.sh", &format!("X='{directory}x'")).len(), 1, "{directory}");
        }
        for host in REGISTRIES {
            assert_eq!(complaints("a.md", &format!("from https://{host}/x")).len(), 1, "{host}");
        }
        assert_eq!(complaints("package-lock.json", "  \"resolved\": \"https://r/x\",").len(), 1);
        assert!(complaints("a.json", "\"resolved\": true").is_empty());
    }

    #[test]
    fn longer_paths_and_urls_are_left_alone() {
        for directory in DIRECTORIES {
            for before in ["a", "https://example.org", "${dir}", "."] {
                let line = format!("cd {before}{directory}x");
                assert!(complaints("a.rs", &line).is_empty(), "{line}");
            }
        }
    }
}
