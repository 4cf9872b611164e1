//! Runs of base64 and hex inside a text that comes in chunks.
//!
//! A run is what a lenient decoder may take for base64: a stretch of its characters, in either
//! alphabet and long enough, and what follows it over padding, a few characters of junk, or line
//! breaks. Where the encoded text begins in the run is not known, so the run is decoded at every
//! phase; a token is found wherever it stands in the encoded text, and whatever stands before it.
//! Hex digits are characters of base64 too, so that one search finds both.

pub(in crate::decode) mod ending;
pub(in crate::decode) mod glance;
mod lane;
mod lanes;
mod magic;
pub(in crate::decode) mod sextet;
pub(in crate::decode) mod sought;
pub(in crate::decode) mod stretches;
#[cfg(test)]
mod tests;
mod whole;

pub use sought::{Opening, Part, Sink, Sought};

use crate::decode::budget::Budget;
use crate::decode::layer::Layer;
use lanes::Lanes;
use sextet::{ESCAPE, JUNK, LAST, PADDING, WRAP, class, is_character, leading, nibble};
use sought::ANCHOR;
use stretches::Stretches;

/// Characters that stand together before a line break over which a run goes on.
pub(in crate::decode) const LINE: usize = 16;
/// Characters of junk, padding or line breaks in a row over which a run goes on.
pub(in crate::decode) const GAP: usize = 4;
/// Bytes before the anchor in which the run may have begun.
pub(in crate::decode) const LEFT: usize = 64;
/// Bytes that are kept of a text: those, and an anchor that has not come whole.
const TAIL: usize = LEFT + ANCHOR;
/// Backslashes before the letter of a line break over which a run goes on.
const BACKSLASHES: usize = 8;

/// The runs of one text.
pub struct Runs<S> {
    /// The last bytes of the text, at its end.
    tail: [u8; TAIL],
    /// Length of the text so far.
    position: usize,
    /// Characters of base64 that it ends with.
    segment: usize,
    run: Option<Box<Run<S>>>,
    /// The last run, whose buffers the next one takes over.
    spare: Option<Box<Run<S>>>,
}

struct Run<S> {
    /// Characters so far.
    count: usize,
    /// Those since the last gap.
    segment: usize,
    /// Pieces of the gap that goes on.
    gap: usize,
    /// The escape that has begun.
    escape: [u8; 2],
    escaped: usize,
    /// Hex digits that the run ends with.
    digits: usize,
    /// Whether the gap is padding and line breaks alone, and how much padding.
    padding: Option<usize>,
    base64: Lanes<S>,
    hex: Lanes<S>,
    places: Vec<usize>,
    /// One past the last character or its padding.
    end: usize,
}

/// Where a run has ended in a piece, and how many characters of base64 stand right before.
struct Ended {
    at: usize,
    segment: usize,
}

impl<S> Default for Runs<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Runs<S> {
    /// A text of which nothing was seen.
    pub fn new() -> Self {
        Self { tail: [b' '; TAIL], position: 0, segment: 0, run: None, spare: None }
    }

    /// Takes the next bytes of the text.
    pub fn push<K: Sink<State = S>>(
        &mut self,
        piece: &[u8],
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        if sought.is_nothing() || piece.is_empty() {
            return;
        }
        self.read(piece, false, sought, budget, sink);
        if let Some(run) = &mut self.run {
            run.start(sought, budget, sink);
        }
        self.keep_tail(piece);
        self.position += piece.len();
    }

    /// Takes a text that is given whole.
    pub fn whole<K: Sink<State = S>>(
        mut self,
        text: &[u8],
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        if !sought.is_nothing() {
            self.read(text, true, sought, budget, sink);
            self.end_run(sought, budget, sink);
        }
    }

    fn read<K: Sink<State = S>>(
        &mut self,
        piece: &[u8],
        last: bool,
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        let mut from = 0;
        let mut stretches = Stretches::new(piece, sought.anchor(last));
        let ends = (self.position == 0, last);
        loop {
            if let Some(run) = &mut self.run {
                let rest = piece.get(from..).unwrap_or_default();
                let Some(ended) = run.push(rest, self.position + from, sought, budget, sink) else {
                    return;
                };
                from += ended.at;
                self.segment = ended.segment;
                self.end_run(sought, budget, sink);
            }
            if self.segment == 0 {
                from = glance::pass(piece, from, ends, &mut stretches, sought);
            }
            if !self.find(piece, &mut stretches, &mut from, sought, budget, sink) {
                return;
            }
        }
    }

    /// Reports what is undecided only because the text may go on.
    pub fn settle<K: Sink<State = S>>(&mut self, sink: &mut K) {
        if let Some(run) = &mut self.run {
            run.base64.settle(sink);
            run.hex.settle(sink);
        }
    }

    /// Ends the text.
    pub fn finish<K: Sink<State = S>>(
        &mut self,
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        self.end_run(sought, budget, sink);
        *self = Self::new();
    }

    fn end_run<K: Sink<State = S>>(&mut self, sought: &Sought, budget: &mut Budget, sink: &mut K) {
        if let Some(mut run) = self.run.take() {
            run.base64.end(sought, budget, sink);
            run.end_hex(sought, budget, sink);
            sink.ended(&run.places, run.end);
            run.reset();
            self.spare = Some(run);
        }
    }

    fn keep_tail(&mut self, piece: &[u8]) {
        match piece.last_chunk::<TAIL>() {
            Some(last) => self.tail = *last,
            None => {
                self.tail.rotate_left(piece.len());
                let free = TAIL - piece.len();
                let places = self.tail.iter_mut().skip(free);
                places.zip(piece).for_each(|(place, byte)| *place = *byte);
            }
        }
    }

    /// Begins the next run, at `from` in the piece or after it, and moves there; or tells that there
    /// is none.
    fn find<K: Sink<State = S>>(
        &mut self,
        piece: &[u8],
        stretches: &mut Stretches<'_>,
        from: &mut usize,
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) -> bool {
        let anchor = stretches.length();
        let rest = piece.get(*from..).unwrap_or_default();
        let wanted = anchor.saturating_sub(self.segment);
        let lead = rest.iter().take(wanted).take_while(|&&byte| is_character(byte)).count();
        let mut behind = self.segment;
        if lead < wanted {
            if lead == rest.len() {
                self.segment += lead;
                return false;
            }
            behind = 0;
            match stretches.next(*from + lead) {
                Ok(stretch) => *from = stretch.start,
                Err(segment) => {
                    self.segment = segment;
                    return false;
                }
            }
        }
        self.segment = 0;
        let seen = piece.get(..*from).unwrap_or_default();
        let mut before = Vec::new();
        let segment_before = match seen.len().checked_sub(behind) {
            Some(start) if start >= LEFT || start > 0 && !is_gap(seen.get(start - 1)) => {
                seen.get(start.saturating_sub(LEFT)..).unwrap_or_default()
            }
            _ => {
                before.extend_from_slice(&self.tail);
                before.extend_from_slice(seen);
                let start = before.len().saturating_sub(LEFT + behind);
                before.get(start..).unwrap_or_default()
            }
        };
        let border = segment_before.len() - behind.min(segment_before.len());
        let left = extend_left(segment_before.get(..border).unwrap_or_default());
        let head = segment_before.get(border - left..).unwrap_or_default();
        let mut run = self.spare.take().unwrap_or_else(|| Box::new(Run::new()));
        let begin = (self.position + *from).saturating_sub(head.len());
        // What it begins with never ends it.
        run.push(head, begin, sought, budget, sink);
        self.run = Some(run);
        true
    }
}

/// Whether the byte is one over which a run goes on whatever stands before it.
pub(in crate::decode) fn is_gap(byte: Option<&u8>) -> bool {
    byte.is_some_and(|&byte| matches!(class(byte), JUNK | PADDING))
}

/// How many bytes at the end of `before` belong to a run that goes on behind it.
pub(in crate::decode) fn extend_left(before: &[u8]) -> usize {
    let mut left = 0;
    loop {
        let rest = before.get(..before.len() - left).unwrap_or_default();
        let gap = rest.iter().rev().take_while(|byte| is_gap(Some(byte))).count();
        if gap == 0 || gap > GAP {
            return left;
        }
        let rest = rest.get(..rest.len() - gap).unwrap_or_default();
        let segment = rest.iter().rev().take_while(|&&byte| is_character(byte)).count();
        if segment == 0 {
            return left;
        }
        left += gap + segment;
    }
}

impl<S> Run<S> {
    fn new() -> Self {
        Self {
            count: 0,
            segment: 0,
            gap: 0,
            escape: [0; 2],
            escaped: 0,
            digits: 0,
            padding: Some(0),
            base64: Lanes::new(Layer::Base64),
            hex: Lanes::new(Layer::Hex),
            places: Vec::new(),
            end: 0,
        }
    }

    fn reset(&mut self) {
        self.count = 0;
        self.segment = 0;
        self.gap = 0;
        self.escaped = 0;
        self.padding = Some(0);
        self.places.clear();
    }

    /// Decodes what has come of it.
    fn start<K: Sink<State = S>>(&mut self, sought: &Sought, budget: &mut Budget, sink: &mut K) {
        self.base64.start(sought, budget, sink);
        self.hex.start(sought, budget, sink);
    }

    /// Takes the next bytes, the first of which stands at `position`; tells where the run ends, if it
    /// does.
    fn push<K: Sink<State = S>>(
        &mut self,
        piece: &[u8],
        position: usize,
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) -> Option<Ended> {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            if self.escaped > 0 {
                if !self.escape(byte) {
                    let percent = self.escape.first() == Some(&b'%');
                    return Some(Ended { at, segment: if percent { self.escaped - 1 } else { 0 } });
                }
                at += 1;
                continue;
            }
            match class(byte) {
                0..=LAST => {
                    let rest = piece.get(at..).unwrap_or_default();
                    let length = leading(rest);
                    let segment = rest.get(..length).unwrap_or_default();
                    self.characters(segment, position + at, sought, budget, sink);
                    at += length;
                    continue;
                }
                PADDING => {
                    self.end = position + at + 1;
                    self.padding = self.padding.map(|padding| padding + 1);
                    self.gap += 1;
                }
                JUNK => {
                    self.padding = None;
                    self.gap += 1;
                }
                WRAP if self.segment >= LINE => self.gap += 1,
                ESCAPE => {
                    self.escaped = 1;
                    self.escape = [byte, 0];
                }
                _ => return Some(Ended { at, segment: 0 }),
            }
            self.end_hex(sought, budget, sink);
            if self.gap > GAP {
                return Some(Ended { at, segment: 0 });
            }
            at += 1;
        }
        None
    }

    /// Takes the next byte of an escape; tells whether the run goes on.
    fn escape(&mut self, byte: u8) -> bool {
        let [first, second] = self.escape;
        let wraps = match (first, self.escaped) {
            // A line break that was escaped more than once.
            (b'\\', 1..BACKSLASHES) if byte == b'\\' => {
                self.escaped += 1;
                return true;
            }
            (b'\\', _) => matches!(byte, b'n' | b'r' | b't'),
            (_, 1) if matches!(byte, b'0' | b'2') => {
                self.escape = [first, byte];
                self.escaped = 2;
                return true;
            }
            (_, 2) => match second {
                b'0' => matches!(byte, b'9' | b'a' | b'A' | b'd' | b'D'),
                _ => byte == b'0',
            },
            _ => false,
        };
        if !wraps || self.segment < LINE || self.gap >= GAP {
            return false;
        }
        self.gap += 1;
        self.escaped = 0;
        true
    }

    /// Takes characters.
    fn characters<K: Sink<State = S>>(
        &mut self,
        segment: &[u8],
        position: usize,
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        if sink.wants_places() {
            self.places.extend(position..position + segment.len());
        }
        if let Some(length @ 1..=2) = self.padding {
            self.base64.padding(length, sought, budget, sink);
        }
        self.padding = Some(0);
        if self.gap > 0 {
            self.base64.gap();
        }
        self.base64.feed(segment, sought, budget, sink);
        self.hex(segment, sought, budget, sink);
        self.count += segment.len();
        if self.gap > 0 {
            self.segment = 0;
            self.gap = 0;
        }
        self.segment = (self.segment + segment.len()).min(LINE);
        self.end = position + segment.len();
    }

    /// Takes the hex digits in a segment.
    fn hex<K: Sink<State = S>>(
        &mut self,
        segment: &[u8],
        sought: &Sought,
        budget: &mut Budget,
        sink: &mut K,
    ) {
        let needed = sought.least() * 2;
        let mut from = 0;
        while from < segment.len() {
            let rest = segment.get(from..).unwrap_or_default();
            // Where no digits go on, those that begin here must be enough or reach the end.
            if self.digits == 0 {
                let window = rest.get(..needed).unwrap_or(rest);
                if let Some(strange) = window.iter().rposition(|&byte| nibble(byte).is_none()) {
                    from += strange + 1;
                    continue;
                }
            }
            let length = rest.iter().take_while(|&&byte| nibble(byte).is_some()).count();
            if self.digits == 0 {
                self.hex.begin(self.count + from);
            }
            self.hex.feed(rest.get(..length).unwrap_or_default(), sought, budget, sink);
            self.digits += length;
            from += length;
            if length < rest.len() {
                self.end_hex(sought, budget, sink);
                from += 1;
            }
        }
    }

    fn end_hex<K: Sink<State = S>>(&mut self, sought: &Sought, budget: &mut Budget, sink: &mut K) {
        if std::mem::take(&mut self.digits) != 0 {
            self.hex.end(sought, budget, sink);
        }
    }
}
