//! Finds where the fragments of a segment end, on bytes that are still arriving.
//!
//! A CMAF segment (ISO/IEC 23000-19) is a run of ISO-BMFF boxes (ISO/IEC 14496-12). Every `mdat` ends a
//! fragment; whatever stood before its `moof` (`styp`, `sidx`, `emsg`, `prft`, `free`) belongs to it,
//! and boxes after the last `mdat` make a fragment of their own. The [`Splitter`] takes bytes in any
//! portions and names each [`Fragment`] as soon as its last byte went by. It looks at box headers and,
//! for the sync flag of the first sample, into `moof`; media bytes pass unread and are never kept.
//!
//! Anything else (MPEG-TS, packed audio, WebVTT, encrypted segments, damaged files) is cut into *tiles*
//! of fixed size, so that every byte of every segment lies in exactly one fragment. When a segment
//! turns out to be no CMAF only after some of its fragments were named, the rest of it is tiled.
//!
//! The cuts depend on the bytes alone, never on the portions in which they came.
//!
//! Only signers need this: at a viewer the signed list says where the cuts are.

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod header;
mod moof;
mod splitter;

pub use splitter::{Fragment, Limits, NotCmaf, SplitError, Splitter, TILE_BYTES, TS_TILE_BYTES, Verdict};
