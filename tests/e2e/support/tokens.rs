//! Tokens made at run time, so that none stands in the repository.

use std::hash::{BuildHasher, Hasher, RandomState};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A random token of `length` characters after `prefix`.
pub fn token(prefix: &str, length: usize) -> String {
    let mut text = prefix.to_owned();
    while text.len() < prefix.len() + length {
        let index = RandomState::new().build_hasher().finish() as usize % ALPHABET.len();
        text.push(char::from(ALPHABET[index]));
    }
    text
}
