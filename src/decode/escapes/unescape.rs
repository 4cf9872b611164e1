//! One escape layer over a text that comes in chunks.

use super::escape::{Escape, Inside, LONGEST, at, begins, find_mark, undo_into};
use super::marks::matters;
use crate::decode::byteset::Relevant;
use crate::decode::layer::Layer;

/// Undoes one layer of escapes. Keeps no more than the beginning of an escape that is cut.
#[derive(Clone, Debug)]
pub(in crate::decode) struct Unescaper {
    layer: Layer,
    inside: Inside,
    held: [u8; LONGEST],
    held_len: usize,
}

impl Unescaper {
    pub(in crate::decode) fn new(layer: Layer) -> Self {
        Self { layer, inside: Inside::Nothing, held: [0; LONGEST], held_len: 0 }
    }

    /// Whether what comes next is read as if nothing had come before.
    pub(in crate::decode) fn is_idle(&self) -> bool {
        self.held_len == 0 && self.inside == Inside::Nothing
    }

    /// Whether something is held back.
    pub(in crate::decode) fn holds(&self) -> bool {
        self.held_len > 0
    }

    /// Appends what the next bytes decode to, and tells where in `out` the last escape that
    /// matters ends.
    pub(in crate::decode) fn push(
        &mut self,
        input: &[u8],
        relevant: &Relevant,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        if self.held_len == 0 {
            return self.run(input, relevant, out);
        }
        // What is held, completed with as much of the input as one escape can need.
        let borrowed = input.len().min(LONGEST);
        let mut joint = [0; 2 * LONGEST];
        let held_len = self.held_len;
        let joint_len = held_len + borrowed;
        for (to, from) in joint.iter_mut().zip(self.held().iter().chain(input)) {
            *to = *from;
        }
        self.held_len = 0;
        let mut touched = None;
        let mut from = 0;
        while from < held_len {
            let here = joint.get(from..joint_len).unwrap_or_default();
            let (length, matters) = self.step(here, borrowed == input.len(), relevant, out);
            if length == 0 {
                return touched;
            }
            if matters {
                touched = Some(out.len());
            }
            from += length;
        }
        let rest = input.get(from - held_len..).unwrap_or_default();
        self.run(rest, relevant, out).or(touched)
    }

    /// Ends the text, and with it what is held back.
    pub(in crate::decode) fn finish(&mut self, out: &mut Vec<u8>) {
        undo_into(self.layer, self.inside, self.held(), false, out, None);
        self.held_len = 0;
        self.inside = Inside::Nothing;
    }

    fn held(&self) -> &[u8] {
        self.held.get(..self.held_len).unwrap_or_default()
    }

    fn run(&mut self, input: &[u8], relevant: &Relevant, out: &mut Vec<u8>) -> Option<usize> {
        let mut touched = None;
        let mut rest = input;
        while let Some(plain) = find_mark(self.layer, self.inside, rest) {
            let (before, here) = rest.split_at_checked(plain).unwrap_or_default();
            if !self.inside.is_dropped() {
                out.extend_from_slice(before);
            }
            let (length, matters) = self.step(here, true, relevant, out);
            if length == 0 {
                return touched;
            }
            if matters {
                touched = Some(out.len());
            }
            rest = here.get(length..).unwrap_or_default();
        }
        if !self.inside.is_dropped() {
            out.extend_from_slice(rest);
        }
        touched
    }

    /// Takes one escape or one byte: how many bytes were taken, none where they are held back, and
    /// whether they were an escape that matters.
    fn step(
        &mut self,
        here: &[u8],
        may_hold: bool,
        relevant: &Relevant,
        out: &mut Vec<u8>,
    ) -> (usize, bool) {
        let Some(&first) = here.first() else { return (0, false) };
        if begins(self.layer, self.inside, here) {
            match at(self.layer, self.inside, here) {
                Escape::Of(product) => {
                    self.inside = product.then;
                    out.extend_from_slice(product.bytes());
                    return (product.length, matters(self.layer, &product, None, here, relevant));
                }
                Escape::Cut if may_hold && here.len() < LONGEST => {
                    for (to, from) in self.held.iter_mut().zip(here) {
                        *to = *from;
                    }
                    self.held_len = here.len();
                    return (0, false);
                }
                Escape::Cut | Escape::Literal => {}
            }
        }
        if !self.inside.is_dropped() {
            out.push(first);
        }
        (1, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::escapes::escape::undo;

    const CASES: &[(Layer, &[u8], &[u8])] = &[
        (Layer::Percent, b"a%41%4a%4Ab", b"aAJJb"),
        (Layer::Percent, b"%%41%4%zz%", b"%A%4%zz%"),
        (Layer::Percent, b"%25%34%31", b"%41"),
        (Layer::Percent, b"%u0041%uD83D%uDE00%u004", b"A\xf0\x9f\x98\x80%u004"),
        (Layer::Percent, b"%ff%00+", b"\xff\0+"),
        (Layer::Form, b"a+b%2B++", b"a b%2B  "),
        (Layer::Json, br#"\u0041\u004A\/\"\\u0041"#, br#"AJ/"\u0041"#),
        (Layer::Json, br"\ud83d\ude00\ud83dx\ude00", b"\xf0\x9f\x98\x80\xef\xbf\xbdx\xef\xbf\xbd"),
        (Layer::Json, br"\ud83d\u0041\ud83d\n", b"\xef\xbf\xbdA\xef\xbf\xbd\n"),
        (Layer::Json, br"\x41\u{41}\u{1F600}\q\u00", b"AA\xf0\x9f\x98\x80\\q\\u00"),
        (Layer::Json, br"\u{}\u{1234567}\u{110000}\xg0", b"\\u{}\\u{1234567}\xef\xbf\xbd\\xg0"),
        (Layer::Json, b"a\\\nb\\\r\nc\\\rd\\", b"abcd\\"),
        (Layer::Json, br"\b\f\n\r\t\'", b"\x08\x0c\n\r\t'"),
        (Layer::Json, br"\U00000041\U0001F600\Users", b"A\xf0\x9f\x98\x80\\Users"),
        (Layer::Entity, b"&#65;&#x41;&#X4a;&#0074;&#65 &#x4Ag&#65", b"AAJJA JgA"),
        (Layer::Entity, b"&amp;&lt;&lowbar;&sol;&fjlig;&apos;&copy;&lt", b"&<_/fj'&copy;&lt"),
        (Layer::Entity, b"&&#;&#x;&#xg;&a&#38;#65;&; &", b"&&#;&#x;&#xg;&a&#65;&; &"),
        (Layer::Entity, b"&#00000000000000000000000000000065;a&#x0000000000041", b"AaA"),
        (Layer::Entity, b"&#000000;&#0000000b&#xD800;&#1114112;", b"\0\0b\xef\xbf\xbd\xef\xbf\xbd"),
        (Layer::Markup, b"a<!-- b -->c<!---->d<?e f?>g<??>h", b"acdgh"),
        (Layer::Markup, b"a<!--->--->b<!-- <? <![CDATA[ -- ->-->c", b"abc"),
        (Layer::Markup, b"a<![CDATA[<!--b-->]]]>c]]><![CDATA[]]>d", b"a<!--b-->]c]]>d"),
        (Layer::Markup, b"<p>a</p><!b><![CDATA<!-", b"<p>a</p><!b><![CDATA<!-"),
        (Layer::Markup, b"a<!-- no end -- >", b"a"),
        (Layer::Markup, b"a<!-- \t\r\n\x1f-->b<?c\0d<?e?>f", b"a\x1f-->b\0df"),
        (Layer::Quoted, br#"\163\"\\\s\400\08\3"#, b"s\"\\s40008\\3"),
        (Layer::Utf8, b"\xc1\x81\xc0\xaf\xc1a\xc3\xa9\xc1", b"A/\xc1a\xc3\xa9\xc1"),
    ];

    #[test]
    fn whole_and_in_two_and_byte_by_byte() {
        for &(layer, text, expected) in CASES {
            assert_eq!(undo(layer, text), expected, "{layer:?} {}", text.escape_ascii());
            for cut in 0..=text.len() {
                let mut unescaper = Unescaper::new(layer);
                let mut out = Vec::new();
                unescaper.push(&text[..cut], &Relevant::ALL, &mut out);
                unescaper.push(&text[cut..], &Relevant::ALL, &mut out);
                unescaper.finish(&mut out);
                assert_eq!(out, expected, "{layer:?} {} cut at {cut}", text.escape_ascii());
            }
            let mut unescaper = Unescaper::new(layer);
            let mut out = Vec::new();
            for byte in text {
                unescaper.push(std::slice::from_ref(byte), &Relevant::ALL, &mut out);
            }
            unescaper.finish(&mut out);
            assert_eq!(out, expected, "{layer:?} {}", text.escape_ascii());
        }
    }
}
