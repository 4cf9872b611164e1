//! All upstreams, as the whole process knows them, and the tasks that keep that up to date: names are
//! resolved again, and servers asked whether they are well.

use std::sync::Arc;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::checks;
use super::names::Names;
use super::roster::Roster;
use crate::config::{self, limits};
use crate::telemetry::metrics::Metrics;

/// The upstreams of one configuration, in its order.
pub(crate) struct Directory {
    pub(super) rosters: Vec<Arc<Roster>>,
    names: Arc<Names>,
    stop: CancellationToken,
}

impl Directory {
    /// With the servers of `before` that are the same, what is known of them, and the last addresses
    /// of names.
    pub(crate) fn new(
        config: &config::Gateway,
        before: Option<&Self>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let roster = |settings: &config::Upstream| {
            if settings.tls.as_ref().is_some_and(|tls| tls.insecure_skip_verify) {
                tracing::warn!(
                    upstream = settings.name,
                    "NOT VERIFYING the upstream's certificates: whoever is on the way can read and \
                     change everything; set tls.ca instead of tls.insecure_skip_verify"
                );
            }
            let of_same_name = before.and_then(|before| {
                before.rosters.iter().find(|roster| roster.settings.name == settings.name)
            });
            let timeouts = settings.timeouts.over(&config.timeouts);
            Arc::new(Roster::new(settings.clone(), timeouts, of_same_name.map(|r| &**r), metrics))
        };
        Self {
            rosters: config.upstreams.iter().map(roster).collect(),
            names: Arc::new(Names::new(config.dns.clone())),
            stop: CancellationToken::new(),
        }
    }

    /// Begins to keep it up to date, on the runtime in which this is called, until it is told to stop.
    pub(crate) fn start(&self) {
        let showing = show(self.rosters.clone());
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(showing));
        for roster in &self.rosters {
            for (index, name) in roster.names() {
                let (names, roster) = (Arc::clone(&self.names), Arc::clone(roster));
                let follow = async move { names.follow(&roster, index, &name).await };
                tokio::spawn(self.stop.clone().run_until_cancelled_owned(follow));
            }
            if let Some(health) = roster.settings.health.clone() {
                let checking = checks::run(Arc::clone(roster), health);
                tokio::spawn(self.stop.clone().run_until_cancelled_owned(checking));
            }
        }
    }

    /// Nothing is kept up to date from now on: another one takes its place.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

/// Shows which servers get requests: that an ejection is over comes about by itself.
async fn show(rosters: Vec<Arc<Roster>>) {
    let mut ticks = tokio::time::interval(limits::SERVERS_SHOWN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for target in rosters.iter().flat_map(|roster| roster.targets()) {
            target.show();
        }
    }
}
