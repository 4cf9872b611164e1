//! `/patchset`: what a gateway enforces.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use jiff::SignedDuration;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::extract::FromQuery;
use crate::config::limits;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::model::role::Permission;

/// The media type of records.
const MEDIA_TYPE: &str = "application/vnd.leakgate.patchset";

/// How long to wait.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PullQuery {
    /// How long to wait for a change where `If-None-Match` names what there is: from `0s`, which is
    /// what holds where it is not said, to `30s`.
    #[param(example = "30s")]
    wait: Option<String>,
}

impl PullQuery {
    fn wait(&self) -> Result<Duration, Problem> {
        let Some(text) = &self.wait else { return Ok(Duration::ZERO) };
        let wait = text.parse::<SignedDuration>().ok().and_then(|wait| wait.try_into().ok());
        wait.filter(|wait: &Duration| *wait <= limits::PATCHSET_WAIT).ok_or_else(|| {
            Problem::invalid("wait", "it must be a time from 0s to 30s, such as 30s")
        })
    }
}

/// The records of a patchset.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "stands for the bytes in the document")]
pub(super) struct PatchsetRecords(Vec<u8>);

/// Pull what a gateway of the tenant enforces: every rule that is enforced or watched, and hashes by which
/// its tokens are found, as records that a gateway compiles. No text of a token is among them. They are
/// as secret as the gateway that they are for.
#[utoipa::path(
    get,
    path = "/patchset",
    tag = "administration",
    operation_id = "pullPatchset",
    params(
        PullQuery,
        ("If-None-Match" = Option<String>, Header,
            description = "`ETag` of the patchset that the gateway has."),
    ),
    responses(
        (status = 200, description = "The patchset.", body = PatchsetRecords,
            content_type = "application/vnd.leakgate.patchset",
            headers(("ETag" = String, description = "Stands for this patchset."))),
        (status = 304, description = "It is the one that `If-None-Match` names, and nothing changed while \
            the call waited.",
            headers(("ETag" = String, description = "Stands for this patchset."))),
        (status = 503, description = "Too many gateways pull or wait: try again in a moment.",
            headers(("Retry-After" = u64, description = "Seconds after which to try again."))),
    )
)]
pub(super) async fn pull(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(query): FromQuery<PullQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let until = Instant::now() + query.wait()?;
    let tenant = &caller.actor.tenant;
    // Asked for before what there is is looked at: no change is missed between both.
    let mut published = control.inner.publisher.published();
    let mut tag = control.inner.publisher.tag(tenant).await;
    if names(&headers, &tag) && until > Instant::now() {
        let Ok(_place) = control.inner.patchset_waiters.try_acquire() else {
            control.hit("patchset_waiters");
            return Err(Problem::busy("gateways that wait for a change"));
        };
        while names(&headers, &tag) {
            let changed = tokio::select! {
                () = control.inner.stop.cancelled() => false,
                changed = timeout_at(until, published.changed()) => matches!(changed, Ok(Ok(()))),
            };
            if !changed {
                break;
            }
            tag = control.inner.publisher.tag(tenant).await;
        }
        may_still(&control, &caller).await?;
    }
    if names(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, quoted(&tag))]).into_response());
    }
    let turn = Arc::clone(&control.inner.patchset_pulls).acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout(limits::PATCHSET_PULL_WAIT, turn).await else {
        control.hit("patchset_pulls");
        return Err(Problem::busy("pulls of patchsets"));
    };
    let records = control.inner.publisher.records(tenant).await;
    let head =
        [(header::CONTENT_TYPE, MEDIA_TYPE.to_owned()), (header::ETAG, quoted(&records.tag))];
    let encoded = tokio::task::spawn_blocking(move || records.encode());
    let encoded = encoded.await.map_err(|_| Problem::failed())?;
    let pieces = encoded.map(move |piece| {
        // Others wait until the last piece is gone.
        let _turn = &turn;
        Ok::<_, Infallible>(piece)
    });
    Ok((head, Body::from_stream(stream::iter(pieces))).into_response())
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

/// Whether `If-None-Match` names this one. It is compared weakly, as that field is.
fn names(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut named =
        values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    named.any(|named| {
        let named = named.trim();
        let bare = named.strip_prefix("W/").unwrap_or(named);
        named == "*" || bare.strip_prefix('"').and_then(|bare| bare.strip_suffix('"')) == Some(tag)
    })
}

/// Whether the caller's credential is still good after a wait.
async fn may_still(control: &Control, caller: &Caller) -> Result<(), Problem> {
    match control.authenticate(&caller.credential).await? {
        Some(actor)
            if actor.role.may(Permission::Enforce) && actor.tenant == caller.actor.tenant =>
        {
            Ok(())
        }
        _ => Err(Problem::unauthenticated(true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits() {
        let wait = |text: &str| PullQuery { wait: Some(text.to_owned()) }.wait();
        for (text, seconds) in [("0s", 0), ("30s", 30), ("PT5S", 5)] {
            assert_eq!(wait(text).ok(), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "31s", "-1s", "30", "soon", "1h"] {
            assert_eq!(
                wait(text).err().and_then(|p| p.field().map(str::to_owned)).as_deref(),
                Some("wait")
            );
        }
        assert_eq!(PullQuery::default().wait().ok(), Some(Duration::ZERO));
    }

    #[test]
    fn tags_that_are_named() {
        let named = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(header::IF_NONE_MATCH, http::HeaderValue::from_static("\"other\""));
            headers.append(header::IF_NONE_MATCH, http::HeaderValue::from_static(value));
            names(&headers, "abc")
        };
        for value in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            assert!(named(value), "{value}");
        }
        for value in ["abc", "\"ab\"", "\"abcd\"", "", "\"", "W/abc"] {
            assert!(!named(value), "{value}");
        }
    }
}
