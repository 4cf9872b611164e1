//! The whole program: the real binary over real sockets.

mod access_log;
mod admin;
mod bad_input;
mod demo;
mod deploy;
mod docs;
mod hooks;
mod keys;
mod kill;
mod main_job;
mod openapi;
mod planted;
mod reload;
mod sinks;
mod swaps;
mod systemd;
mod tenants;
mod timers;
mod token_modes;
