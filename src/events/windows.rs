//! Uses of one token by one client that come thick and fast: the first few of a window are events
//! of their own, all others of it are counted into one.
//!
//! What is counted that way is one event, written when its window ends. Until then its count is
//! handed to [`super::EventSink::hold`] as it grows, so that a kill loses no more of it than of
//! events of their own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::time::Instant;

use super::aggregate::Key;
use crate::config::limits;
use crate::model::event::Event;

/// The windows that are open, bounded by [`limits::EVENT_WINDOWS`].
#[derive(Default)]
pub(super) struct Windows {
    open: DashMap<Key, Window>,
    /// How many are open: the map's own count locks all of it.
    count: AtomicUsize,
    /// Whose counted events have grown since they were last handed on.
    grown: Mutex<Vec<Key>>,
}

struct Window {
    ends: Instant,
    /// Uses that went on as events of their own.
    single: u32,
    counted: Option<Counted>,
}

/// The one event that stands for the window's other uses.
struct Counted {
    event: Event,
    /// Whether it is among those that have grown.
    is_grown: bool,
}

/// What becomes of a use.
pub(super) enum Offered {
    /// It is an event of its own.
    Single(Event),
    /// The same, since no more windows can be opened.
    Full(Event),
    /// It was counted into another one.
    Counted,
}

impl Windows {
    /// Takes a use that happened now.
    pub(super) fn offer(&self, event: Event, now: Instant) -> Offered {
        let key = Key::of(&event);
        match self.open.entry(key) {
            Entry::Occupied(mut entry) => {
                let window = entry.get_mut();
                if now >= window.ends && window.counted.is_none() {
                    *window = Window::begun(now);
                    return Offered::Single(event);
                }
                if window.single < limits::EVENT_WINDOW_SINGLE {
                    window.single += 1;
                    return Offered::Single(event);
                }
                // One whose time is over is open until it is written: its count is still exact.
                let counted = match &mut window.counted {
                    Some(counted) => {
                        counted.event.count = counted.event.count.saturating_add(event.count);
                        counted
                    }
                    none => none.insert(Counted { event, is_grown: false }),
                };
                if !std::mem::replace(&mut counted.is_grown, true) {
                    let key = entry.key().clone();
                    self.grown.lock().unwrap_or_else(PoisonError::into_inner).push(key);
                }
                Offered::Counted
            }
            Entry::Vacant(entry) => {
                if self.count.load(Ordering::Relaxed) >= limits::EVENT_WINDOWS {
                    return Offered::Full(event);
                }
                self.count.fetch_add(1, Ordering::Relaxed);
                entry.insert(Window::begun(now));
                Offered::Single(event)
            }
        }
    }

    /// The counted events that have grown since the last call, as they are now.
    pub(super) fn grown(&self) -> Vec<Event> {
        let keys = std::mem::take(&mut *self.grown.lock().unwrap_or_else(PoisonError::into_inner));
        let mut events = Vec::with_capacity(keys.len());
        for key in keys {
            // One whose window has ended meanwhile was written whole.
            if let Some(mut window) = self.open.get_mut(&key)
                && let Some(counted) = &mut window.counted
            {
                counted.is_grown = false;
                events.push(counted.event.clone());
            }
        }
        events
    }

    /// Closes the windows whose time is over at `now`; every one where no time is given. Answers
    /// with what was counted in them.
    pub(super) fn ended(&self, now: Option<Instant>) -> Vec<Event> {
        let mut events = Vec::new();
        self.open.retain(|_, window| {
            let ends = now.is_none_or(|now| now >= window.ends);
            if ends {
                self.count.fetch_sub(1, Ordering::Relaxed);
                events.extend(window.counted.take().map(|counted| counted.event));
            }
            !ends
        });
        events
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Window {
    fn begun(now: Instant) -> Self {
        Self { ends: now + limits::EVENT_WINDOW, single: 1, counted: None }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::events::tests::event;
    use crate::model::ids::TokenId;

    proptest! {
        /// However uses come and windows end, what is told of each client is what it did; and no
        /// window tells of one in more than the first few events and one more.
        #[test]
        fn counts_are_those_of_a_naive_count(
            uses in prop::collection::vec((0_u8..4, 0_u64..4_000, prop::bool::weighted(0.1)), 0..600)
        ) {
            let (windows, token, start) = (Windows::default(), TokenId::new(), Instant::now());
            let (mut naive, mut told) = (HashMap::new(), HashMap::new());
            let (mut rows, mut passed) = (0_usize, 0);
            for (client, pause, sweeps) in uses {
                passed += pause;
                let now = start + Duration::from_millis(passed);
                let client = format!("192.0.2.{client}");
                *naive.entry(client.clone()).or_insert(0_u64) += 1;
                let mut take = |event: Event| {
                    rows += 1;
                    *told.entry(event.source_ip).or_insert(0_u64) += event.count;
                };
                match windows.offer(event(token, &client), now) {
                    Offered::Single(event) | Offered::Full(event) => take(event),
                    Offered::Counted => {}
                }
                if sweeps {
                    windows.ended(Some(now)).into_iter().for_each(take);
                }
            }
            for event in windows.ended(None) {
                rows += 1;
                *told.entry(event.source_ip).or_insert(0_u64) += event.count;
            }
            prop_assert_eq!(windows.len(), 0);
            prop_assert_eq!(told, naive);
            let most = usize::try_from(passed).unwrap() / 10_000 + 2;
            prop_assert!(rows <= 4 * most * 11, "{} rows", rows);
        }
    }

    #[test]
    fn what_grows_is_handed_on_once_until_it_grows_again() {
        let (windows, token, now) = (Windows::default(), TokenId::new(), Instant::now());
        for _ in 0..limits::EVENT_WINDOW_SINGLE {
            assert!(matches!(windows.offer(event(token, "192.0.2.1"), now), Offered::Single(_)));
        }
        assert!(windows.grown().is_empty());
        for count in [1, 2, 3] {
            windows.offer(event(token, "192.0.2.1"), now);
            let grown = windows.grown();
            assert_eq!(grown.iter().map(|event| event.count).collect::<Vec<_>>(), [count]);
            assert!(windows.grown().is_empty());
        }
        assert!(windows.ended(Some(now)).is_empty(), "its time is not over");
        let ended = windows.ended(Some(now + limits::EVENT_WINDOW));
        assert_eq!(ended.iter().map(|event| event.count).collect::<Vec<_>>(), [3]);
        assert_eq!(windows.len(), 0);
    }

    #[test]
    fn uses_on_different_routes_are_counted_apart() {
        let (windows, token, now) = (Windows::default(), TokenId::new(), Instant::now());
        for _ in 0..=limits::EVENT_WINDOW_SINGLE {
            for route in [0, 1] {
                windows.offer(Event { route, ..event(token, "192.0.2.1") }, now);
            }
        }
        let counted: Vec<u64> = windows.grown().iter().map(|event| event.count).collect();
        assert_eq!(counted, [1, 1]);
    }

    #[test]
    fn no_more_windows_are_opened_than_there_may_be() {
        let (windows, now) = (Windows::default(), Instant::now());
        for _ in 0..limits::EVENT_WINDOWS {
            windows.offer(event(TokenId::new(), "192.0.2.1"), now);
        }
        let offered = windows.offer(event(TokenId::new(), "192.0.2.1"), now);
        assert!(matches!(offered, Offered::Full(_)));
        assert_eq!(windows.len(), limits::EVENT_WINDOWS);
    }
}
