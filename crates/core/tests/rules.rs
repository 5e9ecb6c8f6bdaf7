//! Rules that this viewer keeps towards its neighbours, and makes them keep, each stated once.

mod stage;

#[path = "rules/keeping.rs"]
mod keeping;
#[path = "rules/listening.rs"]
mod listening;
#[path = "rules/uploading.rs"]
mod uploading;
