//! API tokens and who made them: a credential lasts no longer than the right to give it.

use super::audit::{Entry, record_entry};
use super::database::{Connection, query};
use super::{changed, row, users};
use crate::model::ids::ApiTokenId;
use crate::model::role::{Actor, Role, person_of};
use crate::store::StoreError;
use crate::store::identity::User;

/// Revokes the API tokens that a user has made, with a session or with another API token, and may not
/// give any more: all of them where they are gone or disabled (`user` is none then). Answers with how
/// many there were.
pub(super) async fn revoke_beyond(
    connection: &mut dyn Connection,
    name: &str,
    user: Option<&User>,
    at: i64,
    actor: &Actor,
) -> Result<usize, StoreError> {
    let rows = query(
        "SELECT id, tenant, name, role FROM api_tokens WHERE person = $1 AND revoked_at IS NULL
         ORDER BY id",
    )
    .bind(person_of(name))
    .fetch_all(&mut *connection)
    .await?;
    let mut revoked = 0;
    for found in &rows {
        let role = row::named(found, "role", Role::from_name)?;
        let tenant = row::text(found, "tenant")?;
        if user.is_some_and(|user| may_give(user, role, &tenant)) {
            continue;
        }
        let id = ApiTokenId(row::uuid(found, "id")?);
        query("UPDATE api_tokens SET revoked_at = $2 WHERE id = $1")
            .bind(id.0.as_bytes().as_slice())
            .bind(at)
            .execute(&mut *connection)
            .await?;
        let token = row::text(found, "name")?;
        let detail = format!("{token}: {name}, who made it, may not give {} now", role.name());
        let entry = Entry {
            tenant: &tenant,
            at,
            action: "revoke_api_token",
            object: Some(&id.to_string()),
            detail: Some(&detail),
            changed: changed::differing("revoked", false, true).into_iter().collect(),
        };
        record_entry(&mut *connection, entry, actor).await?;
        revoked += 1;
    }
    Ok(revoked)
}

/// Fails where the caller lost the right to give this role since they were let in.
pub(super) async fn still_gives(
    connection: &mut dyn Connection,
    actor: &Actor,
    role: Role,
    tenant: &str,
) -> Result<(), StoreError> {
    if let Some(id) = actor.user {
        let found = users::found(&mut *connection, id).await?;
        let user = found.as_ref().map(users::user).transpose()?;
        if !user.is_some_and(|user| may_give(&user, role, tenant)) {
            return Err(StoreError::NotFound("user"));
        }
    }
    if let Some(id) = actor.api_token {
        let found = query("SELECT 1 FROM api_tokens WHERE id = $1 AND revoked_at IS NULL")
            .bind(id.0.as_bytes().as_slice())
            .fetch_optional(connection)
            .await?;
        if found.is_none() {
            return Err(StoreError::NotFound("API token"));
        }
    }
    Ok(())
}

fn may_give(user: &User, role: Role, tenant: &str) -> bool {
    !user.disabled && user.role.may_grant(role) && (user.role.is_global() || user.tenant == tenant)
}
