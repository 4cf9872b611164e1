//! `/bypass`.

use axum::Json;
use axum::extract::State;

use super::extract::Body;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::bypass::{BypassRequest, BypassState};
use crate::control::problem::Problem;

/// How the bypass switch stands: for roles over all tenants the one of the whole installation, for
/// others that of their tenant.
#[utoipa::path(
    get,
    path = "/bypass",
    tag = "bypass",
    operation_id = "showBypass",
    responses((status = 200, description = "The switch.", body = BypassState))
)]
pub(super) async fn show(
    State(control): State<Control>,
    caller: Caller,
) -> Result<Json<BypassState>, Problem> {
    Ok(Json(control.bypass(&caller.tenants).await?))
}

/// Turn the bypass switch: while it is on, nothing is blocked, or nothing on the
/// routes of the one tenant. Acts at once.
#[utoipa::path(
    put,
    path = "/bypass",
    tag = "bypass",
    operation_id = "turnBypass",
    request_body = BypassRequest,
    responses((status = 200, description = "The switch as it now stands.", body = BypassState))
)]
pub(super) async fn turn(
    State(control): State<Control>,
    caller: Caller,
    Body(request): Body<BypassRequest>,
) -> Result<Json<BypassState>, Problem> {
    Ok(Json(control.turn_bypass(&caller, request).await?))
}
