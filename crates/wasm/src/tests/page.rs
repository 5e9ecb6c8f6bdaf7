//! The page of the tests.

use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::Host;

#[wasm_bindgen(inline_js = r#"
export class TestPage {
  constructor() { this.blobs = new Map(); this.held = new Uint8Array(0); this.asked = []; this.warned = []; this.then = null; }
  // As the SDK's host does it.
  fill(room, from) { room.set(this.held.subarray(from, from + room.length)); }
  blobPut(blob, at, from, length) { this.blobs.get(blob).set(this.held.subarray(from, from + length), at); }
  blobRead(room, blob, at) { const bytes = this.blobs.get(blob); if (at + room.length > bytes.length) return false; room.set(bytes.subarray(at, at + room.length)); return true; }
  newBlob(blob, size) { this.blobs.set(blob, new Uint8Array(size)); }
  freeBlob(blob) { this.blobs.delete(blob); }
  get(http, url) { this.asked.push(url); const { then } = this; this.then = null; if (then) then(); }
  event(name, detail) { if (name === 'warn') this.warned.push(JSON.parse(detail).code); }
  progress() {} loaded() {} loadFailed() {} due() {} abortGet() {} connect() {} say() {} disconnect() {} arm() {} soon() {} panicked() {}
  // For the tests.
  hold(bytes) { this.held = bytes.slice(); }
  put(blob, at, bytes) { this.blobs.get(blob).set(bytes, at); }
  blob(id) { return this.blobs.get(id); }
  keep(mesh) { this.mesh = mesh; }
  tell(word, now) { if (!this.mesh.tell(word, now)) throw new Error('not understood'); }
}
export function sha256(bytes) { return crypto.subtle.digest('SHA-256', bytes.slice()); }
"#)]
extern "C" {
    #[derive(Clone)]
    type TestPage;
    #[wasm_bindgen(constructor)]
    fn new() -> TestPage;
    #[wasm_bindgen(method)]
    fn hold(this: &TestPage, bytes: &[u8]);
    #[wasm_bindgen(method, js_name = newBlob)]
    fn make(this: &TestPage, blob: u32, size: u32);
    #[wasm_bindgen(method)]
    fn put(this: &TestPage, blob: u32, at: u32, bytes: &[u8]);
    #[wasm_bindgen(method)]
    fn blob(this: &TestPage, blob: u32) -> Vec<u8>;
    #[wasm_bindgen(method)]
    fn keep(this: &TestPage, mesh: &JsValue);
    #[wasm_bindgen(method)]
    fn tell(this: &TestPage, word: &str, now: f64);
    #[wasm_bindgen(method, setter)]
    fn set_then(this: &TestPage, callback: &JsValue);
    #[wasm_bindgen(method, getter)]
    fn asked(this: &TestPage) -> Array;
    #[wasm_bindgen(method, getter)]
    fn warned(this: &TestPage) -> Array;
    fn sha256(bytes: &[u8]) -> Promise;
}

/// The page, as tests speak to it.
#[derive(Clone)]
pub(super) struct Page(TestPage);

impl Page {
    pub(super) fn new() -> Self {
        Self(TestPage::new())
    }

    pub(super) fn host(&self) -> Host {
        JsValue::from(self.0.clone()).unchecked_into()
    }

    /// The message or chunk that is being delivered.
    pub(super) fn hold(&self, bytes: &[u8]) {
        self.0.hold(bytes);
    }

    pub(super) fn make(&self, blob: u32, size: u32) {
        self.0.make(blob, size);
    }

    pub(super) fn put(&self, blob: u32, at: u32, bytes: &[u8]) {
        self.0.put(blob, at, bytes);
    }

    pub(super) fn blob(&self, blob: u32) -> Vec<u8> {
        self.0.blob(blob)
    }

    /// The handle that [`Page::tell`] speaks to.
    pub(super) fn keep(&self, mesh: &JsValue) {
        self.0.keep(mesh);
    }

    pub(super) fn tell(&self, word: &str, now: f64) {
        self.0.tell(word, now);
    }

    /// Calls back, once, from inside the next `get`.
    pub(super) fn on_get(&self, callback: &JsValue) {
        self.0.set_then(callback);
    }

    pub(super) fn urls(&self) -> Vec<String> {
        strings(&self.0.asked())
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        strings(&self.0.warned())
    }
}

/// SHA-256 by the browser.
pub(super) async fn digest(bytes: &[u8]) -> Vec<u8> {
    let buffer = JsFuture::from(sha256(bytes)).await.unwrap();
    Uint8Array::new(&buffer).to_vec()
}

fn strings(list: &Array) -> Vec<String> {
    list.iter().filter_map(|item| item.as_string()).collect()
}
