//! `/users` and `/users/{id}`.

use axum::Json;
use axum::extract::State;
use http::{StatusCode, header};

use super::extract::{Body, FromQuery, Id};
use super::{BASE, PageQuery};
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::control::{ChangedUser, Control, NewUser};
use crate::model::ids::UserId;
use crate::store::identity::User;
use crate::store::types::Page;

/// List users.
#[utoipa::path(
    get,
    path = "/users",
    tag = "administration",
    operation_id = "listUsers",
    params(PageQuery),
    responses((status = 200, description = "A page of users.", body = Page<User>))
)]
pub(super) async fn list(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(page): FromQuery<PageQuery>,
) -> Result<Json<Page<User>>, Problem> {
    Ok(Json(control.store().users(&caller.tenants, &page.request()?).await?))
}

/// Make a user, who signs in with a name and a password.
#[utoipa::path(
    post,
    path = "/users",
    tag = "administration",
    operation_id = "makeUser",
    request_body = NewUser,
    responses(
        (status = 201, description = "The user.", body = User,
            headers(("Location" = String, description = "Where the user is."))),
        (status = 409, description = "There is one of that name."),
        (status = 429, description = "Too many passwords are being checked."),
    )
)]
pub(super) async fn create(
    State(control): State<Control>,
    caller: Caller,
    Body(new): Body<NewUser>,
) -> Result<(StatusCode, [(header::HeaderName, String); 1], Json<User>), Problem> {
    let user = control.add_user(&caller.actor, new).await?;
    let location = format!("{BASE}/users/{}", user.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(user)))
}

/// Show a user.
#[utoipa::path(
    get,
    path = "/users/{id}",
    tag = "administration",
    operation_id = "showUser",
    params(("id" = UserId, Path, description = "The user.")),
    responses((status = 200, description = "The user.", body = User))
)]
pub(super) async fn show(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<UserId>,
) -> Result<Json<User>, Problem> {
    Ok(Json(control.user(&caller, id).await?.0))
}

/// Change a user's role or password, or keep them from signing in. API tokens that they have made and
/// may not give any more are revoked.
#[utoipa::path(
    patch,
    path = "/users/{id}",
    tag = "administration",
    operation_id = "changeUser",
    params(("id" = UserId, Path, description = "The user.")),
    request_body = ChangedUser,
    responses(
        (status = 200, description = "The user as they now are.", body = User),
        (status = 409, description = "Nobody would be left who can administer all."),
    )
)]
pub(super) async fn change(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<UserId>,
    Body(change): Body<ChangedUser>,
) -> Result<Json<User>, Problem> {
    Ok(Json(control.change_user(&caller, id, change).await?))
}

/// Remove a user. Their sessions and the API tokens that they have made end at once.
#[utoipa::path(
    delete,
    path = "/users/{id}",
    tag = "administration",
    operation_id = "removeUser",
    params(("id" = UserId, Path, description = "The user.")),
    responses(
        (status = 204, description = "The user is removed."),
        (status = 409, description = "Nobody would be left who can administer all."),
    )
)]
pub(super) async fn remove(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<UserId>,
) -> Result<StatusCode, Problem> {
    control.remove_user(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
