//! Keys are rotated: see [`KeyStore`].

use async_trait::async_trait;

use super::audit::record_audit;
use super::database::{Connection, query};
use super::key_files::KeyFiles;
use super::{SqlStore, counts, fingerprint_key, outgoing, row};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::TokenId;
use crate::model::role::Actor;
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::ring::{self, Sealer, generation_of};
use crate::store::rotation::{KeyState, KeyStore, Resealed};

/// What stands in `meta` while a rotation is under way.
const ROTATION: &str = "key_rotation";

/// Whether a rotation is under way.
pub(super) async fn is_under_way(connection: &mut dyn Connection) -> Result<bool, StoreError> {
    let found = query("SELECT 1 FROM meta WHERE name = $1").bind(ROTATION);
    Ok(found.fetch_optional(connection).await?.is_some())
}

impl SqlStore {
    /// What seals in this transaction.
    pub(super) async fn sealer(
        &self,
        connection: &mut dyn Connection,
    ) -> Result<Sealer, StoreError> {
        let sealed = fingerprint_key::sealed(connection).await?;
        self.keys.sealer(generation_of(&sealed)?)
    }
}

#[async_trait]
impl KeyStore for SqlStore {
    async fn key_state(&self) -> Result<KeyState, StoreError> {
        let mut reader = self.decisions_readers.acquire().await?;
        let generation = generation_of(&fingerprint_key::sealed(&mut reader).await?)?;
        let rotating = is_under_way(&mut reader).await?;
        drop(reader);
        let tokens = counts::tokens(&self.decisions_readers, &Tenants::All).await?;
        Ok(KeyState { generation, rotating, tokens })
    }

    async fn begin_key_rotation(&self, actor: &Actor) -> Result<(), StoreError> {
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        if is_under_way(&mut transaction).await? {
            return Ok(());
        }
        let sealed = fingerprint_key::sealed(&mut transaction).await?;
        let current = generation_of(&sealed)?;
        let next = ring::after(current);
        match &self.key_files {
            Some(files) => self.keys.add(next, files.next()?),
            None if !self.keys.has(next) => return Err(StoreError::NoNextKey),
            None => {}
        }
        let plain = self.keys.open(fingerprint_key::NAME, &sealed)?;
        let sealed = self.keys.sealer(next)?.seal(fingerprint_key::NAME, &plain)?;
        query("UPDATE meta SET value = $2 WHERE name = $1")
            .bind(fingerprint_key::NAME)
            .bind(sealed)
            .execute(&mut transaction)
            .await?;
        // They are few.
        let sealer = self.keys.sealer(next)?;
        outgoing::reseal_webhooks(&mut transaction, &self.keys, &sealer).await?;
        query("INSERT INTO meta (name, value) VALUES ($1, $2)")
            .bind(ROTATION)
            .bind(vec![current])
            .execute(&mut transaction)
            .await?;
        let detail = format!("from the key of generation {current} to that of {next}: begun");
        note(&mut transaction, &detail, actor).await?;
        transaction.commit().await?;
        // While the writer is held: the files say at each moment what the database says.
        let put = self.key_files.as_ref().map_or(Ok(()), KeyFiles::put_in_place);
        drop(writer);
        put
    }

    async fn reseal(&self, after: Option<TokenId>) -> Result<Option<Resealed>, StoreError> {
        let after = after.map_or(vec![0; 16], |id| id.0.as_bytes().to_vec());
        let mut reader = self.decisions_readers.acquire().await?;
        let current = generation_of(&fingerprint_key::sealed(&mut reader).await?)?;
        let found = query("SELECT id, sealed FROM tokens WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(row::signed(limits::KEY_BATCH))
            .fetch_all(&mut reader)
            .await?;
        drop(reader);
        let mut changed = Vec::new();
        let mut resealed = None;
        for found in &found {
            let id = TokenId(row::uuid(found, "id")?);
            let sealed: Vec<u8> = found.try_get("sealed")?;
            if generation_of(&sealed)? != current {
                let material = self.keys.open_token(id, &sealed)?;
                changed.push((id, self.keys.sealer(current)?.seal_token(id, &material)?, sealed));
            }
            let tokens = resealed.map_or(0, |resealed: Resealed| resealed.tokens) + 1;
            resealed = Some(Resealed { last: id, tokens });
        }
        if changed.is_empty() {
            return Ok(resealed);
        }
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        for (id, new, old) in changed {
            // Unless it was changed meanwhile, which is to be under the new key already.
            query("UPDATE tokens SET sealed = $2 WHERE id = $1 AND sealed = $3")
                .bind(id.0.as_bytes().as_slice())
                .bind(new)
                .bind(old)
                .execute(&mut transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(resealed)
    }

    async fn end_key_rotation(&self, actor: &Actor) -> Result<bool, StoreError> {
        let mut reader = self.decisions_readers.acquire().await?;
        let current = generation_of(&fingerprint_key::sealed(&mut reader).await?)?;
        let other = query("SELECT 1 FROM tokens WHERE substr(sealed, 1, 1) <> $1 LIMIT 1");
        let other = other.bind(vec![current]).fetch_optional(&mut reader).await?;
        drop(reader);
        if other.is_some() {
            return Ok(false);
        }
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        // Another process may have ended this rotation meanwhile, and begun the next one.
        if generation_of(&fingerprint_key::sealed(&mut transaction).await?)? != current {
            return Ok(false);
        }
        let ended = query("DELETE FROM meta WHERE name = $1").bind(ROTATION);
        if ended.execute(&mut transaction).await? > 0 {
            let detail = format!("everything is sealed under the key of generation {current}");
            note(&mut transaction, &detail, actor).await?;
        }
        transaction.commit().await?;
        // While the writer is held: with the next rotation the file of the present key is the old one.
        let removed = self.key_files.as_ref().map_or(Ok(()), KeyFiles::remove_old);
        self.keys.forget_before(current);
        drop(writer);
        removed.map(|()| true)
    }
}

async fn note(
    connection: &mut dyn Connection,
    detail: &str,
    actor: &Actor,
) -> Result<(), StoreError> {
    let at = clock::now().as_millisecond();
    record_audit(connection, &actor.tenant, at, "rotate-keys", None, Some(detail), actor).await
}
