//! Which rules are on which token.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::patchset::Rule;
use super::shared::Shared;
use crate::model::rule::{Action, Boundary};

/// Set in a token's entry where it is under several leaks, and the rest is the set's place.
const SEVERAL: u32 = 1 << 31;
/// The entry of a slot without a token.
const NONE: u32 = u32::MAX;

/// The rules by leak, and the leaks by token: four bytes a token, since most are under one leak
/// alone and sets of several are kept once.
#[derive(Clone)]
pub(super) struct Rulebook {
    /// For each token's slot, its leak's place, or that of a set of leaks.
    tokens: Shared<u32>,
    /// The places of the leaks of each set, in order.
    sets: Shared<Arc<[u32]>>,
    /// The rule of each leak, where one is set.
    rules: Shared<Option<Arc<Rule>>>,
    /// How many leaks that have tokens ask for a block.
    blocking: usize,
    /// How many rules say themselves where a token counts as found.
    bounding: usize,
}

impl Rulebook {
    pub(super) const fn new() -> Self {
        Self {
            tokens: Shared::new(),
            sets: Shared::new(),
            rules: Shared::new(),
            blocking: 0,
            bounding: 0,
        }
    }

    pub(super) fn any_blocking(&self) -> bool {
        self.blocking > 0
    }

    /// Whether there is a token in this slot.
    #[inline]
    pub(super) fn is_live(&self, token: u32) -> bool {
        self.tokens.get(token as usize).is_some_and(|entry| *entry != NONE)
    }

    /// The places of the leaks that have the token.
    pub(super) fn leaks(&self, token: u32) -> &[u32] {
        match self.tokens.get(token as usize) {
            None | Some(&NONE) => &[],
            Some(entry) if entry & SEVERAL == 0 => std::slice::from_ref(entry),
            Some(entry) => self.sets.get((entry & !SEVERAL) as usize).map_or(&[], |set| &**set),
        }
    }

    /// The rules on the token.
    pub(super) fn rules(&self, token: u32) -> impl Iterator<Item = &Rule> {
        self.leaks(token).iter().filter_map(|leak| self.rules.get(*leak as usize)?.as_deref())
    }

    /// The rule of the leak at this place, where one is set.
    pub(super) fn rule(&self, leak: u32) -> Option<&Rule> {
        self.rules.get(leak as usize)?.as_deref()
    }

    /// How many places of leaks there are.
    pub(super) fn places(&self) -> usize {
        self.rules.len()
    }

    /// Whether any rule says itself where a token counts as found.
    #[inline]
    pub(super) fn bounds(&self) -> bool {
        self.bounding > 0
    }

    /// Whether the token counts as found only where it stands alone, as its rules ask; `short` tells
    /// whether it is short.
    #[inline]
    pub(super) fn stands_alone(&self, token: u32, short: bool) -> bool {
        if !self.bounds() {
            return short;
        }
        let alone = self.rules(token).map(|rule| match rule.scope.boundary {
            Boundary::Auto => short,
            Boundary::Anywhere => false,
            Boundary::Delimited => true,
        });
        alone.reduce(|one, other| one && other).unwrap_or(short)
    }

    /// All rules.
    pub(super) fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter_map(Option::as_deref)
    }

    /// Memory it takes, in bytes, without the rules' own lists of hosts and the like.
    pub(super) fn memory_bytes(&self) -> usize {
        let sets: usize = self.sets.iter().map(|set| 16 + size_of_val(&**set)).sum();
        let rules = self.all_rules().count() * (16 + size_of::<Rule>());
        self.tokens.memory_bytes()
            + self.sets.memory_bytes()
            + self.rules.memory_bytes()
            + sets
            + rules
    }
}

/// The working copy of a rulebook.
pub(super) struct RulebookWriter {
    book: Rulebook,
    /// The place of each set, and how many tokens have it.
    places: HashMap<Arc<[u32]>, (u32, u32), RandomState>,
    free_sets: Vec<u32>,
    free_leaks: Vec<u32>,
    /// How many tokens each leak has.
    members: Vec<usize>,
}

impl RulebookWriter {
    pub(super) fn new() -> Self {
        Self {
            book: Rulebook::new(),
            places: HashMap::default(),
            free_sets: Vec::new(),
            free_leaks: Vec::new(),
            members: Vec::new(),
        }
    }

    /// The rulebook as it is now.
    pub(super) fn book(&self) -> &Rulebook {
        &self.book
    }

    /// A place for another leak.
    pub(super) fn new_leak(&mut self) -> u32 {
        self.free_leaks.pop().unwrap_or_else(|| {
            self.book.rules.push(None);
            self.members.push(0);
            (self.members.len() - 1) as u32
        })
    }

    /// Gives a leak's place back. It has no tokens and no rule any more.
    pub(super) fn forget_leak(&mut self, leak: u32) {
        self.free_leaks.push(leak);
    }

    /// How many tokens the leak has.
    pub(super) fn members(&self, leak: u32) -> usize {
        self.members.get(leak as usize).copied().unwrap_or_default()
    }

    /// Whether the leak has a rule.
    pub(super) fn has_rule(&self, leak: u32) -> bool {
        self.book.rules.get(leak as usize).is_some_and(Option::is_some)
    }

    /// Sets the leak's rule, or takes it away.
    pub(super) fn set_rule(&mut self, leak: u32, rule: Option<Arc<Rule>>) {
        let before = self.blocks(leak);
        let bounds = |rule: &Option<Arc<Rule>>| {
            usize::from(rule.as_ref().is_some_and(|rule| rule.scope.boundary != Boundary::Auto))
        };
        let now = bounds(&rule);
        if let Some(place) = self.book.rules.get_mut(leak as usize) {
            self.book.bounding = self.book.bounding + now - bounds(place);
            *place = rule;
        }
        self.recount(leak, before);
    }

    /// Puts the token in this slot under the leak too. Says whether it was not yet.
    pub(super) fn add(&mut self, token: u32, leak: u32) -> bool {
        if !self.book.is_live(token) {
            self.change(token, &[leak]);
            self.count(leak, 1);
            return true;
        }
        let mut leaks = self.book.leaks(token).to_vec();
        let Err(place) = leaks.binary_search(&leak) else { return false };
        leaks.insert(place, leak);
        self.change(token, &leaks);
        self.count(leak, 1);
        true
    }

    /// Puts the token in this slot, which is new, under these leaks: their places in order, each once.
    pub(super) fn put(&mut self, token: u32, leaks: &[u32]) {
        self.change(token, leaks);
        leaks.iter().for_each(|leak| self.count(*leak, 1));
    }

    /// Takes the token in this slot from under the leak. Says whether it was under it.
    pub(super) fn remove(&mut self, token: u32, leak: u32) -> bool {
        let mut leaks = self.book.leaks(token).to_vec();
        let Ok(place) = leaks.binary_search(&leak) else { return false };
        leaks.remove(place);
        self.change(token, &leaks);
        self.count(leak, -1);
        true
    }

    fn count(&mut self, leak: u32, change: isize) {
        let before = self.blocks(leak);
        if let Some(members) = self.members.get_mut(leak as usize) {
            *members = members.saturating_add_signed(change);
        }
        self.recount(leak, before);
    }

    /// Whether the leak has tokens and asks for a block.
    fn blocks(&self, leak: u32) -> bool {
        let rule = self.book.rules.get(leak as usize).and_then(Option::as_ref);
        self.members(leak) > 0 && rule.is_some_and(|rule| rule.action == Action::Block)
    }

    fn recount(&mut self, leak: u32, before: bool) {
        let now = self.blocks(leak);
        self.book.blocking = self.book.blocking + usize::from(now) - usize::from(before);
    }

    /// Puts the token in this slot under these leaks, in order.
    fn change(&mut self, token: u32, leaks: &[u32]) {
        let slot = token as usize;
        let old = self.book.tokens.get(slot).copied().unwrap_or(NONE);
        let new = match leaks {
            [] => NONE,
            [leak] => *leak,
            several => SEVERAL | self.take_set(several),
        };
        while self.book.tokens.len() <= slot {
            self.book.tokens.push(NONE);
        }
        if let Some(entry) = self.book.tokens.get_mut(slot) {
            *entry = new;
        }
        if old != NONE && old & SEVERAL != 0 {
            self.drop_set(old & !SEVERAL);
        }
    }

    fn take_set(&mut self, leaks: &[u32]) -> u32 {
        if let Some((place, users)) = self.places.get_mut(leaks) {
            *users += 1;
            return *place;
        }
        let set: Arc<[u32]> = leaks.into();
        let place = match self.free_sets.pop() {
            Some(place) => {
                if let Some(entry) = self.book.sets.get_mut(place as usize) {
                    *entry = Arc::clone(&set);
                }
                place
            }
            None => {
                self.book.sets.push(Arc::clone(&set));
                (self.book.sets.len() - 1) as u32
            }
        };
        self.places.insert(set, (place, 1));
        place
    }

    fn drop_set(&mut self, place: u32) {
        let Some(set) = self.book.sets.get(place as usize).cloned() else { return };
        if let Some((_, users)) = self.places.get_mut(&set) {
            *users -= 1;
            if *users == 0 {
                self.places.remove(&set);
                self.free_sets.push(place);
            }
        }
    }
}
