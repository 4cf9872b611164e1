//! Feeds, and how far each reader of them has come.
//!
//! Rows of each feed are written one transaction after the other (see [`super::super::database::Writer`]),
//! so their numbers are in the order in which they can be seen: whoever has read up to one has missed
//! none before it.

use std::collections::HashMap;

use jiff::Timestamp;

use super::super::audit::{AUDIT_COLUMNS, audit_entry};
use super::super::database::{Builder, Connection, Row, query};
use super::super::{SqlStore, events, list, row};
use super::notices;
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::EventId;
use crate::model::sink::FeedKind;
use crate::store::StoreError;
use crate::store::outgoing::{
    Deliveries, Entry, NewLetter, NumberedAudit, Outgoing, Places, Wanted,
};

/// Puts events that were just written at the end of their feed, in this order.
pub(in crate::store::sql) async fn feed(
    connection: &mut dyn Connection,
    written: &[(EventId, &str)],
) -> Result<(), StoreError> {
    for chunk in written.chunks(limits::STORE_ROWS) {
        let mut sql = Builder::new("INSERT INTO event_feed (event, tenant) ");
        sql.push_values(chunk.iter(), |values, (id, tenant)| {
            values.push_bind(id.0.as_bytes().to_vec()).push_bind(*tenant);
        });
        let is_whole = chunk.len() == limits::STORE_ROWS;
        sql.build().persistent(is_whole).execute(&mut *connection).await?;
    }
    Ok(())
}

fn places(found: &Row) -> Result<Places, StoreError> {
    Ok(Places {
        events: row::number(found, "events")?,
        audit: row::number(found, "audit")?,
        notifications: row::number(found, "notifications")?,
    })
}

/// Where a page of one feed ends: at its last row, or at the feed's end where there is no more.
fn place_behind(last: Option<i64>, is_full: bool, after: i64, end: i64) -> i64 {
    if is_full { last.unwrap_or(after) } else { end.max(last.unwrap_or(after)).max(after) }
}

impl SqlStore {
    pub(in crate::store::sql) async fn feed_ends(&self) -> Result<Places, StoreError> {
        let audit = query("SELECT COALESCE(MAX(id), 0) AS audit FROM audit")
            .fetch_one(&self.decisions_readers)
            .await?;
        let found = query(
            "SELECT COALESCE((SELECT MAX(seq) FROM event_feed), 0) AS events,
                COALESCE((SELECT MAX(seq) FROM notifications), 0) AS notifications",
        )
        .fetch_one(&self.events_readers)
        .await?;
        Ok(Places {
            events: row::number(&found, "events")?,
            audit: row::number(&audit, "audit")?,
            notifications: row::number(&found, "notifications")?,
        })
    }

    pub(super) async fn hold_cursor(
        &self,
        reader: &str,
        holder: &str,
        until: Timestamp,
    ) -> Result<Option<Places>, StoreError> {
        let ends = self.feed_ends().await?;
        let mut writer = self.events.lock().await?;
        let mut transaction = writer.begin().await?;
        query(
            "INSERT INTO cursors (reader, events, audit, notifications, holder, held_until)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (reader) DO NOTHING",
        )
        .bind(reader)
        .bind(ends.events)
        .bind(ends.audit)
        .bind(ends.notifications)
        .bind(holder)
        .bind(until.as_millisecond())
        .execute(&mut transaction)
        .await?;
        let found = query(
            "UPDATE cursors SET holder = $2, held_until = $3
             WHERE reader = $1 AND (holder = $2 OR held_until < $4)
             RETURNING events, audit, notifications",
        )
        .bind(reader)
        .bind(holder)
        .bind(until.as_millisecond())
        .bind(clock::now().as_millisecond())
        .fetch_optional(&mut transaction)
        .await?;
        transaction.commit().await?;
        found.as_ref().map(places).transpose()
    }

    /// Only what is there is changed: a sink may be left because it was removed.
    pub(super) async fn release_cursor(
        &self,
        reader: &str,
        holder: &str,
    ) -> Result<(), StoreError> {
        let mut writer = self.events.lock().await?;
        let mut transaction = writer.begin().await?;
        query("UPDATE cursors SET held_until = $3 WHERE reader = $1 AND holder = $2")
            .bind(reader)
            .bind(holder)
            // Over for every process, also for one that asks in the same millisecond.
            .bind(clock::now().as_millisecond().saturating_sub(1))
            .execute(&mut transaction)
            .await?;
        transaction.commit().await
    }

    pub(super) async fn read_feeds(
        &self,
        after: Places,
        wanted: &Wanted,
    ) -> Result<Outgoing, StoreError> {
        // Before the rows: what is written meanwhile comes the next time.
        let ends = self.feed_ends().await?;
        let mut out = Outgoing { places: ends, ..Outgoing::default() };
        let wants = |kind| wanted.feeds.contains(&kind);
        if wants(FeedKind::Notifications) && ends.notifications > after.notifications {
            self.read_notifications(after.notifications, wanted, &mut out).await?;
        }
        if wants(FeedKind::Audit) && ends.audit > after.audit {
            self.read_audit(after.audit, wanted, &mut out).await?;
        }
        if wants(FeedKind::Events) && ends.events > after.events {
            self.read_events(after.events, wanted, &mut out).await?;
        }
        Ok(out)
    }

    async fn read_events(
        &self,
        after: i64,
        wanted: &Wanted,
        out: &mut Outgoing,
    ) -> Result<(), StoreError> {
        let mut sql = Builder::new(
            "SELECT tenant, CAST(SUM(count) AS BIGINT) AS count FROM lost_events WHERE place >= ",
        );
        sql.push_bind(after);
        list::push_tenant(&mut sql, "tenant", &wanted.tenants);
        sql.push(" GROUP BY tenant");
        for found in sql.build().fetch_all(&self.events_readers).await? {
            out.missed.insert(row::text(&found, "tenant")?, row::count(&found, "count")?);
        }
        let mut sql = Builder::new("SELECT seq, event, tenant FROM event_feed WHERE seq > ");
        sql.push_bind(after);
        list::push_tenant(&mut sql, "tenant", &wanted.tenants);
        sql.push(" ORDER BY seq LIMIT ").push_bind(row::signed(wanted.limit));
        let fed = sql.build().fetch_all(&self.events_readers).await?;
        let mut ids = Vec::with_capacity(fed.len());
        for found in &fed {
            ids.push(EventId(row::uuid(found, "event")?));
        }
        let mut stored = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(limits::STORE_ROWS) {
            for event in events::by_ids(&self.events_readers, chunk).await? {
                stored.insert(event.id, event);
            }
        }
        for (id, found) in ids.iter().zip(&fed) {
            match stored.remove(id) {
                Some(event) => out.entries.push(Entry::Event(Box::new(event))),
                None => {
                    let missed = out.missed.entry(row::text(found, "tenant")?).or_default();
                    *missed = missed.saturating_add(1);
                }
            }
        }
        let last = fed.last().map(|found| row::number(found, "seq")).transpose()?;
        let is_full = fed.len() >= wanted.limit;
        out.more |= is_full;
        out.places.events = place_behind(last, is_full, after, out.places.events);
        Ok(())
    }

    async fn read_audit(
        &self,
        after: i64,
        wanted: &Wanted,
        out: &mut Outgoing,
    ) -> Result<(), StoreError> {
        let mut sql = Builder::new("SELECT ");
        sql.push(AUDIT_COLUMNS).push(" FROM audit WHERE id > ").push_bind(after);
        list::push_tenant(&mut sql, "tenant", &wanted.tenants);
        sql.push(" ORDER BY id LIMIT ").push_bind(row::signed(wanted.limit));
        let rows = sql.build().fetch_all(&self.decisions_readers).await?;
        let mut last = None;
        for found in &rows {
            let number = row::number(found, "id")?;
            last = Some(number);
            let entry = NumberedAudit { number, entry: audit_entry(found)? };
            out.entries.push(Entry::Audit(Box::new(entry)));
        }
        let is_full = rows.len() >= wanted.limit;
        out.more |= is_full;
        out.places.audit = place_behind(last, is_full, after, out.places.audit);
        Ok(())
    }

    async fn read_notifications(
        &self,
        after: i64,
        wanted: &Wanted,
        out: &mut Outgoing,
    ) -> Result<(), StoreError> {
        let mut sql = Builder::new("SELECT seq, body FROM notifications WHERE seq > ");
        sql.push_bind(after);
        list::push_tenant(&mut sql, "tenant", &wanted.tenants);
        sql.push(" ORDER BY seq LIMIT ").push_bind(row::signed(wanted.limit));
        let rows = sql.build().fetch_all(&self.events_readers).await?;
        let mut last = None;
        for found in &rows {
            last = Some(row::number(found, "seq")?);
            out.entries.push(Entry::Notification(Box::new(notices::notification(found)?)));
        }
        let is_full = rows.len() >= wanted.limit;
        out.more |= is_full;
        out.places.notifications = place_behind(last, is_full, after, out.places.notifications);
        Ok(())
    }

    pub(super) async fn advance(
        &self,
        reader: &str,
        from: Places,
        to: Places,
        letter: Option<NewLetter>,
    ) -> Result<(bool, u64), StoreError> {
        let mut writer = self.events.lock().await?;
        let mut transaction = writer.begin().await?;
        if !moved(&mut transaction, reader, from, to).await? {
            return Ok((false, 0));
        }
        let mut removed = 0;
        if let Some(letter) = letter {
            removed = super::letters::insert(&mut transaction, reader, letter).await?;
        }
        transaction.commit().await?;
        Ok((true, removed))
    }

    pub(super) async fn write_delivery(
        &self,
        reader: &str,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut writer = self.events.lock().await?;
        let mut transaction = writer.begin().await?;
        query(
            "UPDATE cursors SET error = $2,
                delivered_at = CASE WHEN $3 THEN $4 ELSE delivered_at END
             WHERE reader = $1",
        )
        .bind(reader)
        .bind(error)
        .bind(error.is_none())
        .bind(clock::now().as_millisecond())
        .execute(&mut transaction)
        .await?;
        transaction.commit().await
    }

    pub(super) async fn read_deliveries(
        &self,
        readers: &[String],
    ) -> Result<HashMap<String, Deliveries>, StoreError> {
        let mut deliveries = HashMap::with_capacity(readers.len());
        for chunk in readers.chunks(limits::STORE_VALUES) {
            let mut sql =
                Builder::new("SELECT reader, delivered_at, error FROM cursors WHERE reader IN (");
            sql.push_list(chunk.iter()).push(")");
            for found in sql.build().persistent(false).fetch_all(&self.events_readers).await? {
                let how = Deliveries {
                    delivered_at: row::time_or_none(&found, "delivered_at")?,
                    error: row::text_or_none(&found, "error")?,
                };
                deliveries.insert(row::text(&found, "reader")?, how);
            }
        }
        Ok(deliveries)
    }
}

/// Moves a reader, where it stands at `from`.
pub(super) async fn moved(
    connection: &mut dyn Connection,
    reader: &str,
    from: Places,
    to: Places,
) -> Result<bool, StoreError> {
    let moved = query(
        "UPDATE cursors SET events = $5, audit = $6, notifications = $7
         WHERE reader = $1 AND events = $2 AND audit = $3 AND notifications = $4",
    )
    .bind(reader)
    .bind(from.events)
    .bind(from.audit)
    .bind(from.notifications)
    .bind(to.events)
    .bind(to.audit)
    .bind(to.notifications)
    .execute(connection)
    .await?;
    Ok(moved > 0)
}
