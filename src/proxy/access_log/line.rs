//! One line of the access log.

use http::HeaderMap;
use http::request::Parts;
use serde::Serialize;

use super::Entry;
use super::credentials::{Credential, credentials};
use crate::config::limits;
use crate::inspect::redact;
use crate::matcher::{Patchset, PatchsetHandle};
use crate::model::fingerprint::FingerprintKey;
use crate::proxy::trace;

/// Makes lines of entries.
pub(super) struct Lines {
    pub(super) key: FingerprintKey,
    pub(super) patchset: PatchsetHandle,
}

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    request_id: String,
    client: String,
    peer: String,
    tls: bool,
    client_cert: Option<&'a str>,
    protocol: &'static str,
    #[serde(flatten)]
    head: Option<Head>,
    status: Option<u16>,
    outcome: &'static str,
    upstream: Option<&'a str>,
    bytes_in: u64,
    bytes_out: u64,
    duration_ms: f64,
    upstream_ms: Option<f64>,
    inspection_ms: Option<f64>,
}

/// What is told of the head.
#[derive(Serialize)]
struct Head {
    method: String,
    host: Option<String>,
    path: String,
    user_agent: Option<String>,
    trace_id: Option<String>,
    credentials: Vec<Credential>,
}

impl Lines {
    /// Appends the line of an entry. Tokens of the patchset in force are shown by their fingerprints,
    /// in whatever encoding they stand there; the query is left out, since secrets that nobody knows
    /// of stand there.
    pub(super) fn append(&self, out: &mut Vec<u8>, entry: Entry) {
        let patchset = self.patchset.load();
        let parts = entry.head.as_ref().and_then(|head| head.parse());
        let line = Line {
            at: entry.at.to_string(),
            request_id: redact(&patchset, entry.request_id.as_bytes(), limits::REQUEST_ID_BYTES),
            client: entry.client.to_string(),
            peer: entry.peer.to_string(),
            tls: entry.secure,
            client_cert: entry.certificate.as_deref(),
            protocol: entry.protocol,
            head: parts.map(|parts| self.head(&patchset, &parts, &entry)),
            status: entry.status,
            outcome: entry.outcome,
            upstream: entry.upstream.as_deref(),
            bytes_in: entry.bytes_in,
            bytes_out: entry.bytes_out,
            duration_ms: entry.duration.as_secs_f64() * 1e3,
            upstream_ms: entry.upstream_time.map(|time| time.as_secs_f64() * 1e3),
            inspection_ms: entry.inspection_time.map(|time| time.as_secs_f64() * 1e3),
        };
        // Texts and numbers can always be written, and a vector takes them.
        if serde_json::to_writer(&mut *out, &line).is_ok() {
            out.push(b'\n');
        }
    }

    fn head(&self, patchset: &Patchset, parts: &Parts, entry: &Entry) -> Head {
        let show = |text: &[u8], limit| redact(patchset, text, limit);
        let headers: &HeaderMap = &parts.headers;
        let host = match parts.uri.authority() {
            Some(authority) => Some(authority.host().as_bytes()),
            None => headers.get(http::header::HOST).map(|host| host.as_bytes()),
        };
        let user_agent = headers.get(http::header::USER_AGENT);
        Head {
            method: show(parts.method.as_str().as_bytes(), limits::RECORDED_METHOD),
            host: host.map(|host| show(host, limits::RECORDED_HOST)),
            path: show(parts.uri.path().as_bytes(), limits::RECORDED_PATH),
            user_agent: user_agent.map(|a| show(a.as_bytes(), limits::RECORDED_USER_AGENT)),
            trace_id: trace::id(headers).map(|id| show(id.as_bytes(), id.len())),
            credentials: credentials(headers, &entry.credentials, &self.key),
        }
    }
}
