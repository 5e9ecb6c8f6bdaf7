//! What a signer says about media that it could not sign, or signed with a doubt: one line for each kind.

use std::collections::BTreeMap;
use std::fmt;

/// Kinds of remarks, in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A rendition has no index.
    Rendition,
    /// A playlist of a kind that viewers do not share.
    PassedOver,
    /// `EXT-X-GAP` marks the segment: no player asks for it.
    Gap,
    /// The segment or its init segment is not in this directory.
    Elsewhere,
    /// No file of this directory can be what the URI names.
    NoFile,
    /// The byte range is none that a player could ask for.
    Range,
    /// The file, or the range of it, has no bytes.
    Empty,
    /// Signed, though the file ends within a box or a packet.
    CutOff,
    /// Signed, though the same bytes have another name in another rendition.
    OtherName,
    /// Of a loop: the rendition ends before the longest one does.
    Shorter,
}

impl Kind {
    /// Is the segment that the remark is about in no list?
    pub fn leaves_out(self) -> bool {
        !matches!(self, Self::Rendition | Self::PassedOver | Self::CutOff | Self::OtherName | Self::Shorter)
    }

    /// The reason in words, before which place and before what stands there.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::Rendition => "rendition left out",
            Self::PassedOver => "not signed, as no viewer shares it",
            Self::Gap => "segment left out: a gap (EXT-X-GAP), which players skip",
            Self::Elsewhere => "segment left out: not in this directory",
            Self::NoFile => "segment left out: names no file",
            Self::Range => "segment left out: not a byte range",
            Self::Empty => "segment left out: empty",
            Self::CutOff => "segment signed as it is, though it seems cut off",
            Self::OtherName => "segment signed again under another name; viewers of the two do not share it",
            Self::Shorter => "looped with a gap, where players may stand still for a moment in each round",
        }
    }
}

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Its kind.
    pub kind: Kind,
    /// Which playlist and line, or which file.
    pub place: String,
    /// What stands there, and what was expected.
    pub what: String,
}

/// All that is to be said, by kind: the first remark, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks(BTreeMap<Kind, (Remark, usize)>);

impl Remarks {
    /// Adds a remark; of each kind the first is kept whole.
    pub fn add(&mut self, remark: Remark) {
        self.0.entry(remark.kind).or_insert((remark, 0)).1 += 1;
    }

    /// How many remarks there are of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.0.get(&kind).map_or(0, |(_, count)| *count)
    }

    /// How many segments are in no list.
    pub fn left_out(&self) -> usize {
        self.0.iter().filter(|(kind, _)| kind.leaves_out()).map(|(_, (_, count))| count).sum()
    }

    /// One line for each kind.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.0.values().map(|(first, count)| Line { first, count: *count }.to_string())
    }
}

struct Line<'a> {
    first: &'a Remark,
    count: usize,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Remark { kind, place, what } = self.first;
        write!(f, "{}: {place}: {what}", kind.says())?;
        match self.count {
            1 => Ok(()),
            count => write!(f, " (and {} more)", count - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_one_line_with_its_first_place_and_how_many_more() {
        let mut remarks = Remarks::default();
        for (kind, line) in [(Kind::Empty, 9), (Kind::Gap, 4), (Kind::Gap, 7), (Kind::CutOff, 2)] {
            remarks.add(Remark { kind, place: format!("v.m3u8 line {line}"), what: "\"a.ts\"".into() });
        }
        let lines: Vec<_> = remarks.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("EXT-X-GAP") && lines[0].ends_with("v.m3u8 line 4: \"a.ts\" (and 1 more)"));
        assert!(lines[1].ends_with("empty: v.m3u8 line 9: \"a.ts\""), "{}", lines[1]);
        assert_eq!((remarks.left_out(), remarks.count(Kind::CutOff)), (3, 1));
    }
}
