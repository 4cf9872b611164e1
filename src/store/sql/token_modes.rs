//! The mode of single tokens of a leak, where it is not that of the leak's patch.

use std::collections::HashMap;

use super::database::{Builder, Connection, Row, query};
use super::{SqlStore, leaks, row};
use crate::config::limits;
use crate::model::ids::{LeakId, TokenId};
use crate::model::leak::Leak;
use crate::model::rule::{ModeOfToken, PatchMode, TokenMode};
use crate::model::token::Token;
use crate::store::StoreError;
use crate::store::types::EnforcedLeak;

/// Puts these modes in the place of those that the leak's tokens had. One that is the patch's own is
/// not kept; [`StoreError::NotFound`] where the leak does not have a token.
pub(super) async fn set(
    connection: &mut dyn Connection,
    leak: LeakId,
    patch: PatchMode,
    modes: &[ModeOfToken],
) -> Result<(), StoreError> {
    clear(&mut *connection, leak).await?;
    for of in modes {
        has(&mut *connection, leak, of.id).await?;
        if of.mode == patch.into() {
            continue;
        }
        query(
            "INSERT INTO token_modes (leak, token, mode) VALUES ($1, $2, $3)
             ON CONFLICT (leak, token) DO UPDATE SET mode = excluded.mode",
        )
        .bind(leak.0.as_bytes().as_slice())
        .bind(of.id.0.as_bytes().as_slice())
        .bind(of.mode.name())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Fails where the leak does not have the token.
pub(super) async fn has(
    connection: &mut dyn Connection,
    leak: LeakId,
    token: TokenId,
) -> Result<(), StoreError> {
    let has = query("SELECT 1 FROM leak_tokens WHERE leak = $1 AND token = $2")
        .bind(leak.0.as_bytes().as_slice())
        .bind(token.0.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    has.map(drop).ok_or(StoreError::NotFound("token of this leak"))
}

/// Forgets the modes of a leak's tokens, which end with its patch.
pub(super) async fn clear(connection: &mut dyn Connection, leak: LeakId) -> Result<(), StoreError> {
    query("DELETE FROM token_modes WHERE leak = $1")
        .bind(leak.0.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets the mode of one token, which is taken out of the leak.
pub(super) async fn forget(
    connection: &mut dyn Connection,
    leak: LeakId,
    token: TokenId,
) -> Result<(), StoreError> {
    query("DELETE FROM token_modes WHERE leak = $1 AND token = $2")
        .bind(leak.0.as_bytes().as_slice())
        .bind(token.0.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// All of a leak.
pub(super) async fn of(
    connection: &mut dyn Connection,
    leak: LeakId,
) -> Result<Vec<ModeOfToken>, StoreError> {
    query("SELECT token, mode FROM token_modes WHERE leak = $1 ORDER BY token")
        .bind(leak.0.as_bytes().as_slice())
        .fetch_all(connection)
        .await?
        .iter()
        .map(mode_of_token)
        .collect()
}

/// Adds to the tokens shown in leaks that have a patch what it does with each.
pub(super) async fn add(
    connection: &mut dyn Connection,
    found: &mut HashMap<LeakId, Leak>,
) -> Result<(), StoreError> {
    let patched: Vec<LeakId> =
        found.values().filter(|leak| leak.virtual_patch.is_some()).map(|leak| leak.id).collect();
    if patched.is_empty() {
        return Ok(());
    }
    let mut sql = Builder::new("SELECT leak, token, mode FROM token_modes WHERE leak IN (");
    leaks::push_ids(&mut sql, &patched);
    let mut modes = HashMap::new();
    for row in sql.build().persistent(false).fetch_all(connection).await? {
        let of = mode_of_token(&row)?;
        modes.insert((LeakId(row::uuid(&row, "leak")?), of.id), of.mode);
    }
    for leak in found.values_mut() {
        let Some(patch) = leak.virtual_patch.as_ref() else { continue };
        for token in &mut leak.tokens {
            let own = modes.get(&(leak.id, token.id)).copied();
            token.mode = Some(effective(token, own, patch.mode, patch.force));
        }
    }
    Ok(())
}

/// What a patch does with a token: nothing, where no rule is made of it.
fn effective(token: &Token, own: Option<TokenMode>, patch: PatchMode, force: bool) -> TokenMode {
    if token.not_applicable.is_some() && !force {
        return TokenMode::None;
    }
    own.unwrap_or(patch.into())
}

fn mode_of_token(found: &Row) -> Result<ModeOfToken, StoreError> {
    Ok(ModeOfToken {
        id: TokenId(row::uuid(found, "token")?),
        mode: row::named(found, "mode", TokenMode::from_name)?,
    })
}

impl SqlStore {
    pub(super) async fn modes_of(&self, leak: LeakId) -> Result<Vec<ModeOfToken>, StoreError> {
        of(&mut self.reserved_readers.acquire().await?, leak).await
    }

    /// Adds to leaks that are enforced the modes of their tokens.
    pub(super) async fn add_enforced_modes(
        &self,
        found: &mut [EnforcedLeak],
    ) -> Result<(), StoreError> {
        // One leak's are looked up; those of many are read together, since few have any.
        let mut sql = Builder::new("SELECT leak, token, mode FROM token_modes");
        let ids: Vec<LeakId> = found
            .iter()
            .filter(|leak| leak.virtual_patch.is_some())
            .map(|leak| leak.id)
            .take(limits::STORE_VALUES.saturating_add(1))
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        if ids.len() <= limits::STORE_VALUES {
            sql.push(" WHERE leak IN (");
            leaks::push_ids(&mut sql, &ids);
        }
        sql.push(" ORDER BY leak, token");
        let mut modes: HashMap<LeakId, Vec<ModeOfToken>> = HashMap::new();
        for row in sql.build().persistent(false).fetch_all(&self.reserved_readers).await? {
            let leak = LeakId(row::uuid(&row, "leak")?);
            modes.entry(leak).or_default().push(mode_of_token(&row)?);
        }
        for leak in found.iter_mut().filter(|leak| leak.virtual_patch.is_some()) {
            leak.token_modes = modes.remove(&leak.id).unwrap_or_default();
        }
        Ok(())
    }

    /// The same for a page of one leak's tokens.
    pub(super) async fn add_modes(
        &self,
        leak: LeakId,
        tokens: &mut [Token],
    ) -> Result<(), StoreError> {
        let found = query("SELECT mode, force FROM virtual_patches WHERE leak = $1")
            .bind(leak.0.as_bytes().as_slice())
            .fetch_optional(&self.decisions_readers)
            .await?;
        let Some(found) = found else { return Ok(()) };
        let patch = row::named(&found, "mode", PatchMode::from_name)?;
        let force = row::flag(&found, "force")?;
        let own: HashMap<TokenId, TokenMode> =
            self.modes_of(leak).await?.into_iter().map(|of| (of.id, of.mode)).collect();
        for token in tokens {
            token.mode = Some(effective(token, own.get(&token.id).copied(), patch, force));
        }
        Ok(())
    }
}
