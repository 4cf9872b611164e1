//! Clients that are not ours: a browser, and those that put a proxy under load. What they need beside
//! the toolchain, `./scripts/test` installs.

mod browser;
mod load;
