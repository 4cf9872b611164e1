//! leakgate stops leaked API tokens from working, seconds after anyone learns of the leak.
//!
//! `ARCHITECTURE.md` draws the rooms and the arrows between them.

pub mod config;
pub mod control;
pub mod decode;
pub mod events;
pub mod inspect;
pub mod matcher;
pub mod model;
<<<<<<< HEAD
pub mod reports;
=======
pub mod proxy;
>>>>>>> room/proxy
pub mod store;
pub mod telemetry;
