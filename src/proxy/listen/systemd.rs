//! Sockets that systemd has bound and passes on (socket activation), by the names that their units
//! give them.

use std::io;

use listenfd::ListenFd;
use socket2::SockRef;

use super::Kind;

/// The sockets passed to this process, each to be taken once.
#[derive(Default)]
pub struct PassedSockets {
    sockets: Option<ListenFd>,
    /// In the sockets' order.
    names: Vec<String>,
}

impl PassedSockets {
    /// Those of this process. Changes environment variables, so that children are not told of
    /// them: to be called before there are threads, once.
    pub fn of_process() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.split(':').map(str::to_owned).collect();
        Self { sockets: Some(ListenFd::from_env()), names }
    }

    /// Takes the listening sockets of this name: several, where the unit has several.
    ///
    /// # Errors
    /// Where there is none, or it is no stream socket.
    pub(super) fn take(&mut self, name: &str) -> io::Result<Vec<Kind>> {
        let mut taken = Vec::new();
        if let Some(sockets) = &mut self.sockets {
            for index in 0..sockets.len() {
                if self.names.get(index).is_none_or(|known| known != name) {
                    continue;
                }
                if let Ok(Some(socket)) = sockets.take_tcp_listener(index) {
                    socket.set_nonblocking(true)?;
                    // Accepted connections inherit both.
                    let options = SockRef::from(&socket);
                    options.set_tcp_nodelay(true)?;
                    options.set_keepalive(true)?;
                    taken.push(Kind::Tcp(socket));
                } else if let Some(socket) = sockets.take_unix_listener(index)? {
                    socket.set_nonblocking(true)?;
                    taken.push(Kind::Unix(socket));
                }
            }
        }
        if taken.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(taken) }
    }
}

/// What to do where none can be taken.
pub(super) const ADVICE: &str = "systemd passed no such socket: the socket unit must say \
                                 FileDescriptorName= with this name, and the process be started \
                                 by it";
