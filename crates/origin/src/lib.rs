//! The origin's side of the mesh: it signs media fragment by fragment and publishes the lists.
//!
//! A viewer may only pass on bytes that the origin vouched for, so somebody at the origin has to cut every
//! segment where a viewer may relay it, hash each piece, and sign the list of pieces as it grows. That is
//! this crate. Two ways of doing it stand here:
//!
//! * [`directory`]: a finished VOD directory. Every playlist is read, every segment cut and signed, and only
//!   when all of it went well are the sidecars (`<segment>.mfi`), the indexes (`<rendition>.mfi.json`) and
//!   `keys.json` renamed into place.
//! * [`loop_live`]: a finished presentation, MP4 or not, played as an endless live stream for demos and tests. Each round
//!   is [retimed](retime) so that a player sees one continuous timeline, or begins with a discontinuity; each fragment is
//!   signed at the moment it would have left an encoder.
//!
//! Whatever the input, signing goes through one [`Desk`]: it holds the key, the stream's name and the
//! [epoch], and refuses to sign two digests for one media sequence number and resource. [`cut`] finds
//! the pieces, [`keys`] keeps the private key private, [`key_sets`] publishes
//! the public ones, [`atomic`] makes files appear whole or not at all.
//!
//! [`http`] is an ordinary HTTP server over all this: playlists, media with ranges, lists that can be waited
//! for, the key set, an access log that counts the bytes really sent, and knobs that make it as slow as a
//! laboratory wants it.

pub mod atomic;
mod boxes;
pub mod clock;
pub mod cut;
mod cut_off;
mod desk;
pub mod directory;
pub mod epoch;
mod error;
pub mod http;
pub mod key_sets;
pub mod keys;
pub mod loop_live;
pub mod playlist;
pub mod remarks;
pub mod retime;
mod staging;
#[cfg(test)]
mod testing;
mod within;

pub use desk::{Desk, Growing, Subject};
pub use error::OriginError;
