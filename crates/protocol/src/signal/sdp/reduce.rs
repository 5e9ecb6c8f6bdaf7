//! From SDP to values.

use core::fmt;

use super::{Description, FieldError, Fingerprint, SDP_LIMIT_BYTES, Setup};

/// Why an SDP cannot be reduced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SdpError {
    /// So many bytes; [`super::SDP_LIMIT_BYTES`] are allowed.
    TooLong(usize),
    /// No `m=application .. webrtc-datachannel` section.
    NoDataSection,
    /// More than one media section.
    OtherSections,
    /// This attribute is not there.
    Missing(&'static str),
    /// A value breaks its grammar.
    Field(FieldError),
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(n) => write!(f, "SDP of {n} bytes; expected at most {SDP_LIMIT_BYTES}"),
            Self::NoDataSection => f.write_str("SDP without a data-channel section"),
            Self::OtherSections => f.write_str("SDP with more than one media section; expected one"),
            Self::Missing(name) => write!(f, "SDP without a={name}"),
            Self::Field(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for SdpError {}

impl From<FieldError> for SdpError {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

/// Takes the values of the one data-channel section out of a browser's SDP. Candidates in it are left out:
/// they travel one by one.
///
/// Firefox states the fingerprint once for the session, Chrome and Safari in the section; the section's
/// value wins (RFC 8122 5, RFC 8839 5.4).
pub fn reduce(sdp: &str) -> Result<Description, SdpError> {
    if sdp.len() > SDP_LIMIT_BYTES {
        return Err(SdpError::TooLong(sdp.len()));
    }
    let mut sections = Sections::default();
    sdp.lines().try_for_each(|line| sections.line(line.trim_end()))?;
    sections.description()
}

#[derive(Default)]
struct Sections<'a> {
    session: Attributes<'a>,
    media: Option<Attributes<'a>>,
}

/// The first value of each attribute that matters.
#[derive(Clone, Copy, Default)]
struct Attributes<'a> {
    ufrag: Option<&'a str>,
    pwd: Option<&'a str>,
    fingerprint: Option<&'a str>,
    setup: Option<&'a str>,
    mid: Option<&'a str>,
    sctp_port: Option<&'a str>,
    max_message_size: Option<&'a str>,
}

impl<'a> Sections<'a> {
    fn line(&mut self, line: &'a str) -> Result<(), SdpError> {
        if let Some(media) = line.strip_prefix("m=") {
            return self.section(media);
        }
        let here = self.media.as_mut().unwrap_or(&mut self.session);
        if let Some((name, value)) = line.strip_prefix("a=").and_then(|attribute| attribute.split_once(':')) {
            here.attribute(name, value.trim());
        }
        Ok(())
    }

    fn section(&mut self, media: &str) -> Result<(), SdpError> {
        let words: Vec<&str> = media.split_ascii_whitespace().collect();
        let data =
            matches!(words[..], ["application", _, "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP", "webrtc-datachannel"]);
        if self.media.is_some() {
            return Err(SdpError::OtherSections);
        }
        self.media = Some(Attributes::default());
        if data { Ok(()) } else { Err(SdpError::NoDataSection) }
    }

    fn description(self) -> Result<Description, SdpError> {
        let media = self.media.ok_or(SdpError::NoDataSection)?;
        let session = self.session;
        let text = |value: Option<&str>, name| value.map(str::to_owned).ok_or(SdpError::Missing(name));
        let setup = media.setup.or(session.setup).ok_or(SdpError::Missing("setup"))?;
        let read = Description {
            ufrag: text(media.ufrag.or(session.ufrag), "ice-ufrag")?,
            pwd: text(media.pwd.or(session.pwd), "ice-pwd")?,
            fingerprint: Fingerprint::parse(&text(
                media.fingerprint.or(session.fingerprint),
                "fingerprint:sha-256",
            )?)?,
            setup: Setup::from_name(setup)
                .ok_or(FieldError { field: "setup", expected: "actpass, active or passive" })?,
            mid: text(media.mid, "mid")?,
            sctp_port: sctp_port(media.sctp_port)?,
            max_message_size: max_message_size(media.max_message_size)?,
        };
        Ok(read.checked()?)
    }
}

impl<'a> Attributes<'a> {
    fn attribute(&mut self, name: &str, value: &'a str) {
        let (slot, value) = match name {
            "ice-ufrag" => (&mut self.ufrag, Some(value)),
            "ice-pwd" => (&mut self.pwd, Some(value)),
            "fingerprint" => (&mut self.fingerprint, sha256(value)),
            "setup" => (&mut self.setup, Some(value)),
            "mid" => (&mut self.mid, Some(value)),
            "sctp-port" => (&mut self.sctp_port, Some(value)),
            "max-message-size" => (&mut self.max_message_size, Some(value)),
            _ => return,
        };
        *slot = slot.or(value);
    }
}

fn sha256(value: &str) -> Option<&str> {
    let (hash, digits) = value.split_once(' ')?;
    hash.eq_ignore_ascii_case("sha-256").then_some(digits)
}

fn sctp_port(value: Option<&str>) -> Result<u16, SdpError> {
    let text = value.ok_or(SdpError::Missing("sctp-port"))?;
    text.parse().map_err(|_| FieldError { field: "sctp-port", expected: "1 to 65535" }.into())
}

/// 64 KiB where it is not said (RFC 8841 6.1); what does not fit 32 bits is as good as unlimited.
fn max_message_size(value: Option<&str>) -> Result<u32, SdpError> {
    let Some(text) = value else { return Ok(65_536) };
    let size: u64 =
        text.parse().map_err(|_| FieldError { field: "max-message-size", expected: "a number of bytes" })?;
    Ok(u32::try_from(size).unwrap_or(u32::MAX))
}
