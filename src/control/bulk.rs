//! One decision for many leaks.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::decisions::{self, PatchRequest};
use super::problem::{Problem, ProblemDocument};
use super::publish::Touched;
use super::{Control, Visitor, api};
use crate::config::limits;
use crate::model::ids::LeakId;
use crate::model::leak::{Decision, Remediation, Resolution, Status};
use crate::model::object;
use crate::store::types::{Decide, LeakQuery, PageRequest};

/// One decision for many leaks, named by their ids or by a filter.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    /// The decision.
    pub decision: Decision,
    /// The leaks, up to 1,000; or else `filter`.
    #[serde(default)]
    pub ids: Option<Vec<LeakId>>,
    /// Which leaks, as the list's query says it; it must fit up to 1,000.
    #[serde(default, deserialize_with = "object::optional")]
    pub filter: Option<api::LeakFilter>,
    /// The patch, for `apply_virtual_patch`.
    #[serde(default, deserialize_with = "object::optional")]
    pub virtual_patch: Option<PatchRequest>,
    /// Why, for `close` and `mark_false`.
    #[serde(default)]
    pub resolution: Option<Resolution>,
    /// What is said with it.
    #[serde(default)]
    pub comment: Option<String>,
}

/// Which leaks a decision is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BulkTarget {
    /// These.
    Ids(Vec<LeakId>),
    /// Those that fit.
    Query(Box<LeakQuery>),
}

/// What the decision came to for one leak.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct BulkAnswer {
    /// The leak.
    pub id: LeakId,
    /// Whether the decision was made.
    pub ok: bool,
    /// The leak's status afterwards; absent where the decision was not made.
    pub status: Option<Status>,
    /// What is in force for it afterwards; absent where the decision was not made.
    pub remediation: Option<Remediation>,
    /// Why the decision was not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemDocument>)]
    pub problem: Option<Problem>,
}

impl BulkRequest {
    /// The decision and the leaks that it is for.
    pub(super) fn parts(self) -> Result<(Decide, BulkTarget), Problem> {
        let target = match (self.ids, self.filter) {
            (Some(ids), None) => BulkTarget::Ids(ids),
            (None, Some(filter)) => BulkTarget::Query(Box::new(
                filter.query(PageRequest { limit: limits::PAGE, cursor: None })?,
            )),
            _ => return Err(Problem::invalid("ids", "give either ids or a filter")),
        };
        let decide = match (self.decision, self.virtual_patch) {
            (Decision::ApplyVirtualPatch, patch) => {
                let mut patch = patch.unwrap_or_default();
                patch.comment = patch.comment.or(self.comment);
                decisions::apply(patch)?
            }
            (_, Some(_)) => {
                return Err(Problem::invalid(
                    "virtual_patch",
                    "it goes with the decision apply_virtual_patch only",
                ));
            }
            (decision, None) => decisions::plain(decision, self.resolution, self.comment),
        };
        Ok((decide, target))
    }
}

impl Control {
    /// Makes one decision about many leaks, in the order given; one that fails does not stop the
    /// others. They are stored in groups, each of which is in force before the next begins.
    ///
    /// # Errors
    /// Where nothing was decided: too many leaks, a value that does not fit, a failing store.
    pub async fn decide_many(
        &self,
        caller: &Visitor,
        target: BulkTarget,
        decide: Decide,
    ) -> Result<Vec<BulkAnswer>, Problem> {
        let ids = match target {
            BulkTarget::Ids(ids) => ids,
            BulkTarget::Query(query) => self.matching(caller, *query).await?,
        };
        if ids.len() > limits::BULK_LEAKS {
            return Err(Problem::invalid(
                "ids",
                format!("one call decides about {} leaks at most", limits::BULK_LEAKS),
            ));
        }
        let decide = self.checked(&caller.actor, decide).await?;
        let mut answers = Vec::with_capacity(ids.len());
        for group in ids.chunks(limits::BULK_GROUP) {
            answers.extend(self.decide_group(caller, group.to_vec(), decide.clone()).await?);
        }
        Ok(answers)
    }

    async fn decide_group(
        &self,
        caller: &Visitor,
        ids: Vec<LeakId>,
        decide: Decide,
    ) -> Result<Vec<BulkAnswer>, Problem> {
        let store = Arc::clone(&self.inner.store);
        let (control, caller) = (self.clone(), caller.clone());
        self.inner
            .publisher
            .change(Touched::Any, async move {
                let mut answers = Vec::with_capacity(ids.len());
                let mut touched = Vec::with_capacity(ids.len());
                for id in ids {
                    let decided = match control.at_leak(&caller, id).await {
                        Ok(actor) => store
                            .decide(&actor.tenant, id, decide.clone(), &actor)
                            .await
                            .map_err(Problem::from),
                        Err(problem) => Err(problem),
                    };
                    match decided {
                        Ok(leak) => {
                            answers.push(BulkAnswer {
                                id,
                                ok: true,
                                status: Some(leak.status),
                                remediation: Some(leak.remediation),
                                problem: None,
                            });
                            touched.push(Touched::Rule(Box::new(leak)));
                        }
                        Err(problem) => {
                            if problem.leaves_doubt() {
                                touched.push(Touched::Leak(id));
                            }
                            answers.push(BulkAnswer {
                                id,
                                ok: false,
                                status: None,
                                remediation: None,
                                problem: Some(problem),
                            });
                        }
                    }
                }
                Ok((answers, touched))
            })
            .await
    }

    /// All leaks that fit the query, where they are few enough.
    async fn matching(
        &self,
        caller: &Visitor,
        mut query: LeakQuery,
    ) -> Result<Vec<LeakId>, Problem> {
        let mut ids = Vec::new();
        loop {
            let page = self.inner.store.leaks(&caller.tenants, &query).await?;
            if page.total > limits::BULK_LEAKS as u64 {
                return Err(Problem::invalid(
                    "filter",
                    format!(
                        "it fits more than {} leaks: narrow it, nothing was decided",
                        limits::BULK_LEAKS
                    ),
                ));
            }
            ids.extend(page.items.iter().map(|leak| leak.id));
            match page.next_cursor {
                Some(cursor) if ids.len() <= limits::BULK_LEAKS => {
                    query.page.cursor = Some(cursor);
                }
                _ => return Ok(ids),
            }
        }
    }
}
