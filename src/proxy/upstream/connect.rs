//! A new connection to a server: TCP, Unix socket, TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::target::{Address, Speaks, Target};

/// What came of it.
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// Why a server cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("no connection within {0:?}")]
    Slow(Duration),
    #[error("another connection was made while this one was waited for")]
    Outrun,
    #[error("the connection that others waited for as well failed")]
    Shared,
    #[error("the connection was closed before a request was sent")]
    Unusable,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    #[error("TLS: the server does not agree to HTTP/2, which is asked for")]
    NoHttp2,
    #[error(transparent)]
    Handshake(#[from] hyper::Error),
}

/// Opens a connection that speaks what is `wanted`; gives what it does speak, which is not
/// [`Speaks::Agreed`] any more.
pub(super) async fn open(
    target: &Target,
    wanted: Speaks,
) -> Result<(Stream, Speaks), ConnectError> {
    let plain = if wanted == Speaks::Agreed { Speaks::Http1 } else { wanted };
    let address = match &target.address {
        Address::Unix(path) => return Ok((Stream::Unix(UnixStream::connect(path).await?), plain)),
        Address::Tcp(address) => address,
    };
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let Some(tls) = &target.tls else { return Ok((Stream::Tcp(tcp), plain)) };
    let settings = if wanted == Speaks::Http1 { &tls.http1 } else { &tls.any };
    let connector = TlsConnector::from(Arc::clone(settings));
    let stream = connector.connect(tls.name.clone(), tcp).await.map_err(ConnectError::Tls)?;
    let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    match (wanted, agreed) {
        (Speaks::Http2, false) => Err(ConnectError::NoHttp2),
        (_, true) => Ok((Stream::Tls(Box::new(stream)), Speaks::Http2)),
        (_, false) => Ok((Stream::Tls(Box::new(stream)), Speaks::Http1)),
    }
}
