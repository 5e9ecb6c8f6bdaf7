//! Where a whole segment is cut, as records will say it.

use meshedflow_cmaf::{Fragment, Limits, SplitError, Splitter, Verdict};
use meshedflow_manifest::{FLAG_INDEPENDENT, Kind};

/// One piece of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// First byte, from the segment's start.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
    /// Record flags of `meshedflow_manifest`.
    pub flags: u32,
}

impl Cut {
    /// First byte after it, from the segment's start.
    pub fn end(&self) -> usize {
        self.offset as usize + self.length as usize
    }

    /// Its bytes, if `segment` is the segment that was cut.
    pub fn of<'a>(&self, segment: &'a [u8]) -> &'a [u8] {
        segment.get(self.offset as usize..self.end()).unwrap_or_default()
    }
}

/// Cuts a segment: after each `mdat` if it is CMAF, into tiles otherwise.
pub fn cut(segment: &[u8]) -> Result<(Kind, Vec<Cut>), SplitError> {
    let mut splitter = Splitter::new(Limits::default());
    let mut fragments = splitter.push(segment)?;
    let (last, verdict) = splitter.finish()?;
    fragments.extend(last);
    let kind = match verdict {
        Verdict::Cmaf => Kind::Cmaf,
        Verdict::Opaque(_) => Kind::Opaque,
    };
    Ok((kind, fragments.into_iter().map(record).collect()))
}

/// The one piece of an init segment; `None` if it is longer than a record can be.
pub fn whole(bytes: &[u8]) -> Option<Cut> {
    u32::try_from(bytes.len()).ok().map(|length| Cut { offset: 0, length, flags: 0 })
}

fn record(f: Fragment) -> Cut {
    Cut { offset: f.offset, length: f.length, flags: if f.independent { FLAG_INDEPENDENT } else { 0 } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_segments_have_eight_fragments_that_cover_them() {
        for rendition in ["v360", "v216", "a64"] {
            let bytes = std::fs::read(crate::testing::media().join(rendition).join("seg_2.m4s")).unwrap();
            let (kind, cuts) = cut(&bytes).unwrap();
            assert_eq!((kind, cuts.len()), (Kind::Cmaf, 8));
            assert_eq!(cuts.last().unwrap().end(), bytes.len());
            assert_eq!(cuts[0].flags, FLAG_INDEPENDENT);
            assert_eq!(cuts[0].of(&bytes).len(), cuts[0].length as usize);
        }
    }

    #[test]
    fn other_bytes_are_tiled() {
        let (kind, cuts) = cut(&[0x47; 200_000]).unwrap();
        assert_eq!((kind, cuts.len()), (Kind::Opaque, 4));
    }
}
