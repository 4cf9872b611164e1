//! Compressed bytes inside a run of base64 or hex, told by their magic numbers in what its characters
//! stand for.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::decode::containers::inflate::{Coding, sniff};
use crate::decode::layer::Layer;

/// Bytes by which compressed ones are told here.
pub(in crate::decode) const BYTES: usize = 3;
/// Characters of base64 that stand for them.
const SEXTETS: usize = 4;
/// Hex digits that stand for them.
const NIBBLES: usize = 6;
/// The most of both.
pub(in crate::decode) const WIDEST: usize = NIBBLES;

/// `1f 8b 08`, as every file of gzip begins.
const GZIP: [u8; BYTES] = [0x1f, 0x8b, 8];
/// `28 b5 2f`, as every frame of Zstandard begins, before one more byte.
const ZSTD: [u8; BYTES] = [0x28, 0xb5, 0x2f];

static IN_SEXTETS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [GZIP, ZSTD].map(|magic| Finder::new(&sextets(magic)).into_owned()));
static IN_NIBBLES: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [GZIP, ZSTD].map(|magic| Finder::new(&nibbles(magic)).into_owned()));

const fn sextets([a, b, c]: [u8; BYTES]) -> [u8; SEXTETS] {
    [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63]
}

const fn nibbles([a, b, c]: [u8; BYTES]) -> [u8; NIBBLES] {
    [a >> 4, a & 15, b >> 4, b & 15, c >> 4, c & 15]
}

/// A magic number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::decode) struct Magic {
    /// What it tells of.
    pub(in crate::decode) coding: Coding,
    /// The bytes.
    pub(in crate::decode) bytes: [u8; BYTES],
    /// How many of the characters it ends behind.
    pub(in crate::decode) end: usize,
}

/// Characters that a magic number takes.
pub(in crate::decode) fn width(layer: Layer) -> usize {
    if layer == Layer::Hex { NIBBLES } else { SEXTETS }
}

/// The first magic number in these characters, given as what they stand for, anywhere in them: not
/// that of zlib, which is short.
pub(in crate::decode) fn find(layer: Layer, values: &[u8]) -> Option<Magic> {
    let (gzip, zstd) = if layer == Layer::Hex { (1, 2) } else { (GZIP[0] >> 2, ZSTD[0] >> 2) };
    // What most words lack is looked for first, many characters at once.
    if !values.iter().fold(false, |any, &value| any | (value == gzip) | (value == zstd)) {
        return None;
    }
    let finders = if layer == Layer::Hex { &*IN_NIBBLES } else { &*IN_SEXTETS };
    let known = [(Coding::Gzip, GZIP), (Coding::Zstd, ZSTD)];
    let found = finders.iter().zip(known).filter_map(|(finder, (coding, bytes))| {
        let end = finder.find(values)? + width(layer);
        Some(Magic { coding, bytes, end })
    });
    found.min_by_key(|magic| magic.end)
}

/// The magic number that these characters begin with, that of zlib too.
pub(in crate::decode) fn begins(layer: Layer, values: &[u8]) -> Option<Magic> {
    let bytes = if layer == Layer::Hex {
        let [a, b, c, d, e, f] = *values.first_chunk::<NIBBLES>()?;
        [a << 4 | b, c << 4 | d, e << 4 | f]
    } else {
        let [a, b, c, d] = *values.first_chunk::<SEXTETS>()?;
        [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]
    };
    let coding = match bytes {
        GZIP => Coding::Gzip,
        ZSTD => Coding::Zstd,
        _ => sniff(&bytes).filter(|coding| *coding == Coding::Zlib)?,
    };
    Some(Magic { coding, bytes, end: width(layer) })
}

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::decode::runs::sextet;

    #[test]
    fn magic_numbers_in_characters() {
        for (bytes, coding, anywhere) in [
            (&[0x1f, 0x8b, 8, 0, 0][..], Coding::Gzip, true),
            (&[0x28, 0xb5, 0x2f, 0xfd, 4], Coding::Zstd, true),
            (&[0x78, 0x9c, 1, 2, 3], Coding::Zlib, false),
        ] {
            let mut base64 = Vec::new();
            sextet::values(STANDARD.encode(bytes).trim_end_matches('=').as_bytes(), &mut base64);
            let hex: Vec<u8> = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect();
            for (layer, values) in [(Layer::Base64, base64), (Layer::Hex, hex)] {
                let end = width(layer);
                let magic = begins(layer, &values).unwrap();
                assert_eq!((magic.coding, &magic.bytes[..], magic.end), (coding, &bytes[..3], end));
                let behind = [&[1, 2, 3, 4, 5][..], &values].concat();
                let found = find(layer, &behind).map(|magic| (magic.coding, magic.end));
                assert_eq!(found, anywhere.then_some((coding, end + 5)));
                assert_eq!(begins(layer, &behind), None);
            }
        }
    }
}
