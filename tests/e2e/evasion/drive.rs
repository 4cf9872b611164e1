//! Sends cases through a running gateway over few connections, and says which do not hold.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::request::Sent;
use super::upstream::Recording;
use crate::support::soon;

/// Connections that send at the same time.
const CLIENTS: usize = 4;

/// One row of the matrix.
pub struct Case {
    /// Its parts: the point, then the encodings, innermost first.
    pub name: String,
    /// The request with the token that leaked; absent: it is not sent.
    pub leaked: Option<Sent>,
    /// The same with the one that did not, which passes untouched; absent: it is not sent.
    pub clean: Option<Sent>,
    /// The statuses that the first may get.
    pub refused: &'static [u16],
    /// Whether the second gets them as well.
    pub both: bool,
}

/// A case that does not hold.
pub struct Failure {
    pub name: String,
    pub why: String,
}

type Body =
    StreamBody<futures_util::stream::Iter<std::vec::IntoIter<std::io::Result<Frame<Bytes>>>>>;

struct Client {
    gateway: SocketAddr,
    h1: Option<TcpStream>,
    h2: Option<SendRequest<Body>>,
}

impl Client {
    /// Sends a request, and gives the answer's status.
    async fn status(&mut self, sent: &Sent, number: usize) -> Result<u16, String> {
        if sent.h2 { self.over_h2(sent, number).await } else { self.over_h1(sent, number).await }
    }

    async fn over_h1(&mut self, sent: &Sent, number: usize) -> Result<u16, String> {
        let bytes = sent.bytes(number);
        let mut tcp = match self.h1.take() {
            Some(tcp) => tcp,
            None => {
                let tcp = TcpStream::connect(self.gateway).await.map_err(|e| e.to_string())?;
                tcp.set_nodelay(true).map_err(|e| e.to_string())?;
                tcp
            }
        };
        let (mut read, mut write) = tcp.split();
        let mut answer = Vec::new();
        // The answer may come, and the connection close, before all is sent.
        let (_, end) = tokio::join!(write.write_all(&bytes), async {
            loop {
                if let Some(end) = answer_length(&answer) {
                    return Ok(end);
                }
                match read.read_buf(&mut answer).await {
                    Ok(0) => return Err("closed without an answer".to_owned()),
                    Ok(_) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
        });
        end?;
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        if !text.contains("connection: close") {
            self.h1 = Some(tcp);
        }
        text.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(|| "no status".to_owned())
    }

    async fn over_h2(&mut self, sent: &Sent, number: usize) -> Result<u16, String> {
        let mut sender = match self.h2.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => {
                let tcp = TcpStream::connect(self.gateway).await.map_err(|e| e.to_string())?;
                let (sender, connection) =
                    http2::handshake(TokioExecutor::new(), TokioIo::new(tcp))
                        .await
                        .map_err(|e| e.to_string())?;
                tokio::spawn(connection);
                sender
            }
        };
        let target = std::str::from_utf8(&sent.target).map_err(|e| e.to_string())?;
        let mut request = Request::builder()
            .method(sent.method.as_str())
            .uri(format!("http://api.example{target}"))
            .header("x-case", number);
        for (name, value) in &sent.fields {
            request = request.header(name.as_str(), value.as_slice());
        }
        let mut frames: Vec<std::io::Result<Frame<Bytes>>> = sent
            .body
            .chunks(1_000)
            .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
            .collect();
        if !sent.trailers.is_empty() {
            let mut trailers = HeaderMap::new();
            for (name, value) in &sent.trailers {
                trailers.append(
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_bytes(value).unwrap(),
                );
            }
            frames.push(Ok(Frame::trailers(trailers)));
        }
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let request = request.body(body).map_err(|e| e.to_string())?;
        sender.ready().await.map_err(|e| e.to_string())?;
        let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
        self.h2 = Some(sender);
        Ok(response.status().as_u16())
    }
}

/// The length of an answer, once all of it is there.
fn answer_length(bytes: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    let end = head + length.trim().parse::<usize>().ok()?;
    (bytes.len() >= end).then_some(end)
}

/// Sends all cases, numbering requests from `first`, and gives those that do not hold, by name.
pub async fn run(
    cases: Vec<Case>,
    first: usize,
    gateway: SocketAddr,
    upstream: &Arc<Recording>,
) -> Vec<Failure> {
    let cases = Arc::new(cases);
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (cases, next) = (Arc::clone(&cases), Arc::clone(&next));
        let upstream = Arc::clone(upstream);
        clients.spawn(async move {
            let mut client = Client { gateway, h1: None, h2: None };
            let mut failures = Vec::new();
            loop {
                let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(case) = cases.get(index) else { return failures };
                one(case, first + 2 * index, &mut client, &upstream, &mut failures).await;
            }
        });
    }
    let mut failures: Vec<Failure> = clients.join_all().await.into_iter().flatten().collect();
    failures.sort_by(|a, b| a.name.cmp(&b.name));
    failures
}

async fn one(
    case: &Case,
    number: usize,
    client: &mut Client,
    upstream: &Recording,
    failures: &mut Vec<Failure>,
) {
    let mut fails = |why: String| {
        failures.push(Failure { name: case.name.clone(), why });
    };
    if let Some(leaked) = &case.leaked {
        match soon("an answer", client.status(leaked, number)).await {
            Ok(status) if !case.refused.contains(&status) => fails(format!("got {status}")),
            Ok(_) => {
                if upstream.take(number).is_some() {
                    fails("refused, and arrived all the same".to_owned());
                }
            }
            Err(error) => fails(error),
        }
    }
    let Some(clean) = &case.clean else { return };
    match soon("an answer", client.status(clean, number + 1)).await {
        Ok(status) if case.both => {
            if !case.refused.contains(&status) {
                fails(format!("the twin got {status}"));
            }
        }
        Ok(200) => match upstream.take(number + 1) {
            Some(arrived) => {
                if let Some(difference) = arrived.difference(clean) {
                    fails(difference);
                }
            }
            None => fails("the twin did not arrive".to_owned()),
        },
        Ok(status) => fails(format!("the twin got {status}")),
        Err(error) => fails(format!("the twin: {error}")),
    }
}
