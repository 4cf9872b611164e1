//! The gateway: listens, passes requests through their phases, forwards or blocks them.
//!
//! The life of a request, as `request.rs` has it: accept → admit → route → inspect head →
//! hold body → forward → respond → record.
//!
//! Each worker is one thread with a current-thread runtime, listeners of its own on the same
//! addresses (`SO_REUSEPORT`) and upstream connections of its own, so that no request waits for
//! another worker. HTTP/1.1 and HTTP/2 framing are hyper's on both sides.

mod access_log;
mod admit;
mod answer;
mod body;
mod bypass;
mod client;
mod client_stream;
mod connection;
mod counters;
mod crowd;
mod ending;
mod exchanges;
mod failure;
mod forwarded;
mod gateway;
mod held_total;
mod hold;
mod hop;
mod idle;
mod inspector;
mod kept_head;
mod listen;
mod opening;
mod proxy_protocol;
mod pulse;
mod record;
mod reload;
mod request;
mod request_id;
mod route;
mod settings;
mod socket;
mod stream;
mod timing;
mod tls;
mod trace;
mod trailers;
mod upgrade;
mod upstream;
mod watched;
mod websocket;
mod worker;

pub use access_log::{AccessLog, AccessLogError};
pub use bypass::BypassSwitch;
pub use gateway::{Gateway, RunError, StartError};
pub use listen::{BindError, PassedSockets};
pub use reload::Reloader;
pub use route::route_of;
pub use tls::{TlsProblems, check_certificates};
