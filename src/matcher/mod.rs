//! The matcher: a set of tokens, compiled to an immutable [`Patchset`], and scanned for in text
//! given whole or in chunks. Knows no HTTP, does no I/O.
//!
//! Tokens are long, so the text is sampled. Each token is recognised by one short window of it, the
//! one that looks rarest; the window's grams are in a Bloom filter, hashed under a secret seed, and
//! the text is probed at every few bytes. A hit leads to the record of the token whose window it
//! may be, and the whole span is verified by a keyed digest. So a patchset holds no token text, and
//! a text without tokens costs a probe every few bytes, whatever the number of tokens.

mod anchor;
mod builder;
mod carry;
mod class;
mod digest;
mod engine;
mod filter;
mod found;
mod handle;
mod jwt;
mod keys;
mod kinds;
#[cfg(test)]
mod naive;
mod pages;
mod patchset;
mod probe;
mod rebuild;
mod record;
mod records;
mod rulebook;
mod shared;
mod spelling;
mod stream;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use found::{Match, TokenIndex};
pub use handle::PatchsetHandle;
pub use patchset::{Patchset, Rule, TokenInfo};
pub use rebuild::{Rebuild, Rebuilt};
pub use records::{Encoded, Records, RecordsError};
pub use stream::StreamScanner;
pub use writer::PatchsetWriter;
