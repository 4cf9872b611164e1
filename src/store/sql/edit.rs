//! Changes to a leak that are not decisions: title, risk, source, people, tokens.

use super::audit::{Deed, record};
use super::database::{Connection, query};
use super::register::source_digest;
use super::{SqlStore, changed, changes, four_eyes, leaks, risk, row, search, token_modes, tokens};
use crate::model::clock;
use crate::model::ids::{LeakId, TokenId};
use crate::model::leak::{Leak, Risk, Source};
use crate::model::role::Actor;
use crate::store::types::{Change, Edit, Second};
use crate::store::{StoreError, words};

impl SqlStore {
    pub(super) async fn edit_leak(
        &self,
        tenant: &str,
        id: LeakId,
        edit: Edit,
        actor: &Actor,
    ) -> Result<Leak, StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        leaks::status_if(&mut transaction, tenant, id, edit.conditions.versions.as_deref()).await?;
        let mut found = leaks::load(&mut transaction, &[id]).await?;
        let mut leak = found.pop().ok_or(StoreError::NotFound("leak"))?;
        let before = leak.clone();
        let modes = token_modes::of(&mut transaction, id).await?;
        let tokens_change = !edit.add_tokens.is_empty() || !edit.remove_tokens.is_empty();
        let second = &edit.conditions.second;
        let needs_two =
            tokens_change && four_eyes::of_blocked(&mut transaction, tenant, id, second).await?;
        if needs_two && *second == Second::Nobody {
            return Err(StoreError::NeedsTwo);
        }

        let mut words = apply(&mut leak, &edit);
        let mut other_tokens = 0;
        write(&mut transaction, &leak).await?;
        if let Some(source) = &edit.source {
            set_first_source(&mut transaction, id, source, at).await?;
            risk::weigh_sources(&mut transaction, id).await?;
        }
        if edit.title.is_some() || edit.comment.is_some() || edit.source.is_some() {
            search::rebuild(&mut transaction, id).await?;
        }
        if !edit.add_tokens.is_empty() {
            let sealer = self.sealer(&mut transaction).await?;
            let kept =
                tokens::keep(&mut transaction, &sealer, tenant, &edit.add_tokens, at).await?;
            let ids: Vec<TokenId> = kept.iter().map(|kept| kept.id).collect();
            let added = tokens::attach(&mut transaction, id, &ids).await?;
            other_tokens += added;
            if added > 0 {
                words.push(format!("{added} tokens added"));
            }
        }
        if !edit.remove_tokens.is_empty() {
            let removed = tokens::detach(&mut transaction, tenant, id, &edit.remove_tokens).await?;
            other_tokens += removed;
            if removed > 0 {
                words.push(format!("{removed} tokens removed"));
            }
        }
        if tokens_change {
            changes::note(&mut transaction, Change::Tokens(id)).await?;
        }
        if other_tokens > 0 {
            four_eyes::supersede(&mut transaction, id, at).await?;
            risk::doubt(&mut transaction, [id], at).await?;
        }
        if !words.is_empty() {
            leaks::recount(&mut transaction, id, at).await?;
            risk::settle(&mut transaction, id, clock::now()).await?;
        }
        let leaks = leaks::load(&mut transaction, &[id]).await?;
        if let (Some(after), false) = (leaks.first(), words.is_empty()) {
            let detail = words.join("; ");
            let mut fields = changed::of_leak(&before, after);
            let left = token_modes::of(&mut transaction, id).await?;
            fields.extend(changed::of_modes(&modes, &left));
            let deed = Deed {
                tenant,
                leak: id,
                action: "edit",
                comment: None,
                detail: Some(&detail),
                changed: fields,
                at,
            };
            if let (true, Second::Afterwards(reason)) = (needs_two, second) {
                four_eyes::ask_for_review(&mut transaction, &deed, reason, actor).await?;
            }
            record(&mut transaction, deed, actor).await?;
        }
        if leaks.first().is_some_and(|leak| leak.token_count == 0) {
            // The transaction ends with nothing done.
            return Err(StoreError::LastToken);
        }
        transaction.commit().await?;
        drop(writer);
        self.with_use_if_told(leaks).await
    }
}

/// Changes what stands in the leak's own row; answers with what changed, in words.
fn apply(leak: &mut Leak, edit: &Edit) -> Vec<String> {
    let mut changes = Vec::new();
    if let Some(title) = edit.title.as_ref().filter(|title| **title != leak.title) {
        changes.push(words::of_change("title", Some(&leak.title), Some(title)));
        leak.title.clone_from(title);
    }
    if let Some(risk) = edit.risk.filter(|risk| *risk != leak.risk_set) {
        let named = |set: Option<Risk>| set.map_or("computed", Risk::name);
        let (before, after) = (named(leak.risk_set), named(risk));
        changes.push(words::of_change("risk", Some(before), Some(after)));
        leak.risk_set = risk;
    }
    if let Some(exposed_at) = edit.exposed_at
        && exposed_at.unwrap_or(leak.created_at) != leak.exposed_at
    {
        let (before, after) =
            (leak.exposed_at.to_string(), exposed_at.unwrap_or(leak.created_at).to_string());
        changes.push(words::of_change("exposed_at", Some(&before), Some(&after)));
        leak.exposed_at = exposed_at.unwrap_or(leak.created_at);
    }
    if let Some(source) = edit.source.as_ref().filter(|source| **source != leak.source) {
        let before = words::of_source(&leak.source);
        changes.push(words::of_change("source", Some(&before), Some(&words::of_source(source))));
        leak.source = source.clone();
    }
    if let Some(kind) = edit.kind.as_ref().filter(|kind| **kind != leak.kind) {
        changes.push(words::of_change("kind", Some(&leak.kind), Some(kind)));
        leak.kind.clone_from(kind);
    }
    for (name, before, after) in
        [("owner", &mut leak.owner, &edit.owner), ("contact", &mut leak.contact, &edit.contact)]
    {
        if let Some(after) = after.as_ref().filter(|after| *after != before) {
            changes.push(words::of_change(name, before.as_deref(), after.as_deref()));
            before.clone_from(after);
        }
    }
    if let Some(comment) = edit.comment.as_ref().filter(|comment| **comment != leak.comment) {
        changes.push("comment changed".to_owned());
        leak.comment.clone_from(comment);
    }
    changes
}

async fn write(connection: &mut dyn Connection, leak: &Leak) -> Result<(), StoreError> {
    query(
        "UPDATE leaks SET title = $2, title_order = $3, risk_set = $4, kind = $5, source_kind = $6,
            owner = $7, contact = $8, comment = $9,
            exposed_at = CASE WHEN $10 = created_at THEN NULL ELSE $10 END
         WHERE id = $1",
    )
    .bind(leak.id.0.as_bytes().as_slice())
    .bind(&leak.title)
    .bind(leak.title.to_lowercase())
    .bind(leak.risk_set.map(|risk| row::rank(risk, Risk::ALL)))
    .bind(&leak.kind)
    .bind(leak.source.kind.name())
    .bind(&leak.owner)
    .bind(&leak.contact)
    .bind(&leak.comment)
    .bind(leak.exposed_at.as_millisecond())
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts another place in the first one's stead. Where the leak has that place already, it moves to
/// the front.
async fn set_first_source(
    connection: &mut dyn Connection,
    leak: LeakId,
    source: &Source,
    at: i64,
) -> Result<(), StoreError> {
    let digest = source_digest(source)?;
    query(
        "DELETE FROM sources WHERE leak = $1 AND digest = $2
         AND seq > (SELECT MIN(seq) FROM sources WHERE leak = $1)",
    )
    .bind(leak.0.as_bytes().as_slice())
    .bind(digest.as_slice())
    .execute(&mut *connection)
    .await?;
    query(
        "UPDATE sources SET kind = $2, url = $3, path = $4, commit_id = $5, line = $6,
            digest = $7, last_at = $8
         WHERE seq = (SELECT MIN(seq) FROM sources WHERE leak = $1)",
    )
    .bind(leak.0.as_bytes().as_slice())
    .bind(source.kind.name())
    .bind(&source.url)
    .bind(&source.path)
    .bind(&source.commit)
    .bind(source.line.map(row::signed))
    .bind(digest)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}
