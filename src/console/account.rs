//! My account: what one may do, one's password, one's sessions.

use axum::response::{IntoResponse, Redirect};
use http::header;
use maud::{Markup, html};

use super::refused::Answer;
use super::visit::{Sent, Visit};
use super::{layout, words};
use crate::control::{NewPassword, Problem, UserSession, no_cookie};
use crate::model::clock;
use crate::model::role::{Permission, Role};

/// What a role may do, for whoever has it.
fn may(role: Role) -> Vec<&'static str> {
    let all = [
        (Permission::See, "see leaks, events and statistics"),
        (Permission::Comment, "comment on leaks"),
        (Permission::Register, "register leaks"),
        (Permission::Decide, "decide about leaks and use the bypass switch"),
        (Permission::Administer, "manage users and API tokens"),
        (Permission::Audit, "read the audit log"),
        (Permission::ManageTenants, "manage tenants"),
        (Permission::ManageKeys, "rotate keys"),
    ];
    all.into_iter().filter(|(permission, _)| role.may(*permission)).map(|(_, text)| text).collect()
}

pub(super) async fn show(visit: Visit) -> Answer {
    page(&visit, None).await
}

async fn page(visit: &Visit, problem: Option<&Problem>) -> Answer {
    let actor = &visit.visitor().actor;
    let sessions = visit.desk.sessions().await?;
    let body = html! {
        (layout::done(visit))
        h1 { "My account" }
        div.halves {
            section.card {
                h2 { bdi { (actor.name) } }
                dl.facts {
                    dt { "Role" } dd { (words::role(actor.role)) }
                    dt { "Tenant" } dd { @if actor.role.is_global() { "all of them" } @else { (actor.tenant) } }
                    dt { "You may" } dd { ul { @for text in may(actor.role) { li { (text) } } } }
                }
                p.hint { "A role is changed by an administrator, under Users." }
            }
            section.card {
                h2 { "Password" }
                @if let Some(problem) = problem { p.error role="alert" #problem { (problem.detail()) } }
                form.stack method="post" action="/account/password" {
                    (layout::csrf(visit))
                    input type="text" name="username" value=(actor.name) autocomplete="username" hidden;
                    label { "Password so far" input name="current" type="password" required autocomplete="current-password" aria-describedby=[problem.map(|_| "problem")]; }
                    label { "New password, 12 characters or more" input name="new" type="password" required minlength="12" autocomplete="new-password"; }
                    button.primary type="submit" { "Change password" }
                }
                p.hint { "All other sessions of yours end with it." }
            }
        }
        section.card {
            h2 { "Sessions" }
            (list(&sessions))
            form method="post" action="/account/sign-out-everywhere" {
                (layout::csrf(visit))
                button type="submit" { "Sign out everywhere" }
            }
        }
    };
    layout::page(visit, "My account", body).await
}

fn list(sessions: &[UserSession]) -> Markup {
    let now = clock::now();
    html! {
        div.scroll {
            table.list {
                thead { tr { th scope="col" { "Begun" } th scope="col" { "Last used" } th scope="col" { "Ends" } } }
                tbody {
                    @for session in sessions {
                        tr {
                            th scope="row" { (words::time(session.created_at)) @if session.current { " " span.tag.watch { "This one" } } }
                            td data-label="Last used" { (words::since(session.last_seen_at, now)) }
                            td data-label="Ends" { (words::time(session.expires_at)) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) async fn change_password(sent: Sent) -> Answer {
    let Sent { visit, form } = sent;
    let from = visit.origin.clone();
    let change = NewPassword { current: form.secret("current"), new: form.secret("new"), from };
    match visit.desk.change_own_password(change).await {
        Ok(session) => {
            let cookie = [(header::SET_COOKIE, session.cookie)];
            Ok((cookie, Redirect::to("/account?done=password")).into_response())
        }
        Err(problem) => {
            let status = problem.status();
            let mut response = page(&visit, Some(&problem)).await?;
            *response.status_mut() = status;
            Ok(response)
        }
    }
}

pub(super) async fn leave_everywhere(sent: Sent) -> Answer {
    let actor = &sent.visit.visitor().actor;
    if let Some(user) = actor.user {
        sent.visit.desk.control().sign_out_everywhere(user, actor).await?;
    }
    Ok(([(header::SET_COOKIE, no_cookie())], Redirect::to("/sign-in")).into_response())
}
