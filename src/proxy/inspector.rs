//! The inspection of one request as the proxy drives it: verdicts as results, its time sampled.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use http_body::Frame;

use super::failure::Failure;
use crate::inspect::Inspection;
use crate::model::verdict::Verdict;

/// Of how many requests one is timed: reading the clock twice a call costs more than inspecting a
/// short head.
pub(crate) const SAMPLE: u64 = 16;

/// An inspection under way. Each call is an error where what it was given may not pass.
pub(crate) struct Inspector {
    inspection: Inspection,
    /// Time spent so far, where this request is timed.
    spent: Option<Duration>,
    /// Bytes of the body so far.
    received: u64,
}

impl Inspector {
    pub(crate) fn new(inspection: Inspection, timed: bool) -> Self {
        Self { inspection, spent: timed.then_some(Duration::ZERO), received: 0 }
    }

    /// What it has found.
    pub(crate) fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Time spent so far, where this request is timed.
    pub(crate) fn spent(&self) -> Option<Duration> {
        self.spent
    }

    /// Bytes of the body so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Method, target and header fields.
    pub(crate) fn head(&mut self, parts: &Parts) -> Result<(), Failure> {
        self.call(|inspection| inspection.head(parts))
    }

    /// The next bytes of the body.
    pub(crate) fn body(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.received += data.len() as u64;
        self.call(|inspection| inspection.body(data))
    }

    /// Everything so far, before it is released while the body goes on.
    pub(crate) fn settle(&mut self) -> Result<(), Failure> {
        self.call(Inspection::settle)
    }

    /// The trailers.
    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) -> Result<(), Failure> {
        self.call(|inspection| inspection.trailers(trailers))
    }

    /// The body's end.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.call(Inspection::finish)
    }

    /// A piece of a streaming body before it is released; with the last one, the body's end.
    pub(crate) fn piece(&mut self, frame: &Frame<Bytes>, last: bool) -> Result<(), Failure> {
        if let Some(data) = frame.data_ref() {
            self.body(data)?;
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers(trailers)?;
        }
        if last { self.finish() } else { self.settle() }
    }

    fn call(&mut self, inspect: impl FnOnce(&mut Inspection) -> Verdict) -> Result<(), Failure> {
        let verdict = match &mut self.spent {
            None => inspect(&mut self.inspection),
            Some(spent) => {
                let start = Instant::now();
                let verdict = inspect(&mut self.inspection);
                *spent += start.elapsed();
                verdict
            }
        };
        match verdict {
            Verdict::Pass => Ok(()),
            Verdict::Refuse(refusal) => Err(refusal.into()),
        }
    }
}
