//! Compiling records.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use foldhash::quality::RandomState;
use uuid::Uuid;

use super::super::builder::Sampled;
use super::super::class::Class;
use super::super::digest::Digests;
use super::super::engine::{Engine, Long, Middle, Short};
use super::super::keys::{Digest, Keys, SEED_BYTES};
use super::super::patchset::{Patchset, TokenInfo};
use super::super::rebuild::Due;
use super::super::record::{Record, Table};
use super::super::rulebook::RulebookWriter;
use super::super::shared::Shared;
use super::super::verify::FREE_STANDING;
use super::{FORMAT, MAGIC, RecordsError, RuleRecord, SUM_BYTES};
use crate::config::limits::{TOKEN_BYTES, TOKEN_BYTES_FORCED};
use crate::model::fingerprint::Fingerprint;
use crate::model::ids::TokenId;
use crate::model::tenant::Owner;

use RecordsError::{Damaged, Malformed};

impl Patchset {
    /// Compiles records. What it takes, time and memory, goes with their length.
    ///
    /// # Errors
    /// Where anything about them is wrong: nothing of them is taken then.
    pub fn from_records(bytes: &[u8]) -> Result<Self, RecordsError> {
        if !bytes.starts_with(MAGIC.get(..bytes.len().min(MAGIC.len())).unwrap_or_default()) {
            return Err(RecordsError::Foreign);
        }
        let body = bytes.len().checked_sub(SUM_BYTES).ok_or(Damaged)?;
        let (body, sum) = bytes.split_at_checked(body).ok_or(Damaged)?;
        let mut reader = Reader(body);
        reader.bytes(MAGIC.len())?;
        match reader.u32()? {
            FORMAT => {}
            // Another one may have its sum elsewhere.
            other => return Err(RecordsError::Format(other)),
        }
        if digest(&SHA256, body).as_ref() != sum {
            return Err(Damaged);
        }
        let version = reader.u64()?;
        let keys = Keys::from_seed(&reader.array::<SEED_BYTES>()?);
        let mut compiling = Compiling::new();
        for word in &mut compiling.alphabet {
            *word = reader.u64()?;
        }
        let rules = reader.u32()?;
        for _ in 0..rules {
            compiling.rule(&mut reader)?;
        }
        for slot in 0..reader.u32()? {
            compiling.token(&mut reader, slot, rules)?;
        }
        if !reader.0.is_empty() {
            return Err(Malformed("it goes on after its end"));
        }
        Ok(compiling.patchset(version, keys))
    }
}

/// What is left to be read.
struct Reader<'bytes>(&'bytes [u8]);

impl<'bytes> Reader<'bytes> {
    fn bytes(&mut self, count: usize) -> Result<&'bytes [u8], RecordsError> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordsError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn u16(&mut self) -> Result<u16, RecordsError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, RecordsError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, RecordsError> {
        self.array().map(u64::from_le_bytes)
    }
}

/// A patchset as far as it is read. Nothing is made room for before it is there.
struct Compiling {
    alphabet: [u64; 4],
    rulebook: RulebookWriter,
    /// Each tenant once, however many rules it has.
    owners: HashMap<Arc<str>, Owner, RandomState>,
    ids: HashSet<TokenId, RandomState>,
    tokens: Shared<TokenInfo>,
    digests: Digests,
    /// How many texts there are of each length; digests count as of none.
    by_length: Vec<u32>,
    shortest_signature: usize,
    long: Part<8, 13>,
    middle: Part<8, 5>,
    short: Part<6, 3>,
    tiny: Part<4, 3>,
}

impl Compiling {
    fn new() -> Self {
        Self {
            alphabet: [0; 4],
            rulebook: RulebookWriter::new(),
            owners: HashMap::default(),
            ids: HashSet::default(),
            tokens: Shared::new(),
            digests: Digests::default(),
            by_length: vec![0; TOKEN_BYTES + 1],
            shortest_signature: 0,
            long: Part::new(),
            middle: Part::new(),
            short: Part::new(),
            tiny: Part::new(),
        }
    }

    fn rule(&mut self, reader: &mut Reader<'_>) -> Result<(), RecordsError> {
        let length = reader.u32()?;
        let json = reader.bytes(usize::try_from(length).map_err(|_| Damaged)?)?;
        let record: RuleRecord =
            serde_json::from_slice(json).map_err(|_| Malformed("a rule cannot be read"))?;
        let mut rule = record.rule().ok_or(Malformed("a rule's tenant is none"))?;
        let owner = self.owners.entry(Arc::clone(&rule.owner.id));
        rule.owner = owner.or_insert(rule.owner).clone();
        let place = self.rulebook.new_leak();
        self.rulebook.set_rule(place, Some(Arc::new(rule)));
        Ok(())
    }

    fn token(
        &mut self,
        reader: &mut Reader<'_>,
        slot: u32,
        rules: u32,
    ) -> Result<(), RecordsError> {
        let id = TokenId(Uuid::from_bytes(reader.array()?));
        if !self.ids.insert(id) {
            return Err(Malformed("a token stands there twice"));
        }
        self.tokens.push(TokenInfo { id, fingerprint: Fingerprint(reader.array()?) });
        let lengths = Lengths::read(reader)?;
        let mut places = Vec::new();
        for _ in 0..reader.u32()? {
            let place = reader.u32()?;
            if place >= rules || places.last().is_some_and(|last| *last >= place) {
                return Err(Malformed("a token is under a rule that is none of its own"));
            }
            places.push(place);
        }
        if places.is_empty() {
            return Err(Malformed("a token is under no rule"));
        }
        self.rulebook.put(slot, &places);
        match usize::from(lengths.text) {
            0 => self.digests.insert_keyed(Digest(reader.array()?), slot),
            Long::WINDOW.. => self.long.read(reader, slot, &lengths)?,
            Middle::WINDOW.. => self.middle.read(reader, slot, &lengths)?,
            Short::WINDOW.. => self.short.read(reader, slot, &lengths)?,
            _ => self.tiny.read(reader, slot, &lengths)?,
        }
        let respelled = Some(lengths.respelled).filter(|length| *length > 0);
        for length in respelled.into_iter().chain([lengths.text]) {
            if let Some(texts) = self.by_length.get_mut(usize::from(length)) {
                *texts += 1;
            }
        }
        let signature = usize::from(lengths.signature);
        if signature > 0 && (self.shortest_signature == 0 || signature < self.shortest_signature) {
            self.shortest_signature = signature;
        }
        Ok(())
    }

    fn patchset(self, version: u64, keys: Keys) -> Patchset {
        let lengths = &self.by_length;
        let mut texts = lengths.iter().enumerate().skip(1);
        let shortest = texts.find(|(_, texts)| **texts > 0).map_or(0, |(length, _)| length);
        let longest = lengths.iter().rposition(|texts| *texts > 0).unwrap_or_default();
        let rulebook = self.rulebook.book().clone();
        Patchset {
            version,
            engine: Engine {
                keys,
                long: self.long.compile(),
                middle: self.middle.compile(),
                short: self.short.compile(),
                tiny: self.tiny.compile(),
            },
            digests: Arc::new(self.digests),
            token_count: self.tokens.len(),
            tokens: self.tokens,
            longest,
            shortest,
            shortest_signature: self.shortest_signature,
            alphabet: self.alphabet,
            minds_borders: rulebook.bounds()
                || lengths.iter().take(FREE_STANDING.into()).any(|texts| *texts > 0),
            rulebook,
        }
    }
}

/// How long the texts are by which a token is found; 0 where there is none.
struct Lengths {
    text: u16,
    respelled: u16,
    signature: u16,
}

impl Lengths {
    fn read(reader: &mut Reader<'_>) -> Result<Self, RecordsError> {
        let (text, respelled, signature) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let fits = |length: u16, least: usize| {
            length == 0 || text > 0 && (least..=TOKEN_BYTES).contains(&usize::from(length))
        };
        if fits(text, TOKEN_BYTES_FORCED)
            && fits(respelled, TOKEN_BYTES_FORCED)
            && fits(signature, Long::WINDOW)
        {
            return Ok(Self { text, respelled, signature });
        }
        Err(Malformed("a token's length is none"))
    }

    fn include(&self, length: u16) -> bool {
        length > 0 && [self.text, self.respelled, self.signature].contains(&length)
    }
}

/// What is read of one length class.
struct Part<const Q: usize, const S: usize> {
    sampled: Shared<Sampled<S>>,
    records: Vec<Record>,
}

impl<const Q: usize, const S: usize> Part<Q, S> {
    const fn new() -> Self {
        Self { sampled: Shared::new(), records: Vec::new() }
    }

    /// Reads what finds a token.
    fn read(
        &mut self,
        reader: &mut Reader<'_>,
        token: u32,
        lengths: &Lengths,
    ) -> Result<(), RecordsError> {
        let mut has_text = false;
        for _ in 0..reader.u16()? {
            let (window, offset, length) = (reader.u32()?, reader.u16()?, reader.u16()?);
            let (check, digest) = (reader.u32()?, Digest(reader.array()?));
            if !lengths.include(length)
                || usize::from(offset) + Class::<Q, S>::WINDOW > usize::from(length)
            {
                return Err(Malformed("a token is found by what is not in it"));
            }
            has_text |= length == lengths.text;
            let mut grams = [0; S];
            for gram in &mut grams {
                *gram = reader.u32()?;
            }
            self.sampled.push(Sampled { token, window, grams });
            self.records.push(Record { window, token, offset, length, check, digest });
        }
        if has_text { Ok(()) } else { Err(Malformed("nothing finds a token")) }
    }

    fn compile(self) -> Class<Q, S> {
        if self.records.is_empty() {
            return Class::default();
        }
        let due: Due<Q, S> = Due {
            epoch: 0,
            sampled: self.sampled,
            base: Arc::<Table>::default(),
            fresh: self.records,
            retired: 0,
        };
        let done = due.run(|_| true);
        Class { grams: done.grams, windows: done.windows, base: done.base, delta: Arc::default() }
    }
}
