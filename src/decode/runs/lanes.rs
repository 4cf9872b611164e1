//! Decoding a run of base64 or hex at every phase, since where the encoded text begins in it is not
//! known, and handing on what may hold a token.

use std::collections::VecDeque;

use super::lane::Lane;
use super::magic::{self, Magic};
use super::sextet::{holds, nibble, not_ascii, values};
use super::sought::{Opening, Part, Sink, Sought, characters};
use crate::decode::budget::Budget;
use crate::decode::escapes::branch::keep_tail;
use crate::decode::layer::Layer;

/// Characters of a run that ends with its piece or before, up to which it is looked at before it is
/// decoded.
pub(in crate::decode) const SHORT: usize = 256;

/// One run's characters, decoded at every phase.
pub(in crate::decode) struct Lanes<S> {
    layer: Layer,
    /// The characters so far, until they are decoded.
    begun: Vec<u8>,
    /// Where padding stands among them, and how much.
    paddings: Vec<(usize, usize)>,
    /// Before which of the run's characters gaps stand, as far as they are not decoded.
    gaps: VecDeque<usize>,
    /// The last gap before what is decoded, or the run's beginning.
    start: usize,
    /// The last characters that were decoded.
    last: Vec<u8>,
    /// How many were decoded.
    count: usize,
    /// How many were when each phase was last whole in front of padding.
    padded: [usize; 4],
    /// The run's first character's place in the run around it.
    origin: usize,
    lanes: Vec<Lane<S>>,
    /// What begins at the last gap, as if nothing stood before it.
    fresh: Option<Lane<S>>,
    decoded: Vec<u8>,
}

impl<S> Lanes<S> {
    pub(in crate::decode) fn new(layer: Layer) -> Self {
        Self {
            layer,
            begun: Vec::new(),
            paddings: Vec::new(),
            gaps: VecDeque::new(),
            start: 0,
            last: Vec::new(),
            count: 0,
            padded: [0; 4],
            origin: 0,
            lanes: Vec::new(),
            fresh: None,
            decoded: Vec::new(),
        }
    }

    /// Begins a run, at this place in the run around it.
    pub(in crate::decode) fn begin(&mut self, origin: usize) {
        self.origin = origin;
    }

    fn phases(&self) -> usize {
        if self.layer == Layer::Hex { 2 } else { 4 }
    }

    /// Characters that so many bytes take.
    fn characters(&self, bytes: usize) -> usize {
        if self.layer == Layer::Hex { bytes * 2 } else { characters(bytes) }
    }

    /// Told that a gap stands between what was fed and what comes.
    pub(in crate::decode) fn gap(&mut self) {
        self.gaps.push_back(self.count + self.begun.len());
    }

    /// Takes the next characters.
    pub(in crate::decode) fn feed<K: Sink<State = S>>(
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
    pub(in crate::decode) fn start<K: Sink<State = S>>(
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
        self.lanes.extend((0..self.phases()).map(Lane::new));
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

    /// Decodes the next characters; gaps and magic numbers in them are where something begins.
    fn decode<K: Sink<State = S>>(
        &mut self,
        mut values: &[u8],
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        loop {
            let gap = self.gaps.front().map(|gap| gap.saturating_sub(self.count));
            let until = gap.filter(|gap| *gap < values.len());
            let (now, later) =
                values.split_at_checked(until.unwrap_or(values.len())).unwrap_or_default();
            if let Some(magic) = self.magic(now) {
                let (now, later) = values.split_at_checked(magic.end).unwrap_or_default();
                self.advance(now, sought, budget, sink);
                self.unpack(magic, budget, sink);
                values = later;
                continue;
            }
            self.advance(now, sought, budget, sink);
            if until.is_none() {
                return;
            }
            self.gaps.pop_front();
            self.begin_fresh(sought, budget, sink);
            values = later;
        }
    }

    fn advance<K: Sink<State = S>>(
        &mut self,
        values: &[u8],
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        keep_tail(&mut self.last, values, 4 * sought.longest);
        self.count += values.len();
        let Self { layer, origin, lanes, fresh, decoded, .. } = self;
        for lane in lanes.iter_mut().chain(fresh) {
            lane.feed(values, (*layer, *origin), decoded, sought, budget, sink);
        }
    }

    /// The first magic number that ends in the next characters.
    fn magic(&self, values: &[u8]) -> Option<Magic> {
        let width = magic::width(self.layer);
        let behind = self.last.len().saturating_sub(width - 1);
        let behind = self.last.get(behind..).unwrap_or_default();
        let across = (1..=width.min(values.len())).find_map(|end| {
            let before = width - end;
            let mut window = [0; magic::WIDEST];
            let window = window.get_mut(..width)?;
            let characters = behind.get(behind.len().checked_sub(before)?..)?;
            let characters = characters.iter().chain(values.get(..end)?);
            window.iter_mut().zip(characters).for_each(|(place, value)| *place = *value);
            let begins = self.count.checked_sub(before)? == self.start;
            let found = if begins { magic::begins } else { magic::find };
            Some(Magic { end, ..found(self.layer, window)? })
        });
        across.or_else(|| magic::find(self.layer, values))
    }

    /// Begins to decompress, behind a magic number.
    fn unpack<K: Sink<State = S>>(&mut self, magic: Magic, budget: &mut Budget, sink: &mut K) {
        let whole =
            |lane: &&mut Lane<S>| lane.skip == 0 && lane.count == 0 && lane.length >= magic::BYTES;
        let Some(lane) = self.lanes.iter_mut().find(whole) else { return };
        if lane.packed.iter().any(|state| sink.has_begun_again(state, magic::BYTES)) {
            return;
        }
        let (first, before) = lane.base;
        let opening = Opening {
            part: Part::Packed(magic.coding),
            layer: self.layer,
            first: self.origin + first,
            at: (lane.length - magic::BYTES) as isize - before as isize,
        };
        if let Some(mut state) = sink.open(opening, budget) {
            sink.read(&mut state, self.layer, &magic.bytes, budget);
            lane.packed.push(state);
        }
    }

    /// Told that a gap stands before what comes: the run may have ended there, and another one
    /// begin.
    fn begin_fresh<K: Sink<State = S>>(
        &mut self,
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        self.start = self.count;
        if !sought.borders {
            return;
        }
        self.settle(sink);
        if let Some(mut fresh) = self.fresh.take() {
            fresh.end(self.layer, budget, sink);
        }
        let mut fresh = Lane::new(0);
        fresh.base = (self.count, 0);
        self.fresh = Some(fresh);
    }

    /// Whether compressed bytes may stand in what is not decoded yet.
    fn holds_magic(&self) -> bool {
        let begins = |gap: usize| {
            let rest = self.begun.get(gap.saturating_sub(self.count)..).unwrap_or_default();
            magic::begins(self.layer, rest).is_some()
        };
        begins(self.start)
            || self.gaps.iter().any(|&gap| begins(gap))
            || magic::find(self.layer, &self.begun).is_some()
    }

    /// Told that so much padding stands between what was fed and what comes: a decoder may begin
    /// anew behind it, and go on with what it has decoded so far.
    pub(in crate::decode) fn padding<K: Sink<State = S>>(
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
    pub(in crate::decode) fn settle<K: Sink<State = S>>(&mut self, sink: &mut K) {
        for lane in self.lanes.iter_mut().chain(&mut self.fresh) {
            let states = lane.text.iter_mut().chain(&mut lane.bytes);
            for state in states.chain(&mut lane.packed) {
                sink.settle(state, self.layer);
            }
        }
    }

    /// Ends the run.
    pub(in crate::decode) fn end<K: Sink<State = S>>(
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
            let begins = sought.borders
                && !self.gaps.is_empty()
                && (0..self.phases()).any(|phase| self.is_plausible(phase, sought));
            if begins || self.paddings.iter().any(goes_on) || self.holds_magic() {
                self.open(sought, budget, sink);
            } else {
                self.short(sought, budget, sink);
            }
        }
        for mut lane in self.lanes.drain(..).chain(self.fresh.take()) {
            lane.end(self.layer, budget, sink);
        }
        self.begun.clear();
        self.paddings.clear();
        self.gaps.clear();
        self.start = 0;
        self.last.clear();
        self.count = 0;
        self.padded = [0; 4];
    }

    /// Whether a short run may hold anything at this phase.
    fn is_plausible(&self, phase: usize, sought: &Sought) -> bool {
        let signature =
            sought.signature != 0 && self.begun.len() >= self.characters(sought.signature);
        let rest = self.begun.get(phase..).unwrap_or_default();
        match self.layer {
            _ if signature || !sought.ascii => true,
            Layer::Hex => holds::<2>(rest, sought.shortest, |[high, _]| high & 8),
            _ => holds::<4>(rest, sought.shortest.saturating_sub(2) / 3, not_ascii),
        }
    }

    /// Decodes a short run at the phases at which it may hold anything.
    fn short<K: Sink<State = S>>(&mut self, sought: &Sought, budget: &mut Budget, sink: &mut K) {
        for phase in 0..self.phases() {
            if self.is_plausible(phase, sought) {
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
pub(in crate::decode) fn goes_on_behind(before: &[u8], after: &[u8], length: usize) -> bool {
    let pending = if length == 1 { 3 } else { 2 };
    let whole = before.len().checked_sub(pending).and_then(|end| before.get(..end));
    let last = whole.and_then(|whole| whole.last_chunk::<4>());
    let first = after.first_chunk::<4>();
    last.is_some_and(|&[_, b, c, _]| not_ascii([0, b, c, 0]) == 0)
        || first.is_some_and(|group| not_ascii(*group) == 0)
}
