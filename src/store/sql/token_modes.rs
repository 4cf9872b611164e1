//! The mode of single tokens of a leak, where it is not that of the leak's patch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::database::{Builder, Connection, Row, query};
use super::{SqlStore, leaks, row, usage};
use crate::config::limits;
use crate::model::ids::{LeakId, TokenId};
use crate::model::leak::Leak;
use crate::model::rule::{ModeOfToken, PatchMode, TokenMode};
use crate::model::token::Token;
use crate::store::StoreError;
use crate::store::types::EnforcedLeak;

/// Puts these modes in the place of those that the leak's tokens had; of two for one token, the later
/// counts. One that is the patch's own is not kept; [`StoreError::NotFound`] where the leak does not
/// have a token.
pub(super) async fn set(
    connection: &mut dyn Connection,
    leak: LeakId,
    patch: PatchMode,
    modes: &[ModeOfToken],
) -> Result<(), StoreError> {
    clear(&mut *connection, leak).await?;
    has_all(&mut *connection, leak, modes).await?;
    let of: BTreeMap<TokenId, TokenMode> = modes.iter().map(|of| (of.id, of.mode)).collect();
    let own: Vec<_> = of.into_iter().filter(|(_, mode)| *mode != patch.into()).collect();
    for chunk in own.chunks(limits::STORE_ROWS) {
        let mut sql = Builder::new("INSERT INTO token_modes (leak, token, mode) ");
        sql.push_values(chunk.iter(), |values, (token, mode)| {
            values
                .push_bind(leak.0.as_bytes().to_vec())
                .push_bind(token.0.as_bytes().to_vec())
                .push_bind(mode.name());
        });
        sql.build().persistent(false).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Fails where the leak does not have all of these tokens.
pub(super) async fn has_all(
    connection: &mut dyn Connection,
    leak: LeakId,
    modes: &[ModeOfToken],
) -> Result<(), StoreError> {
    let named: BTreeSet<TokenId> = modes.iter().map(|of| of.id).collect();
    let named: Vec<TokenId> = named.into_iter().collect();
    for chunk in named.chunks(limits::STORE_VALUES) {
        let mut sql = Builder::new("SELECT COUNT(*) AS count FROM leak_tokens WHERE leak = ");
        sql.push_bind(leak.0.as_bytes().to_vec()).push(" AND token IN (");
        usage::push_tokens(&mut sql, chunk.iter().copied());
        let found = sql.build().persistent(false).fetch_one(&mut *connection).await?;
        if row::count(&found, "count")? != chunk.len() as u64 {
            return Err(StoreError::NotFound("token of this leak"));
        }
    }
    Ok(())
}

/// Forgets the modes of a leak's tokens, which end with its patch.
pub(super) async fn clear(connection: &mut dyn Connection, leak: LeakId) -> Result<(), StoreError> {
    query("DELETE FROM token_modes WHERE leak = $1")
        .bind(leak.0.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets the modes of tokens that are taken out of the leak, as many as one statement names.
pub(super) async fn forget(
    connection: &mut dyn Connection,
    leak: LeakId,
    tokens: &[TokenId],
) -> Result<(), StoreError> {
    let mut sql = Builder::new("DELETE FROM token_modes WHERE leak = ");
    sql.push_bind(leak.0.as_bytes().to_vec()).push(" AND token IN (");
    usage::push_tokens(&mut sql, tokens.iter().copied());
    sql.build().persistent(false).execute(connection).await?;
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
