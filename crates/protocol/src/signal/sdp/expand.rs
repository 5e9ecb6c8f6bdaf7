//! From values to SDP.

use super::{Description, Setup};

/// Which of the two descriptions of RFC 3264.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptionKind {
    /// Opens the exchange.
    Offer,
    /// Ends it.
    Answer,
}

/// Writes a data-channel-only SDP that Chrome 80, Firefox 76, Safari 14 and later accept.
///
/// An offer always says `setup:actpass` (RFC 8842 5.2) and an answer never does: where the description
/// says otherwise, `active` is written. Candidates follow one by one, so the ports are those of RFC 8840 4.3.
pub fn expand(description: &Description, kind: DescriptionKind) -> String {
    let Description { ufrag, pwd, fingerprint, mid, sctp_port, max_message_size, .. } = description;
    let setup = setup(description.setup, kind).as_str();
    let lines = [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        &format!("a=group:BUNDLE {mid}"),
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        &format!("a=mid:{mid}"),
        &format!("a=ice-ufrag:{ufrag}"),
        &format!("a=ice-pwd:{pwd}"),
        "a=ice-options:trickle",
        &format!("a=fingerprint:sha-256 {fingerprint}"),
        &format!("a=setup:{setup}"),
        &format!("a=sctp-port:{sctp_port}"),
        &format!("a=max-message-size:{max_message_size}"),
        "",
    ];
    lines.join("\r\n")
}

fn setup(setup: Setup, kind: DescriptionKind) -> Setup {
    match (kind, setup) {
        (DescriptionKind::Offer, _) => Setup::Actpass,
        (DescriptionKind::Answer, Setup::Passive) => Setup::Passive,
        (DescriptionKind::Answer, Setup::Active | Setup::Actpass) => Setup::Active,
    }
}
