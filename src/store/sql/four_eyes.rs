//! Decisions that take two persons: what one asks for, and what another one says to it.
//!
//! Whether two are needed is looked at inside the transaction of each decision, so that none slips
//! through while it is turned on.

use async_trait::async_trait;

use super::audit::{Deed, Entry, record_entry};
use super::database::{Builder, Connection, Row, query};
use super::{SqlStore, applicable, changed, decisions, leaks, list, once, row, token_modes};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::{LeakId, ProposalId};
use crate::model::leak::{Decision, Leak};
use crate::model::proposal::{Proposal, ProposalKind, ProposalState};
use crate::model::role::{Actor, person_of};
use crate::model::rule::{PatchMode, TokenMode};
use crate::model::tenant::Tenants;
use crate::store::cursor::{Binding, Place, SortKey};
use crate::store::types::{
    Decide, FourEyesStore, Page, PageRequest, ProposalQuery, Second, Verdict,
};
use crate::store::{StoreError, words};

/// The action of a proposal to let one person decide again.
const OFF: &str = "four_eyes_off";

const COLUMNS: &str = "id, tenant, kind, leak, action, asked, summary, comment, state, proposed_by,
    person, proposed_at, expires_at, settled_by, settled_at, settled_comment";

/// The person behind an actor: a user by name, or who made the API token. One who made several is one.
pub(super) async fn person(
    connection: &mut dyn Connection,
    actor: &Actor,
) -> Result<Option<String>, StoreError> {
    let Some(token) = actor.api_token else { return Ok(Some(person_of(&actor.name))) };
    let found = query("SELECT person FROM api_tokens WHERE id = $1")
        .bind(token.0.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    match found {
        Some(found) => row::text_or_none(&found, "person"),
        None => Ok(None),
    }
}

/// The same of who asks; where the person is not known, the API token stands for them.
async fn asking(connection: &mut dyn Connection, actor: &Actor) -> Result<String, StoreError> {
    let person = person(connection, actor).await?;
    Ok(person.unwrap_or_else(|| {
        format!("token:{}", actor.api_token.map(|id| id.to_string()).unwrap_or_default())
    }))
}

async fn is_on(connection: &mut dyn Connection, tenant: &str) -> Result<bool, StoreError> {
    let found = query("SELECT four_eyes FROM tenants WHERE id = $1")
        .bind(tenant)
        .fetch_optional(connection)
        .await?;
    found.map_or(Ok(false), |found| row::flag(&found, "four_eyes"))
}

/// Whether requests that carry a token of the leak are refused now.
async fn blocks(connection: &mut dyn Connection, leak: LeakId) -> Result<bool, StoreError> {
    let found = query("SELECT mode FROM virtual_patches WHERE leak = $1")
        .bind(leak.0.as_bytes().as_slice())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(found) = found else { return Ok(false) };
    let mode = row::named(&found, "mode", PatchMode::from_name)?;
    Ok(mode == PatchMode::Block || has_blocking_tokens(connection, leak).await?)
}

async fn has_blocking_tokens(
    connection: &mut dyn Connection,
    leak: LeakId,
) -> Result<bool, StoreError> {
    let modes = token_modes::of(connection, leak).await?;
    Ok(modes.iter().any(|of| of.mode == TokenMode::Block))
}

/// Whether the decision takes two persons: where the tenant asks for them, what blocks, and what
/// changes or ends a block.
pub(super) async fn needs_two(
    connection: &mut dyn Connection,
    tenant: &str,
    leak: LeakId,
    decide: &Decide,
) -> Result<bool, StoreError> {
    if decide.conditions.second == Second::Exempt || !is_on(&mut *connection, tenant).await? {
        return Ok(false);
    }
    if blocks(&mut *connection, leak).await? {
        return Ok(true);
    }
    let Some(patch) = &decide.patch else { return Ok(false) };
    if decide.decision != Decision::ApplyVirtualPatch {
        return Ok(false);
    }
    let by_token = match &patch.tokens {
        Some(modes) => modes.iter().any(|of| of.mode == TokenMode::Block),
        None => has_blocking_tokens(connection, leak).await?,
    };
    Ok(patch.mode == PatchMode::Block || by_token)
}

/// Whether a change of the tokens of a leak takes two persons, since it is one that blocks.
pub(super) async fn of_blocked(
    connection: &mut dyn Connection,
    tenant: &str,
    leak: LeakId,
    second: &Second,
) -> Result<bool, StoreError> {
    Ok(*second != Second::Exempt
        && is_on(&mut *connection, tenant).await?
        && blocks(connection, leak).await?)
}

/// Something was decided about the leak, it has other tokens, or its patch has ended: what waits for
/// another person was asked for another state.
pub(super) async fn supersede(
    connection: &mut dyn Connection,
    leak: LeakId,
    at: i64,
) -> Result<(), StoreError> {
    query(
        "UPDATE proposals SET state = $2, settled_at = $3
         WHERE leak = $1 AND state = $4 AND kind = $5",
    )
    .bind(leak.0.as_bytes().as_slice())
    .bind(ProposalState::Superseded.name())
    .bind(at)
    .bind(ProposalState::Pending.name())
    .bind(ProposalKind::Decision.name())
    .execute(connection)
    .await?;
    Ok(())
}

/// Asks another person to review what one has done in haste.
pub(super) async fn ask_for_review(
    connection: &mut dyn Connection,
    deed: &Deed<'_>,
    reason: &str,
    actor: &Actor,
) -> Result<(), StoreError> {
    let asked = Asked {
        tenant: deed.tenant,
        kind: ProposalKind::Review,
        leak: Some(deed.leak),
        action: deed.action,
        decide: None,
        summary: deed.detail.unwrap_or(deed.action),
        comment: Some(reason),
        at: deed.at,
    };
    insert(connection, asked, actor).await.map(drop)
}

/// The same of turning the bypass on, for one tenant, or for all: then where any asks for two persons.
pub(super) async fn ask_for_review_of_bypass(
    connection: &mut dyn Connection,
    tenant: Option<&str>,
    (reason, at): (&str, i64),
    actor: &Actor,
) -> Result<(), StoreError> {
    let asks = match tenant {
        Some(tenant) => is_on(&mut *connection, tenant).await?,
        None => query("SELECT 1 FROM tenants WHERE four_eyes = $1 LIMIT 1")
            .bind(true)
            .fetch_optional(&mut *connection)
            .await?
            .is_some(),
    };
    if !asks {
        return Ok(());
    }
    let asked = Asked {
        tenant: tenant.unwrap_or(&actor.tenant),
        kind: ProposalKind::Review,
        leak: None,
        action: "bypass_on",
        decide: None,
        summary: if tenant.is_some() {
            "all blocking of the tenant was stopped"
        } else {
            "all blocking of the installation was stopped"
        },
        comment: Some(reason),
        at,
    };
    insert(connection, asked, actor).await.map(drop)
}

/// A proposal about to be made.
struct Asked<'a> {
    tenant: &'a str,
    kind: ProposalKind,
    leak: Option<LeakId>,
    action: &'a str,
    decide: Option<String>,
    summary: &'a str,
    comment: Option<&'a str>,
    at: i64,
}

async fn insert(
    connection: &mut dyn Connection,
    asked: Asked<'_>,
    actor: &Actor,
) -> Result<ProposalId, StoreError> {
    let id = ProposalId::new();
    let person = asking(&mut *connection, actor).await?;
    let lasts = row::signed(limits::PROPOSAL_TIME.as_millis());
    let expires_at = (asked.kind != ProposalKind::Review).then(|| asked.at.saturating_add(lasts));
    query(
        "INSERT INTO proposals (id, tenant, kind, leak, action, asked, summary, comment, state,
            proposed_by, person, proposed_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(id.0.as_bytes().as_slice())
    .bind(asked.tenant)
    .bind(asked.kind.name())
    .bind(asked.leak.map(|leak| leak.0.as_bytes().to_vec()))
    .bind(asked.action)
    .bind(asked.decide)
    .bind(asked.summary)
    .bind(asked.comment)
    .bind(ProposalState::Pending.name())
    .bind(&actor.name)
    .bind(person)
    .bind(asked.at)
    .bind(expires_at)
    .execute(connection)
    .await?;
    Ok(id)
}

async fn found(connection: &mut dyn Connection, id: ProposalId) -> Result<Option<Row>, StoreError> {
    let mut sql = Builder::new("SELECT ");
    sql.push(COLUMNS).push(" FROM proposals WHERE id = ").push_bind(id.0.as_bytes().to_vec());
    Ok(sql.build().fetch_optional(connection).await?)
}

async fn shown(connection: &mut dyn Connection, id: ProposalId) -> Result<Proposal, StoreError> {
    let found = found(connection, id).await?;
    proposal(&found.ok_or(StoreError::NotFound("proposal"))?)
}

fn proposal(found: &Row) -> Result<Proposal, StoreError> {
    let expires_at = row::time_or_none(found, "expires_at")?;
    let mut state = row::named(found, "state", ProposalState::from_name)?;
    if state == ProposalState::Pending && expires_at.is_some_and(|at| at <= clock::now()) {
        state = ProposalState::Expired;
    }
    Ok(Proposal {
        id: ProposalId(row::uuid(found, "id")?),
        tenant: row::text(found, "tenant")?,
        kind: row::named(found, "kind", ProposalKind::from_name)?,
        leak: row::uuid_or_none(found, "leak")?.map(LeakId),
        action: row::text(found, "action")?,
        summary: row::text(found, "summary")?,
        comment: row::text_or_none(found, "comment")?,
        state,
        proposed_by: row::text(found, "proposed_by")?,
        person: row::text(found, "person")?,
        proposed_at: row::time(found, "proposed_at")?,
        expires_at,
        settled_by: row::text_or_none(found, "settled_by")?,
        settled_at: row::time_or_none(found, "settled_at")?,
        settled_comment: row::text_or_none(found, "settled_comment")?,
    })
}

/// Turns the setting, with its audit row.
async fn turn(
    connection: &mut dyn Connection,
    tenant: &str,
    on: bool,
    (detail, at): (Option<&str>, i64),
    actor: &Actor,
) -> Result<(), StoreError> {
    let before = is_on(&mut *connection, tenant).await?;
    let turned = query("UPDATE tenants SET four_eyes = $2 WHERE id = $1")
        .bind(tenant)
        .bind(on)
        .execute(&mut *connection)
        .await?;
    if turned == 0 {
        return Err(StoreError::NotFound("tenant"));
    }
    let entry = Entry {
        tenant,
        at,
        action: if on { "four_eyes_on" } else { OFF },
        object: Some(tenant),
        detail,
        changed: changed::differing("four_eyes", before, on).into_iter().collect(),
    };
    record_entry(connection, entry, actor).await
}

#[async_trait]
impl FourEyesStore for SqlStore {
    async fn four_eyes(&self, tenant: &str) -> Result<bool, StoreError> {
        is_on(&mut self.reserved_readers.acquire().await?, tenant).await
    }

    async fn four_eyes_tenants(&self) -> Result<Vec<String>, StoreError> {
        let rows = query("SELECT id FROM tenants WHERE four_eyes = $1 ORDER BY id")
            .bind(true)
            .fetch_all(&self.decisions_readers)
            .await?;
        rows.iter().map(|found| row::text(found, "id")).collect()
    }

    async fn set_four_eyes(
        &self,
        tenant: &str,
        on: bool,
        comment: Option<&str>,
        actor: &Actor,
    ) -> Result<Option<Proposal>, StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        if is_on(&mut transaction, tenant).await? == on {
            return Ok(None);
        }
        if on {
            turn(&mut transaction, tenant, true, (comment, at), actor).await?;
            transaction.commit().await?;
            return Ok(None);
        }
        let asked = Asked {
            tenant,
            kind: ProposalKind::FourEyesOff,
            leak: None,
            action: OFF,
            decide: None,
            summary: "one person is enough again for what blocks, and for what weakens a block",
            comment,
            at,
        };
        let id = insert(&mut transaction, asked, actor).await?;
        let entry = Entry {
            tenant,
            at,
            action: "propose",
            object: Some(&id.to_string()),
            detail: Some(OFF),
            changed: Vec::new(),
        };
        record_entry(&mut transaction, entry, actor).await?;
        let proposal = shown(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(Some(proposal))
    }

    async fn propose(
        &self,
        tenant: &str,
        leak: LeakId,
        decide: Decide,
        actor: &Actor,
    ) -> Result<Proposal, StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let asked_once = decide.conditions.once;
        once::claim(&mut transaction, tenant, asked_once, at).await?;
        let versions = decide.conditions.versions.as_deref();
        let status = leaks::status_if(&mut transaction, tenant, leak, versions).await?;
        status.after(decide.decision)?;
        if let Some(patch) = &decide.patch {
            applicable::refuse_impossible(&mut transaction, leak, patch).await?;
        }
        let person = asking(&mut transaction, actor).await?;
        query(
            "UPDATE proposals SET state = $3, settled_at = $4
             WHERE leak = $1 AND person = $2 AND state = $5 AND kind = $6",
        )
        .bind(leak.0.as_bytes().as_slice())
        .bind(person)
        .bind(ProposalState::Superseded.name())
        .bind(at)
        .bind(ProposalState::Pending.name())
        .bind(ProposalKind::Decision.name())
        .execute(&mut transaction)
        .await?;
        let action = decide.decision.name();
        let summary = match &decide.patch {
            Some(patch) => format!("{action}: {}", words::of_patch(patch)),
            None => action.to_owned(),
        };
        let asked = Asked {
            tenant,
            kind: ProposalKind::Decision,
            leak: Some(leak),
            action,
            decide: Some(row::to_json(&decide)?),
            summary: &summary,
            comment: decide.comment.as_deref(),
            at,
        };
        let id = insert(&mut transaction, asked, actor).await?;
        let deed = Deed {
            tenant,
            leak,
            action: "propose",
            comment: decide.comment.as_deref(),
            detail: Some(&summary),
            changed: Vec::new(),
            at,
        };
        super::audit::record(&mut transaction, deed, actor).await?;
        let proposal = shown(&mut transaction, id).await?;
        let answer = row::to_json(&proposal)?;
        once::answer(&mut transaction, tenant, asked_once, Some(leak), &answer).await?;
        transaction.commit().await?;
        Ok(proposal)
    }

    async fn proposals(
        &self,
        of: &Tenants,
        asked: &ProposalQuery,
    ) -> Result<Page<Proposal>, StoreError> {
        let parameters = ProposalQuery { page: PageRequest::default(), ..asked.clone() };
        let binding = Binding::new("proposals", &(of.only(), parameters));
        let before = binding.place(asked.page.cursor.as_deref())?.map(|place| place.id);
        let limit = list::page_limit(&asked.page);
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM proposals WHERE 1 = 1");
        list::push_tenant(&mut sql, "tenant", of);
        list::push_in(&mut sql, " AND kind", asked.kind.iter().map(|kind| kind.name()));
        if !asked.state.is_empty() {
            push_states(&mut sql, &asked.state);
        }
        if let Some(leak) = asked.leak {
            sql.push(" AND leak = ").push_bind(leak.0.as_bytes().to_vec());
        }
        if let Some(before) = before {
            sql.push(" AND id < ").push_bind(before);
        }
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(row::signed(limit.saturating_add(1)));
        let rows = sql.build().fetch_all(&self.decisions_readers).await?;
        let place = |found: &Row| Ok(Place { key: SortKey::Number(0), id: found.try_get("id")? });
        list::page(rows, limit, &binding, place, proposal)
    }

    async fn waiting(&self, of: &Tenants, most: usize) -> Result<u64, StoreError> {
        let mut sql =
            Builder::new("SELECT COUNT(*) AS count FROM (SELECT 1 FROM proposals WHERE 1 = 1");
        list::push_tenant(&mut sql, "tenant", of);
        push_states(&mut sql, &[ProposalState::Pending]);
        sql.push(" LIMIT ").push_bind(row::signed(most)).push(") AS counted");
        row::count(&sql.build().fetch_one(&self.decisions_readers).await?, "count")
    }

    async fn proposal(&self, id: ProposalId) -> Result<Option<Proposal>, StoreError> {
        let found = found(&mut self.reserved_readers.acquire().await?, id).await?;
        found.as_ref().map(proposal).transpose()
    }

    async fn settle_proposal(
        &self,
        tenant: &str,
        id: ProposalId,
        verdict: Verdict,
        comment: Option<&str>,
        actor: &Actor,
    ) -> Result<(Proposal, Option<Leak>), StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let row = found(&mut transaction, id).await?.ok_or(StoreError::NotFound("proposal"))?;
        let before = proposal(&row)?;
        let is_review = before.kind == ProposalKind::Review;
        if before.tenant != tenant || is_review != (verdict == Verdict::Acknowledge) {
            return Err(StoreError::NotFound("proposal"));
        }
        if before.state != ProposalState::Pending {
            return Err(StoreError::Settled(before.state));
        }
        if verdict != Verdict::Reject {
            let person = person(&mut transaction, actor).await?.ok_or(StoreError::UnknownPerson)?;
            if person == row::text(&row, "person")? {
                return Err(StoreError::SamePerson);
            }
        }
        let (state, action) = match verdict {
            Verdict::Approve => (ProposalState::Approved, "approve"),
            Verdict::Reject => (ProposalState::Rejected, "reject"),
            Verdict::Acknowledge => (ProposalState::Acknowledged, "acknowledge"),
        };
        query(
            "UPDATE proposals SET state = $2, settled_by = $3, settled_at = $4, settled_comment = $5
             WHERE id = $1",
        )
        .bind(id.0.as_bytes().as_slice())
        .bind(state.name())
        .bind(&actor.name)
        .bind(at)
        .bind(comment)
        .execute(&mut transaction)
        .await?;
        let entry = Entry {
            tenant,
            at,
            action,
            object: Some(&id.to_string()),
            detail: Some(&format!("{}, proposed by {}", before.summary, before.proposed_by)),
            changed: changed::differing("state", before.state, state).into_iter().collect(),
        };
        record_entry(&mut transaction, entry, actor).await?;
        let mut found = Vec::new();
        let by = Some(before.proposed_by.as_str());
        match (verdict, before.kind, before.leak) {
            (Verdict::Approve, ProposalKind::Decision, Some(leak)) => {
                let decide: Decide = row::json(&row, "asked")?;
                let how = (at, None, by);
                found =
                    decisions::make(&mut transaction, tenant, leak, &decide, actor, how).await?;
            }
            (Verdict::Approve, ProposalKind::FourEyesOff, _) => {
                let detail = format!("proposed by {}", before.proposed_by);
                turn(&mut transaction, tenant, false, (Some(&detail), at), actor).await?;
            }
            _ => {}
        }
        let after = shown(&mut transaction, id).await?;
        transaction.commit().await?;
        drop(writer);
        let leak = if found.is_empty() { None } else { Some(self.with_use_if_told(found).await?) };
        Ok((after, leak))
    }
}

/// One that nobody has settled in time is expired, though its row does not say so.
fn push_states(sql: &mut Builder, states: &[ProposalState]) {
    let now = clock::now().as_millisecond();
    sql.push(" AND (state IN (").push_list(states.iter().map(|state| state.name())).push(")");
    let pending = states.contains(&ProposalState::Pending);
    let expired = states.contains(&ProposalState::Expired);
    if pending && !expired {
        sql.push(" AND (state <> ").push_bind(ProposalState::Pending.name());
        sql.push(" OR expires_at IS NULL OR expires_at > ").push_bind(now).push(")");
    }
    if expired && !pending {
        sql.push(" OR (state = ").push_bind(ProposalState::Pending.name());
        sql.push(" AND expires_at <= ").push_bind(now).push(")");
    }
    sql.push(")");
}
