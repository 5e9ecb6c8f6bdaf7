#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| meshedflow_manifest::fuzz::rolling(bytes));
