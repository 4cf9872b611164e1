//! The compiled set of all virtual patches.

use std::sync::Arc;

use jiff::Timestamp;

use super::digest::{DigestScanner, Digests};
use super::engine::Engine;
use super::found::{Match, TokenIndex};
use super::keys::Keys;
use super::rulebook::Rulebook;
use super::shared::Shared;
use super::verify::{Finding, Verifier, View};
use crate::config::limits::{DIGEST_CANDIDATE_BYTES, TOKEN_BYTES_APPLICABLE};
use crate::model::fingerprint::Fingerprint;
use crate::model::ids::{LeakId, PatchId, TokenId};
use crate::model::rule::{Action, Scope};
use crate::model::tenant::Owner;

/// What one leak asks for its tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The leak.
    pub leak: LeakId,
    /// The tenant, on whose routes alone it acts.
    pub owner: Owner,
    /// Its virtual patch, where it has one.
    pub patch: Option<PatchId>,
    /// What is done.
    pub action: Action,
    /// Where the action is done; elsewhere, the leak is only observed.
    pub scope: Scope,
    /// When the patch ends by itself: from then on the leak is only observed.
    pub expires_at: Option<Timestamp>,
    /// Until when the leak is watched at all; absent: without end.
    pub watch_until: Option<Timestamp>,
}

impl Rule {
    /// A rule of the default tenant, without a patch, that acts everywhere and has no end.
    pub fn new(leak: LeakId, action: Action) -> Self {
        Self {
            leak,
            owner: Owner::default(),
            patch: None,
            action,
            scope: Scope::default(),
            expires_at: None,
            watch_until: None,
        }
    }
}

/// What is known of a token that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenInfo {
    /// Its id.
    pub id: TokenId,
    /// What stands for it in records.
    pub fingerprint: Fingerprint,
}

/// An immutable, versioned set of tokens and rules. Holds no token text.
///
/// What has not changed between two versions of one writer is shared by them.
pub struct Patchset {
    pub(super) version: u64,
    pub(super) engine: Engine,
    pub(super) digests: Arc<Digests>,
    pub(super) tokens: Shared<TokenInfo>,
    pub(super) rulebook: Rulebook,
    pub(super) token_count: usize,
    pub(super) longest: usize,
    pub(super) shortest: usize,
    pub(super) shortest_signature: usize,
    pub(super) alphabet: [u64; 4],
    pub(super) minds_borders: bool,
}

impl Patchset {
    /// A patchset without tokens.
    pub fn empty() -> Self {
        Self::with_keys(Keys::random())
    }

    /// A patchset without tokens, under these keys.
    pub(super) fn with_keys(keys: Keys) -> Self {
        Self {
            version: 0,
            engine: Engine::new(keys),
            digests: Arc::default(),
            tokens: Shared::new(),
            rulebook: Rulebook::new(),
            token_count: 0,
            longest: 0,
            shortest: 0,
            shortest_signature: 0,
            alphabet: [0; 4],
            minds_borders: false,
        }
    }

    /// Counts up with each build of one writer.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many tokens it holds.
    pub fn token_count(&self) -> usize {
        self.token_count
    }

    /// Length in bytes of the longest token whose text was given, 0 where there is none: no match
    /// of such a token is longer, and as much has to be kept between two pieces of a text. A token
    /// given as a digest is found up to [`DIGEST_CANDIDATE_BYTES`], which this does not count.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Length in bytes of the shortest token, or the shortest value that is looked up among the
    /// digests; nothing where there are no tokens.
    pub fn shortest(&self) -> Option<usize> {
        let text = Some(self.shortest).filter(|length| *length != 0);
        let digest = self.digests().map(|_| TOKEN_BYTES_APPLICABLE);
        text.into_iter().chain(digest).min()
    }

    /// Length in bytes of the shortest signature by which a JWT is recognised, beside its text;
    /// nothing where there is none. It does not count in [`Self::alphabet`]: signatures are to be
    /// looked for in what base64 and hex decode to.
    pub fn shortest_signature(&self) -> Option<usize> {
        Some(self.shortest_signature).filter(|length| *length != 0)
    }

    /// How many bytes, at most, decide whether a token stands at a place: the longest token, or the
    /// longest value that is looked up among the digests, with a byte on either side.
    pub fn reach(&self) -> usize {
        let digests = self.digests().map_or(0, |_| DIGEST_CANDIDATE_BYTES);
        self.longest.max(digests) + 2
    }

    /// The byte values that its tokens are made of, or more: bit `b % 64` of word `b / 64` for byte
    /// `b`. All of them where there are tokens given as digests.
    pub fn alphabet(&self) -> [u64; 4] {
        if self.digests().is_some() { [u64::MAX; 4] } else { self.alphabet }
    }

    /// The byte values that its tokens whose text was given are made of, or more.
    pub fn text_alphabet(&self) -> [u64; 4] {
        self.alphabet
    }

    /// Whether it has tokens given as digests.
    pub fn has_digests(&self) -> bool {
        self.digests().is_some()
    }

    /// Whether it has tokens that are found only where nothing that might go on with them stands
    /// beside them.
    pub fn minds_borders(&self) -> bool {
        self.minds_borders
    }

    /// Whether the rule of any leak that has tokens here blocks, in any scope.
    pub fn any_blocking(&self) -> bool {
        self.rulebook.any_blocking()
    }

    /// Memory it takes, in bytes. What it shares with other versions counts in each.
    pub fn memory_bytes(&self) -> usize {
        self.engine.memory_bytes()
            + self.digests.memory_bytes()
            + self.tokens.memory_bytes()
            + self.rulebook.memory_bytes()
    }

    /// The token at this place.
    pub fn token(&self, index: TokenIndex) -> Option<TokenInfo> {
        self.tokens.get(index.0 as usize).filter(|_| self.is_live(index.0)).copied()
    }

    /// The rules on the token at this place, one for each leak that has it.
    pub fn rules(&self, index: TokenIndex) -> impl Iterator<Item = &Rule> {
        self.rulebook.rules(index.0)
    }

    /// Every rule in it, one for each leak.
    pub fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        self.rulebook.all_rules()
    }

    /// Reports each occurrence of each token in a text given whole, in no particular order.
    ///
    /// A token of 16 bytes and more is found anywhere; a shorter one only where no letter, digit,
    /// `-` or `_` stands beside it; unless its rules ask otherwise. A token given as a digest is found where it is a whole
    /// delimited value.
    pub fn scan(&self, text: &[u8], found: &mut dyn FnMut(Match)) {
        if self.has_texts() {
            let view = View { before: &[], after: text };
            let mut verifier = Verifier::new(&self.engine.keys, &self.rulebook);
            self.engine.scan(text, &mut |window, record| {
                let Some(start) = window.checked_sub(usize::from(record.offset)) else { return };
                if let Finding::Match | Finding::Open = verifier.examine(view, start, record)
                    && self.is_live(record.token)
                {
                    let end = (start + usize::from(record.length)) as u64;
                    found(Match { token: TokenIndex(record.token), start: start as u64, end });
                }
            });
        }
        if let Some(digests) = self.digests() {
            let mut report = |value: &[u8], start: u64| {
                for token in digests.find(&self.engine.keys, value) {
                    found(Match { token, start, end: start + value.len() as u64 });
                }
            };
            let mut scanner = DigestScanner::new();
            scanner.feed(text, &mut report);
            scanner.settle(&mut report);
        }
    }

    /// Whether it has tokens whose text was given.
    #[inline]
    pub(super) fn has_texts(&self) -> bool {
        self.longest != 0
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.engine.keys
    }

    /// The tokens given as digests, where there are any.
    #[inline]
    pub(super) fn digests(&self) -> Option<&Digests> {
        (!self.digests.is_empty()).then_some(&*self.digests)
    }

    /// Whether the token in this slot has not been taken out.
    #[inline]
    pub(super) fn is_live(&self, token: u32) -> bool {
        self.rulebook.is_live(token)
    }
}
