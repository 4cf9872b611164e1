//! The store: one conformance suite for every implementation, and what is particular to each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails loudly; clippy.toml lifts these only inside test functions"
)]
#![allow(unreachable_pub, missing_docs, reason = "a test binary has no door")]

mod conformance;
#[path = "../postgres/mod.rs"]
mod databases;
mod given;
mod killing;
mod postgres;
mod rotating;
mod sqlite;
mod volume;
