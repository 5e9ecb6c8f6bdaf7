//! In a real browser, with the flags of the shipped module: bytes through the door, and calls across the border.
//!
//! The page here is a few lines of JavaScript that keep blobs as the SDK does and write down what they are asked.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod page;

use meshedflow_core::measure::Measured;
use meshedflow_core::{BlobId, ConnNo, Expect, GrantId, HttpId, Source};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

use crate::MeshHandle;
use crate::door::{Arrived, Door, TASK_BYTES};
use page::Page;

wasm_bindgen_test_configure!(run_in_browser);

const CONN: ConnNo = ConnNo(1);
const REQUEST: u32 = 300;
const BLOB: BlobId = BlobId(2);

/// A door with one grant, and the page behind it.
struct Scene {
    page: Page,
    door: Door,
    told: Vec<Measured>,
}

impl Scene {
    fn new(from: Source, size: u32, cuts: &[u32]) -> Self {
        let page = Page::new();
        page.make(BLOB.0, size);
        let mut door = Door::new();
        door.grants.body(HttpId(4), BLOB);
        let (grant, cuts) = (GrantId(1), cuts.to_vec());
        door.grants.expect(Expect { grant, from, blob: BLOB, range: 0..size, base: 0, cuts });
        Self { page, door, told: Vec::new() }
    }

    /// A Data message for these bytes of the segment.
    fn peer(&mut self, bytes: &[u8], offset: u32) -> Arrived {
        let message = data_message(REQUEST, offset, bytes);
        self.page.hold(&message);
        let told = &mut self.told;
        self.door.data(&self.page.host(), CONN, message.len(), &mut |_, measured| told.push(measured))
    }

    /// The next chunk of the body, which the page puts into the blob before it tells.
    fn body(&mut self, at: u32, bytes: &[u8]) {
        self.page.hold(bytes);
        self.page.put(BLOB.0, at, bytes);
        let told = &mut self.told;
        self.door.body(&self.page.host(), HttpId(4), at, bytes.len() as u32, &mut |_, measured| {
            told.push(measured)
        });
    }

    fn blob(&self) -> Vec<u8> {
        self.page.blob(BLOB.0)
    }
}

/// As `wire` writes it: type, length, request, offset, flags, media.
fn data_message(request: u32, offset: u32, media: &[u8]) -> Vec<u8> {
    let mut body = [varint(request), varint(offset), vec![0]].concat();
    body.extend(media);
    [vec![9], varint(body.len() as u32), body].concat()
}

fn varint(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn media(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// What the browser's own SHA-256 says.
async fn digest(bytes: &[u8]) -> Vec<u8> {
    page::digest(bytes).await
}

#[wasm_bindgen_test]
async fn a_peers_odd_pieces_are_measured_and_put_in_place() {
    let truth = media(150_000);
    let mut scene = Scene::new(Source::Peer(CONN, REQUEST), 150_000, &[70_001, 150_000]);
    let mut at = 0;
    for size in (1..).map(|i| (i * i * 17) % 16_001 + 1) {
        let end = (at + size).min(truth.len());
        assert!(matches!(scene.peer(&truth[at..end], at as u32), Arrived::Stored));
        at = end;
        if at == truth.len() {
            break;
        }
    }
    assert_eq!(scene.blob(), truth);
    assert_eq!(scene.told.len(), 2);
    assert_eq!(scene.told[0].sha256().as_slice(), digest(&truth[..70_001]).await);
    assert_eq!(scene.told[1].sha256().as_slice(), digest(&truth[70_001..]).await);
}

#[wasm_bindgen_test]
async fn a_chunk_longer_than_the_scratch_is_measured_in_pieces() {
    let truth = media(200_000);
    let mut scene = Scene::new(Source::Http(HttpId(4)), 200_000, &[200_000]);
    scene.body(0, &truth[..199_999]);
    assert!(scene.told.is_empty());
    scene.body(199_999, &truth[199_999..]);
    assert_eq!(scene.told[0].sha256().as_slice(), digest(&truth).await);
}

#[wasm_bindgen_test]
async fn a_late_grant_is_measured_in_bounded_tasks() {
    let size = 3 * TASK_BYTES + 5;
    let truth = media(size as usize);
    let mut scene = Scene::new(Source::Peer(CONN, REQUEST), 1, &[1]);
    scene.page.make(BLOB.0, size);
    scene.body(0, &truth);
    let (grant, from) = (GrantId(2), Source::Http(HttpId(4)));
    scene.door.grants.expect(Expect { grant, from, blob: BLOB, range: 0..size, base: 0, cuts: vec![size] });
    let mut tasks = 1;
    while scene.door.catch_up(&scene.page.host(), &mut |_, measured| scene.told.push(measured)) {
        tasks += 1;
    }
    assert_eq!((tasks, scene.told.len()), (4, 1));
    assert_eq!(scene.told[0].sha256().as_slice(), digest(&truth).await);
}

#[wasm_bindgen_test]
fn bytes_without_a_grant_or_outside_it_are_dropped() {
    let mut scene = Scene::new(Source::Peer(CONN, REQUEST), 100, &[100]);
    assert!(matches!(scene.peer(&[1; 20], 90), Arrived::Violation(_)));
    assert!(matches!(scene.peer(&[1; 20], 100), Arrived::Violation(_)));
    scene.door.grants.forget(GrantId(1));
    assert!(matches!(scene.peer(&[1; 20], 0), Arrived::Stray(20)));
    assert_eq!(scene.blob(), [0; 100]);
    scene.page.hold(&[0x0a, 1, 7]);
    let done = scene.door.data(&scene.page.host(), CONN, 3, &mut |_, _| ());
    assert!(matches!(done, Arrived::Frames(frames) if frames == [0x0a, 1, 7]));
}

const OPTIONS: &str = r#"{"streamId":"s","platform":{"unixMs":1700000000000}}"#;

#[wasm_bindgen_test]
fn a_page_that_calls_back_from_inside_a_call_is_heard_afterwards() {
    let page = Page::new();
    let mesh = MeshHandle::new(page.host(), OPTIONS, 1, 2, 10.0).unwrap();
    let lane = r#"{"lane":{"no":0,"playlist":"https://o.example/v/i.m3u8","origin":"https://o.example","kind":"main",
        "listUrl":"https://o.example/v/i.mfi.json"}}"#;
    assert!(mesh.tell(lane, 11.0));
    let load = |id: u32| {
        format!(
            r#"{{"load":{{"id":{id},"lane":0,"url":"https://o.example/v/s{id}","name":"s{id}","kind":"media","msn":{id},
            "discontinuity":0,"durationMs":4000,"bitrateBps":1,"httpOnly":true,"live":true}}}}"#
        )
    };
    let (first, second) = (load(1), load(2));
    let again = Closure::<dyn Fn()>::new({
        let mesh: JsValue = JsValue::from(mesh);
        page.keep(&mesh);
        let page = page.clone();
        move || page.tell(&second, 12.0)
    });
    page.on_get(again.as_ref());
    page.tell(&first, 12.0);
    let urls: Vec<String> = page.urls().into_iter().filter(|url| url.contains("/s")).collect();
    assert_eq!(urls, ["https://o.example/v/s1", "https://o.example/v/s2"]);
    assert!(page.warnings().is_empty(), "{:?}", page.warnings());
}

#[wasm_bindgen_test]
fn a_word_that_is_not_understood_is_a_warning() {
    let page = Page::new();
    let mesh = MeshHandle::new(page.host(), OPTIONS, 1, 2, 10.0).unwrap();
    assert!(!mesh.tell("{\"dance\":1}", 11.0));
    assert_eq!(page.warnings(), ["bad-word"]);
    assert!(MeshHandle::new(page.host(), "{}", 1, 2, 10.0).is_err(), "options without a stream");
    assert!(mesh.stats().starts_with('{'));
}
