//! leakgate stops leaked API tokens from working, seconds after anyone learns of the leak.
//!
//! `ARCHITECTURE.md` draws the rooms and the arrows between them.

pub mod app;
pub mod client;
pub mod config;
pub mod console;
pub mod control;
pub mod decode;
pub mod events;
pub mod inspect;
pub mod matcher;
pub mod model;
pub mod proxy;
pub mod reports;
pub mod store;
pub mod telemetry;
