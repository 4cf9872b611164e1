//! What operators see of the program itself: metrics, log lines, health.
