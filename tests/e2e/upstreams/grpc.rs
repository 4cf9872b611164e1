//! gRPC by a client and a server that are not ours (`grpcio`).

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use leakgate::model::rule::Action;

use super::configured;
use crate::support::gateway::{patchset, start_with};
use crate::support::tokens::token;

fn python() -> Command {
    let python = std::env::var("LEAKGATE_TEST_PYTHON").unwrap_or("python3".to_owned());
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/upstreams/calls.py"));
    command
}

/// Ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve() -> (Server, SocketAddr) {
    let mut server = Server(python().arg("serve").stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port: u16 = line.trim().parse().expect("grpcio is needed: ./scripts/test installs it");
    (server, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs grpcio, which ./scripts/test installs"]
async fn every_kind_of_call_passes_and_a_token_does_not() {
    let (_server, address) = serve();
    let gateway = start_with(&[], |config| {
        config.upstreams = vec![configured(&format!("servers = [\"h2c://{address}\"]"))];
    });
    let token = token("tok_", 36);
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    let port = gateway.address.port().to_string();
    let asking = tokio::task::spawn_blocking(move || {
        python().args(["ask", &port, &token]).output().unwrap()
    });
    let output = asking.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for _ in 0..2 {
        let event = gateway.events.next().await;
        assert!(event.point.starts_with("body"), "{}", event.point);
    }
}
