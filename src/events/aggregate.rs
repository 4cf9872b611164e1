//! Uses that came faster than they can be queued, counted exactly into one event each.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::config::limits;
use crate::model::event::{Event, EventAction};
use crate::model::ids::{LeakId, TokenId};

/// What uses must have in common to be one event. The answer's status is in it since it tells
/// whether the token still works; the path is not, since whoever attacks can choose another each time.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    token: TokenId,
    leak: LeakId,
    action: EventAction,
    response_status: Option<u16>,
    source_ip: String,
    host: String,
    route: usize,
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
            route: event.route,
        }
    }
}

/// The uses under aggregation, bounded by [`limits::EVENT_AGGREGATES`].
#[derive(Default)]
pub(super) struct Aggregates(DashMap<Key, Event>);

impl Aggregates {
    /// Counts the use into the event it belongs to; `false` where there is no room for a new one.
    pub(super) fn add(&self, event: Event) -> bool {
        let key = Key::of(&event);
        // Read before the entry is taken: `len` locks every shard.
        let full = self.0.len() >= limits::EVENT_AGGREGATES;
        match self.0.entry(key) {
            Entry::Occupied(mut entry) => {
                let kept = entry.get_mut();
                kept.count = kept.count.saturating_add(event.count);
                true
            }
            Entry::Vacant(_) if full => false,
            Entry::Vacant(entry) => {
                entry.insert(event);
                true
            }
        }
    }

    /// Takes up to `limit` events out.
    pub(super) fn take(&self, limit: usize) -> Vec<Event> {
        let keys: Vec<Key> = self.0.iter().take(limit).map(|entry| entry.key().clone()).collect();
        keys.iter().filter_map(|key| self.0.remove(key)).map(|(_, event)| event).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
