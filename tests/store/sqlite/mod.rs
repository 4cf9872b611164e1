//! The embedded store.

mod at_rest;
mod backup;
mod kill;
mod opening;
mod suite;
mod volume;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use leakgate::store::{self, KeySource, Opened, Store, StoreError};

/// A store in a directory of its own.
pub struct Fresh {
    directory: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Fresh {
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    pub async fn end(self) {
        self.store.close().await;
    }

    /// The file of leaks and decisions.
    fn database(&self) -> PathBuf {
        self.directory.path().join("leakgate.db")
    }
}

pub async fn fresh() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let opened = open(&directory.path().join("leakgate.db")).await.unwrap();
    Fresh { directory, store: opened.store }
}

fn url(database: &Path) -> String {
    format!("sqlite:{}", database.display())
}

async fn open(database: &Path) -> Result<Opened, StoreError> {
    store::open(&url(database), KeySource::File).await
}

async fn open_reading(database: &Path) -> Result<Arc<dyn Store>, StoreError> {
    store::open_reading(&url(database), KeySource::File).await
}

/// A connection of the test's own to a database that no store has open.
async fn connect(database: &Path) -> sqlx::SqliteConnection {
    use sqlx::ConnectOptions as _;
    sqlx::sqlite::SqliteConnectOptions::new().filename(database).connect().await.unwrap()
}

/// Changes a database behind the store's back.
async fn execute(database: &Path, sql: impl Into<String>) -> Result<(), sqlx::Error> {
    use sqlx::Connection as _;
    let mut connection = connect(database).await;
    let sql = sqlx::AssertSqlSafe(sql.into());
    let done = sqlx::raw_sql(sql).execute(&mut connection).await.map(|_| ());
    connection.close().await?;
    done
}

/// The texts that a query answers with.
async fn ask(database: &Path, sql: &'static str) -> Vec<String> {
    use sqlx::Connection as _;
    let mut connection = connect(database).await;
    let found = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    found
}
