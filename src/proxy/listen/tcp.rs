//! Listening sockets: one for each worker and address, between which the kernel spreads
//! connections, so that workers share nothing.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::limits;

/// What to do where an address cannot be bound.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
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
    }
}

/// Binds an address for this many workers; gives it with its actual port.
pub(super) fn bind(
    address: SocketAddr,
    workers: usize,
) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    // A port that is shared between our own sockets could be shared with another process as well;
    // a socket that shares nothing finds out whether anyone has it.
    let probe = open(address, false)?;
    let address = probe.local_addr()?;
    if workers <= 1 {
        return Ok((address, vec![probe]));
    }
    drop(probe);
    let listeners = (0..workers).map(|_| open(address, true)).collect::<io::Result<_>>()?;
    Ok((address, listeners))
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
        let (address, listeners) = bind(loopback(), 3).unwrap();
        assert_eq!(listeners.len(), 3);
        for listener in &listeners {
            assert_eq!(listener.local_addr().unwrap(), address);
        }
    }

    #[test]
    fn a_port_in_use_is_found_out_though_it_is_shared() {
        for workers in [1, 2] {
            let (address, _listeners) = bind(loopback(), workers).unwrap();
            for again in [1, 2] {
                let error = bind(address, again).err().unwrap();
                assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
                assert!(advice(&error).contains("gateway.listen"));
            }
        }
    }
}
