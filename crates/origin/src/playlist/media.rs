//! Media playlists, read as HLS.js reads them: same numbers, same names, same ranges, same refusals.
//!
//! HLS.js fills in one segment while tags pass by, and puts it into the playlist at its URI. An `EXT-X-MAP` before the
//! duration takes over the segment that was being filled in, with what was known of it, and a new one is begun.

use std::rc::Rc;

use url::Url;

use super::attributes::Attributes;
use super::lines::{Place, Token, known_tag, tokens};
use super::text::{LineNumbers, parse_float, parse_int};
use super::variables::{Values, Variables};
use super::{ByteRange, Encrypted, LeftOut, MediaPlaylist, Resource, Segment};
use crate::remarks::Kind;

const NO_FIRST_LINE: &str = "expected a first line of #EXTM3U and nothing else";
/// Largest whole number that JavaScript counts with.
const LARGEST: u64 = (1 << 53) - 1;
/// What HLS.js takes for the tables at the beginning of a transport stream, in bytes.
const TABLES_BYTES: f64 = 7.0 * 188.0;

/// Reads the media playlist `text` that was loaded from `url`; `imported` are the multivariant playlist's variables.
pub(super) fn parse(text: &str, url: &Url, imported: Option<&Values>) -> Result<MediaPlaylist, String> {
    if !text.starts_with("#EXTM3U") {
        return Err(format!("line 1: {NO_FIRST_LINE}"));
    }
    let lines = LineNumbers::of(text);
    let mut reading = Reading::new(text, url, imported);
    for (index, place) in tokens(text).enumerate() {
        let fault = if index == 0 && place.token != Token::Tag("#EXTM3U") {
            Err(NO_FIRST_LINE.to_owned())
        } else {
            reading.token(&place, &lines)
        };
        fault.map_err(|reason| format!("line {}: {reason}", lines.at(place.at)))?;
    }
    reading.finish(text, &lines)
}

/// First byte and the byte after the last, as far as they are numbers.
type Range = (f64, f64);

/// The segment that is being filled in.
#[derive(Debug, Default)]
struct Filling {
    duration: f64,
    range: Option<Range>,
    init: Option<Rc<Init>>,
    gap: bool,
}

/// An init segment: where it comes from, and the discontinuity in which it was named.
#[derive(Debug)]
struct Init {
    uri: Option<String>,
    range: Option<Range>,
    dsn: u64,
}

/// A segment of the playlist.
#[derive(Debug)]
struct Named {
    filled: Filling,
    msn: u64,
    dsn: u64,
    uri: String,
    line: usize,
}

struct Reading<'a> {
    url: &'a Url,
    imported: Option<&'a Values>,
    variables: Variables,
    filling: Filling,
    begin_next: bool,
    init: Option<Rc<Init>>,
    /// The range in force when an `EXT-X-MAP` took the segment over.
    range_for_next: Option<Range>,
    segments: Vec<Named>,
    next_msn: u64,
    first_msn: u64,
    skipped: u64,
    dsn: u64,
    first_dsn: u64,
    target_duration_s: u32,
    ended: bool,
    /// `METHOD` of the `EXT-X-KEY` in force.
    method: Option<String>,
    encrypted: Option<Encrypted>,
    i_frames_only: bool,
    part_target_s: f64,
    /// Tags that may come once, and have come.
    once: Vec<&'static str>,
}

impl<'a> Reading<'a> {
    fn new(text: &str, url: &'a Url, imported: Option<&'a Values>) -> Self {
        Self {
            url,
            imported,
            variables: Variables::of(text),
            filling: Filling::default(),
            begin_next: false,
            init: None,
            range_for_next: None,
            segments: Vec::new(),
            next_msn: 0,
            first_msn: 0,
            skipped: 0,
            dsn: 0,
            first_dsn: 0,
            target_duration_s: 0,
            ended: false,
            method: None,
            encrypted: None,
            i_frames_only: false,
            part_target_s: 0.0,
            once: Vec::new(),
        }
    }

    fn token(&mut self, place: &Place<'_>, lines: &LineNumbers) -> Result<(), String> {
        if std::mem::take(&mut self.begin_next) {
            self.begin();
        }
        match place.token {
            Token::Duration(number) => self.filling.duration = parse_float(number),
            Token::Uri(uri) => self.uri(uri, lines.at(place.at))?,
            Token::Tag(tag) => {
                if let Some((name, value)) = known_tag(tag) {
                    self.tag(name, value)?
                }
            }
        }
        self.variables.take_fault().map_or(Ok(()), Err)
    }

    /// Begins a new segment under the init segment in force.
    fn begin(&mut self) {
        self.filling = Filling { init: self.init.clone(), ..Filling::default() };
        if self.init.is_some() {
            self.filling.range = self.range_for_next.take();
        }
    }

    fn uri(&mut self, uri: &str, line: usize) -> Result<(), String> {
        if !self.filling.duration.is_finite() {
            return Ok(());
        }
        let uri = self.variables.substitute(uri).into_owned();
        let mut filled = std::mem::take(&mut self.filling);
        if let Some(init) = self.made_up_init(&filled, &uri) {
            self.init = Some(Rc::clone(&init));
            filled.init = Some(init);
        }
        let msn = self.next_msn;
        if msn > LARGEST {
            return Err(format!("segment {msn}; expected media sequence numbers up to {LARGEST}"));
        }
        if let Some(method) = self.method.clone().filter(|_| self.encrypted.is_none()) {
            self.encrypted = Some(Encrypted { method, line });
        }
        self.segments.push(Named { filled, msn, dsn: self.dsn, uri, line });
        self.next_msn += 1;
        self.begin_next = true;
        Ok(())
    }

    /// I-frames in a transport stream need the tables at its beginning, which such playlists often do not name.
    fn made_up_init(&self, filled: &Filling, uri: &str) -> Option<Rc<Init>> {
        let (start, _) =
            filled.range.filter(|(start, _)| self.i_frames_only && *start != 0.0 && !start.is_nan())?;
        if self.init.as_ref().is_some_and(|init| init.dsn == self.dsn) {
            return None;
        }
        let range = Some((0.0, start.min(TABLES_BYTES)));
        Some(Rc::new(Init { uri: Some(uri.to_owned()), range, dsn: 0 }))
    }

    fn tag(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "BYTERANGE" => {
                let before = self.segments.last().and_then(|named| named.filled.range);
                self.filling.range = Some(range(value, before));
            }
            "MAP" => self.map(value),
            "GAP" => self.filling.gap = true,
            "DISCONTINUITY" => self.dsn += 1,
            "MEDIA-SEQUENCE" => self.media_sequence(value)?,
            "DISCONTINUITY-SEQUENCE" => self.discontinuity_sequence(value)?,
            "SKIP" => self.skip(value)?,
            "TARGETDURATION" => self.target_duration(value)?,
            "ENDLIST" => {
                self.once("EXT-X-ENDLIST")?;
                self.ended = true;
            }
            "I-FRAMES-ONLY" => self.i_frames_only = true,
            "DEFINE" => self.define(value),
            "PART" => self.part(value),
            "PART-INF" => self.part_target(value)?,
            "VERSION" => self.once("EXT-X-VERSION")?,
            "PLAYLIST-TYPE" => self.once("EXT-X-PLAYLIST-TYPE")?,
            "SERVER-CONTROL" => self.once("EXT-X-SERVER-CONTROL")?,
            "KEY" => {
                let method = self.attributes(value).get("METHOD").unwrap_or_default().to_owned();
                self.method = Some(method).filter(|method| method != "NONE");
            }
            // Nothing here matters but that their variables have values.
            "DATERANGE" | "PRELOAD-HINT" | "RENDITION-REPORT" => drop(self.attributes(value)),
            _ => {}
        }
        Ok(())
    }

    fn attributes(&mut self, list: &str) -> Attributes {
        Attributes::of(list, Some(&mut self.variables))
    }

    fn once(&mut self, tag: &'static str) -> Result<(), String> {
        if self.once.contains(&tag) {
            return Err(twice(tag));
        }
        self.once.push(tag);
        Ok(())
    }

    fn map(&mut self, value: &str) {
        let attributes = self.attributes(value);
        let uri = attributes.get("URI").map(str::to_owned);
        let own = attributes.filled("BYTERANGE").map(|text| range(text, None));
        let dsn = self.dsn;
        if self.filling.duration != 0.0 && !self.filling.duration.is_nan() {
            let init = Rc::new(Init { uri, range: own, dsn });
            self.init = Some(Rc::clone(&init));
            self.filling.init = Some(init);
            return;
        }
        let taken_over = self.filling.range;
        self.range_for_next = taken_over.filter(|(_, end)| *end != 0.0 && !end.is_nan());
        self.init = Some(Rc::new(Init { uri, range: own.or(taken_over), dsn }));
        self.begin_next = true;
    }

    fn media_sequence(&mut self, digits: &str) -> Result<(), String> {
        if self.first_msn != 0 {
            return Err(twice("EXT-X-MEDIA-SEQUENCE"));
        }
        if !self.segments.is_empty() {
            return Err("EXT-X-MEDIA-SEQUENCE after a segment; expected it before the first".into());
        }
        self.first_msn = whole(digits, LARGEST, "EXT-X-MEDIA-SEQUENCE")?;
        self.next_msn = self.first_msn + self.skipped;
        Ok(())
    }

    /// Wherever it stands, it says the number of all segments before it.
    fn discontinuity_sequence(&mut self, digits: &str) -> Result<(), String> {
        if self.first_dsn != 0 {
            return Err(twice("EXT-X-DISCONTINUITY-SEQUENCE"));
        }
        self.first_dsn = whole(digits, u32::MAX.into(), "EXT-X-DISCONTINUITY-SEQUENCE")?;
        self.dsn = self.first_dsn;
        self.segments.iter_mut().for_each(|named| named.dsn = self.first_dsn);
        Ok(())
    }

    fn skip(&mut self, value: &str) -> Result<(), String> {
        if self.skipped != 0 {
            return Err(twice("EXT-X-SKIP"));
        }
        let attributes = self.attributes(value);
        let count = attributes.get("SKIPPED-SEGMENTS").map_or(f64::NAN, |text| parse_int(text, false));
        if count.is_nan() || count > LARGEST as f64 {
            return Ok(());
        }
        if !(0.0..=f64::from(u32::MAX)).contains(&count) {
            return Err(format!("EXT-X-SKIP of {count} segments; expected up to {}", u32::MAX));
        }
        self.skipped = count as u64;
        self.next_msn += self.skipped;
        Ok(())
    }

    fn target_duration(&mut self, digits: &str) -> Result<(), String> {
        if self.target_duration_s != 0 {
            return Err(twice("EXT-X-TARGETDURATION"));
        }
        self.target_duration_s = digits.parse().unwrap_or(u32::MAX).max(1);
        Ok(())
    }

    fn define(&mut self, value: &str) {
        let attributes = self.attributes(value);
        match attributes.get("IMPORT") {
            Some(name) => self.variables.import(name, self.imported),
            None => self.variables.define(&attributes, self.url),
        }
    }

    /// Parts say how long a segment is until its own duration does.
    fn part(&mut self, value: &str) {
        let attributes = self.attributes(value);
        self.filling.duration += attributes.get("DURATION").map_or(f64::NAN, parse_float);
    }

    fn part_target(&mut self, value: &str) -> Result<(), String> {
        if self.part_target_s != 0.0 && !self.part_target_s.is_nan() {
            return Err(twice("EXT-X-PART-INF"));
        }
        let attributes = Attributes::of(value, None);
        self.part_target_s = attributes.get("PART-TARGET").map_or(f64::NAN, parse_float);
        Ok(())
    }

    fn finish(mut self, text: &str, lines: &LineNumbers) -> Result<MediaPlaylist, String> {
        // A last URI that variables made empty is none.
        if self.segments.last().is_some_and(|named| named.uri.is_empty()) {
            self.segments.pop();
        }
        if self.target_duration_s == 0 {
            return Err(no_target_duration(text, lines));
        }
        if self.segments.is_empty() {
            return Err("no segment; expected at least one EXTINF with a URI".into());
        }
        Ok(MediaPlaylist {
            target_duration_s: self.target_duration_s,
            media_sequence: self.first_msn,
            ended: self.ended,
            encrypted: self.encrypted,
            segments: self.segments.into_iter().map(Segment::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<Named> for Segment {
    type Error = String;

    fn try_from(named: Named) -> Result<Self, String> {
        let Named { filled, msn, dsn, uri, line } = named;
        let dsn = u32::try_from(dsn)
            .map_err(|_| format!("line {line}: discontinuity {dsn}; expected at most {}", u32::MAX))?;
        let left_out = why_left_out(&filled, &uri);
        let init = filled.init.map(|init| Resource {
            uri: init.uri.clone().unwrap_or_default(),
            range: init.range.and_then(bytes),
        });
        let range = filled.range.and_then(bytes);
        Ok(Self { msn, dsn, uri, duration_s: filled.duration, range, init, line, left_out })
    }
}

/// Reasons that stand in the playlist itself.
fn why_left_out(filled: &Filling, uri: &str) -> Option<LeftOut> {
    let init = filled.init.as_deref();
    let init_range = init.and_then(|init| init.range).filter(|range| bytes(*range).is_none());
    let range = filled.range.filter(|range| bytes(*range).is_none());
    let (kind, what) = if filled.gap {
        (Kind::Gap, format!("{uri:?}"))
    } else if uri.is_empty() {
        (Kind::NoFile, "variables make its URI empty".into())
    } else if init.is_some_and(|init| init.uri.as_ref().is_none_or(String::is_empty)) {
        (Kind::NoFile, "its EXT-X-MAP has no URI".into())
    } else if let Some((start, end)) = range.or(init_range) {
        (Kind::Range, format!("bytes {start} to {end} of {uri:?} or of its init segment"))
    } else {
        return None;
    };
    Some(LeftOut { kind, what })
}

/// The range as a player asks for it; `None` if it cannot.
fn bytes((start, end): Range) -> Option<ByteRange> {
    let can_be_asked_for = start >= 0.0 && end > start && end <= LARGEST as f64;
    can_be_asked_for.then_some(ByteRange { offset: start as u64, length: (end - start) as u64 })
}

/// `length@offset`; without offset it begins where the range of the segment before ended, whatever file that is of.
fn range(text: &str, before: Option<Range>) -> Range {
    let mut parts = text.split('@');
    let length = parse_int(parts.next().unwrap_or_default(), true);
    let start = match parts.next() {
        Some(offset) => parse_int(offset, true),
        None => before.map(|(_, end)| end).filter(|end| !end.is_nan()).unwrap_or(0.0),
    };
    (start, length + start)
}

fn whole(digits: &str, largest: u64, tag: &str) -> Result<u64, String> {
    digits
        .parse()
        .ok()
        .filter(|number| *number <= largest)
        .ok_or_else(|| format!("{tag} of {digits}; expected at most {largest}"))
}

fn twice(tag: &str) -> String {
    format!("{tag} for the second time; expected it once")
}

fn no_target_duration(text: &str, lines: &LineNumbers) -> String {
    match text.find("#EXT-X-TARGETDURATION") {
        Some(at) => {
            format!("line {}: #EXT-X-TARGETDURATION without a number; expected seconds", lines.at(at))
        }
        None => "no #EXT-X-TARGETDURATION; expected a media playlist with one".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> Url {
        Url::parse("http://a.example/v/i.m3u8").unwrap()
    }

    fn media(text: &str) -> MediaPlaylist {
        read(text).unwrap()
    }

    fn read(body: &str) -> Result<MediaPlaylist, String> {
        parse(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{body}"), &url(), None)
    }

    fn numbers(list: &MediaPlaylist) -> Vec<(u64, u32, &str)> {
        list.segments.iter().map(|s| (s.msn, s.dsn, s.uri.as_str())).collect()
    }

    fn ranges(list: &MediaPlaylist) -> Vec<Option<(u64, u64)>> {
        list.segments.iter().map(|s| s.range.map(|r| (r.offset, r.length))).collect()
    }

    #[test]
    fn segments_are_numbered_and_counted_across_discontinuities() {
        let list = media(
            "#EXT-X-MEDIA-SEQUENCE: 7.0\n#EXT-X-DISCONTINUITY-SEQUENCE: 2\n#EXT-X-MAP:URI=i.mp4\n#EXTINF: 4.0,\n\
             a.m4s\n#EXT-X-DISCONTINUITY \nb.m4s\n#EXT-X-ENDLIST \r",
        );
        assert_eq!(numbers(&list), [(7, 2, "a.m4s"), (8, 3, "b.m4s")]);
        assert_eq!((list.segments[0].duration_s, list.segments[1].duration_s), (4.0, 0.0));
        assert_eq!(list.segments[1].init, Some(Resource { uri: "i.mp4".into(), range: None }));
        assert!(list.ended);
        assert_eq!(
            numbers(&media("#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\na\n")),
            [(13, 0, "a")]
        );
        assert_eq!(
            numbers(&media("#EXT-X-DISCONTINUITY\na\n#EXT-X-DISCONTINUITY-SEQUENCE:5\nb\n")),
            [(0, 5, "a"), (1, 5, "b")]
        );
    }

    #[test]
    fn byte_ranges_continue_where_the_last_one_ended() {
        let list = media("#EXT-X-BYTERANGE:30\na\n#EXT-X-BYTERANGE: 0x10 \nb\nc\n#EXT-X-BYTERANGE:5\nd\n");
        assert_eq!(ranges(&list), [Some((0, 30)), Some((30, 16)), None, Some((0, 5))]);
        let odd = media("#EXT-X-BYTERANGE:x@1\na\n#EXT-X-BYTERANGE:5@-2\nb\n#EXT-X-BYTERANGE:0@4\nc\n");
        let kinds: Vec<_> = odd.segments.iter().map(|s| s.left_out.as_ref().map(|why| why.kind)).collect();
        assert_eq!(kinds, [Some(Kind::Range); 3]);
    }

    #[test]
    fn a_map_before_the_duration_takes_the_segment_over() {
        let list = media("#EXT-X-GAP\n#EXT-X-BYTERANGE:10@5\n#EXT-X-MAP:URI=\"i\"\n#EXTINF:4,\na\n");
        let segment = &list.segments[0];
        assert_eq!(ranges(&list), [Some((5, 10))]);
        assert_eq!(segment.init.as_ref().unwrap().range, Some(ByteRange { offset: 5, length: 10 }));
        assert_eq!(segment.left_out, None);
        let list = media("#EXTINF:4,\n#EXT-X-GAP\n#EXT-X-MAP:URI=\"i\", BYTERANGE=10\na\nb\n");
        assert_eq!(list.segments[0].left_out.as_ref().unwrap().kind, Kind::Gap);
        assert_eq!(list.segments[1].init.as_ref().unwrap().range, Some(ByteRange { offset: 0, length: 10 }));
    }

    #[test]
    fn encryption_is_told_where_it_begins() {
        let list = media("#EXT-X-KEY:METHOD=NONE\na\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\nb\nc\n");
        assert_eq!(list.encrypted, Some(Encrypted { method: "AES-128".into(), line: 6 }));
        let list = media("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-KEY:METHOD=NONE\na\n");
        assert_eq!(list.encrypted, None);
        assert_eq!(media("#EXT-X-KEY:URI=\"k\"\na\n").encrypted.unwrap().method, "");
    }

    #[test]
    fn variables_name_the_files() {
        let list = media("#EXT-X-DEFINE:NAME=\"d\",VALUE=\"seg\"\n#EXT-X-MAP:URI=\"{$d}.mp4\"\n{$d}/a.ts\n");
        assert_eq!(list.segments[0].uri, "seg/a.ts");
        assert_eq!(list.segments[0].init.as_ref().unwrap().uri, "seg.mp4");
        let reason = read("a.ts\n{$d}/b.ts\n").unwrap_err();
        assert!(reason.starts_with("line 4: ") && reason.contains("\"d\""), "{reason}");
    }

    #[test]
    fn what_hls_js_refuses_is_refused_with_its_line() {
        for (body, expected) in [
            (
                "#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MEDIA-SEQUENCE:7\na\n",
                "line 4: EXT-X-MEDIA-SEQUENCE for the second",
            ),
            ("a\n#EXT-X-MEDIA-SEQUENCE:7\n", "line 4: EXT-X-MEDIA-SEQUENCE after"),
            ("a\n#EXT-X-ENDLIST\n#EXT-X-ENDLIST\n", "line 5: EXT-X-ENDLIST for the second"),
            ("#EXT-X-TARGETDURATION:4\na\n", "line 3: EXT-X-TARGETDURATION for the second"),
            (
                "#EXT-X-MEDIA-SEQUENCE:9007199254740992\na\n",
                "line 3: EXT-X-MEDIA-SEQUENCE of 9007199254740992",
            ),
            ("#EXT-X-SKIP:SKIPPED-SEGMENTS=-1\na\n", "line 3: EXT-X-SKIP of -1"),
            ("#EXT-X-ENDLIST\n", "no segment"),
        ] {
            let reason = read(body).unwrap_err();
            assert!(reason.contains(expected), "{body:?}: {reason}");
        }
        for (text, expected) in [
            ("hello", "line 1: expected a first line of #EXTM3U"),
            ("#EXTM3U \na\n", "line 1: expected a first line of #EXTM3U"),
            ("\n#EXTM3U\na\n", "line 1: expected a first line of #EXTM3U"),
            ("#EXTM3U\na\n", "no #EXT-X-TARGETDURATION"),
            ("#EXTM3U\na\n#EXT-X-TARGETDURATION:x\n", "line 3: #EXT-X-TARGETDURATION without a number"),
        ] {
            let reason = parse(text, &url(), None).unwrap_err();
            assert!(reason.contains(expected), "{text:?}: {reason}");
        }
    }
}
