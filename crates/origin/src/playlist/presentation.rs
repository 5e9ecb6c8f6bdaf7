//! A directory's playlists together, each with the files that it names.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meshedflow_manifest::{Text, identity};
use url::Url;

use super::multivariant::{self, Reference};
use super::paths::{Located, Site};
use super::text::decode;
use super::variables::Values;
use super::{ByteRange, LeftOut, MediaPlaylist, Segment, media};
use crate::remarks::{Kind, Remark};
use crate::{OriginError, within};

/// How to read a directory.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Where the directory is published.
    pub site: Site,
    /// Leave out renditions whose playlist is missing or cannot be read, instead of refusing the whole.
    pub leave_out_unreadable: bool,
}

/// One media playlist of a directory.
#[derive(Clone, Debug)]
pub struct Rendition {
    /// Its rendition name: the playlist's path relative to the multivariant playlist, or `main`.
    pub name: Text,
    /// Its path relative to the directory.
    pub path: PathBuf,
    /// What it says.
    pub playlist: MediaPlaylist,
    located: Located,
    site: Arc<Site>,
}

/// All of a directory's renditions.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// The directory.
    pub root: PathBuf,
    /// File name of the multivariant playlist, if there is one.
    pub multivariant: Option<String>,
    /// The renditions in the order in which the multivariant playlist names them.
    pub renditions: Vec<Rendition>,
    /// Which renditions are left out, and why.
    pub remarks: Vec<Remark>,
}

impl Presentation {
    /// Opens the presentation whose entry playlist (multivariant or media) is `root/entry`.
    ///
    /// # Errors
    /// [`OriginError::Io`] and [`OriginError::Playlist`] for playlists that are missing or that HLS.js would refuse, and
    /// for renditions that would share a name or an index.
    pub fn open(root: &Path, entry: &str, reading: &Reading) -> Result<Self, OriginError> {
        let path = root.join(entry);
        let bad = |reason: String| OriginError::playlist(&path, reason);
        let site = Arc::new(reading.site.clone());
        let located = site.file(Path::new(entry)).map_err(bad)?;
        let text = read(root, Path::new(entry))?;
        let mut opening =
            Opening { root, entry, reading, site, located, opened: Vec::new(), remarks: Vec::new() };
        let multivariant = if multivariant::is_media(&text) {
            opening.lone(&text).map_err(bad)?;
            None
        } else {
            opening.all(&text).map_err(bad)?;
            Some(entry.to_owned())
        };
        let Opening { opened: renditions, remarks, .. } = opening;
        Ok(Self { root: root.to_path_buf(), multivariant, renditions, remarks })
    }
}

struct Opening<'a> {
    root: &'a Path,
    entry: &'a str,
    reading: &'a Reading,
    site: Arc<Site>,
    located: Located,
    opened: Vec<Rendition>,
    remarks: Vec<Remark>,
}

impl Opening<'_> {
    fn lone(&mut self, text: &str) -> Result<(), String> {
        let located = self.located.clone();
        let playlist = media::parse(text, first(&located)?, None)?;
        self.opened.push(self.rendition(None, located, playlist)?);
        Ok(())
    }

    fn all(&mut self, text: &str) -> Result<(), String> {
        let master = first(&self.located)?.clone();
        let found = multivariant::parse(text, &master)?;
        for (reference, why) in found.passed_over {
            self.remark(Kind::PassedOver, &reference, format!("{:?}: {why}", reference.uri));
        }
        for reference in &found.renditions {
            let line = reference.line;
            match self.site.find(&self.located, &reference.uri) {
                Ok(located) => self.open(reference, located, &master, found.values.as_ref()),
                Err(why) => {
                    self.remark(Kind::Rendition, reference, why.what);
                    Ok(())
                }
            }
            .map_err(|reason| format!("line {line}: {reason}"))?;
        }
        self.check_names()
    }

    fn open(
        &mut self,
        reference: &Reference,
        located: Located,
        master: &Url,
        values: Option<&Values>,
    ) -> Result<(), String> {
        let uri = &reference.uri;
        let playlist = match self.playlist(&located, values) {
            Ok(playlist) => playlist,
            Err(why) if self.reading.leave_out_unreadable => {
                self.remark(Kind::Rendition, reference, format!("{uri:?}: {why}"));
                return Ok(());
            }
            Err(why) => {
                return Err(format!(
                    "rendition {uri:?}: {why}; --skip-unreadable leaves such renditions out"
                ));
            }
        };
        if let Some(known) = self.opened.iter().find(|known| known.path == located.path) {
            if known.playlist == playlist {
                return Ok(());
            }
            return Err(format!("rendition {uri:?} is the playlist of {} with other variables", known.name));
        }
        let rendition = self.rendition(Some(master), located, playlist)?;
        self.opened.push(rendition);
        Ok(())
    }

    fn playlist(&self, located: &Located, values: Option<&Values>) -> Result<MediaPlaylist, String> {
        let text = read(self.root, &located.path).map_err(|e| e.to_string())?;
        if !multivariant::is_media(&text) && text.contains("#EXT-X-STREAM-INF:") {
            return Err("is a multivariant playlist; expected a media playlist".into());
        }
        media::parse(&text, first(located)?, values)
            .map_err(|reason| format!("playlist {}: {reason}", self.root.join(&located.path).display()))
    }

    fn rendition(
        &self,
        master: Option<&Url>,
        located: Located,
        mut playlist: MediaPlaylist,
    ) -> Result<Rendition, String> {
        let name = identity::rendition_of(master, first(&located)?).map_err(|e| e.to_string())?;
        for segment in playlist.segments.iter_mut().filter(|segment| segment.left_out.is_none()) {
            segment.left_out = missing(&self.site, &located, segment).err();
        }
        let (path, site) = (located.path.clone(), Arc::clone(&self.site));
        Ok(Rendition { name, path, playlist, located, site })
    }

    fn remark(&mut self, kind: Kind, reference: &Reference, what: String) {
        let place = format!("{} line {}", self.entry, reference.line);
        self.remarks.push(Remark { kind, place, what });
    }

    /// Two renditions cannot share a name, nor the place of their index.
    fn check_names(&self) -> Result<(), String> {
        let (mut names, mut indexes) = (BTreeMap::new(), BTreeMap::new());
        for rendition in &self.opened {
            let path = rendition.path.display();
            if let Some(other) = names.insert(&rendition.name, rendition) {
                let other = other.path.display();
                return Err(format!("renditions {other} and {path} are both named {}", rendition.name));
            }
            let index = rendition.index_path().map_err(|e| e.to_string())?;
            if let Some(other) = indexes.insert(index.clone(), rendition) {
                let (other, index) = (other.path.display(), index.display());
                return Err(format!(
                    "renditions {other} and {path} would both have the index {index}; expected different names before the dot"
                ));
            }
        }
        Ok(())
    }
}

/// Is a file of the segment or of its init segment not in the directory?
fn missing(site: &Site, located: &Located, segment: &Segment) -> Result<(), LeftOut> {
    let (own, _) = site.find_named(located, &segment.uri)?;
    let Some(init) = &segment.init else { return Ok(()) };
    let (other, _) = site.find_named(located, &init.uri)?;
    let start = |range: Option<ByteRange>| range.map_or(0, |range| range.offset);
    if own.path == other.path && start(segment.range) == start(init.range) {
        // One place, one list: it cannot be cut up in two ways.
        let what = format!("{:?} is its own init segment", segment.uri);
        return Err(LeftOut { kind: Kind::Range, what });
    }
    Ok(())
}

fn first(located: &Located) -> Result<&Url, String> {
    located.urls.first().ok_or_else(|| "has no URL".to_owned())
}

fn read(root: &Path, path: &Path) -> Result<String, OriginError> {
    within::read("cannot read playlist", root, path).map(|bytes| decode(&bytes))
}

impl Rendition {
    /// The file that `uri` of this playlist names, relative to the presentation's root.
    ///
    /// # Errors
    /// [`OriginError::Playlist`] where a segment with this URI would be left out.
    pub fn file(&self, uri: &str) -> Result<PathBuf, OriginError> {
        Ok(self.find(uri)?.0.path)
    }

    /// The signed name of `uri` (manifest's `identity`).
    ///
    /// # Errors
    /// [`OriginError::Playlist`] where a segment with this URI would be left out.
    pub fn resource_name(&self, uri: &str) -> Result<String, OriginError> {
        Ok(self.find(uri)?.1)
    }

    /// Where the closed list of the segment `uri` is put, relative to the presentation's root.
    ///
    /// # Errors
    /// [`OriginError::Playlist`] where a segment with this URI would be left out.
    pub fn sidecar_path(&self, uri: &str) -> Result<PathBuf, OriginError> {
        let mut path = OsString::from(self.file(uri)?);
        path.push(".mfi");
        Ok(path.into())
    }

    /// Where the index is put, relative to the presentation's root.
    ///
    /// # Errors
    /// [`OriginError::Playlist`] if its name is none that a file can have.
    pub fn index_path(&self) -> Result<PathBuf, OriginError> {
        let url = first(&self.located).map(identity::list_url_of);
        let path = url.and_then(|url| self.site.path_of(&url));
        path.map_err(|reason| OriginError::playlist(&self.path, reason))
    }

    fn find(&self, uri: &str) -> Result<(Located, String), OriginError> {
        self.site.find_named(&self.located, uri).map_err(|why| OriginError::playlist(&self.path, why.what))
    }
}
