//! Runs the check of `tests/fuzz/decode.rs`.
#![no_main]

#[path = "../../tests/fuzz/decode.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
