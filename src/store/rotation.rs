//! Rotation of the key that everything secret in a store is sealed under, while the store is in use.
//!
//! From its beginning on, what is new is sealed under the new key; what is there already is sealed
//! anew, batch by batch. Each value says which key it is sealed under, so a rotation that was cut off
//! goes on where it was, and the old key is needed until it is over. The key of fingerprints stays the
//! same: it is only sealed anew.

use async_trait::async_trait;

use super::StoreError;
use crate::model::ids::TokenId;
use crate::model::role::Actor;

/// How the keys of a store stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyState {
    /// The generation of the key that is in use; 1 at first, and never more than 255.
    pub generation: u8,
    /// Whether something may be sealed under the key before it.
    pub rotating: bool,
    /// Tokens in the store.
    pub tokens: u64,
}

/// A part of what was to be sealed anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resealed {
    /// The last token that was looked at.
    pub last: TokenId,
    /// How many were looked at.
    pub tokens: u64,
}

/// The part of a store that has keys.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// How the keys stand.
    async fn key_state(&self) -> Result<KeyState, StoreError>;

    /// Goes over to the next key. Nothing happens where a rotation is under way.
    /// [`StoreError::NoNextKey`] where none was given.
    async fn begin_key_rotation(&self, actor: &Actor) -> Result<(), StoreError>;

    /// Seals the next tokens after this one anew; none where there are no more.
    async fn reseal(&self, after: Option<TokenId>) -> Result<Option<Resealed>, StoreError>;

    /// Ends the rotation where nothing is sealed under the old key any more, which is forgotten then.
    /// Answers whether that is so.
    async fn end_key_rotation(&self, actor: &Actor) -> Result<bool, StoreError>;
}
