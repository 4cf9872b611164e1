//! `/notifications`.

use axum::Json;
use axum::extract::State;

use super::PageQuery;
use super::extract::FromQuery;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::model::notification::Notification;
use crate::store::types::Page;

/// List notifications, newest first.
#[utoipa::path(
    get,
    path = "/notifications",
    tag = "events",
    operation_id = "listNotifications",
    params(PageQuery),
    responses((status = 200, description = "A page of notifications.", body = Page<Notification>))
)]
pub(super) async fn list(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(page): FromQuery<PageQuery>,
) -> Result<Json<Page<Notification>>, Problem> {
    Ok(Json(control.store().notifications(&caller.tenants, &page.request()?).await?))
}
