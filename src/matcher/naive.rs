//! The oracle: what a scan finds, in the plainest way.

use super::verify::is_token_byte;
use crate::model::secret::Secret;

/// The places `(token, start, end)` of each token in the text, sorted. One of hex digits is found in
/// either case.
pub(super) fn scan(texts: &[(usize, Vec<u8>)], text: &[u8]) -> Vec<(usize, u64, u64)> {
    let mut found = Vec::new();
    let spelled = texts.iter().flat_map(|(token, wanted)| {
        let number = wanted.len() >= 16 && wanted.iter().all(u8::is_ascii_hexdigit);
        let cases = [wanted.to_ascii_lowercase(), wanted.to_ascii_uppercase()];
        let mut all = vec![wanted.clone()];
        all.extend(cases.into_iter().filter(|case| number && case != wanted));
        all.dedup();
        all.into_iter().map(move |wanted| (token, wanted))
    });
    for (token, wanted) in &spelled.collect::<Vec<_>>() {
        for (start, window) in text.windows(wanted.len()).enumerate() {
            let end = start + wanted.len();
            let beside = [start.checked_sub(1).and_then(|at| text.get(at)), text.get(end)];
            let part_of_longer = beside.into_iter().flatten().any(|byte| is_token_byte(*byte));
            if window == *wanted && (wanted.len() >= 16 || !part_of_longer) {
                found.push((**token, start as u64, end as u64));
            }
        }
    }
    found.sort_unstable();
    found
}

/// A secret of these bytes.
pub(super) fn secret(bytes: &[u8]) -> Secret {
    Secret::new(bytes.to_vec())
}
