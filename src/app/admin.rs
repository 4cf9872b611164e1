//! What every process tells about itself: `/healthz`, `/readyz`, `/metrics`, and at any other path
//! where the API is.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::telemetry::health::Readiness;
use crate::telemetry::metrics::Metrics;

const ELSEWHERE: &str = "\
leakgate control plane. There is nothing here: the console is at /, the API is under /api/v1 (described at
/api/v1/openapi.json), metrics at /metrics, health at /healthz and /readyz.
";

/// The three calls, and the answer to whoever looks elsewhere.
pub(super) fn router(readiness: Readiness, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { ready(&readiness) }))
        .route("/metrics", get(move || async move { text(&metrics) }))
        .fallback(async || (StatusCode::NOT_FOUND, ELSEWHERE))
}

fn ready(readiness: &Readiness) -> Response {
    match readiness.obstacle() {
        None => "ready\n".into_response(),
        Some(obstacle) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {obstacle}\n")).into_response()
        }
    }
}

fn text(metrics: &Metrics) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
