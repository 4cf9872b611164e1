//! Which of a leak's tokens a patch takes, by the guard's word, by force and by their modes; a patch
//! that takes none is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::database::{Builder, Connection, query};
use super::{row, token_modes, usage};
use crate::config::limits;
use crate::model::ids::{LeakId, TokenId};
use crate::model::rule::{ModeOfToken, TokenMode};
use crate::store::StoreError;
use crate::store::types::NewPatch;

/// Answers with how many of the leak's tokens the patch leaves out and takes, where that is at least
/// one.
pub(super) async fn refuse_inapplicable(
    connection: &mut dyn Connection,
    leak: LeakId,
    force: bool,
) -> Result<(usize, i64), StoreError> {
    // A token of unknown length is known by its digest alone, of which the guard says nothing.
    let mut sql = Builder::new("SELECT COUNT(*) AS every, COUNT(CASE WHEN ");
    push_taken(&mut sql, force);
    sql.push(" THEN 1 END) AS taken FROM leak_tokens lt JOIN tokens t ON t.id = lt.token");
    sql.push(" WHERE lt.leak = ").push_bind(leak.0.as_bytes().to_vec());
    let counted = sql.build().fetch_one(&mut *connection).await?;
    let (every, taken) = (row::number(&counted, "every")?, row::number(&counted, "taken")?);
    if taken > 0 {
        return Ok((usize::try_from(every.saturating_sub(taken)).unwrap_or_default(), taken));
    }
    let mut reasons = query(
        "SELECT DISTINCT t.not_applicable FROM leak_tokens lt JOIN tokens t ON t.id = lt.token
         WHERE lt.leak = $1 AND t.not_applicable IS NOT NULL ORDER BY t.not_applicable LIMIT $2",
    )
    .bind(leak.0.as_bytes().as_slice())
    .bind(limits::REASONS)
    .fetch_all(connection)
    .await?
    .iter()
    .map(|found| row::text(found, "not_applicable"))
    .collect::<Result<Vec<String>, _>>()?;
    if force {
        reasons.push(format!(
            "force is for tokens of {} to {} bytes",
            limits::TOKEN_BYTES_FORCED,
            limits::TOKEN_BYTES
        ));
    }
    Err(StoreError::NothingApplicable(reasons))
}

/// The condition that a patch takes a token, of `tokens t`.
fn push_taken(sql: &mut Builder, force: bool) {
    let shortest = if force { row::signed(limits::TOKEN_BYTES_FORCED) } else { i64::MAX };
    sql.push("(t.not_applicable IS NULL OR t.length BETWEEN ").push_bind(shortest);
    sql.push(" AND ").push_bind(row::signed(limits::TOKEN_BYTES)).push(")");
}

/// Refuses a patch of which nothing is left, since each token that it takes has the mode `none`. What
/// it does not take anyhow is not counted.
pub(super) async fn refuse_nothing(
    connection: &mut dyn Connection,
    leak: LeakId,
    (force, mut taken): (bool, i64),
    modes: &[ModeOfToken],
) -> Result<(), StoreError> {
    let none = modes.iter().filter(|of| of.mode == TokenMode::None).map(|of| of.id);
    let none: BTreeSet<TokenId> = none.collect();
    if i64::try_from(none.len()).is_ok_and(|none| none < taken) {
        return Ok(());
    }
    let none: Vec<TokenId> = none.into_iter().collect();
    for chunk in none.chunks(limits::STORE_VALUES) {
        let mut sql = Builder::new("SELECT COUNT(*) AS count FROM leak_tokens lt");
        sql.push(" JOIN tokens t ON t.id = lt.token WHERE lt.leak = ");
        sql.push_bind(leak.0.as_bytes().to_vec()).push(" AND ");
        push_taken(&mut sql, force);
        sql.push(" AND lt.token IN (");
        usage::push_tokens(&mut sql, chunk.iter().copied());
        let found = sql.build().persistent(false).fetch_one(&mut *connection).await?;
        taken = taken.saturating_sub(row::number(&found, "count")?);
    }
    if taken > 0 {
        return Ok(());
    }
    Err(StoreError::NothingApplicable(vec![
        "every token has the mode none: leave one in the patch, or remove the patch".to_owned(),
    ]))
}

/// Refuses a patch that could not be applied to the leak as it is now: of no token, or with modes of
/// tokens that the leak does not have.
pub(super) async fn refuse_impossible(
    connection: &mut dyn Connection,
    leak: LeakId,
    patch: &NewPatch,
) -> Result<(), StoreError> {
    let (_, taken) = refuse_inapplicable(&mut *connection, leak, patch.force).await?;
    let Some(modes) = &patch.tokens else {
        let modes = token_modes::of(&mut *connection, leak).await?;
        return refuse_nothing(connection, leak, (patch.force, taken), &modes).await;
    };
    token_modes::has_all(&mut *connection, leak, modes).await?;
    // Of two modes of one token the later counts.
    let of: BTreeMap<TokenId, TokenMode> = modes.iter().map(|of| (of.id, of.mode)).collect();
    let modes: Vec<_> = of.into_iter().map(|(id, mode)| ModeOfToken { id, mode }).collect();
    refuse_nothing(connection, leak, (patch.force, taken), &modes).await
}
