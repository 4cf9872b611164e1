//! Bounds of what gateways pull and send.

use std::time::Duration;

/// Longest time for which a pull of a patchset waits for a change. Less than [`API_CALL_TIME`](super::API_CALL_TIME).
pub const PATCHSET_WAIT: Duration = Duration::from_secs(30);
/// Pulls that wait for a change at once. Fewer than [`API_CALLS`](super::API_CALLS).
pub const PATCHSET_WAITERS: usize = 64;
/// Patchsets that are sent at once.
pub const PATCHSET_PULLS: usize = 8;
/// Time for which another one waits for its turn.
pub const PATCHSET_PULL_WAIT: Duration = Duration::from_secs(20);
/// Events that a gateway sends in one call.
pub const EVENTS_SENT: usize = 1_000;
/// How many days ago an event that a gateway sends may have been.
pub const EVENT_SENT_DAYS: i64 = 31;
/// How far the clock of a gateway that sends events may be ahead.
pub const EVENT_SENT_AHEAD: Duration = Duration::from_secs(300);
/// Encodings of an event that a gateway sends.
pub const EVENT_SENT_ENCODINGS: usize = 64;
/// Bytes of each text of an event that a gateway sends.
pub const EVENT_SENT_TEXT_BYTES: usize = 2_048;
