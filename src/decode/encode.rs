//! Encoders for tests: the other way round, with any subset of characters escaped.

use proptest::prelude::*;

use super::layer::Layer;

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

    pub(crate) fn encode(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for &byte in text {
            let wanted = (self.draw() % 256) < u64::from(self.density);
            let must = match self.layer {
                Layer::Percent => byte == b'%',
                Layer::Json => byte == b'\\',
                _ => matches!(byte, b'%' | b'+'),
            };
            let spelling = self.draw() % 4;
            match self.layer {
                _ if !wanted && !must => match byte {
                    b' ' if self.layer == Layer::Form => out.push(b'+'),
                    _ => out.push(byte),
                },
                Layer::Json => match (spelling, byte) {
                    (0, b'\\' | b'/' | b'"' | b'\'') => out.extend([b'\\', byte]),
                    (1, 0..=127) => {
                        out.extend(format!("\\x{}", self.hex(byte.into(), 2)).bytes());
                    }
                    (2, 0..=127) => {
                        out.extend(format!("\\u{{{}}}", self.hex(byte.into(), 2)).bytes());
                    }
                    (_, 0..=127) => {
                        out.extend(format!("\\u{}", self.hex(byte.into(), 4)).bytes());
                    }
                    // Only whole characters could be escaped.
                    _ => out.push(byte),
                },
                _ => match spelling {
                    0 if byte < 128 => {
                        out.extend(format!("%u{}", self.hex(byte.into(), 4)).bytes());
                    }
                    _ => out.extend(format!("%{}", self.hex(byte.into(), 2)).bytes()),
                },
            }
        }
        out
    }
}

/// Any encoder of one of the escape layers.
pub(crate) fn encoder() -> impl Strategy<Value = Encoder> {
    let layer = prop::sample::select(vec![Layer::Percent, Layer::Json, Layer::Form]);
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
