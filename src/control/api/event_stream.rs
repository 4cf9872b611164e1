//! `/events/stream`: events as they happen, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse;
use futures_util::{Stream, stream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::time::{Instant, Interval, interval_at};

use super::events::{EventFilter, matches};
use super::extract::FromQuery;
use crate::config::limits;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::model::event::Event;
use crate::store::types::EventQuery;

/// One reader of the live stream.
struct Reader {
    control: Control,
    caller: Caller,
    query: EventQuery,
    events: broadcast::Receiver<Arc<Event>>,
    beat: Interval,
    _permit: OwnedSemaphorePermit,
}

/// Follow events live, as server-sent events of the type `vpatch` with the event as data. An event
/// of the type `missed` says how many were left out, since the reader was too slow.
#[utoipa::path(
    get,
    path = "/events/stream",
    tag = "events",
    operation_id = "followEvents",
    params(EventFilter),
    responses((status = 200, description = "Events as they happen.", body = Event,
        content_type = "text/event-stream"))
)]
pub(super) async fn stream(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(filter): FromQuery<EventFilter>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    if filter.format.is_some() {
        return Err(Problem::invalid("format", "it goes with /events/export"));
    }
    let query = filter.all(&caller.tenants)?;
    let Ok(permit) = Arc::clone(&control.inner.live.streams).try_acquire_owned() else {
        control.hit("event_streams");
        return Err(Problem::busy("live streams"));
    };
    let events = control.inner.live.sender.subscribe();
    let beat = interval_at(Instant::now() + limits::EVENT_STREAM_BEAT, limits::EVENT_STREAM_BEAT);
    let reader = Reader { control, caller, query, events, beat, _permit: permit };
    Ok(Sse::new(stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    })))
}

impl Reader {
    /// The next thing to send; none where the stream is to end.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            tokio::select! {
                () = self.control.inner.stop.cancelled() => return None,
                _ = self.beat.tick() => {
                    let goes_on = self.control.still_sees(&self.caller).await;
                    return goes_on.then(|| sse::Event::default().comment("beat"));
                }
                received = self.events.recv() => match received {
                    Ok(event) if matches(&self.query, &event) => {
                        return Some(shown(&event));
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(missed)) => {
                        self.control.inner.metrics.event_stream_missed.inc_by(missed);
                        let data = format!("{{\"missed\":{missed}}}");
                        return Some(sse::Event::default().event("missed").data(data));
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}

fn shown(event: &Event) -> sse::Event {
    sse::Event::default()
        .event(event.kind.name())
        .id(event.id.to_string())
        .data(serde_json::to_string(event).unwrap_or_default())
}
