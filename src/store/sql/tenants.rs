//! Tenants, whose objects are whose, and their bypass switches.

use super::audit::{Entry, record_entry};
use super::database::{Connection, Row, query};
use super::identity::exists;
use super::{SqlStore, changed, changes, four_eyes, row};
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
        // One that had the same name and is gone leaves nothing to this one.
        self.remove_what_the_gone_left().await?;
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
        let entry = Entry {
            tenant: id,
            at,
            action: "add_tenant",
            object: Some(id),
            detail: Some(title),
            changed: vec![changed::made("title", title)],
        };
        record_entry(&mut transaction, entry, actor).await?;
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
        let entry = Entry {
            tenant: id,
            at,
            action: "change_tenant",
            object: Some(id),
            detail: Some(&detail),
            changed: changed::differing("title", &before.title, title).into_iter().collect(),
        };
        record_entry(&mut transaction, entry, actor).await?;
        transaction.commit().await?;
        Ok(Tenant { title: title.to_owned(), ..before })
    }

    pub(super) async fn delete_tenant(&self, id: &str, actor: &Actor) -> Result<(), StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let before = query("SELECT title FROM tenants WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut transaction)
            .await?
            .ok_or(StoreError::NotFound("tenant"))?;
        let before = row::text(&before, "title")?;
        for used in [
            "SELECT 1 FROM leaks WHERE tenant = $1 LIMIT 1",
            "SELECT 1 FROM users WHERE tenant = $1 LIMIT 1",
            "SELECT 1 FROM api_tokens WHERE tenant = $1 AND revoked_at IS NULL LIMIT 1",
        ] {
            if query(used).bind(id).fetch_optional(&mut transaction).await?.is_some() {
                return Err(StoreError::NotEmpty);
            }
        }
        let bypass = query("DELETE FROM tenant_bypass WHERE tenant = $1")
            .bind(id)
            .execute(&mut transaction)
            .await?;
        if bypass > 0 {
            // A tenant of the same name that comes later is not to begin with it.
            changes::note(&mut transaction, Change::Bypass).await?;
        }
        for sql in [
            "DELETE FROM webhooks WHERE tenant = $1",
            "DELETE FROM proposals WHERE tenant = $1",
            "DELETE FROM tenants WHERE id = $1",
        ] {
            query(sql).bind(id).execute(&mut transaction).await?;
        }
        let entry = Entry {
            tenant: id,
            at,
            action: "remove_tenant",
            object: Some(id),
            detail: None,
            changed: vec![changed::gone("title", before)],
        };
        record_entry(&mut transaction, entry, actor).await?;
        transaction.commit().await?;
        drop(writer);
        self.try_to_remove_what_the_gone_left().await;
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
        let before = query(
            "SELECT is_on, reason, expires_at, changed_by, changed_at FROM tenant_bypass
             WHERE tenant = $1",
        )
        .bind(tenant)
        .fetch_optional(&mut transaction)
        .await?;
        let before = before.as_ref().map(self::bypass).transpose()?.unwrap_or_default();
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
        record_bypass(&mut transaction, Some(tenant), (&before, &bypass), at, actor).await?;
        changes::note(&mut transaction, Change::Bypass).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Writes down that a bypass switch was turned: that of one tenant, or of the whole installation.
/// Where decisions take two persons, another one is asked to review that it was turned on.
pub(super) async fn record_bypass(
    connection: &mut dyn Connection,
    tenant: Option<&str>,
    (before, after): (&Bypass, &Bypass),
    at: i64,
    actor: &Actor,
) -> Result<(), StoreError> {
    let action = if after.on { "bypass_on" } else { "bypass_off" };
    let end = after.expires_at.map(|at| format!("expires {at}"));
    let parts: Vec<String> = after.reason.clone().into_iter().chain(end).collect();
    let detail = (!parts.is_empty()).then(|| parts.join("; "));
    let text = |bypass: &Bypass| bypass.expires_at.map(|at| at.to_string()).unwrap_or_default();
    let changed = [
        changed::differing("on", before.on, after.on),
        changed::differing(
            "reason",
            before.reason.as_deref().unwrap_or_default(),
            after.reason.as_deref().unwrap_or_default(),
        ),
        changed::differing("expires_at", text(before), text(after)),
    ];
    let entry = Entry {
        tenant: tenant.unwrap_or(&actor.tenant),
        at,
        action,
        object: tenant,
        detail: detail.as_deref(),
        changed: changed.into_iter().flatten().collect(),
    };
    if after.on && !before.on {
        let reason = after.reason.as_deref().unwrap_or("no reason was given");
        four_eyes::ask_for_review_of_bypass(&mut *connection, tenant, (reason, at), actor).await?;
    }
    record_entry(connection, entry, actor).await
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
