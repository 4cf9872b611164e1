//! What pages show beside the lists: one event, events in groups, the sessions of a user. A trait of
//! its own beside [`Store`](super::Store), which includes it.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::StoreError;
use super::types::EventQuery;
use crate::model::event::Event;
use crate::model::ids::{EventId, TokenId, UserId};
use crate::model::leak::named;

named! {
    /// By what events are put together.
    GroupBy {
        /// The token.
        Token = "token",
        /// The client's address.
        Client = "client",
        /// The host asked for.
        Host = "host",
    }
}

/// Events that have a token, a client or a host in common.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct EventGroup {
    /// What they have in common: a token's fingerprint, an address or a host.
    pub name: String,
    /// The token, where they are put together by it.
    pub token: Option<TokenId>,
    /// Uses in all.
    pub count: u64,
    /// Uses that were refused.
    pub blocked: u64,
    /// Uses that passed under a patch in monitoring mode.
    pub monitored: u64,
    /// Uses that passed without a patch.
    pub observed: u64,
    /// The first of them.
    pub first_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
}

/// Events put together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct EventGroups {
    /// The groups: those of most uses first.
    pub items: Vec<EventGroup>,
    /// From when on uses are counted; absent: from the first.
    pub since: Option<Timestamp>,
}

/// A session of a user, without anything that proves it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct UserSession {
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// When it ends, however much it is used.
    pub expires_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// What pages look at.
#[async_trait]
pub trait ViewStore: Send + Sync {
    /// The event of this id.
    async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError>;

    /// The events that fit, put together; most uses first, at most
    /// [`limits::EVENT_GROUPS`](crate::config::limits::EVENT_GROUPS). The query's page is not looked
    /// at. Of those with a path, only the last
    /// [`limits::EVENTS_LOOKED_AT`](crate::config::limits::EVENTS_LOOKED_AT) are put together that fit it
    /// or do not.
    async fn event_groups(
        &self,
        query: &EventQuery,
        by: GroupBy,
    ) -> Result<EventGroups, StoreError>;

    /// The sessions of a user that are not over at `now` and were used less than `idle` ago, the one
    /// used last first. `own` is the hash of the one that asks.
    async fn sessions_of(
        &self,
        user: UserId,
        own: &[u8; 32],
        now: Timestamp,
        idle: SignedDuration,
    ) -> Result<Vec<UserSession>, StoreError>;
}
