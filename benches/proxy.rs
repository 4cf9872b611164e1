//! What the gateway costs: requests a second through it and direct, in one run, and the CPU time of
//! its worker for each request.
//!
//! `cargo bench --bench proxy -- [SECONDS [TOKENS]]`: seconds a measurement (2), leaked tokens in
//! the patchset (100,000). Load, upstream and gateway have one thread each, on loopback; where the
//! machine has fewer cores, rates suffer, CPU time does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use leakgate::config::{self, Upstream};
use leakgate::events::Recorder;
use leakgate::matcher::{Patchset, PatchsetHandle, PatchsetWriter, Rule};
use leakgate::model::fingerprint::FingerprintKey;
use leakgate::model::ids::{LeakId, PatchId, TokenId};
use leakgate::model::rule::Action;
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;
use leakgate::proxy::{BypassSwitch, Gateway, PassedSockets};
use leakgate::telemetry::metrics::Metrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections of the load, all busy.
const CONNECTIONS: usize = 64;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|text| !text.starts_with('-'));
    let seconds = arguments.next().map_or(2, |text| text.parse().expect("seconds"));
    let tokens = arguments.next().map_or(100_000, |text| text.parse().expect("tokens"));
    let time = Duration::from_secs(seconds);

    let upstream = upstream();
    let (gateway, stop) = gateway(upstream, patchset(tokens));
    println!("{CONNECTIONS} connections, {tokens} tokens, {seconds} s each");
    println!("case                     direct/s   through/s   ratio   gateway CPU us/request");
    for (name, request) in cases() {
        let (direct, _) = load(upstream, &request, time);
        let before = worker_cpu();
        let (through, all) = load(gateway, &request, time);
        let cpu = worker_cpu() - before;
        println!(
            "{name:<22} {:>10.0} {:>11.0} {:>7.2} {:>24.2}",
            direct,
            through,
            through / direct,
            cpu.as_secs_f64() * 1e6 / all as f64,
        );
    }
    stop.cancel();
}

/// Requests like those that APIs get.
fn cases() -> Vec<(&'static str, Vec<u8>)> {
    let fields = "Host: api.example.com\r\nConnection: keep-alive\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36\r\n\
        Accept: application/json, text/plain, */*\r\nAccept-Language: en-US,en;q=0.9\r\n\
        Accept-Encoding: gzip, deflate, br\r\nReferer: https://app.example.com/orders\r\n\
        Origin: https://app.example.com\r\nCache-Control: no-cache\r\n\
        Cookie: session=0d4f8a1e6c3b; theme=dark; locale=en\r\n\
        Authorization: Bearer an-ordinary-credential-that-nobody-has-leaked\r\n\
        X-Trace: 7c1e5ab9f6d24c0f\r\n";
    let post = |size: usize| {
        let mut json = String::from("{\"items\":[");
        while json.len() < size {
            let n = json.len();
            json.push_str(&format!(
                "{{\"id\":{n},\"name\":\"item {n}\",\"price\":{}.99}},",
                n % 97
            ));
        }
        json.truncate(size - 2);
        json.push_str("]}");
        format!(
            "POST /v1/orders HTTP/1.1\r\n{fields}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{json}",
            json.len()
        )
        .into_bytes()
    };
    vec![
        ("bare GET", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        (
            "A: GET, 12 fields",
            format!("GET /v1/orders?page=2&sort=-created HTTP/1.1\r\n{fields}\r\n").into_bytes(),
        ),
        ("B: POST 2 KB JSON", post(2 * 1024)),
        ("C: POST 64 KB JSON", post(64 * 1024)),
    ]
}

fn patchset(tokens: usize) -> Arc<Patchset> {
    let key = FingerprintKey::new(&[7; 32]);
    let mut writer = PatchsetWriter::new();
    let leak = LeakId::new();
    writer.set_rule(Rule { patch: Some(PatchId::new()), ..Rule::new(leak, Action::Block) });
    for number in 0..tokens {
        let id = TokenId::new();
        let text = format!("bench_{}{number:08x}", id.0.simple());
        let material = TokenMaterial::Text(Secret::from(text));
        writer.add_token(leak, id, key.fingerprint(&material.digest()), &material);
    }
    writer.build()
}

/// Runs on a thread of its own, until the process ends.
fn on_thread<F: Future<Output = ()>>(name: &str, work: impl FnOnce() -> F + Send + 'static) {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { work().await });
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).unwrap();
}

/// An upstream that answers everything with the same kilobyte.
fn upstream() -> SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    on_thread("upstream", move || async move {
        let listener = TcpListener::from_std(listener).unwrap();
        let body = "x".repeat(1024);
        let answer: Arc<[u8]> = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nServer: bench\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
        .into();
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut buffer = Vec::with_capacity(1 << 17);
                while message(&mut tcp, &mut buffer).await {
                    if tcp.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Reads one message with a declared length, or none; `false` at the connection's end.
async fn message(tcp: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    buffer.clear();
    let mut whole = usize::MAX;
    loop {
        if whole == usize::MAX
            && let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head.split_once("content-length: ").map_or(0, |(_, rest)| {
                rest.lines().next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
            });
            whole = end + 4 + length;
        }
        if buffer.len() >= whole {
            return true;
        }
        if !matches!(tcp.read_buf(buffer).await, Ok(count) if count > 0) {
            return false;
        }
    }
}

fn gateway(server: SocketAddr, patchset: Arc<Patchset>) -> (SocketAddr, CancellationToken) {
    let config = config::Gateway {
        listen: vec![config::Listener::plain(SocketAddr::from(([127, 0, 0, 1], 0)))],
        workers: 1,
        upstreams: vec![Upstream::new("app", vec![server.into()])],
        ..Default::default()
    };
    let gateway = Gateway::bind(
        config,
        PassedSockets::default(),
        PatchsetHandle::new(patchset),
        Recorder::new(|_| {}),
        Arc::new(Metrics::new().unwrap()),
        BypassSwitch::default(),
    )
    .unwrap();
    let address = gateway.local_addrs()[0];
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    on_thread("gateway", move || async move { gateway.run(stopped).await.unwrap() });
    (address, stop)
}

/// Sends the request over and over on all connections: answers a second once warm, and answers in
/// all.
fn load(address: SocketAddr, request: &[u8], time: Duration) -> (f64, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (counting, ending) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let request: Arc<[u8]> = request.into();
    runtime.block_on(async move {
        let one = |request: Arc<[u8]>| {
            let (answered, over) = (Arc::clone(&counting), Arc::clone(&ending));
            async move {
                let mut tcp = TcpStream::connect(address).await.unwrap();
                tcp.set_nodelay(true).unwrap();
                let mut buffer = Vec::with_capacity(1 << 14);
                while !over.load(Ordering::Relaxed) {
                    tcp.write_all(&request).await.unwrap();
                    assert!(message(&mut tcp, &mut buffer).await, "the connection ended");
                    assert!(buffer.starts_with(b"HTTP/1.1 200 "), "an answer that is none");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let tasks: Vec<_> =
            (0..CONNECTIONS).map(|_| tokio::spawn(one(Arc::clone(&request)))).collect();
        tokio::time::sleep(time / 10).await;
        let start = Instant::now();
        let cold = counting.load(Ordering::Relaxed);
        tokio::time::sleep(time).await;
        let warm = counting.load(Ordering::Relaxed) - cold;
        let rate = warm as f64 / start.elapsed().as_secs_f64();
        ending.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        (rate, counting.load(Ordering::Relaxed))
    })
}

/// CPU time of the gateway's workers so far, as Linux counts it for their threads.
fn worker_cpu() -> Duration {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        let name = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
        if name.starts_with("leakgate-worker") {
            let statistics = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            nanoseconds += statistics
                .split_whitespace()
                .next()
                .and_then(|number| number.parse::<u64>().ok())
                .unwrap_or(0);
        }
    }
    Duration::from_nanos(nanoseconds)
}
