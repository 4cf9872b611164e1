//! Opening a store of SQLite: files, lock, key, schema; and what to do where one of them is not as it should be.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::ConnectOptions as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};

use super::database::{Pool, SqliteWriter, Writer};
use super::key_files::KeyFiles;
use super::{SqlStore, fingerprint_key, row, search};
use crate::config::limits;
use crate::model::fingerprint::FingerprintKey;
use crate::store::ring::Keyring;
use crate::store::{KeySource, StoreError};

/// A migration that is added makes this file be compiled anew only together with its own change,
/// or with `touch`.
pub(super) static DECISIONS: Migrator = sqlx::migrate!("migrations/sqlite/decisions");
pub(super) static EVENTS: Migrator = sqlx::migrate!("migrations/sqlite/events");

/// What the header of a leakgate database says: the letters `leak`.
const APPLICATION_ID: i32 = 0x6c65_616b;

/// The files of one store.
pub(super) struct Files {
    pub(super) decisions: PathBuf,
    pub(super) events: PathBuf,
    key: PathBuf,
    lock: PathBuf,
}

impl Files {
    /// The files that belong to `sqlite:PATH` or `sqlite://PATH`.
    pub(super) fn of_url(url: &str) -> Result<Self, StoreError> {
        let unsupported = || {
            StoreError::Unusable(
                "the store's url must be sqlite: and the path of a file, such as sqlite:leakgate.db"
                    .to_owned(),
            )
        };
        let rest = url.strip_prefix("sqlite:").ok_or_else(unsupported)?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path.contains(['?', '\0']) || path.starts_with(":memory:") {
            return Err(unsupported());
        }
        let decisions = PathBuf::from(path);
        let stem = decisions.file_stem().and_then(|stem| stem.to_str()).ok_or_else(unsupported)?;
        let beside = |name: String| decisions.with_file_name(name);
        let events = match decisions.extension().and_then(|extension| extension.to_str()) {
            Some(extension) => beside(format!("{stem}-events.{extension}")),
            None => beside(format!("{stem}-events")),
        };
        let key = beside(format!("{stem}.key"));
        let lock = beside(format!("{stem}.lock"));
        if key == decisions || lock == decisions {
            return Err(StoreError::Unusable(format!(
                "{} is the name of the store's key or lock file: give the database another, such as leakgate.db",
                decisions.display()
            )));
        }
        Ok(Self { decisions, events, key, lock })
    }
}

/// Opens for reading and writing; makes what is not there yet.
pub(in crate::store) async fn open(
    url: &str,
    source: &KeySource,
) -> Result<(SqlStore, Vec<String>), StoreError> {
    let files = Files::of_url(url)?;
    let lock = lock(&files)?;
    let mut notices = Vec::new();

    let is_new = !has_content(&files.decisions)?;
    let key_files = KeyFiles::of(&files.key);
    let given = match source.given()? {
        Some(given) => given,
        None => key_files.given(is_new, &mut notices)?.ok_or_else(|| missing_key(&files))?,
    };
    if !is_new && !has_content(&files.events)? {
        notices.push(format!(
            "the events database {} is not there: beginning a new one",
            files.events.display()
        ));
    }

    let decided = writing(&files.decisions, SqliteSynchronous::Full);
    let mut decisions = writer(&files.decisions, &decided, &DECISIONS).await?;
    let used = writing_events(&files.events);
    let events = writer(&files.events, &used, &EVENTS).await?;
    search::fill(&mut decisions).await?;
    let given = match source {
        KeySource::File => key_files.settled(&mut decisions, given, true).await?,
        _ => given,
    };
    let (fingerprint_key, keys) = fingerprint_key::of_fingerprints(&mut decisions, given).await?;
    let key_files = matches!(source, KeySource::File).then_some(key_files);
    let decisions = SqliteWriter::new(decisions, decided);
    let events = SqliteWriter::new(events, used);
    let store =
        assembled(&files, [decisions, events], (keys, key_files), fingerprint_key, Some(lock))
            .await?;
    Ok((store, notices))
}

/// Opens for reading beside a process that writes: takes no lock, makes nothing, changes no schema.
pub(in crate::store) async fn open_reading(
    url: &str,
    source: &KeySource,
) -> Result<SqlStore, StoreError> {
    let files = Files::of_url(url)?;
    for path in [&files.decisions, &files.events] {
        if !has_content(path)? {
            return Err(StoreError::Unusable(format!(
                "there is no database {}: `leakgate serve` makes it at its first start",
                path.display()
            )));
        }
    }
    let key_files = KeyFiles::of(&files.key);
    let given = match source.given()? {
        Some(given) => given,
        None => key_files.given(false, &mut Vec::new())?.ok_or_else(|| missing_key(&files))?,
    };
    let mut decisions = reader(&files.decisions, &DECISIONS).await?;
    let events = reader(&files.events, &EVENTS).await?;
    let given = match source {
        KeySource::File => key_files.settled(&mut decisions, given, false).await?,
        _ => given,
    };
    let (fingerprint_key, keys) =
        fingerprint_key::stored(&mut decisions, given).await?.ok_or_else(|| {
            StoreError::Unusable(format!(
                "the database {} was never set up to its end: start `leakgate serve` once",
                files.decisions.display()
            ))
        })?;
    let decisions = SqliteWriter::new(decisions, options(&files.decisions).read_only(true));
    let events = SqliteWriter::new(events, options(&files.events).read_only(true));
    assembled(&files, [decisions, events], (keys, None), fingerprint_key, None).await
}

/// The store, with its reading connections.
async fn assembled(
    files: &Files,
    [decisions, events]: [SqliteWriter; 2],
    (keys, key_files): (Keyring, Option<KeyFiles>),
    fingerprint_key: FingerprintKey,
    lock: Option<File>,
) -> Result<SqlStore, StoreError> {
    let of_decisions = |count| readers(&files.decisions, &files.events, "events", count);
    let of_events = |count| readers(&files.events, &files.decisions, "decisions", count);
    Ok(SqlStore {
        decisions: Writer::Sqlite(Box::new(decisions)),
        events: Writer::Sqlite(Box::new(events)),
        decisions_readers: of_decisions(limits::STORE_READERS).await?,
        events_readers: of_events(limits::STORE_READERS).await?,
        reserved_readers: of_decisions(limits::STORE_RESERVED_READERS).await?,
        reserved_events_reader: of_events(1).await?,
        keys,
        key_files,
        fingerprint_key,
        used: super::risk::Used::default(),
        feed: None,
        lock: lock.into(),
    })
}

fn missing_key(files: &Files) -> StoreError {
    StoreError::Unusable(format!(
        "the database {} is there, but its key file {} is not: put the key file back, or set LEAKGATE_KEY if it was made with that",
        files.decisions.display(),
        files.key.display()
    ))
}

/// Whether there is a file with something in it.
pub(super) fn has_content(path: &Path) -> Result<bool, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(metadata.len() > 0),
        Ok(_) => Err(StoreError::Unusable(format!(
            "{} is not a file: give the path of a database file in [store] url",
            path.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unusable(path, "cannot be opened", &error)),
    }
}

fn unusable(path: &Path, what: &str, error: &std::io::Error) -> StoreError {
    let hint = match error.kind() {
        ErrorKind::NotFound => "make its directory first",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "give the user that runs leakgate the right to write it and its directory"
        }
        _ => "see to it, or give another path in [store] url",
    };
    StoreError::Unusable(format!("{} {what}: {error}; {hint}", path.display()))
}

/// Takes the store for this process; the lock ends with the file that is returned. It is a file of
/// its own since SQLite's own locks on a database end when any handle on that database is closed.
pub(super) fn lock(files: &Files) -> Result<File, StoreError> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&files.lock)
        .map_err(|error| unusable(&files.lock, "cannot be made", &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(32).read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => String::new(),
                process => format!(" (process {process})"),
            };
            return Err(StoreError::Unusable(format!(
                "the database {} is in use by another leakgate{holder}: stop that one, or give this one another [store] url",
                files.decisions.display()
            )));
        }
        Err(TryLockError::Error(error)) => {
            return Err(unusable(&files.lock, "cannot be locked", &error));
        }
    }
    // Only for the message above; a lock without a name in it is as good.
    let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(file)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(limits::STORE_BUSY_TIMEOUT)
        // Statements carry no values, but a line for each is of no use to anyone.
        .disable_statement_logging()
}

/// How a writing connection is opened.
fn writing(path: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .pragma("journal_size_limit", limits::STORE_WAL_BYTES.to_string())
        .optimize_on_close(true, limits::STORE_ANALYSIS_ROWS)
}

/// The same for events, which come in batches and are many.
fn writing_events(path: &Path) -> SqliteConnectOptions {
    writing(path, SqliteSynchronous::Normal)
        .pragma("wal_autocheckpoint", limits::STORE_WAL_PAGES.to_string())
        // Less than 0, it is in KiB.
        .pragma("cache_size", format!("-{}", limits::STORE_WRITER_CACHE / 1024))
}

/// The writing connection of one database, with the schema of this version.
async fn writer(
    path: &Path,
    options: &SqliteConnectOptions,
    migrator: &Migrator,
) -> Result<SqliteConnection, StoreError> {
    // Made here and not by SQLite, so that nobody else can read it or the files that SQLite makes
    // beside it, which take over its mode.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| unusable(path, "cannot be written", &error))?;
    let mut connection = options.connect().await.map_err(|error| cannot_open(path, &error))?;
    claim(&mut connection).await.map_err(|error| cannot_open(path, &error))?;
    check(&mut connection, path).await?;
    migrator.run(&mut connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => newer(path),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            cannot_open(path, &error)
        }
        other => StoreError::Unusable(format!(
            "the database {} cannot be brought to this version: {other}",
            path.display()
        )),
    })?;
    Ok(connection)
}

/// Marks a database without anything in it as ours.
async fn claim(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await?;
    if tables == 0 {
        sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}")))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// A connection that cannot write, on a database that has the schema of this version.
pub(super) async fn reader(
    path: &Path,
    migrator: &Migrator,
) -> Result<SqliteConnection, StoreError> {
    let mut connection =
        options(path).read_only(true).connect().await.map_err(|error| cannot_open(path, &error))?;
    check(&mut connection, path).await?;
    let version: Option<i64> =
        sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| cannot_open(path, &error))?;
    let known = migrator.iter().map(|migration| migration.version).max();
    match version.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(connection),
        std::cmp::Ordering::Greater => Err(newer(path)),
        std::cmp::Ordering::Less => Err(StoreError::Unusable(format!(
            "the database {} is from an older version: start `leakgate serve` of this version once, which brings it up to date",
            path.display()
        ))),
    }
}

/// Whether a database out of a backup is sound, and of this version or one before it.
pub(super) async fn check_restored(path: &Path, migrator: &Migrator) -> Result<(), StoreError> {
    let failed = |error: sqlx::Error| cannot_open(path, &error);
    let mut connection = options(path).read_only(true).connect().await.map_err(failed)?;
    check(&mut connection, path).await?;
    let version: Option<i64> = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    let known = migrator.iter().map(|migration| migration.version).max();
    let _ = sqlx::Connection::close(connection).await;
    if version > known { Err(newer(path)) } else { Ok(()) }
}

/// Whether it is a sound database of ours. A large one is not read through: damage there shows when
/// the damaged part is used.
async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let application: i32 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| cannot_open(path, &error))?;
    if application != APPLICATION_ID {
        return Err(StoreError::Unusable(format!(
            "{} is a database of another program: give another path in [store] url",
            path.display()
        )));
    }
    let bytes = fs::metadata(path).map_err(|error| unusable(path, "cannot be read", &error))?.len();
    if bytes > limits::STORE_CHECKED_BYTES {
        return Ok(());
    }
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| cannot_open(path, &error))?;
    if found == "ok" { Ok(()) } else { Err(damaged(path)) }
}

fn cannot_open(path: &Path, error: &sqlx::Error) -> StoreError {
    if row::is_damage(error) {
        return damaged(path);
    }
    StoreError::Unusable(format!(
        "the database {} cannot be opened: {error}; look whether it and its directory can be written and the disk has room",
        path.display()
    ))
}

fn damaged(path: &Path) -> StoreError {
    StoreError::Unusable(format!(
        "{} is not a database or is damaged: put back a backup of it, or move it away to begin anew",
        path.display()
    ))
}

fn newer(path: &Path) -> StoreError {
    StoreError::Unusable(format!(
        "the database {} was made by a newer version of leakgate: run that version, or put back a backup from before it",
        path.display()
    ))
}

/// Connections that read one database, with the other one attached.
async fn readers(
    path: &Path,
    other: &Path,
    name: &'static str,
    count: u32,
) -> Result<Pool, StoreError> {
    let other = other.to_string_lossy().into_owned();
    SqlitePoolOptions::new()
        .max_connections(count)
        .acquire_timeout(limits::STORE_READER_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let other = other.clone();
            Box::pin(async move {
                let attach = match name {
                    "events" => "ATTACH DATABASE $1 AS events",
                    _ => "ATTACH DATABASE $1 AS decisions",
                };
                sqlx::query(attach).bind(other).execute(connection).await.map(|_| ())
            })
        })
        .connect_with(options(path).read_only(true))
        .await
        .map(Pool::Sqlite)
        .map_err(|error| cannot_open(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::role::{Actor, Role};
    use crate::store::Store as _;
    use crate::store::sql::database::query;
    use crate::store::types::Bypass;

    fn actor() -> Actor {
        Actor {
            name: "ada".to_owned(),
            role: Role::Administrator,
            tenant: "default".to_owned(),
            user: None,
            api_token: None,
            address: None,
        }
    }

    async fn fresh(directory: &tempfile::TempDir) -> SqlStore {
        let url = format!("sqlite:{}", directory.path().join("leakgate.db").display());
        open(&url, &KeySource::File).await.unwrap().0
    }

    /// What SQLite does by itself where the disk is full or fails.
    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_does_not_stop_writing() {
        let directory = tempfile::tempdir().unwrap();
        let store = fresh(&directory).await;
        {
            let mut writer = store.decisions.lock().await.unwrap();
            let mut transaction = writer.begin().await.unwrap();
            query("ROLLBACK").execute(&mut transaction).await.unwrap();
        }
        let on = Bypass { on: true, ..Bypass::default() };
        store.set_bypass(on, &actor()).await.unwrap();
        assert!(store.bypass().await.unwrap().on);
        store.close().await;
    }

    #[tokio::test]
    async fn a_full_disk_stops_writing_only_while_it_is_full() {
        let directory = tempfile::tempdir().unwrap();
        let store = fresh(&directory).await;
        {
            let mut writer = store.decisions.lock().await.unwrap();
            query("PRAGMA max_page_count = 1").execute(&mut writer).await.unwrap();
        }
        let reason = Some("r".repeat(100_000));
        let on = Bypass { on: true, reason, ..Bypass::default() };
        for _ in 0..3 {
            let error = store.set_bypass(on.clone(), &actor()).await.unwrap_err();
            assert!(error.to_string().contains("full"), "{error}");
            // Unless it was opened anew, the connection keeps this limit.
            let mut writer = store.decisions.lock().await.unwrap();
            query("PRAGMA max_page_count = 1").execute(&mut writer).await.unwrap();
        }
        {
            let mut writer = store.decisions.lock().await.unwrap();
            query("PRAGMA max_page_count = 100000").execute(&mut writer).await.unwrap();
        }
        store.set_bypass(on, &actor()).await.unwrap();
        store.close().await;
    }
}
