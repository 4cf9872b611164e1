//! Which part of a token it is recognised by.

/// How far from its end a token is looked at: what is rare in a token (a signature, a random part)
/// stands within it, and what is common (a scheme, a header) before it.
const TAIL: usize = 96;
/// How far before a byte the same one counts as its repetition.
const NEAR: usize = 4;
/// Of how many offsets one is tried.
const STEP: usize = 4;

/// The offset of the window that is the rarest in ordinary traffic, by its look: of mixed letters and
/// digits without repetition. Of equals, the last, since tokens share their beginnings. A window whose
/// length is no multiple of [`STEP`] is as long as a token may just be, and is the last.
pub(super) fn choose(token: &[u8], window: usize) -> usize {
    let skipped = token.len().saturating_sub(TAIL);
    let tail = token.get(skipped..).unwrap_or_default();
    // The token's end is the array's, so that the last window is one of those tried.
    let free = TAIL - tail.len();
    let last = token.len().saturating_sub(window);
    if !window.is_multiple_of(STEP) {
        return last;
    }
    let mut text = [0_u8; NEAR + TAIL];
    if let Some(end) = text.get_mut(NEAR + free..) {
        end.copy_from_slice(tail);
    }
    let weights = weigh(&text);
    let first = free.div_ceil(STEP);
    let weights = weights.get(first..).unwrap_or_default();
    let length = window / STEP;
    let mut sum: u32 = weights.iter().take(length).map(|weight| u32::from(*weight)).sum();
    let (mut best, mut most) = (0, sum);
    let come = weights.get(length..).unwrap_or_default();
    for (start, (gone, come)) in weights.iter().zip(come).enumerate() {
        sum = sum + u32::from(*come) - u32::from(*gone);
        if sum >= most {
            (best, most) = (start + 1, sum);
        }
    }
    (skipped + STEP * (first + best) - free).min(last)
}

/// What each [`STEP`] bytes add to their window's rarity: for each of them, nothing where it repeats
/// one shortly before it, and one more where letters, digits and the rest alternate.
#[allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "fixed arrays, in loops that vector units work on"
)]
fn weigh(text: &[u8; NEAR + TAIL]) -> [u8; TAIL / STEP] {
    let mut kinds = [0; NEAR + TAIL];
    for place in 0..NEAR + TAIL {
        kinds[place] = kind(text[place]);
    }
    let mut weights = [0; TAIL];
    for place in 0..TAIL {
        let here = NEAR + place;
        weights[place] = kinds[here] + u8::from(kinds[here] != kinds[here - 1]);
    }
    for distance in 1..=NEAR {
        for place in 0..TAIL {
            let here = NEAR + place;
            weights[place] &= u8::from(text[here] == text[here - distance]).wrapping_sub(1);
        }
    }
    let mut sums = [0; TAIL / STEP];
    for place in 0..TAIL / STEP {
        let here = STEP * place;
        sums[place] = weights[here] + weights[here + 1] + weights[here + 2] + weights[here + 3];
    }
    sums
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
            assert!(offset.abs_diff(before.len()) <= 4, "{offset} in {token}");
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
