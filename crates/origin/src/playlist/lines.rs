//! A media playlist taken apart as HLS.js does it: with a search that runs over the whole text, not line by line.
//!
//! What that means shows where a playlist is odd. A tag counts by its beginning. The blank after a title may
//! be the only thing between it and a URI. A blank before `#` makes a line a URI. A title that ends the text
//! is a URI itself.

use super::text::{digits, is_line_end, is_space, line};

/// What the search finds next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// `#EXTINF` with a number that can be read.
    Duration(&'a str),
    /// A URI.
    Uri(&'a str),
    /// Another tag, or a comment.
    Tag(&'a str),
}

/// A token and the byte at which it begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place<'a> {
    pub(super) at: usize,
    pub(super) token: Token<'a>,
}

/// All tokens of `text`, in order.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Place<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (place, end) = next(text, at)?;
        at = end;
        Some(place)
    })
}

/// The first token at or after `from`, and where the search goes on.
fn next(text: &str, from: usize) -> Option<(Place<'_>, usize)> {
    let mut at = from;
    loop {
        let rest = text.get(at..)?;
        let (token, length) = match rest.chars().next()? {
            '#' => tag_or_duration(rest),
            _ => {
                let blanks = rest.bytes().take_while(|b| *b == b' ').count();
                let after = rest.get(blanks..)?;
                match after.chars().next()? {
                    c if is_space(c) => {
                        at += blanks + c.len_utf8();
                        continue;
                    }
                    _ => {
                        let uri = after.split(['\r', '\n']).next()?;
                        (Token::Uri(uri), blanks + uri.len())
                    }
                }
            }
        };
        return Some((Place { at, token }, at + length));
    }
}

fn tag_or_duration(rest: &str) -> (Token<'_>, usize) {
    let Some(body) = rest.strip_prefix("#EXTINF:") else {
        let tag = line(rest);
        return (Token::Tag(tag), tag.len());
    };
    let number_on = body.trim_start_matches(is_space);
    let number = number_on.get(..number_length(number_on)).unwrap_or_default();
    let after = number_on.get(number.len()..).unwrap_or_default();
    let length = rest.len() - after.len() + title_length(after);
    let token = if number.is_empty() { Token::Tag(line(rest)) } else { Token::Duration(number) };
    (token, length)
}

/// Length of `\d+(\.\d*)?` or `\.\d+` at the beginning of `text`.
fn number_length(text: &str) -> usize {
    let whole = digits(text, 0);
    match (whole, text.get(whole..).is_some_and(|t| t.starts_with('.')), digits(text, whole + 1)) {
        (0, true, 0) | (0, false, _) => 0,
        (whole, true, fraction) => whole + 1 + fraction,
        (whole, false, _) => whole,
    }
}

/// Length of a comma, a title and at least one blank or line end; 0 if they do not stand at the beginning of `text`.
fn title_length(text: &str) -> usize {
    let Some(body) = text.strip_prefix(',') else { return 0 };
    let title = line(body);
    let blanks_on = body.get(title.len()..).unwrap_or_default();
    if blanks_on.starts_with(is_line_end) {
        return text.len() - blanks_on.trim_start_matches(is_space).len();
    }
    // The text ends with the title: its last blank is the end, and the word after it is a URI.
    match title.char_indices().rfind(|(_, c)| is_space(*c)) {
        Some((at, blank)) => 1 + at + blank.len_utf8(),
        None => 0,
    }
}

/// Tags with a value of any kind.
const VALUED: [&str; 14] = [
    "PROGRAM-DATE-TIME",
    "BYTERANGE",
    "DATERANGE",
    "DEFINE",
    "KEY",
    "MAP",
    "PART",
    "PART-INF",
    "PLAYLIST-TYPE",
    "PRELOAD-HINT",
    "RENDITION-REPORT",
    "SERVER-CONTROL",
    "SKIP",
    "START",
];
/// Tags with a number: its digits count, what comes after them does not.
const NUMBERED: [&str; 5] =
    ["BITRATE", "DISCONTINUITY-SEQUENCE", "MEDIA-SEQUENCE", "TARGETDURATION", "VERSION"];
/// Tags that stand alone: whatever follows the name.
const ALONE: [&str; 5] = ["DISCONTINUITY", "ENDLIST", "GAP", "INDEPENDENT-SEGMENTS", "I-FRAMES-ONLY"];

/// Name, without `#EXT-X-`, and value of a tag that HLS.js knows; the value of a numbered tag is its digits.
pub(super) fn known_tag(tag: &str) -> Option<(&str, &str)> {
    let rest = tag.strip_prefix("#EXT-X-")?;
    if let Some((name, value)) = rest.split_once(':') {
        if VALUED.contains(&name) && !value.is_empty() {
            return Some((name, value));
        }
        let number = value.trim_start_matches(' ');
        let number = number.get(..digits(number, 0)).unwrap_or_default();
        if NUMBERED.contains(&name) && !number.is_empty() {
            return Some((name, number));
        }
    }
    ALONE.into_iter().find(|name| rest.starts_with(name)).map(|name| (name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<Token<'_>> {
        tokens(text).map(|place| place.token).collect()
    }

    #[test]
    fn tags_durations_and_uris_follow_each_other() {
        assert_eq!(
            found("#EXTM3U\r\n#EXTINF:4.0,one\n  a.ts \r#EXTINF: 3.5\nb.ts"),
            [
                Token::Tag("#EXTM3U"),
                Token::Duration("4.0"),
                Token::Uri("a.ts "),
                Token::Duration("3.5"),
                Token::Uri("b.ts"),
            ]
        );
    }

    #[test]
    fn odd_lines_are_what_the_search_makes_of_them() {
        for (text, tokens) in [
            (" #EXT-X-GAP", vec![Token::Uri("#EXT-X-GAP")]),
            ("\t#EXT-X-GAP", vec![Token::Tag("#EXT-X-GAP")]),
            ("#EXTINF:4,\n  #EXT-X-GAP\n", vec![Token::Duration("4"), Token::Tag("#EXT-X-GAP")]),
            ("#EXTINF:-1,t\n", vec![Token::Tag("#EXTINF:-1,t"), Token::Uri("-1,t")]),
            ("#EXTINF:4,a title", vec![Token::Duration("4"), Token::Uri("title")]),
            ("#EXTINF:4,title", vec![Token::Duration("4"), Token::Uri(",title")]),
            ("#EXTINF:\n1.ts\n", vec![Token::Duration("1."), Token::Uri("ts")]),
            ("#EXTINF:4,a\u{2028}b\nc", vec![Token::Duration("4"), Token::Uri("b"), Token::Uri("c")]),
            ("#EXTINF:.,\na.ts", vec![Token::Tag("#EXTINF:.,"), Token::Uri(".,"), Token::Uri("a.ts")]),
        ] {
            assert_eq!(found(text), tokens, "{text:?}");
        }
    }

    #[test]
    fn a_tag_is_known_by_its_beginning() {
        for (tag, known) in [
            ("#EXT-X-MEDIA-SEQUENCE: 7.0", Some(("MEDIA-SEQUENCE", "7"))),
            ("#EXT-X-MEDIA-SEQUENCE:\t7", None),
            ("#EXT-X-DISCONTINUITY and more", Some(("DISCONTINUITY", ""))),
            ("#EXT-X-DISCONTINUITY-SEQUENCE:-1", Some(("DISCONTINUITY", ""))),
            ("#EXT-X-ENDLIST:", Some(("ENDLIST", ""))),
            ("#EXT-X-MAP:", None),
            ("#EXT-X-MAP: URI=i", Some(("MAP", " URI=i"))),
            ("#EXT-X-MAPS:x", None),
            ("#ext-x-gap", None),
        ] {
            assert_eq!(known_tag(tag), known, "{tag}");
        }
    }
}
