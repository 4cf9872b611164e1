//! Runs the check of `tests/fuzz/reports.rs`.
#![no_main]

#[path = "../../tests/fuzz/reports.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
