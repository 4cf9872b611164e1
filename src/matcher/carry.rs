//! The bytes of a stream that are kept because a token may have begun in them.

use zeroize::Zeroize;

/// The last bytes of a stream, up to a fixed number. Wiped on drop.
#[derive(Default)]
pub(super) struct Carry {
    bytes: Vec<u8>,
    keep: usize,
}

impl Carry {
    /// Sets how many bytes are kept. Called while none are.
    pub(super) fn set_keep(&mut self, keep: usize) {
        self.keep = keep;
    }

    /// The bytes that are kept.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.bytes.len().saturating_sub(self.keep)..).unwrap_or_default()
    }

    /// Keeps the last of these bytes too.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        if self.bytes.capacity() == 0 {
            // Once and for all, since a buffer that grows leaves its old copies behind. The slack
            // makes the moves of small chunks rare.
            self.bytes.reserve_exact(self.keep + self.keep / 2);
        }
        let chunk = chunk.get(chunk.len().saturating_sub(self.keep)..).unwrap_or_default();
        if self.bytes.len() + chunk.len() > self.bytes.capacity() {
            let kept = (self.keep - chunk.len()).min(self.bytes.len());
            let gone = self.bytes.len() - kept;
            self.bytes.copy_within(gone.., 0);
            self.bytes.truncate(kept);
        }
        self.bytes.extend_from_slice(chunk);
    }
}

impl Drop for Carry {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_bytes() {
        let text: Vec<u8> = (0..200).collect();
        for keep in [0, 1, 2, 7, 100] {
            for size in [1, 2, 3, 50, 150] {
                let mut carry = Carry::default();
                carry.set_keep(keep);
                let mut seen = 0;
                for chunk in text.chunks(size) {
                    carry.push(chunk);
                    seen += chunk.len();
                    assert_eq!(carry.bytes(), &text[seen.saturating_sub(keep)..seen]);
                    assert!(carry.bytes.capacity() <= keep + keep / 2);
                }
            }
        }
    }
}
