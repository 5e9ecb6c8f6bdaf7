//! What a panic leaves behind: a line of text at the page, then a trap.
//!
//! `panic = "abort"` runs the hook and traps. The page's guard sees the `RuntimeError`, marks every mesh of
//! this module dead and never calls in again: borrows and the shadow stack are as the panic left them.

use std::cell::RefCell;
use std::panic;

use crate::host::Host;

thread_local! {
    static LISTENER: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// Tells `host` the text of any later panic. The newest host speaks for all: they share the page's console.
pub(crate) fn watch(host: &Host) {
    LISTENER.with(|listener| listener.replace(Some(host.clone())));
    panic::set_hook(Box::new(|info| {
        LISTENER.with(|listener| {
            if let Ok(listener) = listener.try_borrow()
                && let Some(host) = listener.as_ref()
            {
                host.panicked(&info.to_string());
            }
        });
    }));
}
