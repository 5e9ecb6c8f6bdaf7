//! Documents that mean one thing: no object may name a member twice.

use meshedflow_json::{Json, parse_once};

pub use meshedflow_json::JsonError;

/// Reads a document, refusing duplicate members anywhere, unknown ones included: two readers that keep the
/// first or the last of them would see two documents.
pub(crate) fn read(bytes: &[u8]) -> Result<Json<'_>, JsonError> {
    parse_once(text(bytes)?)
}

pub(crate) fn text(bytes: &[u8]) -> Result<&str, JsonError> {
    core::str::from_utf8(bytes).map_err(|error| JsonError::new(error.to_string()))
}
