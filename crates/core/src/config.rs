//! What the page asked for, already validated by the SDK, and what the page knows of the machine.

use meshedflow_json::{Fields, Json, JsonError, parse};
use meshedflow_protocol::policy::CmafMode;

/// Options of one mesh core: one stream on one page. Field names in JSON are camelCase.
#[derive(Clone, Debug)]
pub struct Options {
    /// Stream id: lists must be signed for it, neighbours come from it.
    pub stream_id: String,
    /// WebSocket URL of an edge; without one the mesh only measures and verifies.
    pub signaling_url: Option<String>,
    /// Label shown in dashboards, chosen by the page.
    pub peer_id: Option<String>,
    /// Where the remote policy is; with it, no peer before it was read.
    pub remote_config_url: Option<String>,
    /// Beyond the urgent horizon, rarest fragments first.
    pub enable_rarest_first: bool,
    /// What flows between peers until policy says otherwise.
    pub cmaf_mode: CmafMode,
    /// Pinned Ed25519 public keys, base64url without padding; with pins no key set is needed.
    pub trusted_keys: Vec<String>,
    /// Pinned root key that must have signed the key set, base64url without padding.
    pub root_key: Option<String>,
    /// Origins besides the playlist's own whose key set counts.
    pub trusted_key_origins: Vec<String>,
    /// Accept keys and lists over plain http from hosts other than loopback.
    pub allow_insecure: bool,
    /// Join token for the edge.
    pub token: Option<String>,
    /// Whether the viewer has agreed to share already.
    pub consent: Consent,
    /// Caps on uploading; policy may only tighten them.
    pub upload: UploadOptions,
    /// Most neighbours at a time.
    pub max_peers: Option<u8>,
    /// Bytes of media kept; policy may only tighten it.
    pub memory_bytes: Option<u64>,
    /// Use relays only.
    pub relay_only: bool,
    /// Hosts whose ICE servers an edge may hand out, besides the edge's own.
    pub ice_server_hosts: Vec<String>,
    /// Facts about browser and machine.
    pub platform: Platform,
    /// Switches off defences by name (comma-separated), so that a test can show that it would notice.
    #[cfg(feature = "mutants")]
    pub mutant: Option<String>,
}

/// Has the viewer agreed to exchange media with others?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// Yes, or the page needs no consent.
    #[default]
    Given,
    /// Not yet: nothing but HTTP until [`crate::Input::Consent`].
    Required,
}

/// Upload caps of the page.
#[derive(Clone, Debug, Default)]
pub struct UploadOptions {
    /// Bytes per second; 0 forbids uploading.
    pub rate_bytes_per_s: Option<u32>,
    /// Bytes per page session.
    pub session_bytes: Option<u64>,
    /// Parallel uploads.
    pub slots: Option<u8>,
}

/// What the page knows about browser and machine.
#[derive(Clone, Debug)]
pub struct Platform {
    /// A phone or tablet: smaller store, fewer neighbours.
    pub mobile: bool,
    /// The user asked to save data.
    pub save_data: bool,
    /// A metered cellular link.
    pub cellular: bool,
    /// `RTCPeerConnection` exists.
    pub webrtc: bool,
    /// Wall clock in milliseconds since 1970 at the core's construction.
    pub unix_ms: f64,
}

impl Default for Platform {
    fn default() -> Self {
        Self { mobile: false, save_data: false, cellular: false, webrtc: true, unix_ms: 0.0 }
    }
}

impl Options {
    /// Reads the JSON of options; unknown members are ignored.
    ///
    /// # Errors
    /// What was expected, of which member.
    pub fn parse(json: &str) -> Result<Self, JsonError> {
        let tree = parse(json)?;
        let fields = Fields::of(&tree, "options")?;
        let all = usize::MAX;
        Ok(Self {
            stream_id: fields.need_text("streamId")?.to_owned(),
            signaling_url: fields.string("signalingUrl")?,
            peer_id: fields.string("peerId")?,
            remote_config_url: fields.string("remoteConfigUrl")?,
            enable_rarest_first: fields.flag("enableRarestFirst")?.unwrap_or(true),
            cmaf_mode: cmaf_mode(fields)?,
            trusted_keys: fields.texts("trustedKeys", all)?,
            root_key: fields.string("rootKey")?,
            trusted_key_origins: fields.texts("trustedKeyOrigins", all)?,
            allow_insecure: fields.flag("allowInsecure")?.unwrap_or_default(),
            token: fields.string("token")?,
            consent: consent(fields)?,
            upload: section(fields, "upload", UploadOptions::read)?,
            max_peers: byte(fields, "maxPeers")?,
            memory_bytes: fields.u64("memoryBytes")?,
            relay_only: fields.flag("relayOnly")?.unwrap_or_default(),
            ice_server_hosts: fields.texts("iceServerHosts", all)?,
            platform: section(fields, "platform", Platform::read)?,
            #[cfg(feature = "mutants")]
            mutant: fields.string("mutant")?,
        })
    }

    /// True when the named defence is switched off for a test; constant false in shipped builds.
    #[cfg(feature = "mutants")]
    pub(crate) fn mutant(&self, name: &str) -> bool {
        self.mutant.as_deref().is_some_and(|names| names.split(',').any(|one| one == name))
    }

    #[cfg(not(feature = "mutants"))]
    #[inline(always)]
    pub(crate) fn mutant(&self, _name: &str) -> bool {
        false
    }
}

impl UploadOptions {
    fn read(fields: Fields<'_, '_>) -> Result<Self, JsonError> {
        Ok(Self {
            rate_bytes_per_s: fields.u32("rateBytesPerS")?,
            session_bytes: fields.u64("sessionBytes")?,
            slots: byte(fields, "slots")?,
        })
    }
}

impl Platform {
    fn read(fields: Fields<'_, '_>) -> Result<Self, JsonError> {
        let unix_ms = fields.get("unixMs")?.map_or(Some(0.0), Json::as_f64);
        Ok(Self {
            mobile: fields.flag("mobile")?.unwrap_or_default(),
            save_data: fields.flag("saveData")?.unwrap_or_default(),
            cellular: fields.flag("cellular")?.unwrap_or_default(),
            webrtc: fields.flag("webrtc")?.unwrap_or(true),
            unix_ms: unix_ms.ok_or_else(|| JsonError::member("unixMs", "a number"))?,
        })
    }
}

/// An object within the options; its default if it is absent.
fn section<T: Default>(
    fields: Fields<'_, '_>,
    name: &str,
    read: fn(Fields<'_, '_>) -> Result<T, JsonError>,
) -> Result<T, JsonError> {
    match fields.get(name)? {
        Some(value) => read(Fields::of(value, name)?),
        None => Ok(T::default()),
    }
}

fn byte(fields: Fields<'_, '_>, name: &str) -> Result<Option<u8>, JsonError> {
    Ok(fields.whole(name, u8::MAX.into())?.map(|number| number as u8))
}

fn cmaf_mode(fields: Fields<'_, '_>) -> Result<CmafMode, JsonError> {
    let mode = fields.text("cmafMode")?.map_or(Some(CmafMode::AdvertiseOnly), CmafMode::from_name);
    mode.ok_or_else(|| JsonError::member("cmafMode", "off, advertise-only or serve"))
}

fn consent(fields: Fields<'_, '_>) -> Result<Consent, JsonError> {
    match fields.text("consent")? {
        None | Some("given") => Ok(Consent::Given),
        Some("required") => Ok(Consent::Required),
        Some(_) => Err(JsonError::member("consent", "given or required")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_defaults() {
        let options = Options::parse(r#"{"streamId":"s","platform":{"mobile":true},"later":1}"#).unwrap();
        assert_eq!((options.stream_id.as_str(), options.enable_rarest_first), ("s", true));
        assert_eq!((options.cmaf_mode, options.consent), (CmafMode::AdvertiseOnly, Consent::Given));
        assert!(options.platform.mobile && options.platform.webrtc && options.signaling_url.is_none());
    }

    #[test]
    fn options_are_read() {
        let json = r#"{"streamId":"s","signalingUrl":"wss://e/mesh","enableRarestFirst":false,"cmafMode":"serve",
            "trustedKeys":["a","b"],"consent":"required","upload":{"rateBytesPerS":5,"slots":2},"maxPeers":9,
            "memoryBytes":100,"platform":{"webrtc":false,"unixMs":1795000000123.5},"token":null}"#;
        let options = Options::parse(json).unwrap();
        assert_eq!(options.signaling_url.as_deref(), Some("wss://e/mesh"));
        assert!(
            !options.enable_rarest_first && options.trusted_keys == ["a", "b"] && options.token.is_none()
        );
        assert_eq!((options.cmaf_mode, options.consent), (CmafMode::Serve, Consent::Required));
        assert_eq!((options.upload.rate_bytes_per_s, options.upload.slots), (Some(5), Some(2)));
        assert_eq!((options.max_peers, options.memory_bytes), (Some(9), Some(100)));
        assert!(!options.platform.webrtc && options.platform.unix_ms == 1_795_000_000_123.5);
    }

    #[test]
    fn wrong_options_are_named() {
        for (json, name) in [
            ("{}", "streamId"),
            (r#"{"streamId":"s","cmafMode":"on"}"#, "cmafMode"),
            (r#"{"streamId":"s","maxPeers":256}"#, "maxPeers"),
            (r#"{"streamId":"s","platform":{"unixMs":"now"}}"#, "unixMs"),
            (r#"{"streamId":"s","upload":[]}"#, "upload"),
        ] {
            assert!(Options::parse(json).unwrap_err().to_string().contains(name), "{json}");
        }
    }
}
