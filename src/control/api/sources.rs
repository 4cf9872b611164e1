//! From where leaks come by themselves: `/hooks`, those that are configured, and the list at
//! `/imports`.

use axum::Json;
use axum::extract::State;

use super::Items;
use crate::control::auth::Caller;
use crate::control::{Control, HookState, Import};

/// List the hooks by which partners report leaks, as they are configured.
#[utoipa::path(
    get,
    path = "/hooks",
    tag = "administration",
    operation_id = "listHooks",
    responses((status = 200, description = "The hooks.", body = Items<HookState>))
)]
pub(super) async fn hooks(
    State(control): State<Control>,
    caller: Caller,
) -> Json<Items<HookState>> {
    Json(Items { items: control.hook_states(&caller.tenants) })
}

/// List the imports of this process: those under way and the last that ended, newest first.
#[utoipa::path(
    get,
    path = "/imports",
    tag = "imports",
    operation_id = "listImports",
    responses((status = 200, description = "The imports.", body = Items<Import>))
)]
pub(super) async fn imports(State(control): State<Control>, caller: Caller) -> Json<Items<Import>> {
    Json(Items { items: control.imports(&caller.tenants) })
}
