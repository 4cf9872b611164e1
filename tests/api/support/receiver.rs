//! A receiver of what is sent, on loopback: answers as it is told, and keeps what came.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until this finds something where no signal tells of it, for [`PATIENCE`] at most.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("it never came: {what}"))
}

/// What came.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What it was answered with.
    pub status: u16,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<u16>>>,
    sender: mpsc::Sender<Received>,
}

pub struct Receiver {
    pub address: SocketAddr,
    answers: Arc<Mutex<VecDeque<u16>>>,
    received: mpsc::Receiver<Received>,
}

impl Receiver {
    /// One that takes everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::channel(10_000);
        let answers: Arc<Mutex<VecDeque<u16>>> = Arc::default();
        let script = Script { answers: Arc::clone(&answers), sender };
        let router = Router::new().fallback(take).with_state(script);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, answers, received }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers what comes next with these statuses, in turn; then it takes everything again.
    pub fn answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// What comes next.
    pub async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(PATIENCE, self.received.recv()).await;
        next.expect("nothing came").expect("the receiver runs")
    }
}

async fn take(State(script): State<Script>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let status = script.answers.lock().unwrap().pop_front().unwrap_or(200);
    let path = uri.path().to_owned();
    let _ = script.sender.try_send(Received { path, headers, body, status });
    let status = StatusCode::from_u16(status).unwrap();
    if status.is_redirection() {
        return (status, [(header::LOCATION, "/elsewhere")]).into_response();
    }
    status.into_response()
}
