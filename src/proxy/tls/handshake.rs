//! One handshake, within its time, as one of so many.

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use rustls::server::ServerConnection;
use rustls::{Error, HandshakeKind, PeerIncompatible};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Terminator;
use super::identity::identity;
use crate::config::limits;
use crate::proxy::socket::Socket;
use crate::telemetry::metrics::Metrics;

/// Counts the handshakes of one worker that are under way.
#[derive(Debug, Default)]
pub(crate) struct Handshakes(Cell<usize>);

/// One of them.
pub(crate) struct UnderWay<'a>(&'a Cell<usize>);

impl Handshakes {
    /// Begins one more, where the limit allows.
    pub(crate) fn begin(&self) -> Option<UnderWay<'_>> {
        let count = self.0.get() + 1;
        (count <= limits::TLS_HANDSHAKES).then(|| {
            self.0.set(count);
            UnderWay(&self.0)
        })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// A connection whose handshake is done.
pub(crate) struct Handshake {
    pub(crate) stream: Box<TlsStream<Socket>>,
    /// Whether HTTP/2 was agreed on.
    pub(crate) is_http2: bool,
    /// Who the client is by its certificate, where it showed one.
    pub(crate) identity: Option<Arc<str>>,
}

/// Shakes hands. A failure is counted, and the client told as far as TLS tells it.
pub(crate) async fn shake(
    terminator: Terminator,
    socket: Socket,
    metrics: &Metrics,
) -> Option<Handshake> {
    let accept = TlsAcceptor::from(terminator.server).accept(socket);
    let stream = match tokio::time::timeout(limits::TLS_HANDSHAKE_TIME, accept).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            count_failure(metrics, reason(&error));
            return None;
        }
        Err(_) => {
            count_failure(metrics, "timeout");
            return None;
        }
    };
    let (_, session) = stream.get_ref();
    metrics.tls_handshakes.with_label_values(&[kind(session)]).inc();
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    let identity = certificate.and_then(|der| identity(der)).map(Arc::from);
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    Some(Handshake { stream: Box::new(stream), is_http2, identity })
}

/// Counts a handshake that came to nothing.
pub(crate) fn count_failure(metrics: &Metrics, reason: &'static str) {
    metrics.tls_handshake_failures.with_label_values(&[reason]).inc();
}

fn kind(session: &ServerConnection) -> &'static str {
    match session.handshake_kind() {
        Some(HandshakeKind::Resumed) => "resumed",
        _ => "full",
    }
}

fn reason(error: &io::Error) -> &'static str {
    match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
        // The client has gone.
        None => "closed",
        Some(Error::InvalidMessage(_)) => "no_tls",
        Some(Error::PeerIncompatible(why)) => match why {
            PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled => "version",
            _ => "incompatible",
        },
        Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => "client_certificate",
        Some(Error::NoApplicationProtocol) => "incompatible",
        Some(Error::AlertReceived(_)) => "alert",
        Some(_) => "protocol",
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::config::{Certificate, Tls};

    fn terminator() -> Terminator {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let key_pair = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key_pair).unwrap();
        std::fs::write(&cert, certificate.pem()).unwrap();
        std::fs::write(&key, key_pair.serialize_pem()).unwrap();
        let tls = Tls { certificates: vec![Certificate { cert, key }], ..Tls::default() };
        Terminator::load(&tls).unwrap().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_given_up() {
        let metrics = Metrics::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let shaken = shake(terminator(), accepted.unwrap().0.into(), &metrics).await;
        assert!(shaken.is_none());
        assert_eq!(metrics.tls_handshake_failures.with_label_values(&["timeout"]).get(), 1);
        drop(client);
    }

    #[test]
    fn so_many_are_under_way_at_most() {
        let handshakes = Handshakes::default();
        let mut under_way: Vec<_> =
            (0..limits::TLS_HANDSHAKES).map(|_| handshakes.begin().unwrap()).collect();
        assert!(handshakes.begin().is_none());
        under_way.pop();
        assert!(handshakes.begin().is_some());
    }
}
