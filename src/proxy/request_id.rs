//! Request ids: taken from a trusted proxy, or made.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use http::HeaderValue;
use jiff::Timestamp;
use uuid::Uuid;

use crate::config::limits;

/// Makes UUIDv7 ids without a lock or a system call: a worker's own, randomly keyed hash of a
/// counter. Two of them never collide in practice; they are not secrets.
pub(crate) struct RequestIds {
    key: RandomState,
    made: Cell<u64>,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self { key: RandomState::new(), made: Cell::new(0) }
    }

    /// Random bytes, of the same kind.
    pub(crate) fn random(&self) -> [u8; 16] {
        let count = self.made.get().wrapping_add(1);
        self.made.set(count);
        let halves = [self.key.hash_one(count), self.key.hash_one(!count)];
        let mut random = [0; 16];
        let (head, tail) = random.split_at_mut(8);
        for (to, half) in [head, tail].into_iter().zip(halves) {
            to.copy_from_slice(&half.to_le_bytes());
        }
        random
    }

    /// A new id for a request that came at `now`.
    pub(crate) fn make(&self, now: Timestamp) -> HeaderValue {
        let count = self.made.get().wrapping_add(1);
        self.made.set(count);
        let mut random = [0; 10];
        let (head, tail) = random.split_at_mut(8);
        head.copy_from_slice(&self.key.hash_one(count).to_le_bytes());
        let more = self.key.hash_one(!count).to_le_bytes();
        for (to, from) in tail.iter_mut().zip(more) {
            *to = from;
        }
        let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let mut text = Uuid::encode_buffer();
        // Hexadecimal digits and dashes are a valid value.
        HeaderValue::from_str(id.hyphenated().encode_lower(&mut text))
            .unwrap_or(HeaderValue::from_static("unknown"))
    }
}

/// Whether an id that a trusted proxy set can be taken over: short, and of letters, digits and
/// `-._` only.
pub(crate) fn is_sane(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    !id.is_empty()
        && id.len() <= limits::REQUEST_ID_BYTES
        && id.iter().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuid_v7_and_differ() {
        let ids = RequestIds::new();
        let now = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
        let parse = |value: HeaderValue| Uuid::parse_str(value.to_str().unwrap()).unwrap();
        let (one, two) = (parse(ids.make(now)), parse(ids.make(now)));
        assert_ne!(one, two);
        assert_eq!(one.get_version_num(), 7);
        let (seconds, nanos) = one.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_700_000_000, 0));
        assert_ne!(parse(RequestIds::new().make(now)), one, "each worker has a key of its own");
    }

    #[test]
    fn sane_ids() {
        let sane = |text: &'static str| is_sane(&HeaderValue::from_static(text));
        assert!(sane("3f9a-01.B_c"));
        for bad in ["", "a b", "a\"b", "<x>", "a;b"] {
            assert!(!sane(bad), "{bad:?}");
        }
        let long = HeaderValue::from_str(&"a".repeat(129)).unwrap();
        assert!(!is_sane(&long));
    }
}
