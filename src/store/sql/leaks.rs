//! Leaks out of the database, whole, any number of them in a fixed number of queries.

use std::collections::HashMap;

use super::database::{Builder, Connection, Row, query};
use super::{SqlStore, risk, row, token_modes, tokens};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::{LeakId, PatchId};
use crate::model::kind::HONEYTOKEN;
use crate::model::leak::{
    DetectedBy, Leak, Remediation, Resolution, Risk, Source, SourceKind, Status,
};
use crate::model::risk::assess;
use crate::model::rule::{PatchMode, VirtualPatch};
use crate::store::StoreError;

/// The columns of `leaks l`, by name: what a later version adds does not change this answer.
const COLUMNS: &str = "l.id, l.tenant, l.title, l.risk, l.status, l.resolution, l.remediation,
    l.detected_by, l.kind, l.source_kind, l.owner, l.contact, l.comment, l.token_count,
    l.created_at, l.updated_at, l.version, l.risk_set, l.risk_computed, l.risk_source,
    COALESCE(l.exposed_at, l.created_at) AS exposed_at, l.first_used_at, l.use_validity";
/// The columns of a rule, where `virtual_patches p` is joined to its leak.
pub(super) const PATCH_COLUMNS: &str =
    "p.id AS patch_id, p.leak AS patch_leak, p.mode AS patch_mode,
    p.scope AS patch_scope, p.expires_at AS patch_expires_at, p.force AS patch_force,
    p.created_by AS patch_created_by, p.created_at AS patch_created_at";

/// The status of the tenant's leak.
pub(super) async fn status(
    connection: &mut dyn Connection,
    tenant: &str,
    id: LeakId,
) -> Result<Status, StoreError> {
    let found = query("SELECT status FROM leaks WHERE id = $1 AND tenant = $2")
        .bind(id.0.as_bytes().as_slice())
        .bind(tenant)
        .fetch_optional(connection)
        .await?
        .ok_or(StoreError::NotFound("leak"))?;
    row::ranked(&found, "status", Status::ALL)
}

/// The same, where the leak has one of the versions that the caller knows.
pub(super) async fn status_if(
    connection: &mut dyn Connection,
    tenant: &str,
    id: LeakId,
    versions: Option<&[u64]>,
) -> Result<Status, StoreError> {
    let status = status(&mut *connection, tenant, id).await?;
    if let Some(versions) = versions {
        let found = query("SELECT version FROM leaks WHERE id = $1")
            .bind(id.0.as_bytes().as_slice())
            .fetch_one(connection)
            .await?;
        let version = row::count(&found, "version")?;
        if !versions.contains(&version) {
            return Err(StoreError::Outdated(version));
        }
    }
    Ok(status)
}

/// Notes that a leak is another one than it was, though nothing was decided about it.
pub(super) async fn bump(connection: &mut dyn Connection, id: LeakId) -> Result<(), StoreError> {
    query("UPDATE leaks SET version = version + 1 WHERE id = $1")
        .bind(id.0.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes the time of a leak's last change.
pub(super) async fn touch(
    connection: &mut dyn Connection,
    id: LeakId,
    at: i64,
) -> Result<(), StoreError> {
    query("UPDATE leaks SET updated_at = $2, version = version + 1 WHERE id = $1")
        .bind(id.0.as_bytes().as_slice())
        .bind(at)
        .execute(connection)
        .await?;
    Ok(())
}

/// Counts tokens that were added to a leak, and brings up to date what follows from them. A leak
/// that grows in many parts is not counted anew for each.
pub(super) async fn grow(
    connection: &mut dyn Connection,
    id: LeakId,
    tokens: usize,
    applicable: usize,
    at: i64,
) -> Result<(), StoreError> {
    query(
        "UPDATE leaks SET token_count = token_count + $2, applicable_count = applicable_count + $3
         WHERE id = $1",
    )
    .bind(id.0.as_bytes().as_slice())
    .bind(row::signed(tokens))
    .bind(row::signed(applicable))
    .execute(&mut *connection)
    .await?;
    settle(connection, id, at).await
}

/// Counts a leak's tokens anew, and brings up to date what follows from them.
pub(super) async fn recount(
    connection: &mut dyn Connection,
    id: LeakId,
    at: i64,
) -> Result<(), StoreError> {
    query(
        "UPDATE leaks SET
            token_count = (SELECT COUNT(*) FROM leak_tokens WHERE leak = $1),
            applicable_count = (SELECT COUNT(*) FROM leak_tokens lt JOIN tokens t ON t.id = lt.token
                WHERE lt.leak = $1 AND t.not_applicable IS NULL)
         WHERE id = $1",
    )
    .bind(id.0.as_bytes().as_slice())
    .execute(&mut *connection)
    .await?;
    settle(connection, id, at).await
}

/// Brings the remediation in line with status, rule and tokens, and notes the time of the change.
pub(super) async fn settle(
    connection: &mut dyn Connection,
    id: LeakId,
    at: i64,
) -> Result<(), StoreError> {
    query(
        "UPDATE leaks SET updated_at = $6, version = version + 1, remediation = CASE
            WHEN EXISTS (SELECT 1 FROM virtual_patches p WHERE p.leak = $1) THEN $2
            WHEN status = $3 AND applicable_count = 0 THEN $4
            ELSE $5 END
         WHERE id = $1",
    )
    .bind(id.0.as_bytes().as_slice())
    .bind(Remediation::VirtualPatch.name())
    .bind(row::rank(Status::Open, Status::ALL))
    .bind(Remediation::NotApplicable.name())
    .bind(Remediation::None.name())
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// What stands in the leak's own row, and its rule: without sources and tokens.
pub(super) async fn state(connection: &mut dyn Connection, id: LeakId) -> Result<Leak, StoreError> {
    let mut sql = Builder::new("SELECT ");
    sql.push(COLUMNS).push(", ").push(PATCH_COLUMNS);
    sql.push(" FROM leaks l LEFT JOIN virtual_patches p ON p.leak = l.id WHERE l.id = ");
    sql.push_bind(id.0.as_bytes().to_vec());
    let found = sql.build().fetch_optional(connection).await?;
    bare(&found.ok_or(StoreError::NotFound("leak"))?)
}

/// The leaks of these ids, in this order, without what the events tell of them. One that is not
/// there is left out.
pub(super) async fn load(
    connection: &mut dyn Connection,
    ids: &[LeakId],
) -> Result<Vec<Leak>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Builder::new("SELECT ");
    sql.push(COLUMNS).push(", ").push(PATCH_COLUMNS);
    sql.push(" FROM leaks l LEFT JOIN virtual_patches p ON p.leak = l.id WHERE l.id IN (");
    push_ids(&mut sql, ids);
    let mut leaks: HashMap<LeakId, Leak> = HashMap::with_capacity(ids.len());
    for found in sql.build().fetch_all(&mut *connection).await? {
        let leak = bare(&found)?;
        leaks.insert(leak.id, leak);
    }
    add_sources(&mut *connection, ids, &mut leaks).await?;
    add_tokens(&mut *connection, ids, &mut leaks).await?;
    token_modes::add(connection, &mut leaks).await?;
    Ok(ids.iter().filter_map(|id| leaks.remove(id)).collect())
}

/// A list of ids and the bracket that ends it.
pub(super) fn push_ids(sql: &mut Builder, ids: &[LeakId]) {
    sql.push_list(ids.iter().map(|id| id.0.as_bytes().to_vec())).push(")");
}

/// A leak without sources and tokens.
fn bare(found: &Row) -> Result<Leak, StoreError> {
    let kind = row::text(found, "kind")?;
    let facts = risk::facts(found, &kind)?;
    let (exposed_at, explained) = (facts.exposed_at, assess(&facts, clock::now()).explained);
    Ok(Leak {
        id: LeakId(row::uuid(found, "id")?),
        version: row::count(found, "version")?,
        tenant: row::text(found, "tenant")?,
        title: row::text(found, "title")?,
        risk: row::ranked(found, "risk", Risk::ALL)?,
        risk_set: risk::set(found)?,
        risk_computed: row::ranked(found, "risk_computed", Risk::ALL)?,
        risk_explained: explained,
        status: row::ranked(found, "status", Status::ALL)?,
        resolution: row::named_or_none(found, "resolution", Resolution::from_name)?,
        remediation: row::named(found, "remediation", Remediation::from_name)?,
        remediation_reason: None,
        source: Source::of_kind(row::named(found, "source_kind", SourceKind::from_name)?),
        sources: Vec::new(),
        detected_by: row::named(found, "detected_by", DetectedBy::from_name)?,
        honeytoken: kind == HONEYTOKEN,
        exposed_at,
        first_used_at: row::time_or_none(found, "first_used_at")?,
        kind,
        owner: row::text_or_none(found, "owner")?,
        contact: row::text_or_none(found, "contact")?,
        comment: row::text_or_none(found, "comment")?,
        tokens: Vec::new(),
        token_count: row::count(found, "token_count")?,
        virtual_patch: patch(found)?,
        created_at: row::time(found, "created_at")?,
        updated_at: row::time(found, "updated_at")?,
        last_event_at: None,
        events_24h: 0,
        events_by_hour: Vec::new(),
    })
}

/// The rule in a row with [`PATCH_COLUMNS`].
pub(super) fn patch(found: &Row) -> Result<Option<VirtualPatch>, StoreError> {
    let Some(id) = row::uuid_or_none(found, "patch_id")? else { return Ok(None) };
    Ok(Some(VirtualPatch {
        id: PatchId(id),
        leak: LeakId(row::uuid(found, "patch_leak")?),
        mode: row::named(found, "patch_mode", PatchMode::from_name)?,
        scope: row::json(found, "patch_scope")?,
        expires_at: row::time_or_none(found, "patch_expires_at")?,
        force: row::flag(found, "patch_force")?,
        created_by: row::text(found, "patch_created_by")?,
        created_at: row::time(found, "patch_created_at")?,
    }))
}

/// The first sources of each leak. A leak's last wanted row is looked up once, so that of a leak
/// with many rows no more than those are read.
async fn add_sources(
    connection: &mut dyn Connection,
    ids: &[LeakId],
    leaks: &mut HashMap<LeakId, Leak>,
) -> Result<(), StoreError> {
    let mut sql = Builder::new(
        "WITH wanted AS MATERIALIZED (SELECT l.id AS leak,
            (SELECT x.seq FROM sources x WHERE x.leak = l.id ORDER BY x.seq LIMIT 1 OFFSET ",
    );
    sql.push_bind(row::signed(limits::SHOWN_IN_LEAK.saturating_sub(1)));
    sql.push(") AS last FROM leaks l WHERE l.id IN (");
    push_ids(&mut sql, ids);
    sql.push(
        ") SELECT s.leak, s.kind, s.url, s.path, s.commit_id, s.line
         FROM wanted w JOIN sources s ON s.leak = w.leak AND s.seq <= COALESCE(w.last, ",
    );
    sql.push_bind(i64::MAX).push(") ORDER BY s.leak, s.seq");
    for found in sql.build().fetch_all(connection).await? {
        let Some(leak) = leaks.get_mut(&LeakId(row::uuid(&found, "leak")?)) else { continue };
        let source = source(&found)?;
        if leak.sources.is_empty() {
            leak.source = source.clone();
        }
        leak.sources.push(source);
    }
    Ok(())
}

/// The source in a row.
pub(super) fn source(found: &Row) -> Result<Source, StoreError> {
    Ok(Source {
        kind: row::named(found, "kind", SourceKind::from_name)?,
        url: row::text_or_none(found, "url")?,
        path: row::text_or_none(found, "path")?,
        commit: row::text_or_none(found, "commit_id")?,
        line: row::small_or_none(found, "line")?,
    })
}

/// The first tokens of each leak, and why no rule can be made where none can.
async fn add_tokens(
    connection: &mut dyn Connection,
    ids: &[LeakId],
    leaks: &mut HashMap<LeakId, Leak>,
) -> Result<(), StoreError> {
    let mut sql = Builder::new(
        "WITH wanted AS MATERIALIZED (SELECT l.id AS leak,
            (SELECT x.token FROM leak_tokens x WHERE x.leak = l.id ORDER BY x.token LIMIT 1 OFFSET ",
    );
    sql.push_bind(row::signed(limits::SHOWN_IN_LEAK.saturating_sub(1)));
    sql.push(") AS last FROM leaks l WHERE l.id IN (");
    push_ids(&mut sql, ids);
    sql.push(") SELECT w.leak, ").push(tokens::COLUMNS);
    sql.push(
        " FROM wanted w JOIN leak_tokens lt ON lt.leak = w.leak AND lt.token <= COALESCE(w.last, ",
    );
    sql.push_bind(vec![0xff_u8; 16]);
    sql.push(") JOIN tokens t ON t.id = lt.token ORDER BY lt.leak, lt.token");
    for found in sql.build().fetch_all(connection).await? {
        let Some(leak) = leaks.get_mut(&LeakId(row::uuid(&found, "leak")?)) else { continue };
        leak.tokens.push(tokens::token(&found)?);
    }
    for leak in leaks.values_mut() {
        if leak.remediation == Remediation::NotApplicable {
            let mut reasons: Vec<&str> =
                leak.tokens.iter().filter_map(|token| token.not_applicable.as_deref()).collect();
            reasons.sort_unstable();
            reasons.dedup();
            leak.remediation_reason = Some(reasons.join("; "));
        }
    }
    Ok(())
}

impl SqlStore {
    pub(super) async fn one_leak(&self, tenant: &str, id: LeakId) -> Result<Leak, StoreError> {
        let mut reader = self.decisions_readers.acquire().await?;
        // One transaction, so that rule and tokens are of one state.
        let mut transaction = reader.snapshot().await?;
        status(&mut transaction, tenant, id).await?;
        let leaks = load(&mut transaction, &[id]).await?;
        transaction.rollback().await?;
        drop(reader);
        self.with_use(leaks).await
    }

    /// The one leak that was loaded, with what the events tell of it.
    async fn with_use(&self, mut leaks: Vec<Leak>) -> Result<Leak, StoreError> {
        self.add_use(&self.events_readers, &mut leaks).await?;
        leaks.pop().ok_or(StoreError::NotFound("leak"))
    }

    /// The same of a leak whose change is stored. That its use could not be read does not undo the
    /// change: the leak is shown without it.
    pub(super) async fn with_use_if_told(&self, mut leaks: Vec<Leak>) -> Result<Leak, StoreError> {
        if let Err(error) = self.add_use(&self.reserved_events_reader, &mut leaks).await {
            tracing::error!(%error, "a changed leak is shown without its use, which could not be read");
        }
        leaks.pop().ok_or(StoreError::NotFound("leak"))
    }
}
