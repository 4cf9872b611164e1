//! An upstream that answers 200, and keeps each request that it read to its end by its number.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::request::Arrived;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers until it is dropped.
pub struct Recording {
    pub address: SocketAddr,
    requests: Arc<Mutex<HashMap<usize, Arrived>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Recording {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(HashMap::new()));
        let kept = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move { answer(tcp, &kept).await });
            }
        });
        Self { address, requests, task }
    }

    /// The request with this number, if it came whole.
    pub fn take(&self, number: usize) -> Option<Arrived> {
        self.requests.lock().unwrap().remove(&number)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Reader {
    tcp: TcpStream,
    ahead: Vec<u8>,
}

impl Reader {
    async fn more(&mut self) -> Option<()> {
        let count = self.tcp.read_buf(&mut self.ahead).await.ok()?;
        (count > 0).then_some(())
    }

    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.ahead, end) {
                let mut text: Vec<u8> = self.ahead.drain(..at + end.len()).collect();
                text.truncate(at);
                return Some(text);
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < count {
            self.more().await?;
        }
        Some(self.ahead.drain(..count).collect())
    }

    async fn request(&mut self) -> Option<Arrived> {
        let head = self.until(b"\r\n\r\n").await?;
        let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
        let mut arrived = Arrived { start: lines.next()?.to_vec(), ..Arrived::default() };
        arrived.fields = lines.map(field).collect();
        let named = |name: &str| {
            let field =
                arrived.fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
            Some(String::from_utf8_lossy(&field.1).trim().to_owned())
        };
        if named("transfer-encoding").as_deref() == Some("chunked") {
            loop {
                let size = self.until(b"\r\n").await?;
                let size = usize::from_str_radix(std::str::from_utf8(&size).ok()?, 16).ok()?;
                if size == 0 {
                    break;
                }
                let chunk = self.exactly(size).await?;
                arrived.body.extend(chunk);
                self.exactly(2).await?;
            }
            loop {
                let line = self.until(b"\r\n").await?;
                if line.is_empty() {
                    break;
                }
                arrived.trailers.push(field(&line));
            }
        } else if let Some(length) = named("content-length") {
            arrived.body = self.exactly(length.parse().ok()?).await?;
        }
        Some(arrived)
    }
}

fn field(line: &[u8]) -> (String, Vec<u8>) {
    let at = memchr::memchr(b':', line).unwrap_or(line.len());
    let value = line.get(at + 1..).unwrap_or_default();
    (String::from_utf8_lossy(&line[..at]).into_owned(), value.trim_ascii().to_vec())
}

async fn answer(tcp: TcpStream, requests: &Mutex<HashMap<usize, Arrived>>) {
    let _ = tcp.set_nodelay(true);
    let mut reader = Reader { tcp, ahead: Vec::new() };
    while let Some(arrived) = reader.request().await {
        let number = arrived
            .fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("x-case"))
            .and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
        if let Some(number) = number {
            requests.lock().unwrap().insert(number, arrived);
        }
        if reader.tcp.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}
