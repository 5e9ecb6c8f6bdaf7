//! Bounds of messages, and reading lists no further than their bound.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Longest message to an edge in bytes.
pub const CLIENT_LIMIT_BYTES: usize = 16 * 1024;
/// Longest message from an edge in bytes: 64 proposals of 8 lanes each. A longer one could make a page's memory, which
/// never shrinks, grow by many times its length.
pub const SERVER_LIMIT_BYTES: usize = 96 * 1024;
/// Most lanes of one connection.
pub const LANES_LIMIT: usize = 8;
/// Most ids in `need.exclude`.
pub const EXCLUDE_LIMIT: usize = 64;
/// Most receipts in one message.
pub const RECEIPTS_LIMIT: usize = 64;
/// Most proposals in one message.
pub const PROPOSALS_LIMIT: usize = 64;
/// Most ICE servers in a welcome.
pub const ICE_SERVERS_LIMIT: usize = 4;
/// Most candidates that may follow one offer or answer.
pub const CANDIDATES_PER_OFFER: usize = 12;
/// Longest data of an offer or answer in bytes, members of later versions included; real ones have about 255.
pub const DESCRIPTION_LIMIT_BYTES: usize = 1_024;
/// Longest data of any other signal in bytes; a candidate has about 130.
pub const CANDIDATE_LIMIT_BYTES: usize = 512;
/// Longest text of an error in bytes: it names what was wrong, it does not repeat it.
pub const ERROR_LIMIT_BYTES: usize = 200;

/// For `deserialize_with`: a list of at most `N` items; reading stops at the one too many.
pub(crate) fn at_most<'de, const N: usize, T, D>(d: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct List<const N: usize, T>(PhantomData<T>);
    impl<'de, const N: usize, T: Deserialize<'de>> Visitor<'de> for List<N, T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {N} items")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                if items.len() == N {
                    return Err(Error::invalid_length(N + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }
    d.deserialize_seq(List::<N, T>(PhantomData))
}
