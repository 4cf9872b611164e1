//! Decisions: `/leaks/{id}/virtual-patch`, `/close`, `/reopen`, `/mark-false`, and `/leaks/bulk`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Items;
use super::conditions::{IfMatch, Keyed, MaybeKeyed, marked, shown};
use super::extract::Id;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::bulk::{BulkAnswer, BulkRequest};
use crate::control::decisions::{self, Decided, PatchRequest};
use crate::control::once::Outcome;
use crate::control::problem::Problem;
use crate::model::ids::LeakId;
use crate::model::leak::{Decision, Leak, Resolution};
use crate::model::proposal::Proposal;
use crate::store::types::{Conditions, Decide};

/// What is said with a decision.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Said {
    /// A comment for the leak's history.
    comment: Option<String>,
    /// Why it cannot wait for another person, where two decide.
    break_glass: Option<String>,
}

/// Why a leak is closed or marked false.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Resolved {
    /// Why.
    resolution: Option<Resolution>,
    /// A comment for the leak's history.
    comment: Option<String>,
    /// Why it cannot wait for another person, where two decide.
    break_glass: Option<String>,
}

/// Makes the decision, once where the call has a key, and answers with the leak.
async fn made(
    control: &Control,
    caller: &Caller,
    id: LeakId,
    decide: Decide,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let actor = control.at_leak(caller, id).await?;
    let once = conditions.once;
    let conditions = Conditions { second: decide.conditions.second.clone(), ..conditions };
    let decide = Decide { conditions, ..decide };
    let decision = async {
        Ok(match control.decide(&actor, id, decide).await? {
            Decided::Made(leak) => shown(*leak),
            Decided::Proposed(proposal) => (StatusCode::ACCEPTED, Json(*proposal)).into_response(),
        })
    };
    let outcome = control.do_once(&actor.tenant, once, decision).await?;
    control.answer_decision(&actor.tenant, outcome).await
}

/// Apply a virtual patch to a leak, or change the one in force. It takes the tokens that it can
/// and names the others in the answer (`not_applicable`).
#[utoipa::path(
    post,
    path = "/leaks/{id}/virtual-patch",
    tag = "decisions",
    operation_id = "applyVirtualPatch",
    params(
        ("id" = LeakId, Path, description = "The leak."),
        ("If-Match" = Option<String>, Header, description = "The ETag of the leak as you know it."),
        ("Idempotency-Key" = Option<String>, Header, description = "A key of the call: sent again \
            with the same one within a day, it is not done again, and answered as before."),
    ),
    request_body = Option<PatchRequest>,
    responses(
        (status = 200, description = "The leak as it now is.", body = Leak,
            headers(("ETag" = String, description = "Its state, for If-Match."))),
        (status = 202, description = "It takes another person, who is asked for it.",
            body = Proposal),
        (status = 412, description = "The leak was changed since: read it again."),
        (status = 409, description = "The leak is not open."),
        (status = 422, description = "A value does not fit, or no token can become a rule."),
    )
)]
pub(super) async fn apply(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    IfMatch(versions): IfMatch,
    MaybeKeyed(once, request): MaybeKeyed<PatchRequest>,
) -> Result<Response, Problem> {
    let decide = decisions::apply(request)?;
    made(&control, &caller, id, decide, Conditions { versions, once, ..Conditions::default() })
        .await
}

/// Remove a leak's virtual patch. Its tokens are watched on.
#[utoipa::path(
    delete,
    path = "/leaks/{id}/virtual-patch",
    tag = "decisions",
    operation_id = "removeVirtualPatch",
    params(
        ("id" = LeakId, Path, description = "The leak."),
        ("If-Match" = Option<String>, Header, description = "The ETag of the leak as you know it."),
        ("Idempotency-Key" = Option<String>, Header, description = "A key of the call: sent again \
            with the same one within a day, it is not done again, and answered as before."),
    ),
    request_body = Option<Said>,
    responses(
        (status = 200, description = "The leak as it now is.", body = Leak,
            headers(("ETag" = String, description = "Its state, for If-Match."))),
        (status = 202, description = "It takes another person, who is asked for it.",
            body = Proposal),
        (status = 412, description = "The leak was changed since: read it again."),
        (status = 409, description = "The leak is not open."),
    )
)]
pub(super) async fn remove(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    IfMatch(versions): IfMatch,
    MaybeKeyed(once, said): MaybeKeyed<Said>,
) -> Result<Response, Problem> {
    let decide = decisions::plain(Decision::RemoveVirtualPatch, None, said.comment);
    let decide = decisions::in_haste(decide, said.break_glass)?;
    made(&control, &caller, id, decide, Conditions { versions, once, ..Conditions::default() })
        .await
}

/// Close a leak. Its rule goes, nothing is deleted, and its tokens are watched for a while.
#[utoipa::path(
    post,
    path = "/leaks/{id}/close",
    tag = "decisions",
    operation_id = "closeLeak",
    params(
        ("id" = LeakId, Path, description = "The leak."),
        ("If-Match" = Option<String>, Header, description = "The ETag of the leak as you know it."),
        ("Idempotency-Key" = Option<String>, Header, description = "A key of the call: sent again \
            with the same one within a day, it is not done again, and answered as before."),
    ),
    request_body = Option<Resolved>,
    responses(
        (status = 200, description = "The leak as it now is.", body = Leak,
            headers(("ETag" = String, description = "Its state, for If-Match."))),
        (status = 202, description = "It takes another person, who is asked for it.",
            body = Proposal),
        (status = 412, description = "The leak was changed since: read it again."),
        (status = 409, description = "The leak is not open."),
    )
)]
pub(super) async fn close(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    IfMatch(versions): IfMatch,
    MaybeKeyed(once, said): MaybeKeyed<Resolved>,
) -> Result<Response, Problem> {
    let decide = decisions::plain(Decision::Close, said.resolution, said.comment);
    let decide = decisions::in_haste(decide, said.break_glass)?;
    made(&control, &caller, id, decide, Conditions { versions, once, ..Conditions::default() })
        .await
}

/// Open a closed or falsely marked leak again, without a virtual patch.
#[utoipa::path(
    post,
    path = "/leaks/{id}/reopen",
    tag = "decisions",
    operation_id = "reopenLeak",
    params(
        ("id" = LeakId, Path, description = "The leak."),
        ("If-Match" = Option<String>, Header, description = "The ETag of the leak as you know it."),
        ("Idempotency-Key" = Option<String>, Header, description = "A key of the call: sent again \
            with the same one within a day, it is not done again, and answered as before."),
    ),
    request_body = Option<Said>,
    responses(
        (status = 200, description = "The leak as it now is.", body = Leak,
            headers(("ETag" = String, description = "Its state, for If-Match."))),
        (status = 202, description = "It takes another person, who is asked for it.",
            body = Proposal),
        (status = 412, description = "The leak was changed since: read it again."),
        (status = 409, description = "The leak is open."),
    )
)]
pub(super) async fn reopen(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    IfMatch(versions): IfMatch,
    MaybeKeyed(once, said): MaybeKeyed<Said>,
) -> Result<Response, Problem> {
    let decide = decisions::plain(Decision::Reopen, None, said.comment);
    let decide = decisions::in_haste(decide, said.break_glass)?;
    made(&control, &caller, id, decide, Conditions { versions, once, ..Conditions::default() })
        .await
}

/// Mark a leak as false. Its rule goes, and its tokens are not watched.
#[utoipa::path(
    post,
    path = "/leaks/{id}/mark-false",
    tag = "decisions",
    operation_id = "markLeakFalse",
    params(
        ("id" = LeakId, Path, description = "The leak."),
        ("If-Match" = Option<String>, Header, description = "The ETag of the leak as you know it."),
        ("Idempotency-Key" = Option<String>, Header, description = "A key of the call: sent again \
            with the same one within a day, it is not done again, and answered as before."),
    ),
    request_body = Option<Resolved>,
    responses(
        (status = 200, description = "The leak as it now is.", body = Leak,
            headers(("ETag" = String, description = "Its state, for If-Match."))),
        (status = 202, description = "It takes another person, who is asked for it.",
            body = Proposal),
        (status = 412, description = "The leak was changed since: read it again."),
        (status = 409, description = "The leak is not open."),
    )
)]
pub(super) async fn mark_false(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    IfMatch(versions): IfMatch,
    MaybeKeyed(once, said): MaybeKeyed<Resolved>,
) -> Result<Response, Problem> {
    let decide = decisions::plain(Decision::MarkFalse, said.resolution, said.comment);
    let decide = decisions::in_haste(decide, said.break_glass)?;
    made(&control, &caller, id, decide, Conditions { versions, once, ..Conditions::default() })
        .await
}

/// Make one decision about many leaks. One that fails does not stop the others.
#[utoipa::path(
    post,
    path = "/leaks/bulk",
    tag = "decisions",
    operation_id = "decideAboutLeaks",
    params(("Idempotency-Key" = Option<String>, Header, description = "A key of the call: sent \
        again with the same one within a day, no leak is decided about again, and it is answered \
        as before.")),
    request_body = BulkRequest,
    responses((status = 200, description = "An answer for each leak.", body = Items<BulkAnswer>))
)]
pub(super) async fn bulk(
    State(control): State<Control>,
    caller: Caller,
    Keyed(once, request): Keyed<BulkRequest>,
) -> Result<Response, Problem> {
    let (decide, target) = request.parts()?;
    Ok(match control.decide_many(&caller, target, decide, once).await? {
        Outcome::Done(items) => Json(Items { items }).into_response(),
        Outcome::Before(done) => {
            let answer = done.answer.unwrap_or_default();
            marked(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
        }
    })
}
