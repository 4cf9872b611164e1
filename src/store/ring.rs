//! The keys that a store is sealed under: one, and while they are rotated, two.
//!
//! Each sealed value begins with the number of its key's generation. Whoever seals takes the generation
//! that the store itself says is current, so that all processes of a store go over to a new key at
//! once.

use std::sync::{Arc, PoisonError, RwLock};

use super::StoreError;
use super::seal::DataKey;
use crate::config::limits;
use crate::model::ids::TokenId;
use crate::model::token::TokenMaterial;

/// The generation of a store's first key.
pub(super) const FIRST: u8 = 1;

/// The generation after this one. There are never more than two at a time.
pub(super) fn after(generation: u8) -> u8 {
    if generation == u8::MAX { FIRST } else { generation + 1 }
}

/// The generation before this one.
pub(super) fn before(generation: u8) -> u8 {
    if generation <= FIRST { u8::MAX } else { generation - 1 }
}

/// How many generations one is before another.
fn age(generation: u8, current: u8) -> u8 {
    let behind = i16::from(current) - i16::from(generation);
    u8::try_from(behind.rem_euclid(i16::from(u8::MAX))).unwrap_or(u8::MAX)
}

/// The keys that were handed to a process.
pub(super) struct Given {
    pub(super) main: DataKey,
    /// The one before it, or none.
    pub(super) old: Option<DataKey>,
}

/// The keys by their generation.
pub(super) struct Keyring(RwLock<Vec<(u8, Arc<DataKey>)>>);

/// What seals.
pub(super) struct Sealer {
    generation: u8,
    key: Arc<DataKey>,
}

impl Sealer {
    /// Seals a token, bound to its id.
    pub(super) fn seal_token(
        &self,
        id: TokenId,
        material: &TokenMaterial,
    ) -> Result<Vec<u8>, StoreError> {
        self.key.seal_token(self.generation, id, material)
    }

    /// Seals any other value, bound to its name.
    pub(super) fn seal(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.key.seal(self.generation, name.as_bytes(), plain)
    }
}

impl Keyring {
    pub(super) fn new(keys: impl IntoIterator<Item = (u8, DataKey)>) -> Self {
        Self(RwLock::new(keys.into_iter().map(|(number, key)| (number, Arc::new(key))).collect()))
    }

    fn get(&self, generation: u8) -> Option<Arc<DataKey>> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|(number, _)| *number == generation).map(|(_, key)| Arc::clone(key))
    }

    pub(super) fn has(&self, generation: u8) -> bool {
        self.get(generation).is_some()
    }

    pub(super) fn add(&self, generation: u8, key: DataKey) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|(number, _)| *number != generation);
        keys.push((generation, Arc::new(key)));
    }

    /// Forgets all but this one and the few before it, for whoever has read a value just before it was
    /// sealed anew.
    pub(super) fn forget_before(&self, generation: u8) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|(number, _)| age(*number, generation) < limits::KEYS_KEPT);
    }

    /// What seals under the key of this generation.
    pub(super) fn sealer(&self, generation: u8) -> Result<Sealer, StoreError> {
        let key = self.get(generation).ok_or_else(missing)?;
        Ok(Sealer { generation, key })
    }

    /// Opens what was sealed under any of the keys.
    pub(super) fn open(
        &self,
        name: &str,
        sealed: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, StoreError> {
        let key = self.get(generation_of(sealed)?).ok_or_else(missing)?;
        key.open(name.as_bytes(), sealed).ok_or(StoreError::WrongKey)
    }

    /// Opens a token.
    pub(super) fn open_token(
        &self,
        id: TokenId,
        sealed: &[u8],
    ) -> Result<TokenMaterial, StoreError> {
        self.get(generation_of(sealed)?).ok_or_else(missing)?.open_token(id, sealed)
    }
}

/// The generation of the key that something was sealed under.
pub(super) fn generation_of(sealed: &[u8]) -> Result<u8, StoreError> {
    sealed.first().copied().ok_or_else(|| {
        StoreError::Unusable(
            "a sealed value is empty: put back a backup of the database".to_owned(),
        )
    })
}

fn missing() -> StoreError {
    StoreError::Unusable(
        "the store has gone over to a key that this process does not have: start it again with the new one as LEAKGATE_KEY, and the one before as LEAKGATE_OLD_KEY until `leakgate keys status` says that nothing is sealed under that any more"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    fn key(fill: char) -> DataKey {
        DataKey::derive(&Secret::from(fill.to_string().repeat(32))).unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_by_the_key_of_its_generation() {
        let ring = Keyring::new([(1, key('a')), (2, key('b'))]);
        for generation in [1, 2] {
            let sealed = ring.sealer(generation).unwrap().seal("name", b"plain").unwrap();
            assert_eq!(generation_of(&sealed).unwrap(), generation);
            assert_eq!(ring.open("name", &sealed).unwrap().as_slice(), b"plain");
            let mut other = sealed.clone();
            other[0] = 3 - generation;
            assert!(ring.open("name", &other).is_err());
        }
        let old = ring.sealer(1).unwrap().seal("name", b"plain").unwrap();
        ring.forget_before(2);
        assert_eq!(ring.open("name", &old).unwrap().as_slice(), b"plain", "read before its end");
        ring.forget_before(1 + limits::KEYS_KEPT);
        let error = ring.open("name", &old).unwrap_err().to_string();
        assert!(error.contains("LEAKGATE_OLD_KEY"), "{error}");
        assert!(ring.sealer(1).is_err() && ring.has(2), "one before is kept");
        assert!(ring.open("name", &[]).is_err());
    }

    #[test]
    fn generations_go_round() {
        assert_eq!((after(1), after(255), before(1), before(2)), (2, 1, 255, 1));
        assert_eq!((age(3, 3), age(2, 3), age(255, 1), age(254, 2), age(4, 3)), (0, 1, 1, 3, 254));
    }
}
