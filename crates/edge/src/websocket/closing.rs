//! What a Close frame says (RFC 6455 sections 5.5.1 and 7.4).

use super::{NOT_UTF8, PROTOCOL};

/// Longest reason in bytes: a control frame holds 125, and the code takes two.
const REASON_LIMIT_BYTES: usize = 123;

/// The code of a client's Close frame, if it gives one. `Err`: the code to close with instead.
pub(super) fn judge(payload: &[u8]) -> Result<Option<u16>, u16> {
    match payload {
        [] => Ok(None),
        [_] => Err(PROTOCOL),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !may_be_sent(code) {
                return Err(PROTOCOL);
            }
            core::str::from_utf8(reason).map_err(|_| NOT_UTF8)?;
            Ok(Some(code))
        }
    }
}

/// Codes that endpoints send: those of the registry, and those of libraries and applications. 1004 to 1006 and 1015
/// are never on the wire.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The payload of a Close frame; of a reason, as many whole characters as fit.
pub(super) fn payload(code: u16, reason: &str) -> Vec<u8> {
    let reason = reason.get(..reason.floor_char_boundary(REASON_LIMIT_BYTES)).unwrap_or_default();
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}
