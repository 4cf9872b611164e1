//! What pages show beside the lists.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::database::{Builder, Row, query};
use super::{SqlStore, events, row, sessions};
use crate::config::limits;
use crate::model::event::Event;
use crate::model::ids::{EventId, TokenId, UserId};
use crate::store::StoreError;
use crate::store::types::EventQuery;
use crate::store::views::{EventGroup, GroupBy, UserSession, ViewStore};

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
    ) -> Result<Vec<EventGroup>, StoreError> {
        let (column, name) = match by {
            GroupBy::Token => ("e.token", "MIN(e.fingerprint) AS name, e.token"),
            GroupBy::Client => ("e.source_ip", "e.source_ip AS name"),
            GroupBy::Host => ("e.host", "e.host AS name"),
        };
        let mut sql = Builder::new("SELECT ");
        sql.push(name).push(", CAST(SUM(e.count) AS BIGINT) AS count");
        for action in ["blocked", "monitored", "observed"] {
            sql.push(", CAST(SUM(CASE WHEN e.action = '").push(action);
            sql.push("' THEN e.count ELSE 0 END) AS BIGINT) AS ").push(action);
        }
        sql.push(", MIN(e.at) AS first_at, MAX(e.at) AS last_at FROM events e WHERE 1 = 1");
        events::push_conditions(&mut sql, query);
        sql.push(" GROUP BY ").push(column).push(" ORDER BY count DESC, ").push(column);
        sql.push(" LIMIT ").push_bind(row::signed(limits::EVENT_GROUPS));
        let rows = sql.build().fetch_all(&self.events_readers).await?;
        rows.iter().map(|found| group(found, by)).collect()
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

fn group(found: &Row, by: GroupBy) -> Result<EventGroup, StoreError> {
    Ok(EventGroup {
        name: row::text(found, "name")?,
        token: match by {
            GroupBy::Token => Some(TokenId(row::uuid(found, "token")?)),
            GroupBy::Client | GroupBy::Host => None,
        },
        count: row::count(found, "count")?,
        blocked: row::count(found, "blocked")?,
        monitored: row::count(found, "monitored")?,
        observed: row::count(found, "observed")?,
        first_at: row::time(found, "first_at")?,
        last_at: row::time(found, "last_at")?,
    })
}
