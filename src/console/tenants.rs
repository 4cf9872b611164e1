//! Tenants, for roles over all of them.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};
use serde_json::json;

use super::refused::Answer;
use super::visit::{Sent, Visit};
use super::{layout, words};
use crate::control::{DEFAULT_TENANT, Tenant};
use crate::model::role::Permission;

pub(super) async fn show(visit: Visit) -> Answer {
    let tenants = visit.desk.tenants().await?;
    let manages = visit.desk.may(Permission::ManageTenants);
    let four_eyes = visit.desk.four_eyes_tenants().await?;
    let body = html! {
        (layout::done(&visit))
        h1 { "Tenants" }
        section.card.table-card {
            div.scroll {
                table.list {
                    thead { tr { th scope="col" { "Title" } th scope="col" { "Id" } th scope="col" { "Made" } th scope="col" { "Leaks" } th scope="col" { "Who decides" } @if manages { th scope="col" { "Change" } } } }
                    tbody {
                        @for tenant in &tenants {
                            tr {
                                th scope="row" { bdi { (tenant.title) } }
                                td data-label="Id" { code { (tenant.id) } }
                                td data-label="Made" { (words::time(tenant.created_at)) }
                                td data-label="Leaks" { a href={ "/leaks?tenant=" (tenant.id) } { "Its leaks" } }
                                td data-label="Who decides" { a href={ "/proposals?tenant=" (tenant.id) "#four-eyes" } { (if four_eyes.contains(&tenant.id) { "two persons" } else { "one person" }) } }
                                @if manages { td data-label="Change" { (change_form(&visit, tenant)) } }
                            }
                        }
                    }
                }
            }
        }
        @if manages {
            section.card.narrow {
                h2 { "Add a tenant" }
                form.stack method="post" action="/tenants" {
                    (layout::csrf(&visit))
                    label { "Id, which never changes" input name="id" required maxlength="63" pattern="[a-z0-9]([a-z0-9\\-]*[a-z0-9])?" placeholder="acme" autocapitalize="none"; }
                    label { "Title" input name="title" maxlength="256"; }
                    button.primary type="submit" { "Add tenant" }
                }
            }
        }
    };
    layout::page(&visit, "Tenants", body).await
}

fn change_form(visit: &Visit, tenant: &Tenant) -> Markup {
    html! {
        details {
            summary { "Change" span.hidden { " " (tenant.id) } }
            form.stack method="post" action={ "/tenants/" (tenant.id) } {
                (layout::csrf(visit))
                label { "Title" input name="title" value=(tenant.title) required maxlength="256"; }
                button type="submit" name="what" value="change" { "Change" }
                @if tenant.id != DEFAULT_TENANT {
                    button.alarming type="submit" name="what" value="remove" { "Remove" }
                    p.hint { "A tenant goes once it has no leaks, users or API tokens." }
                }
            }
        }
    }
}

pub(super) async fn change(Path(id): Path<String>, sent: Sent) -> Answer {
    let (desk, form) = (&sent.visit.desk, &sent.form);
    if form.text("what").as_deref() == Some("remove") {
        desk.remove_tenant(id).await?;
        return Ok(Redirect::to("/tenants?done=removed").into_response());
    }
    let body = json!({ "title": form.text("title").unwrap_or_default() });
    desk.change_tenant(id, body).await?;
    Ok(Redirect::to("/tenants?done=changed").into_response())
}

pub(super) async fn add(sent: Sent) -> Answer {
    let id = sent.form.text("id").unwrap_or_default();
    sent.visit.desk.add_tenant(json!({ "id": id, "title": sent.form.text("title") })).await?;
    Ok(Redirect::to("/tenants?done=added").into_response())
}
