//! The matcher: a set of tokens, compiled to an immutable [`Patchset`], and scanned for in text
//! given whole or in chunks. Knows no HTTP, does no I/O.

mod handle;
mod patchset;
mod scan;

pub use handle::PatchsetHandle;
pub use patchset::{Patchset, PatchsetWriter, Rule, TokenInfo};
pub use scan::{Match, StreamScanner, TokenIndex};
