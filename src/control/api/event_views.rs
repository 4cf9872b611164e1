//! `/events/{id}`, one event, and `/events/groups`, events put together.

use axum::Json;
use axum::extract::State;
use jiff::{RoundMode, SignedDuration, TimestampRound, Unit};

use super::events::EventFilter;
use super::extract::{FromQuery, Id};
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::model::clock;
use crate::model::event::Event;
use crate::model::ids::EventId;
use crate::store::views::{EventGroups, GroupBy};

/// Over what groups are made where no time is said.
const RECENT: SignedDuration = SignedDuration::from_hours(24);
/// The same for one leak, as its impact is told.
const RECENT_OF_LEAK: SignedDuration = SignedDuration::from_hours(24 * 7);

/// Show one event.
#[utoipa::path(
    get,
    path = "/events/{id}",
    tag = "events",
    operation_id = "showEvent",
    params(("id" = EventId, Path, description = "The event.")),
    responses((status = 200, description = "The event.", body = Event))
)]
pub(super) async fn show(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<EventId>,
) -> Result<Json<Event>, Problem> {
    let found = control.store().event(id).await?;
    let seen = found.filter(|event| caller.tenants.include(&event.tenant));
    seen.map(Json).ok_or_else(|| Problem::not_found("event"))
}

/// Put events together by token, client or host: those of most uses first, 100 at most. Where `from`
/// is not said, those of the last 24 hours, or with `leak` of the last 7 days, from the full hour on.
/// With a `path`, of the last 25,000 events of what the filter names beside it; `since` tells where these
/// begin.
#[utoipa::path(
    get,
    path = "/events/groups",
    tag = "events",
    operation_id = "groupEvents",
    params(EventFilter),
    responses((status = 200, description = "The groups.", body = EventGroups))
)]
pub(super) async fn groups(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(mut filter): FromQuery<EventFilter>,
) -> Result<Json<EventGroups>, Problem> {
    let by = filter.by.take().unwrap_or(GroupBy::Token);
    let mut query = filter.all(&caller.tenants)?;
    if query.from.is_none() {
        let recent = if query.leak.is_some() { RECENT_OF_LEAK } else { RECENT };
        let from = clock::now().checked_sub(recent).ok();
        // Whole hours are added up already.
        let hour = TimestampRound::new().smallest(Unit::Hour).mode(RoundMode::Floor);
        query.from = from.and_then(|from| from.round(hour).ok());
    }
    let _place = control.heavy_read().await?;
    Ok(Json(control.store().event_groups(&query, by).await?))
}
