//! `/bypass`.

use axum::Json;
use axum::extract::State;

use super::extract::Body;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::bypass::BypassRequest;
use crate::control::problem::Problem;
use crate::store::types::Bypass;

/// How the bypass switch stands.
#[utoipa::path(
    get,
    path = "/bypass",
    tag = "bypass",
    operation_id = "showBypass",
    responses((status = 200, description = "The switch.", body = Bypass))
)]
pub(super) async fn show(
    State(control): State<Control>,
    _caller: Caller,
) -> Result<Json<Bypass>, Problem> {
    Ok(Json(control.bypass().await?))
}

/// Turn the bypass switch: while it is on, nothing is blocked. Acts at once.
#[utoipa::path(
    put,
    path = "/bypass",
    tag = "bypass",
    operation_id = "turnBypass",
    request_body = BypassRequest,
    responses((status = 200, description = "The switch as it now stands.", body = Bypass))
)]
pub(super) async fn turn(
    State(control): State<Control>,
    caller: Caller,
    Body(request): Body<BypassRequest>,
) -> Result<Json<Bypass>, Problem> {
    Ok(Json(control.turn_bypass(&caller.actor, request).await?))
}
