//! The worst case, counted: what hostile inputs ask for stays within what the budget says.

use std::sync::Arc;

use leakgate::config::limits;
use leakgate::inspect::{Context, InForce, Inspection, Messages, Opening};
use leakgate::matcher::{Patchset, PatchsetWriter, Rule};
use leakgate::model::clock;
use leakgate::model::fingerprint::FingerprintKey;
use leakgate::model::ids::{LeakId, PatchId, TokenId};
use leakgate::model::rule::{Action, FiltrationMode};
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;

#[path = "../../benches/inspect/hostile.rs"]
mod inputs;

use inputs::{Carried, Hostile};

fn patchset() -> Arc<Patchset> {
    let mut writer = PatchsetWriter::new();
    let leak = LeakId::new();
    writer.set_rule(Rule { patch: Some(PatchId::new()), ..Rule::new(leak, Action::Monitor) });
    let material = TokenMaterial::Text(Secret::from(inputs::LEAKED.to_owned()));
    let fingerprint = FingerprintKey::new(&[7; 32]).fingerprint(&material.digest());
    writer.add_token(leak, TokenId::new(), fingerprint, &material);
    writer.build()
}

fn context() -> Context {
    let client = std::net::IpAddr::from([203, 0, 113, 7]);
    Context::new(client, "api.example.com", FiltrationMode::Monitoring, clock::now())
}

/// Bytes that inspecting it looked through, where nothing is refused.
fn inspected(patchset: &Arc<Patchset>, input: &Hostile) -> u64 {
    let mut inspection = Inspection::new(Arc::clone(patchset), context());
    match &input.carried {
        Carried::Body { fields, bytes, piece, released } => {
            inspection.head(&inputs::head(fields));
            for piece in bytes.chunks(*piece) {
                inspection.body(piece);
                if *released {
                    inspection.settle();
                }
            }
            inspection.finish();
        }
        Carried::Head { target, fields } => {
            inspection.head(&inputs::request(target, fields));
        }
        Carried::Messages { compressed, messages } => {
            let opening = Arc::new(Opening::new(&inputs::head(&[]), context()));
            let mode = FiltrationMode::Monitoring;
            let in_force = InForce { patchset: Arc::clone(patchset), mode, now: clock::now() };
            let mut stream = Messages::new(opening, compressed.then_some(true));
            let mut all = 0;
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
                all += stream.news().map_or(0, |(_, inspection)| inspection.inspected_bytes());
                stream.end();
            }
            return all;
        }
    }
    inspection.inspected_bytes()
}

/// Memory for one piece of each text that may be under decoding, a window, and what is held.
const MEMORY: u64 = 2 * 1024 * 1024;
/// The same where brotli asks for its window at once.
const MEMORY_OF_BROTLI: u64 = 18 * 1024 * 1024;

/// Everything hostile that is known, of the size of a small request and of a large one.
pub fn check(kib: usize) {
    let patchset = patchset();
    let inputs = [
        inputs::bodies(kib * 1024),
        inputs::messages(kib * 1024),
        if kib > 16 { inputs::heads() } else { Vec::new() },
    ];
    for input in inputs.iter().flatten() {
        let mut bytes = 0;
        let memory = allocation_counter::measure(|| bytes = inspected(&patchset, input));
        let sent = input.length() as u64;
        // What goes beyond the budget is the text that used it up.
        let free = match input.carried {
            Carried::Messages { .. } => limits::WEBSOCKET_FREE_WORK,
            _ => limits::DECODE_FREE_WORK,
        };
        let most_bytes = sent * (limits::DECODE_WORK + 1) + free + 128 * 1024;
        assert!(bytes <= most_bytes, "{}: {bytes} bytes of {sent}", input.name);
        let most = if input.name.contains("br ") || input.name.ends_with("br") {
            MEMORY_OF_BROTLI
        } else {
            MEMORY
        };
        assert!(memory.bytes_max <= most, "{}: {} bytes held", input.name, memory.bytes_max);
        // Nor is more asked for little by little.
        let asked = memory.count_total;
        assert!(asked <= 4 * sent + most_bytes / 16, "{}: {asked} times, {sent} bytes", input.name);
    }
}
