//! Multivariant playlists, read as HLS.js reads them: with a search over the whole text for the tags it knows.

use url::Url;

use super::attributes::Attributes;
use super::text::{LineNumbers, is_line_end, line};
use super::variables::{Values, Variables};

/// What a multivariant playlist says.
#[derive(Debug, Default)]
pub(super) struct Multivariant {
    /// Each variant and each audio and subtitle rendition that has a playlist.
    pub(super) renditions: Vec<Reference>,
    /// What else has a playlist, and why HLS.js does not play it.
    pub(super) passed_over: Vec<(Reference, &'static str)>,
    /// Variables that media playlists may import.
    pub(super) values: Option<Values>,
}

/// A URI in a multivariant playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// With its variables replaced.
    pub(super) uri: String,
    /// Line of the tag that it belongs to.
    pub(super) line: usize,
}

/// Is this a media playlist? Whatever else it holds, these tags at the beginning of a line make it one.
pub(super) fn is_media(text: &str) -> bool {
    ["#EXTINF:", "#EXT-X-TARGETDURATION:"].iter().any(|tag| {
        let mut found = text.match_indices(tag);
        found.any(|(at, _)| {
            text.get(..at).is_some_and(|before| before.is_empty() || before.ends_with(is_line_end))
        })
    })
}

/// Reads the multivariant playlist `text` that was loaded from `url`.
pub(super) fn parse(text: &str, url: &Url) -> Result<Multivariant, String> {
    if !text.starts_with("#EXTM3U") {
        return Err("line 1: expected #EXTM3U at the beginning".into());
    }
    let lines = LineNumbers::of(text);
    let mut variables = Variables::of(text);
    let mut found = Multivariant::default();
    for tag in tags(text) {
        let line = lines.at(tag.at);
        match tag.name {
            Name::Variant => variant(&tag, line, &mut variables, &mut found),
            Name::IFrames => i_frames(&tag, line, &mut variables, &mut found),
            Name::Define => {
                let attributes = Attributes::of(tag.value, Some(&mut variables));
                variables.define(&attributes, url);
            }
            Name::Attributes => drop(Attributes::of(tag.value, Some(&mut variables))),
            Name::Steering => {
                let attributes = Attributes::of(tag.value, Some(&mut variables));
                if attributes.get("SERVER-URI").is_none() {
                    return Err(format!(
                        "line {line}: EXT-X-CONTENT-STEERING without SERVER-URI; HLS.js fails on it"
                    ));
                }
            }
            Name::Start => {}
        }
        if let Some(fault) = variables.take_fault() {
            return Err(format!("line {line}: {fault}"));
        }
    }
    if found.renditions.is_empty() {
        return Err("no EXT-X-STREAM-INF with attributes and a URI, no EXT-X-TARGETDURATION; expected an HLS playlist".into());
    }
    media(text, &lines, &mut variables, &mut found);
    found.values = variables.into_values();
    Ok(found)
}

fn variant(tag: &Tag<'_>, line: usize, variables: &mut Variables, found: &mut Multivariant) {
    drop(Attributes::of(tag.value, Some(variables)));
    let reference = Reference { uri: variables.substitute(tag.uri).into_owned(), line };
    match tag.has_uri {
        true => found.renditions.push(reference),
        false => found.passed_over.push((reference, "EXT-X-STREAM-INF without a URI after it")),
    }
}

fn i_frames(tag: &Tag<'_>, line: usize, variables: &mut Variables, found: &mut Multivariant) {
    let attributes = Attributes::of(tag.value, Some(variables));
    if let Some(uri) = attributes.get("URI") {
        let uri = variables.substitute(uri).into_owned();
        found.passed_over.push((Reference { uri, line }, "I-frames, which viewers do not share"));
    }
}

/// Renditions of `EXT-X-MEDIA`. HLS.js looks for them after all else, when all variables have values.
fn media(text: &str, lines: &LineNumbers, variables: &mut Variables, found: &mut Multivariant) {
    const TAG: &str = "#EXT-X-MEDIA:";
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(TAG)).map(|at| from + at) {
        let list = line(text.get(at + TAG.len()..).unwrap_or_default());
        from = at + TAG.len() + list.len();
        let attributes = Attributes::of(list, Some(variables));
        let Some(uri) = attributes.filled("URI") else { continue };
        let reference = Reference { uri: uri.to_owned(), line: lines.at(at) };
        match attributes.get("TYPE") {
            Some("AUDIO" | "SUBTITLES") => found.renditions.push(reference),
            _ => found.passed_over.push((reference, "EXT-X-MEDIA of a TYPE that HLS.js does not load")),
        }
    }
    // Too late for HLS.js to refuse the playlist: the reference stays as it is.
    drop(variables.take_fault());
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Variant,
    IFrames,
    Define,
    /// Tags of which only the variables matter here.
    Attributes,
    Steering,
    Start,
}

#[derive(Clone, Copy, Debug)]
struct Tag<'a> {
    at: usize,
    name: Name,
    value: &'a str,
    uri: &'a str,
    has_uri: bool,
}

const TAGS: [(&str, Name); 7] = [
    ("#EXT-X-STREAM-INF:", Name::Variant),
    ("#EXT-X-I-FRAME-STREAM-INF:", Name::IFrames),
    ("#EXT-X-SESSION-DATA:", Name::Attributes),
    ("#EXT-X-SESSION-KEY:", Name::Attributes),
    ("#EXT-X-DEFINE:", Name::Define),
    ("#EXT-X-CONTENT-STEERING:", Name::Steering),
    ("#EXT-X-START:", Name::Start),
];

/// All tags of `text` that HLS.js knows, wherever in a line they begin.
fn tags(text: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let at = from + text.get(from..)?.find("#EXT-X-")?;
            let rest = text.get(at..)?;
            let Some((name, body)) =
                TAGS.iter().find_map(|(tag, name)| Some((*name, rest.strip_prefix(tag)?)))
            else {
                from = at + 1;
                continue;
            };
            let value = body.split(['\r', '\n']).next()?;
            let after = body.get(value.len()..)?;
            from = text.len() - after.len();
            if name != Name::Variant {
                return Some(Tag { at, name, value, uri: "", has_uri: false });
            }
            let uri = next_uri(after);
            // A search that finds no URI has gone through the whole text.
            from = uri.map_or(text.len(), |(before, uri)| from + before + uri.len());
            // Without attributes there is no variant; its line is passed all the same.
            if !value.is_empty() {
                return Some(Tag {
                    at,
                    name,
                    value,
                    uri: uri.map_or("", |(_, uri)| uri),
                    has_uri: uri.is_some(),
                });
            }
        }
    })
}

/// The first line after line ends and comments, and how many bytes stand before it.
fn next_uri(text: &str) -> Option<(usize, &str)> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        if let Some(next) = rest.strip_prefix(['\r', '\n']) {
            at += 1;
            if next.starts_with('#') {
                at += next.split(['\r', '\n']).next()?.len();
            }
            continue;
        }
        let uri = rest.split(['\r', '\n']).next()?;
        return (!uri.is_empty()).then_some((at, uri));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Multivariant, String> {
        parse(text, &Url::parse("http://a.example/m.m3u8").unwrap())
    }

    fn uris(text: &str) -> Vec<(String, usize)> {
        read(text).unwrap().renditions.into_iter().map(|r| (r.uri, r.line)).collect()
    }

    #[test]
    fn variants_and_renditions_are_found_however_their_tags_are_spaced() {
        let text = "#EXTM3U\n#EXT-X-MEDIA: TYPE=AUDIO, GROUP-ID=\"a\", URI=\"a/i.m3u8\"\n\
                    #EXT-X-STREAM-INF: BANDWIDTH=1, RESOLUTION=640x360\r\n# comment\r\n\r\nv/i.m3u8\r\n";
        assert_eq!(uris(text), [("v/i.m3u8".to_owned(), 3), ("a/i.m3u8".to_owned(), 2)]);
    }

    #[test]
    fn variables_name_playlists_and_are_handed_on() {
        let text = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"v\",VALUE=\"video\"\n#EXT-X-STREAM-INF:A=1\n{$v}/i.m3u8\n";
        assert_eq!(uris(text), [("video/i.m3u8".to_owned(), 3)]);
        assert_eq!(read(text).unwrap().values.unwrap().get("v").map(String::as_str), Some("video"));
        let reason = read("#EXTM3U\n#EXT-X-STREAM-INF:A=1\n{$v}/i.m3u8\n").unwrap_err();
        assert!(reason.starts_with("line 2: "), "{reason}");
    }

    #[test]
    fn what_hls_js_does_not_play_is_kept_apart() {
        let text = "#EXTM3U\n#EXT-X-I-FRAME-STREAM-INF:URI=\"f.m3u8\"\n#EXT-X-MEDIA:TYPE=VIDEO,URI=\"w.m3u8\"\n\
                    #EXT-X-STREAM-INF:\nno.m3u8\n#EXT-X-STREAM-INF:A=1\n#EXT-X-STREAM-INF:A=2\nv.m3u8\n\
                    #EXT-X-STREAM-INF:A=3\n#end\n";
        let found = read(text).unwrap();
        assert_eq!(found.renditions, [Reference { uri: "v.m3u8".into(), line: 6 }]);
        let passed: Vec<_> = found.passed_over.iter().map(|(r, _)| (r.uri.as_str(), r.line)).collect();
        assert_eq!(passed, [("f.m3u8", 2), ("", 9), ("w.m3u8", 3)]);
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in [
            "#EXTM3U\n",
            "\n#EXTM3U\n#EXT-X-STREAM-INF:A=1\nv\n",
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"a\"\n",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(is_media("#EXTM3U\r#EXTINF:4\n") && !is_media("#EXTM3U\n #EXTINF:4\n"));
    }
}
