//! Where the repository's own directories are, when no flag says so.

use std::path::{Path, PathBuf};

/// The first directory `relative` that holds `marker`, below the current directory or one of its parents, or
/// below a parent of this program.
pub(crate) fn upwards(relative: &str, marker: &str) -> Option<PathBuf> {
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    starts.iter().flatten().find_map(|start| upwards_from(start, relative, marker))
}

fn upwards_from(start: &Path, relative: &str, marker: &str) -> Option<PathBuf> {
    start.ancestors().map(|folder| folder.join(relative)).find(|folder| folder.join(marker).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_media_is_found_from_below_the_repository() {
        let found = upwards("examples/media", "master.m3u8").unwrap();
        assert!(found.ends_with("examples/media") && found.join("v360/index.m3u8").exists());
        assert_eq!(upwards("examples/media", "no such file"), None);
    }
}
