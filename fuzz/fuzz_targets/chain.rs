//! Runs the check of `tests/fuzz/chain.rs`.
#![no_main]

#[path = "../../tests/fuzz/chain.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
