//! Text and numbers as JavaScript reads them, since HLS.js is written in it.

/// Decodes a playlist as browsers do: UTF-8, each bad sequence becomes U+FFFD, one byte order mark is taken off.
pub(super) fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

/// `\s` of a regular expression, and what `trim` takes off.
pub(super) fn is_space(c: char) -> bool {
    c == '\u{feff}' || c.is_whitespace() && c != '\u{85}'
}

/// What `.` of a regular expression does not match.
pub(super) fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `text` up to its first line end.
pub(super) fn line(text: &str) -> &str {
    text.split(is_line_end).next().unwrap_or_default()
}

/// `parseInt(text, 10)`, and with `hex` the `parseInt(text)` that also takes `0x`. Not a number if nothing is read.
pub(super) fn parse_int(text: &str, hex: bool) -> f64 {
    let text = text.trim_start_matches(is_space);
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixed = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).filter(|_| hex);
    let (radix, digits) = prefixed.map_or((10, text), |rest| (16, rest));
    let count = digits.bytes().take_while(|b| (*b as char).is_digit(radix)).count();
    sign * value(digits.get(..count).unwrap_or_default(), radix)
}

fn value(digits: &str, radix: u32) -> f64 {
    if radix == 10 {
        return digits.parse().unwrap_or(f64::NAN);
    }
    let add = |sum: f64, c: char| sum * f64::from(radix) + f64::from(c.to_digit(radix).unwrap_or(0));
    if digits.is_empty() { f64::NAN } else { digits.chars().fold(0.0, add) }
}

/// `parseFloat(text)`: the longest beginning that is a decimal number.
pub(super) fn parse_float(text: &str) -> f64 {
    let text = text.trim_start_matches(is_space);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = text.len() - unsigned.len();
    if unsigned.starts_with("Infinity") {
        return if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    text.get(..sign + decimal(unsigned)).and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
}

/// Length of the unsigned decimal number, exponent included, that `text` begins with.
fn decimal(text: &str) -> usize {
    let whole = digits(text, 0);
    let fraction =
        if text.get(whole..).is_some_and(|t| t.starts_with('.')) { digits(text, whole + 1) } else { 0 };
    let mantissa =
        if whole + fraction == 0 { 0 } else { whole + fraction + usize::from(after_dot(text, whole)) };
    let rest = text.get(mantissa..).unwrap_or_default();
    let Some(exponent) = rest.strip_prefix(['e', 'E']).filter(|_| mantissa > 0) else { return mantissa };
    let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    match digits(power, 0) {
        0 => mantissa,
        count => mantissa + 1 + (exponent.len() - power.len()) + count,
    }
}

fn after_dot(text: &str, whole: usize) -> bool {
    text.get(whole..).is_some_and(|rest| rest.starts_with('.'))
}

/// How many ASCII digits stand at `from`.
pub(super) fn digits(text: &str, from: usize) -> usize {
    text.get(from..).unwrap_or_default().bytes().take_while(u8::is_ascii_digit).count()
}

/// Where lines begin, to say at which line something stands.
pub(super) struct LineNumbers(Vec<usize>);

impl LineNumbers {
    pub(super) fn of(text: &str) -> Self {
        let mut starts = vec![0];
        let bytes = text.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            let in_pair = *byte == b'\r' && bytes.get(at + 1) == Some(&b'\n');
            if matches!(byte, b'\r' | b'\n') && !in_pair {
                starts.push(at + 1);
            }
        }
        Self(starts)
    }

    /// The line, from 1, of the byte at `at`.
    pub(super) fn at(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_as_far_as_they_go() {
        for (text, hex, number) in [
            ("7.0", false, 7.0),
            (" \u{a0}-12x", false, -12.0),
            ("0x1Fg", true, 31.0),
            ("0x1F", false, 0.0),
            ("+5", true, 5.0),
        ] {
            assert_eq!(parse_int(text, hex), number, "{text}");
        }
        for nothing in ["", "x", "-", "0x"] {
            assert!(parse_int(nothing, true).is_nan(), "{nothing}");
        }
    }

    #[test]
    fn decimal_numbers_are_read_as_far_as_they_go() {
        for (text, number) in [
            ("4.", 4.0),
            (".5x", 0.5),
            ("-1e2e", -100.0),
            ("1e", 1.0),
            (" 3.25,", 3.25),
            ("-Infinityx", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse_float(text), number, "{text}");
        }
        for nothing in [".", "e1", "", "NaN", "-", "inf"] {
            assert!(parse_float(nothing).is_nan(), "{nothing}");
        }
    }

    #[test]
    fn lines_end_with_cr_lf_or_both() {
        let numbers = LineNumbers::of("a\r\nb\rc\n\nd");
        let found: Vec<_> = [0, 1, 3, 5, 7, 8].map(|at| numbers.at(at)).into();
        assert_eq!(found, [1, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn bytes_are_decoded_as_a_browser_does() {
        assert_eq!(decode(b"\xef\xbb\xbf#EXTM3U caf\xe9"), "#EXTM3U caf\u{fffd}");
        assert_eq!(trim("\u{feff}\u{a0} a\u{85} \t"), "a\u{85}");
    }
}
