//! One stream of bytes inside a body: the body itself, what it decodes to, a part, a message. It is
//! looked through as a text, and read in every way in which its bytes can be read.

use std::sync::Arc;

use super::about::{About, Named};
use super::grpc::Messages;
use super::multipart::{self, Multipart};
use super::prolog;
use super::reading::Reading;
use super::sealed::{self, Sealed};
use super::{Env, Place};
use crate::config::limits;
use crate::decode::charset::{self, Charset, Transcoder};
use crate::decode::inflate::{self, Coding, sniff};
use crate::decode::transfer::Transfer;
use crate::decode::{Layer, Relevant};
use crate::inspect::decide::{self, Cause};
use crate::inspect::head::shape;
use crate::inspect::search::locate;
use crate::inspect::text::Text;
use crate::matcher::{Patchset, TokenIndex};

/// Bytes by which JSON or a form are told.
const SHAPE: usize = 256;
/// U+FEFF, which tells the order of bytes and is no text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// State of one stream.
pub(in crate::inspect) struct Stream {
    /// What is said of it, until it has begun.
    about: Option<Box<About>>,
    /// Layers undone to bring it forth, outermost first.
    outer: Vec<Layer>,
    place: Place,
    /// Nothing where the stream around it has been looked through with these bytes in it.
    text: Option<Text>,
    /// First bytes, until they tell what this is.
    beginning: Vec<u8>,
    begun: bool,
    /// What was decoded so far, for telling places in it.
    held: Option<Vec<u8>>,
    readings: Vec<Reading>,
    /// Of the readings, how many declared codings are left, where there were any.
    declared: Option<usize>,
    /// What tells whether this is encrypted, where it may be.
    sealed: Option<Sealed>,
    depth: usize,
}

impl Stream {
    /// A body as it comes.
    pub(in crate::inspect) fn raw(
        patchset: &Arc<Patchset>,
        relevant: Relevant,
        about: Option<Box<About>>,
    ) -> Self {
        let text = Text::new(patchset, relevant, Vec::new());
        Self::of(about, Vec::new(), Place::Raw, Some(text), 0)
    }

    /// Bytes that stand as they are in the stream around them.
    pub(in crate::inspect) fn plain(
        about: About,
        outer: &[Layer],
        place: Place,
        depth: usize,
    ) -> Self {
        Self::of(Some(Box::new(about)), outer.to_vec(), place, None, depth)
    }

    fn of(
        about: Option<Box<About>>,
        outer: Vec<Layer>,
        place: Place,
        text: Option<Text>,
        depth: usize,
    ) -> Self {
        let held = (text.is_some() && matches!(place, Place::Decoded(_))).then(Vec::new);
        Self {
            about,
            outer,
            place,
            text,
            beginning: Vec::new(),
            begun: false,
            held,
            readings: Vec::new(),
            declared: None,
            sealed: None,
            depth,
        }
    }

    /// Takes the next bytes.
    pub(in crate::inspect) fn push(&mut self, piece: &[u8], env: &mut Env<'_>) {
        if piece.is_empty() {
            return;
        }
        if let Some(text) = &mut self.text {
            text.push(piece, env.budget, &mut env.shared.finds);
        }
        let found = env.shared.finds.take();
        self.hold(piece);
        if self.begun {
            self.feed(piece, env);
        } else if self.beginning.is_empty() && tells(piece) {
            self.begin(piece, env);
            self.feed(piece, env);
        } else {
            self.beginning.extend_from_slice(piece);
            if tells(&self.beginning) {
                self.begin_held(env);
            }
        }
        self.put(found, piece, env);
    }

    /// Decides what is undecided as if the stream ended here.
    pub(in crate::inspect) fn settle(&mut self, env: &mut Env<'_>) {
        if let Some(text) = &mut self.text {
            text.settle(&mut env.shared.finds);
        }
        let found = env.shared.finds.take();
        self.put(found, &[], env);
        // What is said holds, whatever the first line would tell beside it; a boundary that is not said
        // is told by that line alone.
        if !self.begun
            && self.beginning.len() >= inflate::MAGIC
            && self.about.as_ref().is_some_and(|about| !about.lacks_a_boundary())
        {
            self.begin_held(env);
        }
        for reading in &mut self.readings {
            reading.settle(env);
        }
    }

    /// Ends the stream.
    pub(in crate::inspect) fn finish(&mut self, env: &mut Env<'_>) {
        if let Some(text) = &mut self.text {
            text.finish(env.budget, &mut env.shared.finds);
        }
        let found = env.shared.finds.take();
        self.put(found, &[], env);
        if !self.begun && !self.beginning.is_empty() {
            self.begin_held(env);
        }
        for mut reading in std::mem::take(&mut self.readings) {
            if !reading.finish(env) {
                self.one_failed(&reading);
            }
            reading.recycle(env);
        }
        if self.declared.take() == Some(0) && !env.budget.is_spent() {
            env.incomplete(self.cause(&decide::UNDECODABLE));
        }
    }

    /// Ends a stream that another one holds open.
    pub(in crate::inspect) fn close(&mut self, env: &mut Env<'_>) {
        self.finish(env);
        env.shared.open = env.shared.open.saturating_sub(1);
    }

    /// Feeds the next bytes to every reading; one that comes to an end is left off.
    fn feed(&mut self, piece: &[u8], env: &mut Env<'_>) {
        if self.sealed.as_mut().is_some_and(|sealed| sealed.is_told_by(piece)) {
            self.sealed = None;
            env.incomplete(&decide::ENCRYPTED);
        }
        let mut at = 0;
        while let Some(reading) = self.readings.get_mut(at) {
            if reading.push(piece, env) {
                at += 1;
                continue;
            }
            let mut reading = self.readings.swap_remove(at);
            self.one_failed(&reading);
            reading.abandon(env);
            reading.recycle(env);
        }
        if self.declared == Some(0) && !env.budget.is_spent() {
            self.declared = None;
            env.incomplete(self.cause(&decide::UNDECODABLE));
        }
    }

    /// Begins with the bytes that were held for it.
    fn begin_held(&mut self, env: &mut Env<'_>) {
        let beginning = std::mem::take(&mut self.beginning);
        self.begin(&beginning, env);
        self.feed(&beginning, env);
    }

    /// Counts a reading that came to nothing, where it was declared.
    fn one_failed(&mut self, reading: &Reading) {
        if let Reading::Coded { declared: true, .. } = reading
            && let Some(left) = &mut self.declared
        {
            *left = left.saturating_sub(1);
        }
    }

    /// Tells from the first bytes, and from what is said, in which ways this is to be read.
    fn begin(&mut self, beginning: &[u8], env: &mut Env<'_>) {
        self.begun = true;
        if self.about.is_none()
            && sniff(beginning).is_none()
            && Charset::sniff(beginning).is_none()
            && multipart::boundary_of(beginning).is_none()
            && !sealed::begins(beginning)
            && prolog::charsets(beginning).is_empty()
        {
            return;
        }
        let about = self.about.take().unwrap_or_default();
        if about.is_encrypted() {
            env.incomplete(&decide::ENCRYPTED);
        }
        let sniffed = sniff(beginning);
        let inner = About { types: Arc::clone(&about.types), ..About::default() };
        if let Some(transfer) = about.transfer.clone() {
            self.transfer(transfer, About { transfer: None, ..(*about).clone() }, env);
        } else if let Some(&coding) = about.codings.last() {
            self.coded(coding, &about, sniffed, env);
        } else {
            self.sealed = Sealed::of(&about, beginning);
            self.charsets(&about, beginning, env);
            match about.grpc() {
                Some(true) => {
                    let text = Transfer::named(b"base64");
                    let about = About { unwrapped: true, ..(*about).clone() };
                    if let Some(text) = text {
                        self.transfer(text, about, env);
                    }
                }
                Some(false) if self.room(env) => {
                    let messages = Messages::new(about.messages, &self.outer, self.depth + 1);
                    self.readings.push(Reading::Messages(Box::new(messages)));
                }
                _ => {}
            }
        }
        let declared_here = about.transfer.is_none() && about.codings.is_empty();
        self.multiparts(&about, declared_here, beginning, env);
        if let Some(coding) = sniffed
            && self.declared.is_none_or(|_| !self.reads(coding))
        {
            self.inflate(coding, false, inner, env);
        }
    }

    /// The readings of a declared coding.
    fn coded(&mut self, coding: Named, about: &About, sniffed: Option<Coding>, env: &mut Env<'_>) {
        let codings: &[Coding] = match coding {
            _ if about.codings.len() > limits::CODINGS => &[],
            Named::Coding(Coding::Gzip) => &[Coding::Gzip],
            Named::Coding(Coding::Brotli) => &[Coding::Brotli],
            Named::Coding(Coding::Zstd) => &[Coding::Zstd],
            // What begins like zlib may be bare all the same.
            Named::Deflate if sniffed == Some(Coding::Zlib) => &[Coding::Zlib, Coding::Deflate],
            Named::Deflate => &[Coding::Deflate],
            Named::Coding(_) | Named::Identity | Named::Unknown => &[],
        };
        if codings.is_empty() {
            env.incomplete(self.cause(&decide::CODING));
            return;
        }
        let mut inner = about.clone();
        inner.codings.pop();
        self.declared = Some(codings.len());
        for &coding in codings {
            if !self.inflate(coding, true, inner.clone(), env) {
                self.declared = None;
            }
        }
    }

    fn inflate(&mut self, coding: Coding, declared: bool, about: About, env: &mut Env<'_>) -> bool {
        if !self.room(env) || !env.budget.begin_inflating() {
            return false;
        }
        let Some(inflater) = env.shared.inflater(coding) else {
            env.budget.too_deep();
            return false;
        };
        let next = self.inside(coding.layer(), about, env);
        self.readings.push(Reading::Coded { inflater: Box::new(inflater), declared, next });
        true
    }

    /// The cause that a coding of this stream is. Few backends look at a part's coding, so that one
    /// that is wrong makes the body malformed at most.
    fn cause(&self, cause: &'static Cause) -> &'static Cause {
        if matches!(self.place, Place::Part(_)) { &decide::MALFORMED } else { cause }
    }

    fn reads(&self, coding: Coding) -> bool {
        self.readings.iter().any(
            |reading| matches!(reading, Reading::Coded { inflater, .. } if inflater.coding() == coding),
        )
    }

    fn transfer(&mut self, transfer: Transfer, about: About, env: &mut Env<'_>) {
        if self.room(env) {
            let next = self.inside(transfer.layer(), about, env);
            self.readings.push(Reading::Transfer { transfer, next });
        }
    }

    fn charsets(&mut self, about: &About, beginning: &[u8], env: &mut Env<'_>) {
        if about.is_of_unknown_charset() {
            env.incomplete(&decide::MALFORMED);
        }
        let declared = about.charsets();
        let in_text = if about.charset_undone { Vec::new() } else { prolog::charsets(beginning) };
        let sniffed = Charset::sniff(beginning).filter(|_| about.grpc().is_none());
        let mut charsets = declared.clone();
        match sniffed {
            Some(sniffed) if declared.contains(&sniffed) => charsets = vec![sniffed],
            Some(sniffed) => charsets.push(sniffed),
            None => {}
        }
        for charset in in_text {
            if !charsets.contains(&charset) {
                charsets.push(charset);
            }
        }
        for charset in &charsets {
            if self.room(env) {
                let about = About { charset_undone: true, ..about.clone() };
                let next = self.inside(charset.layer(), about, env);
                let declared = declared.contains(charset);
                self.readings.push(Reading::Charset {
                    transcoder: Transcoder::new(*charset),
                    declared,
                    // Of two orders of bytes, one is wrong.
                    malformed: charsets.len() > 1,
                    next,
                });
            }
        }
    }

    fn multiparts(&mut self, about: &About, declared: bool, beginning: &[u8], env: &mut Env<'_>) {
        let mut boundaries = if declared { about.boundaries() } else { Vec::new() };
        boundaries.retain(|boundary| (1..=limits::BOUNDARY_BYTES).contains(&boundary.len()));
        let said = boundaries.len();
        if let Some(boundary) = multipart::boundary_of(beginning)
            && !boundaries.iter().any(|known| known == boundary)
        {
            boundaries.push(boundary.to_vec());
        }
        if declared && about.is_multipart() && boundaries.is_empty() {
            env.incomplete(&decide::MALFORMED);
        }
        for (index, boundary) in boundaries.iter().enumerate() {
            if self.room(env) {
                let multipart = Multipart::new(
                    boundary,
                    index < said && said == 1,
                    &self.outer,
                    self.depth + 1,
                );
                self.readings.push(Reading::Multipart(Box::new(multipart)));
            }
        }
    }

    /// Whether one more stream may be opened inside this one.
    fn room(&self, env: &mut Env<'_>) -> bool {
        let room = self.depth < limits::CONTAINER_DEPTH && env.shared.open < limits::CONTAINERS;
        if !room {
            env.budget.too_deep();
        }
        room
    }

    /// What undoing a layer of this stream brings forth.
    fn inside(&self, layer: Layer, about: About, env: &mut Env<'_>) -> Box<Self> {
        env.shared.open += 1;
        let outer = [&self.outer[..], &[layer]].concat();
        let text = Text::new(env.patchset, env.relevant, outer.clone());
        let place = match &self.place {
            Place::Raw | Place::Decoded(_) => Place::Decoded(None),
            place => place.clone(),
        };
        Box::new(Self::of(Some(Box::new(about)), outer, place, Some(text), self.depth + 1))
    }

    fn hold(&mut self, piece: &[u8]) {
        let Some(held) = &mut self.held else { return };
        held.extend_from_slice(piece);
        if held.starts_with(BYTE_ORDER_MARK) {
            held.drain(..BYTE_ORDER_MARK.len());
        }
        let is_shapeless = held.len() >= SHAPE && shape(held).is_none();
        if held.len() > limits::HOLD_LIMIT || is_shapeless {
            self.held = None;
        }
    }

    /// Puts what was found in the text at its place; `piece` is what was read last.
    fn put(&mut self, found: Vec<(TokenIndex, Vec<Layer>)>, piece: &[u8], env: &mut Env<'_>) {
        if found.is_empty() {
            return;
        }
        let multipart = self.readings.iter().find_map(|reading| match reading {
            Reading::Multipart(multipart) => Some(multipart),
            _ => None,
        });
        let Some(multipart) = multipart else {
            let place = match &self.place {
                Place::Decoded(_) => Place::Decoded(self.held.clone()),
                place => place.clone(),
            };
            env.found(found, place);
            return;
        };
        let places = if piece.is_empty() || piece.len() > limits::HOLD_LIMIT {
            Vec::new()
        } else {
            locate(env.patchset, &env.relevant, piece)
        };
        for (token, layers) in found {
            let at = places.iter().find(|place| place.token == token);
            let before_end = at.map_or(piece.len(), |at| piece.len() - at.range.start);
            let place = multipart.part_before_end(before_end).unwrap_or_else(|| self.place.clone());
            env.found(vec![(token, layers)], place);
        }
    }
}

/// Whether a stream's first bytes tell what it is.
fn tells(beginning: &[u8]) -> bool {
    const _: () = assert!(charset::SHAPE <= inflate::MAGIC);
    beginning.len() >= inflate::MAGIC
        && !multipart::may_begin(beginning)
        && !sealed::may_begin(beginning)
        && !prolog::goes_on(beginning)
}
