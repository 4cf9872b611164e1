//! Syslog (RFC 5424): in datagrams, or on a connection with each message behind its length.
//!
//! Nobody acknowledges syslog. On a connection that was closed by the other end nothing more is
//! sent, and what was sent since the last look is sent again; datagrams that are lost are lost.

use std::fmt::Write as _;
use std::net::SocketAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::guard::Guard;
use super::{Deliver, Delivery, Failure, format};
use crate::config::limits;
use crate::model::event::EventAction;
use crate::model::leak::Risk;
use crate::model::sink::Format;
use crate::store::outgoing::Entry;

/// Messages of syslog.
pub(super) struct Syslog {
    address: String,
    guard: Guard,
    format: Format,
    host: String,
    way: Way,
}

enum Way {
    Udp,
    Tcp(Option<TcpStream>),
}

impl Syslog {
    pub(super) fn udp(address: String, guard: Guard, format: Format, host: &str) -> Self {
        Self { address, guard, format, host: name(host), way: Way::Udp }
    }

    pub(super) fn tcp(address: String, guard: Guard, format: Format, host: &str) -> Self {
        Self { address, guard, format, host: name(host), way: Way::Tcp(None) }
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let (host, port) = self.address.rsplit_once(':').unwrap_or((&self.address, "514"));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.guard.check(host)?;
        self.guard.resolve(host, port.parse().unwrap_or(514)).await
    }

    fn message(&self, entry: &Entry) -> String {
        message(entry, self.format, &self.host)
    }
}

#[async_trait]
impl Deliver for Syslog {
    async fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<(), Failure> {
        let mut messages = Vec::with_capacity(delivery.entries.len());
        for entry in delivery.entries {
            messages.push(self.message(entry));
        }
        let sent = match &mut self.way {
            Way::Udp => {
                let addresses = self.addresses().await?;
                timeout(limits::SINK_TIME, datagrams(&addresses, &messages)).await
            }
            Way::Tcp(open) => {
                let open = open.take().filter(is_open);
                let addresses = if open.is_some() { Vec::new() } else { self.addresses().await? };
                let mut framed = String::new();
                for message in &messages {
                    // Writing to a string cannot fail.
                    let _ = write!(framed, "{} {message}", message.len());
                }
                let sent = timeout(limits::SINK_TIME, frames(open, &addresses, &framed)).await;
                sent.map(|sent| {
                    sent.map(|connection| {
                        self.way = Way::Tcp(Some(connection));
                    })
                })
            }
        };
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::new(format!("it cannot be sent to: {error}"))),
            Err(_) => Err(Failure::new("it does not take what is sent")),
        }
    }
}

async fn datagrams(addresses: &[SocketAddr], messages: &[String]) -> std::io::Result<()> {
    let nowhere = || std::io::Error::other("no address");
    let to = addresses.first().ok_or_else(nowhere)?;
    let from: SocketAddr =
        if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(from).await?;
    for message in messages {
        // Cut at a character, where it is longer than a datagram: the rest could not be sent at all.
        let mut end = message.len().min(limits::SYSLOG_UDP_BYTES);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        let bytes = message.as_bytes().get(..end).unwrap_or_default();
        socket.send_to(bytes, to).await?;
    }
    Ok(())
}

async fn frames(
    open: Option<TcpStream>,
    addresses: &[SocketAddr],
    framed: &str,
) -> std::io::Result<TcpStream> {
    let mut connection = match open {
        Some(connection) => connection,
        None => timeout(limits::CONNECT_TIMEOUT, TcpStream::connect(addresses)).await??,
    };
    connection.write_all(framed.as_bytes()).await?;
    connection.flush().await?;
    if !is_open(&connection) {
        return Err(std::io::Error::other("the connection was closed"));
    }
    Ok(connection)
}

/// Whether the other end has not closed the connection.
fn is_open(connection: &TcpStream) -> bool {
    let mut byte = [0];
    match connection.try_read(&mut byte) {
        Ok(count) => count > 0,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

/// One message: its head, and the entry as JSON.
fn message(entry: &Entry, format: Format, host: &str) -> String {
    /// Log audit, by its number.
    const FACILITY: u8 = 13;
    let (severity, at, kind) = match entry {
        Entry::Event(event) => {
            let severity = if event.action == EventAction::Blocked { 5 } else { 4 };
            (severity, event.at, "vpatch")
        }
        Entry::Audit(row) => (6, row.entry.at, "audit"),
        Entry::Notification(it) => {
            let severity = match it.risk {
                Some(Risk::Critical) => 2,
                Some(Risk::High) => 3,
                Some(Risk::Low | Risk::Info) => 5,
                _ => 4,
            };
            (severity, it.at, "notification")
        }
    };
    let priority = FACILITY * 8 + severity;
    let process = std::process::id();
    format!(
        "<{priority}>1 {} {host} leakgate {process} {kind} - \u{feff}{}",
        time(at),
        format::shown(entry, format)
    )
}

/// To the millisecond, in UTC.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// A host's name as a message may have it.
fn name(host: &str) -> String {
    let name: String = host.chars().filter(char::is_ascii_graphic).take(255).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::NotificationId;
    use crate::model::notification::{Notification, NotificationKind};

    #[test]
    fn a_message_is_as_the_standard_has_it() {
        let entry = Entry::Notification(Box::new(Notification {
            id: NotificationId::new(),
            at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            kind: NotificationKind::NewLeak,
            tenant: "default".to_owned(),
            leak: None,
            risk: Some(Risk::Critical),
            event: None,
            title: "one\ntwo".to_owned(),
            detail: String::new(),
            link: None,
        }));
        let text = message(&entry, Format::Native, &name("edge 1"));
        let head =
            format!("<106>1 2026-01-02T03:04:05.678Z edge1 leakgate {} ", std::process::id());
        assert!(text.starts_with(&head), "{text}");
        assert!(text.contains("notification - \u{feff}{"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}
