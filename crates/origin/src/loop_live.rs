//! A VOD directory played as an endless live stream.
//!
//! [`LoopSource`] is the directory, read and checked once: every rendition must be CMAF, have the same number
//! of segments and last exactly as long as the others, or they would drift apart round by round. Segment
//! `msn` of the stream is segment `msn mod n` of the directory, moved `msn / n` rounds ahead in time. The same
//! msn therefore always has the same bytes, whoever asks and whenever.
//!
//! [`LiveLoop`] is the stream: a window of complete segments and one that is open. It knows no clock and
//! no socket: [`LiveLoop::advance`] is told the time and releases and signs whatever is due by then,
//! [`LiveLoop::next_due`] says when to call again. At its start the whole window is complete at once, as if
//! the stream had been running for long.

mod live;
mod source;
mod view;

pub use live::{LiveLoop, LiveRendition, LiveSegment, LoopOptions};
pub use source::{LoopRendition, LoopSegment, LoopSource};
pub use view::{master_playlist, media_playlist, rolling};
