//! Whether what was decided is in force here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::config::limits;

/// What keeps this process from enforcing what was decided, and since when.
#[derive(Default)]
pub(in crate::control) struct Behind(Mutex<BTreeMap<&'static str, Timestamp>>);

impl Behind {
    /// Takes note of whether something that has to succeed for it did so.
    pub(in crate::control) fn note(&self, what: &'static str, succeeded: bool, now: Timestamp) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if succeeded {
            since.remove(what);
        } else {
            since.entry(what).or_insert(now);
        }
    }

    /// Since when it fails, where that has been so for [`limits::GATEWAY_BEHIND`].
    pub(super) fn too_long(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = since.values().min().copied()?;
        let most = SignedDuration::try_from(limits::GATEWAY_BEHIND).unwrap_or_default();
        (now.duration_since(first) >= most).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_not_too_long() {
        let behind = Behind::default();
        let at = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).unwrap();
        behind.note("publish", true, at(0));
        assert_eq!(behind.too_long(at(1_000)), None);
        behind.note("publish", false, at(0));
        behind.note("publish", false, at(5));
        assert_eq!(behind.too_long(at(5)), None);
        assert_eq!(behind.too_long(at(60)), Some(at(0)));
        behind.note("others", true, at(60));
        assert_eq!(behind.too_long(at(60)), Some(at(0)));
        behind.note("publish", true, at(61));
        assert_eq!(behind.too_long(at(600)), None);
    }
}
