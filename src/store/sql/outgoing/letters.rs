//! What could not be delivered.

use super::super::database::{Builder, Connection, Row, query};
use super::super::{SqlStore, list, row};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::LetterId;
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::cursor::{Binding, Place, SortKey};
use crate::store::outgoing::{Entry, Letter, NewLetter};
use crate::store::types::{Page, PageRequest};

const COLUMNS: &str = "id, reader, tenant, at, attempts, error, count";

/// Keeps what could not be delivered; answers with how many older ones had to go.
pub(super) async fn insert(
    connection: &mut dyn Connection,
    reader: &str,
    letter: NewLetter,
) -> Result<u64, StoreError> {
    query(
        "INSERT INTO dead_letters (id, reader, tenant, at, attempts, error, count, entries)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(LetterId::new().0.as_bytes().as_slice())
    .bind(reader)
    .bind(&letter.tenant)
    .bind(clock::now().as_millisecond())
    .bind(i64::from(letter.attempts))
    .bind(&letter.error)
    .bind(row::signed(letter.entries.len()))
    .bind(row::to_json(&letter.entries)?)
    .execute(&mut *connection)
    .await?;
    let removed = query(
        "DELETE FROM dead_letters WHERE reader = $1 AND id NOT IN
            (SELECT id FROM dead_letters WHERE reader = $1 ORDER BY id DESC LIMIT $2)",
    )
    .bind(reader)
    .bind(limits::SINK_LETTERS)
    .execute(connection)
    .await?;
    Ok(removed)
}

impl SqlStore {
    pub(super) async fn list_letters(
        &self,
        of: &Tenants,
        page: &PageRequest,
    ) -> Result<Page<Letter>, StoreError> {
        let binding = Binding::new("dead_letters", &of.only());
        let limit = list::page_limit(page);
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM dead_letters WHERE 1 = 1");
        list::push_tenant(&mut sql, "tenant", of);
        if let Some(place) = binding.place(page.cursor.as_deref())? {
            sql.push(" AND id < ").push_bind(place.id);
        }
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(row::signed(limit.saturating_add(1)));
        let rows = sql.build().fetch_all(&self.events_readers).await?;
        list::page(rows, limit, &binding, place, letter)
    }

    pub(super) async fn one_letter(
        &self,
        id: LetterId,
    ) -> Result<Option<(Letter, Vec<Entry>)>, StoreError> {
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(", entries FROM dead_letters WHERE id = ");
        sql.push_bind(id.0.as_bytes().to_vec());
        let found = sql.build().fetch_optional(&self.events_readers).await?;
        found.map(|found| Ok((letter(&found)?, row::json(&found, "entries")?))).transpose()
    }

    pub(super) async fn delete_letter(&self, id: LetterId) -> Result<(), StoreError> {
        let mut writer = self.events.lock().await?;
        let mut transaction = writer.begin().await?;
        query("DELETE FROM dead_letters WHERE id = $1")
            .bind(id.0.as_bytes().as_slice())
            .execute(&mut transaction)
            .await?;
        transaction.commit().await
    }
}

fn place(found: &Row) -> Result<Place, StoreError> {
    Ok(Place { key: SortKey::Number(0), id: found.try_get("id")? })
}

fn letter(found: &Row) -> Result<Letter, StoreError> {
    Ok(Letter {
        id: LetterId(row::uuid(found, "id")?),
        sink: row::text(found, "reader")?,
        tenant: row::text_or_none(found, "tenant")?,
        at: row::time(found, "at")?,
        attempts: row::small(found, "attempts")?,
        error: row::text(found, "error")?,
        count: row::count(found, "count")?,
    })
}
