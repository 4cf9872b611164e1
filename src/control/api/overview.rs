//! What is in force and what happened, over all leaks: `/virtual-patches`, `/stats`, `/audit`,
//! `/gateways`, and the document of the API itself.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::openapi::OpenApi;

use super::extract::FromQuery;
use super::{Items, PageQuery, page_request, values};
use crate::config::limits;
use crate::control::auth::Caller;
use crate::control::intake::fits;
use crate::control::problem::Problem;
use crate::control::{Control, GatewayState};
use crate::model::clock;
use crate::model::rule::VirtualPatch;
use crate::store::types::{AuditEntry, AuditQuery, Page, Stats};

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

/// Which rows of the audit log.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditFilter {
    /// Done by whoever has this name.
    actor: Option<String>,
    /// What was done, such as `apply_virtual_patch`, `edit` or `change_user`; any of these.
    #[serde(deserialize_with = "values::list")]
    #[param(style = Form, explode = false)]
    action: Vec<String>,
    /// To what, such as a leak's id.
    object: Option<String>,
    /// At or after this time.
    #[serde(deserialize_with = "values::time")]
    from: Option<Timestamp>,
    /// Before this time.
    #[serde(deserialize_with = "values::time")]
    to: Option<Timestamp>,
    /// Items at most: 50 where it is not said, never more than 200.
    #[serde(deserialize_with = "values::number")]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl AuditFilter {
    fn query(self) -> Result<AuditQuery, Problem> {
        for (name, text) in [("actor", &self.actor), ("object", &self.object)] {
            fits(name, text.as_deref().unwrap_or_default(), limits::FILTER_BYTES)?;
        }
        for action in &self.action {
            fits("action", action, limits::FILTER_BYTES)?;
        }
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(AuditQuery {
            actor: some(self.actor),
            action: self.action,
            object: some(self.object),
            from: self.from,
            to: self.to,
            page: page_request(self.limit, self.cursor)?,
        })
    }
}

/// Who did what, and what was before and after; newest first.
#[utoipa::path(
    get,
    path = "/audit",
    tag = "administration",
    operation_id = "listAudit",
    params(AuditFilter),
    responses((status = 200, description = "A page of the audit log.", body = Page<AuditEntry>))
)]
pub(super) async fn audit(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(filter): FromQuery<AuditFilter>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    Ok(Json(control.store().audit(&caller.tenants, &filter.query()?).await?))
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
