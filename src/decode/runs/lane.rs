//! A run of base64 or hex, decoded at one phase: its text and other bytes, handed on as they come.

use super::sought::{Opening, Part, Sink, Sought};
use crate::decode::budget::Budget;
use crate::decode::layer::Layer;

/// One phase.
pub(in crate::decode) struct Lane<S> {
    /// Characters yet to be left out.
    pub(in crate::decode) skip: usize,
    /// Which of the run's characters it began with, or began anew with, and how many bytes were
    /// decoded before that.
    pub(in crate::decode) base: (usize, usize),
    bits: u32,
    pub(in crate::decode) count: u32,
    /// Bytes that were decoded.
    pub(in crate::decode) length: usize,
    /// The last of them, as long as they may be the beginning of a token and are not enough for one.
    recent: Vec<u8>,
    pub(in crate::decode) text: Option<S>,
    /// All of them, until they are enough for a signature.
    early: Vec<u8>,
    pub(in crate::decode) bytes: Option<S>,
    /// What its bytes decompress to.
    pub(in crate::decode) packed: Vec<S>,
    /// Whether it begins anew behind padding.
    pub(in crate::decode) anew: bool,
}

impl<S> Lane<S> {
    pub(in crate::decode) fn new(phase: usize) -> Self {
        Self {
            skip: phase,
            base: (phase, 0),
            bits: 0,
            count: 0,
            length: 0,
            recent: Vec::new(),
            text: None,
            early: Vec::new(),
            bytes: None,
            packed: Vec::new(),
            anew: false,
        }
    }

    /// Decodes the next characters, and hands on what may hold something.
    pub(in crate::decode) fn feed<K: Sink<State = S>>(
        &mut self,
        values: &[u8],
        (layer, origin): (Layer, usize),
        decoded: &mut Vec<u8>,
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        decoded.clear();
        if layer == Layer::Hex {
            self.digits(values, decoded);
        } else {
            self.sextets(values, decoded);
        }
        if decoded.is_empty() || !budget.unpack(decoded.len()) {
            return;
        }
        let (first, before) = self.base;
        let at = self.length as isize - before as isize;
        let opening = Opening { part: Part::Text, layer, first: origin + first, at };
        self.length += decoded.len();
        if sought.ascii {
            self.stretches(decoded, sought.shortest, opening, budget, sink);
        } else {
            self.read(decoded, opening, budget, sink);
        }
        let mut at = 0;
        while let Some(state) = self.packed.get_mut(at) {
            sink.read(state, layer, decoded, budget);
            if sink.goes_on(state) {
                at += 1;
            } else {
                let state = self.packed.swap_remove(at);
                sink.close(state, layer, budget);
            }
        }
        if sought.signature == 0 {
            return;
        }
        if self.length >= sought.signature && self.bytes.is_none() {
            let at = opening.at - self.early.len() as isize;
            let opening = Opening { part: Part::Bytes, at, ..opening };
            self.bytes = sink.open(opening, budget);
            if let Some(state) = &mut self.bytes {
                sink.read(state, layer, &self.early, budget);
            }
            self.early = Vec::new();
        }
        match &mut self.bytes {
            Some(state) => sink.read(state, layer, decoded, budget),
            None if self.length < sought.signature => self.early.extend_from_slice(decoded),
            None => {}
        }
    }

    pub(in crate::decode) fn end<K: Sink<State = S>>(
        &mut self,
        layer: Layer,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        let states = self.text.take().into_iter().chain(self.bytes.take());
        for state in states.chain(self.packed.drain(..)) {
            sink.close(state, layer, budget);
        }
    }

    fn sextets(&mut self, mut values: &[u8], out: &mut Vec<u8>) {
        let skipped = self.skip.min(values.len());
        self.skip -= skipped;
        values = values.get(skipped..).unwrap_or_default();
        // Up to where four characters begin, one by one.
        while self.count != 0
            && let [first, rest @ ..] = values
        {
            self.value(*first, 6, out);
            values = rest;
        }
        let (groups, rest) = values.as_chunks::<4>();
        for &[a, b, c, d] in groups {
            let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
            out.extend([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
        }
        for &value in rest {
            self.value(value, 6, out);
        }
    }

    fn digits(&mut self, values: &[u8], out: &mut Vec<u8>) {
        let skipped = self.skip.min(values.len());
        self.skip -= skipped;
        for &value in values.get(skipped..).unwrap_or_default() {
            self.value(value, 4, out);
        }
    }

    /// Each byte comes as soon as its bits have.
    fn value(&mut self, value: u8, width: u32, out: &mut Vec<u8>) {
        self.bits = self.bits << width | u32::from(value);
        self.count += width;
        if self.count >= 8 {
            self.count -= 8;
            out.push((self.bits >> self.count) as u8);
        }
    }

    fn read<K: Sink<State = S>>(
        &mut self,
        bytes: &[u8],
        opening: Opening,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        if bytes.is_empty() {
            return;
        }
        if self.text.is_none() {
            self.text = sink.open(opening, budget);
        }
        if let Some(state) = &mut self.text {
            sink.read(state, opening.layer, bytes, budget);
        }
    }

    /// Hands on each stretch of ASCII that is long enough for a token, as a text of its own: what
    /// holds a token, in whatever further encoding, is ASCII throughout.
    fn stretches<K: Sink<State = S>>(
        &mut self,
        bytes: &[u8],
        shortest: usize,
        opening: Opening,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        let mut from = 0;
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            if self.text.is_some() || !self.recent.is_empty() {
                let ascii = rest.iter().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
                let (ascii, after) = rest.split_at_checked(ascii).unwrap_or_default();
                self.stretch(ascii, opening, from, shortest, budget, sink);
                if !after.is_empty() {
                    self.recent.clear();
                    if let Some(state) = self.text.take() {
                        sink.close(state, opening.layer, budget);
                    }
                }
                from += ascii.len() + 1;
                continue;
            }
            let Some(window) = rest.get(..shortest) else {
                let ascii = rest.iter().rev().take_while(|byte| byte.is_ascii()).count();
                self.recent.extend_from_slice(rest.get(rest.len() - ascii..).unwrap_or_default());
                return;
            };
            match window.iter().rposition(|byte| !byte.is_ascii()) {
                Some(strange) => from += strange + 1,
                None => {
                    let opening = Opening { at: opening.at + from as isize, ..opening };
                    self.read(window, opening, budget, sink);
                    from += shortest;
                    if self.text.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// Goes on with a stretch that has begun.
    fn stretch<K: Sink<State = S>>(
        &mut self,
        ascii: &[u8],
        opening: Opening,
        from: usize,
        shortest: usize,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        if self.text.is_some() {
            self.read(ascii, opening, budget, sink);
            return;
        }
        let begun = self.recent.len();
        self.recent.extend_from_slice(ascii);
        if self.recent.len() >= shortest {
            let recent = std::mem::take(&mut self.recent);
            let at = opening.at + from as isize - begun as isize;
            self.read(&recent, Opening { at, ..opening }, budget, sink);
        }
    }
}
