//! My account.

use axum::response::{IntoResponse, Redirect};
use http::header;
use maud::html;

use super::refused::Answer;
use super::visit::{Sent, Visit};
use super::{layout, words};
use crate::control::no_cookie;
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
    let actor = &visit.visitor().actor;
    let body = html! {
        section.card.narrow {
            h1 { "My account" }
            dl.facts {
                dt { "Name" } dd { (actor.name) }
                dt { "Role" } dd { (words::role(actor.role)) }
                dt { "Tenant" } dd { @if actor.role.is_global() { "all of them" } @else { (actor.tenant) } }
                dt { "You may" } dd { ul { @for text in may(actor.role) { li { (text) } } } }
            }
            p.hint { "A role or a password is changed by an administrator, under Users." }
            form method="post" action="/account/sign-out-everywhere" {
                (layout::csrf(&visit))
                button type="submit" { "Sign out everywhere" }
            }
        }
    };
    layout::page(&visit, "My account", body).await
}

pub(super) async fn leave_everywhere(sent: Sent) -> Answer {
    let actor = &sent.visit.visitor().actor;
    if let Some(user) = actor.user {
        sent.visit.desk.control().sign_out_everywhere(user, actor).await?;
    }
    Ok(([(header::SET_COOKIE, no_cookie())], Redirect::to("/sign-in")).into_response())
}
