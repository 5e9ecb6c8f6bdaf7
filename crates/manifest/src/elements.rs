//! Where the elements of a document's `segments` lie: a recording has thousands, of which a viewer needs a few, and a
//! tree of all of them would take as much memory as the document again.

use core::ops::Range;

/// The document without its segments, each replaced by `0`, and where they were.
pub(crate) struct Apart {
    pub(crate) frame: Vec<u8>,
    pub(crate) elements: Vec<Range<usize>>,
}

/// Takes a document apart. What is no JSON, or has its segments elsewhere than in a member of the document of that
/// very name, is left as it is: whoever reads the frame judges it.
pub(crate) fn take_apart(json: &[u8]) -> Apart {
    let mut scan = Scan { json, at: 0, depth: 0, key: 0..0, inside: false };
    let (mut frame, mut elements, mut copied) = (Vec::new(), Vec::new(), 0);
    while let Some(element) = scan.next_element() {
        frame.extend_from_slice(json.get(copied..element.start).unwrap_or_default());
        frame.push(b'0');
        copied = element.end;
        elements.push(element);
    }
    frame.extend_from_slice(json.get(copied..).unwrap_or_default());
    Apart { frame, elements }
}

struct Scan<'a> {
    json: &'a [u8],
    at: usize,
    depth: u32,
    /// The last text of the document itself.
    key: Range<usize>,
    /// Within the array of segments.
    inside: bool,
}

impl Scan<'_> {
    /// The next object in the array of segments.
    fn next_element(&mut self) -> Option<Range<usize>> {
        let mut start = None;
        while let Some(byte) = self.json.get(self.at).copied() {
            match byte {
                b'"' => self.text(),
                b'{' | b'[' => {
                    if self.inside && self.depth == 2 && byte == b'{' {
                        start = Some(self.at);
                    }
                    let named = self.json.get(self.key.clone()) == Some(b"\"segments\"");
                    self.inside |= self.depth == 1 && byte == b'[' && named;
                    self.depth += 1;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.inside &= self.depth >= 2;
                }
                _ => {}
            }
            self.at += 1;
            if let Some(start) = start.filter(|_| self.depth == 2) {
                return Some(start..self.at);
            }
        }
        None
    }

    /// To the end of a text: at its last quote.
    fn text(&mut self) {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.json.get(self.at).copied() {
            match byte {
                b'\\' => self.at += 1,
                b'"' => break,
                _ => {}
            }
            self.at += 1;
        }
        if self.depth == 1 {
            self.key = start..self.at.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(json: &str) -> (String, Vec<&str>) {
        let Apart { frame, elements } = take_apart(json.as_bytes());
        (String::from_utf8(frame).unwrap(), elements.into_iter().map(|range| &json[range]).collect())
    }

    #[test]
    fn only_the_document_s_own_segments_are_taken_out() {
        let json = r#"{"init":[{"segments":[{"a":1}]}],"segments": [ {"a":"]}\""} ,{"b":[{}]}, 7],"x":{"segments":[{}]}}"#;
        let (frame, elements) = apart(json);
        assert_eq!(elements, [r#"{"a":"]}\""}"#, r#"{"b":[{}]}"#]);
        assert_eq!(
            frame,
            r#"{"init":[{"segments":[{"a":1}]}],"segments": [ 0 ,0, 7],"x":{"segments":[{}]}}"#
        );
    }

    #[test]
    fn what_is_no_document_stays_as_it_is() {
        for json in [
            "",
            "[",
            "\"",
            r#"{"segments":{"a":{}}}"#,
            r#"[{"segments":[]}]"#,
            r#"{"segments":["#,
            "}}]{",
            r#"{"a\"#,
        ] {
            assert_eq!(apart(json), (json.to_owned(), vec![]), "{json}");
        }
        // An element without an end is none.
        assert_eq!(apart(r#"{"segments":[{"a":1},{"b""#).0, r#"{"segments":[0,{"b""#);
    }
}
