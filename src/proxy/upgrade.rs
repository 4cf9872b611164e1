//! WebSocket: the only upgrade that is passed. Others, `h2c` among them, are ignored, as RFC 9110
//! allows: the request goes on as the HTTP/1.1 that it is.

use std::rc::Rc;

use http::header::{CONNECTION, HeaderMap, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::client::Client;
use super::failure::Failure;
use super::hop;
use super::upstream::Slot;
use super::websocket::{self, Opening, extensions};

/// The client's side of an upgrade that was asked for and may be passed.
pub(crate) struct Asked {
    /// The client's connection, once it is answered.
    pub(crate) on_client: OnUpgrade,
    /// What its messages' inspection depends on.
    pub(crate) opening: Opening,
}

/// Takes the upgrade out of a request, where it asks for WebSocket and has no body. The request's
/// head is inspected like any other.
pub(crate) fn take(parts: &mut Parts, has_body: bool) -> Option<OnUpgrade> {
    if !parts.headers.contains_key(UPGRADE) {
        return None;
    }
    let on_upgrade = parts.extensions.remove::<OnUpgrade>();
    let passes = parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && !has_body
        && hop::has_token(&parts.headers, &CONNECTION, "upgrade")
        && is_websocket(&parts.headers);
    on_upgrade.filter(|_| passes)
}

/// Puts the upgrade back among fields from which those of the hop before were stripped.
pub(crate) fn set(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Checks a 101 answer, and joins both connections once it is sent; the `slot` at the server is held
/// to the tunnel's end.
///
/// # Errors
/// Where it was not asked for, or is for something else.
pub(crate) fn switch(
    asked: Option<Asked>,
    response: &mut Response<Incoming>,
    client: &Rc<Client>,
    slot: Option<Slot>,
) -> Result<(), Failure> {
    let Some(Asked { on_client, opening }) = asked.filter(|_| is_websocket(response.headers()))
    else {
        return Err(Failure::BadResponse(
            "The service behind the gateway switched to a protocol that was not asked for.",
        ));
    };
    let on_upstream = hyper::upgrade::on(&mut *response);
    let agreed = extensions::agreed(response.headers());
    client.pulse().becomes_tunnel();
    // Counted from here on, so that a drain in between waits for it.
    let open = client.worker().open_tunnel();
    let worker = Rc::clone(client.worker());
    tokio::task::spawn_local(async move {
        if let (Ok(client), Ok(upstream)) = tokio::join!(on_client, on_upstream) {
            let (client, upstream) = (TokioIo::new(client), TokioIo::new(upstream));
            Box::pin(websocket::join(client, upstream, opening, agreed, worker)).await;
        }
        drop((open, slot));
    });
    Ok(())
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(UPGRADE).iter();
    let first = fields.next().is_some_and(|f| f.as_bytes().eq_ignore_ascii_case(b"websocket"));
    first && fields.next().is_none()
}
