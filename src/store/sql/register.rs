//! Registration: known tokens become occurrences of the leaks that have them, new ones a new leak.

use std::collections::BTreeMap;

use aws_lc_rs::digest;

use super::audit::{Deed, record};
use super::database::{Builder, Connection, query};
use super::tokens::Kept;
use super::{
    SqlStore, changed, changes, four_eyes, leaks, once, policies, risk, row, search, tokens,
};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::{LeakId, TokenId};
use crate::model::leak::{Remediation, Risk, Source, Status};
use crate::model::risk::{Facts, assess};
use crate::model::role::Actor;
use crate::model::token::Validity;
use crate::store::types::{Change, Merged, Registered, Registration};
use crate::store::{StoreError, words};

impl SqlStore {
    pub(super) async fn register_tokens(
        &self,
        registration: Registration,
        actor: &Actor,
    ) -> Result<Registered, StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        once::claim(&mut transaction, &registration.tenant, registration.once, at).await?;
        let sealer = self.sealer(&mut transaction).await?;
        let kept =
            tokens::keep(&mut transaction, &sealer, &registration.tenant, &registration.tokens, at)
                .await?;
        let (new, known): (Vec<_>, Vec<_>) = kept.iter().partition(|kept| kept.is_new);
        let new_tokens = new.len() as u64;

        let known: Vec<TokenId> = known.iter().map(|kept| kept.id).collect();
        let merged = add_occurrences(&mut transaction, &registration, &known, actor, at).await?;

        let mut leak = Vec::new();
        if !new.is_empty() {
            let id = match registration.continues {
                Some(id) => {
                    leaks::status(&mut transaction, &registration.tenant, id).await?;
                    four_eyes::supersede(&mut transaction, id, at).await?;
                    risk::doubt(&mut transaction, [id], at).await?;
                    id
                }
                None => {
                    let validity = risk::of_tokens(new.iter().map(|kept| kept.validity));
                    insert_leak(&mut transaction, &registration, validity, at).await?
                }
            };
            add_tokens(&mut transaction, &registration, id, &new, actor, at).await?;
            leak = leaks::load(&mut transaction, &[id]).await?;
        }
        let mut registered = Registered { leak: None, new_tokens, merged, known: None };
        if let Some(once) = registration.once {
            // What is answered is a part of what is done once.
            let first = registered.merged.first().map(|merged| merged.leak);
            if leak.is_empty() {
                let known: Vec<LeakId> = first.into_iter().collect();
                let known = leaks::load(&mut transaction, &known).await?;
                registered.known = Some(self.with_use_if_told(known).await?);
            } else {
                registered.leak = Some(self.with_use_if_told(leak).await?);
            }
            let shown = registered.leak.as_ref().or(registered.known.as_ref());
            let answer = serde_json::json!({
                "leak": shown, "merged": registered.merged, "created": registered.leak.is_some(),
            });
            let id = shown.map(|leak| leak.id);
            let tenant = &registration.tenant;
            once::answer(&mut transaction, tenant, Some(once), id, &answer.to_string()).await?;
            transaction.commit().await?;
            return Ok(registered);
        }
        transaction.commit().await?;
        drop(writer);
        if !leak.is_empty() {
            registered.leak = Some(self.with_use_if_told(leak).await?);
        }
        Ok(registered)
    }
}

/// Adds the source to every leak that has one of the known tokens.
async fn add_occurrences(
    connection: &mut dyn Connection,
    registration: &Registration,
    known: &[TokenId],
    actor: &Actor,
    at: i64,
) -> Result<Vec<Merged>, StoreError> {
    let mut counts: BTreeMap<LeakId, u64> = BTreeMap::new();
    for chunk in known.chunks(limits::STORE_VALUES) {
        let mut sql =
            Builder::new("SELECT leak, COUNT(*) AS count FROM leak_tokens WHERE token IN (");
        sql.push_list(chunk.iter().map(|token| token.0.as_bytes().to_vec()));
        sql.push(") GROUP BY leak");
        for found in sql.build().persistent(false).fetch_all(&mut *connection).await? {
            *counts.entry(LeakId(row::uuid(&found, "leak")?)).or_default() +=
                row::count(&found, "count")?;
        }
    }
    let mut merged = Vec::with_capacity(counts.len());
    let names_a_place = registration.source.url.is_some() || registration.source.path.is_some();
    for (leak, tokens) in counts {
        if registration.continues == Some(leak) {
            continue;
        }
        let status = leaks::status(connection, &registration.tenant, leak).await?;
        let reopened = registration.reopens && status == Status::Closed;
        merged.push(Merged { leak, tokens, reopened });
        let times = add_source(connection, leak, &registration.source, at).await?;
        if times == 1 {
            search::add_source(connection, leak, &registration.source).await?;
            risk::add_source(connection, leak, registration.source.kind, clock::now()).await?;
        }
        // A scanner that reports the same place every night would bury the history of the leak.
        if times > 1 && names_a_place && status == Status::Open {
            continue;
        }
        let detail = format!(
            "{} seen again: {}",
            words::of_tokens(usize::try_from(tokens).unwrap_or(usize::MAX)),
            words::of_source(&registration.source)
        );
        let deed = Deed {
            tenant: &registration.tenant,
            leak,
            action: "occurrence",
            comment: registration.comment.as_deref(),
            detail: Some(&detail),
            changed: Vec::new(),
            at,
        };
        record(connection, deed, actor).await?;
        leaks::touch(connection, leak, at).await?;
        if reopened {
            policies::reopen(connection, &registration.tenant, leak, actor, at).await?;
        }
    }
    Ok(merged)
}

async fn insert_leak(
    connection: &mut dyn Connection,
    registration: &Registration,
    validity: Validity,
    at: i64,
) -> Result<LeakId, StoreError> {
    let id = LeakId::new();
    let kind = registration
        .kind
        .as_deref()
        .or_else(|| registration.tokens.first().map(|token| token.kind.as_str()))
        .unwrap_or("unknown");
    let now = clock::now();
    let facts = Facts {
        kind,
        source: registration.source.kind,
        exposed_at: registration.exposed_at.unwrap_or(now),
        used: false,
        validity,
    };
    let assessed = assess(&facts, now);
    query(
        "INSERT INTO leaks (id, tenant, title, title_order, search_text, risk, status, remediation,
            detected_by, kind, source_kind, owner, contact, comment, token_count, applicable_count,
            created_at, updated_at, risk_set, risk_computed, risk_source, risk_due_at, exposed_at,
            use_validity, source_kinds, number)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, 0, $15, $15, $16,
            $17, $11, $18, $19, $20, $21,
            (SELECT COALESCE(MAX(number), 0) + 1 FROM leaks))",
    )
    .bind(id.0.as_bytes().as_slice())
    .bind(&registration.tenant)
    .bind(&registration.title)
    .bind(registration.title.to_lowercase())
    .bind(search::of_new(
        &registration.title,
        registration.comment.as_deref(),
        &registration.source,
    ))
    .bind(row::rank(registration.risk.unwrap_or(assessed.level), Risk::ALL))
    .bind(row::rank(Status::Open, Status::ALL))
    .bind(Remediation::None.name())
    .bind(registration.detected_by.name())
    .bind(kind)
    .bind(registration.source.kind.name())
    .bind(&registration.owner)
    .bind(&registration.contact)
    .bind(&registration.comment)
    .bind(at)
    .bind(registration.risk.map(|risk| row::rank(risk, Risk::ALL)))
    .bind(row::rank(assessed.level, Risk::ALL))
    .bind(assessed.due_at.map(|at| at.as_millisecond()))
    .bind(registration.exposed_at.map(|at| at.as_millisecond()))
    .bind(row::validity_name(validity))
    .bind(search::bit(registration.source.kind))
    .execute(&mut *connection)
    .await?;
    add_source(connection, id, &registration.source, at).await?;
    Ok(id)
}

/// Puts new tokens into the leak that was made or is continued.
async fn add_tokens(
    connection: &mut dyn Connection,
    registration: &Registration,
    id: LeakId,
    tokens: &[&Kept],
    actor: &Actor,
    at: i64,
) -> Result<(), StoreError> {
    let ids: Vec<TokenId> = tokens.iter().map(|kept| kept.id).collect();
    if let Some(first) = ids.iter().min() {
        changes::note(connection, Change::Appended(id, just_before(*first))).await?;
    }
    tokens::attach(connection, id, &ids).await?;
    let applicable = tokens.iter().filter(|kept| kept.is_applicable).count();
    leaks::grow(connection, id, tokens.len(), applicable, at).await?;
    let detail =
        format!("{}: {}", words::of_tokens(tokens.len()), words::of_source(&registration.source));
    let deed = Deed {
        tenant: &registration.tenant,
        leak: id,
        action: "register",
        comment: registration.comment.as_deref(),
        detail: Some(&detail),
        changed: changed::of_registration(registration, tokens.len()),
        at,
    };
    record(connection, deed, actor).await
}

/// By what a place is known again.
pub(super) fn source_digest(source: &Source) -> Result<Vec<u8>, StoreError> {
    let json = row::to_json(source)?;
    Ok(digest::digest(&digest::SHA256, json.as_bytes()).as_ref().to_vec())
}

/// Adds a place to a leak; one that it has was reported once more. Answers with how often it was
/// reported.
async fn add_source(
    connection: &mut dyn Connection,
    leak: LeakId,
    source: &Source,
    at: i64,
) -> Result<i64, StoreError> {
    let found = query(
        "INSERT INTO sources (leak, kind, url, path, commit_id, line, search_text, digest,
            first_at, last_at, times)
         VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8, $8, 1)
         ON CONFLICT (leak, digest) DO UPDATE
            SET last_at = excluded.last_at, times = sources.times + 1
         RETURNING times",
    )
    .bind(leak.0.as_bytes().as_slice())
    .bind(source.kind.name())
    .bind(&source.url)
    .bind(&source.path)
    .bind(&source.commit)
    .bind(source.line.map(row::signed))
    .bind(source_digest(source)?)
    .bind(at)
    .fetch_one(connection)
    .await?;
    row::number(&found, "times")
}

/// The last id before this one.
fn just_before(id: TokenId) -> TokenId {
    TokenId(uuid::Uuid::from_u128(id.0.as_u128().saturating_sub(1)))
}
