//! Rules that this viewer keeps towards its neighbours, and makes them keep, each stated once.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a story that fails is a test that fails"
)]

mod stage;

#[path = "rules/keeping.rs"]
mod keeping;
#[path = "rules/listening.rs"]
mod listening;
#[path = "rules/uploading.rs"]
mod uploading;
