//! The PROXY protocol, versions 1 and 2: a header before all else, by which a load balancer tells who
//! its client is.

use std::io;
use std::net::IpAddr;

use bytes::{Buf, BytesMut};
use ppp::{v1, v2};

use super::forwarded;
use super::socket::Socket;
use crate::config::limits;

/// Why a connection that must begin with a header is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It does not come from a network of `gateway.proxy_protocol_from`.
    Untrusted,
    /// It begins with something else.
    Missing,
    /// The header is not well-formed, or too long.
    Malformed,
    /// The header did not come in time.
    Timeout,
    /// The other end has gone.
    Closed,
}

impl Fault {
    /// As metrics name it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
        }
    }
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Reads the header of a connection from this address, and gives the client's: the address itself
/// where the header tells none, as a balancer's own checks do.
pub(crate) async fn unwrap(
    socket: &mut Socket,
    peer: IpAddr,
    from: &[ipnet::IpNet],
) -> Result<IpAddr, Fault> {
    if !forwarded::is_trusted(peer, from) {
        return Err(Fault::Untrusted);
    }
    let header = tokio::time::timeout(limits::PROXY_HEADER_TIME, read(socket));
    let told = header.await.map_err(|_| Fault::Timeout)??;
    Ok(told.map_or(peer, |address| address.to_canonical()))
}

async fn read(socket: &mut Socket) -> Result<Option<IpAddr>, Fault> {
    let mut read = BytesMut::new();
    loop {
        socket.read_some(&mut read, limits::PROXY_HEADER_BYTES).await?;
        if let Some((length, told)) = parse(&read)? {
            read.advance(length);
            socket.unread(read.freeze());
            return Ok(told);
        }
    }
}

/// The header's length and the address that it tells; `None` while it is not whole.
fn parse(read: &[u8]) -> Result<Option<(usize, Option<IpAddr>)>, Fault> {
    const V1: &[u8] = v1::PROTOCOL_PREFIX.as_bytes();
    const V2: &[u8] = v2::PROTOCOL_PREFIX;
    /// Prefix, version and command, family and protocol, length.
    const V2_FIXED: usize = 16;
    if begins(read, V2) {
        let Some(length) = read.get(V2_FIXED - 2..V2_FIXED) else { return Ok(None) };
        let length = length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        let length = V2_FIXED + length;
        if length > limits::PROXY_HEADER_BYTES {
            return Err(Fault::Malformed);
        }
        let Some(header) = read.get(..length) else { return Ok(None) };
        let header = v2::Header::try_from(header).map_err(|_| Fault::Malformed)?;
        let told = match (header.command, header.addresses) {
            (v2::Command::Local, _) => None,
            (_, v2::Addresses::IPv4(addresses)) => Some(addresses.source_address.into()),
            (_, v2::Addresses::IPv6(addresses)) => Some(addresses.source_address.into()),
            (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
        };
        Ok(Some((length, told)))
    } else if begins(read, V1) {
        // So long is the longest of version 1, with its end.
        let line = read.get(..read.len().min(107)).unwrap_or_default();
        let Some(end) = memchr::memmem::find(line, b"\r\n") else {
            return if line.len() < 107 { Ok(None) } else { Err(Fault::Malformed) };
        };
        let header = read.get(..end + 2).unwrap_or_default();
        let header = v1::Header::try_from(header).map_err(|_| Fault::Malformed)?;
        let told = match header.addresses {
            v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
            v1::Addresses::Tcp6(addresses) => Some(addresses.source_address.into()),
            v1::Addresses::Unknown => None,
        };
        Ok(Some((end + 2, told)))
    } else {
        Err(Fault::Missing)
    }
}

/// Whether what was read is a beginning of the prefix, or begins with it.
fn begins(read: &[u8], prefix: &[u8]) -> bool {
    let common = read.len().min(prefix.len());
    read.get(..common) == prefix.get(..common)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, addresses: &[u8], more: &[u8]) -> Vec<u8> {
        let mut header = v2::PROTOCOL_PREFIX.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(addresses.len() + more.len()).unwrap().to_be_bytes());
        header.extend(addresses);
        header.extend(more);
        header
    }

    #[test]
    fn both_versions_tell_the_client() {
        let ip = |text: &str| Some(text.parse().unwrap());
        let four = [203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x34, 0, 80];
        let six = {
            let mut bytes = [0; 36];
            bytes[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
            bytes[15] = 1;
            bytes
        };
        for (header, told) in [
            (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n".to_vec(), ip("203.0.113.9")),
            (b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n".to_vec(), ip("2001:db8::1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN anything that stands here\r\n".to_vec(), None),
            (v2(0x21, 0x11, &four, b""), ip("203.0.113.9")),
            (v2(0x21, 0x11, &four, &[0x04, 0, 3, 1, 2, 3]), ip("203.0.113.9")),
            (v2(0x21, 0x21, &six, b""), ip("2001:db8::1")),
            (v2(0x20, 0x00, b"", b""), None),
            (v2(0x20, 0x11, &four, b""), None),
        ] {
            let mut read = header.clone();
            read.extend(b"GET / HTTP/1.1\r\n");
            assert_eq!(parse(&read), Ok(Some((header.len(), told))), "{header:?}");
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]), Ok(None), "{end} bytes of {header:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_that_does_not_end_is_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) =
            tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        let (mut socket, peer) =
            accepted.map(|(tcp, peer)| (Socket::from(tcp), peer.ip())).unwrap();
        client.as_ref().unwrap().try_write(b"PROXY TCP4 ").unwrap();
        let told = unwrap(&mut socket, peer, &[peer.into()]).await;
        assert_eq!(told, Err(Fault::Timeout));
    }

    #[test]
    fn anything_else_is_a_fault() {
        let long = v2(0x21, 0x11, &[0; 12], &[0; 4096]);
        for (read, fault) in [
            (b"GET / HTTP/1.1\r\n".to_vec(), Fault::Missing),
            (vec![0x16, 3, 1], Fault::Missing),
            (b"PROXY TCP4 203.0.113.9\r\n".to_vec(), Fault::Malformed),
            (b"PROXY TCP4 203.0.113.999 192.0.2.1 1 80\r\n".to_vec(), Fault::Malformed),
            (b"PROXY TCP4 203.0.113.9 192.0.2.1 99999 80\r\n".to_vec(), Fault::Malformed),
            ([b"PROXY ", [b'x'; 120].as_slice()].concat(), Fault::Malformed),
            (v2(0x31, 0x11, &[0; 12], b""), Fault::Malformed),
            (v2(0x2f, 0x11, &[0; 12], b""), Fault::Malformed),
            (v2(0x21, 0x11, &[0; 4], b""), Fault::Malformed),
            (long, Fault::Malformed),
        ] {
            assert_eq!(parse(&read), Err(fault), "{read:?}");
        }
    }
}
