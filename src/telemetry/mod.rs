//! What operators see of the program itself: metrics, log lines, health.

pub mod health;
pub mod logs;
pub mod metrics;
