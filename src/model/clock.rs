//! Time as the rest of the program uses it: UTC, to the millisecond.

use jiff::Timestamp;

/// The current time, cut to the millisecond, which is what the store keeps and the API shows.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
