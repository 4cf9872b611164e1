//! The servers of one upstream, as the whole process knows them: those with an address in the
//! configuration, and those that names stand for at the moment.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::IntGauge;
use tokio::sync::watch;

use super::standing::Moment;
use super::target::{Address, Target};
use crate::config::{self, Endpoint, UpstreamTimeouts, limits};
use crate::telemetry::metrics::Metrics;

/// A server, and its part in the upstream.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) target: Arc<Target>,
    pub(super) weight: u32,
    /// Whether it gets requests only while none of the others can take them: addresses of the IP
    /// version that is second choice for their name.
    pub(super) is_standby: bool,
}

/// The members at one time.
#[derive(Clone, Default, Debug)]
pub(super) struct Members {
    pub(super) list: Arc<[Member]>,
    /// Whether each name was tried to be resolved.
    pub(super) are_settled: bool,
}

/// One upstream.
pub(super) struct Roster {
    pub(super) settings: config::Upstream,
    /// With those of the gateway where it has none of its own.
    pub(super) timeouts: UpstreamTimeouts,
    /// What each configured server is resolved to; `None` where it never was.
    resolved: Mutex<Vec<Option<Vec<IpAddr>>>>,
    members: watch::Sender<Members>,
    pub(super) metrics: Arc<Metrics>,
    /// Connections open to its servers.
    pub(super) connections: IntGauge,
    /// Requests that wait for one.
    pub(super) waiting: IntGauge,
}

impl Roster {
    /// With the servers of `before`, an earlier roster of the same upstream, where they are the same.
    pub(super) fn new(
        settings: config::Upstream,
        timeouts: UpstreamTimeouts,
        before: Option<&Self>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let resolved = settings.servers.iter().map(|server| match &server.endpoint {
            Endpoint::Tcp { host, .. } => match host.parse::<IpAddr>() {
                Ok(address) => Some(vec![address]),
                Err(_) => before.and_then(|before| before.last_addresses(&server.endpoint)),
            },
            Endpoint::Unix(_) => Some(Vec::new()),
        });
        let resolved = Mutex::new(resolved.collect());
        let metrics = Arc::clone(metrics);
        let waiting = metrics.upstream_waiting.with_label_values(&[&settings.name]);
        let connections = metrics.upstream_connections.with_label_values(&[&settings.name]);
        let members = watch::Sender::default();
        let roster = Self { settings, timeouts, resolved, members, metrics, connections, waiting };
        let known = before.map(Self::targets).unwrap_or_default();
        roster.refresh(&known);
        if roster.settings.health.is_none() {
            // What was found unwell before would stay so for ever.
            roster.targets().iter().for_each(|target| roster.found(target, true, ""));
        }
        roster
    }

    /// The members, and news of them.
    pub(super) fn subscribe(&self) -> watch::Receiver<Members> {
        self.members.subscribe()
    }

    pub(super) fn targets(&self) -> Vec<Arc<Target>> {
        self.members.borrow().list.iter().map(|member| Arc::clone(&member.target)).collect()
    }

    /// Configured servers that are names: their index, and the name.
    pub(super) fn names(&self) -> Vec<(usize, String)> {
        let named = |(index, server): (usize, &config::Server)| match &server.endpoint {
            Endpoint::Tcp { host, .. } if host.parse::<IpAddr>().is_err() => {
                Some((index, host.clone()))
            }
            _ => None,
        };
        self.settings.servers.iter().enumerate().filter_map(named).collect()
    }

    fn last_addresses(&self, endpoint: &Endpoint) -> Option<Vec<IpAddr>> {
        let index = self.settings.servers.iter().position(|known| known.endpoint == *endpoint)?;
        let resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.get(index).cloned().flatten().filter(|addresses| !addresses.is_empty())
    }

    /// A name has these addresses now; `None` where it could not be resolved, which leaves those that
    /// it had.
    pub(super) fn resolved(&self, index: usize, addresses: Option<Vec<IpAddr>>) {
        {
            let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(place) = resolved.get_mut(index) else { return };
            match addresses {
                Some(mut addresses) => {
                    addresses.sort_unstable();
                    addresses.dedup();
                    addresses.truncate(limits::SERVER_ADDRESSES);
                    if place.as_ref() == Some(&addresses) {
                        return;
                    }
                    *place = Some(addresses);
                }
                None if place.is_some() => return,
                None => *place = Some(Vec::new()),
            }
        }
        self.refresh(&self.targets());
    }

    fn refresh(&self, known: &[Arc<Target>]) {
        let resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = Vec::new();
        for (server, addresses) in self.settings.servers.iter().zip(resolved.iter()) {
            let mut add = |address, is_standby| {
                let target = Target::of(address, server, &self.settings, known, &self.metrics);
                list.extend(target.map(|target| Member {
                    target,
                    weight: server.weight,
                    is_standby,
                }));
            };
            match &server.endpoint {
                Endpoint::Unix(path) => add(Address::Unix(path.clone()), false),
                Endpoint::Tcp { port, .. } => {
                    let addresses = addresses.as_deref().unwrap_or_default();
                    let has_v4 = addresses.iter().any(IpAddr::is_ipv4);
                    for ip in addresses {
                        let address = Address::Tcp(SocketAddr::new(*ip, *port));
                        add(address, has_v4 && ip.is_ipv6());
                    }
                }
            }
        }
        let are_settled = resolved.iter().all(Option::is_some);
        self.members.send_replace(Members { list: list.into(), are_settled });
    }

    /// A server answered well.
    pub(super) fn succeeded(&self, target: &Target) {
        target.standing.succeeded(&self.settings.eject);
    }

    /// A server failed: no connection, no response, a broken one, or one whose status says so.
    pub(super) fn failed(&self, target: &Target) {
        let rule = &self.settings.eject;
        let Some(time) = target.standing.failed(rule, Moment::now(), || self.may_eject()) else {
            return;
        };
        self.metrics.upstream_ejections.with_label_values(&[&self.settings.name]).inc();
        target.show();
        tracing::warn!(
            upstream = self.settings.name,
            server = target.name,
            seconds = time.as_secs_f64(),
            "the server failed too often in a row and gets no requests for a while; look at it"
        );
    }

    /// Whether one more server may be ejected.
    fn may_eject(&self) -> bool {
        let members = self.members.borrow();
        let total = members.list.len();
        let away = members.list.iter().filter(|m| !m.target.standing.is_available()).count();
        let share = total.saturating_mul(self.settings.eject.max_share as usize) / 100;
        // Of two servers one may always go, and the last one never.
        away < share.max(1).min(total.saturating_sub(1))
    }

    /// Health checks found this of a server.
    pub(super) fn found(&self, target: &Target, is_well: bool, problem: &str) {
        if !target.standing.found(is_well) {
            return;
        }
        target.show();
        let (upstream, server) = (&self.settings.name, &target.name);
        if is_well {
            tracing::info!(upstream, server, "the server is well again and gets requests");
        } else {
            tracing::warn!(
                upstream,
                server,
                problem,
                "the server failed its health checks and gets no requests; look at it"
            );
        }
    }
}
