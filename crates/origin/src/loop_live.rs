//! A VOD directory played as an endless live stream.
//!
//! [`LoopSource`] is the directory, read and checked once: no rendition is more than half a second shorter than the
//! longest (more than a tenth is told). How many segments each has is its own matter. Segment `msn` of the stream is
//! segment `msn mod n` of the directory in round `msn / n`. The same msn therefore always has the same bytes, whoever
//! asks and whenever. How a round follows the one before it depends on the media:
//!
//! | media | in the next round |
//! |---|---|
//! | fragmented MP4, all renditions with 64-bit times, one init segment each | [moved in time](crate::retime) by the length of the longest rendition, leading tracks counted: one timeline for ever |
//! | all else: MPEG-TS, packed audio, 32-bit times, discontinuities of its own | the same bytes behind `EXT-X-DISCONTINUITY`, in all renditions |
//!
//! Segments are called `seg_<msn>` and are files of their own, unless they are byte ranges of a file that does not
//! change from round to round: such a file is served whole as `file_<n>` and named with `EXT-X-BYTERANGE`. What is moved
//! has other bytes in each round, so that byte ranges of fragmented MP4 become files of their own.
//!
//! [`LiveLoop`] is the stream: a window of complete segments and one that is open. It knows no clock and
//! no socket: [`LiveLoop::advance`] is told the time and releases and signs whatever is due by then,
//! [`LiveLoop::next_due`] says when to call again. At its start the whole window is complete at once, as if
//! the stream had been running for long.

mod entry;
mod live;
mod reading;
mod rendition;
mod source;
mod timeline;
mod view;

pub use entry::entry;
pub use live::{LiveLoop, LiveRendition, LiveSegment, LoopOptions};
pub use rendition::{LoopFile, LoopInit, LoopRendition, LoopSegment, Seam};
pub use source::{LoopSource, Multivariant};
pub use view::{master_playlist, media_playlist, rolling};
