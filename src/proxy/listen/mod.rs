//! Listening sockets of every kind, and what stands around the connections that come to each.

mod tcp;

use std::io;
use std::net::IpAddr;
use std::net::TcpListener;

use tokio::net;

use super::socket::Socket;
use crate::config::{Listener, Place};

/// Why the gateway cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {place}: {source}; {advice}")]
pub struct BindError {
    /// The entry of `gateway.listen`.
    pub place: String,
    /// What to do next.
    pub advice: &'static str,
    /// What the system says.
    pub source: io::Error,
}

/// What stands around the connections of one listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wrapping {
    /// They speak TLS.
    pub(crate) tls: bool,
    /// They begin with a PROXY protocol header.
    pub(crate) proxy_protocol: bool,
}

/// A listening socket of one worker.
pub(crate) struct Listening {
    socket: TcpListener,
    wrapping: Wrapping,
}

/// One entry of `gateway.listen`, bound.
pub(crate) struct Bound {
    /// The entry with its actual port.
    pub(crate) listener: Listener,
    /// One for each worker.
    pub(crate) sockets: Vec<Listening>,
}

/// Binds an entry of `gateway.listen` for this many workers.
///
/// # Errors
/// [`BindError`] names the entry and what to do.
pub(crate) fn bind(listener: &Listener, workers: usize) -> Result<Bound, BindError> {
    let failed = |source: io::Error| {
        let advice = match &listener.place {
            Place::Tcp(_) => tcp::advice(&source),
            _ => "",
        };
        BindError { place: listener.to_string(), advice, source }
    };
    let wrapping = Wrapping { tls: listener.tls, proxy_protocol: listener.proxy_protocol };
    let (place, sockets) = match &listener.place {
        Place::Tcp(address) => {
            let (address, sockets) = tcp::bind(*address, workers).map_err(failed)?;
            (Place::Tcp(address), sockets)
        }
        Place::Unix(_) | Place::Systemd(_) => {
            return Err(failed(io::ErrorKind::Unsupported.into()));
        }
    };
    let sockets = sockets.into_iter().map(|socket| Listening { socket, wrapping }).collect();
    Ok(Bound { listener: Listener { place, ..listener.clone() }, sockets })
}

/// A connection that has come.
pub(crate) struct Arrival {
    pub(crate) socket: Socket,
    /// The address at its other end.
    pub(crate) peer: IpAddr,
    pub(crate) wrapping: Wrapping,
}

/// A listening socket under a worker's runtime.
pub(crate) struct Accepting {
    socket: net::TcpListener,
    wrapping: Wrapping,
}

impl Accepting {
    /// Registers it with the runtime of this thread.
    ///
    /// # Errors
    /// Where that fails.
    pub(crate) fn new(listening: Listening) -> io::Result<Self> {
        let Listening { socket, wrapping } = listening;
        Ok(Self { socket: net::TcpListener::from_std(socket)?, wrapping })
    }

    /// The next connection.
    ///
    /// # Errors
    /// Where the client has gone again, or no descriptor is left.
    pub(crate) async fn accept(&self) -> io::Result<Arrival> {
        let (stream, peer) = self.socket.accept().await?;
        Ok(self.arrival(stream.into(), peer.ip()))
    }

    /// The connections that the kernel has already taken; no more come.
    pub(crate) fn rest(self) -> Vec<Arrival> {
        let Self { socket, wrapping } = self;
        let Ok(socket) = socket.into_std() else { return Vec::new() };
        let mut rest = Vec::new();
        while let Ok((stream, peer)) = socket.accept() {
            let registered =
                stream.set_nonblocking(true).and_then(|()| net::TcpStream::from_std(stream));
            if let Ok(stream) = registered {
                rest.push(Arrival {
                    socket: stream.into(),
                    peer: peer.ip().to_canonical(),
                    wrapping,
                });
            }
        }
        rest
    }

    fn arrival(&self, socket: Socket, peer: IpAddr) -> Arrival {
        Arrival { socket, peer: peer.to_canonical(), wrapping: self.wrapping }
    }
}
