//! wasm-bindgen's builder and its test runner in one program: `meshedflow-bindgen build|test <arguments>`, and
//! `meshedflow-bindgen lower <module>` for what old engines lack (see [`lower`]).
//!
//! The library behind `wasm-bindgen-cli` is used instead of an installed tool, so that its version is the one in
//! this crate's lock file and a fresh clone needs no further download page.

mod lower;

use std::path::PathBuf;

use wasm_bindgen_cli::{wasm_bindgen, wasm_bindgen_test_runner};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args_os();
    let name = words.next();
    let mode = words.next().unwrap_or_default();
    let words = name.into_iter().chain(words);
    match mode.to_str() {
        Some("build") => Ok(wasm_bindgen::run_cli_with_args(words)?),
        Some("test") => Ok(wasm_bindgen_test_runner::run_cli_with_args(words)?),
        Some("lower") => match words.map(PathBuf::from).skip(1).collect::<Vec<_>>().as_slice() {
            [module] => lower::lower_file(module),
            _ => Err("expected `lower` and one module".into()),
        },
        _ => Err("expected `build`, `test` or `lower` and their arguments".into()),
    }
}
