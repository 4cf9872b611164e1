//! The program from outside: raw sockets before and behind the gateway, and the whole of it as its
//! users run it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs, unreachable_pub)]

mod clients;
mod console;
mod crowd;
#[path = "../postgres/mod.rs"]
mod databases;
mod draining;
mod ending;
mod evasion;
mod floods;
mod forwarding;
mod h2c;
mod holding;
mod ping_pong;
mod program;
mod proxy_protocol;
#[path = "../api/support/receiver.rs"]
#[allow(dead_code, reason = "the tests of the API use more of it")]
mod receiver;
mod reload;
mod slow;
mod smuggling;
mod streaming;
mod support;
mod tls;
mod unix_socket;
mod upgrade;
mod upstreams;
mod websocket;
