//! Runs the check of `tests/fuzz/records.rs`.
#![no_main]

#[path = "../../tests/fuzz/records.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
