//! What the page asked for, already validated by the SDK, and what the page knows of the machine.

use serde::Deserialize;

use meshedflow_protocol::policy::CmafMode;

/// Options of one mesh core: one stream on one page. Field names in JSON are camelCase.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// Stream id: lists must be signed for it, neighbours come from it.
    pub stream_id: String,
    /// WebSocket URL of an edge; without one the mesh only measures and verifies.
    #[serde(default)]
    pub signaling_url: Option<String>,
    /// Label shown in dashboards, chosen by the page.
    #[serde(default)]
    pub peer_id: Option<String>,
    /// Where the remote policy is; with it, no peer before it was read.
    #[serde(default)]
    pub remote_config_url: Option<String>,
    /// Beyond the urgent horizon, rarest fragments first.
    #[serde(default = "yes")]
    pub enable_rarest_first: bool,
    /// What flows between peers until policy says otherwise.
    #[serde(default = "advertise_only")]
    pub cmaf_mode: CmafMode,
    /// Pinned Ed25519 public keys, base64url without padding; with pins no key set is needed.
    #[serde(default)]
    pub trusted_keys: Vec<String>,
    /// Pinned root key that must have signed the key set, base64url without padding.
    #[serde(default)]
    pub root_key: Option<String>,
    /// Origins besides the playlist's own whose key set counts.
    #[serde(default)]
    pub trusted_key_origins: Vec<String>,
    /// Accept keys and lists over plain http from hosts other than loopback.
    #[serde(default)]
    pub allow_insecure: bool,
    /// Join token for the edge.
    #[serde(default)]
    pub token: Option<String>,
    /// Whether the viewer has agreed to share already.
    #[serde(default)]
    pub consent: Consent,
    /// Caps on uploading; policy may only tighten them.
    #[serde(default)]
    pub upload: UploadOptions,
    /// Most neighbours at a time.
    #[serde(default)]
    pub max_peers: Option<u8>,
    /// Bytes of media kept; policy may only tighten it.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Use relays only.
    #[serde(default)]
    pub relay_only: bool,
    /// Hosts whose ICE servers an edge may hand out, besides the edge's own.
    #[serde(default)]
    pub ice_server_hosts: Vec<String>,
    /// Facts about browser and machine.
    #[serde(default)]
    pub platform: Platform,
    /// Switches off defences by name (comma-separated), so that a test can show that it would notice.
    #[cfg(feature = "mutants")]
    #[serde(default)]
    pub mutant: Option<String>,
}

/// Has the viewer agreed to exchange media with others?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consent {
    /// Yes, or the page needs no consent.
    #[default]
    Given,
    /// Not yet: nothing but HTTP until [`crate::Input::Consent`].
    Required,
}

/// Upload caps of the page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadOptions {
    /// Bytes per second; 0 forbids uploading.
    #[serde(default)]
    pub rate_bytes_per_s: Option<u32>,
    /// Bytes per page session.
    #[serde(default)]
    pub session_bytes: Option<u64>,
    /// Parallel uploads.
    #[serde(default)]
    pub slots: Option<u8>,
}

/// What the page knows about browser and machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
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

fn yes() -> bool {
    true
}

fn advertise_only() -> CmafMode {
    CmafMode::AdvertiseOnly
}
