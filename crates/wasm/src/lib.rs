//! The browser layer: performs what [`meshedflow_core`] asks, decides nothing.
//!
//! The page (`js/src`) owns every connection, socket, timer, request and buffer, and names them by number. What
//! happens to them enters here, through [`MeshHandle`], as one Input; what the core asks in return leaves as
//! calls of the page's [`Host`], one method for each kind of Output, in order. Between the two stands the
//! driver: a queue, one borrow of the core at a time, and none while the page is called.
//!
//! Media bytes stay out. A message from a peer, or a chunk of an HTTP body, is copied into one fixed scratch,
//! where the head is read and the bytes are hashed; the page then puts them into the buffer that a grant of the
//! core names. What no grant covers is dropped. So the module's memory, which can never shrink, does not grow
//! with the store.
//!
//! A panic ends the module: the hook tells the page why, the trap tells it that. Players go on over HTTP.

mod door;
mod driver;
mod grants;
#[cfg(feature = "test-hooks")]
mod hooks;
mod host;
mod page;
mod perform;
mod poison;
#[cfg(all(test, target_arch = "wasm32"))]
mod tests;

use meshedflow_core::config::Options;
use meshedflow_core::{ConnNo, HttpFailure, HttpId, HttpInput, Input, PeerInput, SignalInput, Time};
use wasm_bindgen::prelude::*;

pub use host::Host;

use driver::{Driver, Pending};

/// One mesh: one stream on one page. Every method takes `performance.now()` last, queues what it was told,
/// and performs what the core then asks before it returns.
#[wasm_bindgen]
pub struct MeshHandle {
    driver: Driver,
}

#[wasm_bindgen]
impl MeshHandle {
    /// A mesh from the JSON of [`Options`]; the two seeds are random 32-bit numbers.
    ///
    /// # Errors
    /// The text of what is wrong with the options.
    #[wasm_bindgen(constructor)]
    pub fn new(host: Host, options: &str, seed_high: u32, seed_low: u32, now: f64) -> Result<Self, JsError> {
        poison::watch(&host);
        let options: Options =
            Options::parse(options).map_err(|error| JsError::new(&format!("core options: {error}")))?;
        let seed = u64::from(seed_high) << 32 | u64::from(seed_low);
        Ok(Self { driver: Driver::new(host, options, seed, Time::from_ms(now)) })
    }

    /// What the page tells in words: lanes, loads, aborts, offers, the player, consent, shutdown. False if the
    /// word was not understood; then nothing happens but a warning.
    pub fn tell(&self, word: &str, now: f64) -> bool {
        #[cfg(feature = "test-hooks")]
        hooks::spring(hooks::Trap::Word);
        match page::read(word) {
            Ok(input) => self.driver.tell(now, input),
            Err(error) => {
                perform::warn(
                    &self.driver.host,
                    "bad-word",
                    &format!("the core was told what it cannot read: {error}"),
                );
                return false;
            }
        }
        true
    }

    /// The head of an HTTP response; `length` is -1 where unknown.
    #[wasm_bindgen(js_name = httpHead)]
    pub fn http_head(&self, http: u32, status: u16, length: f64, now: f64) {
        let length = (length >= 0.0).then_some(length as u64);
        self.driver.tell(now, Input::Http(HttpId(http), HttpInput::Head { status, length }));
    }

    /// `len` bytes of a body were put into its blob at `at`; the page still holds them for [`Host`]'s `fill`.
    #[wasm_bindgen(js_name = httpChunk)]
    pub fn http_chunk(&self, http: u32, at: u32, len: u32, now: f64) {
        self.driver.body_chunk(now, HttpId(http), at, len);
    }

    /// The whole body of a request without blob.
    #[wasm_bindgen(js_name = httpBody)]
    pub fn http_body(&self, http: u32, body: Vec<u8>, now: f64) {
        self.driver.enter(now, Pending::Body(HttpId(http), body));
    }

    /// The end of a request with a blob, or the failure of any: `failure` is 0 for none, 1 network, 2 timeout,
    /// 3 too long, else the HTTP status.
    #[wasm_bindgen(js_name = httpEnd)]
    pub fn http_end(&self, http: u32, length: u32, failure: u16, now: f64) {
        let input = match failure {
            0 => HttpInput::Done { length },
            1 => HttpInput::Failed(HttpFailure::Network),
            2 => HttpInput::Failed(HttpFailure::Timeout),
            3 => HttpInput::Failed(HttpFailure::TooLong),
            status => HttpInput::Failed(HttpFailure::Status(status)),
        };
        self.driver.body_ended(now, HttpId(http), input);
    }

    /// The edge socket: `kind` 0 opened, 1 text, 2 closed.
    pub fn signal(&self, kind: u8, text: String, now: f64) {
        self.driver.enter(
            now,
            match kind {
                0 => Pending::Plain(Input::Signal(SignalInput::Opened)),
                1 => Pending::Text(text),
                _ => Pending::Plain(Input::Signal(SignalInput::Closed)),
            },
        );
    }

    /// A peer connection: `kind` 0 described, 1 candidate, 2 opened, 3 drained, 4 violation, 5 closed.
    #[wasm_bindgen(js_name = peerEvent)]
    pub fn peer_event(&self, conn: u32, kind: u8, text: String, now: f64) {
        let conn = ConnNo(conn);
        let plain = |input| Pending::Plain(Input::Peer(conn, input));
        self.driver.enter(
            now,
            match kind {
                0 => Pending::Described(conn, text),
                1 => Pending::Candidate(conn, text),
                2 => plain(PeerInput::Opened),
                3 => plain(PeerInput::Drained),
                4 => plain(PeerInput::Violation("a message that is not binary")),
                _ => plain(PeerInput::Closed),
            },
        );
    }

    /// A message of the control channel.
    #[wasm_bindgen(js_name = peerFrames)]
    pub fn peer_frames(&self, conn: u32, frames: Vec<u8>, now: f64) {
        #[cfg(feature = "test-hooks")]
        hooks::spring(hooks::Trap::Message);
        self.driver.enter(now, Pending::Frames(ConnNo(conn), frames));
    }

    /// A message of `len` bytes of the data channel, which the page holds for [`Host`]'s `fill`.
    #[wasm_bindgen(js_name = peerData)]
    pub fn peer_data(&self, conn: u32, len: u32, now: f64) {
        self.driver.data_message(now, ConnNo(conn), len as usize);
    }

    /// The time asked for has come, or the task of its own.
    pub fn wake(&self, now: f64) {
        #[cfg(feature = "test-hooks")]
        hooks::spring(hooks::Trap::Wake);
        self.driver.wake(now);
    }

    /// Counters, as JSON.
    pub fn stats(&self) -> String {
        self.driver.stats()
    }
}
