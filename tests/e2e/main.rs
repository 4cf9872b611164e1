//! The gateway from outside: raw sockets before and behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs, unreachable_pub)]

mod support;

mod draining;
mod forwarding;
mod framing;
mod h2c;
mod holding;
mod ping_pong;
mod slow;
mod streaming;
mod upgrade;
mod upstreams;
