//! Decoding a run of base64 or hex at every phase, since where the encoded text begins in it is not
//! known, and handing on what may hold a token.

use super::budget::Budget;
use super::layer::Layer;
use super::runs::{Opening, Part, Sink, Sought};

/// One run's characters, decoded at every phase, for one purpose.
pub(super) struct Lanes<S> {
    layer: Layer,
    part: Part,
    /// Characters before which nothing is decoded, since a token has more.
    needed: usize,
    /// The characters so far, until there are as many.
    begun: Vec<u8>,
    /// The run's first character's place in the run around it.
    origin: usize,
    lanes: Vec<Lane<S>>,
}

/// One phase.
struct Lane<S> {
    /// Characters yet to be left out.
    skip: usize,
    phase: usize,
    bits: u32,
    count: u32,
    /// Bytes that were decoded.
    length: usize,
    /// The last of them, as long as they may be the beginning of a token and are not enough for one.
    recent: Vec<u8>,
    open: Option<S>,
}

impl<S> Lanes<S> {
    pub(super) fn new(layer: Layer, part: Part, sought: &Sought) -> Self {
        let bytes = if part == Part::Bytes { sought.signature } else { sought.shortest };
        let needed = if layer == Layer::Hex { bytes * 2 } else { (bytes * 8).div_ceil(6) };
        Self { layer, part, needed, begun: Vec::new(), origin: 0, lanes: Vec::new() }
    }

    /// What is undone.
    pub(super) fn layer(&self) -> Layer {
        self.layer
    }

    /// Begins anew, at this place in the run around it.
    pub(super) fn begin(&mut self, origin: usize) {
        self.origin = origin;
        self.begun.clear();
    }

    /// Takes the next characters, each as what it stands for.
    pub(super) fn feed<K: Sink<State = S>>(
        &mut self,
        values: &[u8],
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        if !self.lanes.is_empty() {
            self.decode(values, sought, budget, sink);
            return;
        }
        if self.begun.len() + values.len() < self.needed {
            self.begun.extend_from_slice(values);
            return;
        }
        let phases = if self.layer == Layer::Hex { 2 } else { 4 };
        self.lanes.extend((0..phases).map(|phase| Lane {
            skip: phase,
            phase,
            bits: 0,
            count: 0,
            length: 0,
            recent: Vec::new(),
            open: None,
        }));
        let begun = std::mem::take(&mut self.begun);
        self.decode(&begun, sought, budget, sink);
        self.decode(values, sought, budget, sink);
    }

    fn decode<K: Sink<State = S>>(
        &mut self,
        values: &[u8],
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        let mut decoded = Vec::with_capacity(values.len() / 4 * 3 + 4);
        for lane in &mut self.lanes {
            decoded.clear();
            if self.layer == Layer::Hex {
                lane.digits(values, &mut decoded);
            } else {
                lane.sextets(values, &mut decoded);
            }
            if !budget.spend(decoded.len()) {
                return;
            }
            let opening = Opening {
                part: self.part,
                layer: self.layer,
                first: self.origin + lane.phase,
                at: lane.length,
            };
            lane.length += decoded.len();
            if self.part == Part::Text && sought.ascii {
                lane.stretches(&decoded, sought.shortest, opening, budget, sink);
            } else {
                lane.read(&decoded, opening, budget, sink);
            }
        }
    }

    /// Reports what is undecided only because the run may go on.
    pub(super) fn settle<K: Sink<State = S>>(&mut self, sink: &mut K) {
        for state in self.lanes.iter_mut().filter_map(|lane| lane.open.as_mut()) {
            sink.settle(state, self.layer);
        }
    }

    /// Ends what was decoded.
    pub(super) fn end<K: Sink<State = S>>(&mut self, budget: &mut Budget, sink: &mut K) {
        for state in self.lanes.drain(..).filter_map(|lane| lane.open) {
            sink.close(state, self.layer, budget);
        }
        self.begun.clear();
    }
}

impl<S> Lane<S> {
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
        if self.open.is_none() {
            self.open = sink.open(opening, budget);
        }
        if let Some(state) = &mut self.open {
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
            if self.open.is_some() || !self.recent.is_empty() {
                let ascii = rest.iter().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
                let (ascii, after) = rest.split_at_checked(ascii).unwrap_or_default();
                self.stretch(ascii, opening, from, shortest, budget, sink);
                if !after.is_empty() {
                    self.recent.clear();
                    if let Some(state) = self.open.take() {
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
                    let opening = Opening { at: opening.at + from, ..opening };
                    self.read(window, opening, budget, sink);
                    from += shortest;
                    if self.open.is_none() {
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
        if self.open.is_some() {
            self.read(ascii, opening, budget, sink);
            return;
        }
        let begun = self.recent.len();
        self.recent.extend_from_slice(ascii);
        if self.recent.len() >= shortest {
            let recent = std::mem::take(&mut self.recent);
            let at = (opening.at + from).saturating_sub(begun);
            self.read(&recent, Opening { at, ..opening }, budget, sink);
        }
    }
}
