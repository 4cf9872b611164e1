//! Every limit in one place. A queue, buffer, cache, task count or retry that has no line here is
//! a bug; each that can be hit in operation has a metric.

mod gateways;
mod outgoing;
mod store;

use std::time::Duration;

pub use gateways::*;
pub use outgoing::*;
pub use store::*;

/// Largest body that is held back until it is inspected whole, by default.
pub const HOLD_LIMIT: usize = 64 * 1024;
/// Largest hold limit that can be configured.
pub const HOLD_LIMIT_MAX: usize = 64 * 1024 * 1024;
/// Bytes of bodies that are held back at once, over all requests and workers, by default. Past it, less
/// is held.
pub const HOLD_TOTAL: usize = 256 * 1024 * 1024;
/// Bytes a second at which a body that is held must come, on the average, past what it may pause; by
/// default.
pub const HOLD_MIN_RATE: u32 = 500;
/// Largest such rate that can be configured.
pub const HOLD_MIN_RATE_MAX: u32 = 1_000_000_000;
/// Largest total that can be configured.
pub const HOLD_TOTAL_MAX: usize = 64 * 1024 * 1024 * 1024;
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
/// Servers of one upstream, as configured.
pub const SERVERS: usize = 256;
/// Addresses of one name that become servers.
pub const SERVER_ADDRESSES: usize = 64;
/// Weight of one server.
pub const SERVER_WEIGHT: u32 = 100;
/// Bytes of the path of a Unix socket (`sun_path`).
pub const UNIX_PATH_BYTES: usize = 107;
/// Connections to one upstream server over all workers, by default.
pub const UPSTREAM_CONNECTIONS: usize = 16_384;
/// The same, at most.
pub const UPSTREAM_CONNECTIONS_MAX: usize = 1_000_000;
/// Requests at once in one HTTP/2 connection to a server, by default.
pub const UPSTREAM_STREAMS: usize = 100;
/// The same, at most.
pub const UPSTREAM_STREAMS_MAX: usize = 1_000;
/// Requests that wait for a connection of an upstream's, over all workers, by default.
pub const UPSTREAM_WAITING: usize = 1_024;
/// The same, at most.
pub const UPSTREAM_WAITING_MAX: usize = 65_536;
/// Time for which a request waits for a connection of an upstream's, by default.
pub const UPSTREAM_WAIT: Duration = Duration::from_secs(2);
/// Time after which another server is tried beside the one that takes so long to connect.
pub const CONNECT_HEAD_START: Duration = Duration::from_millis(250);
/// Servers that one request tries to connect to.
pub const CONNECT_ATTEMPTS: usize = 8;
/// Times that a request of which something was sent may be sent again, at most.
pub const RETRIES: usize = 5;
/// Such attempts as a share of requests, in percent, by default.
pub const RETRY_BUDGET: u32 = 20;
/// Such attempts that are always allowed, per worker and upstream, before the share counts; also what
/// can be saved up, as a share of a thousand requests.
pub const RETRY_RESERVE: u32 = 10;
/// Time in which that reserve comes back.
pub const RETRY_RESERVE_TIME: Duration = Duration::from_secs(10);
/// Failures in a row after which a server is ejected, by default.
pub const EJECT_FAILURES: u32 = 5;
/// Time for which it is ejected first, by default.
pub const EJECT_TIME: Duration = Duration::from_secs(10);
/// Time for which it is ejected at most, by default.
pub const EJECT_TIME_MAX: Duration = Duration::from_secs(300);
/// Servers of one upstream that may be ejected at once, in percent, by default.
pub const EJECT_SHARE: u32 = 50;
/// How often metrics show which servers get requests.
pub const SERVERS_SHOWN: Duration = Duration::from_millis(500);
/// Time between two health checks of a server, by default.
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(5);
/// Time for its answer, by default.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// Health checks of one upstream at once.
pub const HEALTH_CHECKS: usize = 16;
/// Shortest time after which a name is resolved again, by default; also the time after a failure.
pub const DNS_TTL_MIN: Duration = Duration::from_secs(1);
/// Longest time, by default.
pub const DNS_TTL_MAX: Duration = Duration::from_secs(300);
/// Time for one resolution.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that one response may be ahead of its client, in an HTTP/2 connection to a server.
pub const UPSTREAM_STREAM_WINDOW: u32 = 128 * 1024;
/// The same of all responses of one connection: as much as all its streams together, so that slow
/// clients hold up nobody else; [`H2_WINDOW_MAX`] at most.
pub const H2_WINDOW_MAX: u32 = 64 * 1024 * 1024;
/// Streams of a server's connection reset since their clients left, of which late frames are ignored.
pub const UPSTREAM_RESETS: usize = 256;
/// Client connections in all, by default.
pub const CONNECTIONS: usize = 32_768;
/// Client connections of one address that is no trusted proxy, by default.
pub const CONNECTIONS_PER_CLIENT: usize = 16_384;
/// Connections in all, and of one client, that can be configured.
pub const CONNECTIONS_MAX: usize = 1_000_000;
/// Idle connections are closed to make room while fewer than one in so many places are free.
pub const CROWD_SHARE: usize = 16;
/// One in so many of all connections is closed then, at once.
pub const CROWD_CLOSED_SHARE: usize = 64;
/// Time before idle connections are looked for again where there were none.
pub const CROWD_PAUSE: Duration = Duration::from_millis(100);
/// Streams of one HTTP/2 connection.
pub const H2_STREAMS: u32 = 128;
/// Header list of an HTTP/2 request.
pub const H2_HEADER_LIST_BYTES: u32 = 16 * 1024;
/// Bytes that one stream may send ahead of what was taken from it.
pub const H2_STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes that one connection may send ahead of what was taken from all its streams.
pub const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of a response that wait, per stream, for a client's window.
pub const H2_SEND_BUFFER: usize = 64 * 1024;
/// Bytes of an HTTP/2 frame that is taken.
pub const H2_FRAME_BYTES: u32 = 16 * 1024;
/// Streams reset by the client before they were seen, above which the connection is closed.
pub const H2_PENDING_RESETS: usize = 20;
/// Streams reset by us for the client's errors, above which the connection is closed.
pub const H2_LOCAL_RESETS: usize = 256;
/// Time without a frame after which an HTTP/2 client is asked whether it is still there.
pub const H2_PING_INTERVAL: Duration = Duration::from_secs(30);
/// Time that it gets to answer.
pub const H2_PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of a response's head.
pub const RESPONSE_HEAD_BYTES: usize = 64 * 1024;
/// Header fields in a response. hyper makes room for so many of them (32 bytes each) for each response.
pub const RESPONSE_HEADER_COUNT: usize = 256;
/// Time for a TLS handshake with a client.
pub const TLS_HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// TLS handshakes under way at once, per worker.
pub const TLS_HANDSHAKES: usize = 1_024;
/// Time for a PROXY protocol header.
pub const PROXY_HEADER_TIME: Duration = Duration::from_secs(5);
/// Bytes of a PROXY protocol header.
pub const PROXY_HEADER_BYTES: usize = 2 * 1024;
/// Connections waiting to be accepted, per listener.
pub const LISTEN_BACKLOG: i32 = 4_096;
/// Pause of a listener whose process has no descriptor left for another connection.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often the bypass file is looked for, and the switch shown as a metric.
pub const BYPASS_POLL: Duration = Duration::from_millis(500);
/// How often idle upstream connections are looked through for those whose time is over.
pub const POOL_SWEEP: Duration = Duration::from_secs(5);
/// Entries of `X-Forwarded-For` that are looked at, from the right, for the client.
pub const FORWARDED_ENTRIES: usize = 32;
/// Bytes of a request id that a trusted proxy may set.
pub const REQUEST_ID_BYTES: usize = 128;
/// Threads of one worker that resolve names and touch files.
pub const WORKER_BLOCKING_THREADS: usize = 4;
/// Bytes of an unread body that are read and thrown away so that a refusal reaches its client.
pub const LINGER_BYTES: usize = 1024 * 1024;
/// Time for the same.
pub const LINGER_TIME: Duration = Duration::from_secs(2);
/// Time for which nothing may be written to a client that has shut its side after a whole request,
/// before it is taken to be gone.
pub const HALF_CLOSED_TIME: Duration = Duration::from_secs(5);
/// The same within a request's body, which must then be at hand already.
pub const HALF_CLOSED_BODY_TIME: Duration = Duration::from_millis(100);
/// Time that requests under way get to finish at shutdown.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Time that a connection without a request gets at shutdown to show one that is on its way.
pub const DRAIN_FIRST_BYTES: Duration = Duration::from_millis(100);
/// Time that changes under way get at shutdown when the drain has taken all of its time.
pub const DRAIN_LAST: Duration = Duration::from_secs(2);
/// Bytes of a WebSocket frame that are held until it is whole; a longer one is inspected ahead of
/// what is forwarded, in pieces of this size.
pub const WEBSOCKET_HELD_BYTES: usize = 64 * 1024;
/// Bytes that are read at once from either side of a WebSocket.
pub const WEBSOCKET_READ_BYTES: usize = 8 * 1024;
/// Bytes of a compressed WebSocket message that are inflated at once.
pub const WEBSOCKET_INFLATED_BYTES: usize = 8 * 1024;
/// Work that decoding all messages of one side of a WebSocket may together take whatever came in, beside
/// what each may by its length: see [`DECODE_WORK`].
pub const WEBSOCKET_FREE_WORK: u64 = 4 * 1024 * 1024;
/// Work by which that grows again in a second.
pub const WEBSOCKET_FREE_WORK_A_SECOND: u64 = 2 * 1024 * 1024;
/// Time between two events of the same token in one WebSocket.
pub const WEBSOCKET_EVENT_STEP: Duration = Duration::from_secs(60);
/// Tokens of which one WebSocket's events tell; uses of more are counted.
pub const EVENTS_PER_WEBSOCKET: usize = 32;
/// Bytes of a request's head that are kept while its exchange lasts.
pub const KEPT_HEAD_BYTES: usize = 16 * 1024;
/// How often it is looked whether exchanges under way are to be decided again, or are not taken by
/// their clients.
pub const EXCHANGES_TICK: Duration = Duration::from_millis(500);
/// Time in which those that are about to end may do so before they are decided again.
pub const REDECIDE_MOMENT: Duration = Duration::from_millis(100);
/// Requests that one client connection may have left without waiting for their answers, less those
/// that it waited for, before it is closed.
pub const ABANDONED_REQUESTS: u32 = 100;
/// Time for which a connection that is given up is served on, so that its client learns of it.
pub const GIVE_UP_TIME: Duration = Duration::from_millis(100);
/// Lines of the access log that wait to be written.
pub const ACCESS_LOG_QUEUE: usize = 4_096;
/// Bytes of the access log above which no more lines are put into one write.
pub const ACCESS_LOG_WRITE_BYTES: usize = 64 * 1024;
/// Credentials of one request that the access log tells of.
pub const ACCESS_LOG_CREDENTIALS: usize = 8;
/// Attempts of a request whose pooled connection had died before anything was sent.
pub const STALE_RETRIES: usize = 2;

/// Layers of encoding that are undone, one inside the other.
pub const DECODE_DEPTH: usize = 8;
/// Work that decoding may take for each byte of a request that came in, above [`DECODE_FREE_WORK`]: one
/// for each byte that is decompressed or transcoded, or that base64 or hex decodes to, three for each that
/// escapes decode to, and more where a text or a decompression begins. Ordinary requests need 9 at
/// most, compressed ones as much as they decompress to: text to ten times as much, logs to twenty.
pub const DECODE_WORK: u64 = 48;
/// Work whatever came in.
pub const DECODE_FREE_WORK: u64 = 1024 * 1024;
/// Texts under decoding at once in one request: four layers side by side, in every order, are 64.
pub const DECODE_TEXTS: usize = 256;
/// Decompressions at once, in one request, of what stands compressed in base64 or hex. Each has a window
/// of up to 8 MiB, as it is used.
pub const RUN_INFLATERS: usize = 8;
/// Decompressions of parts and messages of one body that are kept, when they have ended, for others.
pub const SPARE_INFLATERS: usize = 2;
/// Codings of one body, one around the other.
pub const CODINGS: usize = 3;
/// Containers (codings, charsets, parts, messages) of one body, one inside the other.
pub const CONTAINER_DEPTH: usize = 8;
/// Containers of one body that are open at once.
pub const CONTAINERS: usize = 32;
/// Bytes of a transfer encoding (base64, quoted-printable) that are decoded in one go.
pub const TRANSFER_PIECE_BYTES: usize = 16 * 1024;
/// Values of `Content-Type` of one body, and of one parameter of them, that are tried.
pub const MEDIA_TYPES: usize = 3;
/// Bytes of the boundary of a multipart body.
pub const BOUNDARY_BYTES: usize = 256;
/// Bytes of an XML declaration that is read for the charset it names.
pub const XML_DECLARATION_BYTES: usize = 256;
/// Bytes of the header fields of one part.
pub const PART_HEAD_BYTES: usize = 16 * 1024;
/// Bytes of a part's name that a point is told by; a longer one is told by its position.
pub const PART_NAME_BYTES: usize = 256;
/// Hits of one request that are kept; more are counted.
pub const HITS_PER_REQUEST: usize = 256;
/// Places in one text at which the same token is recorded.
pub const POINTS_PER_TOKEN: usize = 16;
/// Bytes of a name inside a point, such as a query parameter's.
pub const POINT_NAME_BYTES: usize = 64;
/// Bytes of a JSON path inside a point.
pub const POINT_PATH_BYTES: usize = 256;

/// Events waiting to be written, before they are aggregated.
pub const EVENT_QUEUE: usize = 16_384;
/// Time for which uses of one token by one client, for one host, with one action and status, are
/// counted together.
pub const EVENT_WINDOW: Duration = Duration::from_secs(10);
/// Uses of such a window that are events of their own.
pub const EVENT_WINDOW_SINGLE: u32 = 10;
/// Windows at once; uses beyond are events of their own.
pub const EVENT_WINDOWS: usize = 32_768;
/// Time between two looks for windows that have ended.
pub const EVENT_WINDOW_SWEEP: Duration = Duration::from_secs(1);
/// Distinct (token, client, host, action, status) under aggregation, before uses are only counted.
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

/// Events that are looked at for one answer, where the index that they are walked through by does not tell
/// which of them fit.
pub const EVENTS_LOOKED_AT: usize = 25_000;
/// Groups into which events are put together; those of fewer uses are left out.
pub const EVENT_GROUPS: usize = 100;
/// Bytes of a JSON body of the control API.
pub const API_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Bytes left of a refused call's body that are read and thrown away so that the answer reaches its
/// client.
pub const API_LINGER_BYTES: usize = 64 * 1024 * 1024;
/// Time for the same.
pub const API_LINGER_TIME: Duration = Duration::from_secs(5);
/// Bytes of a report in one import.
pub const IMPORT_BYTES: usize = 512 * 1024 * 1024;
/// Tokens in one call of the API other than an import.
pub const TOKENS_PER_CALL: usize = 10_000;
/// Imports under way at once.
pub const IMPORTS: usize = 4;
/// Reasons of refused items that an import's answer lists; the rest are counted.
pub const IMPORT_REFUSALS: usize = 1_000;
/// Bytes of one item (finding, row, line) of a report.
pub const REPORT_ITEM_BYTES: usize = 1024 * 1024;
/// Levels of JSON inside each other in a report.
pub const REPORT_NESTING: usize = 64;
/// Tokens that a report's parser gives in one finding; a longer list comes in several.
pub const REPORT_FINDING_TOKENS: usize = 10_000;
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
/// Proposals and reviews that the console's navigation counts; of more it says that there are more.
pub const WAITING_SHOWN: usize = 100;
/// How far `total` of a list counts.
pub const TOTAL_COUNT: u64 = 10_000;
/// The same where no kept count tells how many fit: of a search, or by validity. More than [`BULK_LEAKS`],
/// so that it tells that one decision is about too many.
pub const TOTAL_COUNT_ONE_BY_ONE: u64 = 2_000;
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
/// Bytes of a recorded host.
pub const RECORDED_HOST: usize = 255;
/// Bytes of a recorded method.
pub const RECORDED_METHOD: usize = 32;
/// Bytes of a recorded `X-Forwarded-For`.
pub const RECORDED_FORWARDED_FOR: usize = 512;
/// Time for a call of the control API to be answered, other than an import.
pub const API_CALL_TIME: Duration = Duration::from_secs(60);
/// Leaks that one bulk call decides about.
pub const BULK_LEAKS: usize = 1_000;
/// Leaks of a bulk call whose decisions are published together.
pub const BULK_GROUP: usize = 50;
/// Tokens read from the store at once when they are published.
pub const PUBLISH_PAGE: usize = 1_000;
/// Leaks whose tokens are read at the same time when everything is published: fewer than
/// [`STORE_RESERVED_READERS`].
pub const PUBLISH_READERS: usize = 2;
/// Time between two looks at what ends by itself: patches, watches, the bypass.
pub const CONTROL_TICK: Duration = Duration::from_millis(500);
/// Reads at once that look through a large part of the store: impact, statistics, a filter by
/// validity. Fewer than [`STORE_READERS`].
pub const HEAVY_READS: usize = 2;
/// Time for which one of them waits for the others.
pub const HEAVY_READ_WAIT: Duration = Duration::from_secs(5);
/// Exports of events at once.
pub const EVENT_EXPORTS: usize = 8;
/// Time between two signs of life on a live stream of events; also how soon a revoked credential
/// ends it.
pub const EVENT_STREAM_BEAT: Duration = Duration::from_secs(15);
/// Explanations of recorded requests at once.
pub const EXPLANATIONS: usize = 4;
/// Bytes of a recorded request that is explained.
pub const EXPLAIN_BYTES: usize = 4 * 1024 * 1024;
/// Values of one call's texts that are looked up among the registered tokens.
pub const REDACT_CANDIDATES: usize = 4_000;
/// Bytes of a filter's text.
pub const FILTER_BYTES: usize = 256;
/// Bytes of a cursor.
pub const CURSOR_BYTES: usize = 4 * 1024;
/// Hex digits from which a search text is also taken for the beginning of a fingerprint.
pub const SEARCH_FINGERPRINT: usize = 4;
/// Leaks that a search finds by the beginning of a fingerprint; further ones are not among its answers.
pub const SEARCH_FINGERPRINTS: usize = 1_000;
/// Characters of a word that leaks are found by; what follows them is not looked at.
pub const SEARCH_WORD: usize = 64;
/// Different words that a leak is found by, the first ones of its title, comment, sources and comments.
pub const SEARCH_WORDS: usize = 1_000;
/// Leaks that are looked through for a text, in the order of the list, before the index of words is.
pub const SEARCH_WALK: usize = 5_000;
/// Leaks, the newest, by which it is told whether a word is common.
pub const SEARCH_SAMPLE: usize = 500;
/// Tokens that are sealed anew in one transaction while keys are rotated: a few milliseconds in which no
/// decision is stored.
pub const KEY_BATCH: usize = 200;
/// How long a rotation of keys waits after a failure.
pub const KEY_PAUSE: Duration = Duration::from_secs(1);
/// Generations of keys that a process remembers after their rotation, the present one among them.
pub const KEYS_KEPT: u8 = 8;
/// Words of a search of which it is told whether they are common; further ones are taken for rare.
pub const SEARCH_SAMPLED_WORDS: usize = 4;
/// A word is common where one in so many leaks has it.
pub const SEARCH_COMMON: u64 = 3;
/// Reasons listed where no token of a leak can become a rule.
pub const REASONS: i64 = 20;
/// Rows of an impact.
pub const IMPACT_ROWS: usize = 200;
/// Days that the statistics show.
pub const STATS_DAYS: i64 = 90;
/// Time for which a token must have been watched before a leak of it was registered, so that a
/// client's first use after it can be called new.
pub const EXPOSURE_BASELINE: Duration = Duration::from_secs(24 * 60 * 60);
/// Time between two records of the use of an API token or a session.
pub const LAST_USED_STEP: Duration = Duration::from_secs(60);

/// Time in which a call of the operator's commands is answered.
pub const CLIENT_ANSWER_TIME: Duration = Duration::from_secs(60);
/// Bytes of an answer that the operator's commands read whole.
pub const CLIENT_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of one event that `leakgate events follow` shows.
pub const CLIENT_EVENT_BYTES: usize = 1024 * 1024;
/// Time before an import under way is asked for the first time; it doubles each time.
pub const CLIENT_POLL: Duration = Duration::from_millis(100);
/// Longest time between two of these.
pub const CLIENT_POLL_LONGEST: Duration = Duration::from_secs(2);
/// How often in a row asking may fail before the command gives up.
pub const CLIENT_POLL_FAILURES: u32 = 5;
/// Bytes of a report that the operator's commands send at once.
pub const CLIENT_PIECE_BYTES: usize = 64 * 1024;

/// Items of a report that were read and wait to be registered.
pub const IMPORT_QUEUE: usize = 256;
/// Bytes of tokens that were read from one report and wait to be registered.
pub const IMPORT_QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// Items of a report that are taken together.
pub const IMPORT_GROUP: usize = 64;
/// Tokens of a report that are registered in one piece; decisions wait for no more than that.
pub const IMPORT_PART_TOKENS: usize = 2_000;
/// Imports whose outcome is kept in memory.
pub const IMPORTS_KEPT: usize = 100;
/// Bytes of a report that are parsed at once.
pub const REPORT_PIECE_BYTES: usize = 64 * 1024;

/// Bytes of a report that waits to be reviewed before it is registered.
pub const DRAFT_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of all that wait to be reviewed; each user has one at most.
pub const DRAFTS_BYTES: usize = 64 * 1024 * 1024;
/// Time for which what is to be reviewed is kept.
pub const DRAFT_TIME: Duration = Duration::from_secs(15 * 60);
/// Tokens, and refused parts, that a review shows.
pub const DRAFT_SHOWN: usize = 100;

/// Characters of a password, at least.
pub const PASSWORD_CHARACTERS_LEAST: usize = 12;
/// Bytes of a password.
pub const PASSWORD_BYTES: usize = 1_024;
/// Passwords that are hashed at once, each on a thread and in 19 MiB of memory of its own.
pub const PASSWORDS_AT_ONCE: usize = 2;
/// Passwords that are hashed or wait to be.
pub const PASSWORDS_WAITING: usize = 32;
/// Wrong passwords for one account at once; a try is forgotten after [`SIGN_IN_ACCOUNT_STEP`].
pub const SIGN_IN_ACCOUNT_BURST: u32 = 10;
/// Time in which a try for one account is forgotten.
pub const SIGN_IN_ACCOUNT_STEP: Duration = Duration::from_secs(6);
/// Wrong passwords from one address (an IPv6 network of 64 bits) at once; a try is forgotten after
/// [`SIGN_IN_ADDRESS_STEP`].
pub const SIGN_IN_ADDRESS_BURST: u32 = 30;
/// Time in which a try from one address is forgotten.
pub const SIGN_IN_ADDRESS_STEP: Duration = Duration::from_secs(2);
/// Accounts, and addresses, whose tries are counted one by one; beyond, all others count together.
pub const SIGN_IN_REMEMBERED: usize = 10_000;
/// Sessions of one user; a further one ends that used longest ago.
pub const SESSIONS_PER_USER: usize = 20;
/// Time after which a session that is not used ends.
pub const SESSION_IDLE: Duration = Duration::from_secs(12 * 60 * 60);
/// Time after which a session ends, however much it is used.
pub const SESSION_LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Time between two looks for sessions that are over, to forget them.
pub const SESSION_SWEEP: Duration = Duration::from_secs(10 * 60);
/// Bytes of an answer of the identity provider.
pub const OIDC_ANSWER_BYTES: usize = 1024 * 1024;
/// Time for an answer of the identity provider.
pub const OIDC_TIME: Duration = Duration::from_secs(10);
/// Time for which what the identity provider says of itself is kept.
pub const OIDC_METADATA_AGE: Duration = Duration::from_secs(5 * 60);
/// Time in which a sign-in at the identity provider is to be ended.
pub const OIDC_UNDER_WAY: Duration = Duration::from_secs(10 * 60);

/// Bytes of a partner's report.
pub const HOOK_BODY_BYTES: usize = 1024 * 1024;
/// Matches of one report.
pub const HOOK_MATCHES: usize = 500;
/// Matches that are registered in one piece; decisions wait for no more than that.
pub const HOOK_GROUP: usize = 50;
/// Reports whose signature was verified and that are registered at once.
pub const HOOK_REPORTS: usize = 4;
/// Calls of one hook from one address (an IPv6 network of 64 bits) at once; a call is forgotten after
/// [`HOOK_STEP`].
pub const HOOK_BURST: u32 = 60;
/// Time in which a call is forgotten: 120 a minute.
pub const HOOK_STEP: Duration = Duration::from_millis(500);
/// Hooks and addresses whose calls are counted one by one; beyond, all others count together.
pub const HOOK_REMEMBERED: usize = 10_000;
/// Bytes of a hook's shared secret, at least.
pub const HOOK_SECRET_BYTES: usize = 16;
/// How far a signed time may lie from now.
pub const HOOK_SKEW: Duration = Duration::from_secs(5 * 60);
/// Keys of a partner that are kept.
pub const HOOK_KEYS: usize = 32;
/// Bytes of the answer in which a partner shows its keys.
pub const HOOK_KEYS_BYTES: usize = 256 * 1024;
/// Time for that answer.
pub const HOOK_KEYS_TIME: Duration = Duration::from_secs(10);
/// Age from which a partner's keys are asked for again before they are believed.
pub const HOOK_KEYS_AGE: Duration = Duration::from_secs(60 * 60);
/// Age up to which they are believed all the same where the partner does not answer.
pub const HOOK_KEYS_AGE_MOST: Duration = Duration::from_secs(6 * 60 * 60);
/// Time before a partner's keys are asked for again, however many unknown ones are used.
pub const HOOK_KEYS_STEP: Duration = Duration::from_secs(60);

/// Time for which a call that came with an `Idempotency-Key` is not done again.
pub const IDEMPOTENCY_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Such calls of one tenant that are kept; further ones are refused until some are old enough.
pub const IDEMPOTENCY_KEYS: i64 = 10_000;
/// Bytes of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// Bytes of an answer that is kept with it.
pub const IDEMPOTENCY_ANSWER_BYTES: usize = 256 * 1024;
/// Entity tags that one `If-Match` names.
pub const IF_MATCH_TAGS: usize = 16;
/// Tokens of one leak that have a mode of their own.
pub const TOKEN_MODES: usize = 1_000;
/// Leaks whose computed risk is brought up to date at once.
pub const RISK_LEAKS: usize = 500;
/// Leaks that are kept in mind for that since their tokens were used; others are again when they
/// are used once more.
pub const RISK_USED_LEAKS: usize = 20_000;
/// Tokens of a leak that are all looked at for whether they work; of a larger leak, one that was
/// accepted counts from then on, and refusals tell nothing.
pub const RISK_TOKENS: i64 = 1_000;
/// How long what was found to be in a leak's risk is believed to be in it still, however much its
/// tokens are used: another process may know better.
pub const RISK_BELIEVED: Duration = Duration::from_secs(60);
/// Time after a start back to which uses are looked at whose leaks' risk may not be up to date.
pub const RISK_CATCH_UP: Duration = Duration::from_secs(60 * 60);

/// How far the times of two rows of the audit log may lie apart in the wrong order, since several
/// processes write it.
pub const AUDIT_SKEW: Duration = Duration::from_secs(60);
/// Time for another person to approve a proposal.
pub const PROPOSAL_TIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
