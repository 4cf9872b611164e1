//! Opening a store of PostgreSQL: key, schemas, connections; and what to do where one of them is not
//! as it should be.

use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use uuid::Uuid;

use super::changes::Feed;
use super::database::{Connection, Pool, Writer, query};
use super::{SqlStore, copy, fingerprint_key, row, search};
use crate::config::limits;
use crate::store::ring::{Given, Keyring};
use crate::store::{KeySource, StoreError};

/// A migration that is added makes this file be compiled anew only together with its own change,
/// or with `touch`.
static DECISIONS: Migrator = sqlx::migrate!("migrations/postgres/decisions");
static EVENTS: Migrator = sqlx::migrate!("migrations/postgres/events");

/// The schemas, each with what it is marked with as ours, and what brings it to this version.
const SCHEMAS: [(&str, &Migrator); 2] = [("decisions", &DECISIONS), ("events", &EVENTS)];
const MARK: &str = "leakgate";

/// Numbers of advisory locks: the letters `leak`, and what is locked.
const LOCK_OF_DECISIONS: i64 = 0x6c65_616b_0000_0001;
const LOCK_OF_EVENTS: i64 = 0x6c65_616b_0000_0002;
const LOCK_OF_SETUP: i64 = 0x6c65_616b_0000_0003;

/// The oldest version of the server that is known to do.
const OLDEST_SERVER: u32 = 13;

/// Whether a store's url is one of PostgreSQL.
pub(in crate::store) fn is_url(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// How connections are made: as the url says, and `PGPASSWORD` and the like where it does not.
struct Server {
    options: PgConnectOptions,
    /// Names this process in the database.
    process: String,
}

impl Server {
    fn of_url(url: &str) -> Result<Self, StoreError> {
        // What is wrong is not told: the url may hold a password.
        let options: PgConnectOptions = url.parse().map_err(|_| {
            StoreError::Unusable(
                "the store's url is not one of PostgreSQL: write postgres://USER@HOST:PORT/DATABASE, with ?sslmode=verify-full where it is on another machine"
                    .to_owned(),
            )
        })?;
        let process = Uuid::now_v7().simple().to_string();
        let milliseconds = |time: std::time::Duration| time.as_millis().to_string();
        let options = options
            .application_name("leakgate")
            .options([
                ("leakgate.process", process.as_str()),
                ("client_min_messages", "warning"),
                // A process that hangs in a transaction must not hold up the others for ever.
                (
                    "idle_in_transaction_session_timeout",
                    &milliseconds(limits::STORE_IDLE_TRANSACTION),
                ),
            ])
            .disable_statement_logging();
        Ok(Self { options, process })
    }

    /// A connection to set the store up, or to look at it.
    async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connection =
            self.options.connect().await.map_err(|error| self.cannot_connect(&error))?;
        match connection.server_version_num() {
            Some(version) if version < OLDEST_SERVER * 10_000 => {
                Err(StoreError::Unusable(format!(
                    "PostgreSQL {} is too old: {OLDEST_SERVER} is the oldest that leakgate works with",
                    version / 10_000
                )))
            }
            _ => Ok(connection),
        }
    }

    /// Where it is, without what is secret.
    fn place(&self) -> String {
        let database = self.options.get_database().unwrap_or(self.options.get_username());
        match self.options.get_socket().map(Path::new) {
            Some(socket) => format!("{database} at {}", socket.display()),
            None => {
                format!("{database} at {}:{}", self.options.get_host(), self.options.get_port())
            }
        }
    }

    fn cannot_connect(&self, error: &sqlx::Error) -> StoreError {
        StoreError::Unusable(format!(
            "the PostgreSQL database {} cannot be opened: {error}; look whether the server runs, the database is made, and this user may connect",
            self.place()
        ))
    }

    fn cannot_set_up(&self, error: &sqlx::Error) -> StoreError {
        StoreError::Unusable(format!(
            "the PostgreSQL database {} cannot be set up: {error}; give its user the right to create schemas in it",
            self.place()
        ))
    }

    /// Connections that see the tables of one schema, and the other one's by its name.
    fn pool(&self, schema: &'static str, count: u32, reads: bool) -> PgPool {
        let lock_timeout = limits::STORE_LOCK_TIMEOUT.as_millis().to_string();
        let statement_timeout = limits::STORE_STATEMENT.as_millis().to_string();
        let options = self.options.clone().options([
            ("search_path", schema),
            ("lock_timeout", lock_timeout.as_str()),
            ("statement_timeout", statement_timeout.as_str()),
            ("default_transaction_read_only", if reads { "on" } else { "off" }),
            // What writes looks everything up by an index. A plan that was made while a table was
            // empty, as those of foreign keys are, would read through all of it for each row of a
            // large import.
            ("enable_seqscan", if reads { "on" } else { "off" }),
            // What is asked here is answered in less time than compiling it takes.
            ("jit", "off"),
        ]);
        PgPoolOptions::new()
            .max_connections(count)
            .acquire_timeout(limits::STORE_READER_TIMEOUT)
            .connect_lazy_with(options)
    }

    /// The store, whose connections are made when they are needed.
    fn assembled(
        self,
        keys: Keyring,
        fingerprint_key: crate::model::fingerprint::FingerprintKey,
        reads: bool,
    ) -> SqlStore {
        let readers = |schema, count| Pool::Postgres(self.pool(schema, count, true));
        let writer =
            |schema, count, lock| Writer::Postgres { pool: self.pool(schema, count, reads), lock };
        SqlStore {
            decisions: writer("decisions", limits::STORE_WRITERS, LOCK_OF_DECISIONS),
            events: writer("events", limits::STORE_WRITERS, LOCK_OF_EVENTS),
            decisions_readers: readers("decisions", limits::STORE_READERS),
            events_readers: readers("events", limits::STORE_READERS),
            reserved_readers: readers("decisions", limits::STORE_RESERVED_READERS),
            reserved_events_reader: readers("events", 1),
            keys,
            key_files: None,
            fingerprint_key,
            used: super::risk::Used::default(),
            // One to listen, one to ask.
            feed: Some(Feed::new(self.pool("decisions", 2, true), self.process.clone())),
            lock: None.into(),
        }
    }
}

/// Opens for reading and writing; makes what is not there yet.
pub(super) async fn open(
    url: &str,
    source: &KeySource,
) -> Result<(SqlStore, Vec<String>), StoreError> {
    let server = Server::of_url(url)?;
    let given = given(source)?;
    let mut connection = prepared(&server).await?;
    enter(&mut connection, "decisions").await?;
    search::fill(&mut connection).await?;
    let (fingerprint_key, keys) = fingerprint_key::of_fingerprints(&mut connection, given).await?;
    let notices = risks(&mut connection).await?;
    // The lock ends with the connection.
    let _ = sqlx::Connection::close(connection).await;
    Ok((server.assembled(keys, fingerprint_key, false), notices))
}

/// A connection to the database, with the schemas of this version, and locked against processes that
/// set it up too: they do so one after the other. The lock ends with the connection.
async fn prepared(server: &Server) -> Result<PgConnection, StoreError> {
    let mut connection = server.connect().await?;
    query("SELECT pg_advisory_lock($1)").bind(LOCK_OF_SETUP).execute(&mut connection).await?;
    for (schema, migrator) in SCHEMAS {
        claim(&mut connection, schema).await.map_err(|error| match error {
            Claim::Taken => StoreError::Unusable(format!(
                "the PostgreSQL database {} has a schema {schema} of another program: give leakgate a database of its own",
                server.place()
            )),
            Claim::Failed(error) => server.cannot_set_up(&error),
        })?;
        enter(&mut connection, schema).await?;
        migrator.run(&mut connection).await.map_err(|error| match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => newer(server),
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                server.cannot_set_up(&error)
            }
            other => StoreError::Unusable(format!(
                "the PostgreSQL database {} cannot be brought to this version: {other}",
                server.place()
            )),
        })?;
    }
    Ok(connection)
}

/// The same of a database that a store is copied into, and in which nothing is yet.
pub(super) async fn prepare_target(url: &str) -> Result<PgConnection, StoreError> {
    let server = Server::of_url(url)?;
    let mut connection = prepared(&server).await?;
    // The key of fingerprints is what a store has from its first start on.
    if copy::count(&mut connection, "decisions.meta").await? > 0 {
        return Err(StoreError::Unusable(format!(
            "nothing was copied: there is a store in the PostgreSQL database {} already; give an empty one",
            server.place()
        )));
    }
    Ok(connection)
}

/// The tables of both schemas that SQLite has as well.
pub(super) async fn tables(connection: &mut dyn Connection) -> Result<Vec<String>, StoreError> {
    query(
        "SELECT CONCAT(schemaname, '.', tablename) AS name FROM pg_tables
         WHERE schemaname IN ('decisions', 'events')
            AND tablename NOT IN ('_sqlx_migrations', 'changes')
         ORDER BY 1",
    )
    .fetch_all(connection)
    .await?
    .iter()
    .map(|found| row::text(found, "name"))
    .collect()
}

/// Opens for reading beside processes that write: makes nothing, changes no schema.
pub(super) async fn open_reading(url: &str, source: &KeySource) -> Result<SqlStore, StoreError> {
    let server = Server::of_url(url)?;
    let given = given(source)?;
    let mut connection = server.connect().await?;
    for (schema, migrator) in SCHEMAS {
        if !is_ours(&mut connection, schema).await?.unwrap_or_default() {
            return Err(StoreError::Unusable(format!(
                "there is no store in the PostgreSQL database {}: `leakgate serve` makes it at its first start",
                server.place()
            )));
        }
        enter(&mut connection, schema).await?;
        let found = query("SELECT MAX(version) AS version FROM _sqlx_migrations WHERE success")
            .fetch_one(&mut connection)
            .await?;
        let version = row::number_or_none(&found, "version")?;
        let known = migrator.iter().map(|migration| migration.version).max();
        match version.cmp(&known) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => return Err(newer(&server)),
            std::cmp::Ordering::Less => {
                return Err(StoreError::Unusable(format!(
                    "the PostgreSQL database {} is from an older version: start `leakgate serve` of this version once, which brings it up to date",
                    server.place()
                )));
            }
        }
    }
    enter(&mut connection, "decisions").await?;
    let (fingerprint_key, keys) =
        fingerprint_key::stored(&mut connection, given).await?.ok_or_else(|| {
            StoreError::Unusable(format!(
                "the PostgreSQL database {} was never set up to its end: start `leakgate serve` once",
                server.place()
            ))
        })?;
    let _ = sqlx::Connection::close(connection).await;
    Ok(server.assembled(keys, fingerprint_key, true))
}

/// The key, which cannot lie beside the database: all processes that use it must have the same.
fn given(source: &KeySource) -> Result<Given, StoreError> {
    source.given()?.ok_or_else(|| {
        StoreError::Unusable(
            "with PostgreSQL the key comes from LEAKGATE_KEY: make one with `openssl rand -hex 32`, keep it safe, and give the same to every process that uses the database"
                .to_owned(),
        )
    })
}

/// Why a schema could not be had.
enum Claim {
    Taken,
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Claim {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

/// Whether a schema is marked as ours; none where there is no such schema.
async fn is_ours(connection: &mut PgConnection, schema: &str) -> Result<Option<bool>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT COALESCE(obj_description(oid, 'pg_namespace') = $2, FALSE)
         FROM pg_namespace WHERE nspname = $1",
    )
    .bind(schema)
    .bind(MARK)
    .fetch_optional(connection)
    .await
}

/// Makes a schema and marks it as ours, or finds that it is.
async fn claim(connection: &mut PgConnection, schema: &'static str) -> Result<(), Claim> {
    match is_ours(connection, schema).await? {
        Some(true) => return Ok(()),
        Some(false) => return Err(Claim::Taken),
        None => {}
    }
    let made = format!("CREATE SCHEMA {schema}; COMMENT ON SCHEMA {schema} IS '{MARK}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(made)).execute(connection).await?;
    Ok(())
}

/// Makes a schema the one that names without one mean.
async fn enter(connection: &mut PgConnection, schema: &'static str) -> Result<(), StoreError> {
    query("SELECT set_config('search_path', $1, FALSE)").bind(schema).execute(connection).await?;
    Ok(())
}

/// Settings of the server under which what was acknowledged may be lost.
async fn risks(connection: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    let found = query(
        "SELECT current_setting('fsync') AS fsync,
            current_setting('synchronous_commit') AS synchronous_commit",
    )
    .fetch_one(connection)
    .await?;
    let mut notices = Vec::new();
    for setting in ["fsync", "synchronous_commit"] {
        if row::text(&found, setting)? == "off" {
            notices.push(format!(
                "PostgreSQL runs with {setting} = off: decisions may be lost when its machine fails; turn it on"
            ));
        }
    }
    Ok(notices)
}

fn newer(server: &Server) -> StoreError {
    StoreError::Unusable(format!(
        "the PostgreSQL database {} was made by a newer version of leakgate: run that version, or put back a backup from before it",
        server.place()
    ))
}
