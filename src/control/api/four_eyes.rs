//! `/four-eyes`, `/proposals` and `/reviews`: decisions that take two persons.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Body, FromQuery, Id, MaybeBody};
use super::{page_request, values};
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::model::ids::{LeakId, ProposalId};
use crate::model::leak::Leak;
use crate::model::proposal::{Proposal, ProposalKind, ProposalState};
use crate::store::types::{Page, ProposalQuery, Verdict};

/// Whether two persons decide.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(super) struct FourEyes {
    /// The tenant.
    tenant: String,
    /// Whether what blocks, and what weakens a block, takes two persons.
    on: bool,
}

/// How it is to be.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TurnFourEyes {
    /// Whether two persons decide.
    pub(super) on: bool,
    /// What is said with it.
    #[serde(default)]
    pub(super) comment: Option<String>,
}

/// What is said to a proposal.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SaidToIt {
    /// A comment.
    comment: Option<String>,
}

/// Which proposals or reviews.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProposalFilter {
    /// How far they are; `pending` where it is not said.
    #[serde(deserialize_with = "values::list")]
    #[param(style = Form, explode = false)]
    state: Vec<ProposalState>,
    /// About this leak.
    leak: Option<LeakId>,
    /// Items at most: 50 where it is not said, never more than 200.
    #[serde(deserialize_with = "values::number")]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl ProposalFilter {
    fn query(self, kind: Vec<ProposalKind>) -> Result<ProposalQuery, Problem> {
        let state = if self.state.is_empty() { vec![ProposalState::Pending] } else { self.state };
        let page = page_request(self.limit, self.cursor)?;
        Ok(ProposalQuery { kind, state, leak: self.leak, page })
    }
}

/// What was approved or rejected, and the leak as it is then.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(super) struct SettledProposal {
    /// The proposal.
    proposal: Proposal,
    /// The leak, where a decision about it was approved.
    leak: Option<Leak>,
}

/// Whether two persons decide in the tenant.
#[utoipa::path(
    get,
    path = "/four-eyes",
    tag = "decisions",
    operation_id = "showFourEyes",
    responses((status = 200, description = "The setting.", body = FourEyes))
)]
pub(super) async fn show(
    State(control): State<Control>,
    caller: Caller,
) -> Result<Json<FourEyes>, Problem> {
    let tenant = caller.actor.tenant;
    let on = control.store().four_eyes(&tenant).await?;
    Ok(Json(FourEyes { tenant, on }))
}

/// Let two persons decide about what blocks in the tenant. Turning it off is a proposal, which another
/// person has to approve.
#[utoipa::path(
    put,
    path = "/four-eyes",
    tag = "decisions",
    operation_id = "turnFourEyes",
    request_body = TurnFourEyes,
    responses(
        (status = 200, description = "The setting as it now is.", body = FourEyes),
        (status = 202, description = "Another person is asked to approve it.", body = Proposal),
    )
)]
pub(super) async fn turn(
    State(control): State<Control>,
    caller: Caller,
    Body(request): Body<TurnFourEyes>,
) -> Result<Response, Problem> {
    let actor = &caller.actor;
    Ok(match control.set_four_eyes(actor, request.on, request.comment).await? {
        Some(proposal) => (StatusCode::ACCEPTED, Json(proposal)).into_response(),
        None => Json(FourEyes { tenant: actor.tenant.clone(), on: request.on }).into_response(),
    })
}

/// List what waits for another person to approve it; newest first.
#[utoipa::path(
    get,
    path = "/proposals",
    tag = "decisions",
    operation_id = "listProposals",
    params(ProposalFilter),
    responses((status = 200, description = "A page of proposals.", body = Page<Proposal>))
)]
pub(super) async fn proposals(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(filter): FromQuery<ProposalFilter>,
) -> Result<Json<Page<Proposal>>, Problem> {
    let query = filter.query(vec![ProposalKind::Decision, ProposalKind::FourEyesOff])?;
    Ok(Json(control.store().proposals(&caller.tenants, &query).await?))
}

/// List what was done in haste and waits for another person to acknowledge it; newest first.
#[utoipa::path(
    get,
    path = "/reviews",
    tag = "decisions",
    operation_id = "listReviews",
    params(ProposalFilter),
    responses((status = 200, description = "A page of reviews.", body = Page<Proposal>))
)]
pub(super) async fn reviews(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(filter): FromQuery<ProposalFilter>,
) -> Result<Json<Page<Proposal>>, Problem> {
    let query = filter.query(vec![ProposalKind::Review])?;
    Ok(Json(control.store().proposals(&caller.tenants, &query).await?))
}

/// Approve what another person proposes: it is done, and in force when the call returns.
#[utoipa::path(
    post,
    path = "/proposals/{id}/approve",
    tag = "decisions",
    operation_id = "approveProposal",
    params(("id" = ProposalId, Path, description = "The proposal.")),
    request_body = Option<SaidToIt>,
    responses(
        (status = 200, description = "What was approved.", body = SettledProposal),
        (status = 409, description = "It waits for nobody, the same person asked for it, or the \
            leak does not allow it any more."),
    )
)]
pub(super) async fn approve(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<ProposalId>,
    MaybeBody(said): MaybeBody<SaidToIt>,
) -> Result<Json<SettledProposal>, Problem> {
    settled(&control, &caller, id, Verdict::Approve, said).await
}

/// Reject a proposal, or take one's own back. Nothing is done.
#[utoipa::path(
    post,
    path = "/proposals/{id}/reject",
    tag = "decisions",
    operation_id = "rejectProposal",
    params(("id" = ProposalId, Path, description = "The proposal.")),
    request_body = Option<SaidToIt>,
    responses(
        (status = 200, description = "What was rejected.", body = SettledProposal),
        (status = 409, description = "It waits for nobody."),
    )
)]
pub(super) async fn reject(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<ProposalId>,
    MaybeBody(said): MaybeBody<SaidToIt>,
) -> Result<Json<SettledProposal>, Problem> {
    settled(&control, &caller, id, Verdict::Reject, said).await
}

/// Acknowledge what another person has done in haste.
#[utoipa::path(
    post,
    path = "/reviews/{id}/acknowledge",
    tag = "decisions",
    operation_id = "acknowledgeReview",
    params(("id" = ProposalId, Path, description = "The review.")),
    request_body = Option<SaidToIt>,
    responses(
        (status = 200, description = "What was acknowledged.", body = SettledProposal),
        (status = 409, description = "It waits for nobody, or the same person has done it."),
    )
)]
pub(super) async fn acknowledge(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<ProposalId>,
    MaybeBody(said): MaybeBody<SaidToIt>,
) -> Result<Json<SettledProposal>, Problem> {
    settled(&control, &caller, id, Verdict::Acknowledge, said).await
}

async fn settled(
    control: &Control,
    caller: &Caller,
    id: ProposalId,
    verdict: Verdict,
    said: SaidToIt,
) -> Result<Json<SettledProposal>, Problem> {
    let (proposal, leak) = control.settle_proposal(caller, id, verdict, said.comment).await?;
    Ok(Json(SettledProposal { proposal, leak }))
}
