//! Uses that repeat: the first few are events of their own, the rest of a window is one event that
//! counts on.

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

use crate::config::limits;
use crate::model::event::{Event, EventAction};
use crate::model::ids::{EventId, LeakId, TokenId};

/// What uses must have in common to be counted in one event. The answer is part of it, since a
/// token's validity is learnt from it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    token: TokenId,
    leak: LeakId,
    action: EventAction,
    response_status: Option<u16>,
    source_ip: String,
    host: String,
}

impl Key {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            token: event.token,
            leak: event.leak,
            action: event.action,
            response_status: event.response_status,
            source_ip: event.source_ip.clone(),
            host: event.host.clone(),
        }
    }
}

/// The uses of one key in the window that its first one began.
struct Window {
    /// How many were events of their own.
    singles: usize,
    /// All that came after those.
    counted: Option<Event>,
}

/// The windows under way, bounded by [`limits::EVENT_WINDOWS`].
#[derive(Default)]
pub(super) struct Windows {
    open: HashMap<Key, Window>,
    /// When each ends; all are of one length, so the first to begin is the first to end.
    ends: VecDeque<(Instant, Key)>,
    /// Those of which more was counted since they were handed out last.
    changed: BTreeSet<EventId>,
    /// Where each of those is.
    keys: HashMap<EventId, Key>,
}

/// What became of a use.
#[derive(Debug)]
pub(super) enum Taken {
    /// It is an event of its own.
    Single(Event),
    /// It is counted in the event of its window.
    Counted,
    /// There is no room for another window: it is an event of its own as well.
    Full(Event),
}

impl Windows {
    /// Takes a use over.
    pub(super) fn take(&mut self, event: Event, now: Instant) -> Taken {
        let key = Key::of(&event);
        let Some(window) = self.open.get_mut(&key) else {
            if self.open.len() >= limits::EVENT_WINDOWS {
                return Taken::Full(event);
            }
            self.ends.push_back((now + limits::EVENT_WINDOW, key.clone()));
            self.open.insert(key, Window { singles: 1, counted: None });
            return Taken::Single(event);
        };
        if window.singles < limits::EVENT_SINGLES {
            window.singles += 1;
            return Taken::Single(event);
        }
        let id = match &mut window.counted {
            Some(counted) => {
                counted.count = counted.count.saturating_add(event.count);
                counted.id
            }
            none => {
                let id = event.id;
                *none = Some(event);
                self.keys.insert(id, key);
                id
            }
        };
        self.changed.insert(id);
        Taken::Counted
    }

    /// Up to `limit` events that count more than when they were handed out last, as they are by now.
    pub(super) fn changed(&mut self, limit: usize) -> Vec<Event> {
        let mut events = Vec::with_capacity(limit.min(self.changed.len()));
        while events.len() < limit
            && let Some(id) = self.changed.pop_first()
        {
            let window = self.keys.get(&id).and_then(|key| self.open.get(key));
            events.extend(window.and_then(|window| window.counted.clone()));
        }
        events
    }

    /// Up to `limit` events that count no further, since their windows are over at `now`; all where
    /// it is not said.
    pub(super) fn ended(&mut self, now: Option<Instant>, limit: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < limit
            && let Some((end, _)) = self.ends.front()
            && now.is_none_or(|now| *end <= now)
            && let Some((_, key)) = self.ends.pop_front()
        {
            if let Some(counted) = self.open.remove(&key).and_then(|window| window.counted) {
                self.changed.remove(&counted.id);
                self.keys.remove(&counted.id);
                events.push(counted);
            }
        }
        events
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::events::queue::tests::event;

    proptest! {
        /// However uses come and whenever events are handed out, what was handed out last of each
        /// event counts, together, as many uses of each client as there were; and no window has
        /// more events than its first few and the one that counts on.
        #[test]
        fn counts_are_exact(
            uses in prop::collection::vec((0..4_u8, 1..3_u64, 0..3_000_u64, any::<bool>()), 1..400),
            limit in 1..8_usize,
        ) {
            let (token, start) = (TokenId::new(), Instant::now());
            let mut windows = Windows::default();
            let mut stored: HashMap<EventId, Event> = HashMap::new();
            let mut sent: HashMap<String, u64> = HashMap::new();
            let mut now = start;
            for (client, count, wait, hands_out) in uses {
                now += Duration::from_millis(wait);
                for ended in windows.ended(Some(now), usize::MAX) {
                    stored.insert(ended.id, ended);
                }
                let address = format!("192.0.2.{client}");
                *sent.entry(address.clone()).or_default() += count;
                let mut one = event(token, &address);
                one.count = count;
                if let Taken::Single(single) = windows.take(one, now) {
                    prop_assert!(stored.insert(single.id, single).is_none());
                }
                if hands_out {
                    for changed in windows.changed(limit) {
                        if let Some(before) = stored.insert(changed.id, changed.clone()) {
                            prop_assert!(before.count < changed.count);
                        }
                    }
                }
            }
            for ended in windows.ended(None, usize::MAX) {
                stored.insert(ended.id, ended);
            }
            prop_assert!(windows.is_empty() && windows.keys.is_empty() && windows.changed.is_empty());
            let mut counted: HashMap<String, u64> = HashMap::new();
            for event in stored.values() {
                *counted.entry(event.source_ip.clone()).or_default() += event.count;
            }
            prop_assert_eq!(&counted, &sent);
            let spans = (now - start).as_millis() / limits::EVENT_WINDOW.as_millis() + 1;
            let most = sent.len() * (limits::EVENT_SINGLES + 1) * (spans as usize);
            prop_assert!(stored.len() <= most, "{} events", stored.len());
        }
    }

    #[test]
    fn the_first_few_stand_alone_and_the_answer_tells_events_apart() {
        let (token, now) = (TokenId::new(), Instant::now());
        let mut windows = Windows::default();
        let mut singles = 0;
        for _ in 0..limits::EVENT_SINGLES + 5 {
            singles +=
                usize::from(matches!(windows.take(event(token, "a"), now), Taken::Single(_)));
        }
        assert_eq!(singles, limits::EVENT_SINGLES);
        let mut other = event(token, "a");
        other.response_status = Some(200);
        assert!(matches!(windows.take(other, now), Taken::Single(_)));
        assert_eq!(windows.changed(10).iter().map(|event| event.count).collect::<Vec<_>>(), [5]);
        assert!(windows.changed(10).is_empty(), "nothing new");
        assert!(windows.ended(Some(now), 10).is_empty(), "not yet");
        let ended = windows.ended(Some(now + limits::EVENT_WINDOW), 10);
        assert_eq!(ended.iter().map(|event| event.count).collect::<Vec<_>>(), [5]);
        assert!(matches!(windows.take(event(token, "a"), now), Taken::Single(_)), "a new window");
    }

    #[test]
    fn windows_are_bounded() {
        let now = Instant::now();
        let mut windows = Windows::default();
        for _ in 0..limits::EVENT_WINDOWS {
            assert!(matches!(windows.take(event(TokenId::new(), "a"), now), Taken::Single(_)));
        }
        assert!(matches!(windows.take(event(TokenId::new(), "a"), now), Taken::Full(_)));
    }
}
