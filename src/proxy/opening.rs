//! A connection's first bytes, up to the protocol of its requests: the PROXY protocol's header, TLS,
//! and what tells HTTP/2 from HTTP/1.1.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;

use super::client::{Client, Origin};
use super::client_stream::ClientStream;
use super::crowd::Place;
use super::listen::Arrival;
use super::pulse::Slow;
use super::socket::Socket;
use super::worker::Worker;
use super::{forwarded, proxy_protocol, tls};

/// A connection whose requests can be read.
pub(crate) struct Opened {
    pub(crate) client: Rc<Client>,
    pub(crate) stream: ClientStream,
    pub(crate) protocol: Protocol,
}

/// The protocol of a connection's requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Reads a connection's beginning. `None` where it comes to nothing, which is counted.
pub(crate) async fn open(worker: &Rc<Worker>, arrival: Arrival) -> Option<Opened> {
    let Arrival { mut socket, mut peer, wrapping } = arrival;
    if wrapping.proxy_protocol {
        let settings = worker.settings();
        let from = &settings.config.proxy_protocol_from;
        // Large and short, as handshakes are: its memory is not kept for the connection's life.
        match Box::pin(proxy_protocol::unwrap(&mut socket, peer, from)).await {
            Ok(client) => peer = client,
            Err(fault) => {
                worker.metrics.proxy_protocol_failures.with_label_values(&[fault.label()]).inc();
                return None;
            }
        }
    }
    let place = place(worker, peer)?;
    if wrapping.tls {
        Box::pin(open_tls(worker, socket, peer, place)).await
    } else {
        open_plain(worker, socket, peer, place).await
    }
}

/// Counts the connection among those of its client, but for trusted proxies, which stand for many
/// clients: `Some(None)`. `None` where the client has as many as it may.
fn place(worker: &Worker, peer: IpAddr) -> Option<Option<Place>> {
    let settings = worker.settings();
    if forwarded::is_trusted(peer, &settings.config.trusted_proxies) {
        return Some(None);
    }
    let place = worker.by_client.enter(peer, settings.config.connections.per_client);
    if place.is_none() {
        worker.metrics.connections_refused.with_label_values(&["client"]).inc();
    }
    place.map(Some)
}

async fn open_tls(
    worker: &Rc<Worker>,
    socket: Socket,
    peer: IpAddr,
    place: Option<Place>,
) -> Option<Opened> {
    // A listener that speaks TLS has certificates: the configuration is checked for it.
    let terminator = worker.settings().terminator.clone()?;
    let Some(_under_way) = worker.handshakes.begin() else {
        tls::count_failure(&worker.metrics, "too_many");
        return None;
    };
    let shaken = tls::shake(terminator, socket, &worker.metrics).await?;
    let protocol = if shaken.is_http2 { Protocol::Http2 } else { Protocol::Http1 };
    let origin = Origin { peer, secure: true, certificate: shaken.identity };
    let client = Client::new(worker, origin, place);
    let stream = ClientStream::secure(shaken.stream, Arc::clone(client.pulse()));
    Some(Opened { client, stream, protocol })
}

async fn open_plain(
    worker: &Rc<Worker>,
    mut socket: Socket,
    peer: IpAddr,
    place: Option<Place>,
) -> Option<Opened> {
    let origin = Origin { peer, secure: false, certificate: None };
    let client = Client::new(worker, origin, place);
    let protocol = tokio::select! {
        biased;
        sniffed = sniff(&mut socket) => sniffed.ok()?,
        slow = client.pulse().slow(|| worker.settings().config.timeouts) => {
            count_slow(worker, slow);
            return None;
        }
    };
    let stream = ClientStream::plain(socket, Arc::clone(client.pulse()));
    Some(Opened { client, stream, protocol })
}

/// Counts a client that was too slow.
pub(crate) fn count_slow(worker: &Worker, slow: Slow) {
    let kind = match slow {
        Slow::Idle => return,
        Slow::Head => "head",
        Slow::Write => "write",
    };
    worker.metrics.client_timeouts.with_label_values(&[kind]).inc();
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes that are read at once.
const SNIFFED_BYTES: usize = 4096;

/// Reads until the first bytes tell HTTP/2 with prior knowledge from HTTP/1.1, and gives them back.
async fn sniff(socket: &mut Socket) -> io::Result<Protocol> {
    let mut read = BytesMut::from(&*socket.take_ahead());
    loop {
        let protocol = if read.starts_with(PREFACE) {
            Some(Protocol::Http2)
        } else if !PREFACE.starts_with(&read) {
            Some(Protocol::Http1)
        } else {
            None
        };
        if let Some(protocol) = protocol {
            socket.unread(read.freeze());
            return Ok(protocol);
        }
        socket.read_some(&mut read, SNIFFED_BYTES).await?;
    }
}
