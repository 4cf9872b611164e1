//! `POST /events`.

use axum::Json;
use axum::extract::State;

use super::extract::Body;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::event_intake::{SentEvents, TakenEvents};
use crate::control::problem::Problem;

/// Takes events that a gateway recorded, of its tenant's leaks. They are stored when the call returns; those
/// that were stored already are not stored again, so what was not answered can be sent again.
#[utoipa::path(
    post,
    path = "/events",
    tag = "events",
    operation_id = "sendEvents",
    request_body = SentEvents,
    responses((status = 200, description = "What became of them.", body = TakenEvents))
)]
pub(super) async fn send(
    State(control): State<Control>,
    caller: Caller,
    Body(sent): Body<SentEvents>,
) -> Result<Json<TakenEvents>, Problem> {
    Ok(Json(control.take_events(&caller.actor.tenant, sent).await?))
}
