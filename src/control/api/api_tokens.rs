//! `/api-tokens` and `/api-tokens/{id}`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conditions::NoKey;
use super::extract::{Body, Id};
use super::{Items, values};
use crate::config::limits;
use crate::control::auth::Caller;
use crate::control::intake::{fits, one_line};
use crate::control::problem::Problem;
use crate::control::{Control, credentials};
use crate::model::clock;
use crate::model::ids::ApiTokenId;
use crate::model::role::Role;
use crate::store::types::{ApiToken, NewApiToken};

/// An API token to make.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiTokenRequest {
    /// Its name, one in the tenant: what history and audit show.
    name: String,
    /// What it may do.
    role: Role,
    /// When it ends; never where it is not said.
    #[serde(default, deserialize_with = "values::time")]
    expires_at: Option<Timestamp>,
}

/// A new API token, with its text: it is shown here and never again.
#[derive(Serialize, ToSchema)]
pub struct NewlyMadeApiToken {
    /// Its id.
    pub id: ApiTokenId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Its text.
    #[schema(example = "lgt_…")]
    pub token: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// List API tokens, without their texts.
#[utoipa::path(
    get,
    path = "/api-tokens",
    tag = "administration",
    operation_id = "listApiTokens",
    responses((status = 200, description = "The API tokens.", body = Items<ApiToken>))
)]
pub(super) async fn list(
    State(control): State<Control>,
    caller: Caller,
) -> Result<Json<Items<ApiToken>>, Problem> {
    Ok(Json(Items { items: control.store().api_tokens(&caller.tenants).await? }))
}

/// Make an API token. Its text is in this answer and nowhere else: so the call takes no
/// `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/api-tokens",
    tag = "administration",
    operation_id = "makeApiToken",
    request_body = ApiTokenRequest,
    responses(
        (status = 201, description = "The API token with its text.", body = NewlyMadeApiToken),
        (status = 409, description = "There is one of that name."),
    )
)]
pub(super) async fn create(
    State(control): State<Control>,
    caller: Caller,
    _: NoKey,
    Body(request): Body<ApiTokenRequest>,
) -> Result<(StatusCode, Json<NewlyMadeApiToken>), Problem> {
    let name = one_line(&request.name);
    if name.is_empty() {
        return Err(Problem::invalid("name", "it is empty: say what the token is for"));
    }
    fits("name", &name, limits::NAME_BYTES)?;
    let name = control.redactor(&caller.actor.tenant, &[], &[&name]).await?.text(name);
    if request.expires_at.is_some_and(|at| at <= clock::now()) {
        return Err(Problem::invalid("expires_at", "it is over already: give a later time"));
    }
    if !caller.actor.role.may_grant(request.role) {
        return Err(Problem::role_too_high(caller.actor.role));
    }
    let token = credentials::new_api_token().map_err(|error| {
        tracing::error!(%error, "no API token could be made");
        Problem::failed()
    })?;
    let made = control
        .store()
        .add_api_token(
            NewApiToken {
                tenant: caller.actor.tenant.clone(),
                name,
                role: request.role,
                expires_at: request.expires_at,
                hash: credentials::hash_api_token(&token),
            },
            &caller.actor,
        )
        .await?;
    let answer = NewlyMadeApiToken {
        id: made.id,
        name: made.name,
        role: made.role,
        token: String::from_utf8_lossy(token.expose()).into_owned(),
        expires_at: made.expires_at,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Revoke an API token. It stops working at once.
#[utoipa::path(
    delete,
    path = "/api-tokens/{id}",
    tag = "administration",
    operation_id = "revokeApiToken",
    params(("id" = ApiTokenId, Path, description = "The API token.")),
    responses(
        (status = 204, description = "It is revoked."),
        (status = 403, description = "It is a global one, and the caller is not."),
    )
)]
pub(super) async fn revoke(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<ApiTokenId>,
) -> Result<StatusCode, Problem> {
    let token = control.store().api_token(id).await?;
    let token = token.ok_or_else(|| Problem::not_found("API token"))?;
    let actor = control.at(&caller, &token.tenant, "API token")?;
    if !actor.role.may_grant(token.role) {
        return Err(Problem::role_too_high(actor.role));
    }
    control.store().revoke_api_token(&token.tenant, id, &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
