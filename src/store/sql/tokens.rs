//! Tokens: kept once for a tenant, sealed; shown, looked up, and handed out to be enforced.

use std::collections::{BTreeSet, HashMap};

use super::database::{Builder, Connection, Row, query};
use super::{SqlStore, changes, counts, leaks, list, risk, row, token_modes, usage};
use crate::config::limits;
use crate::model::fingerprint::Fingerprint;
use crate::model::ids::{LeakId, TokenId};
use crate::model::kind::HONEYTOKEN;
use crate::model::leak::{Remediation, Status};
use crate::model::rule::PatchMode;
use crate::model::tenant::Tenants;
use crate::model::token::{Token, TokenMaterial, Validity};
use crate::store::StoreError;
use crate::store::cursor::{Binding, Place, SortKey};
use crate::store::ring::Sealer;
use crate::store::types::{Change, EnforcedToken, Lookup, LookupLeak, NewToken, Page, PageRequest};

/// The columns of a token as it is shown, of `tokens t`.
pub(super) const COLUMNS: &str =
    "t.id AS token_id, t.fingerprint, t.masked, t.length, t.kind, t.validity, t.not_applicable";

/// The token in a row with [`COLUMNS`], without what the events tell of it.
pub(super) fn token(found: &Row) -> Result<Token, StoreError> {
    let kind = row::text(found, "kind")?;
    Ok(Token {
        id: TokenId(row::uuid(found, "token_id")?),
        fingerprint: row::fingerprint(found, "fingerprint")?,
        masked: row::text(found, "masked")?,
        length: row::small_or_none(found, "length")?,
        honeytoken: kind == HONEYTOKEN,
        kind,
        mode: None,
        validity: row::named(found, "validity", row::validity_from_name)?,
        last_used_at: None,
        not_applicable: row::text_or_none(found, "not_applicable")?,
    })
}

/// A token that stands in the store now.
pub(super) struct Kept {
    pub(super) id: TokenId,
    /// Whether it was not there before.
    pub(super) is_new: bool,
    /// Whether a rule can be made of it; told of a new one.
    pub(super) is_applicable: bool,
    /// Whether it is said to work.
    pub(super) validity: Validity,
}

/// Keeps these tokens, each once, in the order in which they came. What is known already stays as
/// it is, save that a text takes the place of a digest, and a known validity that of another one.
pub(super) async fn keep(
    connection: &mut dyn Connection,
    key: &Sealer,
    tenant: &str,
    tokens: &[NewToken],
    at: i64,
) -> Result<Vec<Kept>, StoreError> {
    let tokens = distinct(tokens);
    let mut kept = Vec::with_capacity(tokens.len());
    let (mut learnt, mut judged) = (Vec::new(), Vec::new());
    for chunk in tokens.chunks(limits::STORE_ROWS) {
        let known = known(connection, tenant, chunk).await?;
        let mut new: Vec<(TokenId, &NewToken)> = Vec::new();
        for token in chunk {
            let (id, is_new) = match known.get(&token.fingerprint) {
                Some(known) => {
                    if judge(connection, known, token).await? {
                        judged.push(known.id);
                    }
                    if learn(connection, key, known, token).await? {
                        learnt.push(known.id);
                    }
                    (known.id, false)
                }
                None => {
                    let id = TokenId::new();
                    new.push((id, token));
                    (id, true)
                }
            };
            let is_applicable = token.not_applicable.is_none();
            kept.push(Kept { id, is_new, is_applicable, validity: token.validity });
        }
        insert(connection, key, tenant, &new, at).await?;
    }
    for leak in having(&mut *connection, &learnt).await? {
        changes::note(&mut *connection, Change::Tokens(leak)).await?;
        leaks::bump(&mut *connection, leak).await?;
    }
    let doubtful = having(&mut *connection, &judged).await?;
    risk::doubt(connection, doubtful, at).await?;
    Ok(kept)
}

/// The leaks that have any of these tokens.
async fn having(
    connection: &mut dyn Connection,
    tokens: &[TokenId],
) -> Result<BTreeSet<LeakId>, StoreError> {
    let mut leaks = BTreeSet::new();
    for chunk in tokens.chunks(limits::STORE_VALUES) {
        let mut sql = Builder::new("SELECT DISTINCT leak FROM leak_tokens WHERE token IN (");
        usage::push_tokens(&mut sql, chunk.iter().copied());
        for found in sql.build().persistent(false).fetch_all(&mut *connection).await? {
            leaks.insert(LeakId(row::uuid(&found, "leak")?));
        }
    }
    Ok(leaks)
}

/// Each token once; where one came as text and as digest, the text.
fn distinct(tokens: &[NewToken]) -> Vec<&NewToken> {
    let mut places: HashMap<Fingerprint, usize> = HashMap::with_capacity(tokens.len());
    let mut distinct: Vec<&NewToken> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let place = *places.entry(token.fingerprint).or_insert(distinct.len());
        match distinct.get_mut(place) {
            None => distinct.push(token),
            Some(first) if first.material.length().is_none() => *first = token,
            Some(_) => {}
        }
    }
    distinct
}

struct Known {
    id: TokenId,
    has_text: bool,
    validity: Validity,
}

async fn known(
    connection: &mut dyn Connection,
    tenant: &str,
    tokens: &[&NewToken],
) -> Result<HashMap<Fingerprint, Known>, StoreError> {
    let mut sql =
        Builder::new("SELECT id, fingerprint, length, validity FROM tokens WHERE tenant = ");
    sql.push_bind(tenant.to_owned()).push(" AND fingerprint IN (");
    sql.push_list(tokens.iter().map(|token| token.fingerprint.0.to_vec())).push(")");
    let mut known = HashMap::new();
    for found in sql.build().fetch_all(connection).await? {
        known.insert(
            row::fingerprint(&found, "fingerprint")?,
            Known {
                id: TokenId(row::uuid(&found, "id")?),
                has_text: row::small_or_none::<i64>(&found, "length")?.is_some(),
                validity: row::named(&found, "validity", row::validity_from_name)?,
            },
        );
    }
    Ok(known)
}

/// Takes over whether a known token works, as a new report says; answers whether that is news.
async fn judge(
    connection: &mut dyn Connection,
    known: &Known,
    token: &NewToken,
) -> Result<bool, StoreError> {
    if token.validity == Validity::Unknown || token.validity == known.validity {
        return Ok(false);
    }
    query("UPDATE tokens SET validity = $2 WHERE id = $1")
        .bind(known.id.0.as_bytes().as_slice())
        .bind(row::validity_name(token.validity))
        .execute(connection)
        .await?;
    Ok(true)
}

/// Takes over the text that a new report of a known token adds; answers whether it does.
async fn learn(
    connection: &mut dyn Connection,
    key: &Sealer,
    known: &Known,
    token: &NewToken,
) -> Result<bool, StoreError> {
    // A text that the guard refuses does not come in this way: it would take a digest out of a rule.
    if known.has_text || token.material.length().is_none() || token.not_applicable.is_some() {
        return Ok(false);
    }
    query("UPDATE tokens SET masked = $2, length = $3, kind = $4, sealed = $5 WHERE id = $1")
        .bind(known.id.0.as_bytes().as_slice())
        .bind(token.material.masked())
        .bind(token.material.length().map(row::signed))
        .bind(&token.kind)
        .bind(key.seal_token(known.id, &token.material)?)
        .execute(connection)
        .await?;
    Ok(true)
}

async fn insert(
    connection: &mut dyn Connection,
    key: &Sealer,
    tenant: &str,
    tokens: &[(TokenId, &NewToken)],
    at: i64,
) -> Result<(), StoreError> {
    if tokens.is_empty() {
        return Ok(());
    }
    let mut sealed = Vec::with_capacity(tokens.len());
    for (id, token) in tokens {
        sealed.push(key.seal_token(*id, &token.material)?);
    }
    let mut sql = Builder::new(
        "INSERT INTO tokens (id, tenant, fingerprint, masked, length, kind, validity,
            not_applicable, sealed, created_at) ",
    );
    sql.push_values(tokens.iter().zip(sealed), |values, ((id, token), sealed)| {
        values
            .push_bind(id.0.as_bytes().to_vec())
            .push_bind(tenant.to_owned())
            .push_bind(token.fingerprint.0.to_vec())
            .push_bind(token.material.masked())
            .push_bind(token.material.length().map(row::signed))
            .push_bind(token.kind.clone())
            .push_bind(row::validity_name(token.validity))
            .push_bind(token.not_applicable.clone())
            .push_bind(sealed)
            .push_bind(at);
    });
    // Only the statement of a whole chunk is worth keeping.
    let is_whole = tokens.len() == limits::STORE_ROWS;
    sql.build().persistent(is_whole).execute(&mut *connection).await?;
    counts::add_tokens(connection, tenant, row::signed(tokens.len())).await
}

/// Puts tokens into a leak; those that it has stay. Answers with how many it had not.
pub(super) async fn attach(
    connection: &mut dyn Connection,
    leak: LeakId,
    tokens: &[TokenId],
) -> Result<u64, StoreError> {
    let mut added = 0;
    for chunk in tokens.chunks(limits::STORE_ROWS) {
        let mut sql = Builder::new("INSERT INTO leak_tokens (leak, token) ");
        sql.push_values(chunk.iter(), |values, token| {
            values.push_bind(leak.0.as_bytes().to_vec()).push_bind(token.0.as_bytes().to_vec());
        });
        sql.push(" ON CONFLICT (leak, token) DO NOTHING");
        let is_whole = chunk.len() == limits::STORE_ROWS;
        let done = sql.build().persistent(is_whole).execute(&mut *connection).await?;
        added += done;
    }
    Ok(added)
}

/// Takes tokens out of a leak, and out of the store where no other leak has them. Answers with how
/// many it had.
pub(super) async fn detach(
    connection: &mut dyn Connection,
    tenant: &str,
    leak: LeakId,
    tokens: &[TokenId],
) -> Result<u64, StoreError> {
    let (mut removed, mut gone) = (0, 0_u64);
    for chunk in tokens.chunks(limits::STORE_VALUES) {
        let mut sql = Builder::new("DELETE FROM leak_tokens WHERE leak = ");
        sql.push_bind(leak.0.as_bytes().to_vec()).push(" AND token IN (");
        usage::push_tokens(&mut sql, chunk.iter().copied());
        let done = sql.build().persistent(false).execute(&mut *connection).await?;
        if done == 0 {
            continue;
        }
        removed += done;
        token_modes::forget(&mut *connection, leak, chunk).await?;
        let mut sql = Builder::new("DELETE FROM tokens WHERE tenant = ");
        sql.push_bind(tenant.to_owned()).push(" AND id IN (");
        usage::push_tokens(&mut sql, chunk.iter().copied());
        sql.push(" AND NOT EXISTS (SELECT 1 FROM leak_tokens lt WHERE lt.token = tokens.id)");
        gone += sql.build().persistent(false).execute(&mut *connection).await?;
    }
    if gone > 0 {
        counts::add_tokens(connection, tenant, -row::signed(gone)).await?;
    }
    Ok(removed)
}

impl SqlStore {
    pub(super) async fn leak_tokens(
        &self,
        tenant: &str,
        id: LeakId,
        page: &PageRequest,
    ) -> Result<Page<Token>, StoreError> {
        let binding = Binding::new("tokens", &(tenant, id));
        let after = binding.place(page.cursor.as_deref())?.map(|place| place.id);
        let limit = list::page_limit(page);
        let mut reader = self.decisions_readers.acquire().await?;
        leaks::status(&mut reader, tenant, id).await?;
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS);
        sql.push(" FROM leak_tokens lt JOIN tokens t ON t.id = lt.token WHERE lt.leak = ");
        sql.push_bind(id.0.as_bytes().to_vec());
        if let Some(after) = after {
            sql.push(" AND lt.token > ").push_bind(after.clone());
            // Said of both: where PostgreSQL merges the two, it begins there in both.
            sql.push(" AND t.id > ").push_bind(after);
        }
        sql.push(" ORDER BY lt.token LIMIT ").push_bind(row::signed(limit.saturating_add(1)));
        let rows = sql.build().fetch_all(&mut reader).await?;
        drop(reader);
        let mut page = list::page(rows, limit, &binding, place, token)?;
        self.add_modes(id, &mut page.items).await?;
        usage::add_token_use(&self.events_readers, page.items.iter_mut()).await?;
        Ok(page)
    }

    pub(super) async fn look_up(
        &self,
        of: &Tenants,
        fingerprint: &Fingerprint,
    ) -> Result<Lookup, StoreError> {
        let mut lookup = Lookup {
            known: false,
            fingerprint: fingerprint.short(),
            leaks: Vec::new(),
            validity: Validity::Unknown,
            last_used_at: None,
        };
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM tokens t WHERE t.fingerprint = ");
        sql.push_bind(fingerprint.0.to_vec());
        list::push_each_tenant(&mut sql, "t.tenant", of);
        let found = sql.build().fetch_all(&self.decisions_readers).await?;
        // One for each tenant that has it.
        let mut tokens = found.iter().map(token).collect::<Result<Vec<_>, _>>()?;
        if tokens.is_empty() {
            return Ok(lookup);
        }
        let mut sql = Builder::new(
            "SELECT l.id, l.tenant, l.title, l.status, l.remediation, p.mode FROM leak_tokens lt
             JOIN leaks l ON l.id = lt.leak LEFT JOIN virtual_patches p ON p.leak = l.id
             WHERE lt.token IN (",
        );
        usage::push_tokens(&mut sql, tokens.iter().map(|token| token.id));
        let rows = sql.push(" ORDER BY l.id").build().persistent(false);
        for found in &rows.fetch_all(&self.decisions_readers).await? {
            lookup.leaks.push(LookupLeak {
                id: LeakId(row::uuid(found, "id")?),
                tenant: row::text(found, "tenant")?,
                title: row::text(found, "title")?,
                status: row::ranked(found, "status", Status::ALL)?,
                remediation: row::named(found, "remediation", Remediation::from_name)?,
                mode: row::named_or_none(found, "mode", PatchMode::from_name)?,
            });
        }
        usage::add_token_use(&self.events_readers, tokens.iter_mut()).await?;
        lookup.known = !lookup.leaks.is_empty();
        lookup.last_used_at = tokens.iter().filter_map(|token| token.last_used_at).max();
        // What is known to work for one tenant works.
        for validity in [Validity::Inactive, Validity::Active] {
            if tokens.iter().any(|token| token.validity == validity) {
                lookup.validity = validity;
            }
        }
        Ok(lookup)
    }

    pub(super) async fn known_fingerprints(
        &self,
        tenant: &str,
        fingerprints: &[Fingerprint],
    ) -> Result<Vec<Fingerprint>, StoreError> {
        let mut known = Vec::new();
        for chunk in fingerprints.chunks(limits::STORE_VALUES) {
            let mut sql = Builder::new("SELECT fingerprint FROM tokens WHERE tenant = ");
            sql.push_bind(tenant.to_owned()).push(" AND fingerprint IN (");
            sql.push_list(chunk.iter().map(|fingerprint| fingerprint.0.to_vec())).push(")");
            let rows = sql.build().persistent(false).fetch_all(&self.reserved_readers).await?;
            for found in &rows {
                known.push(row::fingerprint(found, "fingerprint")?);
            }
        }
        Ok(known)
    }

    pub(super) async fn list_enforced_tokens(
        &self,
        leak: LeakId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<EnforcedToken>, StoreError> {
        let after = after.map_or([0; 16], |id| *id.0.as_bytes());
        // Said of both: where PostgreSQL merges the two, it begins there in both.
        let rows = query(
            "SELECT t.id, t.fingerprint, t.not_applicable, t.sealed
             FROM leak_tokens lt JOIN tokens t ON t.id = lt.token
             WHERE lt.leak = $1 AND lt.token > $2 AND t.id > $2 ORDER BY lt.token LIMIT $3",
        )
        .bind(leak.0.as_bytes().as_slice())
        .bind(after.as_slice())
        .bind(row::signed(limit))
        .fetch_all(&self.reserved_readers)
        .await?;
        rows.iter()
            .map(|found| {
                let id = TokenId(row::uuid(found, "id")?);
                let material: TokenMaterial = self.keys.open_token(id, found.try_get("sealed")?)?;
                Ok(EnforcedToken {
                    id,
                    fingerprint: row::fingerprint(found, "fingerprint")?,
                    material,
                    not_applicable: row::text_or_none(found, "not_applicable")?,
                })
            })
            .collect()
    }
}

fn place(found: &Row) -> Result<Place, StoreError> {
    Ok(Place { key: SortKey::Number(0), id: found.try_get("token_id")? })
}
