//! Listening on Unix sockets.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use leakgate::config::{Listener, Place};

use crate::support::gateway::start_with;
use crate::support::upstream::AnsweringUpstream;

#[tokio::test]
async fn curl_is_served_and_the_file_removed_at_the_end() {
    let upstream = AnsweringUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leakgate.sock");
    // Left behind by a process that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let gateway = start_with(&[upstream.address()], |config| {
        config.workers = 2;
        config.unix_mode = 0o600;
        let unix = Listener { place: Place::Unix(path.clone()), ..config.listen[0].clone() };
        config.listen.push(unix);
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    });
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let socket = path.clone();
        let output = tokio::task::spawn_blocking(move || {
            Command::new("curl")
                .args(["--silent", "--show-error", "--max-time", "20", version, "--unix-socket"])
                .arg(socket)
                .args(["-H", "X-Forwarded-For: 203.0.113.9", "http://a/x"])
                .output()
                .unwrap()
        });
        assert_eq!(String::from_utf8_lossy(&output.await.unwrap().stdout), "ok");
        let seen = String::from_utf8(upstream.take()).unwrap();
        // A client there counts as one on this machine, and is believed as one.
        assert!(seen.contains("x-forwarded-for: 203.0.113.9, 127.0.0.1\r\n"), "{seen}");
    }
    gateway.stop().await;
    assert!(!path.exists());
}
