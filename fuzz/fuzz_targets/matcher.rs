//! Runs the check of `tests/fuzz/matcher.rs`.
#![no_main]

#[path = "../../tests/fuzz/matcher.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
