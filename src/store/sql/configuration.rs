//! What of the configuration decides by itself: its changes are in the audit log, as those of persons
//! are.

use std::collections::{BTreeMap, BTreeSet};

use super::audit::{Entry, record_entry};
use super::database::query;
use super::{SqlStore, changed, row};
use crate::model::clock;
use crate::model::role::Actor;
use crate::store::StoreError;

impl SqlStore {
    pub(super) async fn note_values(
        &self,
        name: &str,
        values: &BTreeMap<String, String>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let key = format!("configuration:{name}");
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let found = query("SELECT value FROM meta WHERE name = $1")
            .bind(&key)
            .fetch_optional(&mut transaction)
            .await?;
        let before: BTreeMap<String, String> = match found {
            Some(found) => {
                let json: &[u8] = found.try_get("value")?;
                serde_json::from_slice(json).unwrap_or_default()
            }
            None => BTreeMap::new(),
        };
        if before == *values {
            return Ok(());
        }
        let names: BTreeSet<&String> = before.keys().chain(values.keys()).collect();
        let fields = names.into_iter().filter_map(|name| {
            let (before, after) = (before.get(name).cloned(), values.get(name).cloned());
            (before != after).then(|| changed::field(name, before, after))
        });
        let entry = Entry {
            tenant: &actor.tenant,
            at,
            action: "configuration",
            object: Some(name),
            detail: None,
            changed: fields.collect(),
        };
        record_entry(&mut transaction, entry, actor).await?;
        query(
            "INSERT INTO meta (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(&key)
        .bind(row::to_json(values)?.into_bytes())
        .execute(&mut transaction)
        .await?;
        transaction.commit().await
    }
}
