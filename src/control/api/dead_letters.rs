//! `/dead-letters` and `/dead-letters/{id}`: what could not be delivered to a webhook or a sink of the
//! configuration.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::PageQuery;
use super::extract::{FromQuery, Id};
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::model::ids::LetterId;
use crate::store::outgoing::Letter;
use crate::store::types::Page;

/// List what could not be delivered, newest first.
#[utoipa::path(
    get,
    path = "/dead-letters",
    tag = "administration",
    operation_id = "listDeadLetters",
    params(PageQuery),
    responses((status = 200, description = "A page of dead letters.", body = Page<Letter>))
)]
pub(super) async fn list(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(page): FromQuery<PageQuery>,
) -> Result<Json<Page<Letter>>, Problem> {
    Ok(Json(control.store().letters(&caller.tenants, &page.request()?).await?))
}

/// Deliver a dead letter once more, now. It is forgotten where it is taken.
#[utoipa::path(
    post,
    path = "/dead-letters/{id}/redeliver",
    tag = "administration",
    operation_id = "redeliverDeadLetter",
    params(("id" = LetterId, Path, description = "The dead letter.")),
    responses(
        (status = 204, description = "It was taken."),
        (status = 502, description = "It was not taken, and is kept."),
    )
)]
pub(super) async fn redeliver(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LetterId>,
) -> Result<StatusCode, Problem> {
    control.check_letter(&caller, id).await?;
    control.redeliver(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget a dead letter.
#[utoipa::path(
    delete,
    path = "/dead-letters/{id}",
    tag = "administration",
    operation_id = "removeDeadLetter",
    params(("id" = LetterId, Path, description = "The dead letter.")),
    responses((status = 204, description = "It is forgotten."))
)]
pub(super) async fn remove(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LetterId>,
) -> Result<StatusCode, Problem> {
    control.check_letter(&caller, id).await?;
    control.store().remove_letter(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
