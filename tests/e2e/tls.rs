//! TLS in: names, versions, protocols, clients' certificates, resumption, reload.

use std::process::{Command, Stdio};
use std::sync::Arc;

use leakgate::config::{self, Listener, TlsVersion};
use leakgate::matcher::{PatchsetWriter, Rule};
use leakgate::model::fingerprint::FingerprintKey;
use leakgate::model::ids::{LeakId, PatchId, TokenId};
use leakgate::model::rule::{Action, ExceptClient, Scope};
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::certificates::{Authority, Issued, client_auth, connect, tls};
use crate::support::gateway::{Running, patchset, start_with};
use crate::support::soon;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;
use crate::support::wire::{OK, Upstream};

/// A gateway that speaks TLS, with a configuration changed as asked.
fn start_tls(
    upstream: std::net::SocketAddr,
    certificates: &[&Issued],
    change: impl FnOnce(&mut config::Gateway),
) -> Running {
    start_with(&[upstream], |config| {
        let address = config.listen[0].address().unwrap();
        config.listen = vec![Listener { tls: true, ..Listener::plain(address) }];
        config.tls = tls(certificates);
        change(config);
    })
}

/// Sends a request for which `ok` or a refusal comes, and gives the answer's head.
async fn ask<S>(stream: &mut S, request: &str) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split_once("ontent-length: ").or(head.split_once("ontent-Length: "));
            let length = length.unwrap().1.lines().next().unwrap().trim().parse().unwrap();
            if body.len() >= length {
                return head.to_owned();
            }
        }
        let read = soon("an answer", stream.read_buf(&mut answer)).await.unwrap();
        assert!(read > 0, "ended within {answer:?}");
    }
}

fn curl(gateway: &Running, authority: &Authority, arguments: &[&str]) -> String {
    let port = gateway.address.port();
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
        .arg(authority.pem())
        .args(["--resolve", &format!("api.example:{port}:127.0.0.1")])
        .args(arguments)
        .arg(format!("https://api.example:{port}/x"))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn curl_is_served_over_http_1_1_and_http_2() {
    let authority = Arc::new(Authority::new());
    let upstream = AnsweringUpstream::start().await;
    let gateway =
        Arc::new(start_tls(upstream.address(), &[&authority.issue("a", &["api.example"])], |_| {}));
    let leaked = token("tok_", 36);
    gateway.patchset.store(patchset(&[(&leaked, Action::Block)]));
    for (version, said) in [("--http1.1", "1.1 200"), ("--http2", "2 200")] {
        let (gateway, authority) = (Arc::clone(&gateway), Arc::clone(&authority));
        let got = blocking(move || {
            curl(&gateway, &authority, &[version, "-w", " %{http_version} %{http_code}"])
        });
        assert_eq!(got.await, format!("ok {said}"));
        let seen = String::from_utf8(upstream.take()).unwrap();
        assert!(seen.contains("x-forwarded-proto: https\r\n"), "{seen}");
        assert!(
            seen.contains("forwarded: for=127.0.0.1;proto=https;host=\"api.example:"),
            "{seen}"
        );
    }
    for version in ["--http1.1", "--http2"] {
        let (gateway, authority, leaked) =
            (Arc::clone(&gateway), Arc::clone(&authority), leaked.clone());
        let got = blocking(move || {
            let header = format!("X-Api-Key: {leaked}");
            let form = " %{http_code}";
            curl(&gateway, &authority, &[version, "-H", &header, "-o", "/dev/null", "-w", form])
        });
        assert_eq!(got.await, " 403");
    }
    assert!(upstream.take().is_empty());
    assert_eq!(gateway.metric("tls_handshakes_total{kind=\"full\"}"), 4);
}

#[tokio::test]
async fn the_certificate_is_chosen_by_name() {
    let authority = Authority::new();
    let upstream = AnsweringUpstream::start().await;
    let one = authority.issue("one", &["one.example", "*.many.example"]);
    let two = authority.issue("two", &["two.example"]);
    let gateway = start_tls(upstream.address(), &[&one, &two], |_| {});
    for (name, expected) in [
        ("one.example", &one),
        ("two.example", &two),
        ("a.many.example", &one),
        ("TWO.example", &two),
    ] {
        let stream = connect(&gateway, authority.client(), name).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        assert_eq!(shown, expected.der, "{name}");
    }
    // Any other name, or none, gets the first, which is not for it.
    for name in ["other.example", "many.example", "a.b.many.example", "127.0.0.1"] {
        let error = connect(&gateway, authority.client(), name).await.unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{name}: {error}");
    }
}

#[tokio::test]
async fn openssl_agrees_on_protocol_and_version() {
    let authority = Authority::new();
    let upstream = AnsweringUpstream::start().await;
    let issued = authority.issue("a", &["api.example"]);
    let gateway = start_tls(upstream.address(), &[&issued], |_| {});
    let newest = start_tls(upstream.address(), &[&issued], |config| {
        config.tls.min_version = TlsVersion::V1_3;
    });
    let ca = authority.pem();
    let speak = |gateway: &Running, arguments: &'static [&'static str]| {
        let (ca, address) = (ca.clone(), gateway.address);
        blocking(move || {
            let output = Command::new("openssl")
                .args(["s_client", "-connect", &address.to_string(), "-CAfile"])
                .arg(ca)
                .args(["-servername", "api.example"])
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        })
    };
    let said = speak(&gateway, &["-alpn", "h2,http/1.1"]).await;
    assert!(said.contains("ALPN protocol: h2") && said.contains("TLSv1.3"), "{said}");
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    let said = speak(&gateway, &["-alpn", "http/1.1", "-tls1_2"]).await;
    assert!(said.contains("ALPN protocol: http/1.1") && said.contains("TLSv1.2"), "{said}");
    let said = speak(&newest, &["-tls1_2"]).await;
    assert!(said.contains("Cipher is (NONE)"), "{said}");
    let version = "tls_handshake_failures_total{reason=\"version\"}";
    newest.reaches(version, 1).await;
    assert_eq!(gateway.metric(version), 0);
    let said = speak(&gateway, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]).await;
    assert!(said.contains("Cipher is (NONE)"), "{said}");
    // Such a client lacks more than the version.
    let incompatible = "tls_handshake_failures_total{reason=\"incompatible\"}";
    soon("counting", async {
        while gateway.metric(version) + gateway.metric(incompatible) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let said = speak(&gateway, &["-alpn", "spdy/1"]).await;
    assert!(said.contains("Cipher is (NONE)") || said.contains("No ALPN negotiated"), "{said}");
}

#[tokio::test]
async fn a_clients_certificate_is_its_identity() {
    let authority = Authority::new();
    let upstream = AnsweringUpstream::start().await;
    let issued = authority.issue("a", &["api.example"]);
    let gateway = start_tls(upstream.address(), &[&issued], |config| {
        config.tls.client_auth = client_auth(&authority, false);
    });
    let leaked = token("tok_", 36);
    let mut writer = PatchsetWriter::new();
    let leak = LeakId::new();
    let except = ExceptClient { client: "cert:partner".parse().unwrap(), until: None };
    writer.set_rule(Rule {
        patch: Some(PatchId::new()),
        scope: Scope { except_clients: vec![except], ..Scope::default() },
        ..Rule::new(leak, Action::Block)
    });
    let material = TokenMaterial::Text(Secret::from(leaked.clone()));
    let fingerprint = FingerprintKey::new(&[7; 32]).fingerprint(&material.digest());
    writer.add_token(leak, TokenId::new(), fingerprint, &material);
    gateway.patchset.store(writer.build());

    let request = format!("GET /?k={leaked} HTTP/1.1\r\nHost: api.example\r\n\r\n");
    let partner = authority.client_with(&authority.issue_to_client("partner"));
    let other = authority.client_with(&authority.issue_to_client("other"));
    for (client, status, identity) in [
        (partner, "200", Some("partner")),
        (other, "403", Some("other")),
        (authority.client(), "403", None),
    ] {
        let mut stream = connect(&gateway, client, "api.example").await.unwrap();
        let head = ask(&mut stream, &request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
        assert_eq!(gateway.events.next().await.client_cert.as_deref(), identity);
    }
    // One of another authority is refused though none would not be.
    let stranger = authority.client_with(&Authority::new().issue_to_client("partner"));
    refused(&gateway, stranger).await;
    gateway.reaches("tls_handshake_failures_total{reason=\"client_certificate\"}", 1).await;
}

/// A TLS 1.3 client learns that its certificate was refused when it reads.
async fn refused(gateway: &Running, client: Arc<rustls::ClientConfig>) {
    if let Ok(mut stream) = connect(gateway, client, "api.example").await {
        let mut answer = Vec::new();
        assert!(soon("the alert", stream.read_to_end(&mut answer)).await.is_err(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_clients_certificate_can_be_required() {
    let authority = Authority::new();
    let upstream = AnsweringUpstream::start().await;
    let issued = authority.issue("a", &["api.example"]);
    let gateway = start_tls(upstream.address(), &[&issued], |config| {
        config.tls.client_auth = client_auth(&authority, true);
    });
    refused(&gateway, authority.client()).await;
    gateway.reaches("tls_handshake_failures_total{reason=\"client_certificate\"}", 1).await;
    let known = authority.client_with(&authority.issue_to_client("partner"));
    let mut stream = connect(&gateway, known, "api.example").await.unwrap();
    ask(&mut stream, "GET / HTTP/1.1\r\nHost: api.example\r\n\r\n").await;
}

#[tokio::test]
async fn sessions_are_resumed_by_any_worker() {
    let authority = Authority::new();
    let upstream = AnsweringUpstream::start().await;
    let issued = authority.issue("a", &["api.example"]);
    let gateway = start_tls(upstream.address(), &[&issued], |config| {
        config.workers = 3;
        config.tls.client_auth = client_auth(&authority, true);
    });
    let client = authority.client_with(&authority.issue_to_client("partner"));
    for resumed in [false, true, true, true, true, true, true, true] {
        let mut stream = connect(&gateway, Arc::clone(&client), "api.example").await.unwrap();
        ask(&mut stream, "GET / HTTP/1.1\r\nHost: api.example\r\n\r\n").await;
        let is_resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        assert_eq!(is_resumed, resumed);
    }
    assert_eq!(gateway.metric("tls_handshakes_total{kind=\"resumed\"}"), 7);
}

#[tokio::test]
async fn what_is_no_tls_is_closed_and_counted() {
    let authority = Authority::new();
    let upstream = AnsweringUpstream::start().await;
    let gateway = start_tls(upstream.address(), &[&authority.issue("a", &["api.example"])], |_| {});
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.rest_bytes().await;
    gateway.reaches("tls_handshake_failures_total{reason=\"no_tls\"}", 1).await;
    drop(gateway.connect().await);
    gateway.reaches("tls_handshake_failures_total{reason=\"closed\"}", 1).await;
    assert!(upstream.take().is_empty());
}

#[tokio::test]
async fn a_client_that_has_said_its_end_still_gets_its_answer() {
    let authority = Authority::new();
    let upstream = Upstream::bind().await;
    let gateway = start_tls(upstream.address(), &[&authority.issue("a", &["api.example"])], |_| {});
    let mut client = connect(&gateway, authority.client(), "api.example").await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    let mut answer = Vec::new();
    soon("the answer", client.read_to_end(&mut answer)).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).ends_with("ok"));
}

#[tokio::test]
async fn certificates_are_read_again_and_connections_live_on() {
    let authority = Authority::new();
    let upstream = AnsweringUpstream::start().await;
    let first = authority.issue("a", &["api.example"]);
    let gateway = start_tls(upstream.address(), &[&first], |config| config.workers = 2);
    let request = "GET / HTTP/1.1\r\nHost: api.example\r\n\r\n";
    let mut old = connect(&gateway, authority.client(), "api.example").await.unwrap();
    ask(&mut old, request).await;
    let expiry = |file: &Issued| {
        let name = "tls_certificate_expiry_timestamp_seconds";
        gateway.metric(&format!("{name}{{file=\"{}\"}}", file.cert.display()))
    };
    assert!(expiry(&first) > 4_000_000_000 / 4);

    // A key that is not the certificate's changes nothing.
    let key = std::fs::read(&first.key).unwrap();
    let second = authority.issue("a", &["api.example"]);
    let new_key = std::fs::read(&second.key).unwrap();
    std::fs::write(&second.key, &key).unwrap();
    let mistakes = gateway.reloader.reload(gateway.config.clone()).await.unwrap_err().to_string();
    assert!(mistakes.contains("gateway.tls.certificates[0]"), "{mistakes}");
    assert!(mistakes.contains("a.key is not the key of "), "{mistakes}");
    let stream = connect(&gateway, authority.client(), "api.example").await.unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], first.der);

    std::fs::write(&second.key, &new_key).unwrap();
    gateway.reloader.reload(gateway.config.clone()).await.unwrap();
    for _ in 0..4 {
        let stream = connect(&gateway, authority.client(), "api.example").await.unwrap();
        assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], second.der);
    }
    ask(&mut old, request).await;

    // All that is wrong is said at once.
    let mut config = gateway.config.clone();
    config.tls.certificates.push(config::Certificate {
        cert: authority.folder().join("nowhere.pem"),
        key: authority.folder().join("nowhere.key"),
    });
    config
        .tls
        .certificates
        .push(config::Certificate { cert: second.key.clone(), key: second.key.clone() });
    config.tls.client_auth =
        Some(config::ClientAuth { authorities: second.key.clone(), required: true });
    let mistakes = gateway.reloader.reload(config).await.unwrap_err().to_string();
    for part in [
        "TLS has 3 mistake(s)",
        "gateway.tls.certificates[1]: cannot read ",
        "gateway.tls.certificates[2]: ",
        "gateway.tls.client_ca: ",
    ] {
        assert!(mistakes.contains(part), "no {part:?} in {mistakes}");
    }
    assert!(!mistakes.contains("BEGIN") && !mistakes.contains("PRIVATE"), "{mistakes}");
}
