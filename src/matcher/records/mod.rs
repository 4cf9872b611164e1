//! What travels of a patchset and may be stored: a versioned list of records, which whoever enforces
//! it compiles. No text of a token, and no digest of one that is not keyed.
//!
//! Numbers are little-endian, without padding:
//!
//! ```text
//! head:   magic (8), format (u32), version (u64), seed of the keys (64), alphabet (4 × u64)
//! rules:  count (u32), each: length (u32), JSON
//! tokens: count (u32), each: id (16), fingerprint (16), length of its text (u16, 0: a digest),
//!         length of its other spellings (u16, 0: none), of its signature (u16, 0: none),
//!         rules it is under: count (u32), each: place among the rules (u32), ascending
//!         a digest: keyed digest (16)
//!         a text:   count (u16), each text that finds it:
//!                   window (u32), offset (u16), length (u16), check (u32), keyed digest (16),
//!                   hashes of the window's grams (u32 each, as many as the length's class has)
//! end:    SHA-256 of all before it (32)
//! ```
//!
//! Who has records has the seed, and so the means to test guesses of their tokens: they are as secret
//! as the gateway that they are for.

mod read;
#[cfg(test)]
mod tests;
mod write;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::patchset::Rule;
use crate::model::ids::{LeakId, PatchId};
use crate::model::rule::{Action, Scope};
use crate::model::tenant::{Owner, is_tenant_id};

pub use write::{Encoded, Records};

/// How records begin.
const MAGIC: &[u8; 8] = b"lkgt.set";
/// The version of what follows.
const FORMAT: u32 = 1;
/// Bytes of the sum at the end.
const SUM_BYTES: usize = 32;

/// Why records were refused, whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordsError {
    /// They are of another kind.
    #[error("this is no patchset")]
    Foreign,
    /// They are of a version that this program does not read.
    #[error("the patchset is of format {0}, which this version of leakgate does not read")]
    Format(u32),
    /// They are cut off, or not as they were written.
    #[error("the patchset is cut off or damaged")]
    Damaged,
    /// They were written as they are, but say what cannot be.
    #[error("the patchset says what cannot be: {0}")]
    Malformed(&'static str),
}

/// A rule as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleRecord {
    leak: LeakId,
    tenant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patch: Option<PatchId>,
    action: Action,
    #[serde(default)]
    scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watch_until: Option<Timestamp>,
}

impl From<&Rule> for RuleRecord {
    fn from(rule: &Rule) -> Self {
        Self {
            leak: rule.leak,
            tenant: rule.owner.id.to_string(),
            patch: rule.patch,
            action: rule.action,
            scope: rule.scope.clone(),
            expires_at: rule.expires_at,
            watch_until: rule.watch_until,
        }
    }
}

impl RuleRecord {
    fn rule(self) -> Option<Rule> {
        is_tenant_id(&self.tenant).then(|| Rule {
            leak: self.leak,
            owner: Owner::of(&self.tenant),
            patch: self.patch,
            action: self.action,
            scope: self.scope,
            expires_at: self.expires_at,
            watch_until: self.watch_until,
        })
    }
}
