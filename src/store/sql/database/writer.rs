//! Who writes. Decisions are written one after the other, whichever process makes them: in SQLite
//! by the one connection that writes, in PostgreSQL under a lock that ends with the transaction.

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, Postgres};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::{Connection, Session, Transaction};
use crate::store::StoreError;

/// What writes a database.
pub(in crate::store::sql) enum Writer {
    Sqlite(Box<SqliteWriter>),
    Postgres {
        pool: PgPool,
        /// The number of the lock that a transaction takes.
        lock: i64,
    },
}

/// The one connection that writes a database of SQLite.
pub(in crate::store::sql) struct SqliteWriter {
    connection: Mutex<Option<SqliteConnection>>,
    /// How it is opened again.
    options: SqliteConnectOptions,
}

/// A connection that writes, held by somebody.
pub(in crate::store::sql) enum Held<'w> {
    Sqlite(MappedMutexGuard<'w, SqliteConnection>),
    Postgres { connection: PoolConnection<Postgres>, lock: i64 },
}

impl Connection for Held<'_> {
    fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(connection) => Session::Sqlite(connection),
            Self::Postgres { connection, .. } => Session::Postgres(connection),
        }
    }
}

impl Held<'_> {
    /// Begins a transaction that is alone in writing from the start, so that what it reads stays
    /// true until it ends.
    ///
    /// PostgreSQL gives the lock up only after what was written can be seen, and each statement of
    /// the transaction sees what was there when it began: whoever has the lock sees all that was
    /// written before.
    pub(in crate::store::sql) async fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                // One that began by reading could find that another process has written meanwhile.
                Ok(Transaction::Sqlite(connection.begin_with("BEGIN IMMEDIATE").await?))
            }
            Self::Postgres { connection, lock } => {
                let mut transaction = sqlx::Connection::begin(&mut **connection).await?;
                sqlx::query("SELECT pg_advisory_xact_lock($1)")
                    .bind(*lock)
                    .execute(&mut *transaction)
                    .await?;
                Ok(Transaction::Postgres(transaction))
            }
        }
    }
}

impl Writer {
    /// Waits for a connection, which is in no transaction.
    pub(in crate::store::sql) async fn lock(&self) -> Result<Held<'_>, StoreError> {
        Ok(match self {
            Self::Sqlite(writer) => Held::Sqlite(writer.lock().await?),
            Self::Postgres { pool, lock } => {
                Held::Postgres { connection: pool.acquire().await?, lock: *lock }
            }
        })
    }

    /// A connection, where one is free at the moment.
    pub(in crate::store::sql) fn try_lock(&self) -> Option<Held<'_>> {
        Some(match self {
            Self::Sqlite(writer) => {
                let held = writer.connection.try_lock().ok()?;
                Held::Sqlite(MutexGuard::try_map(held, Option::as_mut).ok()?)
            }
            Self::Postgres { pool, lock } => {
                Held::Postgres { connection: pool.try_acquire()?, lock: *lock }
            }
        })
    }

    /// Closes it. With SQLite, that brings what is in the log into the database itself; what could
    /// not be brought over is in the log still, and is found there at the next start.
    pub(in crate::store::sql) async fn close(&self) {
        match self {
            Self::Sqlite(writer) => {
                if let Some(connection) = writer.connection.lock().await.take() {
                    let _ = connection.close().await;
                }
            }
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }
}

impl SqliteWriter {
    pub(in crate::store::sql) fn new(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
    ) -> Self {
        Self { connection: Mutex::new(Some(connection)), options }
    }

    /// SQLite ends a transaction by itself where the disk is full or fails; the library does not
    /// learn of it, and would begin none ever again. Such a connection is opened anew.
    async fn lock(&self) -> Result<MappedMutexGuard<'_, SqliteConnection>, StoreError> {
        let mut held = MutexGuard::try_map(self.connection.lock().await, Option::as_mut)
            .map_err(|_| StoreError::Failed("the store is closed".to_owned()))?;
        if held.is_in_transaction() {
            // A transaction that was dropped is rolled back behind our back: that is waited for.
            let answers = held.ping().await.is_ok();
            if !answers || held.is_in_transaction() {
                tracing::warn!("a database's writing connection is opened anew after a failure");
                *held = self.options.connect().await?;
            }
        }
        Ok(held)
    }
}
