//! A real browser through the gateway: pages, JSON, uploads, server-sent events, WebSocket, over plain
//! HTTP/1.1 and over TLS with HTTP/2.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE,
};
use axum::http::{Response, StatusCode};
use axum::response::Html;
use axum::routing::{get, post};
use futures_util::{SinkExt, StreamExt, stream};
use hyper_util::rt::TokioIo;
use leakgate::config::Listener;
use leakgate::model::rule::Action;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::support::certificates::{Authority, tls};
use crate::support::gateway::{Running, patchset, start, start_with};
use crate::support::soon;
use crate::support::tokens::token;

/// What the page does, and then tells the upstream of.
const PAGE: &str = r#"<!doctype html><title>a page</title><script>
const leaked = "TOKEN";
const post = (path, body, fields) => fetch(path, { method: "POST", body, headers: fields });
const events = () => new Promise((done) => {
  const all = [];
  const source = new EventSource("/events");
  source.onmessage = async (event) => {
    all.push(event.data);
    if (all.length === 3) { source.close(); done(all.join()); } else { await post("/seen", ""); }
  };
});
const socket = () => new Promise((done) => {
  const all = [];
  const open = new WebSocket(location.origin.replace(/^http/, "ws") + "/socket");
  open.onopen = () => open.send("a word");
  open.onmessage = (event) => { all.push(event.data); open.send("use " + leaked); };
  open.onclose = (event) => { all.push(event.code); done(all.join()); };
});
(async () => {
  const said = { protocol: performance.getEntriesByType("navigation")[0].nextHopProtocol };
  try {
    const json = JSON.stringify({ text: "é".repeat(100000) });
    said.json = await (await post("/echo", json, { "content-type": "application/json" })).text() === json;
    const form = new FormData();
    form.append("file", new Blob([new Uint8Array(300000)]), "a file.bin");
    said.upload = (await (await post("/echo", form)).arrayBuffer()).byteLength > 300000;
    said.blocked = (await post("/echo", "", { authorization: "Bearer " + leaked })).status;
    said.inBody = (await post("/echo", JSON.stringify({ key: btoa("x" + leaked) }))).status;
    said.events = await events();
    said.socket = await socket();
  } catch (error) { said.error = String(error); }
  await post("/result", JSON.stringify(said));
})();
</script>"#;

/// The application behind the gateway.
struct Site {
    page: String,
    seen: Notify,
    results: mpsc::Sender<Value>,
}

/// Each event is sent only once the page has told that it has the one before: what held them back would
/// wait for ever.
async fn events(State(site): State<Arc<Site>>) -> Response<Body> {
    let numbers = stream::unfold(0, move |number| {
        let site = Arc::clone(&site);
        async move {
            if number > 0 {
                site.seen.notified().await;
            }
            let event = Bytes::from(format!("data: {number}\n\n"));
            (number < 3).then_some((Ok::<_, std::io::Error>(event), number + 1))
        }
    });
    let body = Body::from_stream(numbers);
    Response::builder().header(CONTENT_TYPE, "text/event-stream").body(body).unwrap()
}

/// Echoes each message.
async fn socket(mut request: Request) -> Response<Body> {
    let key = request.headers().get(SEC_WEBSOCKET_KEY).unwrap().clone();
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgraded.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
        .body(Body::empty())
        .unwrap()
}

async fn serve(leaked: &str) -> (std::net::SocketAddr, Mutex<mpsc::Receiver<Value>>) {
    let (results, got) = mpsc::channel(8);
    let page = PAGE.replace("TOKEN", leaked);
    let site = Arc::new(Site { page, seen: Notify::new(), results });
    let router = Router::new()
        .route("/", get(async |State(site): State<Arc<Site>>| Html(site.page.clone())))
        .route("/echo", post(async |body: Bytes| body))
        .route("/seen", post(async |State(site): State<Arc<Site>>| site.seen.notify_one()))
        .route("/events", get(events))
        .route("/socket", get(socket))
        .route(
            "/result",
            post(async |State(site): State<Arc<Site>>, body: Bytes| {
                site.results.send(serde_json::from_slice(&body).unwrap()).await.unwrap();
            }),
        )
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(site);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, Mutex::new(got))
}

/// A browser at this page, until it is dropped.
struct Browser(Child, #[expect(dead_code, reason = "its profile's folder")] tempfile::TempDir);

impl Browser {
    fn at(page: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let browser = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--ignore-certificate-errors", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(page)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(browser, profile)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn page_works(
    gateway: &Running,
    scheme: &str,
    protocol: &str,
    got: &Mutex<mpsc::Receiver<Value>>,
) {
    let _browser = Browser::at(&format!("{scheme}://{}/", gateway.address));
    let said = soon("the page's end", async { got.lock().await.recv().await }).await.unwrap();
    assert_eq!(
        said,
        json!({
            "protocol": protocol, "json": true, "upload": true, "blocked": 403, "inBody": 403,
            "events": "0,1,2", "socket": "a word,1008",
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_browser_works_through_it() {
    let leaked = token("tok_", 36);
    let (server, got) = serve(&leaked).await;
    let gateway = start(server);
    gateway.patchset.store(patchset(&[(&leaked, Action::Block)]));
    page_works(&gateway, "http", "http/1.1", &got).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_browser_works_through_it_over_http_2() {
    let authority = Authority::new();
    let leaked = token("tok_", 36);
    let (server, got) = serve(&leaked).await;
    let gateway = start_with(&[server], |config| {
        let address = config.listen[0].address().unwrap();
        config.listen = vec![Listener { tls: true, ..Listener::plain(address) }];
        config.tls = tls(&[&authority.issue("a", &["localhost"])]);
    });
    gateway.patchset.store(patchset(&[(&leaked, Action::Block)]));
    page_works(&gateway, "https", "h2", &got).await;
}
