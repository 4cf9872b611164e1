//! Users.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};

use super::filter::encoded;
use super::refused::Answer;
use super::visit::{Sent, Visit};
use super::{layout, words};
use crate::control::{ChangedUser, NewUser, Problem, User};
use crate::model::ids::UserId;
use crate::model::role::Role;

pub(super) fn role(name: Option<String>) -> Result<Role, Problem> {
    let role = name.and_then(|name| Role::from_name(&name));
    role.ok_or_else(|| Problem::invalid("role", "choose one of the list"))
}

pub(super) async fn show(visit: Visit) -> Answer {
    let cursor = visit.value("cursor");
    let asked = cursor.map(|cursor| format!("cursor={}", encoded(cursor))).unwrap_or_default();
    let found = visit.desk.users(&asked).await?;
    let next = found.next_cursor.as_deref().map(|next| format!("/users?cursor={}", encoded(next)));
    let body = html! {
        (layout::done(&visit))
        h1 { "Users" }
        section.card.table-card {
            div.scroll {
                table.list {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Role" } th scope="col" { "Tenant" } th scope="col" { "Signs in with" } th scope="col" { "Last sign-in" } th scope="col" { "Change" } } }
                    tbody { @for user in &found.items { (row(&visit, user)) } }
                }
            }
        }
        (layout::pages("/users", next, cursor.is_none()))
        section.card.narrow {
            h2 { "Add a user" }
            form.stack method="post" action="/users" {
                (layout::csrf(&visit))
                label { "Name" input name="name" required maxlength="256" autocomplete="off" autocapitalize="none"; }
                label { "Role" (layout::role_field(&visit, Role::Analyst)) }
                label { "Password, 12 characters or more" input name="password" type="password" required minlength="12" autocomplete="new-password"; }
                button.primary type="submit" { "Add user" }
            }
        }
    };
    layout::page(&visit, "Users", body).await
}

fn row(visit: &Visit, user: &User) -> Markup {
    let grants = visit.visitor().actor.role.may_grant(user.role);
    html! {
        tr {
            th scope="row" { (user.name) @if user.disabled { " " span.tag.quiet { "Disabled" } } }
            td data-label="Role" { (words::role(user.role)) }
            td data-label="Tenant" { (user.tenant) }
            td data-label="Signs in with" { (if user.external { "identity provider" } else { "password" }) }
            td data-label="Last sign-in" { (words::time_or(user.last_sign_in_at, "never")) }
            td data-label="Change" {
                @if grants {
                    details {
                        summary { "Change" }
                        form.stack method="post" action={ "/users/" (user.id) } {
                            (layout::csrf(visit))
                            label { "Role" (layout::role_field(visit, user.role)) }
                            @if !user.external { label { "New password, or nothing" input name="password" type="password" minlength="12" autocomplete="new-password"; } }
                            label.choice { input type="checkbox" name="disabled" checked[user.disabled]; "May not sign in" }
                            button type="submit" name="what" value="change" { "Change" }
                            button.alarming type="submit" name="what" value="remove" { "Remove" }
                        }
                    }
                } @else { span.quiet-text { "has more rights than you" } }
            }
        }
    }
}

pub(super) async fn add(sent: Sent) -> Answer {
    let new = NewUser {
        name: sent.form.text("name").unwrap_or_default(),
        role: role(sent.form.text("role"))?,
        password: sent.form.secret("password"),
    };
    sent.visit.desk.add_user(new).await?;
    Ok(Redirect::to("/users?done=added").into_response())
}

pub(super) async fn change(Path(id): Path<String>, sent: Sent) -> Answer {
    let id: UserId = id.parse().map_err(|_| Problem::not_found("user"))?;
    let (desk, form) = (&sent.visit.desk, &sent.form);
    if form.text("what").as_deref() == Some("remove") {
        desk.remove_user(id).await?;
        return Ok(Redirect::to("/users?done=removed").into_response());
    }
    let password = form.secret("password");
    let change = ChangedUser {
        role: Some(role(form.text("role"))?),
        disabled: Some(form.has("disabled")),
        password: (!password.is_empty()).then_some(password),
    };
    desk.change_user(id, change).await?;
    Ok(Redirect::to("/users?done=changed").into_response())
}
