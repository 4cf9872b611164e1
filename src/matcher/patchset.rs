//! The compiled set of all virtual patches, and the working copy it is built from.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::scan::{Match, TokenIndex};
use crate::model::fingerprint::Fingerprint;
use crate::model::ids::{LeakId, PatchId, TokenId};
use crate::model::rule::{Action, Scope};
use crate::model::token::TokenMaterial;

/// What one leak asks for its tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The leak.
    pub leak: LeakId,
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

/// What is known of a token that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenInfo {
    /// Its id.
    pub id: TokenId,
    /// What stands for it in records.
    pub fingerprint: Fingerprint,
}

/// An immutable, versioned set of tokens and rules. Holds no token text.
pub struct Patchset {
    version: u64,
    tokens: Vec<(TokenInfo, Vec<Arc<Rule>>, TokenMaterial)>,
}

impl Patchset {
    /// A patchset without tokens.
    pub fn empty() -> Self {
        Self { version: 0, tokens: Vec::new() }
    }

    /// Counts up with each build of one writer.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many tokens it holds.
    pub fn token_count(&self) -> usize {
        self.tokens.len()
    }

    /// Length of the longest token, in bytes.
    pub fn longest(&self) -> usize {
        self.tokens.iter().filter_map(|(.., material)| material.length()).max().unwrap_or_default()
    }

    /// The byte values that its tokens are made of, bit `b % 64` of word `b / 64` for byte `b`. All
    /// of them where that is not known, as of a token given as a digest.
    pub fn alphabet(&self) -> [u64; 4] {
        let mut words = [0_u64; 4];
        for (.., material) in &self.tokens {
            let TokenMaterial::Text(secret) = material else { return [u64::MAX; 4] };
            for &byte in secret.expose() {
                if let Some(word) = words.get_mut(usize::from(byte / 64)) {
                    *word |= 1 << (byte % 64);
                }
            }
        }
        words
    }

    /// Whether any rule in it blocks, in any scope.
    pub fn any_blocking(&self) -> bool {
        self.tokens.iter().any(|(_, rules, _)| rules.iter().any(|r| r.action == Action::Block))
    }

    /// Memory it takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        0
    }

    /// The token at this place.
    pub fn token(&self, index: TokenIndex) -> Option<TokenInfo> {
        self.tokens.get(index.0 as usize).map(|(info, ..)| *info)
    }

    /// The rules on the token at this place, one for each leak that has it.
    pub fn rules(&self, index: TokenIndex) -> impl Iterator<Item = &Rule> {
        self.tokens
            .get(index.0 as usize)
            .into_iter()
            .flat_map(|(_, rules, _)| rules.iter().map(AsRef::as_ref))
    }

    /// Every rule in it, one for each leak.
    pub fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        self.tokens.iter().flat_map(|(_, rules, _)| rules.iter().map(AsRef::as_ref))
    }

    /// Reports each occurrence of each token in a text given whole, in no particular order.
    pub fn scan(&self, text: &[u8], found: &mut dyn FnMut(Match)) {
        for (index, (_, _, material)) in self.tokens.iter().enumerate() {
            let TokenMaterial::Text(secret) = material else { continue };
            for start in memchr::memmem::find_iter(text, secret.expose()) {
                found(Match {
                    token: TokenIndex(index as u32),
                    start: start as u64,
                    end: (start + secret.len()) as u64,
                });
            }
        }
    }
}

/// The working copy: changed token by token and leak by leak, then built.
pub struct PatchsetWriter {
    version: u64,
    rules: HashMap<LeakId, Arc<Rule>>,
    tokens: HashMap<TokenId, (Fingerprint, TokenMaterial, Vec<LeakId>)>,
}

impl PatchsetWriter {
    /// An empty working copy with a secret seed of its own.
    pub fn new() -> Self {
        Self { version: 0, rules: HashMap::new(), tokens: HashMap::new() }
    }

    /// Sets what the leak asks for its tokens.
    pub fn set_rule(&mut self, rule: Rule) {
        self.rules.insert(rule.leak, Arc::new(rule));
    }

    /// Puts a token under the leak's rule. The token's text is not kept.
    pub fn add_token(
        &mut self,
        leak: LeakId,
        id: TokenId,
        fingerprint: Fingerprint,
        material: &TokenMaterial,
    ) {
        let entry =
            self.tokens.entry(id).or_insert_with(|| (fingerprint, material.clone(), Vec::new()));
        if !entry.2.contains(&leak) {
            entry.2.push(leak);
        }
    }

    /// Takes a token from under the leak's rule.
    pub fn remove_token(&mut self, leak: LeakId, id: TokenId) {
        if let Some(entry) = self.tokens.get_mut(&id) {
            entry.2.retain(|other| *other != leak);
            if entry.2.is_empty() {
                self.tokens.remove(&id);
            }
        }
    }

    /// Forgets the leak's rule, and takes all its tokens from under it.
    pub fn remove_leak(&mut self, leak: LeakId) {
        self.rules.remove(&leak);
        self.tokens.retain(|_, entry| {
            entry.2.retain(|other| *other != leak);
            !entry.2.is_empty()
        });
    }

    /// Compiles what is there now into the next version.
    pub fn build(&mut self) -> Arc<Patchset> {
        self.version += 1;
        let tokens = self
            .tokens
            .iter()
            .map(|(id, (fingerprint, material, leaks))| {
                let rules = leaks.iter().filter_map(|leak| self.rules.get(leak).cloned()).collect();
                (TokenInfo { id: *id, fingerprint: *fingerprint }, rules, material.clone())
            })
            .collect();
        Arc::new(Patchset { version: self.version, tokens })
    }
}

impl Default for PatchsetWriter {
    fn default() -> Self {
        Self::new()
    }
}
