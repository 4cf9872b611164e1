//! Gateways, and the bypass switch.

use axum::response::{IntoResponse, Redirect};
use jiff::SignedDuration;
use maud::{Markup, html};
use serde_json::json;

use super::refused::Answer;
use super::visit::{Sent, Visit};
use super::{layout, words};
use crate::control::{BypassState, Problem};
use crate::model::clock;
use crate::model::role::Permission;

pub(super) async fn show(visit: Visit) -> Answer {
    let gateways = visit.desk.gateways().await?;
    let bypass = visit.desk.bypass().await?;
    let body = html! {
        (layout::done(&visit))
        h1 { "Gateways" }
        section.card.table-card {
            div.scroll {
                table.list {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Version" } th.number scope="col" { "Patchset" } th.number scope="col" { "Tokens" } th.number scope="col" { "Versions behind" } th scope="col" { "Last seen" } } }
                    tbody {
                        @for gateway in &gateways {
                            tr {
                                th scope="row" { (gateway.name) }
                                td data-label="Version" { (gateway.version) }
                                td.number data-label="Patchset" { (gateway.patchset_version) }
                                td.number data-label="Tokens" { (gateway.patchset_tokens) }
                                td.number data-label="Versions behind" { (gateway.lag) }
                                td data-label="Last seen" { (words::time(gateway.last_seen)) }
                            }
                        }
                    }
                }
            }
        }
        (switch(&visit, &bypass))
    };
    layout::page(&visit, "Gateways", body).await
}

fn switch(visit: &Visit, state: &BypassState) -> Markup {
    let bypass = &state.bypass;
    let whose =
        state.tenant.as_deref().map_or_else(|| "all tenants".to_owned(), |t| format!("tenant {t}"));
    html! {
        section class={ "card narrow " (if bypass.on { "danger" } else { "" }) } #bypass {
            h2 { "Bypass switch" }
            p {
                @if bypass.on { strong { "On: nothing of " (whose) " is blocked." } } @else { "Off: virtual patches are in force, for " (whose) "." }
                @if let Some(reason) = &bypass.reason { " " (reason) }
                @if let (Some(by), Some(at)) = (&bypass.changed_by, bypass.changed_at) { span.quiet-text { " By " (by) ", " (words::time(at)) "." } }
                @if let Some(until) = bypass.expires_at { " It ends " (words::time(until)) "." }
            }
            @if visit.desk.may(Permission::Decide) {
                form.stack method="post" action="/gateways/bypass" {
                    (layout::csrf(visit))
                    @if bypass.on {
                        input type="hidden" name="turn" value="off";
                        button.primary type="submit" { "Turn off: block again" }
                    } @else {
                        input type="hidden" name="turn" value="on";
                        label { "Why" input name="reason" required maxlength="256"; }
                        label { "For"
                            select name="minutes" {
                                option value="15" { "15 minutes" } option value="60" selected { "1 hour" } option value="480" { "8 hours" } option value="" { "until turned off" }
                            }
                        }
                        button.alarming type="submit" { "Turn on: stop all blocking" }
                    }
                }
            } @else { p.hint { "Administrators turn it." } }
        }
    }
}

pub(super) async fn turn(sent: Sent) -> Answer {
    let (form, on) = (&sent.form, sent.form.text("turn").as_deref() == Some("on"));
    let minutes = form.text("minutes").map(|text| text.parse::<u16>());
    let minutes =
        minutes.transpose().map_err(|_| Problem::invalid("minutes", "choose one of the list"))?;
    let expires_at = minutes.filter(|_| on).and_then(|minutes| {
        clock::now().checked_add(SignedDuration::from_mins(minutes.into())).ok()
    });
    let body = json!({
        "on": on,
        "reason": form.text("reason"),
        "expires_at": expires_at.map(|at| at.to_string()),
    });
    sent.visit.desk.turn_bypass(body).await?;
    Ok(Redirect::to("/gateways?done=changed").into_response())
}
