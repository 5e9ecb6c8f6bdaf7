//! The size budget: what a page must load, in brotli bytes, against `js/size-budget.json`.

use std::path::Path;

use crate::shell::{program, run};

/// Compares the built SDK with its budget. Node brings the brotli that this crate would need a dependency for.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    run(program("node", &["js/size.mjs"]).current_dir(root))
        .map_err(|_| "the SDK in js/dist is over js/size-budget.json".into())
}
