//! A server at one address, as the whole process knows it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::standing::Standing;
use crate::config::{self, Protocol, Scheme};
use crate::telemetry::metrics::Metrics;

/// Where a connection goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Which HTTP a connection is expected to speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Speaks {
    Http1,
    Http2,
    /// What TLS agrees on.
    Agreed,
}

/// TLS to a server.
#[derive(Debug)]
pub(super) struct TargetTls {
    pub(super) any: Arc<ClientConfig>,
    pub(super) http1: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// A server at one address. It outlives reloads of the configuration that leave it as it is.
pub(super) struct Target {
    identity: Identity,
    pub(super) address: Address,
    pub(super) speaks: Speaks,
    pub(super) tls: Option<TargetTls>,
    /// As log lines and metrics name it.
    pub(super) name: String,
    /// What it is called in `Host` where nobody asked for another.
    pub(super) authority: String,
    pub(super) upstream: String,
    pub(super) standing: Standing,
    metrics: Arc<Metrics>,
}

/// What makes two servers the same one, with the same connections.
#[derive(PartialEq, Eq, Debug)]
struct Identity {
    address: Address,
    scheme: Scheme,
    endpoint: config::Endpoint,
    protocol: Protocol,
    tls: Option<config::UpstreamTls>,
}

impl Identity {
    fn new(address: Address, server: &config::Server, upstream: &config::Upstream) -> Self {
        let tls = upstream.tls.clone().filter(|_| server.scheme == Scheme::Https);
        Self {
            address,
            scheme: server.scheme,
            endpoint: server.endpoint.clone(),
            protocol: upstream.protocol,
            tls,
        }
    }
}

impl Target {
    /// The server at this address: one of `known` where it is the same, else a new one. `None` where
    /// TLS has no name to ask for, which a checked configuration excludes.
    pub(super) fn of(
        address: Address,
        server: &config::Server,
        upstream: &config::Upstream,
        known: &[Arc<Self>],
        metrics: &Arc<Metrics>,
    ) -> Option<Arc<Self>> {
        let identity = Identity::new(address, server, upstream);
        if let Some(known) = known.iter().find(|target| target.identity == identity) {
            return Some(Arc::clone(known));
        }
        let speaks = match (server.scheme, upstream.protocol) {
            (Scheme::H2c, _) | (_, Protocol::Http2) => Speaks::Http2,
            (Scheme::Https, Protocol::Auto) => Speaks::Agreed,
            _ => Speaks::Http1,
        };
        let tls = match &identity.tls {
            Some(tls) => Some(TargetTls {
                any: Arc::clone(&tls.client.any),
                http1: Arc::clone(&tls.client.http1),
                name: server_name(tls, server)?,
            }),
            None => None,
        };
        let name = match &identity.address {
            Address::Tcp(address) if server.host() != Some(&address.ip().to_string()) => {
                format!("{server} ({})", address.ip())
            }
            _ => server.to_string(),
        };
        let authority = match server.host() {
            Some(_) => server.to_string(),
            None => "localhost".to_owned(),
        };
        let target = Self {
            address: identity.address.clone(),
            identity,
            speaks,
            tls,
            name,
            authority,
            upstream: upstream.name.clone(),
            standing: Standing::default(),
            metrics: Arc::clone(metrics),
        };
        target.show();
        Some(Arc::new(target))
    }

    /// Shows in the metrics whether it gets requests.
    pub(super) fn show(&self) {
        let up = &self.metrics.upstream_server_up;
        up.with_label_values(&[&self.upstream, &self.name])
            .set(i64::from(self.standing.is_available()));
    }
}

fn server_name(tls: &config::UpstreamTls, server: &config::Server) -> Option<ServerName<'static>> {
    let name = tls.server_name.as_deref().or(server.host())?;
    ServerName::try_from(name.to_owned()).ok()
}

impl Drop for Target {
    fn drop(&mut self) {
        // A series of a server that is gone would stay for ever.
        let _ = self.metrics.upstream_server_up.remove_label_values(&[&self.upstream, &self.name]);
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.name).finish()
    }
}
