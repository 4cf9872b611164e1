//! What a scanner or a reporter says it found, before it is a leak.

use super::leak::{Risk, Source};
use super::secret::Secret;
use super::token::Validity;

/// One finding: tokens that belong together and where they were seen.
#[derive(Clone, Debug)]
pub struct Finding {
    /// A title for the leak, never with a token in it.
    pub title: String,
    /// What the reporter calls this kind of token, in its own words ([`kind::named`] makes a name of them);
    /// absent: told from the token's form.
    ///
    /// [`kind::named`]: super::kind::named
    pub kind: Option<String>,
    /// The risk, where the report tells one.
    pub risk: Option<Risk>,
    /// Whose tokens they are, where the report tells.
    pub owner: Option<String>,
    /// Where it was seen.
    pub source: Source,
    /// The tokens.
    pub tokens: Vec<Secret>,
    /// Whether the scanner found that it works.
    pub validity: Validity,
    /// The line (from 1) or item of the report, for answers about it.
    pub line: u64,
}

/// A part of a report that could not be taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedItem {
    /// The line (from 1) or item of the report.
    pub line: u64,
    /// Why, with nothing of the report's own text in it.
    pub reason: String,
}
