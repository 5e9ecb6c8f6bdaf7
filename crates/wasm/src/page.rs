//! What the page tells in words: rare, structured Inputs as JSON (`js/src/port.ts` writes them).
//!
//! A word is an object with one member, such as `{"load": {...}}`. The fields are picked by hand: derived
//! deserializers would cost the module more than all else in this crate. Numbers come as JavaScript computed
//! them, so each is rounded here; one that is negative or absent counts as 0.

use meshedflow_core::{
    BlobId, Input, KnownSegment, LaneInfo, LaneKind, LaneNo, LoadId, LoadKind, LoadRequest, PlayerInput,
};
use serde_json::{Map, Value};

/// Reads one word; the error names what was expected.
pub(crate) fn read(json: &str) -> Result<Input<'static>, &'static str> {
    let word: Value = serde_json::from_str(json).map_err(|_| "JSON")?;
    if word == "shutdown" {
        return Ok(Input::Shutdown);
    }
    let (name, value) = only(&word).ok_or("a word of one member")?;
    let fields = Fields(value.as_object());
    match name {
        "lane" => Ok(Input::Lane(LaneNo(short(fields.number("no"))), lane(&fields)?)),
        "load" => Ok(Input::Load(load(&fields)?)),
        "abort" => Ok(Input::LoadAborted(LoadId(whole(number(value))))),
        "offer" => offer(&fields),
        "player" => player(value).map(Input::Player),
        "consent" => Ok(Input::Consent(*value == true)),
        _ => Err("lane, load, abort, offer, player, consent or shutdown"),
    }
}

fn lane(fields: &Fields<'_>) -> Result<LaneInfo, &'static str> {
    Ok(LaneInfo {
        playlist: fields.text("playlist").ok_or("playlist")?,
        origin: fields.text("origin").ok_or("origin")?,
        list_url: fields.text("listUrl").ok_or("listUrl")?,
        rendition: fields.text("rendition"),
        kind: match fields.word("kind") {
            "main" => LaneKind::Main,
            "audio" => LaneKind::Audio,
            "subtitle" => LaneKind::Subtitle,
            _ => return Err("kind: main, audio or subtitle"),
        },
    })
}

fn load(fields: &Fields<'_>) -> Result<LoadRequest, &'static str> {
    Ok(LoadRequest {
        load: LoadId(whole(fields.number("id"))),
        lane: LaneNo(short(fields.number("lane"))),
        url: fields.text("url").ok_or("url")?,
        name: fields.text("name").ok_or("name")?,
        kind: match fields.word("kind") {
            "media" => LoadKind::Media,
            "part" => LoadKind::Part(whole(fields.number("part"))),
            "init" => LoadKind::Init,
            _ => return Err("kind: media, part or init"),
        },
        msn: long(fields.number("msn")),
        discontinuity: whole(fields.number("discontinuity")),
        duration_ms: whole(fields.number("durationMs")),
        range: fields.range("range"),
        init: fields.text("init"),
        bitrate_bps: whole(fields.number("bitrateBps")),
        http_only: fields.flag("httpOnly"),
        live: fields.flag("live"),
    })
}

fn offer(fields: &Fields<'_>) -> Result<Input<'static>, &'static str> {
    let request = fields.get("request").and_then(Value::as_object);
    Ok(Input::Offered {
        request: load(&Fields(request))?,
        blob: BlobId(whole(fields.number("blob"))),
        length: whole(fields.number("length")),
    })
}

fn player(value: &Value) -> Result<PlayerInput, &'static str> {
    if value == "stalled" {
        return Ok(PlayerInput::Stalled);
    }
    let (name, value) = only(value).ok_or("player: stalled or one member")?;
    let fields = Fields(value.as_object());
    Ok(match name {
        "buffer" => {
            let (ahead_ms, rate) = (whole(fields.number("aheadMs")), fields.number("rate").max(0.0));
            PlayerInput::Buffer { ahead_ms, rate }
        }
        "playlist" => PlayerInput::Playlist {
            lane: LaneNo(short(fields.number("lane"))),
            target_ms: whole(fields.number("targetMs")),
            segments: segments(fields.get("segments"))?,
        },
        "hidden" => PlayerInput::Hidden(*value == true),
        "network" => {
            PlayerInput::Network { save_data: fields.flag("saveData"), cellular: fields.flag("cellular") }
        }
        _ => return Err("player: buffer, playlist, hidden, stalled or network"),
    })
}

fn segments(list: Option<&Value>) -> Result<Vec<KnownSegment>, &'static str> {
    let list = list.and_then(Value::as_array).ok_or("segments")?;
    let segment = |value: &Value| {
        let fields = Fields(value.as_object());
        let (msn, duration_ms) = (long(fields.number("msn")), whole(fields.number("durationMs")));
        Ok(KnownSegment { msn, url: fields.text("url").ok_or("segments: url")?, duration_ms })
    };
    list.iter().map(segment).collect()
}

/// The members of an object, or of none.
struct Fields<'a>(Option<&'a Map<String, Value>>);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0?.get(name)
    }

    fn word(&self, name: &str) -> &'a str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(Value::as_str).map(Into::into)
    }

    fn number(&self, name: &str) -> f64 {
        self.get(name).map_or(0.0, number)
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| *value == true)
    }

    fn range(&self, name: &str) -> Option<(u64, u64)> {
        match self.get(name)?.as_array()?.as_slice() {
            [first, end] => Some((long(number(first)), long(number(end)))),
            _ => None,
        }
    }
}

/// Name and value of the only member.
fn only(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object()?;
    let (name, value) = members.iter().next().filter(|_| members.len() == 1)?;
    Some((name, value))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
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
        assert_eq!((load.init, load.live, load.http_only), (None, true, false));
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
            {"msn":9,"url":"https://o/s9","durationMs":4000}]}}}"#;
        let Ok(Input::Player(PlayerInput::Playlist { segments, .. })) = read(playlist) else {
            panic!("no playlist")
        };
        assert_eq!((segments.len(), segments[0].msn), (1, 9));
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
        assert_eq!(read(r#"{"load":{"lane":1}}"#).unwrap_err(), "url");
        for nonsense in ["{\"dance\":1}", "{", "1", "{}", "{\"load\":1,\"abort\":2}", "{\"player\":{}}"] {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
    }
}
