//! An upstream that answers 200 to everything, and keeps every byte that it received.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers until it is dropped.
pub struct AnsweringUpstream {
    address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
    task: tokio::task::JoinHandle<()>,
}

impl AnsweringUpstream {
    /// One on a free port.
    pub async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// One at this address.
    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, Arc::clone(&kept)));
            }
        });
        Self { address, received, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All bytes received since it was last asked.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

impl Drop for AnsweringUpstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut connection: TcpStream, received: Arc<Mutex<Vec<u8>>>) {
    let mut unread = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        while let Some(length) = request_length(&unread) {
            unread.drain(..length);
            if connection.write_all(ANSWER).await.is_err() {
                return;
            }
        }
        match connection.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                received.lock().unwrap().extend_from_slice(&buffer[..count]);
                unread.extend_from_slice(&buffer[..count]);
            }
        }
    }
}

/// The length of the request at the beginning, once all of it is there. The gateway's tests send
/// bodies of declared length through this upstream, and none in chunks.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let body = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |value| value.trim().parse::<usize>().unwrap());
    (bytes.len() >= head + body).then_some(head + body)
}
