//! The vectors of `tests/vectors/identity`, which the viewer's side computes too.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use meshedflow_manifest::identity::{
    IdentityError, keys_url_of, list_url_of, name_of, rendition_of, resource_id, sidecar_url_of,
};
use serde::Deserialize;
use url::Url;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    names: Vec<Name>,
    refused: Vec<Refused>,
    renditions: Vec<Rendition>,
    list_urls: Vec<ListUrl>,
}

#[derive(Deserialize)]
struct Name {
    story: String,
    playlist: Url,
    uri: String,
    name: String,
    resource: String,
}

#[derive(Deserialize)]
struct Refused {
    story: String,
    playlist: Url,
    uri: String,
    why: String,
}

#[derive(Deserialize)]
struct Rendition {
    story: String,
    multivariant: Option<Url>,
    playlist: Url,
    rendition: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListUrl {
    story: String,
    playlist: Url,
    list_url: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../tests/vectors/identity/urls.json")).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn names_and_resources_are_as_everybody_computes_them() {
    assert!(vectors().names.len() >= 20);
    for Name { story, playlist, uri, name, resource } in vectors().names {
        assert_eq!(name_of(&playlist, &uri).as_deref(), Ok(name.as_str()), "{story}");
        let id: String = resource_id(&name).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(id, resource, "{story}");
    }
}

#[test]
fn what_is_no_place_has_no_name() {
    for Refused { story, playlist, uri, why } in vectors().refused {
        let found = match name_of(&playlist, &uri).unwrap_err() {
            IdentityError::Scheme(_) => "scheme",
            IdentityError::Unresolvable(_) => "unresolvable",
            IdentityError::Rendition(..) => "rendition",
        };
        assert_eq!(found, why, "{story}");
    }
}

#[test]
fn renditions_are_named_against_the_multivariant_playlist() {
    for Rendition { story, multivariant, playlist, rendition } in vectors().renditions {
        let found = rendition_of(multivariant.as_ref(), &playlist).unwrap();
        assert_eq!(found.as_str(), rendition, "{story}");
    }
}

#[test]
fn documents_stand_beside_what_they_are_about() {
    for ListUrl { story, playlist, list_url } in vectors().list_urls {
        assert_eq!(list_url_of(&playlist).as_str(), list_url, "{story}");
    }
    let sidecar = sidecar_url_of(&url("https://a.example/vod/seg_1.m4s?token=1"));
    assert_eq!(sidecar.as_str(), "https://a.example/vod/seg_1.m4s.mfi");
    let keys = keys_url_of(&url("https://a.example:8443/vod/index.m3u8?x"));
    assert_eq!(keys.as_str(), "https://a.example:8443/.well-known/meshedflow/keys.json");
}
