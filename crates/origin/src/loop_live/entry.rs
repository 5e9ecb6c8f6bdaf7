//! Which playlist to loop.

use std::path::{Path, PathBuf};

use crate::OriginError;
use crate::playlist::is_multivariant;

/// What a directory's entry playlist is called where nobody says so.
const USUAL: &str = "master.m3u8";

/// Directory and file name of the entry playlist that `path` names: the file itself; or, in a directory, `master.m3u8`,
/// or else its only multivariant playlist, or else its only playlist.
///
/// # Errors
/// [`OriginError::Io`] if there is nothing at `path`; [`OriginError::Playlist`] if there is no playlist, or several that
/// could be meant, with their names.
pub fn entry(path: &Path) -> Result<(PathBuf, String), OriginError> {
    let found = std::fs::metadata(path).map_err(OriginError::io("cannot read", path))?;
    if !found.is_dir() {
        let name = path.file_name().and_then(|name| name.to_str());
        let name =
            name.ok_or_else(|| OriginError::playlist(path, "its name is not UTF-8; expected UTF-8"))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return Ok((folder.map_or_else(|| PathBuf::from("."), Path::to_path_buf), name.to_owned()));
    }
    let names = playlists(path)?;
    if names.iter().any(|name| name == USUAL) {
        return Ok((path.to_path_buf(), USUAL.to_owned()));
    }
    let multivariant: Vec<_> = names.iter().filter(|name| is_multivariant_at(&path.join(name))).collect();
    let candidates = if multivariant.is_empty() { names.iter().collect() } else { multivariant };
    match candidates.as_slice() {
        [only] => Ok((path.to_path_buf(), (*only).clone())),
        [] => Err(OriginError::playlist(
            path,
            "no .m3u8 file in this directory; expected a playlist, or the path of one",
        )),
        several => {
            let list = several.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let reason =
                format!("several playlists in this directory: {list}; expected the path of one of them");
            Err(OriginError::playlist(path, reason))
        }
    }
}

/// The names of the playlists in a directory, in order.
fn playlists(folder: &Path) -> Result<Vec<String>, OriginError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(OriginError::io("cannot read directory", folder))? {
        let path = entry.map_err(OriginError::io("cannot read directory", folder))?.path();
        let is_playlist =
            path.extension().is_some_and(|e| e.eq_ignore_ascii_case("m3u8") || e.eq_ignore_ascii_case("m3u"));
        let name = path.file_name().and_then(|name| name.to_str());
        names.extend(name.filter(|_| is_playlist && path.is_file()).map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}

/// A file that cannot be read is a candidate like any other, and says why when it is opened.
fn is_multivariant_at(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| is_multivariant(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TempDir, fixtures, media};

    fn found(path: &Path) -> Result<String, String> {
        entry(path).map(|(_, name)| name).map_err(|e| e.to_string())
    }

    #[test]
    fn a_directory_or_a_playlist_of_either_kind_is_an_entry() {
        assert_eq!(found(&media()).unwrap(), "master.m3u8");
        assert_eq!(found(&fixtures().join("ts")).unwrap(), "index.m3u8");
        let (folder, name) = entry(&media().join("v216/index.m3u8")).unwrap();
        assert!(folder.ends_with("v216") && name == "index.m3u8");
        let none = found(&media().join("none")).unwrap_err();
        assert!(none.contains("none") && none.contains("cannot read"), "{none}");
    }

    #[test]
    fn of_several_playlists_the_multivariant_one_is_meant_or_all_are_listed() {
        let dir = TempDir::new();
        let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        assert!(found(dir.path()).unwrap_err().contains("no .m3u8 file"));
        file("out_1.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n");
        assert_eq!(found(dir.path()).unwrap(), "out_1.m3u8");
        file("out_0.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n");
        let several = found(dir.path()).unwrap_err();
        assert!(several.contains("out_0.m3u8, out_1.m3u8; expected the path of one"), "{several}");
        file("film.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nout_0.m3u8\n");
        assert_eq!(found(dir.path()).unwrap(), "film.m3u8");
    }
}
