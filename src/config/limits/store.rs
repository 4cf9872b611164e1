//! Bounds of the store.

use std::time::Duration;

/// Connections that read one database of the embedded store, each with a thread of its own.
pub const STORE_READERS: u32 = 4;
/// Connections that read the decisions for decisions, publishing and authentication alone, so that
/// these never wait for lists and statistics.
pub const STORE_RESERVED_READERS: u32 = 3;
/// Time for a reading connection to become free.
pub const STORE_READER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for another process's lock on a database to end.
pub const STORE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections to PostgreSQL that write one of its two schemas.
pub const STORE_WRITERS: u32 = 4;
/// Time for another process's transaction to end that writes the same of PostgreSQL.
pub const STORE_LOCK_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for PostgreSQL to say what other processes have changed; after it the connection is made anew.
pub const STORE_ANSWER: Duration = Duration::from_secs(5);
/// Time after which PostgreSQL gives up one statement.
pub const STORE_STATEMENT: Duration = Duration::from_secs(60);
/// Time after which PostgreSQL ends a transaction whose process asks nothing more.
pub const STORE_IDLE_TRANSACTION: Duration = Duration::from_secs(10);
/// Changes that PostgreSQL keeps for processes that have not yet taken them over; one that is further
/// behind reads everything again.
pub const STORE_CHANGES: i64 = 100_000;
/// How many changes are written between two removals of old ones.
pub const STORE_CHANGES_STEP: i64 = 1_024;
/// Changes that are read at once.
pub const STORE_CHANGES_PAGE: i64 = 1_000;
/// Time between two looks for what other processes have changed, where nothing tells of it.
pub const STORE_POLL: Duration = Duration::from_millis(250);
/// Time between two attempts to listen for changes of other processes.
pub const STORE_LISTEN_PAUSE: Duration = Duration::from_secs(1);
/// Pages (of 4 KiB) of the write-ahead log of events after which these are written into their database: a batch
/// of events changes thousands, and many of them again with the next one.
pub const STORE_WAL_PAGES: u32 = 8_192;
/// Bytes of the database of events that its writing connection keeps in memory.
pub const STORE_WRITER_CACHE: u32 = 8 * 1024 * 1024;
/// Bytes to which a database's write-ahead log is cut after a checkpoint.
pub const STORE_WAL_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of a database that is read through for damage when it is opened.
pub const STORE_CHECKED_BYTES: u64 = 64 * 1024 * 1024;
/// Rows looked at for one index when the planner's statistics are brought up to date.
pub const STORE_ANALYSIS_ROWS: u32 = 1_000;
/// Rows written by one statement.
pub const STORE_ROWS: usize = 200;
/// Values in one statement's list of what to look up.
pub const STORE_VALUES: usize = 1_000;
/// Bytes of the store's key, at least.
pub const STORE_KEY_BYTES: usize = 32;
/// Bytes of a key file that are read.
pub const STORE_KEY_FILE_BYTES: usize = 4 * 1024;
