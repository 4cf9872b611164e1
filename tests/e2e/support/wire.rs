//! Bytes on sockets: the client's side, and the upstream's, which the test plays.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::soon;

/// One end of a connection, which remembers what it has read ahead.
pub struct Wire {
    pub tcp: TcpStream,
    ahead: Vec<u8>,
    /// Everything that was ever read.
    pub seen: Vec<u8>,
}

/// The client's end.
pub type Client = Wire;

/// A message as it was read.
#[derive(Debug)]
pub struct Message {
    /// Start line and fields, as sent, with the empty line.
    pub head: String,
    /// The content, without chunk framing.
    pub body: String,
    /// What stood after the last chunk.
    pub trailers: String,
}

impl Message {
    /// The first line.
    pub fn start(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        self.start().split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The values of a field, by name in any case.
    pub fn fields(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The only value of a field.
    pub fn field(&self, name: &str) -> &str {
        match self.fields(name)[..] {
            [value] => value,
            ref other => panic!("{name} is there {} times in {}", other.len(), self.head),
        }
    }
}

impl Wire {
    pub fn new(tcp: TcpStream) -> Self {
        tcp.set_nodelay(true).unwrap();
        Self { tcp, ahead: Vec::new(), seen: Vec::new() }
    }

    pub async fn connect(address: SocketAddr) -> Self {
        Self::new(soon("connecting", TcpStream::connect(address)).await.unwrap())
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon("sending", self.tcp.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends what may fail, since the other end may have closed.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        soon("sending", self.tcp.write_all(bytes.as_ref())).await
    }

    /// Reads more; `false` at the end.
    async fn more(&mut self) -> std::io::Result<bool> {
        let mut buf = vec![0; 65_536];
        let count = soon("more bytes", self.tcp.read(&mut buf)).await?;
        self.ahead.extend_from_slice(&buf[..count]);
        self.seen.extend_from_slice(&buf[..count]);
        Ok(count > 0)
    }

    async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            let found = self.ahead.windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                return self.ahead.drain(..at + end.len()).collect();
            }
            let more = self.more().await.unwrap();
            assert!(more, "ended within {:?}", String::from_utf8_lossy(&self.ahead));
        }
    }

    /// Exactly so many bytes.
    pub async fn exactly(&mut self, count: usize) -> String {
        String::from_utf8_lossy(&self.bytes(count).await).into_owned()
    }

    /// Exactly so many bytes, which need not be text.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.ahead.len() < count {
            assert!(self.more().await.unwrap(), "ended too early");
        }
        self.ahead.drain(..count).collect()
    }

    /// The same; `None` where the connection ends before.
    pub async fn bytes_or_end(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < count {
            if !matches!(self.more().await, Ok(true)) {
                return None;
            }
        }
        Some(self.ahead.drain(..count).collect())
    }

    /// A head, to its empty line.
    pub async fn head(&mut self) -> Message {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await).unwrap();
        Message { head, body: String::new(), trailers: String::new() }
    }

    /// One chunk; empty for the last.
    pub async fn chunk(&mut self) -> String {
        let size = String::from_utf8(self.until(b"\r\n").await).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            return String::new();
        }
        let chunk = self.exactly(size).await;
        assert_eq!(self.exactly(2).await, "\r\n");
        chunk
    }

    /// A whole message: head, and content by its length or by chunks.
    pub async fn message(&mut self) -> Message {
        let mut message = self.head().await;
        if message.fields("transfer-encoding") == ["chunked"] {
            loop {
                let chunk = self.chunk().await;
                if chunk.is_empty() {
                    break;
                }
                message.body.push_str(&chunk);
            }
            loop {
                let line = String::from_utf8(self.until(b"\r\n").await).unwrap();
                if line == "\r\n" {
                    break;
                }
                message.trailers.push_str(&line);
            }
        } else if let [length] = message.fields("content-length")[..] {
            message.body = self.exactly(length.parse().unwrap()).await;
        }
        message
    }

    /// Everything to the end of the connection, also where it is reset.
    pub async fn rest(&mut self) -> String {
        String::from_utf8_lossy(&self.rest_bytes().await).into_owned()
    }

    /// The same where it need not be text.
    pub async fn rest_bytes(&mut self) -> Vec<u8> {
        while let Ok(true) = self.more().await {}
        std::mem::take(&mut self.ahead)
    }

    /// Leaves without a word more: what was not read yet is lost.
    pub fn abort(self) {
        socket2::SockRef::from(&self.tcp).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }

    /// The head of a message, or nothing where the connection ends before it.
    pub async fn rest_or_head(&mut self) -> String {
        while memchr::memmem::find(&self.ahead, b"\r\n\r\n").is_none() {
            if !matches!(self.more().await, Ok(true)) {
                return String::new();
            }
        }
        self.head().await.head
    }

    /// Sends a request and reads the answer.
    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> Message {
        self.send(request).await;
        self.message().await
    }
}

/// An upstream that the test plays: it takes connections and reads what really came.
pub struct Upstream {
    listener: TcpListener,
}

impl Upstream {
    pub async fn bind() -> Self {
        Self::bind_to(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub async fn bind_to(address: SocketAddr) -> Self {
        Self { listener: TcpListener::bind(address).await.unwrap() }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Takes the next connection.
    pub async fn accept(&self) -> Wire {
        Wire::new(soon("an upstream connection", self.listener.accept()).await.unwrap().0)
    }

    /// Whether no connection waits to be taken.
    pub async fn is_untouched(&self) -> bool {
        self.waiting().await.is_none()
    }

    /// A connection that waits to be taken, if there is one.
    pub async fn waiting(&self) -> Option<Wire> {
        let accepting = self.listener.accept();
        tokio::select! {
            biased;
            accepted = accepting => Some(Wire::new(accepted.unwrap().0)),
            // One turn of the reactor shows what is there already.
            () = async { for _ in 0..8 { tokio::task::yield_now().await } } => None,
        }
    }
}

/// A response without content but `ok`.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
