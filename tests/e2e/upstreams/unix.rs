//! Servers on Unix sockets.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::{GET, configured};
use crate::support::gateway::start_with;
use crate::support::soon;
use crate::support::wire::OK;

#[tokio::test]
async fn a_server_on_a_unix_socket_is_one_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let gateway = start_with(&[], |config| {
        config.upstreams = vec![configured(&format!("servers = [\"unix:{}\"]", path.display()))];
    });
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let (mut server, _) = soon("a connection", listener.accept()).await.unwrap();
    for _ in 0..2 {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon("the request", server.read_u8()).await.unwrap());
        }
        assert!(head.starts_with(b"GET / HTTP/1.1\r\nhost: a\r\n"), "{head:?}");
        server.write_all(OK.as_bytes()).await.unwrap();
        assert_eq!(client.message().await.status(), 200);
        client.send(GET).await;
    }
    drop((server, listener));
    assert_eq!(client.message().await.status(), 502);
}
