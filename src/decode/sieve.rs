//! Which bytes of a text are worth a look, told for many at once: what costs on ordinary text is
//! this, and little else. Compiled twice: for any processor, and for those with AVX2.

/// Bytes that are looked at in one go.
pub(in crate::decode) const WINDOW: usize = 1024;
/// Bytes of which one number tells.
pub(in crate::decode) const BITS: usize = 64;

/// One bit for each byte of a window, the first one lowest.
pub(in crate::decode) type Bytes = [u64; WINDOW / BITS];

/// Which of up to [`WINDOW`] bytes are characters of base64, in either alphabet; and at which of them at
/// least so many begin, of up to [`BITS`].
#[inline]
pub(in crate::decode) fn stretches(text: &[u8], length: usize) -> (Bytes, Bytes) {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code, reason = "a function for a newer processor, called where it is one")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function was compiled for.
        return unsafe { wide::stretches(text, length) };
    }
    plain::stretches(text, length)
}

/// Which of the first [`BITS`] bytes are characters of base64.
#[inline]
pub(in crate::decode) fn first_characters(text: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code, reason = "a function for a newer processor, called where it is one")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function was compiled for.
        return unsafe { wide::first_characters(text) };
    }
    plain::first_characters(text)
}

/// Which of up to [`WINDOW`] bytes are marks; what stands behind these may be one byte more.
#[inline]
pub(in crate::decode) fn marks(text: &[u8], table: &Table) -> Bytes {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code, reason = "a function for a newer processor, called where it is one")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function was compiled for.
        return unsafe { wide::marks(text, table) };
    }
    plain::marks(text, table)
}

/// Which bytes are marks: some by themselves, and backslashes by what follows them. No two of one
/// kind may have the same lower half, by which they are looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::decode) struct Table {
    marks: [u8; 16],
    harmless: [u8; 16],
}

impl Table {
    /// These bytes, and backslashes before others than `harmless` ones.
    pub(in crate::decode) fn new<const M: usize, const H: usize>(
        marks: [Option<u8>; M],
        harmless: [Option<u8>; H],
    ) -> Self {
        Self { marks: by_lower_half(marks), harmless: by_lower_half(harmless) }
    }

    /// Whether the byte before `next` is a mark.
    fn is_mark(&self, byte: u8, next: u8) -> bool {
        let holds = |set: &[u8; 16], byte: u8| set.get(usize::from(byte & 15)) == Some(&byte);
        holds(&self.marks, byte) || byte == b'\\' && !holds(&self.harmless, next)
    }
}

/// What stands at a place where there is no byte: one that belongs to another place.
const NOTHING: [u8; 16] = {
    let mut places = [0x80; 16];
    places[0] = 0x81;
    places
};

/// The bytes, each at the place of its lower half.
fn by_lower_half<const N: usize>(bytes: [Option<u8>; N]) -> [u8; 16] {
    let mut places = NOTHING;
    for byte in bytes.into_iter().flatten() {
        if let Some(place) = places.get_mut(usize::from(byte & 15)) {
            *place = byte;
        }
    }
    places
}

/// Where `more` of these bits stand behind a bit as well. What comes behind them all is not set.
#[inline(always)]
fn lengthen(bits: &Bytes, more: u32) -> Bytes {
    let mut wide = [0; WINDOW / BITS + 1];
    let mut longer = Bytes::default();
    wide.iter_mut().zip(bits).for_each(|(to, from)| *to = *from);
    for (longer, pair) in longer.iter_mut().zip(wide.array_windows()) {
        let &[here, behind] = pair;
        *longer = here & (here >> more | behind << (u64::BITS - more));
    }
    longer
}

/// Where at least so many of these bits stand, one behind the other.
#[inline(always)]
fn in_a_row(bits: &Bytes, length: usize) -> Bytes {
    let mut row = *bits;
    let mut so_far = 1;
    while so_far < length {
        // One of the length so far begins here, and another one so far behind.
        let more = so_far.min(length - so_far);
        row = lengthen(&row, more as u32);
        so_far += more;
    }
    row
}

mod plain {
    use super::{BITS, Bytes, Table};
    use crate::decode::runs::sextet::is_character;

    pub(super) fn stretches(text: &[u8], length: usize) -> (Bytes, Bytes) {
        let mut bits = Bytes::default();
        for (out, bytes) in bits.iter_mut().zip(text.chunks(BITS)) {
            *out = first_characters(bytes);
        }
        (bits, super::in_a_row(&bits, length))
    }

    pub(super) fn first_characters(text: &[u8]) -> u64 {
        let bytes = text.iter().take(BITS).enumerate();
        bytes.fold(0, |all, (place, &byte)| all | u64::from(is_character(byte)) << place)
    }

    pub(super) fn marks(text: &[u8], table: &Table) -> Bytes {
        let mut bits = Bytes::default();
        let next = text.iter().skip(1).copied().chain([0]);
        let mut pairs = text.iter().copied().zip(next);
        for out in &mut bits {
            for (place, (byte, next)) in pairs.by_ref().take(BITS).enumerate() {
                *out |= u64::from(table.is_mark(byte, next)) << place;
            }
        }
        bits
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m256i, _mm256_and_si256, _mm256_andnot_si256, _mm256_broadcastsi128_si256,
        _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
    };

    use super::{BITS, Bytes, Table};

    /// Bytes of a vector.
    const BLOCK: usize = 32;

    #[target_feature(enable = "avx2")]
    pub(super) fn stretches(text: &[u8], length: usize) -> (Bytes, Bytes) {
        let mut bits = Bytes::default();
        for (out, bytes) in bits.iter_mut().zip(text.chunks(BITS)) {
            *out = first_characters(bytes);
        }
        (bits, super::in_a_row(&bits, length))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn first_characters(text: &[u8]) -> u64 {
        let bytes = text.first_chunk::<BITS>().copied().unwrap_or_else(|| padded(text));
        let [low, high]: [__m256i; 2] = bytemuck::cast(bytes);
        characters_of(low) | characters_of(high) << BLOCK
    }

    /// Groups of characters by the lower half of a byte, and by its upper half: `A` to `O` and `a` to
    /// `o`, digits, signs, `P` to `Z` and `p` to `z`, and `_`. A character has a group in both.
    const LOWER: [u8; 16] = [
        0b01010, 0b01011, 0b01011, 0b01011, 0b01011, 0b01011, 0b01011, 0b01011, 0b01011, 0b01011,
        0b01001, 0b00101, 0b00001, 0b00101, 0b00001, 0b10101,
    ];
    const UPPER: [u8; 16] =
        [0, 0, 0b00100, 0b00010, 0b00001, 0b11000, 0b00001, 0b01000, 0, 0, 0, 0, 0, 0, 0, 0];

    #[target_feature(enable = "avx2")]
    fn characters_of(block: __m256i) -> u64 {
        let [lower, upper] =
            [LOWER, UPPER].map(|groups| _mm256_broadcastsi128_si256(bytemuck::cast(groups)));
        let half = _mm256_and_si256(_mm256_srli_epi16(block, 4), _mm256_set1_epi8(15));
        let groups =
            _mm256_and_si256(_mm256_shuffle_epi8(lower, block), _mm256_shuffle_epi8(upper, half));
        let characters = _mm256_cmpgt_epi8(groups, _mm256_setzero_si256());
        u64::from(_mm256_movemask_epi8(characters) as u32)
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn marks(text: &[u8], table: &Table) -> Bytes {
        let kinds = [table.marks, table.harmless];
        let kinds = kinds.map(|kind| _mm256_broadcastsi128_si256(bytemuck::cast(kind)));
        let mut bits = Bytes::default();
        let mut rest = text;
        for out in &mut bits {
            let behind = rest.get(1..).unwrap_or_default();
            let (blocks, nexts) = match (rest.first_chunk::<BITS>(), behind.first_chunk::<BITS>()) {
                (Some(blocks), Some(nexts)) => (*blocks, *nexts),
                _ => (padded(rest), padded(behind)),
            };
            let [low, high]: [__m256i; 2] = bytemuck::cast(blocks);
            let [next_low, next_high]: [__m256i; 2] = bytemuck::cast(nexts);
            *out = mark_bits(low, next_low, kinds) | mark_bits(high, next_high, kinds) << BLOCK;
            match rest.get(BITS..) {
                Some(more) => rest = more,
                None => break,
            }
        }
        bits
    }

    #[target_feature(enable = "avx2")]
    fn mark_bits(block: __m256i, next: __m256i, [marks, harmless]: [__m256i; 2]) -> u64 {
        // Where a byte is no ASCII, a shuffle gives nothing.
        let marks = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(marks, block), block);
        let backslashes = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'\\' as i8));
        let harmless = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(harmless, next), next);
        let all = _mm256_or_si256(marks, _mm256_andnot_si256(harmless, backslashes));
        u64::from(_mm256_movemask_epi8(all) as u32)
    }

    /// As many of the first bytes as there are, with zeroes behind them.
    fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
        let mut block = [0; N];
        let length = bytes.len().min(N);
        if let (Some(to), Some(from)) = (block.get_mut(..length), bytes.get(..length)) {
            to.copy_from_slice(from);
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table() -> Table {
        Table::new(
            [Some(b'%'), Some(b'&'), Some(b'<'), Some(b'+'), None],
            [Some(b'n'), Some(b'"'), Some(b'/'), Some(b't')],
        )
    }

    proptest! {
        #[test]
        fn both_see_the_same(
            text in proptest::collection::vec(
                prop_oneof![
                    6 => proptest::sample::select(&b"ab+-,. \\\\\"nt/%&<u\x00\x80\xa5\xdc\xff"[..]),
                    1 => any::<u8>(),
                ],
                0..=WINDOW,
            ),
        ) {
            for length in [1, 8, 12, 15, 16, 64] {
                prop_assert_eq!(stretches(&text, length), plain::stretches(&text, length));
            }
            prop_assert_eq!(first_characters(&text), plain::first_characters(&text));
            prop_assert_eq!(marks(&text, &table()), plain::marks(&text, &table()));
        }
    }

    #[test]
    fn every_byte_is_a_character_or_none() {
        for byte in 0..=255 {
            assert_eq!(stretches(&[byte; 70], 1), plain::stretches(&[byte; 70], 1), "{byte}");
        }
    }

    #[test]
    fn what_is_worth_a_look() {
        let marked = |text: &[u8]| {
            let bits = marks(text, &table());
            (0..text.len().min(WINDOW))
                .filter(|at| bits[at / 64] >> (at % 64) & 1 == 1)
                .collect::<Vec<_>>()
        };
        assert_eq!(marked(br#"a%b\n\"\u\\"#), [1, 7, 9, 10]);
        let long = [&[b'x'; WINDOW - 1][..], b"\\n"].concat();
        assert_eq!(marked(&long), Vec::<usize>::new());
        assert_eq!(marked(&[&[b'x'; WINDOW - 1][..], b"\\u"].concat()), [WINDOW - 1]);
        assert_eq!(stretches(b"ab/_, cd", 2).0[0], 0b1100_1111);
        assert_eq!(stretches(b"ab/_, cd", 2).1[0], 0b0100_0111);
    }
}
