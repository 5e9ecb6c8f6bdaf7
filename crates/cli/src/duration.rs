//! Spans of time as people write them: `365d`, `12h`, `90m`.

/// Seconds in each unit.
const UNITS: [(char, u64); 5] = [('s', 1), ('m', 60), ('h', 3600), ('d', 24 * 3600), ('w', 7 * 24 * 3600)];
/// Longest span: ten years and a few days.
const MOST_S: u64 = 3660 * 24 * 3600;
const EXPECTED: &str = "expected a whole number and a unit (s, m, h, d or w), such as 365d or 12h";

/// Reads a span as seconds, for clap.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(*unit));
    let Some((unit, seconds)) = unit else {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        return Err(if plain { format!("no unit; {EXPECTED}") } else { EXPECTED.to_owned() });
    };
    let count = text.strip_suffix(*unit).unwrap_or_default();
    if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
        return Err(EXPECTED.to_owned());
    }
    // Digits alone: what cannot be counted is too long.
    match count.parse::<u64>().ok().and_then(|count| count.checked_mul(*seconds)) {
        Some(0) => Err("no time at all; expected 1s or more".to_owned()),
        Some(span) if span <= MOST_S => Ok(span),
        _ => Err("too long; expected 3660d or less".to_owned()),
    }
}

/// A span in words: the largest unit that fits twice.
pub(crate) fn in_words(seconds: u64) -> String {
    let (count, name) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3600, "hour"),
        _ => (seconds / (24 * 3600), "day"),
    };
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_span() {
        for (text, seconds) in [
            ("1s", 1),
            ("90m", 5_400),
            ("12h", 43_200),
            ("365d", 31_536_000),
            ("52w", 31_449_600),
            ("3660d", MOST_S),
        ] {
            assert_eq!(parse(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn anything_else_says_what_was_expected() {
        for (text, word) in [
            ("", "365d"),
            ("365", "no unit"),
            ("d", "365d"),
            ("1y", "s, m, h, d or w"),
            ("-1d", "365d"),
            ("1.5h", "365d"),
            ("1d12h", "365d"),
            (" 1d", "365d"),
            ("1 d", "365d"),
            ("0s", "no time at all"),
            ("3661d", "too long"),
            ("99999999999999999999d", "too long"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(word) && error.contains("expected"), "{text:?}: {error}");
        }
    }

    #[test]
    fn spans_are_told_in_the_unit_that_fits() {
        for (seconds, words) in [
            (1, "1 second"),
            (119, "119 seconds"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (31_536_000, "365 days"),
        ] {
            assert_eq!(in_words(seconds), words);
        }
    }
}
