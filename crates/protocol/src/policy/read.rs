//! Reading a policy: take every known key out of the JSON object, judge it, report what is left.

use core::fmt;

use meshedflow_json::{Json, JsonError, Member, parse};

use super::{
    CmafMode, InFlight, Limit, Patch, Peers, TelemetryRules, Timeouts, TopologyRules, Upload, limit,
};
use crate::ids::Name;
use crate::sorted::SortedMap;

/// Longest policy in bytes.
pub const POLICY_LIMIT_BYTES: usize = 256 * 1024;
/// Most notices that one policy gives; further ones are dropped.
pub const NOTICE_LIMIT: usize = 32;
/// Most entries of `streams`; further ones are dropped with a notice.
pub const STREAMS_LIMIT: usize = 1024;
/// Longest `telemetry.url` in bytes.
pub const URL_LIMIT_BYTES: usize = 2048;

/// Why a document is not a policy at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// So many bytes; [`POLICY_LIMIT_BYTES`] are allowed.
    TooLong(usize),
    /// Not a JSON object, with the parser's words.
    Json(String),
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(n) => write!(f, "policy of {n} bytes; expected at most {POLICY_LIMIT_BYTES}"),
            Self::Json(why) => write!(f, "policy is not a JSON object: {why}"),
        }
    }
}

impl std::error::Error for PolicyError {}

/// Something in a policy that was not taken as it stands. Names are full: `streams.news/*.upload.slots`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyNotice {
    /// A key this version does not know; ignored.
    Unknown(String),
    /// A value out of range or of the wrong type; the default stays.
    Dropped {
        /// The key.
        name: String,
        /// What would have been taken.
        expected: String,
    },
    /// A number out of range, moved to the nearest bound.
    Clamped {
        /// The key.
        name: String,
        /// What would have been taken as it stands.
        expected: String,
    },
}

impl fmt::Display for PolicyNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "policy key {name} is unknown and was ignored"),
            Self::Dropped { name, expected } => {
                write!(f, "policy value of {name} was ignored; expected {expected}")
            }
            Self::Clamped { name, expected } => {
                write!(f, "policy value of {name} was clamped; expected {expected}")
            }
        }
    }
}

impl Patch {
    /// Reads a policy. Single bad values never fail the whole; see [`PolicyNotice`].
    pub fn parse(json: &[u8]) -> Result<(Self, Vec<PolicyNotice>), PolicyError> {
        if json.len() > POLICY_LIMIT_BYTES {
            return Err(PolicyError::TooLong(json.len()));
        }
        let text = core::str::from_utf8(json).map_err(|e| PolicyError::Json(e.to_string()))?;
        let object = match parse(text) {
            Ok(Json::Object(members)) => members,
            Ok(_) => return Err(PolicyError::Json("expected an object".to_owned())),
            Err(why) => return Err(PolicyError::Json(why.to_string())),
        };
        Ok(Self::from_object(object))
    }

    /// As [`Patch::parse`], of a member of a message, notices dropped.
    pub(crate) fn read(value: &Json<'_>) -> Result<Self, JsonError> {
        match value {
            Json::Object(members) => Ok(Self::from_object(members.clone()).0),
            _ => Err(JsonError::member("tighten", "an object")),
        }
    }

    fn from_object(object: Vec<Member<'_>>) -> (Self, Vec<PolicyNotice>) {
        let mut notices = Vec::new();
        let mut root = Section { object, place: String::new(), section: "", notices: &mut notices };
        let streams = root.streams();
        let patch = Self { streams, ..root.patch() };
        root.finish();
        (patch, notices)
    }
}

/// One object of the document, emptied key by key.
struct Section<'a, 't> {
    object: Vec<Member<'t>>,
    /// What precedes the names here in notices: empty, or `streams.<pattern>.`.
    place: String,
    /// What precedes the names here in [`super::LIMITS`]: empty, or `upload.` and the like.
    section: &'static str,
    notices: &'a mut Vec<PolicyNotice>,
}

impl<'t> Section<'_, 't> {
    /// Takes a member out; of several of one name, the last.
    fn remove(&mut self, key: &str) -> Option<Json<'t>> {
        let mut found = None;
        self.object.retain_mut(|member| {
            let taken = member.name == key;
            if taken {
                found = Some(core::mem::replace(&mut member.value, Json::Null));
            }
            !taken
        });
        found
    }

    fn patch(&mut self) -> Patch {
        Patch {
            version: self.integer("version"),
            expires_at: self.integer("expiresAt"),
            refresh_ms: self.integer("refreshMs"),
            enabled: self.flag("enabled"),
            cmaf_mode: self.cmaf_mode(),
            timeouts: self.within("timeouts.", |s| s.timeouts()),
            peers: self.within("peers.", |s| s.peers()),
            in_flight: self.within("inFlight.", |s| s.in_flight()),
            upload: self.within("upload.", |s| s.upload()),
            memory_bytes: self.integer("memoryBytes"),
            origin_copies: self.number("originCopies"),
            stage_ms: self.integer("stageMs"),
            map_refresh_ms: self.integer("mapRefreshMs"),
            map_ttl_ms: self.integer("mapTtlMs"),
            rarest_first: self.flag("rarestFirst"),
            topology: self.within("topology.", |s| s.topology()),
            holdout_percent: self.integer("holdoutPercent"),
            telemetry: self.within("telemetry.", |s| s.telemetry()),
            streams: SortedMap::new(),
        }
    }

    fn timeouts(&mut self) -> Timeouts {
        Timeouts {
            p2p_budget_ms: self.integer("p2pBudgetMs"),
            dial_ms: self.integer("dialMs"),
            list_ms: self.integer("listMs"),
        }
    }

    fn peers(&mut self) -> Peers {
        Peers {
            min: self.integer("min"),
            max: self.integer("max"),
            dial_parallel: self.integer("dialParallel"),
        }
    }

    fn in_flight(&mut self) -> InFlight {
        InFlight { per_peer: self.integer("perPeer"), total: self.integer("total") }
    }

    fn upload(&mut self) -> Upload {
        Upload {
            rate_bytes_per_s: self.integer("rateBytesPerS"),
            session_bytes: self.integer("sessionBytes"),
            slots: self.integer("slots"),
            ratio: self.number("ratio"),
            on_cellular: self.flag("onCellular"),
            on_save_data: self.flag("onSaveData"),
        }
    }

    fn topology(&mut self) -> TopologyRules {
        TopologyRules {
            same_country_only: self.flag("sameCountryOnly"),
            same_asn_only: self.flag("sameAsnOnly"),
            relay_only: self.flag("relayOnly"),
        }
    }

    fn telemetry(&mut self) -> TelemetryRules {
        TelemetryRules {
            sample_rate: self.number("sampleRate"),
            url: self.url(),
            interval_ms: self.integer("intervalMs"),
        }
    }

    fn streams(&mut self) -> SortedMap<String, Box<Patch>> {
        let Some(value) = self.remove("streams") else { return SortedMap::new() };
        let Json::Object(streams) = value else {
            self.dropped("streams", "an object of stream ids or prefixes ending in *");
            return SortedMap::new();
        };
        if streams.len() > STREAMS_LIMIT {
            self.dropped("streams", &format!("at most {STREAMS_LIMIT} entries; further ones are left out"));
        }
        // One by one: collecting would bring a whole sorting algorithm along.
        let mut patches = SortedMap::new();
        for member in streams.into_iter().take(STREAMS_LIMIT) {
            patches.extend(self.stream(member.name.into_owned(), member.value));
        }
        patches
    }

    fn stream(&mut self, pattern: String, value: Json<'_>) -> Option<(String, Box<Patch>)> {
        let id = pattern.strip_suffix('*').unwrap_or(&pattern);
        let named = id.is_empty() && pattern == "*" || Name::new(id).is_ok();
        let (true, Json::Object(object)) = (named, value) else {
            self.dropped(&format!("streams.{pattern}"), "a stream id or prefix ending in *, and an object");
            return None;
        };
        let place = format!("streams.{pattern}.");
        let mut inner = Section { object, place, section: "", notices: self.notices };
        let patch = inner.patch();
        inner.finish();
        Some((pattern, Box::new(patch)))
    }

    /// Reads the object at `section` (with its dot) by `read`.
    fn within<T>(&mut self, section: &'static str, read: fn(&mut Section<'_, '_>) -> T) -> Option<T> {
        let key = section.trim_end_matches('.');
        let Json::Object(object) = self.remove(key)? else {
            self.dropped(key, "an object");
            return None;
        };
        let mut inner = Section { object, place: self.place.clone(), section, notices: self.notices };
        let value = read(&mut inner);
        inner.finish();
        Some(value)
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.remove(key)?.as_flag();
        if value.is_none() {
            self.dropped(key, "true or false");
        }
        value
    }

    fn cmaf_mode(&mut self) -> Option<CmafMode> {
        let value = self.remove("cmafMode")?;
        let mode = value.as_text().and_then(CmafMode::from_name);
        if mode.is_none() {
            self.dropped("cmafMode", "off, advertise-only or serve");
        }
        mode
    }

    fn url(&mut self) -> Option<String> {
        match self.remove("url")? {
            Json::Text(url) if url.len() <= URL_LIMIT_BYTES => Some(url.into_owned()),
            _ => {
                self.dropped("url", &format!("a URL of at most {URL_LIMIT_BYTES} bytes"));
                None
            }
        }
    }

    /// A whole number. Those of [`super::LIMITS`] are at most 2^53, so the way over f64 is exact.
    fn integer<T: TryFrom<u64>>(&mut self, key: &str) -> Option<T> {
        let value = self.number(key)?;
        T::try_from(value as u64).ok()
    }

    fn number(&mut self, key: &str) -> Option<f64> {
        let limit = limit(&format!("{}{key}", self.section))?;
        let value = self.remove(key)?.as_f64();
        match value.filter(|v| !limit.whole || v.fract() == 0.0) {
            Some(v) if (limit.min..=limit.max).contains(&v) => Some(v),
            // By hand: `clamp` can panic, and its message would bring the printing of any `f64` along.
            Some(v) if limit.clamped => {
                let (name, expected) = (self.full_name(key), expected(limit));
                self.notice(PolicyNotice::Clamped { name, expected });
                Some(if v < limit.min { limit.min } else { limit.max })
            }
            _ => {
                self.dropped(key, &expected(limit));
                None
            }
        }
    }

    fn full_name(&self, key: &str) -> String {
        format!("{}{}{key}", self.place, self.section)
    }

    fn dropped(&mut self, key: &str, expected: &str) {
        let name = self.full_name(key);
        self.notice(PolicyNotice::Dropped { name, expected: expected.to_owned() });
    }

    fn notice(&mut self, notice: PolicyNotice) {
        if self.notices.len() < NOTICE_LIMIT {
            self.notices.push(notice);
        }
    }

    /// Reports what nobody took.
    fn finish(mut self) {
        for member in core::mem::take(&mut self.object) {
            let name = self.full_name(&member.name);
            self.notice(PolicyNotice::Unknown(name));
        }
    }
}

fn expected(limit: &Limit) -> String {
    let kind = if limit.whole { "a whole number" } else { "a number" };
    format!("{kind} from {} to {}", plain(limit.min), plain(limit.max))
}

/// A bound, to a tenth at most: the machinery that prints any `f64` is larger than all else in this crate.
pub(super) fn plain(bound: f64) -> String {
    let tenths = (bound * 10.0) as u64;
    let point = if tenths.is_multiple_of(10) { String::new() } else { format!(".{}", tenths % 10) };
    format!("{}{point}", bound as u64)
}
