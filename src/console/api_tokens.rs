//! API tokens.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde_json::json;

use super::refused::Answer;
use super::users::role;
use super::visit::{Sent, Visit};
use super::{layout, words};
use crate::control::{ApiToken, NewlyMadeApiToken, Problem};
use crate::model::clock;
use crate::model::ids::ApiTokenId;
use crate::model::role::Role;

pub(super) async fn show(visit: Visit) -> Answer {
    page(&visit, None).await
}

async fn page(visit: &Visit, made: Option<NewlyMadeApiToken>) -> Answer {
    let tokens = visit.desk.api_tokens().await?;
    let now = clock::now();
    let body = html! {
        (layout::done(visit))
        h1 { "API tokens" }
        @if let Some(made) = &made {
            section.card.narrow role="status" {
                h2 { "The API token " (made.name) }
                p { "It is shown here once and never again: copy it now." }
                p { code.secret { (made.token) } }
            }
        }
        section.card {
            @if tokens.is_empty() { p.quiet-text { "There is none yet. Scripts and scanners call the API with one." } }
            @else {
                div.scroll {
                    table.list {
                        thead { tr { th scope="col" { "Name" } th scope="col" { "Role" } th scope="col" { "Tenant" } th scope="col" { "Made" } th scope="col" { "Ends" } th scope="col" { "Last use" } th scope="col" { "State" } } }
                        tbody { @for token in &tokens { (row(visit, token, now)) } }
                    }
                }
            }
        }
        section.card.narrow {
            h2 { "Make an API token" }
            form.stack method="post" action="/api-tokens" {
                (layout::csrf(visit))
                label { "Name" input name="name" required maxlength="256" placeholder="what it is for"; }
                label { "Role" (layout::role_field(visit, Role::Intake)) }
                label { "Ends after" select name="days" { option value="30" { "30 days" } option value="90" selected { "90 days" } option value="365" { "a year" } option value="" { "never" } } }
                button.primary type="submit" { "Make it" }
            }
        }
    };
    layout::page(visit, "API tokens", body).await
}

fn row(visit: &Visit, token: &ApiToken, now: Timestamp) -> Markup {
    let over = token.expires_at.is_some_and(|at| at <= now);
    html! {
        tr {
            th scope="row" { (token.name) }
            td data-label="Role" { (words::role(token.role)) }
            td data-label="Tenant" { (token.tenant) }
            td data-label="Made" { (words::time(token.created_at)) }
            td data-label="Ends" { (words::time_or(token.expires_at, "never")) }
            td data-label="Last use" { (words::time_or(token.last_used_at, "none")) }
            td data-label="State" {
                @if token.revoked_at.is_some() { span.tag.quiet { "Revoked" } }
                @else if over { span.tag.quiet { "Over" } }
                @else {
                    form method="post" action={ "/api-tokens/" (token.id) "/revoke" } {
                        (layout::csrf(visit))
                        button.alarming type="submit" aria-label={ "Revoke " (token.name) } { "Revoke" }
                    }
                }
            }
        }
    }
}

/// Answers with the page itself: nothing else may carry the token's text.
pub(super) async fn add(sent: Sent) -> Answer {
    let form = &sent.form;
    let days = form.text("days").map(|text| text.parse::<u16>()).transpose();
    let days = days.map_err(|_| Problem::invalid("days", "choose one of the list"))?;
    let end =
        |days: u16| clock::now().checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok();
    let body = json!({
        "name": form.text("name").unwrap_or_default(),
        "role": role(form.text("role"))?.name(),
        "expires_at": days.and_then(end).map(|at| at.to_string()),
    });
    let made = sent.visit.desk.add_api_token(body).await?;
    page(&sent.visit, Some(made)).await
}

pub(super) async fn revoke(Path(id): Path<String>, sent: Sent) -> Answer {
    let id: ApiTokenId = id.parse().map_err(|_| Problem::not_found("API token"))?;
    sent.visit.desk.revoke_api_token(id).await?;
    Ok(Redirect::to("/api-tokens?done=revoked").into_response())
}
