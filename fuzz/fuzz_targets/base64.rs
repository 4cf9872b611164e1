//! Runs the check of `tests/fuzz/base64.rs`.
#![no_main]

#[path = "../../tests/fuzz/base64.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
