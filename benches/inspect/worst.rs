//! What hostile inputs cost beside an ordinary one of the same size: CPU, memory, and bytes inspected.

use std::sync::Arc;

use divan::black_box;
use http::request::Parts;
use leakgate::inspect::{Context, InForce, Inspection, Messages, Opening};
use leakgate::matcher::Patchset;
use leakgate::model::clock;
use leakgate::model::rule::FiltrationMode;

use super::hostile::{self, Carried, Hostile};
use super::{get, json, shortest};

/// Seconds that a request costs the gateway beside its inspection: see the proxy's bench.
const BESIDE: f64 = 16e-6;

/// What one go came to.
struct Work {
    inspected: u64,
    /// Whether the budget was spent.
    spent: bool,
}

/// Prints the tables. Nothing is refused, so that each input is inspected to its end.
#[allow(clippy::print_stdout, reason = "it is what a bench is for")]
pub(crate) fn tables(patchset: &Arc<Patchset>) {
    for kib in [2, 64] {
        let body = Hostile {
            name: "ordinary JSON",
            carried: Carried::Body {
                fields: vec![("content-type", "application/json")],
                bytes: json(kib * 1024),
                piece: 16 * 1024,
                released: false,
            },
        };
        println!("\nBodies of {kib} KiB:\n");
        table(patchset, &body, &hostile::bodies(kib * 1024));
        let message = Hostile {
            name: "one ordinary message",
            carried: Carried::Messages {
                compressed: false,
                messages: vec![vec![json(kib * 1024)]],
            },
        };
        println!("\nMessages of a WebSocket, {kib} KiB of frames:\n");
        table(patchset, &message, &hostile::messages(kib * 1024));
    }
    let fields: Vec<_> = get("q=rust")
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    let target = "/api/v1/projects/4711/items?page=2&q=rust".to_owned();
    let head = Hostile { name: "ordinary head", carried: Carried::Head { target, fields } };
    println!("\nHeads:\n");
    table(patchset, &head, &hostile::heads());
}

#[allow(clippy::print_stdout, reason = "it is what a bench is for")]
fn table(patchset: &Arc<Patchset>, ordinary: &Hostile, inputs: &[Hostile]) {
    println!("| input | KiB | CPU | × ordinary | × gateway | memory | allocations | inspected | |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let usual = measured(patchset, ordinary).0 / ordinary.length() as f64;
    let beside = if matches!(ordinary.carried, Carried::Messages { .. }) { 0.0 } else { BESIDE };
    for input in std::iter::once(ordinary).chain(inputs) {
        let (time, work, memory) = measured(patchset, input);
        let length = input.length() as f64;
        println!(
            "| {} | {:.1} | {:.1} µs | {:.1} | {:.1} | {} KiB | {} | {:.1} | {} |",
            input.name,
            length / 1024.0,
            time * 1e6,
            time / length / usual,
            (time + beside) / (length * usual + beside),
            memory.bytes_max / 1024,
            memory.count_total,
            work.inspected as f64 / length,
            if work.spent { "budget" } else { "" }
        );
    }
}

fn measured(
    patchset: &Arc<Patchset>,
    input: &Hostile,
) -> (f64, Work, allocation_counter::AllocationInfo) {
    let head = match &input.carried {
        Carried::Body { fields, .. } => hostile::head(fields),
        Carried::Head { target, fields } => hostile::request(target, fields),
        Carried::Messages { .. } => hostile::head(&[]),
    };
    let mut work = inspected(patchset, input, &head);
    let memory = allocation_counter::measure(|| work = inspected(patchset, input, &head));
    let time = shortest(|| {
        black_box(inspected(patchset, input, &head));
    });
    (time, work, memory)
}

fn inspected(patchset: &Arc<Patchset>, input: &Hostile, head: &Parts) -> Work {
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
