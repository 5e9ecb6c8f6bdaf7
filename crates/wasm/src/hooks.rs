//! Ways to break the module, for tests of the page. The shipped module has none of them: its build checks that
//! no export is named so.

#![allow(clippy::panic, reason = "a test asks for the panic")]

use std::cell::Cell;

use wasm_bindgen::prelude::*;

use crate::MeshHandle;

thread_local! {
    static ARMED: Cell<Option<Trap>> = const { Cell::new(None) };
}

/// Where a trap waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trap {
    /// The next word (a load, mostly).
    Word,
    /// The next message of a peer.
    Message,
    /// The next timer.
    Wake,
}

/// Panics if a test set a trap here.
pub(crate) fn spring(here: Trap) {
    if ARMED.get() == Some(here) {
        ARMED.set(None);
        panic!("a test asked for this panic");
    }
}

#[wasm_bindgen]
impl MeshHandle {
    /// Breaks the module: `panic-in-load`, `panic-in-message`, `panic-in-timer` on the next one; `mute` throws
    /// every further Output away (a core that never answers); `spin` asks without end from the next entry on;
    /// `grow` takes memory until there is none.
    #[wasm_bindgen(js_name = testHook)]
    pub fn test_hook(&self, name: &str) {
        match name {
            "panic-in-load" => ARMED.set(Some(Trap::Word)),
            "panic-in-message" => ARMED.set(Some(Trap::Message)),
            "panic-in-timer" => ARMED.set(Some(Trap::Wake)),
            "mute" => self.driver.mute.set(true),
            "spin" => self.driver.spin.set(true),
            "grow" => take_all_memory(),
            other => panic!("there is no test hook `{other}`"),
        }
    }
}

fn take_all_memory() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(Vec::with_capacity(64 << 20));
    }
}
