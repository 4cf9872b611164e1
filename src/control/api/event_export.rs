//! `/events/export`: all events that fit, streamed page by page.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header;

use super::events::{EventFilter, ExportFormat};
use super::extract::FromQuery;
use crate::config::limits;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::model::event::Event;
use crate::store::types::EventPage;

/// The columns of a CSV export, named as in the API.
const COLUMNS: &[&str] = &[
    "id",
    "at",
    "type",
    "action",
    "leak",
    "virtual_patch",
    "token",
    "fingerprint",
    "point",
    "encodings",
    "source_ip",
    "peer_ip",
    "forwarded_for",
    "client_cert",
    "user_agent",
    "method",
    "host",
    "path",
    "response_status",
    "count",
    "gateway",
    "request_id",
    "tenant",
];

/// Export events, newest first, as one JSON object a line or as CSV.
#[utoipa::path(
    get,
    path = "/events/export",
    tag = "events",
    operation_id = "exportEvents",
    params(EventFilter),
    responses((status = 200, description = "All events that fit.",
        content((String = "application/x-ndjson"), (String = "text/csv"))))
)]
pub(super) async fn export(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(filter): FromQuery<EventFilter>,
) -> Result<Response, Problem> {
    let Ok(permit) = Arc::clone(&control.inner.exports).try_acquire_owned() else {
        control.hit("event_exports");
        return Err(Problem::busy("exports"));
    };
    let format = filter.format.unwrap_or_default();
    let mut query = filter.all(&caller.tenants)?;
    query.page.limit = limits::PAGE;
    // The first page is read before the answer begins, so that a failing store is told as one.
    let first = control.store().events(&query).await?;
    let store = Arc::clone(control.store());
    let pages = stream::try_unfold(Some((first, true, permit)), move |state| {
        let store = Arc::clone(&store);
        let mut query = query.clone();
        async move {
            let Some((page, begins, permit)) = state else { return Ok::<_, std::io::Error>(None) };
            let text = page_text(&page, format, begins);
            query.page.cursor = page.next_cursor;
            if query.page.cursor.is_none() {
                return Ok(Some((text, None)));
            }
            let next = store.events(&query).await.map_err(|error| {
                tracing::error!(%error, "an export of events broke off");
                std::io::Error::other("the export broke off")
            })?;
            Ok(Some((text, Some((next, false, permit)))))
        }
    });
    let (content_type, disposition) = match format {
        ExportFormat::Ndjson => ("application/x-ndjson", "attachment; filename=\"events.ndjson\""),
        ExportFormat::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"events.csv\""),
    };
    let headers =
        [(header::CONTENT_TYPE, content_type), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, Body::from_stream(pages)).into_response())
}

fn page_text(page: &EventPage, format: ExportFormat, begins: bool) -> String {
    let mut text = String::new();
    if begins && format == ExportFormat::Csv {
        text.push_str(&COLUMNS.join(","));
        text.push_str("\r\n");
    }
    for event in &page.items {
        match format {
            ExportFormat::Ndjson => {
                text.push_str(&serde_json::to_string(event).unwrap_or_default());
                text.push('\n');
            }
            ExportFormat::Csv => {
                text.push_str(&csv_row(event));
                text.push_str("\r\n");
            }
        }
    }
    text
}

fn csv_row(event: &Event) -> String {
    let json = serde_json::to_value(event).unwrap_or_default();
    let cells: Vec<String> = COLUMNS
        .iter()
        .map(|column| match json.get(column) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(text)) => csv_cell(text),
            Some(serde_json::Value::Array(items)) => {
                let items: Vec<&str> = items.iter().filter_map(|item| item.as_str()).collect();
                csv_cell(&items.join(" "))
            }
            Some(other) => other.to_string(),
        })
        .collect();
    cells.join(",")
}

/// A cell of CSV (RFC 4180). What a spreadsheet would run as a formula is made text: a client can
/// choose its user agent.
fn csv_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !text.contains(['"', ',', '\r', '\n']) {
        return text.to_owned();
    }
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        assert_eq!(csv_cell("plain/1.0"), "plain/1.0");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv_cell("=cmd()"), "\"'=cmd()\"");
    }
}
