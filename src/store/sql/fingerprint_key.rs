//! The key of fingerprints, which is made once for a store and kept in it, sealed. It never changes, so
//! that fingerprints keep their meaning; which key it is sealed under tells which one is in use.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::database::{Connection, query};
use super::rotation;
use crate::model::fingerprint::FingerprintKey;
use crate::store::StoreError;
use crate::store::ring::{self, Given, Keyring, generation_of};

/// The name under which the key stands in `meta`, and what it is bound to.
pub(super) const NAME: &str = "fingerprint_key";

/// The key, made where there is none yet, and the keys that were given, by their generation.
pub(super) async fn of_fingerprints(
    connection: &mut dyn Connection,
    given: Given,
) -> Result<(FingerprintKey, Keyring), StoreError> {
    if found(connection).await?.is_none() {
        return make(connection, given).await;
    }
    stored(connection, given).await?.ok_or(StoreError::WrongKey)
}

/// The same where there is one. That it opens is what tells a right key.
pub(super) async fn stored(
    connection: &mut dyn Connection,
    given: Given,
) -> Result<Option<(FingerprintKey, Keyring)>, StoreError> {
    let Some(sealed) = found(connection).await? else { return Ok(None) };
    let generation = generation_of(&sealed)?;
    let Given { main, old } = given;
    let is_main = main.open(NAME.as_bytes(), &sealed).is_some();
    let keys = if is_main {
        let old = old.map(|old| (ring::before(generation), old));
        Keyring::new([(generation, main)].into_iter().chain(old))
    } else {
        // The new one is not in use yet.
        let old = old.ok_or(StoreError::WrongKey)?;
        Keyring::new([(generation, old), (ring::after(generation), main)])
    };
    let plain = keys.open(NAME, &sealed)?;
    let bytes: &[u8; 32] = plain.as_slice().try_into().map_err(|_| StoreError::WrongKey)?;
    if rotation::is_under_way(connection).await? && !keys.has(ring::before(generation)) {
        return Err(StoreError::Unusable(
            "a rotation of keys is not over: some tokens are sealed under the key before this one; give that one as well, as LEAKGATE_OLD_KEY or in the file .key.old"
                .to_owned(),
        ));
    }
    Ok(Some((FingerprintKey::new(bytes), keys)))
}

/// The key as it stands in the store.
pub(super) async fn sealed(connection: &mut dyn Connection) -> Result<Vec<u8>, StoreError> {
    found(connection)
        .await?
        .ok_or_else(|| StoreError::Unusable("the store has no key of fingerprints".to_owned()))
}

async fn found(connection: &mut dyn Connection) -> Result<Option<Vec<u8>>, StoreError> {
    let row = query("SELECT value FROM meta WHERE name = $1")
        .bind(NAME)
        .fetch_optional(connection)
        .await?;
    row.map(|row| row.try_get("value")).transpose()
}

/// Whether a key is the one in use.
pub(super) async fn is_under(
    connection: &mut dyn Connection,
    key: &crate::store::seal::DataKey,
) -> Result<bool, StoreError> {
    let sealed = found(connection).await?;
    Ok(sealed.is_some_and(|sealed| key.open(NAME.as_bytes(), &sealed).is_some()))
}

async fn make(
    connection: &mut dyn Connection,
    given: Given,
) -> Result<(FingerprintKey, Keyring), StoreError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::fill(bytes.as_mut_slice())
        .map_err(|_| StoreError::Failed("the system gave no random bytes".to_owned()))?;
    let keys = Keyring::new([(ring::FIRST, given.main)]);
    let sealed = keys.sealer(ring::FIRST)?.seal(NAME, bytes.as_slice())?;
    query("INSERT INTO meta (name, value) VALUES ($1, $2)")
        .bind(NAME)
        .bind(sealed)
        .execute(connection)
        .await?;
    Ok((FingerprintKey::new(&bytes), keys))
}
