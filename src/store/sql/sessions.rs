//! Sessions, known by the SHA-256 of their ids.

use jiff::{SignedDuration, Timestamp};

use super::audit::record_audit;
use super::database::query;
use super::{SqlStore, row, users};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::UserId;
use crate::model::role::{Actor, Role};
use crate::store::StoreError;
use crate::store::identity::NewSession;

/// Sessions that were last used at or before this, in milliseconds, are over.
pub(super) fn idle_since(now: Timestamp, idle: SignedDuration) -> i64 {
    now.checked_sub(idle).unwrap_or(Timestamp::MIN).as_millisecond()
}

impl SqlStore {
    pub(super) async fn insert_session(
        &self,
        session: NewSession,
        actor: &Actor,
    ) -> Result<bool, StoreError> {
        let at = session.at.as_millisecond();
        let id = session.user.0.as_bytes().as_slice();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let Some(found) = users::found(&mut transaction, session.user).await? else {
            return Ok(false);
        };
        let user = users::user(&found)?;
        let hash = row::text(&found, "password_hash")?;
        if user.disabled || session.password_hash.is_some_and(|checked| checked != hash) {
            return Ok(false);
        }
        if let Some(old) = session.replaces {
            query("DELETE FROM sessions WHERE hash = $1")
                .bind(old.as_slice())
                .execute(&mut transaction)
                .await?;
        }
        // A user has no more than a number of them: the one used longest ago makes room.
        query(
            "DELETE FROM sessions WHERE user_id = $1 AND hash NOT IN
                (SELECT hash FROM sessions WHERE user_id = $1 ORDER BY last_seen_at DESC LIMIT $2)",
        )
        .bind(id)
        .bind(row::signed(limits::SESSIONS_PER_USER.saturating_sub(1)))
        .execute(&mut transaction)
        .await?;
        query(
            "INSERT INTO sessions (hash, user_id, created_at, last_seen_at, expires_at)
             VALUES ($1, $2, $3, $3, $4)",
        )
        .bind(session.hash.as_slice())
        .bind(id)
        .bind(at)
        .bind(session.expires_at.as_millisecond())
        .execute(&mut transaction)
        .await?;
        query("UPDATE users SET last_sign_in_at = $2 WHERE id = $1")
            .bind(id)
            .bind(at)
            .execute(&mut transaction)
            .await?;
        let object = session.user.to_string();
        record_audit(&mut transaction, &user.tenant, at, "sign_in", Some(&object), None, actor)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(super) async fn holder_of_session(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
        idle: SignedDuration,
    ) -> Result<Option<Actor>, StoreError> {
        let found = query(
            "SELECT u.id, u.tenant, u.name, u.role, s.last_seen_at
             FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.hash = $1 AND s.expires_at > $2 AND s.last_seen_at > $3
                AND u.disabled_at IS NULL",
        )
        .bind(hash.as_slice())
        .bind(now.as_millisecond())
        .bind(idle_since(now, idle))
        .fetch_optional(&self.reserved_readers)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let last = row::time(&found, "last_seen_at")?;
        if now.duration_since(last).unsigned_abs() >= limits::LAST_USED_STEP {
            self.note_session_use(hash, now).await;
        }
        Ok(Some(Actor {
            name: row::text(&found, "name")?,
            role: row::named(&found, "role", Role::from_name)?,
            tenant: row::text(&found, "tenant")?,
            user: Some(UserId(row::uuid(&found, "id")?)),
            api_token: None,
            address: None,
        }))
    }

    /// As with API tokens: nobody waits for it, and the next use is as good.
    async fn note_session_use(&self, hash: &[u8; 32], now: Timestamp) {
        let Some(mut writer) = self.decisions.try_lock() else { return };
        let written = query("UPDATE sessions SET last_seen_at = $2 WHERE hash = $1")
            .bind(hash.as_slice())
            .bind(now.as_millisecond())
            .execute(&mut writer)
            .await;
        drop(written);
    }

    pub(super) async fn delete_session(
        &self,
        hash: &[u8; 32],
        actor: &Actor,
    ) -> Result<bool, StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let ended = query("DELETE FROM sessions WHERE hash = $1")
            .bind(hash.as_slice())
            .execute(&mut transaction)
            .await?;
        if ended == 0 {
            return Ok(false);
        }
        let object = actor.user.map(|id| id.to_string());
        let (object, tenant) = (object.as_deref(), &actor.tenant);
        record_audit(&mut transaction, tenant, at, "sign_out", object, None, actor).await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(super) async fn delete_sessions(
        &self,
        id: UserId,
        actor: &Actor,
    ) -> Result<u64, StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let found = users::found(&mut transaction, id).await?;
        let user = users::user(&found.ok_or(StoreError::NotFound("user"))?)?;
        let ended = users::end_all(&mut transaction, id).await?;
        let (object, detail) = (id.to_string(), format!("{}: {ended} sessions", user.name));
        let (object, detail) = (Some(object.as_str()), Some(detail.as_str()));
        let action = "sign_out_everywhere";
        record_audit(&mut transaction, &user.tenant, at, action, object, detail, actor).await?;
        transaction.commit().await?;
        Ok(ended)
    }

    pub(super) async fn delete_ended_sessions(
        &self,
        now: Timestamp,
        idle: SignedDuration,
    ) -> Result<u64, StoreError> {
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let ended = query("DELETE FROM sessions WHERE expires_at <= $1 OR last_seen_at <= $2")
            .bind(now.as_millisecond())
            .bind(idle_since(now, idle))
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(ended)
    }
}
