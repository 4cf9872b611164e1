//! Every limit in one place. A queue, buffer, cache, task count or retry that has no line here is
//! a bug; each that can be hit in operation has a metric.

use std::time::Duration;

/// Largest body that is held back until it is inspected whole, by default.
pub const HOLD_LIMIT: usize = 64 * 1024;
/// Largest hold limit that can be configured.
pub const HOLD_LIMIT_MAX: usize = 64 * 1024 * 1024;
/// Worker threads that can be configured.
pub const WORKERS: usize = 256;
/// How long a body may pause before what has come of it is released, by default.
pub const HOLD_PAUSE: Duration = Duration::from_millis(20);
/// Bytes of a request's head (request line and headers).
pub const HEAD_BYTES: usize = 64 * 1024;
/// Header fields in a request.
pub const HEADER_COUNT: usize = 128;
/// Time for a request's head to arrive.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two pieces of a body, in either direction.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for an upstream connection to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for an upstream's response head to begin, once the request is sent.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// Idle time after which a client's keep-alive connection is closed.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);
/// Idle time after which a pooled upstream connection is closed.
pub const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle upstream connections kept, per worker and server.
pub const POOL_IDLE_CONNECTIONS: usize = 256;
/// Client connections in all, per worker.
pub const CONNECTIONS: usize = 16_384;
/// Streams of one HTTP/2 connection.
pub const H2_STREAMS: u32 = 128;
/// Header list of an HTTP/2 request.
pub const H2_HEADER_LIST_BYTES: u32 = 16 * 1024;
/// Bytes of an unread body that are read and thrown away so that a refusal reaches its client.
pub const LINGER_BYTES: usize = 1024 * 1024;
/// Time for the same.
pub const LINGER_TIME: Duration = Duration::from_secs(2);
/// Time that requests under way get to finish at shutdown.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Attempts of a request whose pooled connection had died before anything was sent.
pub const STALE_RETRIES: usize = 2;

/// Layers of encoding that are undone, one inside the other.
pub const DECODE_DEPTH: usize = 8;
/// Bytes that all layers of one request may produce, per byte that came in, above [`DECODE_FREE_BYTES`].
pub const DECODE_RATIO: u64 = 100;
/// Bytes that all layers of one request may produce whatever came in.
pub const DECODE_FREE_BYTES: u64 = 1024 * 1024;

/// Events waiting to be written, before they are aggregated.
pub const EVENT_QUEUE: usize = 16_384;
/// Distinct (token, client, host, action) under aggregation, before uses are only counted.
pub const EVENT_AGGREGATES: usize = 16_384;
/// Events written in one transaction.
pub const EVENT_BATCH: usize = 1_000;
/// Longest time that an event waits for its batch.
pub const EVENT_FLUSH: Duration = Duration::from_millis(100);
/// Attempts to store a batch before it is dropped and counted.
pub const EVENT_STORE_ATTEMPTS: usize = 8;
/// Events of one request that are recorded; more tokens than that in one request are counted.
pub const EVENTS_PER_REQUEST: usize = 32;
/// Events that a live stream's reader may lag behind.
pub const EVENT_STREAM_LAG: usize = 1_024;
/// Live streams of events at once.
pub const EVENT_STREAMS: usize = 64;

/// Bytes of a JSON body of the control API.
pub const API_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a report in one import.
pub const IMPORT_BYTES: usize = 512 * 1024 * 1024;
/// Tokens in one call of the API other than an import.
pub const TOKENS_PER_CALL: usize = 10_000;
/// Imports under way at once.
pub const IMPORTS: usize = 4;
/// Reasons of refused items that an import's answer lists; the rest are counted.
pub const IMPORT_REFUSALS: usize = 1_000;
/// Bytes of one token.
pub const TOKEN_BYTES: usize = 16 * 1024;
/// Bytes under which a token never becomes a rule, even by force.
pub const TOKEN_BYTES_FORCED: usize = 6;
/// Bytes under which a token becomes a rule only by force.
pub const TOKEN_BYTES_APPLICABLE: usize = 8;
/// Bytes of a delimited value that is looked up among tokens of which only a digest is known.
pub const DIGEST_CANDIDATE_BYTES: usize = 4 * 1024;
/// Bytes of a title.
pub const TITLE_BYTES: usize = 256;
/// Bytes of an owner, a contact, a name.
pub const NAME_BYTES: usize = 256;
/// Bytes of a comment.
pub const COMMENT_BYTES: usize = 8 * 1024;
/// Bytes of a URL or path of a source.
pub const URL_BYTES: usize = 2_048;
/// Entries of one list inside a scope.
pub const SCOPE_ENTRIES: usize = 256;
/// Items on one page of a list.
pub const PAGE: usize = 200;
/// Items on one page where the call does not say.
pub const PAGE_DEFAULT: usize = 50;
/// How far `total` of a list counts.
pub const TOTAL_COUNT: u64 = 10_000;
/// Tokens and sources shown inside a leak.
pub const SHOWN_IN_LEAK: usize = 100;
/// Days for which a closed leak's tokens are watched.
pub const WATCH_CLOSED_DAYS: u32 = 30;
/// Calls of the control API under way at once.
pub const API_CALLS: usize = 256;
/// Bytes of a recorded user agent.
pub const RECORDED_USER_AGENT: usize = 512;
/// Bytes of a recorded path and query.
pub const RECORDED_PATH: usize = 2_048;
