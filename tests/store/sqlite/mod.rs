//! The embedded store.

mod suite;

use std::sync::Arc;

use leakgate::store::{self, KeySource, Store};

/// A store in a directory of its own.
pub struct Fresh {
    _directory: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Fresh {
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }
}

pub async fn fresh() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("leakgate.db").display());
    let opened = store::open(&url, KeySource::File).await.unwrap();
    Fresh { _directory: directory, store: opened.store }
}
