#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| meshedflow_edge::fuzz::websocket(bytes));
