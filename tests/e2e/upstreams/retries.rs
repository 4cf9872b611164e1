//! A request is sent again only where that is safe.

use leakgate::config;

use super::GET;
use crate::support::gateway::{Running, start_with};
use crate::support::wire::{OK, Upstream};

/// What became of a request whose first server breaks off.
struct Came {
    status: u16,
    /// The body that the other server got, if it got the request.
    again: Option<String>,
    gateway: Running,
}

impl Came {
    fn retries(&self, reason: &str) -> u64 {
        self.gateway.metric(&format!("upstream_retries_total{{reason=\"{reason}\"}}"))
    }
}

/// Sends a request; its first server reads all of it, sends `answer`, and closes.
async fn send(request: &str, answer: &str, change: impl FnOnce(&mut config::Upstream)) -> Came {
    let (one, two) = (Upstream::bind().await, Upstream::bind().await);
    let gateway = start_with(&[one.address(), two.address()], |config| {
        change(&mut config.upstreams[0]);
    });
    let mut client = gateway.connect().await;
    client.send(request).await;
    let mut server = one.accept().await;
    let first = server.message().await;
    server.send(answer).await;
    drop(server);
    let again = async {
        let mut server = two.accept().await;
        let again = server.message().await;
        assert_eq!(again.head, first.head);
        server.send(OK).await;
        again.body
    };
    let (status, again) = tokio::select! {
        biased;
        answer = client.message() => (answer.status(), None),
        again = again => (0, Some(again)),
    };
    let status = if status == 0 { client.message().await.status() } else { status };
    Came { status, again, gateway }
}

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn idempotent_requests_go_to_another_server() {
    let put = POST.replace("POST", "PUT");
    let delete = GET.replace("GET", "DELETE");
    let keyed = POST.replace("Host", "Idempotency-Key: 7\r\nHost");
    let chunked = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n0\r\n\r\n";
    // Longer than what is kept of a head.
    let long = GET.replace("Host", &format!("X-Long: {}\r\nHost", "a".repeat(20_000)));
    let odd = "GET http://u:p@a/x?y HTTP/1.1\r\nHost: b\r\nConnection: x-one\r\nX-One: 1\r\n\
               A: 1\r\nB: 2\r\nA: 3\r\nTE: trailers\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n";
    for (request, body) in [
        (GET, ""),
        (&put, "hello"),
        (&delete, ""),
        (&keyed, "hello"),
        (chunked, "hello"),
        (&long, ""),
        (odd, ""),
    ] {
        let came = send(request, "", |_| {}).await;
        assert_eq!((came.status, came.again.as_deref()), (200, Some(body)), "{request}");
        assert_eq!(came.retries("broken"), 1);
        assert_eq!(came.gateway.metric("upstream_errors_total{kind=\"broken\"}"), 1);
    }
}

#[tokio::test]
async fn a_response_that_begins_and_breaks_off_is_no_reason() {
    let came = send(GET, "HTTP/1.1 200 OK\r\nContent-Le", |_| {}).await;
    assert_eq!(came.again, Some(String::new()), "only a whole head is a response");
    let came = send(GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", |_| {}).await;
    assert_eq!((came.status, came.again), (200, None));
}

#[tokio::test]
async fn what_may_have_acted_is_not_sent_again() {
    let came = send(POST, "", |_| {}).await;
    assert_eq!((came.status, came.again), (502, None));
    let came = send(GET, "", |upstream| upstream.retry.attempts = 0).await;
    assert_eq!((came.status, came.again), (502, None));
    let came = send(GET, "no HTTP at all\r\n\r\n", |_| {}).await;
    assert_eq!((came.status, came.again), (502, None), "it did answer");
    // One that is larger than what is held is gone once it is sent.
    let length = 100_000;
    let body = "x".repeat(length);
    let large = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
    let came = send(&large, "", |_| {}).await;
    assert_eq!((came.status, came.again), (502, None));
}

#[tokio::test]
async fn the_budget_has_an_end() {
    let (one, two) = (Upstream::bind().await, Upstream::bind().await);
    let gateway = start_with(&[one.address(), two.address()], |config| {
        config.upstreams[0].retry.budget = 1;
        config.upstreams[0].eject.failures = 0;
    });
    let mut client = gateway.connect().await;
    let reserve = config::limits::RETRY_RESERVE;
    for turn in 0..=reserve {
        client.send(GET).await;
        for attempt in 0..2 {
            if turn == reserve && attempt == 1 {
                break;
            }
            let (mut server, _) = tokio::select! {
                server = one.accept() => (server, 1),
                server = two.accept() => (server, 2),
            };
            server.head().await;
        }
        assert_eq!(client.message().await.status(), 502);
    }
    assert_eq!(gateway.metric("upstream_retries_denied_total"), 1);
    let broken = gateway.metric("upstream_retries_total{reason=\"broken\"}");
    assert_eq!(broken, u64::from(reserve));
}

#[tokio::test]
async fn statuses_are_passed_on_unless_they_are_named() {
    let answer = "HTTP/1.1 503 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    let came = send(GET, answer, |_| {}).await;
    assert_eq!((came.status, came.again), (503, None));
    let came = send(GET, answer, |upstream| upstream.retry.statuses = vec![503]).await;
    assert_eq!((came.status, came.again.as_deref()), (200, Some("")));
    assert_eq!(came.retries("status"), 1);
    let came = send(POST, answer, |upstream| upstream.retry.statuses = vec![503]).await;
    assert_eq!((came.status, came.again), (503, None));
}

#[tokio::test]
async fn a_kept_connection_that_breaks_is_replaced_for_what_is_idempotent() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |_| {});
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
    // As a server does that closes an idle connection just when a request comes.
    client.send(GET).await;
    server.head().await;
    drop(server);
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
    client.send(POST).await;
    server.message().await;
    drop(server);
    assert_eq!(client.message().await.status(), 502);
    assert!(upstream.is_untouched().await);
}
