//! Runs the check of `tests/fuzz/ebcdic.rs`.
#![no_main]

#[path = "../../tests/fuzz/ebcdic.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
