//! `/tenants` and `/tenants/{id}`.

use axum::Json;
use axum::extract::State;
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{Body, Id};
use super::{BASE, Items};
use crate::config::limits;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::intake::{fits, one_line};
use crate::control::problem::Problem;
use crate::model::tenant::{DEFAULT_TENANT, is_tenant_id};
use crate::store::identity::Tenant;

/// A tenant to make.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTenant {
    /// Its id, which never changes: up to 63 lower-case letters, digits and hyphens.
    #[schema(example = "acme")]
    id: String,
    /// What people call it; the id where it is not said.
    #[serde(default)]
    title: Option<String>,
}

/// A tenant's new title.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedTenant {
    /// What people call it.
    title: String,
}

/// List tenants: all of them for global roles, one's own for others.
#[utoipa::path(
    get,
    path = "/tenants",
    tag = "administration",
    operation_id = "listTenants",
    responses((status = 200, description = "The tenants.", body = Items<Tenant>))
)]
pub(super) async fn list(
    State(control): State<Control>,
    caller: Caller,
) -> Result<Json<Items<Tenant>>, Problem> {
    let mut items = control.store().tenants().await?;
    items.retain(|tenant| caller.tenants.include(&tenant.id));
    Ok(Json(Items { items }))
}

/// Make a tenant.
#[utoipa::path(
    post,
    path = "/tenants",
    tag = "administration",
    operation_id = "makeTenant",
    request_body = NewTenant,
    responses(
        (status = 201, description = "The tenant.", body = Tenant,
            headers(("Location" = String, description = "Where the tenant is."))),
        (status = 409, description = "There is one of that id."),
    )
)]
pub(super) async fn create(
    State(control): State<Control>,
    caller: Caller,
    Body(new): Body<NewTenant>,
) -> Result<(StatusCode, [(header::HeaderName, String); 1], Json<Tenant>), Problem> {
    if !is_tenant_id(&new.id) {
        return Err(Problem::invalid(
            "id",
            "it must be up to 63 lower-case letters, digits and hyphens, such as acme",
        ));
    }
    let title = title(&control, &caller, new.title.as_deref().unwrap_or(&new.id)).await?;
    let tenant = control.store().add_tenant(&new.id, &title, &caller.actor).await?;
    let location = format!("{BASE}/tenants/{}", tenant.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(tenant)))
}

/// Give a tenant another title.
#[utoipa::path(
    patch,
    path = "/tenants/{id}",
    tag = "administration",
    operation_id = "changeTenant",
    params(("id" = String, Path, description = "The tenant.")),
    request_body = ChangedTenant,
    responses((status = 200, description = "The tenant as it now is.", body = Tenant))
)]
pub(super) async fn change(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<String>,
    Body(change): Body<ChangedTenant>,
) -> Result<Json<Tenant>, Problem> {
    let actor = control.at(&caller, &id, "tenant")?;
    let title = title(&control, &caller, &change.title).await?;
    Ok(Json(control.store().rename_tenant(&id, &title, &actor).await?))
}

/// Remove a tenant that has no leaks, users or API tokens, with its webhooks.
#[utoipa::path(
    delete,
    path = "/tenants/{id}",
    tag = "administration",
    operation_id = "removeTenant",
    params(("id" = String, Path, description = "The tenant.")),
    responses(
        (status = 204, description = "The tenant is removed."),
        (status = 409, description = "It is not empty, or it is the default one."),
    )
)]
pub(super) async fn remove(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<StatusCode, Problem> {
    let actor = control.at(&caller, &id, "tenant")?;
    if id == DEFAULT_TENANT {
        return Err(Problem::tenant_stays("the default tenant is always there"));
    }
    control.store().remove_tenant(&id, &actor).await?;
    control.forget_bypass(&id);
    control.inner.sinks.changed();
    Ok(StatusCode::NO_CONTENT)
}

/// The title as it is kept.
async fn title(control: &Control, caller: &Caller, title: &str) -> Result<String, Problem> {
    let title = one_line(title);
    if title.is_empty() {
        return Err(Problem::invalid("title", "it is empty: say what people call the tenant"));
    }
    fits("title", &title, limits::TITLE_BYTES)?;
    Ok(control.redactor(&caller.actor.tenant, &[], &[&title]).await?.text(title))
}
