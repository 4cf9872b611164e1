//! A body, chunk by chunk: what it is is told by what the head says of it and by its first bytes.

use std::sync::Arc;

use super::about::About;
use super::decide::Cause;
use super::multipart::Named;
use super::stream::Stream;
use super::text::Finds;
use crate::decode::{Budget, Layer, Relevant};
use crate::matcher::{Patchset, TokenIndex};

/// State of inspecting a body.
pub(super) struct Body {
    patchset: Arc<Patchset>,
    relevant: Relevant,
    shared: Shared,
    stream: Stream,
    /// Bytes seen.
    length: u64,
}

/// Where in a body something was found.
#[derive(Clone, Debug)]
pub(super) enum Place {
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
pub(super) struct Group {
    /// Where.
    pub(super) place: Place,
    /// The tokens, with the layers undone, outermost first.
    pub(super) found: Vec<(TokenIndex, Vec<Layer>)>,
}

/// What all streams of a body have in common.
pub(super) struct Shared {
    /// What was found in the text under way.
    pub(super) finds: Finds,
    /// What was found and is not handed on.
    pub(super) found: Vec<Group>,
    /// Causes of incomplete inspection that were met and are not handed on.
    pub(super) causes: Vec<&'static Cause>,
    /// Streams that are open.
    pub(super) open: usize,
}

/// What a stream works with.
pub(super) struct Env<'a> {
    pub(super) patchset: &'a Arc<Patchset>,
    pub(super) relevant: Relevant,
    pub(super) budget: &'a mut Budget,
    pub(super) shared: &'a mut Shared,
}

impl Env<'_> {
    /// Says that inspection is incomplete.
    pub(super) fn incomplete(&mut self, cause: &'static Cause) {
        self.shared.causes.push(cause);
    }

    /// Puts what was found in a text at its place.
    pub(super) fn found(&mut self, found: Vec<(TokenIndex, Vec<Layer>)>, place: Place) {
        if !found.is_empty() {
            self.shared.found.push(Group { place, found });
        }
    }
}

impl Body {
    /// A body of which nothing was seen, but what its head says of it.
    pub(super) fn new(
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
            },
            stream: Stream::raw(patchset, relevant, about),
            length: 0,
        }
    }

    /// Bytes seen so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Takes the next chunk.
    pub(super) fn push(&mut self, chunk: &[u8], budget: &mut Budget) {
        budget.earn(chunk.len());
        self.length += chunk.len() as u64;
        let (stream, mut env) = self.parts(budget);
        stream.push(chunk, &mut env);
    }

    /// Decides what is undecided as if the body ended here.
    pub(super) fn settle(&mut self, budget: &mut Budget) {
        let (stream, mut env) = self.parts(budget);
        stream.settle(&mut env);
    }

    /// Ends the body.
    pub(super) fn finish(&mut self, budget: &mut Budget) {
        let (stream, mut env) = self.parts(budget);
        stream.finish(&mut env);
    }

    /// What was found since this was last asked.
    pub(super) fn take_found(&mut self) -> Vec<Group> {
        std::mem::take(&mut self.shared.found)
    }

    /// Causes of incomplete inspection that were met since this was last asked.
    pub(super) fn take_causes(&mut self) -> Vec<&'static Cause> {
        std::mem::take(&mut self.shared.causes)
    }

    fn parts<'a>(&'a mut self, budget: &'a mut Budget) -> (&'a mut Stream, Env<'a>) {
        let Self { patchset, relevant, shared, stream, .. } = self;
        (stream, Env { patchset, relevant: *relevant, budget, shared })
    }
}
