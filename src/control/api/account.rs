//! `/sessions`, one's own, and `/session/password`.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Items;
use super::extract::Body;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::control::{Control, NewPassword, Origin};
use crate::model::secret::Secret;
use crate::store::views::UserSession;

/// A new password for oneself.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordRequest {
    /// The password so far.
    #[schema(value_type = String, format = Password)]
    current: Secret,
    /// The new one: 12 bytes or more.
    #[schema(value_type = String, format = Password, min_length = 12)]
    new: Secret,
}

/// List one's own sessions, the one used last first; none where an API token is used.
#[utoipa::path(
    get,
    path = "/sessions",
    tag = "session",
    operation_id = "listSessions",
    responses((status = 200, description = "The sessions.", body = Items<UserSession>))
)]
pub(super) async fn list(
    State(control): State<Control>,
    caller: Caller,
) -> Result<Json<Items<UserSession>>, Problem> {
    Ok(Json(Items { items: control.own_sessions(&caller).await? }))
}

/// Change one's own password. All sessions end, and the answer sets the cookie of a new one.
#[utoipa::path(
    put,
    path = "/session/password",
    tag = "session",
    operation_id = "changePassword",
    request_body = PasswordRequest,
    responses(
        (status = 204, description = "It is changed.",
            headers(("Set-Cookie" = String, description = "The new session."))),
        (status = 422, description = "The password so far is wrong, or the new one too short."),
        (status = 404, description = "An API token is used, which has no password, or the user signs \
            in at an identity provider."),
        (status = 429, description = "Too many were tried: see `Retry-After`."),
    )
)]
pub(super) async fn password(
    State(control): State<Control>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let from = Origin::of(&parts);
    let body = Body::of(Request::from_parts(parts, body)).await?;
    let Body(PasswordRequest { current, new }) = body;
    let session = control.change_own_password(&caller, NewPassword { current, new, from }).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, session.cookie)]).into_response())
}
