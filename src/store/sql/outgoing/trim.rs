//! What is removed of feeds and of who reads them.

use jiff::Timestamp;

use super::super::database::{Connection, query};
use super::super::{SqlStore, row};
use crate::config::limits;
use crate::store::StoreError;

impl SqlStore {
    /// Removes what every reader has behind it, and what is more than `most` events.
    pub(super) async fn remove_old_feeds(
        &self,
        now: Timestamp,
        most: u64,
    ) -> Result<(), StoreError> {
        let now = now.as_millisecond();
        let ago = |time: std::time::Duration| now.saturating_sub(row::signed(time.as_millis()));
        for (sql, before) in [
            ("DELETE FROM cursors WHERE held_until < $1", ago(limits::SINK_FORGOTTEN)),
            ("DELETE FROM notified WHERE at < $1", ago(limits::NOTIFICATIONS_KEPT)),
            ("DELETE FROM notifications WHERE at < $1", ago(limits::NOTIFICATIONS_KEPT)),
        ] {
            let mut writer = self.events.lock().await?;
            let mut transaction = writer.begin().await?;
            query(sql).bind(before).execute(&mut transaction).await?;
            transaction.commit().await?;
        }
        loop {
            let mut writer = self.events.lock().await?;
            let mut transaction = writer.begin().await?;
            let more = trim(&mut transaction, row::signed(most)).await?;
            transaction.commit().await?;
            if !more {
                return Ok(());
            }
        }
    }
}

/// Removes a batch of the feed of events. Answers with whether there may be more to be removed.
async fn trim(connection: &mut dyn Connection, most: i64) -> Result<bool, StoreError> {
    // Who has not read them has gone on, or is gone.
    query(
        "DELETE FROM lost_events
         WHERE NOT EXISTS (SELECT 1 FROM cursors WHERE events <= lost_events.place)",
    )
    .execute(&mut *connection)
    .await?;
    // The last row stays: it tells where the feed ends.
    let last = query(
        "SELECT MAX(seq) AS last FROM (SELECT seq FROM event_feed
            WHERE seq < (SELECT MAX(seq) FROM event_feed)
                AND (seq <= (SELECT COALESCE(MIN(events), 0) FROM cursors)
                    OR seq <= (SELECT MAX(seq) FROM event_feed) - $1)
            ORDER BY seq LIMIT $2) batch",
    )
    .bind(most)
    .bind(limits::TRIM_ROWS)
    .fetch_one(&mut *connection)
    .await?;
    let Some(last) = row::number_or_none(&last, "last")? else { return Ok(false) };
    // Readers stand in between: each counts what was removed behind where it stands.
    query(
        "INSERT INTO lost_events (place, tenant, count)
         SELECT (SELECT MAX(c.events) FROM cursors c WHERE c.events < f.seq), f.tenant, COUNT(*)
         FROM event_feed f
         WHERE f.seq <= $1 AND f.seq > (SELECT MIN(events) FROM cursors)
         GROUP BY 1, 2
         ON CONFLICT (place, tenant) DO UPDATE SET count = lost_events.count + excluded.count",
    )
    .bind(last)
    .execute(&mut *connection)
    .await?;
    let removed =
        query("DELETE FROM event_feed WHERE seq <= $1").bind(last).execute(connection).await?;
    Ok(removed >= limits::TRIM_ROWS.unsigned_abs())
}
