//! Tenants, for roles over all of them.

use axum::response::{IntoResponse, Redirect};
use maud::html;
use serde_json::json;

use super::refused::Answer;
use super::visit::{Sent, Visit};
use super::{layout, words};
use crate::model::role::Permission;

pub(super) async fn show(visit: Visit) -> Answer {
    let tenants = visit.desk.tenants().await?;
    let four_eyes = visit.desk.four_eyes_tenants().await?;
    let body = html! {
        (layout::done(&visit))
        h1 { "Tenants" }
        section.card.table-card {
            div.scroll {
                table.list {
                    thead { tr { th scope="col" { "Title" } th scope="col" { "Id" } th scope="col" { "Made" } th scope="col" { "Leaks" } th scope="col" { "Who decides" } } }
                    tbody {
                        @for tenant in &tenants {
                            tr {
                                th scope="row" { (tenant.title) }
                                td data-label="Id" { code { (tenant.id) } }
                                td data-label="Made" { (words::time(tenant.created_at)) }
                                td data-label="Leaks" { a href={ "/leaks?tenant=" (tenant.id) } { "Its leaks" } }
                                td data-label="Who decides" { a href={ "/proposals?tenant=" (tenant.id) "#four-eyes" } { (if four_eyes.contains(&tenant.id) { "two persons" } else { "one person" }) } }
                            }
                        }
                    }
                }
            }
        }
        @if visit.desk.may(Permission::ManageTenants) {
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

pub(super) async fn add(sent: Sent) -> Answer {
    let id = sent.form.text("id").unwrap_or_default();
    sent.visit.desk.add_tenant(json!({ "id": id, "title": sent.form.text("title") })).await?;
    Ok(Redirect::to("/tenants?done=added").into_response())
}
