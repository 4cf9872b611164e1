//! Tenants, whose objects are whose, and their bypass switches.

use super::audit::record_audit;
use super::database::{Row, query};
use super::identity::exists;
use super::{SqlStore, changes, row};
use crate::model::clock;
use crate::model::ids::LeakId;
use crate::model::role::Actor;
use crate::store::StoreError;
use crate::store::identity::Tenant;
use crate::store::types::{Bypass, Change};
use crate::store::words;

impl SqlStore {
    pub(super) async fn list_tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        query("SELECT id, title, created_at FROM tenants ORDER BY id")
            .fetch_all(&self.reserved_readers)
            .await?
            .iter()
            .map(tenant)
            .collect()
    }

    pub(super) async fn one_tenant(&self, id: &str) -> Result<Option<Tenant>, StoreError> {
        query("SELECT id, title, created_at FROM tenants WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.reserved_readers)
            .await?
            .as_ref()
            .map(tenant)
            .transpose()
    }

    pub(super) async fn insert_tenant(
        &self,
        id: &str,
        title: &str,
        actor: &Actor,
    ) -> Result<Tenant, StoreError> {
        let now = clock::now();
        let at = now.as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        query("INSERT INTO tenants (id, title, created_at) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(title)
            .bind(at)
            .execute(&mut transaction)
            .await
            .map_err(exists("tenant"))?;
        record_audit(&mut transaction, id, at, "add_tenant", Some(id), Some(title), actor).await?;
        transaction.commit().await?;
        Ok(Tenant { id: id.to_owned(), title: title.to_owned(), created_at: now })
    }

    pub(super) async fn retitle_tenant(
        &self,
        id: &str,
        title: &str,
        actor: &Actor,
    ) -> Result<Tenant, StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let before = query("SELECT id, title, created_at FROM tenants WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut transaction)
            .await?
            .ok_or(StoreError::NotFound("tenant"))?;
        let before = tenant(&before)?;
        query("UPDATE tenants SET title = $2 WHERE id = $1")
            .bind(id)
            .bind(title)
            .execute(&mut transaction)
            .await?;
        let detail = words::of_change("title", Some(&before.title), Some(title));
        record_audit(&mut transaction, id, at, "change_tenant", Some(id), Some(&detail), actor)
            .await?;
        transaction.commit().await?;
        Ok(Tenant { title: title.to_owned(), ..before })
    }

    pub(super) async fn delete_tenant(&self, id: &str, actor: &Actor) -> Result<(), StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        for used in [
            "SELECT 1 FROM leaks WHERE tenant = $1 LIMIT 1",
            "SELECT 1 FROM users WHERE tenant = $1 LIMIT 1",
            "SELECT 1 FROM api_tokens WHERE tenant = $1 AND revoked_at IS NULL LIMIT 1",
        ] {
            if query(used).bind(id).fetch_optional(&mut transaction).await?.is_some() {
                return Err(StoreError::NotEmpty);
            }
        }
        for sql in [
            "DELETE FROM tenant_bypass WHERE tenant = $1",
            "DELETE FROM webhooks WHERE tenant = $1",
        ] {
            query(sql).bind(id).execute(&mut transaction).await?;
        }
        let removed =
            query("DELETE FROM tenants WHERE id = $1").bind(id).execute(&mut transaction).await?;
        if removed == 0 {
            return Err(StoreError::NotFound("tenant"));
        }
        record_audit(&mut transaction, id, at, "remove_tenant", Some(id), None, actor).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn leaks_tenant(&self, id: LeakId) -> Result<Option<String>, StoreError> {
        query("SELECT tenant FROM leaks WHERE id = $1")
            .bind(id.0.as_bytes().as_slice())
            .fetch_optional(&self.reserved_readers)
            .await?
            .map(|found| row::text(&found, "tenant"))
            .transpose()
    }

    pub(super) async fn read_tenant_bypasses(&self) -> Result<Vec<(String, Bypass)>, StoreError> {
        query(
            "SELECT tenant, is_on, reason, expires_at, changed_by, changed_at FROM tenant_bypass
             ORDER BY tenant",
        )
        .fetch_all(&self.reserved_readers)
        .await?
        .iter()
        .map(|found| Ok((row::text(found, "tenant")?, bypass(found)?)))
        .collect()
    }

    pub(super) async fn write_tenant_bypass(
        &self,
        tenant: &str,
        bypass: Bypass,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let at = bypass.changed_at.unwrap_or_else(clock::now).as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        query(
            "INSERT INTO tenant_bypass (tenant, is_on, reason, expires_at, changed_by, changed_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant) DO UPDATE SET is_on = excluded.is_on, reason = excluded.reason,
                expires_at = excluded.expires_at, changed_by = excluded.changed_by,
                changed_at = excluded.changed_at",
        )
        .bind(tenant)
        .bind(bypass.on)
        .bind(&bypass.reason)
        .bind(bypass.expires_at.map(|at| at.as_millisecond()))
        .bind(&actor.name)
        .bind(at)
        .execute(&mut transaction)
        .await?;
        let action = if bypass.on { "bypass_on" } else { "bypass_off" };
        let end = bypass.expires_at.map(|at| format!("expires {at}"));
        let parts: Vec<String> = bypass.reason.into_iter().chain(end).collect();
        let detail = (!parts.is_empty()).then(|| parts.join("; "));
        record_audit(&mut transaction, tenant, at, action, Some(tenant), detail.as_deref(), actor)
            .await?;
        changes::note(&mut transaction, Change::Bypass).await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn tenant(found: &Row) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: row::text(found, "id")?,
        title: row::text(found, "title")?,
        created_at: row::time(found, "created_at")?,
    })
}

/// A bypass switch out of its row; off where its time is over.
pub(super) fn bypass(found: &Row) -> Result<Bypass, StoreError> {
    let expires_at = row::time_or_none(found, "expires_at")?;
    let has_ended = expires_at.is_some_and(|at| at <= clock::now());
    Ok(Bypass {
        on: row::flag(found, "is_on")? && !has_ended,
        reason: row::text_or_none(found, "reason")?,
        expires_at,
        changed_by: row::text_or_none(found, "changed_by")?,
        changed_at: row::time_or_none(found, "changed_at")?,
    })
}
