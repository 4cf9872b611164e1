//! Users and API tokens.

use jiff::Timestamp;

use super::audit::{Entry, record_entry};
use super::database::{Builder, Row, query};
use super::{SqlStore, changed, four_eyes, handed_out, list, row};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::{ApiTokenId, UserId};
use crate::model::role::{Actor, Role};
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::types::{ApiToken, NewApiToken};

/// Turns the violation of a unique name into an answer.
pub(super) fn exists(what: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| match error.as_database_error() {
        Some(database) if database.is_unique_violation() => StoreError::Exists(what),
        _ => error.into(),
    }
}

impl SqlStore {
    pub(super) async fn has_no_user(&self) -> Result<bool, StoreError> {
        let user =
            query("SELECT 1 FROM users LIMIT 1").fetch_optional(&self.decisions_readers).await?;
        Ok(user.is_none())
    }

    pub(super) async fn insert_user(
        &self,
        name: &str,
        role: Role,
        password_hash: &str,
        actor: &Actor,
    ) -> Result<UserId, StoreError> {
        let id = UserId::new();
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        query(
            "INSERT INTO users (id, tenant, name, role, password_hash, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id.0.as_bytes().as_slice())
        .bind(&actor.tenant)
        .bind(name)
        .bind(role.name())
        .bind(password_hash)
        .bind(at)
        .execute(&mut transaction)
        .await
        .map_err(exists("user"))?;
        let entry = Entry {
            tenant: &actor.tenant,
            at,
            action: "add_user",
            object: Some(&id.to_string()),
            detail: Some(&format!("{name}, {}", role.name())),
            changed: vec![changed::made("name", name), changed::made("role", role.name())],
        };
        record_entry(&mut transaction, entry, actor).await?;
        transaction.commit().await?;
        Ok(id)
    }

    pub(super) async fn insert_api_token(
        &self,
        token: NewApiToken,
        actor: &Actor,
    ) -> Result<ApiToken, StoreError> {
        let id = ApiTokenId::new();
        let now = clock::now();
        let at = now.as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        handed_out::still_gives(&mut transaction, actor, token.role, &token.tenant).await?;
        let person = four_eyes::person(&mut transaction, actor).await?;
        query(
            "INSERT INTO api_tokens (id, tenant, name, role, hash, created_at, expires_at, person)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id.0.as_bytes().as_slice())
        .bind(&token.tenant)
        .bind(&token.name)
        .bind(token.role.name())
        .bind(token.hash.as_slice())
        .bind(at)
        .bind(token.expires_at.map(|at| at.as_millisecond()))
        .bind(person)
        .execute(&mut transaction)
        .await
        .map_err(exists("API token"))?;
        let end = token.expires_at.map(|at| format!(", expires {at}")).unwrap_or_default();
        let ends = token.expires_at.map(|at| changed::made("expires_at", at));
        let fields = [changed::made("name", &token.name), changed::made("role", token.role.name())];
        let entry = Entry {
            tenant: &token.tenant,
            at,
            action: "add_api_token",
            object: Some(&id.to_string()),
            detail: Some(&format!("{}, {}{end}", token.name, token.role.name())),
            changed: fields.into_iter().chain(ends).collect(),
        };
        record_entry(&mut transaction, entry, actor).await?;
        transaction.commit().await?;
        Ok(ApiToken {
            id,
            tenant: token.tenant,
            name: token.name,
            role: token.role,
            created_at: now,
            expires_at: token.expires_at,
            last_used_at: None,
            revoked_at: None,
        })
    }

    pub(super) async fn list_api_tokens(&self, of: &Tenants) -> Result<Vec<ApiToken>, StoreError> {
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM api_tokens WHERE 1 = 1");
        list::push_tenant(&mut sql, "tenant", of);
        let rows = sql.push(" ORDER BY id").build().fetch_all(&self.decisions_readers).await?;
        rows.iter().map(api_token).collect()
    }

    pub(super) async fn one_api_token(
        &self,
        id: ApiTokenId,
    ) -> Result<Option<ApiToken>, StoreError> {
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM api_tokens WHERE id = ");
        sql.push_bind(id.0.as_bytes().to_vec());
        let found = sql.build().fetch_optional(&self.reserved_readers).await?;
        found.as_ref().map(api_token).transpose()
    }

    pub(super) async fn revoke(
        &self,
        tenant: &str,
        id: ApiTokenId,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let found = query("SELECT name, revoked_at FROM api_tokens WHERE id = $1 AND tenant = $2")
            .bind(id.0.as_bytes().as_slice())
            .bind(tenant)
            .fetch_optional(&mut transaction)
            .await?
            .ok_or(StoreError::NotFound("API token"))?;
        if row::time_or_none(&found, "revoked_at")?.is_some() {
            return Ok(());
        }
        query("UPDATE api_tokens SET revoked_at = $2 WHERE id = $1")
            .bind(id.0.as_bytes().as_slice())
            .bind(at)
            .execute(&mut transaction)
            .await?;
        let entry = Entry {
            tenant,
            at,
            action: "revoke_api_token",
            object: Some(&id.to_string()),
            detail: Some(&row::text(&found, "name")?),
            changed: changed::differing("revoked", false, true).into_iter().collect(),
        };
        record_entry(&mut transaction, entry, actor).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn holder_of(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Actor>, StoreError> {
        let found = query(
            "SELECT id, tenant, name, role, last_used_at FROM api_tokens
             WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)",
        )
        .bind(hash.as_slice())
        .bind(now.as_millisecond())
        .fetch_optional(&self.reserved_readers)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let id = ApiTokenId(row::uuid(&found, "id")?);
        let last = row::time_or_none(&found, "last_used_at")?;
        let step = limits::LAST_USED_STEP;
        if last.is_none_or(|last| now.duration_since(last).unsigned_abs() >= step) {
            self.note_use(id, now).await;
        }
        Ok(Some(Actor {
            name: row::text(&found, "name")?,
            role: row::named(&found, "role", Role::from_name)?,
            tenant: row::text(&found, "tenant")?,
            user: None,
            api_token: Some(id),
            address: None,
        }))
    }

    /// Writes down that a token was used. A caller does not wait for a long import to end, nor is
    /// it refused because the store can only be read: the next use is as good.
    async fn note_use(&self, id: ApiTokenId, now: Timestamp) {
        let Some(mut writer) = self.decisions.try_lock() else { return };
        let written = query("UPDATE api_tokens SET last_used_at = $2 WHERE id = $1")
            .bind(id.0.as_bytes().as_slice())
            .bind(now.as_millisecond())
            .execute(&mut writer)
            .await;
        drop(written);
    }
}

/// What is shown of an API token.
const COLUMNS: &str = "id, tenant, name, role, created_at, expires_at, last_used_at, revoked_at";

fn api_token(found: &Row) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        id: ApiTokenId(row::uuid(found, "id")?),
        tenant: row::text(found, "tenant")?,
        name: row::text(found, "name")?,
        role: row::named(found, "role", Role::from_name)?,
        created_at: row::time(found, "created_at")?,
        expires_at: row::time_or_none(found, "expires_at")?,
        last_used_at: row::time_or_none(found, "last_used_at")?,
        revoked_at: row::time_or_none(found, "revoked_at")?,
    })
}
