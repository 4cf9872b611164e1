//! Decisions about leaks, the rules that follow from them, and the bypass switch.

use jiff::{Timestamp, ToSpan as _};

use super::audit::{Deed, record};
use super::database::{Builder, Connection, Row, Transaction, query};
use super::{
    SqlStore, applicable, changed, changes, four_eyes, leaks, list, once, row, tenants, token_modes,
};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::{LeakId, PatchId};
use crate::model::leak::{Decision, EXPIRE_VIRTUAL_PATCH, Leak, Resolution, Status};
use crate::model::role::Actor;
use crate::model::rule::{ModeOfToken, TokenMode, VirtualPatch};
use crate::model::tenant::Tenants;
use crate::store::cursor::{Binding, Place, SortKey};
use crate::store::types::{
    Bypass, Change, Decide, EnforcedLeak, FieldChange, NewPatch, Once, Page, PageRequest, Second,
};
use crate::store::{StoreError, words};

impl SqlStore {
    pub(super) async fn decide_leak(
        &self,
        tenant: &str,
        id: LeakId,
        decide: Decide,
        actor: &Actor,
    ) -> Result<Leak, StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        once::claim(&mut transaction, tenant, decide.conditions.once, at).await?;
        let versions = decide.conditions.versions.as_deref();
        let status = leaks::status_if(&mut transaction, tenant, id, versions).await?;
        let second = &decide.conditions.second;
        // Whether it could be made at all is told first.
        status.after(decide.decision)?;
        let needs_two = four_eyes::needs_two(&mut transaction, tenant, id, &decide).await?;
        if needs_two && *second == Second::Nobody {
            return Err(StoreError::NeedsTwo);
        }
        let reason = match second {
            Second::Afterwards(reason) if needs_two => Some(reason.as_str()),
            _ => None,
        };
        let leaks = make(&mut transaction, tenant, id, &decide, actor, (at, reason, None)).await?;
        self.answered(transaction, tenant, decide.conditions.once, leaks).await
    }

    /// Ends the transaction of a decision about the one leak that was loaded, and answers with it.
    /// Where it is done once, the answer is a part of it.
    pub(super) async fn answered(
        &self,
        mut transaction: Transaction<'_>,
        tenant: &str,
        once: Option<Once>,
        leaks: Vec<Leak>,
    ) -> Result<Leak, StoreError> {
        if once.is_none() {
            transaction.commit().await?;
            return self.with_use_if_told(leaks).await;
        }
        let leak = self.with_use_if_told(leaks).await?;
        let answer = row::to_json(&leak)?;
        once::answer(&mut transaction, tenant, once, Some(leak.id), &answer).await?;
        transaction.commit().await?;
        Ok(leak)
    }

    pub(super) async fn remove_expired_patches(
        &self,
        now: Timestamp,
    ) -> Result<Vec<LeakId>, StoreError> {
        let at = now.as_millisecond();
        let expired = "SELECT p.leak, l.tenant FROM virtual_patches p JOIN leaks l ON l.id = p.leak
             WHERE p.expires_at <= $1 ORDER BY p.expires_at, p.leak";
        // Looked for by a reader first: the writer is not to be waited for every second in vain.
        if query(expired).bind(at).fetch_optional(&self.reserved_readers).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let rows = query(expired).bind(at).fetch_all(&mut transaction).await?;
        let mut ended = Vec::with_capacity(rows.len());
        for found in &rows {
            let id = LeakId(row::uuid(found, "leak")?);
            let tenant = row::text(found, "tenant")?;
            let before = State::of(&mut transaction, id).await?;
            let removed = remove(&mut transaction, id).await?.unwrap_or_default();
            leaks::settle(&mut transaction, id, at).await?;
            four_eyes::supersede(&mut transaction, id, at).await?;
            let after = State::of(&mut transaction, id).await?;
            let detail = format!("expired; {removed}");
            let deed = Deed {
                tenant: &tenant,
                leak: id,
                action: EXPIRE_VIRTUAL_PATCH,
                comment: None,
                detail: Some(&detail),
                changed: before.changed(&after),
                at,
            };
            record(&mut transaction, deed, &Actor::system(&tenant)).await?;
            changes::note(&mut transaction, Change::Rule(id)).await?;
            ended.push(id);
        }
        transaction.commit().await?;
        Ok(ended)
    }

    pub(super) async fn list_patches(
        &self,
        of: &Tenants,
        page: &PageRequest,
    ) -> Result<Page<VirtualPatch>, StoreError> {
        let binding = Binding::new("virtual-patches", &of.only());
        let before = binding.place(page.cursor.as_deref())?.map(|place| place.id);
        let limit = list::page_limit(page);
        let mut sql = Builder::new("SELECT ");
        sql.push(leaks::PATCH_COLUMNS).push(" FROM virtual_patches p WHERE 1 = 1");
        list::push_tenant(&mut sql, "p.tenant", of);
        if let Some(before) = before {
            sql.push(" AND p.id < ").push_bind(before);
        }
        sql.push(" ORDER BY p.id DESC LIMIT ").push_bind(row::signed(limit.saturating_add(1)));
        let rows = sql.build().fetch_all(&self.decisions_readers).await?;
        list::page(rows, limit, &binding, place, |found| {
            leaks::patch(found)?.ok_or(StoreError::NotFound("virtual patch"))
        })
    }

    pub(super) async fn list_enforced_leaks(
        &self,
        now: Timestamp,
        watch_closed_days: u32,
    ) -> Result<Vec<EnforcedLeak>, StoreError> {
        let mut sql = select_enforced(now, watch_closed_days);
        sql.push(" ORDER BY l.id");
        let rows = sql.build().fetch_all(&self.reserved_readers).await?;
        let mut leaks = rows.iter().map(enforced_leak).collect::<Result<Vec<_>, _>>()?;
        self.add_enforced_modes(&mut leaks).await?;
        Ok(leaks)
    }

    pub(super) async fn list_enforced_leaks_of(
        &self,
        ids: &[LeakId],
        now: Timestamp,
        watch_closed_days: u32,
    ) -> Result<Vec<EnforcedLeak>, StoreError> {
        let mut leaks = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(limits::STORE_VALUES) {
            let mut sql = select_enforced(now, watch_closed_days);
            sql.push(" AND l.id IN (");
            leaks::push_ids(&mut sql, chunk);
            sql.push(" ORDER BY l.id");
            let rows = sql.build().persistent(false).fetch_all(&self.reserved_readers).await?;
            for found in &rows {
                leaks.push(enforced_leak(found)?);
            }
        }
        self.add_enforced_modes(&mut leaks).await?;
        Ok(leaks)
    }

    pub(super) async fn read_bypass(&self) -> Result<Bypass, StoreError> {
        let found = query(
            "SELECT is_on, reason, expires_at, changed_by, changed_at FROM bypass WHERE id = 1",
        )
        .fetch_optional(&self.reserved_readers)
        .await?;
        found.as_ref().map_or_else(|| Ok(Bypass::default()), tenants::bypass)
    }

    pub(super) async fn write_bypass(
        &self,
        bypass: Bypass,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let at = bypass.changed_at.unwrap_or_else(clock::now).as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let before = query("SELECT is_on, reason, expires_at, changed_by, changed_at FROM bypass")
            .fetch_optional(&mut transaction)
            .await?;
        let before = before.as_ref().map(tenants::bypass).transpose()?.unwrap_or_default();
        query(
            "INSERT INTO bypass (id, is_on, reason, expires_at, changed_by, changed_at)
             VALUES (1, $1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET is_on = excluded.is_on, reason = excluded.reason,
                expires_at = excluded.expires_at, changed_by = excluded.changed_by,
                changed_at = excluded.changed_at",
        )
        .bind(bypass.on)
        .bind(&bypass.reason)
        .bind(bypass.expires_at.map(|at| at.as_millisecond()))
        .bind(&actor.name)
        .bind(at)
        .execute(&mut transaction)
        .await?;
        tenants::record_bypass(&mut transaction, None, (&before, &bypass), at, actor).await?;
        changes::note(&mut transaction, Change::Bypass).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// The leaks that are enforced or watched at `now`, up to the condition that they are.
fn select_enforced(now: Timestamp, watch_closed_days: u32) -> Builder {
    let watched = i64::from(watch_closed_days).saturating_mul(24).hours();
    let since = now.checked_sub(watched).unwrap_or(Timestamp::MIN).as_millisecond();
    let mut sql = Builder::new("SELECT l.id, l.tenant, l.status, l.closed_at, ");
    sql.push(leaks::PATCH_COLUMNS);
    sql.push(" FROM leaks l LEFT JOIN virtual_patches p ON p.leak = l.id WHERE (l.status = ");
    sql.push_bind(row::rank(Status::Open, Status::ALL)).push(" OR (l.status = ");
    sql.push_bind(row::rank(Status::Closed, Status::ALL)).push(" AND l.closed_at > ");
    sql.push_bind(since).push("))");
    sql
}

fn enforced_leak(found: &Row) -> Result<EnforcedLeak, StoreError> {
    Ok(EnforcedLeak {
        id: LeakId(row::uuid(found, "id")?),
        tenant: row::text(found, "tenant")?,
        status: row::ranked(found, "status", Status::ALL)?,
        virtual_patch: leaks::patch(found)?,
        token_modes: Vec::new(),
        closed_at: row::time_or_none(found, "closed_at")?,
    })
}

/// Makes a decision about a leak, whether or not it takes two persons, and answers with the leak. With
/// a reason for haste, another person is asked to review it; `proposed` says who asked for it, where
/// the actor has approved it.
pub(super) async fn make(
    connection: &mut dyn Connection,
    tenant: &str,
    id: LeakId,
    decide: &Decide,
    actor: &Actor,
    (at, reason, proposed): (i64, Option<&str>, Option<&str>),
) -> Result<Vec<Leak>, StoreError> {
    let before = State::of(&mut *connection, id).await?;
    let next = before.leak.status.after(decide.decision)?;
    let detail = match decide.decision {
        Decision::ApplyVirtualPatch => {
            let patch = decide.patch.as_ref().ok_or_else(|| {
                StoreError::Failed("a patch was to be applied, and none was given".to_owned())
            })?;
            Some(apply(&mut *connection, tenant, id, patch, actor, at).await?)
        }
        Decision::RemoveVirtualPatch => match remove(&mut *connection, id).await? {
            Some(removed) => Some(removed),
            // There was none: it is as was asked already, and nothing happened.
            None => return leaks::load(connection, &[id]).await,
        },
        Decision::Close | Decision::MarkFalse => {
            let removed = remove(&mut *connection, id).await?;
            let resolution =
                decide.resolution.map(|resolution| format!("resolution: {resolution}"));
            let parts: Vec<String> = resolution.into_iter().chain(removed).collect();
            (!parts.is_empty()).then(|| parts.join("; "))
        }
        Decision::Reopen => None,
    };
    let proposed = proposed.map(|name| format!("proposed by {name}"));
    let haste = reason.map(|reason| format!("break-glass: {reason}"));
    let parts: Vec<String> = detail.into_iter().chain(proposed).chain(haste).collect();
    let detail = (!parts.is_empty()).then(|| parts.join("; "));
    set_status(&mut *connection, id, next, decide.resolution, at).await?;
    leaks::settle(&mut *connection, id, at).await?;
    let after = State::of(&mut *connection, id).await?;
    let deed = Deed {
        tenant,
        leak: id,
        action: decide.decision.name(),
        comment: decide.comment.as_deref(),
        detail: detail.as_deref(),
        changed: before.changed(&after),
        at,
    };
    four_eyes::supersede(&mut *connection, id, at).await?;
    if let Some(reason) = reason {
        four_eyes::ask_for_review(&mut *connection, &deed, reason, actor).await?;
    }
    record(&mut *connection, deed, actor).await?;
    changes::note(&mut *connection, Change::Rule(id)).await?;
    leaks::load(connection, &[id]).await
}

/// What a decision may change of a leak.
struct State {
    leak: Leak,
    modes: Vec<ModeOfToken>,
}

impl State {
    async fn of(connection: &mut dyn Connection, id: LeakId) -> Result<Self, StoreError> {
        let leak = leaks::state(&mut *connection, id).await?;
        Ok(Self { leak, modes: token_modes::of(connection, id).await? })
    }

    fn changed(&self, after: &Self) -> Vec<FieldChange> {
        let mut changed = changed::of_leak(&self.leak, &after.leak);
        changed.extend(changed::of_modes(&self.modes, &after.modes));
        changed
    }
}

/// Sets the status, and what goes with it: only a leak that is ended has a resolution, only a
/// closed one was closed.
async fn set_status(
    connection: &mut dyn Connection,
    id: LeakId,
    status: Status,
    resolution: Option<Resolution>,
    at: i64,
) -> Result<(), StoreError> {
    query("UPDATE leaks SET status = $2, resolution = $3, closed_at = $4 WHERE id = $1")
        .bind(id.0.as_bytes().as_slice())
        .bind(row::rank(status, Status::ALL))
        .bind(resolution.filter(|_| status != Status::Open).map(Resolution::name))
        .bind((status == Status::Closed).then_some(at))
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes the leak's rule, or changes the one that it has, which keeps its id and beginning. Answers
/// with what it is, in words.
async fn apply(
    connection: &mut dyn Connection,
    tenant: &str,
    leak: LeakId,
    patch: &NewPatch,
    actor: &Actor,
    at: i64,
) -> Result<String, StoreError> {
    let (left_out, taken) =
        applicable::refuse_inapplicable(&mut *connection, leak, patch.force).await?;
    query(
        "INSERT INTO virtual_patches (id, leak, tenant, mode, scope, expires_at, force, created_by,
            created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (leak) DO UPDATE SET mode = excluded.mode, scope = excluded.scope,
            expires_at = excluded.expires_at, force = excluded.force",
    )
    .bind(PatchId::new().0.as_bytes().as_slice())
    .bind(leak.0.as_bytes().as_slice())
    .bind(tenant)
    .bind(patch.mode.name())
    .bind(row::to_json(&patch.scope)?)
    .bind(patch.expires_at.map(|at| at.as_millisecond()))
    .bind(patch.force)
    .bind(&actor.name)
    .bind(at)
    .execute(&mut *connection)
    .await?;
    if let Some(modes) = &patch.tokens {
        token_modes::set(&mut *connection, leak, patch.mode, modes).await?;
    }
    let modes = token_modes::of(&mut *connection, leak).await?;
    applicable::refuse_nothing(&mut *connection, leak, (patch.force, taken), &modes).await?;
    let of_mode = |mode: TokenMode| modes.iter().filter(|of| of.mode == mode).count();
    let mut detail = words::of_patch(patch);
    for mode in TokenMode::ALL {
        if of_mode(*mode) > 0 {
            detail.push_str(&format!(", {} in mode {mode}", words::of_tokens(of_mode(*mode))));
        }
    }
    if left_out > 0 {
        detail.push_str(&format!(
            ", without {} of which no rule is made",
            words::of_tokens(left_out)
        ));
    }
    Ok(detail)
}

/// Removes the leak's rule; answers with what it was, in words, where there was one.
async fn remove(
    connection: &mut dyn Connection,
    leak: LeakId,
) -> Result<Option<String>, StoreError> {
    let mut sql = Builder::new("SELECT ");
    sql.push(leaks::PATCH_COLUMNS).push(" FROM virtual_patches p WHERE p.leak = ");
    sql.push_bind(leak.0.as_bytes().to_vec());
    let Some(found) = sql.build().fetch_optional(&mut *connection).await? else { return Ok(None) };
    let Some(patch) = leaks::patch(&found)? else { return Ok(None) };
    query("DELETE FROM virtual_patches WHERE leak = $1")
        .bind(leak.0.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    token_modes::clear(connection, leak).await?;
    let rule = words::of_rule(patch.mode, &patch.scope, patch.expires_at);
    Ok(Some(format!("virtual patch removed: {rule}")))
}

fn place(found: &Row) -> Result<Place, StoreError> {
    Ok(Place { key: SortKey::Number(0), id: found.try_get("patch_id")? })
}
