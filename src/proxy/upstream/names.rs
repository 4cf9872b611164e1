//! Names of servers, resolved again when their records' time is over. A failure leaves the addresses
//! that were good last.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::sync::OnceCell;

use super::roster::Roster;
use crate::config::{Dns, limits};

/// Resolves names.
pub(super) struct Names {
    dns: Dns,
    resolver: OnceCell<TokioResolver>,
}

/// Why a name has no addresses.
#[derive(Debug, thiserror::Error)]
enum Unresolved {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("no answer within {0:?}")]
    Slow(Duration),
    #[error("the name has no address")]
    Empty,
}

impl Names {
    pub(super) fn new(dns: Dns) -> Self {
        Self { dns, resolver: OnceCell::new() }
    }

    /// Tells the roster of a name's addresses, again and again.
    pub(super) async fn follow(&self, roster: &Roster, index: usize, name: &str) {
        let mut failed = false;
        loop {
            let resolutions = &roster.metrics.upstream_resolutions;
            let wait = match self.resolve(name).await {
                Ok((addresses, ttl)) => {
                    resolutions.with_label_values(&["ok"]).inc();
                    if failed {
                        tracing::info!(name, "the upstream server's name is resolved again");
                    }
                    failed = false;
                    roster.resolved(index, Some(addresses));
                    ttl.clamp(self.dns.min_ttl, self.dns.max_ttl)
                }
                Err(error) => {
                    resolutions.with_label_values(&["failed"]).inc();
                    if !failed {
                        tracing::warn!(
                            name,
                            %error,
                            "cannot resolve the upstream server's name; its last addresses, if any, \
                             stay in use; look at the name servers (gateway.dns.servers)"
                        );
                    }
                    failed = true;
                    roster.resolved(index, None);
                    self.dns.min_ttl
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// The name's addresses, and how long they are good for.
    async fn resolve(&self, name: &str) -> Result<(Vec<IpAddr>, Duration), Unresolved> {
        // Made anew while it cannot be made, such as without a readable resolv.conf.
        let resolver = self.resolver.get_or_try_init(|| async { resolver(&self.dns) }).await?;
        let found = tokio::time::timeout(limits::DNS_TIMEOUT, resolver.lookup_ip(name))
            .await
            .map_err(|_| Unresolved::Slow(limits::DNS_TIMEOUT))??;
        let ttl = found.as_lookup().answers().iter().map(|record| record.ttl).min();
        let addresses: Vec<IpAddr> = found.iter().collect();
        match ttl {
            Some(ttl) if !addresses.is_empty() => {
                Ok((addresses, Duration::from_secs(u64::from(ttl))))
            }
            _ => Err(Unresolved::Empty),
        }
    }
}

fn resolver(dns: &Dns) -> Result<TokioResolver, NetError> {
    let provider = TokioRuntimeProvider::default();
    let mut builder = if dns.servers.is_empty() {
        TokioResolver::builder(provider)?
    } else {
        let servers = dns.servers.iter().map(|address| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
                way.port = address.port();
                way
            });
            NameServerConfig::new(address.ip(), true, connections.into())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        TokioResolver::builder_with_config(config, provider)
    };
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // Each name is asked for when its time is over, and kept here.
    options.cache_size = 0;
    builder.build()
}
