//! What the page tells in words: rare, structured Inputs as JSON (`js/src/port.ts` writes them).
//!
//! Numbers come as JavaScript computed them, so each is read as `f64` and rounded here; a number that is
//! negative or no number counts as 0.

use meshedflow_core::{
    BlobId, Input, KnownSegment, LaneInfo, LaneKind, LaneNo, LoadId, LoadKind, LoadRequest, PlayerInput,
};
use serde::Deserialize;

/// One thing told.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Word {
    Lane(Lane),
    Load(Load),
    Abort(f64),
    Offer(Offer),
    Player(Player),
    Consent(bool),
    Shutdown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lane {
    no: f64,
    playlist: String,
    origin: String,
    list_url: String,
    #[serde(default)]
    rendition: Option<String>,
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Main,
    Audio,
    Subtitle,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Load {
    #[serde(default)]
    id: f64,
    lane: f64,
    url: String,
    name: String,
    kind: What,
    #[serde(default)]
    part: f64,
    msn: f64,
    discontinuity: f64,
    duration_ms: f64,
    #[serde(default)]
    range: Option<(f64, f64)>,
    #[serde(default)]
    init: Option<String>,
    bitrate_bps: f64,
    http_only: bool,
    live: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum What {
    Media,
    Part,
    Init,
}

#[derive(Deserialize)]
pub(crate) struct Offer {
    blob: f64,
    length: f64,
    request: Load,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Player {
    Buffer(Buffer),
    Playlist(Playlist),
    Hidden(bool),
    Stalled,
    Network(Network),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Buffer {
    ahead_ms: f64,
    rate: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Playlist {
    lane: f64,
    target_ms: f64,
    segments: Vec<Segment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    msn: f64,
    url: String,
    duration_ms: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Network {
    save_data: bool,
    cellular: bool,
}

/// Reads one word; the error is serde's text, naming field and column.
pub(crate) fn read(json: &str) -> Result<Input<'static>, String> {
    serde_json::from_str::<Word>(json).map(Word::into_input).map_err(|error| error.to_string())
}

impl Word {
    fn into_input(self) -> Input<'static> {
        match self {
            Self::Lane(lane) => Input::Lane(LaneNo(short(lane.no)), lane.into_info()),
            Self::Load(load) => Input::Load(load.into_request()),
            Self::Abort(id) => Input::LoadAborted(LoadId(whole(id))),
            Self::Offer(Offer { blob, length, request }) => Input::Offered {
                request: request.into_request(),
                blob: BlobId(whole(blob)),
                length: whole(length),
            },
            Self::Player(player) => Input::Player(player.into_input()),
            Self::Consent(given) => Input::Consent(given),
            Self::Shutdown => Input::Shutdown,
        }
    }
}

impl Lane {
    fn into_info(self) -> LaneInfo {
        let kind = match self.kind {
            Kind::Main => LaneKind::Main,
            Kind::Audio => LaneKind::Audio,
            Kind::Subtitle => LaneKind::Subtitle,
        };
        let Self { playlist, origin, list_url, rendition, .. } = self;
        LaneInfo { playlist, origin, list_url, rendition, kind }
    }
}

impl Load {
    fn into_request(self) -> LoadRequest {
        LoadRequest {
            load: LoadId(whole(self.id)),
            lane: LaneNo(short(self.lane)),
            kind: match self.kind {
                What::Media => LoadKind::Media,
                What::Part => LoadKind::Part(whole(self.part)),
                What::Init => LoadKind::Init,
            },
            url: self.url,
            name: self.name,
            msn: long(self.msn),
            discontinuity: whole(self.discontinuity),
            duration_ms: whole(self.duration_ms),
            range: self.range.map(|(first, end)| (long(first), long(end))),
            init: self.init,
            bitrate_bps: whole(self.bitrate_bps),
            http_only: self.http_only,
            live: self.live,
        }
    }
}

impl Player {
    fn into_input(self) -> PlayerInput {
        match self {
            Self::Buffer(Buffer { ahead_ms, rate }) => {
                PlayerInput::Buffer { ahead_ms: whole(ahead_ms), rate: rate.max(0.0) }
            }
            Self::Playlist(Playlist { lane, target_ms, segments }) => PlayerInput::Playlist {
                lane: LaneNo(short(lane)),
                target_ms: whole(target_ms),
                segments: segments.into_iter().map(Segment::into_known).collect(),
            },
            Self::Hidden(hidden) => PlayerInput::Hidden(hidden),
            Self::Stalled => PlayerInput::Stalled,
            Self::Network(Network { save_data, cellular }) => PlayerInput::Network { save_data, cellular },
        }
    }
}

impl Segment {
    fn into_known(self) -> KnownSegment {
        KnownSegment { msn: long(self.msn), url: self.url, duration_ms: whole(self.duration_ms) }
    }
}

// Float-to-integer casts saturate and turn NaN into 0, which is what is wanted at this border.
fn whole(number: f64) -> u32 {
    number.round() as u32
}

fn short(number: f64) -> u16 {
    number.round() as u16
}

fn long(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_read_with_the_page_s_fractions() {
        let json = r#"{"load":{"id":7,"lane":1,"url":"https://o/v/s7.m4s?t=1","name":"s7.m4s","kind":"part",
            "part":2,"msn":7,"discontinuity":0,"durationMs":4000.0000001,"range":[10,20],"bitrateBps":500000.4,
            "httpOnly":false,"live":true}}"#;
        let Ok(Input::Load(load)) = read(json) else { panic!("not a load") };
        assert_eq!((load.load, load.lane, load.kind), (LoadId(7), LaneNo(1), LoadKind::Part(2)));
        assert_eq!((load.duration_ms, load.bitrate_bps, load.range), (4000, 500_000, Some((10, 20))));
        assert_eq!(load.init, None);
    }

    #[test]
    fn players_consent_and_goodbye_are_read() {
        assert!(matches!(read(r#"{"player":"stalled"}"#), Ok(Input::Player(PlayerInput::Stalled))));
        let json = r#"{"player":{"buffer":{"aheadMs":-5.5,"rate":1}}}"#;
        let Ok(Input::Player(PlayerInput::Buffer { ahead_ms, .. })) = read(json) else {
            panic!("not a buffer")
        };
        assert_eq!(ahead_ms, 0);
        assert!(matches!(read(r#"{"consent":true}"#), Ok(Input::Consent(true))));
        assert!(matches!(read(r#""shutdown""#), Ok(Input::Shutdown)));
    }

    #[test]
    fn nonsense_names_what_was_expected() {
        let error = read(r#"{"load":{"lane":1}}"#).unwrap_err();
        assert!(error.contains("url"), "{error}");
        assert!(read("{\"dance\":1}").is_err());
    }
}
