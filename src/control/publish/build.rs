//! From the working copy to the patchset that is enforced.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::sync::OwnedMutexGuard;

use super::Publisher;
use super::working::Working;
use crate::control::problem::Problem;
use crate::matcher::Rebuild;

impl Publisher {
    /// Compiles the working copy, away from the threads that serve calls, and swaps it in.
    pub(super) async fn build(
        &self,
        mut working: OwnedMutexGuard<Working>,
    ) -> Result<OwnedMutexGuard<Working>, Problem> {
        let begun = Instant::now();
        let built = tokio::task::spawn_blocking(move || {
            let patchset = working.writer.build();
            (working, patchset)
        })
        .await;
        let Ok((mut working, patchset)) = built else {
            self.metrics.publish_failures.inc();
            return Err(Problem::not_enforced_yet());
        };
        working.built = working.changes;
        self.next_due.store(working.next_due(), Ordering::Release);
        let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.patchset_version.set(patchset.version().try_into().unwrap_or(i64::MAX));
        self.metrics.patchset_tokens.set(size(patchset.token_count()));
        self.metrics.patchset_bytes.set(size(patchset.memory_bytes()));
        self.handle.store(patchset);
        self.published.send_replace(working.built);
        self.metrics.publish.observe(begun.elapsed().as_secs_f64());
        if !working.rebuilding
            && let Some(rebuild) = working.writer.take_rebuild()
        {
            working.rebuilding = true;
            self.tasks.spawn(self.clone().rebuild(rebuild));
        }
        Ok(working)
    }

    /// Compiles what has changed little by little anew, while changes go on, and publishes it.
    fn rebuild(self, rebuild: Rebuild) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let begun = Instant::now();
            let rebuilt = tokio::task::spawn_blocking(move || rebuild.run()).await;
            let mut working = Arc::clone(&self.working).lock_owned().await;
            working.rebuilding = false;
            match rebuilt {
                Ok(rebuilt) => working.writer.adopt(rebuilt),
                // The next build finds it due again.
                Err(error) => return tracing::error!(%error, "a rebuild of the patchset broke off"),
            }
            if self.build(working).await.is_ok() {
                let ms = begun.elapsed().as_millis();
                tracing::info!(ms, "the patchset's tables were compiled anew");
            }
        })
    }
}
