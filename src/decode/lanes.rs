//! Decoding a run of base64 or hex at every phase, since where the encoded text begins in it is not
//! known, and handing on what may hold a token.

use super::branch::keep_tail;
use super::budget::Budget;
use super::layer::Layer;
use super::sextet::{holds, nibble, not_ascii, values};
use super::sought::{Opening, Part, Sink, Sought};

/// Characters of a run that ends with its piece or before, up to which it is looked at before it is
/// decoded.
pub(super) const SHORT: usize = 256;

/// One run's characters, decoded at every phase.
pub(super) struct Lanes<S> {
    layer: Layer,
    /// The characters so far, until they are decoded.
    begun: Vec<u8>,
    /// Where padding stands among them, and how much.
    paddings: Vec<(usize, usize)>,
    /// The last characters that were decoded.
    last: Vec<u8>,
    /// How many were decoded.
    count: usize,
    /// How many were when each phase was last whole in front of padding.
    padded: [usize; 4],
    /// The run's first character's place in the run around it.
    origin: usize,
    lanes: Vec<Lane<S>>,
    decoded: Vec<u8>,
}

/// One phase.
struct Lane<S> {
    /// Characters yet to be left out.
    skip: usize,
    /// Which of the run's characters it began with, or began anew with, and how many bytes were
    /// decoded before that.
    base: (usize, usize),
    bits: u32,
    count: u32,
    /// Bytes that were decoded.
    length: usize,
    /// The last of them, as long as they may be the beginning of a token and are not enough for one.
    recent: Vec<u8>,
    text: Option<S>,
    /// All of them, until they are enough for a signature.
    early: Vec<u8>,
    bytes: Option<S>,
    /// Whether it begins anew behind padding.
    anew: bool,
}

impl<S> Lanes<S> {
    pub(super) fn new(layer: Layer) -> Self {
        Self {
            layer,
            begun: Vec::new(),
            paddings: Vec::new(),
            last: Vec::new(),
            count: 0,
            padded: [0; 4],
            origin: 0,
            lanes: Vec::new(),
            decoded: Vec::new(),
        }
    }

    /// Begins a run, at this place in the run around it.
    pub(super) fn begin(&mut self, origin: usize) {
        self.origin = origin;
    }

    /// Characters that so many bytes take.
    fn characters(&self, bytes: usize) -> usize {
        if self.layer == Layer::Hex { bytes * 2 } else { (bytes * 8).div_ceil(6) }
    }

    /// Takes the next characters.
    pub(super) fn feed<K: Sink<State = S>>(
        &mut self,
        characters: &[u8],
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        if self.layer == Layer::Hex {
            self.begun.extend(characters.iter().filter_map(|&byte| nibble(byte)));
        } else {
            values(characters, &mut self.begun);
        }
        if !self.lanes.is_empty() {
            let mut values = std::mem::take(&mut self.begun);
            self.decode(&values, sought, budget, sink);
            values.clear();
            self.begun = values;
            return;
        }
        if self.begun.len() > SHORT {
            self.start(sought, budget, sink);
        }
    }

    /// Decodes what there is, where that is enough for a token, since more may come later.
    pub(super) fn start<K: Sink<State = S>>(
        &mut self,
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        if self.lanes.is_empty() && self.begun.len() >= self.characters(sought.least()) {
            self.open(sought, budget, sink);
        }
    }

    fn open<K: Sink<State = S>>(&mut self, sought: &Sought, budget: &mut Budget, sink: &mut K) {
        let phases = if self.layer == Layer::Hex { 2 } else { 4 };
        self.lanes.extend((0..phases).map(Lane::new));
        let mut begun = std::mem::take(&mut self.begun);
        let mut paddings = std::mem::take(&mut self.paddings);
        let mut from = 0;
        for &(at, length) in &paddings {
            self.decode(begun.get(from..at).unwrap_or_default(), sought, budget, sink);
            self.begin_anew(length, sought, budget, sink);
            from = at;
        }
        self.decode(begun.get(from..).unwrap_or_default(), sought, budget, sink);
        begun.clear();
        paddings.clear();
        (self.begun, self.paddings) = (begun, paddings);
    }

    fn decode<K: Sink<State = S>>(
        &mut self,
        values: &[u8],
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        if self.layer == Layer::Base64 {
            keep_tail(&mut self.last, values, 4 * sought.longest);
        }
        self.count += values.len();
        let Self { layer, origin, lanes, decoded, .. } = self;
        for lane in lanes {
            lane.feed(values, (*layer, *origin), decoded, sought, budget, sink);
        }
    }

    /// Told that so much padding stands between what was fed and what comes: a decoder may begin
    /// anew behind it, and go on with what it has decoded so far.
    pub(super) fn padding<K: Sink<State = S>>(
        &mut self,
        length: usize,
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        if self.lanes.is_empty() {
            self.paddings.push((self.begun.len(), length));
        } else {
            self.begin_anew(length, sought, budget, sink);
        }
    }

    fn begin_anew<K: Sink<State = S>>(
        &mut self,
        length: usize,
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        let whole = |lane: &Lane<S>| lane.skip == 0 && lane.count as usize == length * 2;
        let Some(place) = self.lanes.iter().rposition(whole) else { return };
        if self.lanes.get(place).is_some_and(|lane| !lane.anew) {
            let mut lane = Lane::new(0);
            lane.anew = true;
            // So that the characters kept of the run begin at this phase.
            let pending = if length == 1 { 3 } else { 2 };
            // What began before that phase was last whole began anew there. So a character is
            // decoded again no more than once for each phase, however much padding there is.
            let padded = self.padded.get_mut(place).map(|at| std::mem::replace(at, self.count));
            let since = self.last.len().min(self.count - padded.unwrap_or_default());
            lane.skip = (since % 4 + 4 - pending) % 4;
            lane.base = (self.count - since + lane.skip, 0);
            let last = std::mem::take(&mut self.last);
            let around = (self.layer, self.origin);
            let characters = last.get(last.len() - since..).unwrap_or_default();
            lane.feed(characters, around, &mut self.decoded, sought, budget, sink);
            self.last = last;
            if let Some(at) = self.lanes.iter().position(|lane| lane.anew) {
                let mut before = self.lanes.swap_remove(at);
                before.end(self.layer, budget, sink);
            }
            self.lanes.push(lane);
        }
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.anew) {
            lane.count = 0;
            lane.base = (self.count, lane.length);
        }
    }

    /// Reports what is undecided only because the run may go on.
    pub(super) fn settle<K: Sink<State = S>>(&mut self, sink: &mut K) {
        for lane in &mut self.lanes {
            for state in lane.text.iter_mut().chain(&mut lane.bytes) {
                sink.settle(state, self.layer);
            }
        }
    }

    /// Ends the run.
    pub(super) fn end<K: Sink<State = S>>(
        &mut self,
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        if self.lanes.is_empty() && self.begun.len() >= self.characters(sought.least()) {
            let goes_on = |&(at, length): &(usize, usize)| {
                let (before, after) = self.begun.split_at_checked(at).unwrap_or_default();
                !sought.ascii || goes_on_behind(before, after, length)
            };
            if self.paddings.iter().any(goes_on) {
                self.open(sought, budget, sink);
            } else {
                self.short(sought, budget, sink);
            }
        }
        for mut lane in self.lanes.drain(..) {
            lane.end(self.layer, budget, sink);
        }
        self.begun.clear();
        self.paddings.clear();
        self.last.clear();
        self.count = 0;
        self.padded = [0; 4];
    }

    /// Decodes a short run at the phases at which it may hold anything.
    fn short<K: Sink<State = S>>(&mut self, sought: &Sought, budget: &mut Budget, sink: &mut K) {
        let signature =
            sought.signature != 0 && self.begun.len() >= self.characters(sought.signature);
        let phases = if self.layer == Layer::Hex { 2 } else { 4 };
        for phase in 0..phases {
            let rest = self.begun.get(phase..).unwrap_or_default();
            let plausible = match self.layer {
                _ if signature || !sought.ascii => true,
                Layer::Hex => holds::<2>(rest, sought.shortest, |[high, _]| high & 8),
                _ => holds::<4>(rest, sought.shortest.saturating_sub(2) / 3, not_ascii),
            };
            if plausible {
                let around = (self.layer, self.origin);
                let mut lane = Lane::new(phase);
                lane.feed(&self.begun, around, &mut self.decoded, sought, budget, sink);
                lane.end(self.layer, budget, sink);
            }
        }
    }
}

/// Whether a token may stand on both sides of so much padding: then the three bytes behind it are
/// part of the token, or else the two before those that the padding fills up.
pub(super) fn goes_on_behind(before: &[u8], after: &[u8], length: usize) -> bool {
    let pending = if length == 1 { 3 } else { 2 };
    let whole = before.len().checked_sub(pending).and_then(|end| before.get(..end));
    let last = whole.and_then(|whole| whole.last_chunk::<4>());
    let first = after.first_chunk::<4>();
    last.is_some_and(|&[_, b, c, _]| not_ascii([0, b, c, 0]) == 0)
        || first.is_some_and(|group| not_ascii(*group) == 0)
}

impl<S> Lane<S> {
    fn new(phase: usize) -> Self {
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
            anew: false,
        }
    }

    /// Decodes the next characters, and hands on what may hold something.
    fn feed<K: Sink<State = S>>(
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
        if decoded.is_empty() || !budget.spend(decoded.len()) {
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

    fn end<K: Sink<State = S>>(&mut self, layer: Layer, budget: &mut Budget, sink: &mut K) {
        for state in self.text.take().into_iter().chain(self.bytes.take()) {
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
