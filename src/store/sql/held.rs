//! Events whose counts still grow, kept so that a kill does not lose what was counted.

use jiff::Timestamp;

use super::database::{Builder, Connection, query};
use super::{SqlStore, row};
use crate::config::limits;
use crate::model::clock;
use crate::model::event::Event;
use crate::model::ids::EventId;
use crate::store::StoreError;

impl SqlStore {
    pub(super) async fn hold(&self, growing: &[Event]) -> Result<(), StoreError> {
        if growing.is_empty() {
            return Ok(());
        }
        let at = clock::now().as_millisecond();
        let mut texts = Vec::with_capacity(growing.len());
        for event in growing {
            texts.push((event.id, row::to_json(event)?));
        }
        let mut writer = self.events.lock().await?;
        let mut transaction = writer.begin().await?;
        for chunk in texts.chunks(limits::STORE_ROWS) {
            let mut sql = Builder::new("INSERT INTO growing_events (id, event, held_at) ");
            sql.push_values(chunk.iter(), |values, (id, text)| {
                values.push_bind(id.0.as_bytes().to_vec()).push_bind(text).push_bind(at);
            });
            sql.push(
                " ON CONFLICT (id) DO UPDATE
                    SET event = excluded.event, held_at = excluded.held_at",
            );
            let is_whole = chunk.len() == limits::STORE_ROWS;
            sql.build().persistent(is_whole).execute(&mut transaction).await?;
        }
        transaction.commit().await
    }

    pub(super) async fn release_held(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut released = 0_u64;
        loop {
            let rows =
                query("SELECT event FROM growing_events WHERE held_at < $1 ORDER BY id LIMIT $2")
                    .bind(before.as_millisecond())
                    .bind(row::signed(limits::EVENT_BATCH))
                    .fetch_all(&self.events_readers)
                    .await?;
            let mut events: Vec<Event> = Vec::with_capacity(rows.len());
            for found in &rows {
                events.push(row::json(found, "event")?);
            }
            if events.is_empty() {
                return Ok(released);
            }
            self.append(&events).await?;
            released = released.saturating_add(events.len() as u64);
        }
    }
}

/// Forgets those that are stored as what they have become.
pub(super) async fn forget(
    connection: &mut dyn Connection,
    ids: impl Iterator<Item = EventId>,
) -> Result<(), StoreError> {
    let ids: Vec<Vec<u8>> = ids.map(|id| id.0.as_bytes().to_vec()).collect();
    for chunk in ids.chunks(limits::STORE_ROWS) {
        let mut sql = Builder::new("DELETE FROM growing_events WHERE id IN (");
        sql.push_list(chunk.iter().map(Vec::as_slice)).push(")");
        let is_whole = chunk.len() == limits::STORE_ROWS;
        sql.build().persistent(is_whole).execute(&mut *connection).await?;
    }
    Ok(())
}
