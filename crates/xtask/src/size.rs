//! The size budget: what a page must load, in brotli bytes, against `js/size-budget.json`.

use std::path::Path;

/// Compares the built SDK with its budget.
pub(crate) fn check(_root: &Path) -> Result<(), String> {
    Err("the size check is not written yet".into())
}
