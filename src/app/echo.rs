//! The demo's upstream: answers each request with what it got.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Json;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Bytes of a body that the answer shows.
const SHOWN: usize = 4 * 1024;

/// Serves on this listener until the task is dropped.
pub(super) async fn serve(listener: TcpListener) -> std::io::Result<()> {
    axum::serve(listener, Router::new().fallback(echo)).await
}

async fn echo(request: Request) -> Json<Value> {
    let (parts, body) = request.into_parts();
    let headers: Vec<Value> = parts
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let (shown, length) = read(body).await;
    Json(json!({
        "answer": "this is the upstream: the request passed",
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": headers,
        "body_bytes": length,
        "body": String::from_utf8_lossy(&shown),
    }))
}

/// The beginning of a body and its length; a broken one ends where it broke.
async fn read(body: Body) -> (Vec<u8>, u64) {
    let mut stream = body.into_data_stream();
    let (mut shown, mut length) = (Vec::new(), 0);
    while let Some(Ok(chunk)) = stream.next().await {
        length += chunk.len() as u64;
        let room = SHOWN.saturating_sub(shown.len()).min(chunk.len());
        shown.extend_from_slice(chunk.get(..room).unwrap_or_default());
    }
    (shown, length)
}
