//! What is removed in time: events by age and size, counts of hours and days.

use jiff::Timestamp;

use super::database::{Connection, Session, query};
use super::usage::HOUR;
use super::{SqlStore, row};
use crate::config::limits;
use crate::store::StoreError;
use crate::store::outgoing::{Keep, Trimmed};

/// What an event's places in indexes take with PostgreSQL, and its share of what is counted by client and
/// hour, about.
const INDEXED_BYTES: u64 = 800;

impl SqlStore {
    pub(super) async fn remove_old_events(&self, keep: &Keep) -> Result<Trimmed, StoreError> {
        let mut trimmed = Trimmed::default();
        let mut writer = self.events.lock().await?;
        let mut transaction = writer.begin().await?;
        if let Some(from) = keep.from {
            trimmed.by_age = query(
                "DELETE FROM events WHERE id IN
                    (SELECT id FROM events WHERE at < $1 ORDER BY at, id LIMIT $2)",
            )
            .bind(from.as_millisecond())
            .bind(limits::TRIM_ROWS)
            .execute(&mut transaction)
            .await?;
        }
        // What is left of hours that are gone goes before further events do.
        let is_left = remove_client_hours(&mut transaction).await?;
        let (bytes, each) = taken(&mut transaction).await?;
        trimmed.bytes = bytes;
        trimmed.more = trimmed.by_age > 0 || is_left;
        if let Some(most) = keep.bytes.filter(|most| !trimmed.more && bytes > *most) {
            trimmed.by_size = match each {
                None => {
                    query(
                        "DELETE FROM events WHERE id IN
                            (SELECT id FROM events ORDER BY at, id LIMIT $1)",
                    )
                    .bind(limits::TRIM_ROWS)
                    .execute(&mut transaction)
                    .await?
                }
                // How many there are is known late, so the newest that fit are counted, and nothing
                // newer than those goes.
                Some(each) => {
                    query(
                        "DELETE FROM events WHERE id IN
                            (SELECT id FROM events WHERE at <
                                (SELECT at FROM events ORDER BY at DESC, id DESC LIMIT 1 OFFSET $1)
                             ORDER BY at, id LIMIT $2)",
                    )
                    .bind(row::signed(most / each.max(1)))
                    .bind(limits::TRIM_ROWS_AT_ONCE)
                    .execute(&mut transaction)
                    .await?
                }
            };
        }
        trimmed.more |= trimmed.by_size > 0;
        transaction.commit().await?;
        Ok(trimmed)
    }

    /// Hours and days of which the statistics tell no more, one after the other, so that nobody who
    /// writes waits long.
    pub(super) async fn remove_old_counts(&self, now: Timestamp) -> Result<(), StoreError> {
        let hour = now.as_millisecond().div_euclid(HOUR);
        let hours = hour.saturating_sub(limits::STATS_HOURS_KEPT);
        let days = hour.div_euclid(24).saturating_sub(limits::STATS_DAYS_KEPT);
        for (sql, before) in [
            (
                "DELETE FROM leak_hours WHERE hour < $1 AND hour <= (SELECT MIN(hour) FROM leak_hours)",
                hours,
            ),
            (
                "DELETE FROM tenant_hours
                 WHERE hour < $1 AND hour <= (SELECT MIN(hour) FROM tenant_hours)",
                hours,
            ),
            (
                "DELETE FROM leak_days WHERE day < $1 AND day <= (SELECT MIN(day) FROM leak_days)",
                days,
            ),
            (
                "DELETE FROM tenant_days
                 WHERE day < $1 AND day <= (SELECT MIN(day) FROM tenant_days)",
                days,
            ),
        ] {
            loop {
                let mut writer = self.events.lock().await?;
                let mut transaction = writer.begin().await?;
                let removed = query(sql).bind(before).execute(&mut transaction).await?;
                transaction.commit().await?;
                if removed == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Removes what was counted by client and hour of hours of which no event is left. Answers with whether
/// there may be more of it.
async fn remove_client_hours(connection: &mut dyn Connection) -> Result<bool, StoreError> {
    let oldest = query("SELECT MIN(at) AS at FROM events").fetch_one(&mut *connection).await?;
    let oldest = row::number_or_none(&oldest, "at")?;
    let before = oldest.map_or(i64::MAX, |at| at.div_euclid(HOUR));
    let last = query(
        "SELECT hour, token, leak, source_ip, host, action, response_status FROM client_hours
         WHERE hour < $1
         ORDER BY hour, token, leak, source_ip, host, action, response_status LIMIT 1 OFFSET $2",
    )
    .bind(before)
    .bind(limits::TRIM_ROWS)
    .fetch_all(&mut *connection)
    .await?;
    let Some(last) = last.first() else {
        let rest = query("DELETE FROM client_hours WHERE hour < $1").bind(before);
        rest.execute(connection).await?;
        return Ok(false);
    };
    let bytes = |column: &str| -> Result<Vec<u8>, StoreError> { last.try_get(column) };
    query(
        "DELETE FROM client_hours
         WHERE (hour, token, leak, source_ip, host, action, response_status)
            <= ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(row::number(last, "hour")?)
    .bind(bytes("token")?)
    .bind(bytes("leak")?)
    .bind(row::text(last, "source_ip")?)
    .bind(row::text(last, "host")?)
    .bind(row::text(last, "action")?)
    .bind(row::number(last, "response_status")?)
    .execute(connection)
    .await?;
    Ok(true)
}

/// What the events take, and what one of them does where removing some does not tell at once.
///
/// SQLite says exactly which of its pages are in use, by counts too, which take little. PostgreSQL's
/// files do not shrink, so there it is the events that are counted, and what one of the last
/// thousand takes.
async fn taken(connection: &mut dyn Connection) -> Result<(u64, Option<u64>), StoreError> {
    if matches!(connection.session(), Session::Sqlite(_)) {
        let found = query(
            "SELECT (p.page_count - f.freelist_count) * s.page_size AS bytes
             FROM pragma_page_count() p, pragma_freelist_count() f, pragma_page_size() s",
        )
        .fetch_one(connection)
        .await?;
        return Ok((row::count(&found, "bytes")?, None));
    }
    let found = query(
        "SELECT CAST(COALESCE((SELECT n_live_tup FROM pg_stat_user_tables
                WHERE schemaname = 'events' AND relname = 'events'), 0) AS BIGINT) AS events,
            CAST(COALESCE((SELECT AVG(pg_column_size(e.*))
                FROM (SELECT * FROM events ORDER BY at DESC LIMIT 1000) e), 0) AS BIGINT) AS width",
    )
    .fetch_one(connection)
    .await?;
    let each = row::count(&found, "width")?.saturating_add(INDEXED_BYTES);
    Ok((row::count(&found, "events")?.saturating_mul(each), Some(each)))
}
