//! Backups of a store of SQLite, made while it is in use, and put back into an empty place.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sqlx::Connection as _;
use sqlx::migrate::Migrator;

use super::postgres;
use super::sqlite::{self, DECISIONS, EVENTS, Files};
use crate::store::StoreError;
use crate::store::archive::{self, Scraps};

/// Writes a copy of both databases into a new file. Answers with its length in bytes.
///
/// The events are copied first: each belongs to a leak that the copy of the decisions has.
pub(in crate::store) async fn backup(url: &str, to: &Path) -> Result<u64, StoreError> {
    if postgres::is_url(url) {
        return Err(StoreError::Unusable(
            "a store in PostgreSQL is backed up by its own tools: `pg_dump --format=custom --file=FILE URL`; keep LEAKGATE_KEY in another place"
                .to_owned(),
        ));
    }
    let files = Files::of_url(url)?;
    if to.symlink_metadata().is_ok() {
        return Err(StoreError::Unusable(format!(
            "{} is there already: give the backup another name",
            to.display()
        )));
    }
    let parts = [beside(to, ".events"), beside(to, ".decisions")];
    let whole = beside(to, ".partial");
    let _scraps = Scraps([parts.as_slice(), std::slice::from_ref(&whole)].concat());
    for ((database, migrator), part) in
        [(&files.events, &EVENTS), (&files.decisions, &DECISIONS)].into_iter().zip(&parts)
    {
        copy(database, migrator, part).await?;
    }
    let to = to.to_owned();
    blocking(move || {
        let packed = archive::pack(&parts, &whole).and_then(|length| {
            fs::rename(&whole, &to)?;
            sync_folder(&to)?;
            Ok(length)
        });
        packed.map_err(|error| cannot_write(&to, &error))
    })
    .await
}

/// Copies one database as it is at a moment.
async fn copy(database: &Path, migrator: &Migrator, to: &Path) -> Result<(), StoreError> {
    if !sqlite::has_content(database)? {
        return Err(StoreError::Unusable(format!("there is no database {}", database.display())));
    }
    // Made here, so that nobody else can read it; SQLite takes an empty file for none.
    archive::private(to).map_err(|error| cannot_write(to, &error))?;
    let mut connection = sqlite::reader(database, migrator).await?;
    sqlx::query("VACUUM INTO $1")
        .bind(to.to_string_lossy().into_owned())
        .execute(&mut connection)
        .await?;
    let _ = connection.close().await;
    Ok(())
}

/// Puts a backup into the place of a store, where none is yet.
pub(in crate::store) async fn restore(url: &str, from: &Path) -> Result<(), StoreError> {
    if postgres::is_url(url) {
        return Err(StoreError::Unusable(
            "a store in PostgreSQL is put back by its own tools, into an empty database: `pg_restore --no-owner --dbname=URL FILE`; start leakgate with the same LEAKGATE_KEY"
                .to_owned(),
        ));
    }
    let files = Files::of_url(url)?;
    // Before anything is made, so that a running process is not written over.
    let _lock = sqlite::lock(&files)?;
    for path in [&files.decisions, &files.events] {
        if sqlite::has_content(path)? {
            return Err(StoreError::Unusable(format!(
                "there is a store at {} already: restore into an empty place, and give that in [store] url",
                path.display()
            )));
        }
    }
    let parts = [beside(&files.events, ".restored"), beside(&files.decisions, ".restored")];
    let _scraps = Scraps(parts.to_vec());
    let (path, unpacked) = (from.to_owned(), parts.clone());
    blocking(move || {
        archive::unpack(&path, &unpacked)
            .map_err(|error| StoreError::Unusable(format!("{} {error}", path.display())))
    })
    .await?;
    let [events, decisions] = &parts;
    for (part, migrator) in [(events, &EVENTS), (decisions, &DECISIONS)] {
        sqlite::check_restored(part, migrator).await?;
    }
    // The decisions last: they are what makes a store.
    for (part, path) in [(events, &files.events), (decisions, &files.decisions)] {
        fs::rename(part, path).map_err(|error| cannot_write(path, &error))?;
    }
    sync_folder(&files.decisions).map_err(|error| cannot_write(&files.decisions, &error))
}

/// The name of a file beside this one.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn cannot_write(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unusable(format!("{} cannot be written: {error}", path.display()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StoreError::Failed("the work was cut off".to_owned()))?
}
