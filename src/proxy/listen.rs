//! Listening sockets: one for each worker and address, between which the kernel spreads
//! connections, so that workers share nothing.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::limits;

/// Why the gateway cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; {advice}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What to do next.
    pub advice: &'static str,
    /// What the system says.
    pub source: io::Error,
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        let advice = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "stop the program that has this port, or set gateway.listen to another one"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a privilege; set gateway.listen to a higher one"
            }
            io::ErrorKind::AddrNotAvailable => {
                "no interface has this address; set gateway.listen to one of this machine's"
            }
            _ => "check gateway.listen",
        };
        Self { address, advice, source }
    }
}

/// One listener for each worker, on one address.
pub(crate) struct Bound {
    /// The address with its actual port.
    pub(crate) address: SocketAddr,
    /// As many as workers.
    pub(crate) listeners: Vec<TcpListener>,
}

/// Binds an address for this many workers.
///
/// # Errors
/// [`BindError`] names the address and what to do.
pub(crate) fn bind(address: SocketAddr, workers: usize) -> Result<Bound, BindError> {
    let failed = |error| BindError::new(address, error);
    // A port that is shared between our own sockets could be shared with another process as well;
    // a socket that shares nothing finds out whether anyone has it.
    let probe = open(address, false).map_err(failed)?;
    let address = probe.local_addr().map_err(failed)?;
    if workers <= 1 {
        return Ok(Bound { address, listeners: vec![probe] });
    }
    drop(probe);
    let listeners =
        (0..workers).map(|_| open(address, true)).collect::<io::Result<_>>().map_err(failed)?;
    Ok(Bound { address, listeners })
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of the last run in TIME_WAIT do not keep the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two addresses, and may both be configured.
        socket.set_only_v6(true)?;
    }
    // Accepted connections inherit both.
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn each_worker_has_a_listener_on_the_same_port() {
        let bound = bind(loopback(), 3).unwrap();
        assert_eq!(bound.listeners.len(), 3);
        for listener in &bound.listeners {
            assert_eq!(listener.local_addr().unwrap(), bound.address);
        }
    }

    #[test]
    fn a_port_in_use_is_an_error_that_says_what_to_do() {
        for workers in [1, 2] {
            let first = bind(loopback(), workers).unwrap();
            for again in [1, 2] {
                let error = bind(first.address, again).err().unwrap();
                assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
                let text = error.to_string();
                assert!(text.contains(&first.address.to_string()), "{text}");
                assert!(text.contains("gateway.listen"), "{text}");
            }
        }
    }
}
