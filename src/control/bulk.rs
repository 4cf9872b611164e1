//! One decision for many leaks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::decisions::{self, PatchRequest};
use super::once::Outcome;
use super::problem::{Problem, ProblemDocument};
use super::publish::Touched;
use super::{Control, Visitor, api};
use crate::config::limits;
use crate::model::ids::{LeakId, ProposalId};
use crate::model::leak::{Decision, Leak, Remediation, Resolution, Status};
use crate::model::object;
use crate::store::StoreError;
use crate::store::types::{Decide, LeakQuery, Once, PageRequest};

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
    /// Why it cannot wait for another person, where two decide.
    #[serde(default)]
    pub break_glass: Option<String>,
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
    /// What another person is asked for, where the decision takes two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<ProposalId>,
    /// Why the decision was not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemDocument>)]
    pub problem: Option<Problem>,
}

/// What an earlier decision came to.
#[derive(Deserialize)]
#[serde(untagged)]
enum Earlier {
    Made { status: Status, remediation: Remediation },
    Proposed { id: ProposalId },
}

impl BulkAnswer {
    fn made(id: LeakId, status: Status, remediation: Remediation) -> Self {
        let (status, remediation) = (Some(status), Some(remediation));
        Self { id, ok: true, status, remediation, proposal: None, problem: None }
    }

    fn proposed(id: LeakId, proposal: ProposalId) -> Self {
        let proposal = Some(proposal);
        Self { id, ok: false, status: None, remediation: None, proposal, problem: None }
    }
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
                patch.break_glass = patch.break_glass.or(self.break_glass);
                decisions::apply(patch)?
            }
            (_, Some(_)) => {
                return Err(Problem::invalid(
                    "virtual_patch",
                    "it goes with the decision apply_virtual_patch only",
                ));
            }
            (decision, None) => decisions::in_haste(
                decisions::plain(decision, self.resolution, self.comment),
                self.break_glass,
            )?,
        };
        Ok((decide, target))
    }
}

impl Control {
    /// Makes one decision about many leaks, in the order given; one that fails does not stop the
    /// others. They are stored in groups, each of which is in force before the next begins. Where it
    /// is a call that is done once, those that an earlier try has decided about are not again.
    ///
    /// # Errors
    /// Where nothing was decided: too many leaks, a value that does not fit, a failing store.
    pub(super) async fn decide_many(
        &self,
        caller: &Visitor,
        target: BulkTarget,
        decide: Decide,
        once: Option<Once>,
    ) -> Result<Outcome<Vec<BulkAnswer>>, Problem> {
        let tenant = &caller.actor.tenant;
        let before = match &once {
            Some(once) => self.done_before(tenant, once).await?,
            None => None,
        };
        let begun = match before {
            Some(done) if done.is_done => return Ok(Outcome::Before(done)),
            other => other,
        };
        let ids = match (&begun, target) {
            // The call was cut off: it goes on with the leaks that it was about.
            (Some(begun), _) => serde_json::from_str(begun.answer.as_deref().unwrap_or("[]"))
                .map_err(|_| Problem::failed())?,
            (None, BulkTarget::Ids(ids)) => ids,
            (None, BulkTarget::Query(query)) => self.matching(caller, *query).await?,
        };
        if ids.len() > limits::BULK_LEAKS {
            return Err(Problem::invalid(
                "ids",
                format!("one call decides about {} leaks at most", limits::BULK_LEAKS),
            ));
        }
        let decide = self.checked(&caller.actor, decide).await?;
        if let (Some(once), None) = (once, &begun) {
            self.inner.store.begin_once(tenant, once, &ids).await?;
        }
        let mut items = Vec::with_capacity(ids.len());
        for group in ids.chunks(limits::BULK_GROUP) {
            items.extend(self.decide_group(caller, group.to_vec(), &decide, once).await?);
        }
        if let Some(once) = once {
            let answer = serde_json::json!({ "items": items }).to_string();
            self.inner.store.end_once(tenant, once, &answer).await?;
        }
        Ok(Outcome::Done(items))
    }

    async fn decide_group(
        &self,
        caller: &Visitor,
        ids: Vec<LeakId>,
        decide: &Decide,
        once: Option<Once>,
    ) -> Result<Vec<BulkAnswer>, Problem> {
        let (control, caller, decide) = (self.clone(), caller.clone(), decide.clone());
        self.inner
            .publisher
            .change(Touched::Any, async move {
                let mut answers = Vec::with_capacity(ids.len());
                let mut touched = Vec::with_capacity(ids.len());
                for id in ids {
                    let mut decide = decide.clone();
                    decide.conditions.once = once.map(|once| control.part_of(once, id));
                    answers.push(match control.decide_one(&caller, id, decide).await {
                        Ok((answer, leak)) => {
                            touched.extend(leak.map(|leak| Touched::Rule(Box::new(leak))));
                            answer
                        }
                        Err(problem) => {
                            if problem.leaves_doubt() {
                                touched.push(Touched::Leak(id));
                            }
                            BulkAnswer {
                                id,
                                ok: false,
                                status: None,
                                remediation: None,
                                proposal: None,
                                problem: Some(problem),
                            }
                        }
                    });
                }
                Ok((answers, touched))
            })
            .await
    }

    /// Decides about one leak; answers with the leak as well where that was done now.
    async fn decide_one(
        &self,
        caller: &Visitor,
        id: LeakId,
        decide: Decide,
    ) -> Result<(BulkAnswer, Option<Leak>), Problem> {
        let store = &self.inner.store;
        let actor = self.at_leak(caller, id).await?;
        let once = decide.conditions.once;
        match store.decide(&actor.tenant, id, decide.clone(), &actor).await {
            Err(StoreError::NeedsTwo) => {
                let proposal = store.propose(&actor.tenant, id, decide, &actor).await?;
                Ok((BulkAnswer::proposed(id, proposal.id), None))
            }
            Ok(leak) => Ok((BulkAnswer::made(id, leak.status, leak.remediation), Some(leak))),
            Err(StoreError::Repeated) => {
                // An earlier try of the same call has come as far as this leak.
                let key = once.map(|once| once.key).unwrap_or_default();
                let done = store.done_once(&actor.tenant, &key).await?;
                let earlier: Option<Earlier> = done
                    .and_then(|done| done.answer)
                    .and_then(|answer| serde_json::from_str(&answer).ok());
                let answer = match earlier {
                    Some(Earlier::Made { status, remediation }) => {
                        BulkAnswer::made(id, status, remediation)
                    }
                    Some(Earlier::Proposed { id: proposal }) => BulkAnswer::proposed(id, proposal),
                    None => {
                        let leak = store.leak(&actor.tenant, id).await?;
                        BulkAnswer::made(id, leak.status, leak.remediation)
                    }
                };
                Ok((answer, None))
            }
            Err(error) => Err(error.into()),
        }
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
