//! Lets a refusal reach a client that is still sending.
//!
//! A server that answers and closes while more of a body comes makes the client's system throw the
//! answer away. So after a refusal what is left of the body is read and dropped, inside limits.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::timeout;

use crate::config::limits;

/// Passes the call on, and where it is refused, drops what is left of its body.
pub(super) async fn linger(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body));
    let lent = Body::new(Lent(Arc::clone(&body)));
    let response = next.run(Request::from_parts(parts, lent)).await;
    if response.status().is_client_error() {
        let left = Body::new(Lent(body));
        if !left.is_end_stream() {
            // Past the limits the connection is closed under the client, as it would be at once.
            let _ = timeout(limits::API_LINGER_TIME, drop_up_to(left)).await;
        }
    }
    response
}

async fn drop_up_to(body: Body) {
    let mut left = limits::API_LINGER_BYTES;
    let mut stream = body.into_data_stream();
    while let Some(Ok(chunk)) = stream.next().await {
        let Some(rest) = left.checked_sub(chunk.len()) else { return };
        left = rest;
    }
}

/// A body that its owner can have back.
struct Lent(Arc<Mutex<Body>>);

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.0.lock() {
            Ok(mut body) => Pin::new(&mut *body).poll_frame(cx),
            Err(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_ok_and(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().map(|body| body.size_hint()).unwrap_or_default()
    }
}
