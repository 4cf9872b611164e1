//! `/tokens/lookup`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::Body;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::intake;
use crate::control::problem::Problem;
use crate::model::secret::Secret;
use crate::model::token::TokenDigest;
use crate::store::types::Lookup;

/// A token to look up, as text or as digest.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LookupRequest {
    /// Its text.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    token: Option<Secret>,
    /// Its digest: `sha256:` and 64 hex digits.
    #[serde(default)]
    digest: Option<String>,
}

/// Whether a token is known, in which leaks, and when it was last used.
#[utoipa::path(
    post,
    path = "/tokens/lookup",
    tag = "tokens",
    operation_id = "lookUpToken",
    request_body = LookupRequest,
    responses((status = 200, description = "What is known of it.", body = Lookup))
)]
pub(super) async fn lookup(
    State(control): State<Control>,
    caller: Caller,
    Body(request): Body<LookupRequest>,
) -> Result<Json<Lookup>, Problem> {
    let digest: TokenDigest = match (request.token, request.digest) {
        (Some(token), None) => {
            let token = intake::trimmed(token);
            if token.is_empty() {
                return Err(Problem::invalid("token", "it is empty"));
            }
            token.digest()
        }
        (None, Some(digest)) => digest.trim().parse().map_err(|_| {
            Problem::invalid(
                "digest",
                "a token digest is written sha256: followed by 64 hex digits",
            )
        })?,
        _ => return Err(Problem::invalid("token", "give either a token or a digest")),
    };
    let fingerprint = control.store().fingerprint_key().fingerprint(&digest);
    Ok(Json(control.store().lookup(&caller.tenants, &fingerprint).await?))
}
