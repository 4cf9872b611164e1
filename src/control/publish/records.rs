//! What of the working copy a gateway pulls: the rules of its tenant, and their tokens, as records.

use tokio::sync::watch;
use uuid::Uuid;

use super::Publisher;
use super::working::Working;
use crate::matcher::{Encoded, Records};
use crate::model::secret::Secret;
use crate::model::tenant::TenantKey;

/// A tenant's part of the working copy at one moment.
pub(in crate::control) struct TenantRecords {
    /// Stands for what is in it: another one after each change of it, and in each process.
    pub(in crate::control) tag: String,
    tenant: TenantKey,
    version: u64,
    records: Records,
}

impl TenantRecords {
    /// Its bytes, piece by piece. Not for a thread that serves calls: it sorts all tokens first.
    pub(in crate::control) fn encode(self) -> Encoded {
        let tenant = self.tenant;
        self.records.encode(self.version, move |rule| rule.owner.key == tenant)
    }
}

impl Publisher {
    /// What tells of each patchset that is put in force from now on.
    pub(in crate::control) fn published(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// The tag of what there is of a tenant now.
    pub(in crate::control) async fn tag(&self, tenant: &str) -> String {
        self.tag_of(&*self.working.lock().await, tenant)
    }

    /// What there is of a tenant now, and its tag. The working copy is locked only while it is
    /// copied, which shares nearly all of it.
    pub(in crate::control) async fn records(&self, tenant: &str) -> TenantRecords {
        let working = self.working.lock().await;
        let key = TenantKey::of(tenant);
        TenantRecords {
            tag: self.tag_of(&working, tenant),
            tenant: key,
            version: working.version(key),
            records: working.writer.records(),
        }
    }

    /// A hash, so that it tells nobody how much was changed.
    fn tag_of(&self, working: &Working, tenant: &str) -> String {
        let version = working.version(TenantKey::of(tenant));
        let mut text = self.process.as_bytes().to_vec();
        text.extend(version.to_le_bytes());
        text.extend(tenant.as_bytes());
        let digest = Secret::new(text).digest();
        let half = digest.0.iter().take(16);
        half.fold(String::new(), |tag, byte| tag + &format!("{byte:02x}"))
    }
}

/// What tells this process from all others, and from itself before it was started again.
pub(super) fn process() -> Uuid {
    Uuid::now_v7()
}
