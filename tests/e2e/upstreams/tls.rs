//! Servers that speak TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{GET, configured};
use crate::support::certificates::{Authority, Issued};
use crate::support::gateway::{Running, start_with};
use crate::support::socket::ASK;
use crate::support::wire::Message;

/// An authority, and a certificate of it for `app.test`.
struct Trust {
    authority: Authority,
    issued: Issued,
}

impl Trust {
    fn new() -> Self {
        let authority = Authority::new();
        let issued = authority.issue("app", &["app.test"]);
        Self { authority, issued }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.authority.pem()).unwrap()).unwrap();
        roots
    }

    /// A server with its certificate that speaks these protocols, and tells of each request which one
    /// it came by and whether its client has a certificate.
    async fn server(&self, protocols: &[&str], asks_for_certificate: bool) -> SocketAddr {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let roots = Arc::new(self.roots());
        let builder = if asks_for_certificate {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(&self.issued.key).unwrap();
        let mut config = builder.with_single_cert(vec![self.issued.der.clone()], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), tcp));
            }
        });
        address
    }

    fn gateway(&self, server: SocketAddr, keys: &str) -> Running {
        let mut upstream = configured(&format!(
            "servers = [\"https://{server}\"]\ntls.ca = {:?}\n{keys}",
            self.authority.pem()
        ));
        upstream.eject.failures = 0;
        start_with(&[], |config| config.upstreams = vec![upstream])
    }
}

async fn serve(acceptor: TlsAcceptor, tcp: tokio::net::TcpStream) {
    let Ok(stream) = acceptor.accept(tcp).await else { return };
    let session = stream.get_ref().1;
    let has_certificate = session.peer_certificates().is_some();
    let speaks_http2 = session.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request: Request<Incoming>| async move {
        let host = request.uri().host().map(str::to_owned);
        let scheme = request.uri().scheme_str().unwrap_or_default();
        let upgrade = request.headers().contains_key("upgrade");
        let text = format!("{:?} {scheme} {host:?} {has_certificate} {upgrade}", request.version());
        Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(text))))
    });
    let io = TokioIo::new(stream);
    // Its client may leave in any way.
    let _ = if speaks_http2 {
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.serve_connection(io, service).await
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
    };
}

async fn get(gateway: &Running) -> Message {
    gateway.connect().await.ask(GET).await
}

const NAME: &str = "tls.server_name = \"app.test\"";

#[tokio::test]
async fn the_protocol_is_what_both_agree_on() {
    let authority = Trust::new();
    for (protocols, protocol, spoken) in [
        (&["h2", "http/1.1"][..], "auto", "HTTP/2.0 https Some(\"a\") false false"),
        (&["http/1.1"], "auto", "HTTP/1.1  None false false"),
        (&[], "auto", "HTTP/1.1  None false false"),
        (&["h2", "http/1.1"], "http1", "HTTP/1.1  None false false"),
        (&["h2"], "h2", "HTTP/2.0 https Some(\"a\") false false"),
    ] {
        let server = authority.server(protocols, false).await;
        let gateway = authority.gateway(server, &format!("{NAME}\nprotocol = \"{protocol}\""));
        for _ in 0..2 {
            let answer = get(&gateway).await;
            assert_eq!((answer.status(), answer.body.as_str()), (200, spoken), "{protocols:?}");
        }
        assert_eq!(gateway.metric("upstream_connections{upstream=\"app\"}"), 1);
    }
    let server = authority.server(&["http/1.1"], false).await;
    let gateway = authority.gateway(server, &format!("{NAME}\nprotocol = \"h2\""));
    assert_eq!(get(&gateway).await.status(), 502);
}

#[tokio::test]
async fn a_websocket_asks_such_a_server_for_http_1_1() {
    let authority = Trust::new();
    let server = authority.server(&["h2", "http/1.1"], false).await;
    let gateway = authority.gateway(server, NAME);
    assert!(get(&gateway).await.body.starts_with("HTTP/2.0"));
    let mut client = gateway.connect().await;
    let answer = client.ask(format!("GET / HTTP/1.1\r\nHost: a\r\n{ASK}\r\n")).await;
    assert_eq!(answer.body, "HTTP/1.1  None false true");
}

#[tokio::test]
async fn who_cannot_prove_its_name_gets_nothing() {
    let (authority, other) = (Trust::new(), Trust::new());
    let server = authority.server(&["http/1.1"], false).await;
    // Not its name; not its authority.
    for gateway in [
        authority.gateway(server, "tls.server_name = \"other.test\""),
        authority.gateway(server, ""),
        other.gateway(server, NAME),
    ] {
        let answer = get(&gateway).await;
        assert_eq!(answer.status(), 502);
        assert!(answer.body.contains("upstream-unreachable"), "{}", answer.body);
    }
    let gateway = other.gateway(server, "tls.insecure_skip_verify = true");
    assert_eq!(get(&gateway).await.status(), 200);
}

#[tokio::test]
async fn the_gateway_proves_who_it_is() {
    let authority = Trust::new();
    let server = authority.server(&["h2"], true).await;
    let (cert, key) = (&authority.issued.cert, &authority.issued.key);
    let gateway =
        authority.gateway(server, &format!("{NAME}\ntls.cert = {cert:?}\ntls.key = {key:?}"));
    assert_eq!(get(&gateway).await.body, "HTTP/2.0 https Some(\"a\") true false");
    let gateway = authority.gateway(server, NAME);
    assert_eq!(get(&gateway).await.status(), 502);
}
