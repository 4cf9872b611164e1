//! `/keys`: the key of tokens at rest.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::control::rotation::KeysState;

/// How the keys of tokens at rest stand.
#[utoipa::path(
    get,
    path = "/keys",
    tag = "administration",
    operation_id = "showKeys",
    responses((status = 200, description = "How they stand.", body = KeysState))
)]
pub(super) async fn show(
    State(control): State<Control>,
    _caller: Caller,
) -> Result<Json<KeysState>, Problem> {
    Ok(Json(control.keys().await?))
}

/// Rotate the key of tokens at rest: what is new is sealed under the next key from now on, and what is
/// there is sealed anew in the background. Where a rotation is under way, it goes on.
#[utoipa::path(
    post,
    path = "/keys/rotate",
    tag = "administration",
    operation_id = "rotateKeys",
    responses(
        (status = 202, description = "It is under way: `GET /keys` says how far.", body = KeysState),
        (status = 409, description = "No key was given to go over to."),
    )
)]
pub(super) async fn rotate(
    State(control): State<Control>,
    caller: Caller,
) -> Result<(StatusCode, Json<KeysState>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(control.rotate_keys(&caller.actor).await?)))
}
