//! The page's side, as a typed import: one method for each thing that the core can ask.
//!
//! Numbers are `u32` or `f64` (no BigInt: Safari 14 cannot pass one), and `-1` stands for "none". Slices are
//! views into wasm memory that the page must copy from, or fill, before it returns. Payload never crosses as a
//! JavaScript value: the page keeps the message or chunk that it is delivering, and is asked to fill the scratch
//! from it. No method throws, and none calls back into the handle except through its queue.

use wasm_bindgen::prelude::*;

/// "None" where a number is expected.
pub(crate) const NONE: f64 = -1.0;

#[wasm_bindgen]
extern "C" {
    /// The object that owns every connection, socket, timer, request and blob of one mesh (`js/src/host.ts`).
    #[derive(Clone)]
    pub type Host;

    #[wasm_bindgen(method)]
    pub(crate) fn progress(this: &Host, load: u32, verified: u32, total: f64);
    /// `parts` holds blob, first byte and length of each part in turn.
    #[wasm_bindgen(method)]
    pub(crate) fn loaded(
        this: &Host,
        load: u32,
        parts: &[u32],
        from_peers: u32,
        from_http: u32,
        report_bps: f64,
        report_ttfb_ms: u32,
        reason: &str,
    );
    #[wasm_bindgen(method, js_name = loadFailed)]
    pub(crate) fn load_failed(this: &Host, load: u32, http: u32);
    #[wasm_bindgen(method)]
    pub(crate) fn due(this: &Host, load: u32, at_ms: f64, reason: &str);

    /// `purpose` counts the variants of [`meshedflow_core::Purpose`].
    #[wasm_bindgen(method)]
    pub(crate) fn get(
        this: &Host,
        http: u32,
        url: &str,
        first: f64,
        end: f64,
        purpose: u8,
        lane: f64,
        load: f64,
        blob: f64,
    );
    #[wasm_bindgen(method, js_name = abortGet)]
    pub(crate) fn abort_get(this: &Host, http: u32);

    #[wasm_bindgen(method, js_name = newBlob)]
    pub(crate) fn new_blob(this: &Host, blob: u32, bytes: u32);
    #[wasm_bindgen(method, js_name = freeBlob)]
    pub(crate) fn free_blob(this: &Host, blob: u32);
    /// Fills `room` with the bytes from `from` on of the message or chunk now being delivered.
    #[wasm_bindgen(method)]
    pub(crate) fn fill(this: &Host, room: &mut [u8], from: u32);
    /// Of the message now being delivered, puts `len` bytes from `from` on into the blob at `at`.
    #[wasm_bindgen(method, js_name = blobPut)]
    pub(crate) fn blob_put(this: &Host, blob: u32, at: u32, from: u32, len: u32);
    /// Fills `room` with the blob's bytes from `at` on; false if the blob does not have them.
    #[wasm_bindgen(method, js_name = blobRead)]
    pub(crate) fn blob_read(this: &Host, room: &mut [u8], blob: u32, at: u32) -> bool;

    #[wasm_bindgen(method)]
    pub(crate) fn connect(this: &Host, url: &str);
    #[wasm_bindgen(method)]
    pub(crate) fn say(this: &Host, text: &str);
    #[wasm_bindgen(method)]
    pub(crate) fn disconnect(this: &Host);

    /// `ice_servers` is the JSON of an `RTCIceServer` array.
    #[wasm_bindgen(method, js_name = peerOpen)]
    pub(crate) fn peer_open(this: &Host, conn: u32, ice_servers: &str, relay_only: bool);
    #[wasm_bindgen(method, js_name = peerOffer)]
    pub(crate) fn peer_offer(this: &Host, conn: u32);
    #[wasm_bindgen(method, js_name = peerAnswer)]
    pub(crate) fn peer_answer(this: &Host, conn: u32, offer: &str);
    #[wasm_bindgen(method, js_name = peerAccept)]
    pub(crate) fn peer_accept(this: &Host, conn: u32, answer: &str);
    #[wasm_bindgen(method, js_name = peerCandidate)]
    pub(crate) fn peer_candidate(this: &Host, conn: u32, line: &str);
    #[wasm_bindgen(method, js_name = peerSend)]
    pub(crate) fn peer_send(this: &Host, conn: u32, data_channel: bool, frames: &[u8]);
    #[wasm_bindgen(method, js_name = peerSendMedia)]
    pub(crate) fn peer_send_media(this: &Host, conn: u32, head: &[u8], blob: u32, at: u32, len: u32);
    #[wasm_bindgen(method, js_name = peerLowMark)]
    pub(crate) fn peer_low_mark(this: &Host, conn: u32, bytes: u32);
    #[wasm_bindgen(method, js_name = peerClose)]
    pub(crate) fn peer_close(this: &Host, conn: u32);

    /// `detail` is JSON.
    #[wasm_bindgen(method)]
    pub(crate) fn event(this: &Host, name: &str, detail: &str);
    /// Call `wake` at this time; `-1` for never.
    #[wasm_bindgen(method)]
    pub(crate) fn arm(this: &Host, at_ms: f64);
    /// Call `wake` in a task of its own, as soon as can be.
    #[wasm_bindgen(method)]
    pub(crate) fn soon(this: &Host);
    /// The module is about to trap: this is why.
    #[wasm_bindgen(method)]
    pub(crate) fn panicked(this: &Host, text: &str);
}
