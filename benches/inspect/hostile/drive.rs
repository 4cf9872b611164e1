//! A hostile input under inspection.

use std::hint::black_box;
use std::sync::Arc;

use http::request::Parts;
use leakgate::inspect::{Context, InForce, Inspection, Messages, Opening};
use leakgate::matcher::Patchset;
use leakgate::model::clock;
use leakgate::model::rule::FiltrationMode;

use super::{Carried, Hostile, head, request};

/// What one go came to.
pub(crate) struct Work {
    /// Bytes that were looked through.
    pub(crate) inspected: u64,
    /// Whether the budget was spent.
    pub(crate) spent: bool,
}

/// The head that it comes with.
pub(crate) fn head_of(input: &Hostile) -> Parts {
    match &input.carried {
        Carried::Body { fields, .. } => head(fields),
        Carried::Head { target, fields } => request(target, fields),
        Carried::Messages { .. } => head(&[]),
    }
}

/// Inspects an input to its end, where nothing is refused; its head is [`head_of`] it.
pub(crate) fn inspected(patchset: &Arc<Patchset>, input: &Hostile, head: &Parts) -> Work {
    let client = std::net::IpAddr::from([203, 0, 113, 7]);
    let now = clock::now();
    let context = Context::new(client, "api.example.com", FiltrationMode::Monitoring, now);
    let mut inspection = Inspection::new(Arc::clone(patchset), context.clone());
    match &input.carried {
        Carried::Body { bytes, piece, released, .. } => {
            inspection.head(head);
            for piece in bytes.chunks(*piece) {
                inspection.body(piece);
                if *released {
                    inspection.settle();
                }
            }
            inspection.finish();
        }
        Carried::Head { target, .. } => {
            inspection.head(head);
            if !inspection.hits().is_empty() {
                // As its events show it.
                black_box(inspection.redact(target.as_bytes(), 2_048));
            }
        }
        Carried::Messages { compressed, messages } => {
            let opening = Arc::new(Opening::new(head, context));
            let mode = FiltrationMode::Monitoring;
            let in_force = InForce { patchset: Arc::clone(patchset), mode, now };
            let mut stream = Messages::new(opening, compressed.then_some(true));
            let mut work = Work { inspected: 0, spent: false };
            for pieces in messages {
                stream.begin(&in_force, *compressed);
                match pieces.as_slice() {
                    [whole] => {
                        stream.whole(whole);
                    }
                    pieces => {
                        for piece in pieces {
                            stream.push(piece);
                            stream.settle();
                        }
                    }
                }
                stream.finish();
                if let Some((_, inspection)) = stream.news() {
                    work.inspected += inspection.inspected_bytes();
                    work.spent |= inspection.incomplete().contains(&"budget");
                }
                stream.end();
            }
            return work;
        }
    }
    Work {
        inspected: inspection.inspected_bytes(),
        spent: inspection.incomplete().contains(&"budget"),
    }
}
