//! `/notifications`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::extract::FromQuery;
use super::{page_request, values};
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::model::notification::{Notification, NotificationKind};
use crate::store::types::Page;

/// Which notifications.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NotificationFilter {
    /// What they are about.
    #[serde(deserialize_with = "values::list")]
    #[param(style = Form, explode = false)]
    kind: Vec<NotificationKind>,
    /// Items at most: 50 where it is not said, never more than 200.
    #[serde(deserialize_with = "values::number")]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List notifications, newest first.
#[utoipa::path(
    get,
    path = "/notifications",
    tag = "events",
    operation_id = "listNotifications",
    params(NotificationFilter),
    responses((status = 200, description = "A page of notifications.", body = Page<Notification>))
)]
pub(super) async fn list(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(filter): FromQuery<NotificationFilter>,
) -> Result<Json<Page<Notification>>, Problem> {
    let page = page_request(filter.limit, filter.cursor)?;
    Ok(Json(control.store().notifications(&caller.tenants, &filter.kind, &page).await?))
}
