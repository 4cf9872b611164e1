//! Writing records, piece by piece.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use super::super::builder::{Entries, Sampled};
use super::super::digest::Digests;
use super::super::engine::{Long, Middle, Short};
use super::super::jwt::Signatures;
use super::super::keys::{Digest, Keys};
use super::super::kinds::Kinds;
use super::super::patchset::{Rule, TokenInfo};
use super::super::record::Record;
use super::super::rulebook::Rulebook;
use super::super::shared::Shared;
use super::super::spelling::Respelled;
use super::{FORMAT, MAGIC, RuleRecord};

/// Bytes of a piece, roughly.
const PIECE_BYTES: usize = 64 * 1024;

/// What a working copy held at one moment, from which records are written. Shares nearly all of its
/// memory with the working copy.
pub struct Records {
    pub(in crate::matcher) keys: Keys,
    pub(in crate::matcher) kinds: Vec<Kinds>,
    pub(in crate::matcher) book: Rulebook,
    pub(in crate::matcher) tokens: Shared<TokenInfo>,
    pub(in crate::matcher) lengths: Vec<u16>,
    pub(in crate::matcher) respelled: Respelled,
    pub(in crate::matcher) signatures: Signatures,
    pub(in crate::matcher) digests: Arc<Digests>,
    pub(in crate::matcher) long: Entries<8, 13>,
    pub(in crate::matcher) middle: Entries<8, 5>,
    pub(in crate::matcher) short: Entries<6, 3>,
    pub(in crate::matcher) tiny: Entries<4, 3>,
}

impl Records {
    /// The records of all rules that the test takes, and of the tokens under them, as the set of this
    /// version. The same ones of the same tokens are the same bytes, whatever else is there.
    ///
    /// Sorts the tokens, which takes some tenths of a second for a million of them: not for a thread
    /// that serves others. The pieces that it then gives are cheap.
    pub fn encode(self, version: u64, of: impl Fn(&Rule) -> bool) -> Encoded {
        let mut rules = Vec::new();
        let places = (0..self.book.places() as u32).map(|place| {
            if !self.book.rule(place).is_some_and(&of) {
                return None;
            }
            rules.push(place);
            Some((rules.len() - 1) as u32)
        });
        let places: Vec<Option<u32>> = places.collect();
        let mut slots = Chosen::of(&self, &places);
        let mut digests = Vec::new();
        for (digest, slot) in self.digests.iter() {
            if self.lengths.get(slot as usize) == Some(&0) && slots.mark(slot) {
                digests.push((slot, digest));
            }
        }
        digests.sort_unstable_by_key(|(slot, _)| *slot);
        let long = Order::of(&self.long, &mut slots);
        let middle = Order::of(&self.middle, &mut slots);
        let short = Order::of(&self.short, &mut slots);
        let tiny = Order::of(&self.tiny, &mut slots);
        let orders = Orders { long, middle, short, tiny, digests: Place::new(digests) };
        let slots = slots.marked();
        let kinds = slots.iter().filter_map(|slot| self.kinds.get(*slot as usize));
        Encoded {
            version,
            alphabet: kinds.fold(Kinds::default(), |all, kinds| all.and(*kinds)).alphabet(),
            places,
            rules: rules.into_iter(),
            slots: slots.into_iter(),
            orders,
            records: self,
            sum: Context::new(&SHA256),
            state: State::Head,
        }
    }
}

/// Which slots have a token that is to be written.
struct Chosen(Vec<Choice>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// None.
    No,
    /// One, if anything finds it.
    Perhaps,
    /// One that something finds.
    Yes,
}

impl Chosen {
    fn of(records: &Records, places: &[Option<u32>]) -> Self {
        let taken = |place: &u32| places.get(*place as usize).is_some_and(Option::is_some);
        let slots = 0..records.tokens.len() as u32;
        let any = slots.map(|slot| records.book.leaks(slot).iter().any(taken));
        Self(any.map(|any| if any { Choice::Perhaps } else { Choice::No }).collect())
    }

    /// Notes that something finds the token; says whether it is to be written.
    fn mark(&mut self, slot: u32) -> bool {
        match self.0.get_mut(slot as usize) {
            None | Some(Choice::No) => false,
            Some(choice) => {
                *choice = Choice::Yes;
                true
            }
        }
    }

    fn marked(&self) -> Vec<u32> {
        let slots = (0..).zip(&self.0).filter(|(_, choice)| **choice == Choice::Yes);
        slots.map(|(slot, _)| slot).collect()
    }
}

/// Things in the order of their tokens' slots, and how far they are written.
struct Place<T> {
    all: Vec<(u32, T)>,
    at: usize,
}

impl<T: Copy> Place<T> {
    fn new(all: Vec<(u32, T)>) -> Self {
        Self { all, at: 0 }
    }

    /// Those of this slot, which come after all that were asked for before.
    fn take(&mut self, slot: u32) -> impl Iterator<Item = T> {
        let rest = self.all.get(self.at..).unwrap_or_default();
        let skipped = rest.iter().take_while(|(other, _)| *other < slot).count();
        let rest = rest.get(skipped..).unwrap_or_default();
        let count = rest.iter().take_while(|(other, _)| *other == slot).count();
        self.at += skipped + count;
        rest.get(..count).unwrap_or_default().iter().map(|(_, what)| *what)
    }
}

/// The order in which a class's entries are written: the places of what is in the filters, and those
/// of records.
struct Order {
    samples: Place<u32>,
    records: Place<u32>,
}

impl Order {
    fn of<const Q: usize, const S: usize>(class: &Entries<Q, S>, slots: &mut Chosen) -> Self {
        let records = class.base.records().iter().chain(&class.fresh);
        let records = (0..).zip(records).filter(|(_, record)| slots.mark(record.token));
        let mut records: Vec<_> = records.map(|(at, record)| (record.token, at)).collect();
        records.sort_unstable();
        let samples = (0..).zip(class.sampled.from(0));
        let samples = samples.filter(|(_, entry)| slots.mark(entry.token));
        let mut samples: Vec<_> = samples.map(|(at, entry)| (entry.token, at)).collect();
        samples.sort_unstable();
        Self { samples: Place::new(samples), records: Place::new(records) }
    }

    /// Writes what finds the token in this slot.
    fn write<const Q: usize, const S: usize>(
        &mut self,
        class: &Entries<Q, S>,
        slot: u32,
        piece: &mut Vec<u8>,
    ) {
        let base = class.base.records();
        let record = |at: u32| {
            let at = at as usize;
            base.get(at).or_else(|| class.fresh.get(at.checked_sub(base.len())?)).copied()
        };
        let sample = |at: u32| class.sampled.get(at as usize).copied();
        let mut records: Vec<Record> = self.records.take(slot).filter_map(record).collect();
        let mut samples: Vec<Sampled<S>> = self.samples.take(slot).filter_map(sample).collect();
        // Each text has one of both, with the same window: so they are in step.
        records.sort_unstable_by_key(|record| (record.window, record.length, record.digest.0));
        samples.sort_unstable_by_key(|sample| (sample.window, sample.grams));
        put(piece, &(records.len().min(samples.len()) as u16).to_le_bytes());
        for (record, sample) in records.iter().zip(&samples) {
            put(piece, &record.window.to_le_bytes());
            put(piece, &record.offset.to_le_bytes());
            put(piece, &record.length.to_le_bytes());
            put(piece, &record.check.to_le_bytes());
            put(piece, &record.digest.0);
            sample.grams.iter().for_each(|gram| put(piece, &gram.to_le_bytes()));
        }
    }
}

struct Orders {
    long: Order,
    middle: Order,
    short: Order,
    tiny: Order,
    digests: Place<Digest>,
}

/// What is written next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Rules,
    Tokens,
    Done,
}

/// Records, written piece by piece as they are asked for: each piece has some tens of KiB, and all of
/// them one after the other are what [`Patchset::from_records`](super::super::Patchset::from_records)
/// takes.
pub struct Encoded {
    version: u64,
    alphabet: [u64; 4],
    /// The place of each leak's rule among those that are written.
    places: Vec<Option<u32>>,
    rules: std::vec::IntoIter<u32>,
    slots: std::vec::IntoIter<u32>,
    orders: Orders,
    records: Records,
    sum: Context,
    state: State,
}

impl Encoded {
    fn head(&self, piece: &mut Vec<u8>) {
        put(piece, MAGIC);
        put(piece, &FORMAT.to_le_bytes());
        put(piece, &self.version.to_le_bytes());
        put(piece, &*self.records.keys.seed());
        self.alphabet.iter().for_each(|word| put(piece, &word.to_le_bytes()));
        put(piece, &(self.rules.len() as u32).to_le_bytes());
    }

    fn rule(&self, place: u32, piece: &mut Vec<u8>) {
        let Some(rule) = self.records.book.rule(place) else { return };
        // Nothing in it can fail; and whoever reads it would refuse what is empty.
        let json = serde_json::to_vec(&RuleRecord::from(rule)).unwrap_or_default();
        put(piece, &(json.len() as u32).to_le_bytes());
        put(piece, &json);
    }

    fn token(&mut self, slot: u32, piece: &mut Vec<u8>) {
        let records = &self.records;
        let (Some(info), Some(length)) =
            (records.tokens.get(slot as usize), records.lengths.get(slot as usize))
        else {
            return;
        };
        put(piece, info.id.0.as_bytes());
        put(piece, &info.fingerprint.0);
        put(piece, &length.to_le_bytes());
        put(piece, &records.respelled.get(slot).unwrap_or_default().to_le_bytes());
        put(piece, &records.signatures.get(slot).unwrap_or_default().to_le_bytes());
        let leaks = records.book.leaks(slot).iter();
        let rules = leaks.filter_map(|place| *self.places.get(*place as usize)?);
        put(piece, &(rules.clone().count() as u32).to_le_bytes());
        rules.for_each(|rule| put(piece, &rule.to_le_bytes()));
        let orders = &mut self.orders;
        match usize::from(*length) {
            0 => orders.digests.take(slot).take(1).for_each(|digest| put(piece, &digest.0)),
            Long::WINDOW.. => orders.long.write(&records.long, slot, piece),
            Middle::WINDOW.. => orders.middle.write(&records.middle, slot, piece),
            Short::WINDOW.. => orders.short.write(&records.short, slot, piece),
            _ => orders.tiny.write(&records.tiny, slot, piece),
        }
    }
}

impl Iterator for Encoded {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.state == State::Done {
            return None;
        }
        let mut piece = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 16);
        while piece.len() < PIECE_BYTES {
            match self.state {
                State::Head => {
                    self.head(&mut piece);
                    self.state = State::Rules;
                }
                State::Rules => match self.rules.next() {
                    Some(place) => self.rule(place, &mut piece),
                    None => {
                        put(&mut piece, &(self.slots.len() as u32).to_le_bytes());
                        self.state = State::Tokens;
                    }
                },
                State::Tokens => match self.slots.next() {
                    Some(slot) => self.token(slot, &mut piece),
                    None => {
                        self.sum.update(&piece);
                        put(&mut piece, self.sum.clone().finish().as_ref());
                        self.state = State::Done;
                        return Some(piece);
                    }
                },
                State::Done => break,
            }
        }
        self.sum.update(&piece);
        Some(piece)
    }
}

fn put(piece: &mut Vec<u8>, bytes: &[u8]) {
    piece.extend_from_slice(bytes);
}
