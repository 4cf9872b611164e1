//! The working copy of a patchset.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::builder::ClassBuilder;
use super::digest::Digests;
use super::engine::{Engine, Long, Middle, Short};
use super::jwt::{self, Signatures};
use super::keys::Keys;
use super::kinds::Kinds;
use super::patchset::{Patchset, Rule, TokenInfo};
use super::rebuild::{Rebuild, Rebuilt};
use super::records::Records;
use super::rulebook::RulebookWriter;
use super::shared::Shared;
use super::spelling::{Respelled, spellings};
use super::verify::FREE_STANDING;
use crate::config::limits::{TOKEN_BYTES, TOKEN_BYTES_FORCED};
use crate::model::fingerprint::Fingerprint;
use crate::model::ids::{LeakId, TokenId};
use crate::model::rule::Action;
use crate::model::token::TokenMaterial;

/// The length that stands for a token of which only the digest is known.
const DIGEST: u16 = 0;

/// The working copy: changed token by token and leak by leak, then built.
///
/// What a build costs goes with what has changed since the last one: a rule changes nothing but
/// itself, and a few tokens are put beside the many that are there.
pub struct PatchsetWriter {
    version: u64,
    keys: Keys,
    leaks: HashMap<Part, Leak, RandomState>,
    slots: HashMap<TokenId, u32, RandomState>,
    tokens: Shared<TokenInfo>,
    /// The length of each slot's token.
    lengths: Vec<u16>,
    /// Of what kinds of bytes each slot's texts are.
    kinds: Vec<Kinds>,
    /// How many tokens there are of each length, in any spelling.
    by_length: Vec<u32>,
    /// The signatures by which JWTs are recognised.
    signatures: Signatures,
    /// The other lengths that tokens have where they are spelled otherwise.
    respelled: Respelled,
    /// Whether a byte value is in any text there ever was.
    seen: [bool; 256],
    rulebook: RulebookWriter,
    digests: Arc<Digests>,
    /// Slots of digests that are to be taken out with the next build.
    retired: Vec<u32>,
    /// Slots that may be used again.
    free: Vec<u32>,
    long: ClassBuilder<8, 13>,
    middle: ClassBuilder<8, 5>,
    short: ClassBuilder<6, 3>,
    tiny: ClassBuilder<4, 3>,
}

/// A leak, and of a leak whose tokens are not all treated alike what is done with some of them.
type Part = (LeakId, Option<Action>);

/// What there can be of a leak beside its main part.
const APART: [Option<Action>; 3] =
    [Some(Action::Observe), Some(Action::Monitor), Some(Action::Block)];

/// A leak's place, and the slots of the tokens that have been under it; some may be there no more.
struct Leak {
    place: u32,
    tokens: Vec<u32>,
}

impl PatchsetWriter {
    /// An empty working copy with a secret seed of its own.
    pub fn new() -> Self {
        Self {
            version: 0,
            keys: Keys::random(),
            leaks: HashMap::default(),
            slots: HashMap::default(),
            tokens: Shared::new(),
            lengths: Vec::new(),
            kinds: Vec::new(),
            by_length: Vec::new(),
            signatures: Signatures::default(),
            respelled: Respelled::default(),
            seen: [false; 256],
            rulebook: RulebookWriter::new(),
            digests: Arc::default(),
            retired: Vec::new(),
            free: Vec::new(),
            long: ClassBuilder::new(),
            middle: ClassBuilder::new(),
            short: ClassBuilder::new(),
            tiny: ClassBuilder::new(),
        }
    }

    /// Sets what the leak asks for its tokens. Returns whether it asked for anything else before.
    pub fn set_rule(&mut self, rule: Rule) -> bool {
        let place = self.leak((rule.leak, None));
        if self.rulebook.book().rule(place) == Some(&rule) {
            return false;
        }
        self.rulebook.set_rule(place, Some(Arc::new(rule)));
        true
    }

    /// Puts some of the leak's tokens under rules of their own, and all others under the leak's:
    /// each token under the rule with its action. Returns whether any is or was under such a rule.
    pub fn set_apart(
        &mut self,
        leak: LeakId,
        rules: Vec<Rule>,
        tokens: &[(TokenId, Action)],
    ) -> bool {
        let gathered = self.gather(leak);
        let Some(main) = self.leaks.get(&(leak, None)).map(|leak| leak.place) else {
            return gathered;
        };
        let any = gathered || !rules.is_empty();
        for rule in rules {
            let place = self.leak((leak, Some(rule.action)));
            self.rulebook.set_rule(place, Some(Arc::new(rule)));
        }
        for (token, action) in tokens {
            let Some(slot) = self.slots.get(token).copied() else { continue };
            if !self.rulebook.book().leaks(slot).contains(&main) {
                continue;
            }
            let Some(part) = self.leaks.get_mut(&(leak, Some(*action))) else { continue };
            // First under the other one: a token that is under no leak is taken out.
            self.rulebook.add(slot, part.place);
            part.tokens.push(slot);
            self.rulebook.remove(slot, main);
        }
        any
    }

    /// Puts all tokens of a leak under its own rule. Says whether there were any parts.
    fn gather(&mut self, leak: LeakId) -> bool {
        let mut any = false;
        for part in APART {
            let Some(Leak { place, tokens }) = self.leaks.remove(&(leak, part)) else { continue };
            any = true;
            let main = self.leak((leak, None));
            for slot in tokens {
                if !self.rulebook.book().leaks(slot).contains(&place) {
                    continue;
                }
                if self.rulebook.add(slot, main)
                    && let Some(leak) = self.leaks.get_mut(&(leak, None))
                {
                    leak.tokens.push(slot);
                }
                self.rulebook.remove(slot, place);
            }
            self.rulebook.set_rule(place, None);
            self.rulebook.forget_leak(place);
        }
        any
    }

    /// Puts a token under the leak's rule. The token's text is not kept. One that is known by its
    /// digest becomes known by its text where that is given, not the other way round.
    ///
    /// Returns whether it is under the rule now: a text under [`TOKEN_BYTES_FORCED`] bytes or over
    /// [`TOKEN_BYTES`] is refused, and nothing changes.
    pub fn add_token(
        &mut self,
        leak: LeakId,
        id: TokenId,
        fingerprint: Fingerprint,
        material: &TokenMaterial,
    ) -> bool {
        let length = match material {
            TokenMaterial::Digest(_) => DIGEST,
            TokenMaterial::Text(text) => {
                let plausible = (TOKEN_BYTES_FORCED..=TOKEN_BYTES).contains(&text.len());
                match u16::try_from(text.len()) {
                    Ok(length) if plausible => length,
                    _ => return false,
                }
            }
        };
        let place = self.leak((leak, None));
        let info = TokenInfo { id, fingerprint };
        let next = self.next_slot();
        let slot = match self.slots.entry(id) {
            Entry::Vacant(vacant) => {
                vacant.insert(next);
                self.insert(info, material, length)
            }
            Entry::Occupied(known) => {
                let slot = *known.get();
                if length != DIGEST && self.length(slot) == Some(DIGEST) {
                    self.exchange(slot, info, material, length)
                } else {
                    slot
                }
            }
        };
        if self.rulebook.add(slot, place)
            && let Some(leak) = self.leaks.get_mut(&(leak, None))
        {
            leak.tokens.push(slot);
            // Places of tokens that were taken out are dropped before they outnumber the rest.
            let members = self.rulebook.members(place);
            if leak.tokens.len() > 2 * members + 8 {
                leak.tokens.sort_unstable();
                leak.tokens.dedup();
                let book = self.rulebook.book();
                leak.tokens.retain(|token| book.leaks(*token).contains(&place));
            }
        }
        true
    }

    /// Takes a token from under the leak's rule.
    pub fn remove_token(&mut self, leak: LeakId, id: TokenId) {
        for part in APART {
            let place = self.leaks.get(&(leak, part)).map(|leak| leak.place);
            if let (Some(place), Some(slot)) = (place, self.slots.get(&id).copied()) {
                self.take_out(slot, place);
            }
        }
        let place = self.leaks.get(&(leak, None)).map(|leak| leak.place);
        if let (Some(place), Some(slot)) = (place, self.slots.get(&id).copied()) {
            self.take_out(slot, place);
        }
        if let Some(place) = place
            && self.rulebook.members(place) == 0
            && !self.rulebook.has_rule(place)
        {
            self.leaks.remove(&(leak, None));
            self.rulebook.forget_leak(place);
        }
    }

    /// Forgets the leak's rule, and takes all its tokens from under it.
    pub fn remove_leak(&mut self, leak: LeakId) {
        self.gather(leak);
        let Some(Leak { place, tokens }) = self.leaks.remove(&(leak, None)) else { return };
        for slot in tokens {
            self.take_out(slot, place);
        }
        self.rulebook.set_rule(place, None);
        self.rulebook.forget_leak(place);
    }

    /// Compiles what is there now into the next version.
    pub fn build(&mut self) -> Arc<Patchset> {
        self.version += 1;
        let book = self.rulebook.book();
        let live = |token: u32| book.is_live(token);
        let free = &mut self.free;
        if !self.retired.is_empty() {
            Arc::make_mut(&mut self.digests).retain(live);
            free.append(&mut self.retired);
        }
        let engine = Engine {
            keys: self.keys.clone(),
            long: self.long.build(free, live),
            middle: self.middle.build(free, live),
            short: self.short.build(free, live),
            tiny: self.tiny.build(free, live),
        };
        Arc::new(Patchset {
            version: self.version,
            engine,
            digests: Arc::clone(&self.digests),
            tokens: self.tokens.clone(),
            rulebook: book.clone(),
            token_count: self.slots.len(),
            longest: self.by_length.iter().rposition(|tokens| *tokens > 0).unwrap_or_default(),
            shortest: self.shortest(),
            shortest_signature: self.signatures.shortest(),
            alphabet: self.alphabet(),
            minds_borders: book.bounds()
                || self.by_length.iter().take(FREE_STANDING.into()).any(|tokens| *tokens > 0),
        })
    }

    /// What is there now, to be written as records: in step with no build, and cheap, since nearly all
    /// of it is shared.
    pub fn records(&self) -> Records {
        Records {
            keys: self.keys.clone(),
            kinds: self.kinds.clone(),
            book: self.rulebook.book().clone(),
            tokens: self.tokens.clone(),
            lengths: self.lengths.clone(),
            respelled: self.respelled.clone(),
            signatures: self.signatures.clone(),
            digests: Arc::clone(&self.digests),
            long: self.long.entries(),
            middle: self.middle.entries(),
            short: self.short.entries(),
            tiny: self.tiny.entries(),
        }
    }

    /// A rebuild, where one is due: where, little by little, much has changed. Without it patchsets
    /// find the same, only slower and slower. Asked after each build; told once.
    pub fn take_rebuild(&mut self) -> Option<Rebuild> {
        let rebuild = Rebuild {
            book: self.rulebook.book().clone(),
            long: self.long.take_due(),
            middle: self.middle.take_due(),
            short: self.short.take_due(),
            tiny: self.tiny.take_due(),
        };
        let Rebuild { long, middle, short, tiny, .. } = &rebuild;
        let any = long.is_some() || middle.is_some() || short.is_some() || tiny.is_some();
        any.then_some(rebuild)
    }

    /// Takes over what a rebuild has brought forth. The next build has it, and all that changed
    /// since it began.
    pub fn adopt(&mut self, rebuilt: Rebuilt) {
        let Rebuilt { long, middle, short, tiny } = rebuilt;
        let free = &mut self.free;
        long.into_iter().for_each(|done| self.long.adopt(done, free));
        middle.into_iter().for_each(|done| self.middle.adopt(done, free));
        short.into_iter().for_each(|done| self.short.adopt(done, free));
        tiny.into_iter().for_each(|done| self.tiny.adopt(done, free));
    }

    /// The place of a part of a leak, a new one where it has none.
    fn leak(&mut self, part: Part) -> u32 {
        let new = || Leak { place: self.rulebook.new_leak(), tokens: Vec::new() };
        self.leaks.entry(part).or_insert_with(new).place
    }

    /// The length of the shortest text there is; 0 where there is none.
    fn shortest(&self) -> usize {
        let mut lengths = self.by_length.iter().enumerate().skip(1);
        lengths.find(|(_, tokens)| **tokens > 0).map_or(0, |(length, _)| length)
    }

    /// The byte values of all texts there ever were.
    fn alphabet(&self) -> [u64; 4] {
        let mut words = [0; 4];
        for (word, seen) in words.iter_mut().zip(self.seen.as_chunks::<64>().0) {
            *word = (0..).zip(seen).map(|(bit, seen)| u64::from(*seen) << bit).sum();
        }
        words
    }

    fn length(&self, slot: u32) -> Option<u16> {
        self.lengths.get(slot as usize).copied()
    }

    /// The slot that the next token is given.
    fn next_slot(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.lengths.len() as u32)
    }

    /// Gives a token the next slot, and puts what finds it where it belongs.
    fn insert(&mut self, info: TokenInfo, material: &TokenMaterial, length: u16) -> u32 {
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.tokens.get_mut(slot as usize) {
                    *place = info;
                }
                if let Some(place) = self.lengths.get_mut(slot as usize) {
                    *place = length;
                }
                if let Some(place) = self.kinds.get_mut(slot as usize) {
                    *place = Kinds::default();
                }
                slot
            }
            None => {
                self.tokens.push(info);
                self.lengths.push(length);
                self.kinds.push(Kinds::default());
                (self.lengths.len() - 1) as u32
            }
        };
        self.count(length);
        match material {
            TokenMaterial::Digest(digest) => {
                Arc::make_mut(&mut self.digests).insert(&self.keys, digest, slot);
            }
            TokenMaterial::Text(text) => {
                let text = text.expose();
                self.add_text(slot, text, length);
                for spelling in spellings(text) {
                    // As long as the token or, with dashes or without, in the same class.
                    let Ok(other) = u16::try_from(spelling.len()) else { continue };
                    self.add_text(slot, &spelling, other);
                    if other != length && self.respelled.insert(slot, other) {
                        self.count(other);
                    }
                }
                // Both in the class of long ones, so that a slot is retired from one class.
                if let Some(signature) = jwt::signature(text)
                    && let Ok(length) = u16::try_from(signature.len())
                    && signature.len() >= Long::WINDOW
                {
                    self.long.add(&self.keys, slot, &signature, length);
                    self.signatures.insert(slot, length);
                }
            }
        }
        slot
    }

    /// Counts one more text of this length.
    fn count(&mut self, length: u16) {
        let place = usize::from(length);
        if self.by_length.len() <= place {
            self.by_length.resize(place + 1, 0);
        }
        if let Some(tokens) = self.by_length.get_mut(place) {
            *tokens += 1;
        }
    }

    /// Counts one less.
    fn uncount(&mut self, length: u16) {
        if let Some(tokens) = self.by_length.get_mut(usize::from(length)) {
            *tokens -= 1;
        }
    }

    /// Puts a text by which the token in this slot is found where it belongs.
    fn add_text(&mut self, slot: u32, text: &[u8], length: u16) {
        for &byte in text {
            if let Some(seen) = self.seen.get_mut(usize::from(byte)) {
                *seen = true;
            }
        }
        if let Some(kinds) = self.kinds.get_mut(slot as usize) {
            kinds.add(text);
        }
        let keys = &self.keys;
        match usize::from(length) {
            Long::WINDOW.. => self.long.add(keys, slot, text, length),
            Middle::WINDOW.. => self.middle.add(keys, slot, text, length),
            Short::WINDOW.. => self.short.add(keys, slot, text, length),
            _ => self.tiny.add(keys, slot, text, length),
        }
    }

    /// Gives a token that was known by its digest a slot in which it is known by its text.
    fn exchange(
        &mut self,
        slot: u32,
        info: TokenInfo,
        material: &TokenMaterial,
        length: u16,
    ) -> u32 {
        let places = self.rulebook.book().leaks(slot).to_vec();
        let new = self.insert(info, material, length);
        self.slots.insert(info.id, new);
        for place in &places {
            self.rulebook.add(new, *place);
        }
        for leak in self.leaks.values_mut().filter(|leak| places.contains(&leak.place)) {
            leak.tokens.push(new);
        }
        for place in places {
            self.rulebook.remove(slot, place);
        }
        self.retire(slot);
        new
    }

    /// Takes the token in this slot from under a leak; if that was its last, out of the set.
    fn take_out(&mut self, slot: u32, place: u32) {
        if self.rulebook.remove(slot, place) && !self.rulebook.book().is_live(slot) {
            if let Some(info) = self.tokens.get(slot as usize) {
                self.slots.remove(&info.id);
            }
            self.retire(slot);
        }
    }

    /// Takes out what finds the token in this slot, which is under no leak any more.
    fn retire(&mut self, slot: u32) {
        let Some(length) = self.length(slot) else { return };
        self.signatures.remove(slot);
        self.uncount(length);
        if let Some(other) = self.respelled.remove(slot) {
            self.uncount(other);
        }
        match usize::from(length) {
            0 => self.retired.push(slot),
            Long::WINDOW.. => self.long.retire(slot),
            Middle::WINDOW.. => self.middle.retire(slot),
            Short::WINDOW.. => self.short.retire(slot),
            _ => self.tiny.retire(slot),
        }
    }
}

impl Default for PatchsetWriter {
    fn default() -> Self {
        Self::new()
    }
}
