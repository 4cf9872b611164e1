//! What systemd is told of the process (`sd_notify`), where it started it: ready, reloading, stopping,
//! and, where it watches, that every worker still answers.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::proxy::Reloader;

/// Tells it, where it is there. What cannot be told is said in a log line.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told of the process's state");
    }
}

/// The process is ready.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being read again, until [`ready`] is told.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The process drains and ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog, where there is one, twice in its time that all workers answer. A worker that
/// does not answer keeps the process from telling it, so that systemd starts it anew.
pub(super) async fn watch(gateway: Arc<Reloader>) {
    let Some(time) = sd_notify::watchdog_enabled().filter(|time| *time > Duration::ZERO) else {
        return;
    };
    let mut ticks = tokio::time::interval(time / 2);
    loop {
        ticks.tick().await;
        gateway.all_answer().await;
        tell(&[NotifyState::Watchdog]);
    }
}
