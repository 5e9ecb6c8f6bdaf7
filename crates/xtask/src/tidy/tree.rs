//! The files of the repository, and what the top level may hold.

use std::path::Path;

/// What belongs at the top level, besides what Git ignores.
const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".git",
    ".gitignore",
    ".npmrc",
    ".rustfmt.toml",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "crates",
    "examples",
    "js",
    "package-lock.json",
    "package.json",
    "pkg-template",
    "tests",
];

/// Directories that are built or installed, never written by hand: what `.gitignore` names.
const BUILT: &[&str] = &["target", "node_modules", "dist", "dist-mutants", "wasm-out", ".git", ".cache"];

/// A text file of the repository.
pub(super) struct TextFile {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    /// What stands in it.
    pub(super) text: String,
}

/// All files that are UTF-8 text, except built and installed ones.
pub(super) fn text_files(root: &Path) -> Result<Vec<TextFile>, String> {
    let mut files = Vec::new();
    walk(root, "", &mut files)?;
    Ok(files)
}

fn walk(dir: &Path, prefix: &str, files: &mut Vec<TextFile>) -> Result<(), String> {
    for name in names(dir)? {
        let (path, relative) = (dir.join(&name), format!("{prefix}{name}"));
        if BUILT.contains(&name.as_str()) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(&path, &format!("{relative}/"), files)?;
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            files.push(TextFile { path: relative, text });
        }
    }
    Ok(())
}

/// What a directory holds, sorted.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, String> {
    let entries =
        std::fs::read_dir(dir).map_err(|error| format!("cannot read {}: {error}", dir.display()))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// The directories in a directory, sorted.
pub(super) fn subdirectories(dir: &Path) -> Result<Vec<String>, String> {
    Ok(names(dir)?.into_iter().filter(|name| dir.join(name).is_dir()).collect())
}

/// Names at the top level that do not belong there.
pub(super) fn top_level(names: &[String]) -> Vec<String> {
    let stray = |name: &&String| !TOP_LEVEL.contains(&name.as_str()) && !BUILT.contains(&name.as_str());
    names.iter().filter(stray).map(|name| format!("`{name}` does not belong at the top level")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_name_is_found() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(top_level(&names(&["crates", "README.md", "target"])).is_empty());
        assert_eq!(top_level(&names(&["crates", "notes.txt"])).len(), 1);
    }

    #[test]
    fn built_directories_are_not_read() {
        let files = text_files(&crate::shell::root()).unwrap();
        assert!(files.iter().any(|file| file.path == "crates/xtask/src/tidy/tree.rs"));
        assert!(
            !files.iter().any(|file| file.path.contains("node_modules/") || file.path.starts_with("target/"))
        );
    }
}
