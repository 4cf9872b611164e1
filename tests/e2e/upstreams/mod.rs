//! Everything behind the gateway: servers that are many, fail, move, speak TLS and HTTP/2.

mod balancing;
mod busy;
mod connections;
mod grpc;
mod health;
mod http2;
mod names;
mod refused;
mod retries;
mod timeouts;
mod tls;
mod unix;

use leakgate::config::{self, Upstream};

use crate::support::gateway::Running;
use crate::support::soon;

pub const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// An upstream as a configuration file has it, without its name.
pub fn configured(text: &str) -> Upstream {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leakgate.toml");
    let text = format!("[gateway]\nworkers = 1\n[[gateway.upstreams]]\nname = \"app\"\n{text}");
    std::fs::write(&path, text).unwrap();
    let config = config::load(Some(&path), std::iter::empty());
    config.unwrap_or_else(|error| panic!("{error}")).gateway.upstreams.remove(0)
}

/// Waits until a metric has this value.
pub async fn until_metric(gateway: &Running, name: &str, value: u64) {
    soon(name, async {
        while gateway.metric(name) != value {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
}
