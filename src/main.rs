//! The `leakgate` binary.

use std::process::ExitCode;

use clap::Parser;
use leakgate::app::{Arguments, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run(Arguments::parse())
}
