//! The whole program: the real binary over real sockets.

mod bad_input;
mod demo;
mod docs;
mod kill;
mod main_job;
mod planted;
mod swaps;
mod timers;
