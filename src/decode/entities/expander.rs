//! One document, from its first declaration on: declarations are taken in, and behind them the text is
//! handed on with its references expanded.

use memchr::{memchr2, memmem};

use super::declared::{Declared, NAME, is_name, is_quote, is_space};
use super::{DOCTYPE, Expanded};
use crate::decode::budget::Budget;
use crate::decode::layer::Layer;

/// Bytes of one declaration.
const LONGEST: usize = 64 * 1024;
/// References inside each other.
const DEPTH: usize = 16;
/// Bytes that a reference counts as beside what it stands for.
const COST: usize = 16;

/// What brackets in a text begin, and how that ends.
const BRACKETS: [(&[u8], &[u8]); 3] = [(b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>")];

/// Where what is expanded goes.
pub(super) struct To<'a, R: Expanded> {
    pub(super) layers: &'a [Layer],
    pub(super) budget: &'a mut Budget,
    pub(super) reader: &'a mut R,
}

/// State of reading one document.
pub(super) struct Expander<S> {
    declared: Declared,
    place: Place,
    /// The declaration, or the reference, under way.
    item: Vec<u8>,
    /// Bytes of the text that nothing was decided about yet.
    held: Vec<u8>,
    text: Option<S>,
    /// The byte before, among declarations.
    before: Option<u8>,
    /// Whether it began where the DTD does, so that no comment can have been missed.
    from_start: bool,
    /// Whether this has come to an end.
    over: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Before the bracket that begins the declarations, and in a text with this quote.
    Head(Option<u8>),
    /// Between declarations.
    Between,
    /// In a reference to a parameter.
    Parameter,
    /// In a declaration, and in a value of it that ends with this quote.
    Declaration(Option<u8>),
    /// In what ends so.
    Passed(&'static [u8]),
    /// Behind the bracket that ends the declarations.
    Closing,
    /// Behind them.
    Text,
    /// There, in what ends so, which holds no references.
    Bracket(&'static [u8]),
}

impl<S> Expander<S> {
    /// At the beginning of a DTD, or of a declaration.
    pub(super) fn new(begins_dtd: bool) -> Self {
        Self {
            declared: Declared::default(),
            place: if begins_dtd { Place::Head(None) } else { Place::Between },
            item: Vec::new(),
            held: Vec::new(),
            text: None,
            before: None,
            from_start: begins_dtd,
            over: false,
        }
    }

    /// Whether a declaration that comes now is one of its own, as far as it can tell.
    pub(super) fn takes_declarations(&self) -> bool {
        self.place == Place::Between || self.from_start && self.is_in_dtd()
    }

    fn is_in_dtd(&self) -> bool {
        !matches!(self.place, Place::Text | Place::Bracket(_))
    }

    /// Takes the next bytes. False where the document has come to an end, or was none.
    pub(super) fn push<R: Expanded<State = S>>(
        &mut self,
        bytes: &[u8],
        to: &mut To<'_, R>,
    ) -> bool {
        let mut rest = bytes;
        while self.is_in_dtd() {
            let Some((&byte, behind)) = rest.split_first().filter(|_| !self.over) else {
                return !self.over;
            };
            self.declaration(byte, 0, to);
            rest = behind;
        }
        let joined = [&std::mem::take(&mut self.held)[..], rest].concat();
        let mut place = self.place;
        let used = self.expand(&joined, &mut place, 0, false, to);
        self.place = place;
        self.held.extend_from_slice(joined.get(used..).unwrap_or_default());
        !self.over
    }

    pub(super) fn settle<R: Expanded<State = S>>(&mut self, layers: &[Layer], reader: &mut R) {
        if let Some(text) = &mut self.text {
            reader.settle(text, layers);
        }
    }

    /// Ends the document.
    pub(super) fn finish<R: Expanded<State = S>>(mut self, to: &mut To<'_, R>) {
        let held = std::mem::take(&mut self.held);
        if !self.over {
            let mut place = self.place;
            self.expand(&held, &mut place, 0, true, to);
        }
        if let Some(text) = self.text {
            to.reader.end(text, to.layers, to.budget);
        }
    }

    /// Takes one byte among declarations, which are as deep inside references to parameters.
    fn declaration<R: Expanded<State = S>>(&mut self, byte: u8, depth: usize, to: &mut To<'_, R>) {
        if self.item.len() >= LONGEST {
            to.budget.too_deep();
            self.over = true;
            return;
        }
        let before = self.before.replace(byte);
        // A backslash may begin a letter of JSON that is a space.
        let is_space = byte == b'\\' || is_space(byte, before);
        match self.place {
            Place::Head(quote) => match (quote, byte) {
                (Some(quote), _) if quote == byte => self.place = Place::Head(None),
                (Some(_), _) => {}
                (None, b'"' | b'\'') => self.place = Place::Head(Some(byte)),
                (None, b'[') => self.place = Place::Between,
                (None, b'>') => self.over = true,
                _ => {}
            },
            Place::Between => match byte {
                b'<' => self.begin(Place::Declaration(None), &[byte]),
                b'%' => self.begin(Place::Parameter, &[]),
                b']' => self.begin(Place::Closing, &[]),
                _ if is_space => {}
                // What was taken for declarations stood in a comment or a value.
                _ => self.over = true,
            },
            Place::Parameter => match byte {
                b';' => {
                    let name = std::mem::take(&mut self.item);
                    self.place = Place::Between;
                    self.parameter(&name, depth, to);
                }
                byte if is_name(byte) => self.item.push(byte),
                _ => self.over = true,
            },
            Place::Declaration(quote) => {
                self.item.push(byte);
                match quote {
                    Some(quote) if quote == byte => self.place = Place::Declaration(None),
                    Some(_) => {}
                    None if is_quote(byte) => self.place = Place::Declaration(Some(byte)),
                    None if byte == b'>' => {
                        let item = std::mem::take(&mut self.item);
                        self.place = Place::Between;
                        self.declare(&item, to);
                    }
                    None if self.item == DOCTYPE => self.over = true,
                    None => {
                        let begun = BRACKETS.iter().find(|(begin, _)| self.item == *begin);
                        if let Some((_, end)) = begun {
                            self.begin(Place::Passed(end), &[]);
                        }
                    }
                }
            }
            Place::Passed(end) => {
                self.item.push(byte);
                if self.item.ends_with(end) {
                    self.begin(Place::Between, &[]);
                } else if self.item.len() > end.len() {
                    self.item.remove(0);
                }
            }
            Place::Closing => match byte {
                b'>' => {
                    self.place = Place::Text;
                    self.over |= self.declared.is_empty();
                }
                _ if is_space => {}
                _ => self.over = true,
            },
            Place::Text | Place::Bracket(_) => {}
        }
    }

    fn begin(&mut self, place: Place, item: &[u8]) {
        self.place = place;
        self.item.clear();
        self.item.extend_from_slice(item);
    }

    /// Puts in what a reference among declarations stands for.
    fn parameter<R: Expanded<State = S>>(&mut self, name: &[u8], depth: usize, to: &mut To<'_, R>) {
        let Some(value) = self.declared.parameter(name) else { return };
        if !self.pays(depth, value.len(), to) {
            return;
        }
        for &byte in &*value {
            if !self.over {
                self.declaration(byte, depth + 1, to);
            }
        }
    }

    /// Takes a declaration.
    fn declare<R: Expanded<State = S>>(&mut self, item: &[u8], to: &mut To<'_, R>) {
        if item.starts_with(super::DECLARATION) {
            if !to.budget.unpack(item.len()) || self.declared.declare(item).is_err() {
                to.budget.too_deep();
                self.over = true;
            }
        } else if item.starts_with(b"<!ATTLIST") {
            // What attributes are where an element has none of the name.
            let mut rest = item;
            while let Some(at) = memchr2(b'"', b'\'', rest) {
                let value = rest.get(at + 1..).unwrap_or_default();
                let quote = rest.get(at..=at).unwrap_or_default();
                let Some(length) = memmem::find(value, quote) else { return };
                self.emit(quote, to);
                let value_alone = value.get(..length).unwrap_or_default();
                self.expand(value_alone, &mut Place::Text, 0, true, to);
                self.emit(quote, to);
                rest = value.get(length + 1..).unwrap_or_default();
            }
        }
    }

    /// Hands on a text with its references expanded, and tells how many bytes are done; the `last` one
    /// is done whole.
    fn expand<R: Expanded<State = S>>(
        &mut self,
        text: &[u8],
        place: &mut Place,
        depth: usize,
        last: bool,
        to: &mut To<'_, R>,
    ) -> usize {
        // What is before `done` has been handed on, what is before `at` is decided about.
        let (mut done, mut at) = (0, 0);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty() && !self.over) {
            if let Place::Bracket(end) = *place {
                match memmem::find(rest, end) {
                    Some(found) => {
                        at += found + end.len();
                        *place = Place::Text;
                        continue;
                    }
                    // Its last bytes may be the beginning of the end.
                    None => at = text.len() - if last { 0 } else { rest.len().min(end.len() - 1) },
                }
                break;
            }
            let Some(mark) = memchr2(b'&', b'<', rest) else {
                at = text.len();
                break;
            };
            at += mark;
            let here = rest.get(mark..).unwrap_or_default();
            if here.first() == Some(&b'<') {
                if here.starts_with(DOCTYPE) && depth == 0 {
                    self.emit(text.get(done..at).unwrap_or_default(), to);
                    self.over = true;
                    break;
                }
                if let Some((begin, end)) =
                    BRACKETS.iter().find(|(begin, _)| here.starts_with(begin))
                {
                    at += begin.len();
                    *place = Place::Bracket(end);
                    continue;
                }
                let mut begins = BRACKETS.iter().map(|(begin, _)| *begin).chain([DOCTYPE]);
                if !last && begins.any(|begin| begin.starts_with(here)) {
                    break;
                }
                at += 1;
                continue;
            }
            let name = here.get(1..).unwrap_or_default();
            let length = name.iter().take(NAME + 1).position(|&byte| !is_name(byte));
            match length.and_then(|length| name.split_at_checked(length)) {
                Some((name, [b';', ..])) => {
                    if let Some(value) = self.declared.general(name) {
                        self.emit(text.get(done..at).unwrap_or_default(), to);
                        if self.pays(depth, 0, to) {
                            self.expand(&value, &mut Place::Text, depth + 1, true, to);
                        }
                        done = at + name.len() + 2;
                    }
                    at += name.len() + 2;
                }
                None if !last && name.len() <= NAME => break,
                _ => at += 1,
            }
        }
        self.emit(text.get(done..at).unwrap_or_default(), to);
        at
    }

    /// Whether the budget has room for one more reference, to so many bytes, that is so deep inside
    /// others.
    fn pays<R: Expanded<State = S>>(
        &mut self,
        depth: usize,
        bytes: usize,
        to: &mut To<'_, R>,
    ) -> bool {
        if depth >= DEPTH {
            to.budget.too_deep();
        }
        self.over |= depth >= DEPTH || !to.budget.unpack(COST + bytes);
        !self.over
    }

    fn emit<R: Expanded<State = S>>(&mut self, text: &[u8], to: &mut To<'_, R>) {
        if text.is_empty() || self.over {
            return;
        }
        if !to.budget.unpack(text.len()) {
            self.over = true;
            return;
        }
        if self.text.is_none() {
            self.text = to.reader.begin(to.layers, to.budget);
        }
        match &mut self.text {
            Some(state) => to.reader.read(state, to.layers, text, to.budget),
            None => self.over = true,
        }
    }
}
