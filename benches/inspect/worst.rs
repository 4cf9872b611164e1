//! What hostile inputs cost beside an ordinary one of the same size: CPU, memory, and bytes inspected.

use std::sync::Arc;

use divan::black_box;
use leakgate::matcher::Patchset;

use super::hostile::drive::{Work, head_of, inspected};
use super::hostile::{self, Carried, Hostile};
use super::{get, json, shortest};

/// Seconds that a request costs the gateway beside its inspection: see the proxy's bench.
const BESIDE: f64 = 16e-6;

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
    let head = head_of(input);
    let mut work = inspected(patchset, input, &head);
    let memory = allocation_counter::measure(|| work = inspected(patchset, input, &head));
    let time = shortest(|| {
        black_box(inspected(patchset, input, &head));
    });
    (time, work, memory)
}
