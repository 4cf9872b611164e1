//! A store of SQLite copied into an empty database of PostgreSQL, in one transaction.
//!
//! Tables and columns are taken from the SQLite files themselves, so that none can be forgotten; a
//! table of PostgreSQL that has no such column refuses the copy as a whole.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::database::{Builder, Connection, Reader, Transaction, Value, query};
use super::{SqlStore, postgres, row, sqlite};
use crate::config::limits;
use crate::store::types::Copied;
use crate::store::{KeySource, StoreError};

/// A table of SQLite.
struct Table {
    name: String,
    columns: Vec<(String, Kind)>,
    /// Tables that rows of this one name.
    parents: Vec<String>,
    /// The last number that was given out, and the column it stands in.
    numbered: Option<(String, i64)>,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bytes,
    Number,
    Flag,
}

impl Kind {
    fn of_declared(declared: &str) -> Option<Self> {
        match declared {
            "TEXT" => Some(Self::Text),
            "BLOB" => Some(Self::Bytes),
            "INTEGER" => Some(Self::Number),
            "BOOLEAN" => Some(Self::Flag),
            _ => None,
        }
    }

    fn value(self, found: &SqliteRow, index: usize) -> Result<Value, sqlx::Error> {
        Ok(match self {
            Self::Text => Value::Text(found.try_get(index)?),
            Self::Bytes => Value::Bytes(found.try_get(index)?),
            Self::Number => Value::Number(found.try_get(index)?),
            Self::Flag => Value::Flag(found.try_get(index)?),
        })
    }
}

/// Copies everything. The source is locked meanwhile, and is as it was afterwards; the target has
/// all of it or nothing.
pub(in crate::store) async fn copy(
    from: &str,
    to: &str,
    source: &KeySource,
) -> Result<Copied, StoreError> {
    if postgres::is_url(from) || !postgres::is_url(to) {
        return Err(StoreError::Unusable(
            "a store is copied from SQLite to PostgreSQL: give sqlite:PATH, then postgres://USER@HOST/DATABASE"
                .to_owned(),
        ));
    }
    let (store, _) = sqlite::open(from, source).await?;
    let copied = copy_into(&store, to).await;
    crate::store::Store::close(&store).await;
    copied
}

async fn copy_into(store: &SqlStore, to: &str) -> Result<Copied, StoreError> {
    let mut connection = postgres::prepare_target(to).await?;
    let mut transaction = Transaction::Postgres(sqlx::Connection::begin(&mut connection).await?);
    // What triggers keep in step is copied as it is.
    for table in ["decisions.leaks", "events.events"] {
        let sql = format!("ALTER TABLE {table} DISABLE TRIGGER USER");
        Builder::new(&sql).build().execute(&mut transaction).await?;
    }
    let mut copied = Copied::default();
    let mut analysed = Vec::new();
    for (schema, readers) in
        [("decisions", &store.decisions_readers), ("events", &store.events_readers)]
    {
        let mut reader = readers.acquire().await?;
        let Reader::Sqlite(reader) = &mut reader else { continue };
        for table in parents_first(tables(reader).await?) {
            let name = format!("{schema}.{}", table.name);
            let count = copy_table(reader, &mut transaction, &name, &table).await?;
            analysed.push(name);
            copied.tables.push((table.name, count));
        }
    }
    let tables = postgres::tables(&mut transaction).await?;
    if let Some(other) = tables.iter().find(|name| !analysed.contains(name)) {
        return Err(StoreError::Unusable(format!(
            "nothing was copied: the source has no table for {other}, which this version needs"
        )));
    }
    for table in ["decisions.leaks", "events.events"] {
        let sql = format!("ALTER TABLE {table} ENABLE TRIGGER USER");
        Builder::new(&sql).build().execute(&mut transaction).await?;
    }
    transaction.commit().await?;
    for name in analysed {
        // A copy without statistics is slow at first, but whole.
        let analyse = AssertSqlSafe(format!("ANALYZE {name}"));
        if let Err(error) = sqlx::raw_sql(analyse).execute(&mut connection).await {
            tracing::warn!(%error, "the planner's statistics could not be gathered");
        }
    }
    let _ = sqlx::Connection::close(connection).await;
    Ok(copied)
}

/// The tables of a database, as they are declared.
async fn tables(reader: &mut SqliteConnection) -> Result<Vec<Table>, StoreError> {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let columns = sqlx::query(
        "SELECT t.name AS in_table, c.name, c.type, c.pk FROM main.sqlite_schema t
         JOIN pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
            AND t.name <> '_sqlx_migrations'
            AND t.name NOT IN (SELECT name FROM pragma_table_list WHERE type <> 'table')
         ORDER BY t.name, c.cid",
    )
    .fetch_all(&mut *reader)
    .await?;
    for found in &columns {
        let name: String = found.try_get("in_table")?;
        let (column, declared): (String, String) = (found.try_get("name")?, found.try_get("type")?);
        let kind = Kind::of_declared(&declared).ok_or_else(|| {
            StoreError::Failed(format!("{name}.{column} is of the unknown type {declared}"))
        })?;
        let table = tables.entry(name.clone()).or_insert_with(|| Table {
            name,
            columns: Vec::new(),
            parents: Vec::new(),
            numbered: None,
        });
        table.columns.push((column, kind));
    }
    for table in tables.values_mut() {
        table.parents = sqlx::query_scalar("SELECT \"table\" FROM pragma_foreign_key_list($1)")
            .bind(&table.name)
            .fetch_all(&mut *reader)
            .await?;
        let last: Option<i64> =
            sqlx::query_scalar("SELECT seq FROM main.sqlite_sequence WHERE name = $1")
                .bind(&table.name)
                .fetch_optional(&mut *reader)
                .await
                // There is no such table where no table has numbers.
                .unwrap_or_default();
        let key: Option<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_info($1) WHERE pk = 1")
                .bind(&table.name)
                .fetch_optional(&mut *reader)
                .await?;
        table.numbered = key.zip(last);
    }
    Ok(tables.into_values().collect())
}

/// The same, each after those that its rows name.
fn parents_first(mut tables: Vec<Table>) -> Vec<Table> {
    let mut sorted: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let is_next = |table: &Table| {
            table.parents.iter().all(|parent| {
                *parent == table.name || sorted.iter().any(|before| before.name == *parent)
            })
        };
        // Where two name each other, there is no right order: the database then refuses the rows.
        let next = tables.iter().position(is_next).unwrap_or_default();
        sorted.push(tables.remove(next));
    }
    sorted
}

async fn copy_table(
    reader: &mut SqliteConnection,
    transaction: &mut Transaction<'_>,
    name: &str,
    table: &Table,
) -> Result<u64, StoreError> {
    if count(transaction, name).await? > 0 {
        // What a migration has put in stands in the source as well.
        let mut sql = Builder::new("DELETE FROM ");
        sql.push(name).build().execute(&mut *transaction).await?;
    }
    let columns: Vec<&str> = table.columns.iter().map(|(column, _)| column.as_str()).collect();
    let columns = columns.join(", ");
    let select = AssertSqlSafe(format!("SELECT {columns} FROM main.{}", table.name));
    let mut rows = sqlx::query(select).fetch(reader);
    let mut batch: Vec<Vec<Value>> = Vec::with_capacity(limits::STORE_ROWS);
    let mut read = 0_u64;
    let mut written = 0_u64;
    loop {
        let found = rows.try_next().await?;
        let is_last = found.is_none();
        if let Some(found) = found {
            let values = table.columns.iter().enumerate();
            batch.push(
                values
                    .map(|(index, (_, kind))| kind.value(&found, index))
                    .collect::<Result<_, _>>()?,
            );
            read += 1;
        }
        if batch.len() == limits::STORE_ROWS || (is_last && !batch.is_empty()) {
            let is_whole = batch.len() == limits::STORE_ROWS;
            let mut sql = Builder::new("INSERT INTO ");
            sql.push(name).push(" (").push(&columns).push(") ");
            sql.push_values(batch.drain(..), |values, row| {
                for value in row {
                    values.push_bind(value);
                }
            });
            written += sql.build().persistent(is_whole).execute(&mut *transaction).await?;
        }
        if is_last {
            break;
        }
    }
    if let Some((column, last)) = &table.numbered {
        query("SELECT setval(pg_get_serial_sequence($1, $2), $3)")
            .bind(name)
            .bind(column)
            .bind((*last).max(1))
            .fetch_one(&mut *transaction)
            .await?;
    }
    let counted = count(transaction, name).await?;
    if counted != read || written != read {
        return Err(StoreError::Failed(format!(
            "nothing was copied: {name} has {counted} rows, and the source has {read}"
        )));
    }
    Ok(read)
}

/// How many rows a table of PostgreSQL has.
pub(super) async fn count(connection: &mut dyn Connection, name: &str) -> Result<u64, StoreError> {
    let mut sql = Builder::new("SELECT COUNT(*) AS count FROM ");
    sql.push(name);
    let found = sql.build().persistent(false).fetch_one(connection).await?;
    row::count(&found, "count")
}
