//! The embedded store.

mod suite;

use std::path::PathBuf;
use std::sync::Arc;

use leakgate::store::{self, KeySource, Opened, Store, StoreError};

/// A store in a directory of its own.
pub struct Fresh {
    directory: tempfile::TempDir,
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
    Fresh { directory, store: opened.store }
}

async fn open(path: &std::path::Path) -> Result<Opened, StoreError> {
    store::open(&url(path), KeySource::File).await
}

fn url(path: &std::path::Path) -> String {
    format!("sqlite:{}", path.display())
}

fn database(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("leakgate.db")
}
