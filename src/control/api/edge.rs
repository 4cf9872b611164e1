//! What holds for every call: header fields of answers, how many calls are under way, how long one
//! may take.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use crate::config::limits;
use crate::control::Control;
use crate::control::problem::Problem;

/// No answer is kept by a cache or taken for another type than it says.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Holds the limits on calls and counts them.
pub(super) async fn bounded(
    State(control): State<Control>,
    request: Request,
    next: Next,
) -> Response {
    let response = match Arc::clone(&control.inner.calls).try_acquire_owned() {
        Err(_) => {
            control.hit("calls");
            Problem::busy("calls").into_response()
        }
        // An import may take as long as its body keeps coming.
        Ok(_permit) if request.uri().path().ends_with("/imports") => next.run(request).await,
        Ok(_permit) => match tokio::time::timeout(limits::API_CALL_TIME, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::timed_out().into_response(),
        },
    };
    let class = match response.status().as_u16() {
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    control.inner.metrics.api_requests.with_label_values(&[class]).inc();
    response
}
