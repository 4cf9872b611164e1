//! The store of PostgreSQL.

mod hanging;
mod kill;
mod opening;
mod risk;
mod suite;
mod volume;

use std::sync::Arc;

use leakgate::store::{self, Opened, Store, StoreError};

use crate::databases::{Database, key};

/// A store in a database of its own.
pub struct Fresh {
    database: Database,
    store: Arc<dyn Store>,
}

impl Fresh {
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    pub async fn end(self) {
        self.store.close().await;
        self.database.end().await;
    }
}

pub async fn fresh() -> Fresh {
    let database = Database::new().await;
    let store = open(database.url()).await.unwrap().store;
    Fresh { database, store }
}

async fn open(url: &str) -> Result<Opened, StoreError> {
    store::open(url, key()).await
}
