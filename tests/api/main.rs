//! The HTTP API against the real store. Files are named after the paths they call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails loudly; clippy.toml lifts these only inside test functions"
)]
#![allow(unreachable_pub, missing_docs, reason = "a test binary has no door")]

mod api_tokens;
mod audit;
mod bypass;
mod console;
mod console_drafts;
mod console_outgoing;
mod console_pages;
mod console_proposals;
#[path = "../postgres/mod.rs"]
mod databases;
mod event_intake;
mod events;
mod explain;
mod four_eyes;
mod hooks;
mod imports;
mod leaks;
mod leaks_bulk;
mod leaks_conditions;
mod leaks_decisions;
mod leaks_details;
mod leaks_risk;
mod leaks_token_modes;
mod notifications;
mod oidc;
mod openapi;
mod patchset;
mod planted_token;
mod problems;
mod publishing;
mod reopen_reported;
mod roles;
mod session;
mod several_processes;
mod sinks;
mod start;
mod store_copy;
mod support;
mod tenants;
mod tokens_lookup;
mod users;
mod volume;
