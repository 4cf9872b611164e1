//! `/session`, one's own, and `/sessions`, all of a user.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Body, FromQuery};
use crate::control::auth::{Caller, Credential};
use crate::control::problem::Problem;
use crate::control::{Control, Origin, SignIn, csrf, no_cookie};
use crate::model::ids::UserId;
use crate::model::role::{Actor, Permission, Role};
use crate::model::secret::Secret;

/// Who one is, and the proof of it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInRequest {
    /// The user's name.
    #[schema(example = "ada")]
    name: String,
    /// The user's password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// Who is signed in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(super) struct SignedIn {
    /// The user; absent where an API token is used.
    user: Option<UserId>,
    /// The name that history and audit show.
    name: String,
    /// What they may do.
    role: Role,
    /// Where what they make belongs to.
    tenant: String,
    /// What the header field `X-CSRF-Token` must carry in each call that changes something; absent
    /// where an API token is used.
    csrf_token: Option<String>,
    /// When a session that begins ends, however much it is used; told when it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl SignedIn {
    fn of(actor: Actor, csrf_token: Option<String>) -> Self {
        let Actor { user, name, role, tenant, .. } = actor;
        Self { user, name, role, tenant, csrf_token, expires_at: None }
    }
}

/// Whose sessions are to end.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhoseSessions {
    /// The user; oneself where it is not said.
    user: Option<UserId>,
}

/// Sign in. The answer sets a cookie, and a session that the browser had ends.
#[utoipa::path(
    post,
    path = "/session",
    tag = "session",
    operation_id = "signIn",
    request_body = SignInRequest,
    responses(
        (status = 200, description = "Who is signed in.", body = SignedIn,
            headers(("Set-Cookie" = String, description = "The session."))),
        (status = 401, description = "Name or password is wrong."),
        (status = 403, description = "A page of another site sent it."),
        (status = 429, description = "Too many were tried: see `Retry-After`."),
    )
)]
pub(super) async fn sign_in(
    State(control): State<Control>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    csrf::check(&parts.headers, &parts.uri)?;
    let from = Origin::of(&parts);
    let request = Request::from_parts(parts, body);
    let Body(SignInRequest { name, password }) = Body::of(request).await?;
    let session = control.sign_in(SignIn { name, password, from }).await?;
    let user = session.user;
    let signed_in = SignedIn {
        user: Some(user.id),
        name: user.name,
        role: user.role,
        tenant: user.tenant,
        csrf_token: Some(session.csrf_token),
        expires_at: Some(session.expires_at),
    };
    Ok(([(header::SET_COOKIE, session.cookie)], Json(signed_in)).into_response())
}

/// Who is signed in.
#[utoipa::path(
    get,
    path = "/session",
    tag = "session",
    operation_id = "showSession",
    responses((status = 200, description = "Who is signed in.", body = SignedIn))
)]
pub(super) async fn show(caller: Caller) -> Json<SignedIn> {
    Json(SignedIn::of(caller.actor, caller.csrf_token))
}

/// Sign out.
#[utoipa::path(
    delete,
    path = "/session",
    tag = "session",
    operation_id = "signOut",
    responses(
        (status = 204, description = "The session is over."),
        (status = 404, description = "An API token is used, which is no session."),
    )
)]
pub(super) async fn sign_out(
    State(control): State<Control>,
    caller: Caller,
) -> Result<Response, Problem> {
    let Credential::Session(hash) = &caller.credential else {
        return Err(Problem::not_found("session"));
    };
    control.sign_out(hash, &caller.actor).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, no_cookie())]).into_response())
}

/// Sign out everywhere: oneself, or, where one administers users, another user.
#[utoipa::path(
    delete,
    path = "/sessions",
    tag = "session",
    operation_id = "signOutEverywhere",
    params(WhoseSessions),
    responses(
        (status = 204, description = "All sessions of the user are over."),
        (status = 404, description = "There is no such user, or an API token is used, which has no \
            sessions."),
    )
)]
pub(super) async fn sign_out_everywhere(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(whose): FromQuery<WhoseSessions>,
) -> Result<StatusCode, Problem> {
    let own = caller.actor.user;
    let id = whose.user.or(own).ok_or_else(|| Problem::not_found("session"))?;
    if Some(id) == own {
        control.sign_out_everywhere(id, &caller.actor).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    let role = caller.actor.role;
    if !role.may(Permission::Administer) {
        return Err(Problem::forbidden(role, Permission::Administer));
    }
    let (user, actor) = control.user(&caller, id).await?;
    if !role.may_grant(user.role) {
        return Err(Problem::role_too_high(role));
    }
    control.sign_out_everywhere(id, &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
