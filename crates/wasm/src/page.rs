//! What the page tells in words: rare, structured Inputs as JSON (`js/src/port.ts` writes them).
//!
//! A word is an object with one member, such as `{"load": {...}}`. Numbers come as JavaScript computed them, so each
//! is rounded here; one that is negative or absent counts as 0.

use meshedflow_core::{
    BlobId, Duration, Input, KnownSegment, LaneInfo, LaneKind, LaneNo, LoadId, LoadKind, LoadRequest,
    PlayerInput,
};
use meshedflow_json::{Fields, Json, JsonError, parse};

/// Most segments of one playlist that are told; the page tells those around the player's place and at the end.
const SEGMENTS: usize = 256;

/// Reads one word; the error names the member and what was expected.
pub(crate) fn read(json: &str) -> Result<Input<'static>, JsonError> {
    let word = parse(json)?;
    if word.as_text() == Some("shutdown") {
        return Ok(Input::Shutdown);
    }
    let (name, value) = only(&word)?;
    Ok(match name {
        "lane" => {
            let fields = Fields::of(value, name)?;
            Input::Lane(LaneNo(number(&fields, "no")? as u16), lane(&fields)?)
        }
        "load" => Input::Load(load(&Fields::of(value, name)?)?),
        "abort" => Input::LoadAborted(LoadId(value.as_f64().unwrap_or_default() as u32)),
        "offer" => offer(&Fields::of(value, name)?)?,
        "player" => Input::Player(player(value)?),
        "consent" => Input::Consent(value.as_flag() == Some(true)),
        _ => return Err(JsonError::member(name, "lane, load, abort, offer, player or consent")),
    })
}

fn lane(fields: &Fields<'_, '_>) -> Result<LaneInfo, JsonError> {
    Ok(LaneInfo {
        playlist: fields.need_text("playlist")?.into(),
        origin: fields.need_text("origin")?.into(),
        list_url: fields.need_text("listUrl")?.into(),
        rendition: fields.string("rendition")?,
        alone: fields.flag("alone")? == Some(true),
        kind: match fields.need_text("kind")? {
            "main" => LaneKind::Main,
            "audio" => LaneKind::Audio,
            "subtitle" => LaneKind::Subtitle,
            _ => return Err(JsonError::member("kind", "main, audio or subtitle")),
        },
    })
}

fn load(fields: &Fields<'_, '_>) -> Result<LoadRequest, JsonError> {
    let number = |name| number(fields, name);
    Ok(LoadRequest {
        load: LoadId(number("id")? as u32),
        lane: LaneNo(number("lane")? as u16),
        url: fields.need_text("url")?.into(),
        name: fields.need_text("name")?.into(),
        kind: match fields.need_text("kind")? {
            "media" => LoadKind::Media,
            "part" => LoadKind::Part(number("part")? as u32),
            "init" => LoadKind::Init,
            _ => return Err(JsonError::member("kind", "media, part or init")),
        },
        msn: number("msn")? as u64,
        discontinuity: number("discontinuity")? as u32,
        duration_ms: number("durationMs")? as u32,
        range: range(fields)?,
        init: fields.string("init")?,
        bitrate_bps: number("bitrateBps")? as u32,
        next_bps: number("nextBps")? as u32,
        http_only: flag(fields, "httpOnly")?,
        live: flag(fields, "live")?,
        own_setup: flag(fields, "ownSetup")?,
    })
}

fn offer(fields: &Fields<'_, '_>) -> Result<Input<'static>, JsonError> {
    Ok(Input::Offered {
        request: load(&Fields::of(fields.need("request")?, "request")?)?,
        blob: BlobId(number(fields, "blob")? as u32),
        length: number(fields, "length")? as u32,
        ttfb: millis(fields, "ttfbMs")?,
        body: millis(fields, "bodyMs")?,
    })
}

fn player(value: &Json<'_>) -> Result<PlayerInput, JsonError> {
    if value.as_text() == Some("stalled") {
        return Ok(PlayerInput::Stalled);
    }
    let (name, value) = only(value)?;
    if name == "hidden" {
        return Ok(PlayerInput::Hidden(value.as_flag() == Some(true)));
    }
    let fields = &Fields::of(value, name)?;
    Ok(match name {
        "buffer" => PlayerInput::Buffer {
            ahead_ms: number(fields, "aheadMs")? as u32,
            rate: fields.get("rate")?.and_then(Json::as_f64).unwrap_or_default().max(0.0),
        },
        "playlist" => PlayerInput::Playlist {
            lane: LaneNo(number(fields, "lane")? as u16),
            target_ms: number(fields, "targetMs")? as u32,
            segments: fields.list("segments", SEGMENTS)?.iter().map(segment).collect::<Result<_, _>>()?,
        },
        "network" => {
            PlayerInput::Network { save_data: flag(fields, "saveData")?, cellular: flag(fields, "cellular")? }
        }
        _ => return Err(JsonError::member(name, "buffer, playlist, hidden, stalled or network")),
    })
}

fn segment(value: &Json<'_>) -> Result<KnownSegment, JsonError> {
    let fields = Fields::of(value, "segments")?;
    Ok(KnownSegment {
        msn: number(&fields, "msn")? as u64,
        url: fields.need_text("url")?.into(),
        range: range(&fields)?,
        duration_ms: number(&fields, "durationMs")? as u32,
    })
}

/// A byte range, end exclusive.
fn range(fields: &Fields<'_, '_>) -> Result<Option<(u64, u64)>, JsonError> {
    Ok(match fields.list("range", 2)? {
        [first, end] => Some((rounded(Some(first)) as u64, rounded(Some(end)) as u64)),
        _ => None,
    })
}

/// Name and value of the only member.
fn only<'t>(value: &'t Json<'_>) -> Result<(&'t str, &'t Json<'t>), JsonError> {
    match value {
        Json::Object(members) => match members.as_slice() {
            [member] => Ok((&member.name, &member.value)),
            _ => Err(JsonError::member("word", "one member")),
        },
        _ => Err(JsonError::member("word", "an object")),
    }
}

fn flag(fields: &Fields<'_, '_>, name: &str) -> Result<bool, JsonError> {
    Ok(fields.flag(name)? == Some(true))
}

fn number(fields: &Fields<'_, '_>, name: &str) -> Result<f64, JsonError> {
    Ok(rounded(fields.get(name)?))
}

/// Milliseconds with their fraction, at most a day; what is no such number counts as 0.
fn millis(fields: &Fields<'_, '_>, name: &str) -> Result<Duration, JsonError> {
    let ms = fields.get(name)?.and_then(Json::as_f64).filter(|ms| (0.0..=86_400_000.0).contains(ms));
    Ok(Duration::from_secs_f64(ms.unwrap_or(0.0) / 1000.0))
}

/// To be cast to an integer: such casts saturate and turn NaN into 0, which is what is wanted at this border.
fn rounded(value: Option<&Json<'_>>) -> f64 {
    value.and_then(Json::as_f64).unwrap_or_default().round()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_read_with_the_page_s_fractions() {
        let json = r#"{"load":{"id":7,"lane":1,"url":"https://o/v/s7.m4s?t=1","name":"s7.m4s","kind":"part",
            "part":2,"msn":7,"discontinuity":0,"durationMs":4000.0000001,"range":[10,20],"bitrateBps":500000.4,
            "httpOnly":false,"live":true,"ownSetup":true}}"#;
        let Ok(Input::Load(load)) = read(json) else { panic!("not a load") };
        assert_eq!((load.load, load.lane, load.kind), (LoadId(7), LaneNo(1), LoadKind::Part(2)));
        assert_eq!((load.duration_ms, load.bitrate_bps, load.range), (4000, 500_000, Some((10, 20))));
        assert_eq!((load.init, load.live, load.http_only, load.own_setup), (None, true, false, true));
    }

    #[test]
    fn lanes_offers_and_playlists_are_read() {
        let lane = r#"{"lane":{"no":3,"playlist":"https://o/a/i.m3u8","origin":"https://o","kind":"audio",
            "listUrl":"https://o/a/i.mfi.json"}}"#;
        let Ok(Input::Lane(no, info)) = read(lane) else { panic!("not a lane") };
        assert_eq!((no, info.kind, info.rendition), (LaneNo(3), LaneKind::Audio, None));
        let offer =
            r#"{"offer":{"blob":2147483648,"length":9,"request":{"url":"u","name":"n","kind":"media"}}}"#;
        assert!(matches!(read(offer), Ok(Input::Offered { blob: BlobId(0x8000_0000), length: 9, .. })));
        let playlist = r#"{"player":{"playlist":{"lane":0,"targetMs":4000,"segments":[
            {"msn":8,"url":"https://o/s","durationMs":4000,"range":[100,200]},
            {"msn":9,"url":"https://o/s9","durationMs":4000}]}}}"#;
        let Ok(Input::Player(PlayerInput::Playlist { segments, .. })) = read(playlist) else {
            panic!("no playlist")
        };
        let told: Vec<_> = segments.iter().map(|s| (s.msn, s.range)).collect();
        assert_eq!(told, [(8, Some((100, 200))), (9, None)]);
    }

    #[test]
    fn players_consent_and_goodbye_are_read() {
        assert!(matches!(read(r#"{"player":"stalled"}"#), Ok(Input::Player(PlayerInput::Stalled))));
        let json = r#"{"player":{"buffer":{"aheadMs":-5.5,"rate":1}}}"#;
        assert!(matches!(read(json), Ok(Input::Player(PlayerInput::Buffer { ahead_ms: 0, .. }))));
        assert!(matches!(
            read(r#"{"player":{"hidden":true}}"#),
            Ok(Input::Player(PlayerInput::Hidden(true)))
        ));
        assert!(matches!(read(r#"{"consent":true}"#), Ok(Input::Consent(true))));
        assert!(matches!(read(r#"{"abort":4}"#), Ok(Input::LoadAborted(LoadId(4)))));
        assert!(matches!(read(r#""shutdown""#), Ok(Input::Shutdown)));
    }

    #[test]
    fn nonsense_names_what_was_expected() {
        let error = read(r#"{"load":{"lane":1}}"#).unwrap_err().to_string();
        assert!(error.contains("url"), "{error}");
        for nonsense in ["{\"dance\":1}", "{", "1", "{}", "{\"load\":1,\"abort\":2}", "{\"player\":{}}"] {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
    }
}
