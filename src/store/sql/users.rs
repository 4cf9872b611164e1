//! Users and what they sign in with.

use super::audit::{Entry, record_entry};
use super::database::{Builder, Connection, Row, query};
use super::identity::exists;
use super::{SqlStore, changed, handed_out, list, row};
use crate::model::clock;
use crate::model::ids::UserId;
use crate::model::role::{Actor, Role};
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::cursor::{Binding, Place, SortKey};
use crate::store::identity::{Identity, SignInUser, User, UserChange};
use crate::store::types::{Page, PageRequest};
use crate::store::words;

const COLUMNS: &str =
    "id, tenant, name, role, password_hash, issuer, disabled_at, last_sign_in_at, created_at";

impl SqlStore {
    pub(super) async fn list_users(
        &self,
        of: &Tenants,
        page: &PageRequest,
    ) -> Result<Page<User>, StoreError> {
        let binding = Binding::new("users", &of.only());
        let after = binding.place(page.cursor.as_deref())?.map(|place| place.id);
        let limit = list::page_limit(page);
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM users WHERE 1 = 1");
        list::push_tenant(&mut sql, "tenant", of);
        if let Some(after) = after {
            sql.push(" AND id > ").push_bind(after);
        }
        sql.push(" ORDER BY id LIMIT ").push_bind(row::signed(limit.saturating_add(1)));
        let rows = sql.build().fetch_all(&self.decisions_readers).await?;
        list::page(rows, limit, &binding, place, user)
    }

    pub(super) async fn one_user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let mut reader = self.reserved_readers.acquire().await?;
        found(&mut reader, id).await?.as_ref().map(user).transpose()
    }

    pub(super) async fn named_user(&self, name: &str) -> Result<Option<SignInUser>, StoreError> {
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM users WHERE name = ").push_bind(name.to_owned());
        let found = sql.build().fetch_optional(&self.reserved_readers).await?;
        let Some(found) = found else { return Ok(None) };
        let password_hash = row::text(&found, "password_hash")?;
        Ok(Some(SignInUser { user: user(&found)?, password_hash }))
    }

    pub(super) async fn identified_user(
        &self,
        identity: &Identity,
    ) -> Result<Option<User>, StoreError> {
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM users WHERE issuer = ");
        sql.push_bind(identity.issuer.clone());
        sql.push(" AND subject = ").push_bind(identity.subject.clone());
        let found = sql.build().fetch_optional(&self.reserved_readers).await?;
        found.as_ref().map(user).transpose()
    }

    pub(super) async fn insert_identity_user(
        &self,
        identity: &Identity,
        name: &str,
        role: Role,
        actor: &Actor,
    ) -> Result<User, StoreError> {
        let id = UserId::new();
        let now = clock::now();
        let at = now.as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        query(
            "INSERT INTO users (id, tenant, name, role, password_hash, issuer, subject, created_at)
             VALUES ($1, $2, $3, $4, '', $5, $6, $7)",
        )
        .bind(id.0.as_bytes().as_slice())
        .bind(&actor.tenant)
        .bind(name)
        .bind(role.name())
        .bind(&identity.issuer)
        .bind(&identity.subject)
        .bind(at)
        .execute(&mut transaction)
        .await
        .map_err(exists("user"))?;
        let object = id.to_string();
        let detail = format!("{name}, {}, known by {}", role.name(), identity.issuer);
        let entry = Entry {
            tenant: &actor.tenant,
            at,
            action: "add_user",
            object: Some(&object),
            detail: Some(&detail),
            changed: vec![
                changed::made("name", name),
                changed::made("role", role.name()),
                changed::made("issuer", &identity.issuer),
            ],
        };
        record_entry(&mut transaction, entry, actor).await?;
        transaction.commit().await?;
        Ok(User {
            id,
            tenant: actor.tenant.clone(),
            name: name.to_owned(),
            role,
            disabled: false,
            external: true,
            created_at: now,
            last_sign_in_at: None,
        })
    }

    pub(super) async fn alter_user(
        &self,
        id: UserId,
        change: UserChange,
        actor: &Actor,
    ) -> Result<User, StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let row = found(&mut transaction, id).await?.ok_or(StoreError::NotFound("user"))?;
        let before = user(&row)?;
        still_reaches(actor, &before)?;
        let mut after = before.clone();
        after.role = change.role.unwrap_or(before.role);
        after.tenant = change.tenant.unwrap_or_else(|| before.tenant.clone());
        after.disabled = change.disabled.unwrap_or(before.disabled);
        if is_deciding(&before) && !is_deciding(&after) {
            another_is_left(&mut transaction, id).await?;
        }
        let mut words = words_of_change(&before, &after);
        let hash: String = match change.password_hash {
            Some(hash) => {
                words.push("a new password".to_owned());
                hash
            }
            None => row::text(&row, "password_hash")?,
        };
        let ends = words.iter().any(|word| word == "a new password") || after.disabled;
        if words.is_empty() {
            return Ok(before);
        }
        query(
            "UPDATE users SET role = $2, tenant = $3, password_hash = $4,
                disabled_at = CASE WHEN $5 THEN COALESCE(disabled_at, $6) END WHERE id = $1",
        )
        .bind(id.0.as_bytes().as_slice())
        .bind(after.role.name())
        .bind(&after.tenant)
        .bind(hash)
        .bind(after.disabled)
        .bind(at)
        .execute(&mut transaction)
        .await?;
        if ends {
            end_all(&mut transaction, id).await?;
        }
        let still = Some(&after).filter(|user| !user.disabled);
        let revoked =
            handed_out::revoke_beyond(&mut transaction, &before.name, still, at, actor).await?;
        words.extend(words_of_revoked(revoked));
        let (object, detail) = (id.to_string(), format!("{}: {}", before.name, words.join("; ")));
        let password = words.iter().any(|word| word == "a new password");
        let fields = [
            changed::differing("role", before.role.name(), after.role.name()),
            changed::differing("tenant", &before.tenant, &after.tenant),
            changed::differing("disabled", before.disabled, after.disabled),
            password.then(|| changed::made("password", "a new one")),
        ];
        let entry = Entry {
            tenant: &after.tenant,
            at,
            action: "change_user",
            object: Some(&object),
            detail: Some(&detail),
            changed: fields.into_iter().flatten().collect(),
        };
        record_entry(&mut transaction, entry, actor).await?;
        transaction.commit().await?;
        Ok(after)
    }

    pub(super) async fn delete_user(&self, id: UserId, actor: &Actor) -> Result<(), StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let before = found(&mut transaction, id).await?.ok_or(StoreError::NotFound("user"))?;
        let before = user(&before)?;
        still_reaches(actor, &before)?;
        if is_deciding(&before) {
            another_is_left(&mut transaction, id).await?;
        }
        end_all(&mut transaction, id).await?;
        let revoked =
            handed_out::revoke_beyond(&mut transaction, &before.name, None, at, actor).await?;
        query("DELETE FROM users WHERE id = $1")
            .bind(id.0.as_bytes().as_slice())
            .execute(&mut transaction)
            .await?;
        let object = id.to_string();
        let detail = match words_of_revoked(revoked) {
            Some(words) => format!("{}: {words}", before.name),
            None => before.name.clone(),
        };
        let entry = Entry {
            tenant: &before.tenant,
            at,
            action: "remove_user",
            object: Some(&object),
            detail: Some(&detail),
            changed: vec![
                changed::gone("name", &before.name),
                changed::gone("role", before.role.name()),
            ],
        };
        record_entry(&mut transaction, entry, actor).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Whether the user can sign in and decide everything.
fn is_deciding(user: &User) -> bool {
    user.role == Role::GlobalAdministrator && !user.disabled
}

/// Fails where the user was given more rights, or another tenant, after the caller was found to have
/// as many: hashing a password takes its time.
fn still_reaches(actor: &Actor, user: &User) -> Result<(), StoreError> {
    let is_reached = actor.role.is_global() || actor.tenant == user.tenant;
    // Whatever their role, users change their own password.
    let is_own = actor.user == Some(user.id);
    if is_own || (actor.role.may_grant(user.role) && is_reached) {
        return Ok(());
    }
    Err(StoreError::NotFound("user"))
}

/// Fails where no global administrator beside this one can sign in.
async fn another_is_left(connection: &mut dyn Connection, id: UserId) -> Result<(), StoreError> {
    let another =
        query("SELECT 1 FROM users WHERE role = $1 AND disabled_at IS NULL AND id <> $2 LIMIT 1")
            .bind(Role::GlobalAdministrator.name())
            .bind(id.0.as_bytes().as_slice())
            .fetch_optional(connection)
            .await?;
    another.map(drop).ok_or(StoreError::LastAdministrator)
}

/// What is different, in words.
fn words_of_change(before: &User, after: &User) -> Vec<String> {
    let mut words = Vec::new();
    if before.role != after.role {
        let (from, to) = (before.role.name(), after.role.name());
        words.push(words::of_change("role", Some(from), Some(to)));
    }
    if before.tenant != after.tenant {
        words.push(words::of_change("tenant", Some(&before.tenant), Some(&after.tenant)));
    }
    if before.disabled != after.disabled {
        words.push(if after.disabled { "disabled" } else { "enabled" }.to_owned());
    }
    words
}

/// How many API tokens ended with the change, in words, where any did.
fn words_of_revoked(revoked: usize) -> Option<String> {
    match revoked {
        0 => None,
        1 => Some("1 API token revoked".to_owned()),
        many => Some(format!("{many} API tokens revoked")),
    }
}

/// Ends all sessions of a user; answers with how many there were.
pub(super) async fn end_all(
    connection: &mut dyn Connection,
    id: UserId,
) -> Result<u64, StoreError> {
    let ended = query("DELETE FROM sessions WHERE user_id = $1")
        .bind(id.0.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(ended)
}

/// The row of a user.
pub(super) async fn found(
    connection: &mut dyn Connection,
    id: UserId,
) -> Result<Option<Row>, StoreError> {
    let mut sql = Builder::new("SELECT ");
    sql.push(COLUMNS).push(" FROM users WHERE id = ").push_bind(id.0.as_bytes().to_vec());
    Ok(sql.build().fetch_optional(connection).await?)
}

fn place(found: &Row) -> Result<Place, StoreError> {
    Ok(Place { key: SortKey::Number(0), id: found.try_get("id")? })
}

pub(super) fn user(found: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: UserId(row::uuid(found, "id")?),
        tenant: row::text(found, "tenant")?,
        name: row::text(found, "name")?,
        role: row::named(found, "role", Role::from_name)?,
        disabled: row::time_or_none(found, "disabled_at")?.is_some(),
        external: row::text_or_none(found, "issuer")?.is_some(),
        created_at: row::time(found, "created_at")?,
        last_sign_in_at: row::time_or_none(found, "last_sign_in_at")?,
    })
}
