//! Limits of what is kept of events, and of what is sent to sinks.

use std::time::Duration;

/// Days for which events are kept, by default.
pub const EVENTS_KEPT_DAYS: u32 = 180;
/// Bytes of events that can be configured, at least: below, an attack would remove what it did.
pub const EVENTS_KEPT_BYTES_LEAST: u64 = 16 * 1024 * 1024;
/// Rows that are removed in one transaction, so that nobody who writes waits long.
pub const TRIM_ROWS: i64 = 1_000;
/// The same where all that is too much is removed at once.
pub const TRIM_ROWS_AT_ONCE: i64 = 50_000;
/// Time between two looks for what is to be removed, and for events whose writer is gone.
pub const UPKEEP: Duration = Duration::from_secs(60);
/// Time after which an event that grew in another process is taken for done.
pub const GROWING_LONGEST: Duration = Duration::from_secs(60);
/// Hours of which uses are counted one by one, for longer than the week that an impact shows.
pub const STATS_HOURS_KEPT: i64 = 8 * 24;
/// Days of which uses are counted, for longer than events are kept.
pub const STATS_DAYS_KEPT: i64 = 2 * 365;
/// Rows of the feed of events that wait for a sink; one that is further behind misses events.
pub const SINK_FEED: u64 = 1_000_000;
/// Sinks that can be configured.
pub const SINKS: usize = 64;
/// Webhooks of one tenant.
pub const WEBHOOKS: usize = 20;
/// Entries of each feed that are delivered together.
pub const SINK_BATCH: usize = 100;
/// Time for one attempt to deliver.
pub const SINK_TIME: Duration = Duration::from_secs(15);
/// Attempts to deliver, by default.
pub const SINK_ATTEMPTS: u32 = 12;
/// Pause after the first attempt that failed, by default.
pub const SINK_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between two attempts, whatever the receiver asks for.
pub const SINK_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Bytes of a receiver's answer that are read.
pub const SINK_ANSWER_BYTES: usize = 16 * 1024;
/// Time between two looks for what is to be sent, where nothing tells of it.
pub const SINK_POLL: Duration = Duration::from_millis(500);
/// Time between two looks for webhooks that were made or changed by other processes.
pub const SINK_RECONCILE: Duration = Duration::from_secs(5);
/// Time for which a process has a sink for itself; it asks for it anew at a third of that.
pub const SINK_LEASE: Duration = Duration::from_secs(30);
/// Bytes of a datagram of syslog: what fits into one over UDP.
pub const SYSLOG_UDP_BYTES: usize = 60 * 1024;
/// Time in which nobody is notified of the same thing again, by default.
pub const NOTIFICATION_WINDOW: Duration = Duration::from_secs(60 * 60);
/// Notifications of one tenant in a minute, by default.
pub const NOTIFICATIONS_PER_MINUTE: u32 = 60;
/// Time after which a sink that is not there any more is forgotten.
pub const SINK_FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Deliveries to one sink that were given up and are kept.
pub const SINK_LETTERS: i64 = 1_000;
/// Time for which a process may fail to enforce what was decided before somebody is notified.
pub const GATEWAY_BEHIND: Duration = Duration::from_secs(30);
/// Time for which notifications are kept.
pub const NOTIFICATIONS_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
