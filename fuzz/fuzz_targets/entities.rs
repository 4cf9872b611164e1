//! Runs the check of `tests/fuzz/entities.rs`.
#![no_main]

#[path = "../../tests/fuzz/entities.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
