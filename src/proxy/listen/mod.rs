//! Listening sockets of every kind, and what stands around the connections that come to each.

mod systemd;
mod tcp;
mod unix;

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;

use tokio::net;

pub use self::systemd::PassedSockets;
pub(crate) use self::unix::SocketFile;
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

/// What a client on a Unix socket counts as: it has no address, and is on this machine.
const UNIX_PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What stands around the connections of one listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wrapping {
    /// They speak TLS.
    pub(crate) tls: bool,
    /// They begin with a PROXY protocol header.
    pub(crate) proxy_protocol: bool,
}

/// A listening socket.
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listening socket of one worker.
pub(crate) struct Listening {
    kind: Kind,
    wrapping: Wrapping,
}

/// One entry of `gateway.listen`, bound.
pub(crate) struct Bound {
    /// The entry with its actual port.
    pub(crate) listener: Listener,
    /// One for each worker, or several of each where systemd passed several.
    pub(crate) sockets: Vec<Vec<Listening>>,
    /// The file of a Unix socket of our own.
    pub(crate) file: Option<SocketFile>,
}

/// Binds an entry of `gateway.listen` for this many workers.
///
/// # Errors
/// [`BindError`] names the entry and what to do.
pub(crate) fn bind(
    listener: &Listener,
    unix_mode: u32,
    passed: &mut PassedSockets,
    workers: usize,
) -> Result<Bound, BindError> {
    let failed = |source: io::Error| {
        let advice = match &listener.place {
            Place::Tcp(_) => tcp::advice(&source),
            Place::Unix(_) => unix::advice(&source),
            Place::Systemd(_) => systemd::ADVICE,
        };
        BindError { place: listener.to_string(), advice, source }
    };
    let wrapping = Wrapping { tls: listener.tls, proxy_protocol: listener.proxy_protocol };
    let one = |kind| vec![Listening { kind, wrapping }];
    let mut bound = Bound { listener: listener.clone(), sockets: Vec::new(), file: None };
    match &listener.place {
        Place::Tcp(address) => {
            let (address, sockets) = tcp::bind(*address, workers).map_err(failed)?;
            bound.listener.place = Place::Tcp(address);
            bound.sockets = sockets.into_iter().map(|socket| one(Kind::Tcp(socket))).collect();
        }
        Place::Unix(path) => {
            let (file, sockets) = unix::bind(path, unix_mode, workers).map_err(failed)?;
            bound.sockets = sockets.into_iter().map(|socket| one(Kind::Unix(socket))).collect();
            bound.file = Some(file);
        }
        Place::Systemd(name) => {
            let taken = passed.take(name).map_err(failed)?;
            for _ in 0..workers {
                let shared = taken.iter().map(Kind::share).collect::<io::Result<Vec<_>>>();
                let shared = shared.map_err(failed)?;
                let sockets = shared.into_iter().map(|kind| Listening { kind, wrapping });
                bound.sockets.push(sockets.collect());
            }
        }
    }
    Ok(bound)
}

impl Kind {
    /// The same socket once more, for another worker.
    fn share(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }
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
    kind: Registered,
    wrapping: Wrapping,
}

enum Registered {
    Tcp(net::TcpListener),
    Unix(net::UnixListener),
}

impl Accepting {
    /// Registers it with the runtime of this thread.
    ///
    /// # Errors
    /// Where that fails.
    pub(crate) fn new(listening: Listening) -> io::Result<Self> {
        let Listening { kind, wrapping } = listening;
        let kind = match kind {
            Kind::Tcp(socket) => Registered::Tcp(net::TcpListener::from_std(socket)?),
            Kind::Unix(socket) => Registered::Unix(net::UnixListener::from_std(socket)?),
        };
        Ok(Self { kind, wrapping })
    }

    /// The next connection.
    ///
    /// # Errors
    /// Where the client has gone again, or no descriptor is left.
    pub(crate) async fn accept(&self) -> io::Result<Arrival> {
        let (socket, peer) = match &self.kind {
            Registered::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                (stream.into(), peer.ip().to_canonical())
            }
            Registered::Unix(socket) => (socket.accept().await?.0.into(), UNIX_PEER),
        };
        Ok(Arrival { socket, peer, wrapping: self.wrapping })
    }

    /// The connections that the kernel has already taken; no more come.
    pub(crate) fn rest(self) -> Vec<Arrival> {
        let Self { kind, wrapping } = self;
        let mut rest = Vec::new();
        match kind {
            Registered::Tcp(socket) => {
                let Ok(socket) = socket.into_std() else { return rest };
                while let Ok((stream, peer)) = socket.accept() {
                    let registered = stream
                        .set_nonblocking(true)
                        .and_then(|()| net::TcpStream::from_std(stream));
                    if let Ok(stream) = registered {
                        let peer = peer.ip().to_canonical();
                        rest.push(Arrival { socket: stream.into(), peer, wrapping });
                    }
                }
            }
            Registered::Unix(socket) => {
                let Ok(socket) = socket.into_std() else { return rest };
                while let Ok((stream, _)) = socket.accept() {
                    let registered = stream
                        .set_nonblocking(true)
                        .and_then(|()| net::UnixStream::from_std(stream));
                    if let Ok(stream) = registered {
                        rest.push(Arrival { socket: stream.into(), peer: UNIX_PEER, wrapping });
                    }
                }
            }
        }
        rest
    }
}
