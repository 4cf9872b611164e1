//! What all pages have around them.

use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::refused::Answer;
use super::visit::{CSRF, Visit};
use super::words;
use crate::control::WAITING_SHOWN;
use crate::model::role::{Permission, Role};

/// A place in the navigation.
struct Place {
    path: &'static str,
    name: &'static str,
    needs: Permission,
    /// Whether it begins a part of its own.
    apart: bool,
}

const fn place(path: &'static str, name: &'static str, needs: Permission) -> Place {
    Place { path, name, needs, apart: false }
}

/// The place whose entry shows how much waits there.
const WAITING: &str = "/proposals";

const PLACES: [Place; 11] = [
    place("/leaks", "API leaks", Permission::See),
    place(WAITING, "Proposals", Permission::See),
    place("/events", "Events", Permission::See),
    place("/notifications", "Notifications", Permission::See),
    place("/gateways", "Gateways", Permission::See),
    place("/sources", "Sources", Permission::Register),
    Place { apart: true, ..place("/users", "Users", Permission::Administer) },
    place("/api-tokens", "API tokens", Permission::Administer),
    place("/webhooks", "Webhooks", Permission::Administer),
    place("/audit", "Audit log", Permission::Audit),
    place("/tenants", "Tenants", Permission::ManageTenants),
];

/// A page for somebody who is signed in; red at its top while nothing is blocked.
pub(super) async fn page(visit: &Visit, title: &str, body: Markup) -> Answer {
    page_with(visit, title, &html! {}, body).await
}

/// The same with more in its head.
pub(super) async fn page_with(visit: &Visit, title: &str, head: &Markup, body: Markup) -> Answer {
    let (bypass, waiting) = if visit.desk.may(Permission::See) {
        let (bypass, waiting) = tokio::join!(visit.desk.bypass(), visit.desk.waiting());
        (bypass.ok(), waiting.unwrap_or_default())
    } else {
        (None, 0)
    };
    let on = bypass.is_some_and(|bypass| bypass.bypass.on || bypass.everywhere);
    let actor = &visit.visitor().actor;
    let whole = html! {
        div.frame {
            header.side {
                (brand())
                nav aria-label="Main" {
                    ul {
                        @for place in PLACES.iter().filter(|place| visit.desk.may(place.needs)) {
                            li.apart[place.apart] {
                                a href=(place.path) aria-current=[visit.path.starts_with(place.path).then_some("page")] {
                                    (place.name)
                                    @if place.path == WAITING && waiting > 0 { " " (badge(waiting)) }
                                }
                            }
                        }
                    }
                }
                div.who {
                    a href="/account" title="My account" aria-current=[visit.path.starts_with("/account").then_some("page")] { bdi { (actor.name) } }
                    span.role { (words::role(actor.role)) }
                    form method="post" action="/sign-out" {
                        (csrf(visit))
                        button.link type="submit" { "Sign out" }
                    }
                }
            }
            div {
                @if on {
                    div.alarm role="alert" {
                        strong { "The bypass is on: nothing is blocked." }
                        " " a href="/gateways" { "See who turned it on" }
                    }
                }
                main #content { (body) }
            }
        }
    };
    Ok(html_response(document(title, head, &whole)))
}

/// How many wait.
fn badge(waiting: u64) -> Markup {
    let most = WAITING_SHOWN as u64;
    html! { span.badge { (if waiting < most { waiting.to_string() } else { format!("{}+", most - 1) }) span.hidden { " waiting" } } }
}

fn brand() -> Markup {
    html! { a.brand href="/leaks" { img src="/assets/icon.svg" alt="" width="26" height="26"; "leakgate" } }
}

/// A page for whoever is not signed in, or where something went wrong.
pub(super) fn bare(title: &str, body: &Markup) -> Markup {
    document(
        title,
        &html! {},
        &html! {
            div.bare {
                header.top { (brand()) }
                main #content { (body) }
            }
        },
    )
}

/// A page as an answer.
pub(super) fn html_response(page: Markup) -> Response {
    Html(page.into_string()).into_response()
}

fn document(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · leakgate" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/console.css";
                script src="/assets/console.js" defer {}
                (head)
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                (body)
            }
        }
    }
}

/// The field that each form carries.
pub(super) fn csrf(visit: &Visit) -> Markup {
    html! { input type="hidden" name=(CSRF) value=(visit.csrf); }
}

/// What was just done, where the address says so.
pub(super) fn done(visit: &Visit) -> Markup {
    let text = match visit.value("done") {
        Some("registered") => "The leak is registered, and its tokens are watched from now on.",
        Some("known") => {
            "These tokens were known already: this leak has them, with one more occurrence."
        }
        Some("patched") => "The virtual patch is in force.",
        Some("proposed") => {
            "This takes two persons: another one is asked to approve it, and nothing has changed yet."
        }
        Some("unpatched") => "The virtual patch is removed. Its tokens are watched on.",
        Some("closed") => "The leak is closed. Its tokens are watched for a while.",
        Some("false") => "The leak is marked as false. Its tokens are not watched.",
        Some("reopened") => "The leak is open again, without a patch.",
        Some("approved") => "It is approved, and done.",
        Some("rejected") => "It will not be done: the proposal is settled.",
        Some("acknowledged") => "It is acknowledged.",
        Some("commented") => "The comment is added.",
        Some("changed") => "The change is made.",
        Some("removed") => "It is removed.",
        Some("added") => "It is added.",
        Some("discarded") => "It is thrown away: nothing was registered.",
        Some("password") => "Your password is changed. All other sessions of yours are over.",
        Some("redelivered") => "It was taken.",
        Some("forgotten") => "The dead letter is forgotten.",
        Some("revoked") => "The API token is revoked: it stopped working at once.",
        _ => return html! {},
    };
    html! { p.notice role="status" { (text) } }
}

/// A field for a role that the visitor may hand out.
pub(super) fn role_field(visit: &Visit, chosen: Role) -> Markup {
    let own = visit.visitor().actor.role;
    html! {
        select name="role" aria-label="Role" {
            @for role in Role::ALL.into_iter().filter(|role| own.may_grant(*role)) {
                option value=(role.name()) selected[role == chosen] { (words::role(role)) }
            }
        }
    }
}

/// The links to the next page and back to the first.
pub(super) fn pages(first: &str, next: Option<String>, is_first: bool) -> Markup {
    html! {
        @if !is_first || next.is_some() {
            nav.pages aria-label="Pages" {
                @if !is_first { a.button href=(first) { "First page" } }
                @if let Some(next) = next { a.button href=(next) rel="next" { "Next page" } }
            }
        }
    }
}
