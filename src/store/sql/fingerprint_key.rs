//! The key of fingerprints, which is made once for a store and kept in it, sealed.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::database::{Connection, query};
use crate::model::fingerprint::FingerprintKey;
use crate::store::StoreError;
use crate::store::seal::DataKey;

/// The name under which the key stands in `meta`, and what it is bound to.
const FINGERPRINT_KEY: &str = "fingerprint_key";

/// The key, made where there is none yet.
pub(super) async fn of_fingerprints(
    connection: &mut dyn Connection,
    data_key: &DataKey,
) -> Result<FingerprintKey, StoreError> {
    match stored(connection, data_key).await? {
        Some(key) => Ok(key),
        None => make(connection, data_key).await,
    }
}

/// The key of fingerprints, where there is one. That it opens is what tells a right key.
pub(super) async fn stored(
    connection: &mut dyn Connection,
    data_key: &DataKey,
) -> Result<Option<FingerprintKey>, StoreError> {
    let row = query("SELECT value FROM meta WHERE name = $1")
        .bind(FINGERPRINT_KEY)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let plain = data_key
        .open(FINGERPRINT_KEY.as_bytes(), row.try_get("value")?)
        .ok_or(StoreError::WrongKey)?;
    let bytes: &[u8; 32] = plain.as_slice().try_into().map_err(|_| StoreError::WrongKey)?;
    Ok(Some(FingerprintKey::new(bytes)))
}

async fn make(
    connection: &mut dyn Connection,
    data_key: &DataKey,
) -> Result<FingerprintKey, StoreError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::fill(bytes.as_mut_slice())
        .map_err(|_| StoreError::Failed("the system gave no random bytes".to_owned()))?;
    let sealed = data_key.seal(FINGERPRINT_KEY.as_bytes(), bytes.as_slice())?;
    query("INSERT INTO meta (name, value) VALUES ($1, $2)")
        .bind(FINGERPRINT_KEY)
        .bind(sealed)
        .execute(connection)
        .await?;
    Ok(FingerprintKey::new(&bytes))
}
