//! Which file of the directory a URL is.
//!
//! The signer knows a directory, a viewer knows URLs. Where the two meet must not matter: a reference is a file of the
//! directory only if it is one wherever the directory is published. So references are resolved below two made-up
//! places at once. One that begins at the host's root, goes up beyond the directory or names a host ends differently
//! below each, or outside. Who says where the directory will be published can have those, too.

use std::path::{Component, Path, PathBuf};

use meshedflow_manifest::identity;
use url::Url;

use super::LeftOut;
use super::resolve::join;
use crate::remarks::Kind;

/// Made-up places of a directory; never requested, never written anywhere.
const MADE_UP: [&str; 2] = ["http://one.invalid/one/", "http://two.invalid/two/"];

/// Where a directory is published.
#[derive(Clone, Debug)]
pub struct Site {
    bases: Vec<Url>,
    known: bool,
}

/// A file of the directory: its URL below each base, and its path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Located {
    pub(super) urls: Vec<Url>,
    pub(super) path: PathBuf,
}

impl Default for Site {
    /// Nobody said where.
    fn default() -> Self {
        Self { bases: MADE_UP.iter().filter_map(|url| Url::parse(url).ok()).collect(), known: false }
    }
}

impl Site {
    /// A directory that will be published at `url`, with or without a slash at its end.
    ///
    /// # Errors
    /// Says what was expected if `url` is no http or https URL of a directory.
    pub fn published_at(url: &str) -> Result<Self, String> {
        let mut base =
            Url::parse(url).map_err(|e| format!("{url:?}: {e}; expected the URL of a directory"))?;
        let has_more = base.query().is_some() || base.fragment().is_some();
        if !matches!(base.scheme(), "http" | "https") || has_more {
            return Err(format!("{url:?}; expected an http or https URL without query and fragment"));
        }
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Ok(Self { bases: vec![base], known: true })
    }

    /// The file `path` of the directory.
    pub(super) fn file(&self, path: &Path) -> Result<Located, String> {
        let names: Option<Vec<_>> = path.components().filter(|c| *c != Component::CurDir).map(name).collect();
        let names = names.filter(|names| !names.is_empty());
        let names = names.ok_or_else(|| format!("{}: expected a file of the directory", path.display()))?;
        let below = |base: &Url| {
            let mut url = base.clone();
            // A URL that has a host has path segments.
            if let Ok(mut segments) = url.path_segments_mut() {
                segments.pop_if_empty().extend(&names);
            }
            url
        };
        Ok(Located { urls: self.bases.iter().map(below).collect(), path: names.iter().collect() })
    }

    /// What HLS.js loads for `reference` in the document `from`.
    pub(super) fn find(&self, from: &Located, reference: &str) -> Result<Located, LeftOut> {
        let resolved = |url: &Url| Url::parse(&join(url.as_str(), reference));
        let urls: Result<Vec<_>, _> = from.urls.iter().map(resolved).collect();
        let no_file = |why: String| LeftOut { kind: Kind::NoFile, what: format!("{reference:?} {why}") };
        let urls = urls.map_err(|e| no_file(format!("is no URL: {e}")))?;
        let mut below = urls.iter().zip(&self.bases).map(|(url, base)| below(base, url));
        let path = below.next().flatten();
        let path = path.filter(|path| below.all(|other| other.as_ref() == Some(path)));
        let path = path.ok_or_else(|| self.elsewhere(from, reference, urls.first()))?;
        Ok(Located { path: decoded(&path).map_err(no_file)?, urls })
    }

    /// Like [`Self::find`], for what viewers name by the reference itself: both must mean one file.
    pub(super) fn find_named(&self, from: &Located, reference: &str) -> Result<(Located, String), LeftOut> {
        let found = self.find(from, reference)?;
        let no_name = |why: String| LeftOut { kind: Kind::NoFile, what: why };
        let (Some(url), Some(document)) = (found.urls.first(), from.urls.first()) else {
            return Err(no_name(format!("{reference:?} is nowhere")));
        };
        let name = identity::name_of(document, reference).map_err(|e| no_name(e.to_string()))?;
        let plain = document.join(reference).map_err(|e| no_name(e.to_string()))?;
        if plain.origin() != url.origin() || plain.path() != url.path() {
            let (asked, named) = (url.path(), plain.path());
            return Err(no_name(format!(
                "{reference:?} is {named} to a browser, but HLS.js asks for {asked}"
            )));
        }
        Ok((found, name))
    }

    /// The path below the directory of a URL below the first base.
    pub(super) fn path_of(&self, url: &Url) -> Result<PathBuf, String> {
        let path = self.bases.first().and_then(|base| below(base, url));
        decoded(&path.ok_or("is not in this directory")?)
    }

    fn elsewhere(&self, from: &Located, reference: &str, url: Option<&Url>) -> LeftOut {
        let document = from.urls.first();
        let other_host = url.zip(document).filter(|(url, document)| url.origin() != document.origin());
        let place = match other_host {
            Some((url, _)) => format!("is on another host, {}", url.host_str().unwrap_or_default()),
            None => "leaves the directory".to_owned(),
        };
        let advice = if self.known {
            ""
        } else {
            "; if it is in the directory, --base-url says where that is published"
        };
        LeftOut { kind: Kind::Elsewhere, what: format!("{reference:?} {place}{advice}") }
    }
}

fn name(component: Component<'_>) -> Option<&str> {
    match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    }
}

/// The URL's path below `base`, as it is written.
fn below(base: &Url, url: &Url) -> Option<String> {
    (base.origin() == url.origin()).then(|| url.path().strip_prefix(base.path()))?.map(str::to_owned)
}

fn decoded(path: &str) -> Result<PathBuf, String> {
    let mut file = PathBuf::new();
    for component in path.split('/') {
        let decoded = percent_decode(component).ok_or("is not UTF-8 once percent-decoded")?;
        if decoded.is_empty() || decoded == "." || decoded == ".." || decoded.contains(['/', '\\', '\0']) {
            return Err(format!("has the path component {decoded:?}; expected a file of this directory"));
        }
        file.push(decoded);
    }
    Ok(file)
}

/// Decodes `%XX` (RFC 3986 section 2.1); `None` if the result is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digits = (byte == b'%').then(|| Some((hex(ahead.next()?)?, hex(ahead.next()?)?))).flatten();
        match digits {
            Some((high, low)) => {
                out.push(high << 4 | low);
                bytes = ahead;
            }
            None => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(site: &Site, reference: &str) -> Result<(String, String), LeftOut> {
        let document = site.file(Path::new("v/i.m3u8")).unwrap();
        site.find_named(&document, reference).map(|(found, name)| (found.path.display().to_string(), name))
    }

    #[test]
    fn references_are_files_wherever_the_directory_is_published() {
        let site = Site::default();
        for (reference, path, name) in [
            ("a b.ts", "v/a b.ts", "a%20b.ts"),
            ("../w/a.ts?x=1#y", "w/a.ts", "../w/a.ts"),
            ("x\\..\\%61.ts", "v/a.ts", "%61.ts"),
            ("100%.ts", "v/100%.ts", "100%.ts"),
        ] {
            assert_eq!(find(&site, reference).unwrap(), (path.to_owned(), name.to_owned()), "{reference}");
        }
    }

    #[test]
    fn what_is_not_in_the_directory_is_said() {
        let site = Site::default();
        for (reference, kind, words) in [
            ("../../a.ts", Kind::Elsewhere, "leaves the directory"),
            ("../../one/v/a.ts", Kind::Elsewhere, "leaves the directory"),
            ("/v/a.ts", Kind::Elsewhere, "--base-url"),
            ("//other/a", Kind::Elsewhere, "another host, other"),
            ("http://one.invalid/one/a.ts", Kind::Elsewhere, "--base-url"),
            ("a%2Fb", Kind::NoFile, "path component"),
            ("a//b", Kind::NoFile, "path component"),
            ("%00", Kind::NoFile, "path component"),
            ("%ff", Kind::NoFile, "UTF-8"),
            ("1:2.ts", Kind::NoFile, "no URL"),
            ("data:,x", Kind::Elsewhere, "another host"),
            ("a\\b/../c.ts", Kind::NoFile, "HLS.js asks for"),
        ] {
            let why = find(&site, reference).unwrap_err();
            assert!(why.kind == kind && why.what.contains(words), "{reference}: {why:?}");
        }
    }

    #[test]
    fn absolute_references_are_files_where_the_directory_is_published() {
        let site = Site::published_at("https://cdn.example/vod").unwrap();
        for reference in [
            "https://cdn.example:443/vod/v/a.ts",
            "/vod/v/a.ts",
            "//CDN.example/vod/v/a.ts",
            "../../vod/v/a.ts",
        ] {
            assert_eq!(
                find(&site, reference).unwrap(),
                ("v/a.ts".to_owned(), "a.ts".to_owned()),
                "{reference}"
            );
        }
        for reference in
            ["http://cdn.example/vod/v/a.ts", "/v/a.ts", "../../a.ts", "https://cdn.example/vodka/a.ts"]
        {
            assert_eq!(find(&site, reference).unwrap_err().kind, Kind::Elsewhere, "{reference}");
        }
        for no_place in ["vod", "ftp://a/b", "http://a/b?c", "http://"] {
            assert!(Site::published_at(no_place).unwrap_err().contains("expected"), "{no_place}");
        }
    }

    #[test]
    fn files_have_urls_whatever_their_names() {
        let site = Site::published_at("https://cdn.example/").unwrap();
        let url = |path: &str| site.file(Path::new(path)).unwrap().urls[0].to_string();
        assert_eq!(url("./a b/50%?#.m3u8"), "https://cdn.example/a%20b/50%25%3F%23.m3u8");
        for path in ["../a.m3u8", "/a.m3u8", ""] {
            assert!(site.file(Path::new(path)).is_err(), "{path}");
        }
    }
}
