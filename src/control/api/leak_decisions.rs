//! Decisions: `/leaks/{id}/virtual-patch`, `/close`, `/reopen`, `/mark-false`, and `/leaks/bulk`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Items;
use super::extract::{Body, Id, MaybeBody};
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::bulk::{BulkAnswer, BulkRequest};
use crate::control::decisions::{self, PatchRequest};
use crate::control::problem::Problem;
use crate::model::ids::LeakId;
use crate::model::leak::{Decision, Leak, Resolution};

/// What is said with a decision.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Said {
    /// A comment for the leak's history.
    comment: Option<String>,
}

/// Why a leak is closed or marked false.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Resolved {
    /// Why.
    resolution: Option<Resolution>,
    /// A comment for the leak's history.
    comment: Option<String>,
}

/// Apply a virtual patch to a leak, or change the one in force. It takes the tokens that it can
/// and names the others in the answer (`not_applicable`).
#[utoipa::path(
    post,
    path = "/leaks/{id}/virtual-patch",
    tag = "decisions",
    operation_id = "applyVirtualPatch",
    params(("id" = LeakId, Path, description = "The leak.")),
    request_body = Option<PatchRequest>,
    responses(
        (status = 200, description = "The leak as it now is.", body = Leak),
        (status = 409, description = "The leak is not open."),
        (status = 422, description = "A value does not fit, or no token can become a rule."),
    )
)]
pub(super) async fn apply(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    MaybeBody(request): MaybeBody<PatchRequest>,
) -> Result<Json<Leak>, Problem> {
    let actor = control.at_leak(&caller, id).await?;
    Ok(Json(control.decide(&actor, id, decisions::apply(request)?).await?))
}

/// Remove a leak's virtual patch. Its tokens are watched on.
#[utoipa::path(
    delete,
    path = "/leaks/{id}/virtual-patch",
    tag = "decisions",
    operation_id = "removeVirtualPatch",
    params(("id" = LeakId, Path, description = "The leak.")),
    request_body = Option<Said>,
    responses(
        (status = 200, description = "The leak as it now is.", body = Leak),
        (status = 409, description = "The leak is not open."),
    )
)]
pub(super) async fn remove(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    MaybeBody(said): MaybeBody<Said>,
) -> Result<Json<Leak>, Problem> {
    let decide = decisions::plain(Decision::RemoveVirtualPatch, None, said.comment);
    let actor = control.at_leak(&caller, id).await?;
    Ok(Json(control.decide(&actor, id, decide).await?))
}

/// Close a leak. Its rule goes, nothing is deleted, and its tokens are watched for a while.
#[utoipa::path(
    post,
    path = "/leaks/{id}/close",
    tag = "decisions",
    operation_id = "closeLeak",
    params(("id" = LeakId, Path, description = "The leak.")),
    request_body = Option<Resolved>,
    responses(
        (status = 200, description = "The leak as it now is.", body = Leak),
        (status = 409, description = "The leak is not open."),
    )
)]
pub(super) async fn close(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    MaybeBody(said): MaybeBody<Resolved>,
) -> Result<Json<Leak>, Problem> {
    let decide = decisions::plain(Decision::Close, said.resolution, said.comment);
    let actor = control.at_leak(&caller, id).await?;
    Ok(Json(control.decide(&actor, id, decide).await?))
}

/// Open a closed or falsely marked leak again, without a virtual patch.
#[utoipa::path(
    post,
    path = "/leaks/{id}/reopen",
    tag = "decisions",
    operation_id = "reopenLeak",
    params(("id" = LeakId, Path, description = "The leak.")),
    request_body = Option<Said>,
    responses(
        (status = 200, description = "The leak as it now is.", body = Leak),
        (status = 409, description = "The leak is open."),
    )
)]
pub(super) async fn reopen(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    MaybeBody(said): MaybeBody<Said>,
) -> Result<Json<Leak>, Problem> {
    let decide = decisions::plain(Decision::Reopen, None, said.comment);
    let actor = control.at_leak(&caller, id).await?;
    Ok(Json(control.decide(&actor, id, decide).await?))
}

/// Mark a leak as false. Its rule goes, and its tokens are not watched.
#[utoipa::path(
    post,
    path = "/leaks/{id}/mark-false",
    tag = "decisions",
    operation_id = "markLeakFalse",
    params(("id" = LeakId, Path, description = "The leak.")),
    request_body = Option<Resolved>,
    responses(
        (status = 200, description = "The leak as it now is.", body = Leak),
        (status = 409, description = "The leak is not open."),
    )
)]
pub(super) async fn mark_false(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    MaybeBody(said): MaybeBody<Resolved>,
) -> Result<Json<Leak>, Problem> {
    let decide = decisions::plain(Decision::MarkFalse, said.resolution, said.comment);
    let actor = control.at_leak(&caller, id).await?;
    Ok(Json(control.decide(&actor, id, decide).await?))
}

/// Make one decision about many leaks. One that fails does not stop the others.
#[utoipa::path(
    post,
    path = "/leaks/bulk",
    tag = "decisions",
    operation_id = "decideAboutLeaks",
    request_body = BulkRequest,
    responses((status = 200, description = "An answer for each leak.", body = Items<BulkAnswer>))
)]
pub(super) async fn bulk(
    State(control): State<Control>,
    caller: Caller,
    Body(request): Body<BulkRequest>,
) -> Result<Json<Items<BulkAnswer>>, Problem> {
    let (decide, target) = request.parts()?;
    Ok(Json(Items { items: control.decide_many(&caller, target, decide).await? }))
}
