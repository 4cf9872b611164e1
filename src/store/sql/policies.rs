//! What the configuration's policies decide, and about what nobody has decided yet.

use super::database::{Builder, Connection};
use super::{SqlStore, decisions, leaks, row};
use crate::config::limits;
use crate::model::ids::LeakId;
use crate::model::leak::{Decision, Remediation, Status};
use crate::model::role::{Actor, REOPENING_POLICY, Role};
use crate::store::StoreError;
use crate::store::types::{Conditions, Decide, Second};

/// Opens a closed leak again, since `reporter` has reported one of its tokens.
pub(super) async fn reopen(
    connection: &mut dyn Connection,
    tenant: &str,
    leak: LeakId,
    reporter: &Actor,
    at: i64,
) -> Result<(), StoreError> {
    let policy = Actor {
        name: REOPENING_POLICY.to_owned(),
        role: Role::Intake,
        tenant: tenant.to_owned(),
        user: None,
        api_token: None,
        address: reporter.address.clone(),
    };
    let decide = Decide {
        decision: Decision::Reopen,
        patch: None,
        resolution: None,
        comment: Some(format!(
            "control.reopen_reported of the configuration: reported again by {}",
            reporter.name
        )),
        // An operator has decided it in the configuration.
        conditions: Conditions { second: Second::Exempt, ..Conditions::default() },
    };
    decisions::make(connection, tenant, leak, &decide, &policy, (at, None, None)).await.map(drop)
}

impl SqlStore {
    pub(super) async fn undecided_of(
        &self,
        tenant: &str,
        ids: &[LeakId],
    ) -> Result<Vec<(LeakId, u64)>, StoreError> {
        let mut undecided = Vec::new();
        for chunk in ids.chunks(limits::STORE_VALUES) {
            let mut sql = Builder::new("SELECT l.id, l.token_count FROM leaks l WHERE l.tenant = ");
            sql.push_bind(tenant.to_owned());
            sql.push(" AND l.status = ").push_bind(row::rank(Status::Open, Status::ALL));
            sql.push(" AND l.remediation = ").push_bind(Remediation::None.name());
            sql.push(
                " AND NOT EXISTS (SELECT 1 FROM history h WHERE h.leak = l.id AND h.action IN (",
            );
            sql.push_list(Decision::ALL.iter().map(|decision| decision.name()));
            sql.push(
                ") AND h.id > COALESCE((SELECT MAX(r.id) FROM history r
                    WHERE r.leak = l.id AND r.action = ",
            );
            sql.push_bind(Decision::Reopen.name()).push(" AND r.actor = ");
            sql.push_bind(REOPENING_POLICY).push("), 0)) AND l.id IN (");
            leaks::push_ids(&mut sql, chunk);
            sql.push(" ORDER BY l.id");
            let rows = sql.build().persistent(false).fetch_all(&self.reserved_readers).await?;
            for found in &rows {
                undecided
                    .push((LeakId(row::uuid(found, "id")?), row::count(found, "token_count")?));
            }
        }
        Ok(undecided)
    }
}
