//! `/oidc/sign-in` and `/oidc/callback`: signing in at an identity provider.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;

use super::extract::FromQuery;
use crate::control::problem::Problem;
use crate::control::{Control, Origin, Return};

/// What the provider sends a browser back with.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Callback {
    /// The code for which the provider gives an ID token.
    code: Option<String>,
    /// What was sent along when the sign-in began.
    state: Option<String>,
    /// What went wrong at the provider.
    error: Option<String>,
}

/// A page that goes on to the console. A redirect would not do: the browser was sent here by
/// another site, so it would not take the session's cookie along.
const ON: &str = "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" \
                  content=\"0; url=/\"><title>leakgate</title><p><a href=\"/\">Go on</a></p>\n";

/// Sign in at the identity provider: sends the browser there.
#[utoipa::path(
    get,
    path = "/oidc/sign-in",
    tag = "session",
    operation_id = "beginOidc",
    responses(
        (status = 303, description = "Where to go.",
            headers(("Location" = String, description = "The provider."))),
        (status = 404, description = "No identity provider is configured."),
        (status = 502, description = "The identity provider cannot be used."),
    )
)]
pub(super) async fn begin(
    State(control): State<Control>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let departure = control.begin_oidc(&Origin::of(&parts)).await?;
    let headers = [(header::LOCATION, departure.location), (header::SET_COOKIE, departure.cookie)];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

/// Where the identity provider sends the browser back to. The answer sets the session's cookie and
/// goes on to the console.
#[utoipa::path(
    get,
    path = "/oidc/callback",
    tag = "session",
    operation_id = "endOidc",
    params(Callback),
    responses(
        (status = 200, description = "A session has begun.", body = String,
            content_type = "text/html"),
        (status = 403, description = "This browser did not begin it, the provider refused, or the \
            user may not sign in."),
        (status = 404, description = "No identity provider is configured."),
        (status = 502, description = "The identity provider cannot be used."),
    )
)]
pub(super) async fn callback(
    State(control): State<Control>,
    FromQuery(back): FromQuery<Callback>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let Callback { code, state, error } = back;
    let from = Origin::of(&parts);
    let session = control.end_oidc(&parts.headers, &from, Return { code, state, error }).await?;
    let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    let mut response = (html, ON).into_response();
    response.headers_mut().append(header::SET_COOKIE, session.cookie);
    Ok(response)
}
