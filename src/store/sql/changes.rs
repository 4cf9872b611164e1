//! What changed in a database that several processes use, so that each takes over what the others
//! have changed.
//!
//! A change is written down in the transaction that makes it, under the lock of all decisions: so
//! the order of the numbers is the order in which they can be seen, and there is no gap between
//! them. Whoever finds one has missed rows that were removed meanwhile, and reads everything again.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgListener, PgPool};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::database::{Connection, Session, query};
use super::row;
use crate::config::limits;
use crate::model::ids::{LeakId, TokenId};
use crate::store::types::{Change, Changed};
use crate::store::{Changes, StoreError};

/// Where a change is told of.
const CHANNEL: &str = "leakgate_changes";

/// Writes a change down and tells of it once it is stored. Nothing is written with SQLite, which
/// one process has for itself.
pub(super) async fn note(
    connection: &mut dyn Connection,
    change: Change,
) -> Result<(), StoreError> {
    if matches!(connection.session(), Session::Sqlite(_)) {
        return Ok(());
    }
    let (what, leak, after) = match change {
        Change::Rule(leak) => ("rule", Some(leak), None),
        Change::Tokens(leak) => ("tokens", Some(leak), None),
        Change::Appended(leak, after) => ("appended", Some(leak), Some(after)),
        Change::Bypass => ("bypass", None, None),
    };
    let noted = query(
        "WITH noted AS (
            INSERT INTO changes (seq, what, leak, after)
            SELECT COALESCE(MAX(seq), 0) + 1, $1, $2, $3 FROM changes RETURNING seq)
         SELECT seq, pg_notify($4, '') FROM noted",
    )
    .bind(what)
    .bind(leak.map(|leak| leak.0.as_bytes().to_vec()))
    .bind(after.map(|after| after.0.as_bytes().to_vec()))
    .bind(CHANNEL)
    .fetch_one(&mut *connection)
    .await?;
    let seq = row::number(&noted, "seq")?;
    if seq % limits::STORE_CHANGES_STEP == 0 {
        query("DELETE FROM changes WHERE seq <= $1")
            .bind(seq.saturating_sub(limits::STORE_CHANGES))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// What the other processes change.
pub(super) struct Feed {
    /// What connects.
    pool: PgPool,
    /// What reads, unless it failed or did not answer in time: then it is made anew, and nobody waits until
    /// the network gives it up.
    reading: Mutex<Option<PgConnection>>,
    /// What this process writes as `origin`.
    process: String,
    listener: Mutex<Option<PgListener>>,
}

impl Feed {
    pub(super) fn new(pool: PgPool, process: String) -> Self {
        Self { pool, reading: Mutex::default(), process, listener: Mutex::default() }
    }

    pub(super) async fn close(&self) {
        // The pool ends when it has all connections back. The listener's comes back from here; where
        // somebody waits with it, the end of the pool is what he hears.
        let listener = async { drop(self.listener.lock().await.take()) };
        tokio::join!(self.pool.close(), listener);
        drop(self.reading.lock().await.take());
    }

    /// Runs a read, which has an end even where the server says nothing any more.
    async fn read<T>(
        &self,
        reads: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut held = self.reading.lock().await;
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => self.pool.acquire().await?.detach(),
        };
        let Ok(read) = timeout(limits::STORE_ANSWER, reads(&mut connection)).await else {
            return Err(StoreError::Failed(format!(
                "PostgreSQL did not answer for {} s: connecting anew",
                limits::STORE_ANSWER.as_secs()
            )));
        };
        if read.is_ok() {
            *held = Some(connection);
        }
        read
    }

    async fn page(&self, connection: &mut PgConnection, place: i64) -> Result<Changed, StoreError> {
        // The row at the place itself as well: that it is there tells that nothing is missing.
        let rows = query(
            "SELECT seq, origin, what, leak, after FROM changes WHERE seq >= $1
             ORDER BY seq LIMIT $2",
        )
        .bind(place)
        .bind(limits::STORE_CHANGES_PAGE)
        .fetch_all(&mut *connection)
        .await?;
        let mut changed = Changed { place, missed: false, changes: Vec::new(), more: false };
        let first = rows.first().map(|found| row::number(found, "seq")).transpose()?;
        if first.unwrap_or_default() != place && !(place == 0 && first == Some(1)) {
            return Ok(Changed { place: last(connection).await?, missed: true, ..changed });
        }
        changed.more = row::signed(rows.len()) == limits::STORE_CHANGES_PAGE;
        for found in &rows {
            let seq = row::number(found, "seq")?;
            if seq == place {
                continue;
            }
            changed.place = seq;
            if row::text(found, "origin")? == self.process {
                continue;
            }
            let leak = row::uuid_or_none(found, "leak")?.map(LeakId);
            let after = row::uuid_or_none(found, "after")?.map(TokenId);
            changed.changes.push(match (row::text(found, "what")?.as_str(), leak, after) {
                ("rule", Some(leak), _) => Change::Rule(leak),
                ("appended", Some(leak), Some(after)) => Change::Appended(leak, after),
                // What a later version writes otherwise is at least about this leak.
                (_, Some(leak), _) => Change::Tokens(leak),
                (_, None, _) => Change::Bypass,
            });
        }
        Ok(changed)
    }
}

/// The number of the last change so far.
async fn last(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let last = query("SELECT COALESCE(MAX(seq), 0) AS last FROM changes");
    row::number(&last.fetch_one(connection).await?, "last")
}

#[async_trait]
impl Changes for Feed {
    async fn place(&self) -> Result<i64, StoreError> {
        self.read(last).await
    }

    async fn after(&self, place: i64) -> Result<Changed, StoreError> {
        self.read(async |connection| self.page(connection, place).await).await
    }

    async fn wait(&self) -> Result<(), StoreError> {
        let mut held = self.listener.lock().await;
        let Some(listener) = held.as_mut() else {
            let mut listener = PgListener::connect_with(&self.pool).await?;
            listener.listen(CHANNEL).await?;
            *held = Some(listener);
            // What was changed before is not told of.
            return Ok(());
        };
        match listener.try_recv().await {
            Ok(Some(_)) => while listener.next_buffered().is_some() {},
            // The connection broke: what was told meanwhile is lost, and it is made anew.
            Ok(None) => {}
            Err(error) => {
                *held = None;
                return Err(error.into());
            }
        }
        Ok(())
    }
}
