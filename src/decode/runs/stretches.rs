//! Where in a text enough characters of base64 stand together for a run.

use super::sextet::is_character;
use crate::decode::sieve::{self, BITS, Bytes, WINDOW};

/// Bytes of a window of which it is known whether a stretch begins there.
const KNOWN: usize = WINDOW - BITS;

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::decode) struct Stretch {
    /// Where it begins.
    pub(in crate::decode) start: usize,
    /// One past its last character, if that was seen, and something behind it.
    pub(in crate::decode) end: Option<usize>,
}

/// Looks for stretches of characters of base64 in a text, from its beginning to its end.
pub(in crate::decode) struct Stretches<'a> {
    text: &'a [u8],
    length: usize,
    /// The window that was looked at last, the characters in it, and where enough of them begin.
    window: usize,
    characters: Bytes,
    enough: Bytes,
}

impl<'a> Stretches<'a> {
    /// Stretches of at least so many characters, up to [`BITS`].
    pub(in crate::decode) fn new(text: &'a [u8], length: usize) -> Self {
        let (characters, enough) = (Bytes::default(), Bytes::default());
        let mut stretches = Self { text, length, window: 0, characters, enough };
        stretches.look();
        stretches
    }

    /// How many characters a stretch has at least.
    pub(in crate::decode) fn length(&self) -> usize {
        self.length
    }

    fn look(&mut self) {
        let rest = self.text.get(self.window..).unwrap_or_default();
        let rest = rest.get(..WINDOW).unwrap_or(rest);
        (self.characters, self.enough) = sieve::stretches(rest, self.length);
    }

    /// The first stretch, at `from` or after it, where no such
    /// character stands right before `from`; or else how many there are at the text's end, but for
    /// those before `from`. From one call to the next, `from` grows.
    #[inline]
    pub(in crate::decode) fn next(&mut self, from: usize) -> Result<Stretch, usize> {
        if from >= self.window + KNOWN {
            self.window = from;
            self.look();
        }
        let mut over = from.saturating_sub(self.window);
        loop {
            if let Some(start) =
                first(self.enough.iter().copied(), over).filter(|start| *start < KNOWN)
            {
                return Ok(self.stretch(start));
            }
            if self.window + KNOWN >= self.text.len() {
                break;
            }
            self.window += KNOWN;
            over = 0;
            self.look();
        }
        let rest = self.text.get(from..).unwrap_or_default();
        Err(rest.iter().rev().take_while(|&&byte| is_character(byte)).count())
    }

    /// The one that begins here in the window.
    #[inline]
    fn stretch(&self, start: usize) -> Stretch {
        let end = first(self.characters.iter().map(|bits| !bits), start);
        let end = end.map(|end| self.window + end).filter(|end| *end < self.text.len());
        Stretch { start: self.window + start, end }
    }
}

/// The first bit that is set, at this place or after it.
#[inline]
fn first(bits: impl Iterator<Item = u64>, from: usize) -> Option<usize> {
    let mut mask = u64::MAX << (from % BITS);
    for (place, bits) in bits.enumerate().skip(from / BITS) {
        let bits = bits & mask;
        mask = u64::MAX;
        if bits != 0 {
            return Some(place * BITS + bits.trailing_zeros() as usize);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stretch(text: &[u8], length: usize) -> Result<usize, usize> {
        Stretches::new(text, length).next(0).map(|stretch| stretch.start)
    }

    fn naive(text: &[u8], length: usize) -> Result<usize, usize> {
        let found = text.windows(length).position(|window| window.iter().all(|b| is_character(*b)));
        found.ok_or(text.iter().rev().take_while(|&&byte| is_character(byte)).count())
    }

    proptest! {
        #[test]
        fn the_first_stretch_is_found(
            text in "([a-z+/_-]{0,14}[\"., é=]{0,3}){0,300}",
            length in 1_usize..=17,
        ) {
            let text = text.as_bytes();
            prop_assert_eq!(stretch(text, length), naive(text, length));
        }
    }

    proptest! {
        #[test]
        fn all_stretches_are_found(
            text in "([a-z+/_-]{0,20}[\"., é=:]{0,3}){0,200}",
            length in 1_usize..=17,
        ) {
            let text = text.as_bytes();
            let mut stretches = Stretches::new(text, length);
            let (mut from, mut expected) = (0, 0);
            loop {
                let found = stretches.next(from);
                let rest = naive(&text[expected..], length);
                let start = found.map(|stretch| stretch.start);
                prop_assert_eq!(start, rest.map(|start| start + expected));
                let Ok(start) = start else { break };
                let rest = text[start..].iter().position(|&byte| !is_character(byte));
                let known = found.ok().and_then(|stretch| stretch.end);
                prop_assert!(known.is_none_or(|end| end == start + rest.unwrap_or(text.len() - start)));
                let Some(end) = rest else { break };
                (from, expected) = (start + end, start + end);
            }
        }
    }

    #[test]
    fn a_stretch_is_found_wherever_it_lies() {
        for before in (0..140).chain(WINDOW - 40..WINDOW + 10) {
            for length in 1..18 {
                let text = [" ".repeat(before), "Ab0+/-_".repeat(3)[..length].to_owned()].concat();
                for after in [0, 1, 100] {
                    let text = [text.clone(), " ".repeat(after)].concat();
                    for wanted in 1..=16 {
                        let found = stretch(text.as_bytes(), wanted);
                        assert_eq!(found, naive(text.as_bytes(), wanted));
                    }
                }
            }
        }
    }
}
