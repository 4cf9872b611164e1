//! `/events`, and the filter that the export and the live stream share with it.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::FromQuery;
use super::{page_request, values};
use crate::config::limits;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::intake::fits;
use crate::control::problem::Problem;
use crate::model::event::{Event, EventAction, EventType};
use crate::model::ids::{LeakId, TokenId};
use crate::model::tenant::Tenants;
use crate::store::types::{EventPage, EventQuery};
use crate::store::views::GroupBy;

/// The form of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExportFormat {
    /// One JSON object a line.
    #[default]
    Ndjson,
    /// Comma-separated values with a line of names first.
    Csv,
}

/// Which events. What is not said does not narrow.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventFilter {
    /// Types of event; there is one.
    #[serde(rename = "type", deserialize_with = "values::list")]
    #[param(style = Form, explode = false)]
    kind: Vec<EventType>,
    /// Of this leak.
    leak: Option<LeakId>,
    /// Of this token.
    token: Option<TokenId>,
    /// With any of these actions.
    #[serde(deserialize_with = "values::list")]
    #[param(style = Form, explode = false)]
    action: Vec<EventAction>,
    /// From this client.
    source_ip: Option<String>,
    /// For this host.
    host: Option<String>,
    /// For a path that begins so, as it is recorded.
    path: Option<String>,
    /// At this time or later.
    #[serde(deserialize_with = "values::time")]
    from: Option<Timestamp>,
    /// Before this time.
    #[serde(deserialize_with = "values::time")]
    to: Option<Timestamp>,
    /// Items at most: 50 where it is not said, never more than 200. For the list only.
    #[serde(deserialize_with = "values::number")]
    limit: Option<u64>,
    /// `next_cursor` of the page before. For the list only.
    cursor: Option<String>,
    /// The form of an export: `ndjson` where it is not said. For the export only.
    #[param(inline)]
    pub(super) format: Option<ExportFormat>,
    /// By what events are put together: `token` where it is not said. For the groups only.
    #[param(inline)]
    pub(super) by: Option<GroupBy>,
}

impl EventFilter {
    /// The query for a page of the list.
    fn listed(mut self, of: &Tenants) -> Result<EventQuery, Problem> {
        if self.format.is_some() {
            return Err(Problem::invalid("format", "it goes with /events/export"));
        }
        let page = page_request(self.limit.take(), self.cursor.take())?;
        Ok(EventQuery { page, ..self.all(of)? })
    }

    /// The query for all that fit, of these tenants.
    pub(super) fn all(self, of: &Tenants) -> Result<EventQuery, Problem> {
        if self.limit.is_some() || self.cursor.is_some() {
            let field = if self.limit.is_some() { "limit" } else { "cursor" };
            return Err(Problem::invalid(field, "it goes with the list of events only"));
        }
        if self.by.is_some() {
            return Err(Problem::invalid("by", "it goes with /events/groups"));
        }
        let path = self.path.filter(|path| !path.is_empty());
        fits("path", path.as_deref().unwrap_or_default(), limits::RECORDED_PATH)?;
        let source_ip = match self.source_ip {
            None => None,
            Some(text) => {
                let address: IpAddr = text.trim().parse().map_err(|_| {
                    Problem::invalid("source_ip", "it must be an address such as 203.0.113.7")
                })?;
                Some(address.to_canonical().to_string())
            }
        };
        let host = self.host.map(|host| host.trim().to_ascii_lowercase());
        fits("host", host.as_deref().unwrap_or_default(), limits::FILTER_BYTES)?;
        Ok(EventQuery {
            tenant: of.only().map(str::to_owned),
            leak: self.leak,
            token: self.token,
            action: self.action,
            source_ip,
            host,
            path,
            from: self.from,
            to: self.to,
            page: Default::default(),
        })
    }
}

/// Whether an event fits the query, as the store would say.
pub(super) fn matches(query: &EventQuery, event: &Event) -> bool {
    query.tenant.as_ref().is_none_or(|tenant| *tenant == event.tenant)
        && query.leak.is_none_or(|leak| leak == event.leak)
        && query.token.is_none_or(|token| token == event.token)
        && (query.action.is_empty() || query.action.contains(&event.action))
        && query.source_ip.as_ref().is_none_or(|ip| *ip == event.source_ip)
        && query.host.as_ref().is_none_or(|host| *host == event.host)
        && query.path.as_ref().is_none_or(|path| event.path.starts_with(path.as_str()))
        && query.from.is_none_or(|from| event.at >= from)
        && query.to.is_none_or(|to| event.at < to)
}

/// List events, newest first. A page looks at 25,000 at most: with `searched_to` it may have fewer than asked
/// for, or none, and `next_cursor` looks on.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    operation_id = "listEvents",
    params(EventFilter),
    responses((status = 200, description = "A page of events.", body = EventPage))
)]
pub(super) async fn list(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(filter): FromQuery<EventFilter>,
) -> Result<Json<EventPage>, Problem> {
    Ok(Json(control.store().events(&filter.listed(&caller.tenants)?).await?))
}
