//! Statements: their text with `$1`, `$2` … in the places of values, and the values.

use std::fmt::Write as _;

use sqlx::postgres::{PgArguments, Postgres};
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{Arguments as _, AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::{Connection, Pool, Row, Session};

/// A value that goes into a statement; `NULL` where it is none.
pub(in crate::store::sql) enum Value {
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Number(Option<i64>),
    Flag(Option<bool>),
}

macro_rules! values {
    ($($type:ty, $value:ident => $made:expr;)+) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        })+
    };
}

values! {
    &str, value => Self::Text(Some(value.to_owned()));
    String, value => Self::Text(Some(value));
    &String, value => Self::Text(Some(value.clone()));
    Option<&str>, value => Self::Text(value.map(str::to_owned));
    Option<String>, value => Self::Text(value);
    &Option<String>, value => Self::Text(value.clone());
    &[u8], value => Self::Bytes(Some(value.to_owned()));
    Vec<u8>, value => Self::Bytes(Some(value));
    Option<Vec<u8>>, value => Self::Bytes(value);
    i64, value => Self::Number(Some(value));
    Option<i64>, value => Self::Number(value);
    bool, value => Self::Flag(Some(value));
}

/// A statement with its values.
pub(in crate::store::sql) struct Query {
    sql: SqlStr,
    /// Whether the text was put together by a [`Builder`].
    is_built: bool,
    values: Vec<Value>,
    persistent: bool,
}

/// A statement of a fixed text.
pub(in crate::store::sql) fn query(sql: &'static str) -> Query {
    Query { sql: sql.into_sql_str(), is_built: false, values: Vec::new(), persistent: true }
}

/// Where a statement runs.
pub(in crate::store::sql) enum On<'e> {
    Session(Session<'e>),
    Pool(&'e Pool),
}

impl<'e, C: Connection + ?Sized> From<&'e mut C> for On<'e> {
    fn from(connection: &'e mut C) -> Self {
        Self::Session(connection.session())
    }
}

impl<'e> From<&'e Pool> for On<'e> {
    fn from(pool: &'e Pool) -> Self {
        Self::Pool(pool)
    }
}

/// Runs a statement by the method of sqlx of this name, wherever it is to run.
macro_rules! run {
    ($query:expr, $on:expr, $method:ident, $answer:ident => $sqlite:expr, $postgres:expr) => {{
        let query: Query = $query;
        match $on.into() {
            On::Session(Session::Sqlite(connection)) => {
                let $answer = query.for_sqlite()?.$method(connection).await?;
                $sqlite
            }
            On::Session(Session::Postgres(connection)) => {
                let $answer = query.for_postgres()?.$method(connection).await?;
                $postgres
            }
            On::Pool(Pool::Sqlite(pool)) => {
                let $answer = query.for_sqlite()?.$method(pool).await?;
                $sqlite
            }
            On::Pool(Pool::Postgres(pool)) => {
                let $answer = query.for_postgres()?.$method(pool).await?;
                $postgres
            }
        }
    }};
}

impl Query {
    /// Puts a value in the next place.
    pub(in crate::store::sql) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Whether the database's plan of it is kept for the next time.
    pub(in crate::store::sql) fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// Runs it; answers with how many rows it changed.
    pub(in crate::store::sql) async fn execute<'e>(
        self,
        on: impl Into<On<'e>>,
    ) -> Result<u64, sqlx::Error> {
        Ok(run!(self, on, execute, done => done.rows_affected(), done.rows_affected()))
    }

    /// All rows that it answers with.
    pub(in crate::store::sql) async fn fetch_all<'e>(
        self,
        on: impl Into<On<'e>>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        Ok(run!(self, on, fetch_all, rows =>
            rows.into_iter().map(Row::Sqlite).collect(),
            rows.into_iter().map(Row::Postgres).collect()))
    }

    /// The first row that it answers with, where there is one.
    pub(in crate::store::sql) async fn fetch_optional<'e>(
        self,
        on: impl Into<On<'e>>,
    ) -> Result<Option<Row>, sqlx::Error> {
        Ok(run!(self, on, fetch_optional, row => row.map(Row::Sqlite), row.map(Row::Postgres)))
    }

    /// The one row that it answers with.
    pub(in crate::store::sql) async fn fetch_one<'e>(
        self,
        on: impl Into<On<'e>>,
    ) -> Result<Row, sqlx::Error> {
        Ok(run!(self, on, fetch_one, row => Row::Sqlite(row), Row::Postgres(row)))
    }

    fn for_sqlite(
        self,
    ) -> Result<sqlx::query::Query<'static, Sqlite, SqliteArguments>, sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        for value in self.values {
            match value {
                Value::Text(text) => arguments.add(text),
                Value::Bytes(bytes) => arguments.add(bytes),
                Value::Number(number) => arguments.add(number),
                Value::Flag(flag) => arguments.add(flag),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        let sql = if self.is_built {
            AssertSqlSafe(without_numbers(self.sql.as_str())).into_sql_str()
        } else {
            self.sql
        };
        Ok(sqlx::query_with(sql, arguments).persistent(self.persistent))
    }

    fn for_postgres(
        self,
    ) -> Result<sqlx::query::Query<'static, Postgres, PgArguments>, sqlx::Error> {
        let mut arguments = PgArguments::default();
        for value in self.values {
            match value {
                Value::Text(text) => arguments.add(text.map(without_nul)),
                Value::Bytes(bytes) => arguments.add(bytes),
                Value::Number(number) => arguments.add(number),
                Value::Flag(flag) => arguments.add(flag),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(sqlx::query_with(self.sql, arguments).persistent(self.persistent))
    }
}

/// `?` in the places of `$1`, `$2` … SQLite keeps the names of places that have one in a list, and goes
/// through it for each: with thousands of values that takes several times as long as all the rest.
fn without_numbers(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    for (index, part) in sql.split('$').enumerate() {
        if index == 0 {
            text.push_str(part);
        } else {
            text.push('?');
            text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
    }
    text
}

/// PostgreSQL's texts hold every character but NUL, which requests and reports may carry: one event
/// with it would keep its whole batch from being stored.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// A statement that is put together piece by piece.
pub(in crate::store::sql) struct Builder {
    sql: String,
    values: Vec<Value>,
}

impl Builder {
    pub(in crate::store::sql) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    /// Adds a piece of the text, which is never made of a value.
    pub(in crate::store::sql) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a value.
    pub(in crate::store::sql) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        // Writing to a string cannot fail.
        let _ = write!(self.sql, "${}", self.values.len());
        self
    }

    /// Adds values with commas between them.
    pub(in crate::store::sql) fn push_list<V: Into<Value>>(
        &mut self,
        values: impl Iterator<Item = V>,
    ) -> &mut Self {
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.sql.push_str(", ");
            }
            self.push_bind(value);
        }
        self
    }

    /// Adds `VALUES` and a row in brackets for each item.
    pub(in crate::store::sql) fn push_values<I>(
        &mut self,
        items: impl Iterator<Item = I>,
        mut row: impl FnMut(&mut RowOfValues<'_>, I),
    ) -> &mut Self {
        self.sql.push_str("VALUES ");
        for (index, item) in items.enumerate() {
            self.sql.push_str(if index > 0 { ", (" } else { "(" });
            row(&mut RowOfValues { builder: self, is_first: true }, item);
            self.sql.push(')');
        }
        self
    }

    /// The statement as it is by now, of which nothing is left in here.
    pub(in crate::store::sql) fn build(&mut self) -> Query {
        let sql = AssertSqlSafe(std::mem::take(&mut self.sql)).into_sql_str();
        let values = std::mem::take(&mut self.values);
        Query { sql, is_built: true, values, persistent: true }
    }
}

/// A row of [`Builder::push_values`].
pub(in crate::store::sql) struct RowOfValues<'b> {
    builder: &'b mut Builder,
    is_first: bool,
}

impl RowOfValues<'_> {
    pub(in crate::store::sql) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        if !std::mem::replace(&mut self.is_first, false) {
            self.builder.push(", ");
        }
        self.builder.push_bind(value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_for_postgresql_alone() {
        let mut sql = Builder::new("INSERT INTO t (a, b) ");
        sql.push_values(1..=2_i64, |values, number| {
            values.push_bind(number).push_bind("text");
        });
        let query = sql.build();
        assert_eq!(query.sql.as_str(), "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)");
        let for_sqlite = without_numbers(query.sql.as_str());
        assert_eq!(for_sqlite, "INSERT INTO t (a, b) VALUES (?, ?), (?, ?)");
    }
}
