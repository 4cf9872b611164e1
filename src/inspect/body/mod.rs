//! A body, chunk by chunk: what it is is told by what the head says of it and by its first bytes.

mod about;
mod grpc;
mod multipart;
mod params;
mod prolog;
mod reading;
mod sealed;
mod stream;

pub(super) use about::About;

use std::sync::Arc;

use crate::config::limits;
use crate::decode::inflate::{Coding, Inflater};
use crate::decode::{Budget, Layer, Relevant};
use crate::inspect::decide::Cause;
use crate::inspect::text::Finds;
use crate::matcher::{Patchset, TokenIndex};
use multipart::Named;
use stream::Stream;

/// State of inspecting a body.
pub(in crate::inspect) struct Body {
    patchset: Arc<Patchset>,
    relevant: Relevant,
    shared: Shared,
    stream: Stream,
    /// Bytes seen.
    length: u64,
}

/// Where in a body something was found.
#[derive(Clone, Debug)]
pub(in crate::inspect) enum Place {
    /// In its bytes as they came.
    Raw,
    /// In what they decode to, of which this is the beginning, where it was held.
    Decoded(Option<Vec<u8>>),
    /// In a part of a multipart body.
    Part(Arc<Named>),
    /// In a message, counted from 0.
    Message(u64),
}

/// What was found in one place.
pub(in crate::inspect) struct Group {
    /// Where.
    pub(in crate::inspect) place: Place,
    /// The tokens, with the layers undone, outermost first.
    pub(in crate::inspect) found: Vec<(TokenIndex, Vec<Layer>)>,
}

/// What all streams of a body have in common.
pub(in crate::inspect) struct Shared {
    /// What was found in the text under way.
    pub(in crate::inspect) finds: Finds,
    /// What was found and is not handed on.
    pub(in crate::inspect) found: Vec<Group>,
    /// Causes of incomplete inspection that were met and are not handed on.
    pub(in crate::inspect) causes: Vec<&'static Cause>,
    /// Streams that are open.
    pub(in crate::inspect) open: usize,
    /// Decompressions that have ended, for those of later parts and messages.
    spare: Vec<Inflater>,
}

impl Shared {
    /// The beginning of a decompression.
    pub(in crate::inspect) fn inflater(&mut self, coding: Coding) -> Option<Inflater> {
        let spare = self.spare.iter().position(|spare| spare.coding() == coding);
        if let Some(mut spare) = spare.map(|at| self.spare.swap_remove(at))
            && spare.begin_anew()
        {
            return Some(spare);
        }
        Inflater::new(coding)
    }

    /// Takes one that has ended.
    pub(in crate::inspect) fn spare(&mut self, inflater: Inflater) {
        if inflater.coding() != Coding::Brotli && self.spare.len() < limits::SPARE_INFLATERS {
            self.spare.push(inflater);
        }
    }
}

/// What a stream works with.
pub(in crate::inspect) struct Env<'a> {
    pub(in crate::inspect) patchset: &'a Arc<Patchset>,
    pub(in crate::inspect) relevant: Relevant,
    pub(in crate::inspect) budget: &'a mut Budget,
    pub(in crate::inspect) shared: &'a mut Shared,
}

impl Env<'_> {
    /// Says that inspection is incomplete.
    pub(in crate::inspect) fn incomplete(&mut self, cause: &'static Cause) {
        self.shared.causes.push(cause);
    }

    /// Puts what was found in a text at its place.
    pub(in crate::inspect) fn found(&mut self, found: Vec<(TokenIndex, Vec<Layer>)>, place: Place) {
        if !found.is_empty() {
            self.shared.found.push(Group { place, found });
        }
    }
}

impl Body {
    /// A body of which nothing was seen, but what its head says of it.
    pub(in crate::inspect) fn new(
        patchset: &Arc<Patchset>,
        relevant: Relevant,
        about: Option<Box<About>>,
    ) -> Self {
        Self {
            patchset: Arc::clone(patchset),
            relevant,
            shared: Shared {
                finds: Finds::new(patchset),
                found: Vec::new(),
                causes: Vec::new(),
                open: 0,
                spare: Vec::new(),
            },
            stream: Stream::raw(patchset, relevant, about),
            length: 0,
        }
    }

    /// Bytes seen so far.
    pub(in crate::inspect) fn length(&self) -> u64 {
        self.length
    }

    /// Takes the next chunk.
    pub(in crate::inspect) fn push(&mut self, chunk: &[u8], budget: &mut Budget) {
        budget.earn(chunk.len());
        self.length += chunk.len() as u64;
        let (stream, mut env) = self.parts(budget);
        stream.push(chunk, &mut env);
    }

    /// Decides what is undecided as if the body ended here, and tells whether there was room for all of
    /// it.
    pub(in crate::inspect) fn settle(&mut self, budget: &mut Budget) -> bool {
        let (stream, mut env) = self.parts(budget);
        stream.settle(&mut env);
        !self.shared.finds.take_undecided()
    }

    /// Ends the body.
    pub(in crate::inspect) fn finish(&mut self, budget: &mut Budget) {
        let (stream, mut env) = self.parts(budget);
        stream.finish(&mut env);
    }

    /// What was found since this was last asked.
    pub(in crate::inspect) fn take_found(&mut self) -> Vec<Group> {
        std::mem::take(&mut self.shared.found)
    }

    /// Causes of incomplete inspection that were met since this was last asked.
    pub(in crate::inspect) fn take_causes(&mut self) -> Vec<&'static Cause> {
        std::mem::take(&mut self.shared.causes)
    }

    fn parts<'a>(&'a mut self, budget: &'a mut Budget) -> (&'a mut Stream, Env<'a>) {
        let Self { patchset, relevant, shared, stream, .. } = self;
        (stream, Env { patchset, relevant: *relevant, budget, shared })
    }
}
