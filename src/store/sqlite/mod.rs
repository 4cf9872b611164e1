//! The embedded store: SQLite, in two files, one of leaks and decisions and one of events.
//!
//! Each file has one writing connection, behind a lock that is fair, and a few that read. Readers
//! see the other file attached; writers never do, since a transaction would then lock both.

mod audit;
mod decisions;
mod edit;
mod events;
mod identity;
mod leaks;
mod list;
mod open;
mod register;
mod row;
mod sessions;
mod statistics;
mod tenants;
mod tokens;
mod usage;
mod users;
mod who;

use std::fs::File;
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, Transaction};
use tokio::sync::{MappedMutexGuard, MutexGuard};

use super::seal::DataKey;
use super::types::{
    ApiToken, AuditEntry, Bypass, Decide, Edit, EnforcedLeak, EnforcedToken, EventPage, EventQuery,
    Impact, LeakPage, LeakQuery, Lookup, NewApiToken, Page, PageRequest, Registered, Registration,
    Stats,
};
use super::{Store, StoreError};
use crate::model::event::Event;
use crate::model::fingerprint::{Fingerprint, FingerprintKey};
use crate::model::ids::{ApiTokenId, LeakId, TokenId, UserId};
use crate::model::leak::{Comment, HistoryEntry, Leak};
use crate::model::role::{Actor, Role};
use crate::model::rule::VirtualPatch;
use crate::model::tenant::Tenants;
use crate::model::token::Token;

pub(super) use open::{open, open_reading};

/// The store.
pub(super) struct SqliteStore {
    decisions: Writer,
    events: Writer,
    /// Read the decisions; the other file is attached as `events`.
    decisions_readers: SqlitePool,
    /// Read the events; the other file is attached as `decisions`.
    events_readers: SqlitePool,
    /// Read the decisions for decisions, publishing, authentication and the writing of events.
    reserved_readers: SqlitePool,
    /// Reads the events for decisions.
    reserved_events_reader: SqlitePool,
    data_key: DataKey,
    fingerprint_key: FingerprintKey,
    /// What keeps other processes out; absent in a store that is opened to be read.
    lock: Mutex<Option<File>>,
}

/// The one connection that writes a database.
struct Writer {
    connection: tokio::sync::Mutex<Option<SqliteConnection>>,
    /// How it is opened again.
    options: SqliteConnectOptions,
}

impl Writer {
    fn new(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        Self { connection: tokio::sync::Mutex::new(Some(connection)), options }
    }

    /// Waits for the connection, which is in no transaction.
    ///
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

    /// The connection, where nobody has it at the moment.
    fn try_lock(&self) -> Option<MappedMutexGuard<'_, SqliteConnection>> {
        MutexGuard::try_map(self.connection.try_lock().ok()?, Option::as_mut).ok()
    }

    async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            open::close(connection).await;
        }
    }
}

/// Begins a transaction that writes from the start: one that began by reading could find that
/// another process has written meanwhile.
async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, StoreError> {
    Ok(connection.begin_with("BEGIN IMMEDIATE").await?)
}

#[async_trait]
impl Store for SqliteStore {
    fn fingerprint_key(&self) -> &FingerprintKey {
        &self.fingerprint_key
    }

    async fn register(
        &self,
        registration: Registration,
        actor: &Actor,
    ) -> Result<Registered, StoreError> {
        self.register_tokens(registration, actor).await
    }

    async fn leak(&self, tenant: &str, id: LeakId) -> Result<Leak, StoreError> {
        self.one_leak(tenant, id).await
    }

    async fn leaks(&self, of: &Tenants, query: &LeakQuery) -> Result<LeakPage, StoreError> {
        self.list_leaks(of, query).await
    }

    async fn edit(
        &self,
        tenant: &str,
        id: LeakId,
        edit: Edit,
        actor: &Actor,
    ) -> Result<Leak, StoreError> {
        self.edit_leak(tenant, id, edit, actor).await
    }

    async fn decide(
        &self,
        tenant: &str,
        id: LeakId,
        decide: Decide,
        actor: &Actor,
    ) -> Result<Leak, StoreError> {
        self.decide_leak(tenant, id, decide, actor).await
    }

    async fn expire_patches(&self, now: Timestamp) -> Result<Vec<LeakId>, StoreError> {
        self.remove_expired_patches(now).await
    }

    async fn history(&self, tenant: &str, id: LeakId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.leak_history(tenant, id).await
    }

    async fn comments(&self, tenant: &str, id: LeakId) -> Result<Vec<Comment>, StoreError> {
        self.leak_comments(tenant, id).await
    }

    async fn comment(
        &self,
        tenant: &str,
        id: LeakId,
        text: &str,
        actor: &Actor,
    ) -> Result<Comment, StoreError> {
        self.add_comment(tenant, id, text, actor).await
    }

    async fn tokens(
        &self,
        tenant: &str,
        id: LeakId,
        page: &PageRequest,
    ) -> Result<Page<Token>, StoreError> {
        self.leak_tokens(tenant, id, page).await
    }

    async fn lookup(&self, of: &Tenants, fingerprint: &Fingerprint) -> Result<Lookup, StoreError> {
        self.look_up(of, fingerprint).await
    }

    async fn known(
        &self,
        tenant: &str,
        fingerprints: &[Fingerprint],
    ) -> Result<Vec<Fingerprint>, StoreError> {
        self.known_fingerprints(tenant, fingerprints).await
    }

    async fn virtual_patches(
        &self,
        of: &Tenants,
        page: &PageRequest,
    ) -> Result<Page<VirtualPatch>, StoreError> {
        self.list_patches(of, page).await
    }

    async fn impact(
        &self,
        tenant: &str,
        id: LeakId,
        since: Timestamp,
    ) -> Result<Impact, StoreError> {
        self.leak_impact(tenant, id, since).await
    }

    async fn enforced_leaks(
        &self,
        now: Timestamp,
        watch_closed_days: u32,
    ) -> Result<Vec<EnforcedLeak>, StoreError> {
        self.list_enforced_leaks(now, watch_closed_days).await
    }

    async fn enforced_tokens(
        &self,
        leak: LeakId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<EnforcedToken>, StoreError> {
        self.list_enforced_tokens(leak, after, limit).await
    }

    async fn append_events(&self, events: &[Event]) -> Result<(), StoreError> {
        self.append(events).await
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        self.list_events(query).await
    }

    async fn stats(&self, of: &Tenants, now: Timestamp) -> Result<Stats, StoreError> {
        self.statistics(of, now).await
    }

    async fn bypass(&self) -> Result<Bypass, StoreError> {
        self.read_bypass().await
    }

    async fn set_bypass(&self, bypass: Bypass, actor: &Actor) -> Result<(), StoreError> {
        self.write_bypass(bypass, actor).await
    }

    async fn is_new(&self) -> Result<bool, StoreError> {
        self.has_no_user().await
    }

    async fn add_user(
        &self,
        name: &str,
        role: Role,
        password_hash: &str,
        actor: &Actor,
    ) -> Result<UserId, StoreError> {
        self.insert_user(name, role, password_hash, actor).await
    }

    async fn add_api_token(
        &self,
        token: NewApiToken,
        actor: &Actor,
    ) -> Result<ApiToken, StoreError> {
        self.insert_api_token(token, actor).await
    }

    async fn api_tokens(&self, of: &Tenants) -> Result<Vec<ApiToken>, StoreError> {
        self.list_api_tokens(of).await
    }

    async fn revoke_api_token(
        &self,
        tenant: &str,
        id: ApiTokenId,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.revoke(tenant, id, actor).await
    }

    async fn authenticate(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Actor>, StoreError> {
        self.holder_of(hash, now).await
    }

    async fn audit(
        &self,
        of: &Tenants,
        page: &PageRequest,
    ) -> Result<Page<AuditEntry>, StoreError> {
        self.list_audit(of, page).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Not the others: many lists and statistics do not make the store one that does not answer.
        for readers in [&self.reserved_readers, &self.reserved_events_reader] {
            sqlx::query("SELECT 1").execute(readers).await?;
        }
        Ok(())
    }

    async fn close(&self) {
        // Readers first: the last connection to close is then one that can write, and brings the
        // log into the database.
        for readers in [
            &self.decisions_readers,
            &self.events_readers,
            &self.reserved_readers,
            &self.reserved_events_reader,
        ] {
            readers.close().await;
        }
        self.decisions.close().await;
        self.events.close().await;
        let mut lock = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(lock.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KeySource;
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

    async fn fresh(directory: &tempfile::TempDir) -> SqliteStore {
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
            let mut transaction = begin(&mut writer).await.unwrap();
            sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
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
            sqlx::query("PRAGMA max_page_count = 1").execute(&mut *writer).await.unwrap();
        }
        let reason = Some("r".repeat(100_000));
        let on = Bypass { on: true, reason, ..Bypass::default() };
        for _ in 0..3 {
            let error = store.set_bypass(on.clone(), &actor()).await.unwrap_err();
            assert!(error.to_string().contains("full"), "{error}");
            // Unless it was opened anew, the connection keeps this limit.
            let mut writer = store.decisions.lock().await.unwrap();
            sqlx::query("PRAGMA max_page_count = 1").execute(&mut *writer).await.unwrap();
        }
        {
            let mut writer = store.decisions.lock().await.unwrap();
            sqlx::query("PRAGMA max_page_count = 100000").execute(&mut *writer).await.unwrap();
        }
        store.set_bypass(on, &actor()).await.unwrap();
        store.close().await;
    }
}
