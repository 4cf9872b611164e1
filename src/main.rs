//! The `leakgate` binary.

fn main() {}
