//! The web console: pages made on the server, and diagrams in SVG. Every page works without
//! JavaScript; what there is of it makes some livelier.
//!
//! Whatever a page shows or does goes through [`Desk`](crate::control::Desk), so it is what the API would
//! show or do for the same visitor.

mod account;
mod add;
mod api_tokens;
mod assets;
mod audit;
mod bulk;
mod charts;
mod decide;
mod decisions;
mod event;
mod events;
mod filter;
mod form;
mod gateways;
mod impact;
mod layout;
mod leak;
mod leak_list;
mod leaks;
mod multipart;
mod notifications;
mod proposals;
mod refused;
mod review;
mod sign_in;
mod sources;
mod tenants;
mod urgent;
mod users;
mod visit;
mod webhooks;
mod words;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderValue, header};

use crate::control::{self, Control};

/// Nothing but the console's own files is loaded, nothing inline runs, and no page of others may
/// hold one of these.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// The console's pages, to be merged into what the process serves.
///
/// Where the server puts `ConnectInfo<SocketAddr>` into requests, the audit log has addresses.
pub fn router(control: Control) -> Router {
    let pages = Router::new()
        .route("/", get(async || Redirect::to("/leaks")))
        .route("/sign-in", get(sign_in::show).post(sign_in::enter))
        .route("/sign-out", post(sign_in::leave))
        .route("/account", get(account::show))
        .route("/account/sign-out-everywhere", post(account::leave_everywhere))
        .route("/leaks", get(leaks::show))
        .route("/account/password", post(account::change_password))
        .route("/leaks/new", get(add::show).post(add::review_leak))
        .route("/leaks/new/report", post(add::review_report))
        .route("/leaks/decide", post(bulk::decide))
        .route("/drafts/{id}", get(review::show))
        .route("/drafts/{id}/register", post(review::register))
        .route("/drafts/{id}/discard", post(review::discard))
        .route("/imports/{id}", get(review::import))
        .route("/sources", get(sources::show))
        .route("/leaks/{id}", get(leak::show))
        .route("/leaks/{id}/comments", post(decide::comment))
        .route("/leaks/{id}/{decision}", post(decide::decide))
        .route("/proposals", get(proposals::show))
        .route("/proposals/{id}/{verdict}", post(proposals::answer))
        .route("/reviews/{id}/acknowledge", post(proposals::acknowledge))
        .route("/four-eyes", post(proposals::turn))
        .route("/notifications", get(notifications::show))
        .route("/events", get(events::show))
        .route("/events/{id}", get(event::show))
        .route("/gateways", get(gateways::show))
        .route("/gateways/bypass", post(gateways::turn))
        .route("/users", get(users::show).post(users::add))
        .route("/users/{id}", post(users::change))
        .route("/api-tokens", get(api_tokens::show).post(api_tokens::add))
        .route("/api-tokens/{id}/revoke", post(api_tokens::revoke))
        .route("/webhooks", get(webhooks::show).post(webhooks::add))
        .route("/webhooks/{id}", get(webhooks::one).post(webhooks::change))
        .route("/dead-letters/{id}/redeliver", post(webhooks::redeliver))
        .route("/dead-letters/{id}/discard", post(webhooks::discard))
        .route("/audit", get(audit::show))
        .route("/tenants", get(tenants::show).post(tenants::add))
        .route("/tenants/{id}", post(tenants::change))
        .route("/assets/console.css", get(assets::style))
        .route("/assets/console.js", get(assets::script))
        .route("/assets/icon.svg", get(assets::icon))
        .with_state(control.clone());
    control::bounded(control, pages).layer(from_fn(headers))
}

async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // A page may show what only its visitor may see.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
