//! `leakgate serve`: both halves in one process, until a signal ends it.

use super::process::{Again, Process, Start};
use super::say::say;
use super::signals::Signals;
use super::{Failure, descriptors, service_manager};
use crate::config::{Config, Listener};
use crate::control::{Bootstrapped, FirstStart};
use crate::model::secret::Secret;
use crate::proxy::PassedSockets;
use crate::store::KeySource;
use crate::telemetry::logs;

/// Runs until a signal ends it. `again` reads the configuration anew, for SIGHUP.
///
/// # Errors
/// What kept it from starting, or broke it.
pub(super) async fn run(
    config: Config,
    passed: PassedSockets,
    again: &Again<'_>,
) -> Result<(), Failure> {
    logs::start(&config.log)?;
    descriptors::raise(config.gateway.connections.limit);
    let mut signals = Signals::catch().map_err(Failure::Signals)?;
    let start = Start {
        passed,
        key: KeySource::from_environment(secret("LEAKGATE_KEY"), secret("LEAKGATE_OLD_KEY")),
        admin: FirstStart {
            admin_password: secret("LEAKGATE_ADMIN_PASSWORD"),
            admin_token: secret("LEAKGATE_ADMIN_TOKEN"),
        },
        tell: |notice| say(format!("leakgate: {notice}")),
    };
    let mut process = Process::start(config, start).await?;
    announce(&process);
    service_manager::ready();
    let watching = tokio::spawn(service_manager::watch(process.reloader()));
    let ended = process.wait(&mut signals, Some(again)).await;
    say("leakgate: draining");
    service_manager::stopping();
    let drained = tokio::select! {
        drained = process.drain(ended) => drained,
        () = signals.end() => Err(Failure::Cut),
    };
    watching.abort();
    drained
}

/// A secret out of the environment.
pub(super) fn secret(name: &str) -> Option<Secret> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(Secret::from)
}

fn announce(process: &Process) {
    say(format!("leakgate {}", env!("CARGO_PKG_VERSION")));
    for listener in process.listeners() {
        say(format!("  gateway listening on {}", shown(listener)));
    }
    say(format!("  control plane listening on http://{}", process.control_address()));
    say(format!("  console at http://{}/, for users such as admin", process.control_address()));
    if let Some(address) = process.admin_address() {
        say(format!("  metrics and health listening on http://{address}"));
    }
    let Bootstrapped { password, api_token, weak_token, revoked_token, .. } = &process.bootstrapped;
    if let Some(password) = password {
        once("administrator admin, password", password);
    }
    if let Some(token) = api_token {
        once("administrator's API token, LEAKGATE_TOKEN", token);
    }
    if *weak_token {
        say(
            "  LEAKGATE_ADMIN_TOKEN is short enough to be guessed: make one with openssl rand -hex 32",
        );
    }
    if *revoked_token {
        say("  LEAKGATE_ADMIN_TOKEN was revoked earlier and does not work: set another one");
    }
    say("  ready");
}

/// A listener as a URL, where it has one.
fn shown(listener: &Listener) -> String {
    let scheme = if listener.tls { "https" } else { "http" };
    match listener.address() {
        Some(address) if !listener.proxy_protocol => format!("{scheme}://{address}"),
        _ => listener.to_string(),
    }
}

/// The one place where a secret of our own making is shown, once.
fn once(what: &str, secret: &Secret) {
    say(format!("  first start: {what}: {}", String::from_utf8_lossy(secret.expose())));
    say("               shown this once and kept nowhere: write it down");
}
