//! Encoders for tests: the other way round, with any subset of characters escaped.

use proptest::prelude::*;

use crate::decode::layer::Layer;

/// How one layer is put on, from a seed: which characters are escaped and how each is written.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    pub(crate) layer: Layer,
    /// Of 256: how often a character is escaped that need not be.
    pub(crate) density: u8,
    pub(crate) seed: u64,
}

impl Encoder {
    /// The next number that its seed gives.
    pub(crate) fn draw(&mut self) -> u64 {
        // splitmix64
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn hex(&mut self, value: u32, width: usize) -> String {
        let text = format!("{value:0width$x}");
        text.chars()
            .map(|c| if self.draw().is_multiple_of(2) { c.to_ascii_uppercase() } else { c })
            .collect()
    }

    fn one_of(&mut self, from: &[&str]) -> Vec<u8> {
        let index = self.draw() as usize % from.len();
        from[index].as_bytes().to_vec()
    }

    pub(crate) fn encode(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, &byte) in text.iter().enumerate() {
            let wanted = (self.draw() % 256) < u64::from(self.density);
            let must = match self.layer {
                Layer::Percent => byte == b'%',
                Layer::Json | Layer::Quoted => byte == b'\\',
                Layer::Entity => byte == b'&',
                Layer::Markup => byte == b'<',
                Layer::Utf8 => false,
                _ => matches!(byte, b'%' | b'+'),
            };
            let spelling = self.draw() % 4;
            let next = text.get(index + 1).copied().unwrap_or_default();
            let escape: Vec<u8> = match self.layer {
                Layer::Form if byte == b' ' && !wanted => b"+".into(),
                _ if !wanted && !must => vec![byte],
                Layer::Json => match (spelling, byte) {
                    (0, b'\\' | b'/' | b'"' | b'\'') => vec![b'\\', byte],
                    (0, 0..=127) => format!("\\U{}", self.hex(byte.into(), 8)).into(),
                    (1, 0..=127) => format!("\\x{}", self.hex(byte.into(), 2)).into(),
                    (2, 0..=127) => format!("\\u{{{}}}", self.hex(byte.into(), 2)).into(),
                    (_, 0..=127) => format!("\\u{}", self.hex(byte.into(), 4)).into(),
                    // Only whole characters could be escaped.
                    _ => vec![byte],
                },
                Layer::Entity => match (spelling, byte) {
                    (0, b'&' | b'_' | b'/' | b'=' | b'+' | b'.') => {
                        let names = ["amp", "lowbar", "sol", "equals", "plus", "period"];
                        let place = b"&_/=+.".iter().position(|&other| other == byte).unwrap();
                        format!("&{};", names[place]).into()
                    }
                    (1, 0..=127) if !next.is_ascii_alphanumeric() && next != b';' => {
                        format!("&#{byte}").into()
                    }
                    (2, 0..=127) => format!("&#{:0width$};", byte, width = index % 16).into(),
                    (_, 0..=127) => {
                        let width = index % 12;
                        format!("&#{}{};", ["x", "X"][index % 2], self.hex(byte.into(), width))
                            .into()
                    }
                    _ => vec![byte],
                },
                Layer::Markup if must || spelling == 0 && !b"]>".contains(&byte) => {
                    [b"<![CDATA[", &[byte][..], b"]]>"].concat()
                }
                Layer::Markup => {
                    let mut escape = match spelling {
                        1 => self.one_of(&["<?x?>", "<?php a?b>c ?>", "<??>", "<? %4?>"]),
                        2 => self.one_of(&["<![CDATA[]]>", "<![CDATA[]]><![CDATA[]]>"]),
                        _ => self.one_of(&[
                            "<!---->",
                            "<!-- -->",
                            "<!--->-->",
                            "<!-- <!-- &#65; %41\\u00 -->",
                            "<!-- <![CDATA[ - ]]> <? -->",
                            "<!-- a somewhat longer one, with nothing of meaning in it -->",
                        ]),
                    };
                    escape.push(byte);
                    escape
                }
                Layer::Quoted => match spelling {
                    0 if !byte.is_ascii_digit() => vec![b'\\', byte],
                    _ => format!("\\{byte:03o}").into(),
                },
                Layer::Utf8 if byte < 128 => vec![0xC0 | byte >> 6, 0x80 | byte & 0x3F],
                Layer::Utf8 => vec![byte],
                _ => match spelling {
                    0 if byte < 128 => format!("%u{}", self.hex(byte.into(), 4)).into(),
                    _ => format!("%{}", self.hex(byte.into(), 2)).into(),
                },
            };
            out.extend(escape);
        }
        out
    }
}

/// Any encoder of one of the escape layers that are undone anywhere.
pub(crate) fn encoder() -> impl Strategy<Value = Encoder> {
    encoder_of(&[Layer::Percent, Layer::Json, Layer::Form, Layer::Entity, Layer::Markup])
}

/// Any encoder of one of these layers.
pub(crate) fn encoder_of(layers: &[Layer]) -> impl Strategy<Value = Encoder> + use<> {
    let layer = prop::sample::select(layers.to_vec());
    let density = prop_oneof![Just(0), Just(10), Just(60), Just(128), Just(255)];
    (layer, density, any::<u64>()).prop_map(|(layer, density, seed)| Encoder {
        layer,
        density,
        seed,
    })
}

/// Cuts the text at these places (of 65,536).
pub(crate) fn chunks<'a>(text: &'a [u8], cuts: &[u16]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> =
        cuts.iter().map(|&cut| usize::from(cut) * (text.len() + 1) / 65_536).collect();
    places.sort_unstable();
    let mut out = Vec::new();
    let mut from = 0;
    for place in places {
        out.push(&text[from..place]);
        from = place;
    }
    out.push(&text[from..]);
    out
}
