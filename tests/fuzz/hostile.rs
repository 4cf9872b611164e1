//! The worst case, counted: what hostile inputs ask for stays within what the budget says.

use std::sync::Arc;

use leakgate::config::limits;
use leakgate::matcher::{Patchset, PatchsetWriter, Rule};
use leakgate::model::fingerprint::FingerprintKey;
use leakgate::model::ids::{LeakId, PatchId, TokenId};
use leakgate::model::rule::Action;
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;

#[path = "../../benches/inspect/hostile/mod.rs"]
mod inputs;

use inputs::{Carried, drive};

fn patchset() -> Arc<Patchset> {
    let mut writer = PatchsetWriter::new();
    let leak = LeakId::new();
    writer.set_rule(Rule { patch: Some(PatchId::new()), ..Rule::new(leak, Action::Monitor) });
    let material = TokenMaterial::Text(Secret::from(inputs::LEAKED.to_owned()));
    let fingerprint = FingerprintKey::new(&[7; 32]).fingerprint(&material.digest());
    writer.add_token(leak, TokenId::new(), fingerprint, &material);
    writer.build()
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
        let head = drive::head_of(input);
        let mut bytes = 0;
        let memory = allocation_counter::measure(|| {
            let work = drive::inspected(&patchset, input, &head);
            bytes = work.inspected;
        });
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
