//! SIGHUP: the configuration is read again, and what of it can change in a running process does.

use std::sync::Arc;

use super::explain::Explainer;
use super::{Failure, service_manager};
use crate::config::Config;
use crate::proxy::{Reloader, StartError};
use crate::telemetry::metrics::Metrics;

/// What a reload changes.
pub(super) struct Reload {
    /// The configuration in force, with what of it was kept.
    pub(super) running: Config,
    pub(super) gateway: Arc<Reloader>,
    pub(super) explainer: Arc<Explainer>,
    pub(super) metrics: Arc<Metrics>,
}

impl Reload {
    /// Puts a configuration that was read again in force, or says why not and changes nothing.
    pub(super) async fn take(&mut self, again: Result<Config, Failure>) {
        service_manager::reloading();
        let result = match again {
            Ok(config) => self.apply(config).await,
            Err(failure) => Err(failure),
        };
        let result = match result {
            Ok(()) => "ok",
            Err(failure) => {
                tracing::error!("SIGHUP: {failure}; the process keeps the configuration it has");
                "failed"
            }
        };
        self.metrics.config_reloads.with_label_values(&[result]).inc();
        service_manager::ready();
    }

    async fn apply(&mut self, config: Config) -> Result<(), Failure> {
        let mut kept = self.kept_sections(&config);
        kept.extend(self.gateway.reload(config.gateway.clone()).await.map_err(StartError::from)?);
        self.explainer.follow(&config.gateway);
        self.running.gateway = config.gateway;
        for key in kept {
            tracing::warn!("SIGHUP: {key} cannot change without a restart; the old one is kept");
        }
        tracing::info!("SIGHUP: the configuration is in force");
        Ok(())
    }

    /// What of the process outside the gateway would change.
    fn kept_sections(&self, config: &Config) -> Vec<&'static str> {
        let running = &self.running;
        let differs = [
            ("control", config.control != running.control),
            ("store", config.store != running.store),
            ("events", config.events != running.events),
            ("sinks", config.sinks != running.sinks),
            ("log", config.log != running.log),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(section, _)| section).collect()
    }
}
