//! Databases of PostgreSQL for tests, each made for one test and dropped by it, on the server that
//! `scripts/test` starts.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use leakgate::model::secret::Secret;
use leakgate::store::KeySource;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

/// A database of a test's own.
pub struct Database {
    server: PgConnectOptions,
    name: String,
    url: String,
}

/// The key of the stores in them.
pub fn key() -> KeySource {
    KeySource::Environment(Secret::from("a key of a store for tests only".repeat(2)))
}

impl Database {
    /// On the server that `LEAKGATE_TEST_POSTGRES` names.
    pub async fn new() -> Self {
        let server = std::env::var("LEAKGATE_TEST_POSTGRES")
            .expect("LEAKGATE_TEST_POSTGRES must be the URL that `scripts/postgres start` prints");
        Self::on(&server).await
    }

    pub async fn on(server: &str) -> Self {
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        let url = server.replacen("/postgres?", &format!("/{name}?"), 1);
        let this = Self { server: server.parse().unwrap(), name, url };
        this.on_server(format!("CREATE DATABASE {}", this.name)).await;
        this
    }

    /// Of a store in it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection of the test's own.
    pub async fn connect(&self) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().unwrap();
        options.connect().await.unwrap()
    }

    /// Changes the database behind the store's back.
    pub async fn execute(&self, sql: impl Into<String>) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The one number that a query answers with.
    pub async fn ask(&self, sql: &'static str) -> i64 {
        let mut connection = self.connect().await;
        let found = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        found
    }

    /// Drops it, whoever is connected to it.
    pub async fn end(self) {
        self.on_server(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }

    async fn on_server(&self, sql: String) {
        let mut connection = self.server.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}
