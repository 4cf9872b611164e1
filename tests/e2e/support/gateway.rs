//! A gateway in this process, in front of addresses that the test has.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use leakgate::config::{self, Listener};
use leakgate::events::Recorder;
use leakgate::matcher::{Patchset, PatchsetHandle, PatchsetWriter, Rule};
use leakgate::model::event::Event;
use leakgate::model::fingerprint::FingerprintKey;
use leakgate::model::ids::{LeakId, PatchId, TokenId};
use leakgate::model::rule::Action;
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;
use leakgate::proxy::{BypassSwitch, Gateway, PassedSockets, Reloader, RunError};
use leakgate::telemetry::metrics::Metrics;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::soon;
use super::wire::Client;

/// A gateway under way.
pub struct Running {
    pub address: SocketAddr,
    /// The configuration that it was started with.
    pub config: config::Gateway,
    pub reloader: Arc<Reloader>,
    pub patchset: PatchsetHandle,
    pub bypass: BypassSwitch,
    pub metrics: Arc<Metrics>,
    pub events: Events,
    pub shutdown: CancellationToken,
    pub ended: JoinHandle<Result<(), RunError>>,
}

/// The events recorded so far.
#[derive(Clone, Default)]
pub struct Events(Arc<(Mutex<Vec<Event>>, Notify)>);

impl Events {
    fn recorder(&self) -> Recorder {
        let events = self.clone();
        Recorder::new(move |event| {
            events.0.0.lock().unwrap().push(event);
            events.0.1.notify_one();
        })
    }

    /// Waits for the next event.
    pub async fn next(&self) -> Event {
        soon("an event", async {
            loop {
                let waiting = self.0.1.notified();
                let first = {
                    let mut events = self.0.0.lock().unwrap();
                    (!events.is_empty()).then(|| events.remove(0))
                };
                match first {
                    Some(event) => return event,
                    None => waiting.await,
                }
            }
        })
        .await
    }
}

impl Running {
    pub async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// A counter's value in the metrics' text, such as `requests_total{outcome="blocked"}`.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.text().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("leakgate_{name} ")));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Waits until a counter has reached this value.
    pub async fn reaches(&self, name: &str, value: u64) {
        soon(name, async {
            while self.metric(name) < value {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(self.metric(name), value, "{name}");
    }

    /// Tells it to drain and waits for its end.
    pub async fn stop(self) {
        self.shutdown.cancel();
        soon("the gateway's end", self.ended).await.unwrap().unwrap();
    }
}

/// Starts a gateway in front of these servers, with a configuration changed as asked.
pub fn start_with(servers: &[SocketAddr], change: impl FnOnce(&mut config::Gateway)) -> Running {
    let mut config = config::Gateway {
        listen: vec![Listener::plain(SocketAddr::from(([127, 0, 0, 1], 0)))],
        workers: 1,
        upstreams: vec![upstream("app", servers)],
        ..Default::default()
    };
    change(&mut config);
    let patchset = PatchsetHandle::new(Arc::new(Patchset::empty()));
    let events = Events::default();
    let metrics = Arc::new(Metrics::new().unwrap());
    let bypass = BypassSwitch::default();
    let gateway = Gateway::bind(
        config.clone(),
        PassedSockets::default(),
        patchset.clone(),
        events.recorder(),
        Arc::clone(&metrics),
        bypass.clone(),
    )
    .unwrap();
    let address = gateway.local_addrs()[0];
    let reloader = gateway.reloader();
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(gateway.run(shutdown.clone()));
    Running { address, config, reloader, patchset, bypass, metrics, events, shutdown, ended }
}

/// Starts a gateway in front of one server.
pub fn start(server: SocketAddr) -> Running {
    start_with(&[server], |_| {})
}

pub fn upstream(name: &str, servers: &[SocketAddr]) -> config::Upstream {
    config::Upstream::new(name, servers.iter().map(|address| (*address).into()).collect())
}

/// A patchset that does this with these tokens, each in a leak of its own.
pub fn patchset(tokens: &[(&str, Action)]) -> Arc<Patchset> {
    let key = FingerprintKey::new(&[7; 32]);
    let mut writer = PatchsetWriter::new();
    for (text, action) in tokens {
        let leak = LeakId::new();
        let patch = (*action != Action::Observe).then(PatchId::new);
        writer.set_rule(Rule { patch, ..Rule::new(leak, *action) });
        let material = TokenMaterial::Text(Secret::from((*text).to_owned()));
        writer.add_token(leak, TokenId::new(), key.fingerprint(&material.digest()), &material);
    }
    writer.build()
}

/// A gateway in front of one server that blocks this token.
pub fn start_blocking(server: SocketAddr, token: &str) -> Running {
    let running = start(server);
    running.patchset.store(patchset(&[(token, Action::Block)]));
    running
}
