//! What is in force and what happened, over all leaks: `/virtual-patches`, `/stats`, `/audit`,
//! `/gateways`, and the document of the API itself.

use axum::Json;
use axum::extract::State;
use utoipa::openapi::OpenApi;

use super::extract::FromQuery;
use super::{Items, PageQuery};
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::control::{Control, GatewayState};
use crate::model::clock;
use crate::model::rule::VirtualPatch;
use crate::store::types::{AuditEntry, Page, Stats};

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "document",
    operation_id = "showOpenApi",
    responses((status = 200, description = "The OpenAPI document.", body = Object))
)]
pub(super) async fn document() -> Json<OpenApi> {
    Json(super::openapi())
}

/// List the virtual patches in force.
#[utoipa::path(
    get,
    path = "/virtual-patches",
    tag = "decisions",
    operation_id = "listVirtualPatches",
    params(PageQuery),
    responses((status = 200, description = "A page of patches.", body = Page<VirtualPatch>))
)]
pub(super) async fn virtual_patches(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(page): FromQuery<PageQuery>,
) -> Result<Json<Page<VirtualPatch>>, Problem> {
    Ok(Json(control.store().virtual_patches(&caller.tenants, &page.request()?).await?))
}

/// The numbers behind diagrams.
#[utoipa::path(
    get,
    path = "/stats",
    tag = "events",
    operation_id = "showStats",
    responses((status = 200, description = "The numbers.", body = Stats))
)]
pub(super) async fn stats(
    State(control): State<Control>,
    caller: Caller,
) -> Result<Json<Stats>, Problem> {
    let _place = control.heavy_read().await?;
    Ok(Json(control.store().stats(&caller.tenants, clock::now()).await?))
}

/// Who did what; newest first.
#[utoipa::path(
    get,
    path = "/audit",
    tag = "administration",
    operation_id = "listAudit",
    params(PageQuery),
    responses((status = 200, description = "A page of the audit log.", body = Page<AuditEntry>))
)]
pub(super) async fn audit(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(page): FromQuery<PageQuery>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    Ok(Json(control.store().audit(&caller.tenants, &page.request()?).await?))
}

/// Every gateway and what it enforces.
#[utoipa::path(
    get,
    path = "/gateways",
    tag = "administration",
    operation_id = "listGateways",
    responses((status = 200, description = "The gateways.", body = Items<GatewayState>))
)]
pub(super) async fn gateways(
    State(control): State<Control>,
    _caller: Caller,
) -> Json<Items<GatewayState>> {
    Json(Items { items: control.gateways() })
}
