//! What pages show beside the lists.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::database::{Builder, query};
use super::{SqlStore, events, row, sessions};
use crate::model::event::Event;
use crate::model::ids::{EventId, UserId};
use crate::store::StoreError;
use crate::store::types::EventQuery;
use crate::store::views::{EventGroups, GroupBy, UserSession, ViewStore};

#[async_trait]
impl ViewStore for SqlStore {
    async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        let mut sql = Builder::new("SELECT ");
        sql.push(events::COLUMNS).push(" FROM events e WHERE e.id = ");
        sql.push_bind(id.0.as_bytes().to_vec());
        let found = sql.build().fetch_all(&self.events_readers).await?;
        found.first().map(events::event).transpose()
    }

    async fn event_groups(
        &self,
        query: &EventQuery,
        by: GroupBy,
    ) -> Result<EventGroups, StoreError> {
        self.grouped_events(query, by).await
    }

    async fn sessions_of(
        &self,
        user: UserId,
        own: &[u8; 32],
        now: Timestamp,
        idle: SignedDuration,
    ) -> Result<Vec<UserSession>, StoreError> {
        let rows = query(
            "SELECT hash, created_at, last_seen_at, expires_at FROM sessions
             WHERE user_id = $1 AND expires_at > $2 AND last_seen_at > $3
             ORDER BY last_seen_at DESC, created_at DESC",
        )
        .bind(user.0.as_bytes().as_slice())
        .bind(now.as_millisecond())
        .bind(sessions::idle_since(now, idle))
        .fetch_all(&self.decisions_readers)
        .await?;
        rows.iter()
            .map(|found| {
                let hash: Vec<u8> = found.try_get("hash")?;
                Ok(UserSession {
                    created_at: row::time(found, "created_at")?,
                    last_seen_at: row::time(found, "last_seen_at")?,
                    expires_at: row::time(found, "expires_at")?,
                    current: hash == own,
                })
            })
            .collect()
    }
}
