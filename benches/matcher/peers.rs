//! The same text and tokens with other engines.

use std::time::Instant;

use super::data::request_text;
use super::{CALL, TEXT, rate, row, speed};

#[cfg(feature = "vectorscan")]
pub(crate) fn vectorscan(tokens: &[Vec<u8>], ours: f64) {
    let n = tokens.len();
    let text = request_text(1);
    let begun = Instant::now();
    let set = super::vectorscan::Vectorscan::new(tokens);
    row(n, "Vectorscan build", format!("{:.2} s", begun.elapsed().as_secs_f64()));
    let memory = set.memory_bytes() as f64 / n as f64;
    row(n, "Vectorscan memory", format!("{memory:.0} bytes/token"));
    let speed_of = rate(|| text.chunks(CALL).map(|call| set.count(call)).sum(), TEXT);
    row(n, "Vectorscan, 1 KiB calls", beside(speed_of, ours));
}

/// A peer's speed, and how many times as fast `ours` is.
fn beside(peer: f64, ours: f64) -> String {
    format!("{} (leakgate {:.1} times as fast)", speed(peer), ours / peer)
}

pub(crate) fn peers(tokens: &[Vec<u8>], ours: f64) {
    let n = tokens.len();
    let text = request_text(1);
    let begun = Instant::now();
    let automaton = aho_corasick::AhoCorasick::new(tokens).unwrap();
    row(n, "aho-corasick build", format!("{:.2} s", begun.elapsed().as_secs_f64()));
    let speed_of =
        rate(|| text.chunks(CALL).map(|call| automaton.find_iter(call).count()).sum(), TEXT);
    row(n, "aho-corasick, 1 KiB calls", beside(speed_of, ours));
    drop(automaton);
    let begun = Instant::now();
    let automaton = daachorse::DoubleArrayAhoCorasick::<u32>::new(tokens).unwrap();
    row(n, "daachorse build", format!("{:.2} s", begun.elapsed().as_secs_f64()));
    let speed_of =
        rate(|| text.chunks(CALL).map(|call| automaton.find_iter(call).count()).sum(), TEXT);
    row(n, "daachorse, 1 KiB calls", beside(speed_of, ours));
}
