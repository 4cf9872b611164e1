//! Which part of a token it is recognised by.

/// How far from its end a token is looked at: what is rare in a token (a signature, a random part)
/// stands within it, and what is common (a scheme, a header) before it.
const TAIL: usize = 128;
/// How far before a byte the same one counts as its repetition.
const NEAR: usize = 4;

/// The offset of the window, of an even number of bytes, that is the rarest in ordinary traffic, by
/// its look: of mixed letters and digits without repetition. Of equals, the last, since tokens share
/// their beginnings. Every other offset is tried.
#[allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "fixed arrays, for loops that vector units work on"
)]
pub(super) fn choose(token: &[u8], window: usize) -> usize {
    let skipped = token.len().saturating_sub(TAIL);
    let tail = token.get(skipped..).unwrap_or_default();
    // The token's end is the array's, so that the last window is one of those tried.
    let free = TAIL - tail.len();
    let mut text = [0_u8; NEAR + TAIL];
    for (slot, byte) in text.iter_mut().skip(NEAR + free).zip(tail) {
        *slot = *byte;
    }
    let mut kinds = [0_u8; NEAR + TAIL];
    for place in 0..NEAR + TAIL {
        kinds[place] = kind(text[place]);
    }
    let mut weights = [0_u8; TAIL];
    for place in 0..TAIL {
        let here = NEAR + place;
        let mut weight = kinds[here] + u8::from(kinds[here] != kinds[here - 1]);
        for distance in 1..=NEAR {
            weight &= u8::from(text[here] == text[here - distance]).wrapping_sub(1);
        }
        weights[place] = weight;
    }
    let mut pairs = [0_u32; TAIL / 2];
    for place in 0..TAIL / 2 {
        pairs[place] = u32::from(weights[2 * place]) + u32::from(weights[2 * place + 1]);
    }
    let first = free.div_ceil(2);
    let of = |place: usize| pairs.get(place).copied().unwrap_or_default();
    let mut sum: u32 = (first..first + window / 2).map(of).sum();
    let (mut best, mut most) = (first, sum);
    for start in first + 1..=(TAIL - window) / 2 {
        sum = sum + of(start - 1 + window / 2) - of(start - 1);
        if sum >= most {
            (best, most) = (start, sum);
        }
    }
    skipped + 2 * best - free
}

/// How a byte counts: of a word, of a number or a capital, or of neither.
#[inline(always)]
fn kind(byte: u8) -> u8 {
    let word = byte.is_ascii_lowercase();
    let rare = byte.is_ascii_digit() | byte.is_ascii_uppercase() | !byte.is_ascii();
    u8::from(word) + 2 * u8::from(rare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avoids_what_is_common() {
        let random = "k7Rz2mQ9xV4bT8nL3wYc";
        for (before, after) in [
            ("", ".apps.googleusercontent.com"),
            ("https://hooks.example.com/", ""),
            ("", "AAAAAAAAAAAAAAAAAAAAAAAA"),
        ] {
            let token = format!("{before}{random}{after}");
            let offset = choose(token.as_bytes(), 20);
            assert!(offset.abs_diff(before.len()) <= 3, "{offset} in {token}");
        }
    }

    #[test]
    fn lies_inside_the_token() {
        for length in (6..40).chain([127, 128, 129, 255, 256, 257, 5_000]) {
            let token: Vec<u8> = (0..length).map(|n| (n * n % 251) as u8).collect();
            for window in [6, 8, 12, 20] {
                if window <= token.len() {
                    assert!(choose(&token, window) + window <= token.len());
                }
            }
        }
    }
}
