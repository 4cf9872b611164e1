//! The messages of a WebSocket, each inspected for itself against the patchset in force when it
//! begins.

use std::sync::{Arc, Weak};

use http::request::Parts;
use jiff::Timestamp;

use super::decide::{self, Cause};
use super::scope::{self, Asked};
use super::search;
use super::text::{Finds, Text};
use super::{Context, Inspection};
use crate::config::limits;
use crate::decode::{Budget, Layer, NotInflated, Permessage, Relevant};
use crate::matcher::Patchset;
use crate::model::rule::FiltrationMode;
use crate::model::verdict::{Hit, Point, Verdict};

/// What the request that opens a WebSocket tells about all of its messages.
#[derive(Debug)]
pub struct Opening {
    asked: Asked,
    context: Context,
}

impl Opening {
    /// Of this request; the mode and the time of the context are those of each message instead.
    pub fn new(parts: &Parts, context: Context) -> Self {
        Self { asked: Asked::new(&parts.method, &parts.uri, &parts.headers), context }
    }
}

/// What is in force when a message begins.
#[derive(Clone)]
pub struct InForce {
    /// The patchset.
    pub patchset: Arc<Patchset>,
    /// The filtration mode: the route's, weakened to `Monitoring` by the bypass switch.
    pub mode: FiltrationMode,
    /// The time.
    pub now: Timestamp,
}

impl InForce {
    /// Whether anything at all may be refused.
    pub fn may_block(&self) -> bool {
        self.mode == FiltrationMode::Block && self.patchset.any_blocking()
    }
}

impl Inspection {
    /// Whether a blocking patch is in scope of this request, and the mode lets it act.
    pub fn blocks(&self) -> bool {
        self.patchset.any_blocking()
            && scope::any_blocks(self.patchset.all_rules(), self.asked.as_ref(), &self.context)
    }

    /// Inspects a message's text, which undoing `outer` brought forth and the budget knows of already.
    fn whole_message(&mut self, text: &[u8], outer: &[Layer]) {
        let Self { patchset, relevant, budget, .. } = self;
        for (token, layers) in search::held_inside(patchset, relevant, budget, outer, text) {
            self.hit(token, Point::Websocket, &layers);
        }
    }
}

/// The messages that one side of a WebSocket sends, one after the other.
pub struct Messages {
    opening: Arc<Opening>,
    /// What was worth undoing under the patchset of the last message.
    relevant: Option<(Weak<Patchset>, Relevant)>,
    inflater: Option<Permessage>,
    /// Why compressed messages cannot be read any more.
    unreadable: Option<&'static Cause>,
    current: Option<Message>,
    allowance: Allowance,
    /// Where a message that comes whole is inflated.
    inflated: Vec<u8>,
}

/// What all messages of a side share, so that many small ones cost no more than a large one: work that
/// decoding them may take whatever came in. Grows again with time.
struct Allowance {
    work: u64,
    at: Option<Timestamp>,
}

impl Allowance {
    /// What the next message may take.
    fn of_next(&mut self, now: Timestamp) -> u64 {
        let passed = self.at.map_or(0, |at| now.as_millisecond() - at.as_millisecond());
        let passed = u64::try_from(passed).unwrap_or_default();
        let grown = passed.saturating_mul(limits::WEBSOCKET_FREE_WORK_A_SECOND) / 1_000;
        self.work = self.work.saturating_add(grown).min(limits::WEBSOCKET_FREE_WORK);
        self.at = Some(now);
        self.work.min(limits::DECODE_FREE_WORK)
    }

    /// Takes what a message has taken beyond what its length allows.
    fn spend(&mut self, work: u64) {
        self.work = self.work.saturating_sub(work);
    }
}

/// A message under way.
struct Message {
    inspection: Inspection,
    /// What reads it, once it comes in pieces.
    pieces: Option<Pieces>,
    compressed: bool,
    /// Whether it was inflated to its end.
    inflated: bool,
    /// Whether no more of it can be read.
    broken: bool,
    /// How many of its hits were told of.
    told: usize,
}

/// A text that comes in pieces, and what was found in it.
struct Pieces {
    text: Text,
    finds: Finds,
}

impl Messages {
    /// Messages that may be compressed where `keeps_context` is given: it says whether one may refer
    /// to those before it.
    pub fn new(opening: Arc<Opening>, keeps_context: Option<bool>) -> Self {
        let inflater =
            keeps_context.map(|keeps| Permessage::new(keeps, limits::WEBSOCKET_INFLATED_BYTES));
        let allowance = Allowance { work: limits::WEBSOCKET_FREE_WORK, at: None };
        let relevant = None;
        Self {
            opening,
            relevant,
            inflater,
            unreadable: None,
            current: None,
            allowance,
            inflated: Vec::new(),
        }
    }

    /// Begins a message, and ends the one before it.
    pub fn begin(&mut self, in_force: &InForce, compressed: bool) -> Verdict {
        self.end();
        let mut inspection = self.inspection(in_force);
        inspection.budget.set_free(self.allowance.of_next(in_force.now));
        let (pieces, inflated, broken, told) = (None, false, false, 0);
        let mut message = Message { inspection, pieces, compressed, inflated, broken, told };
        if compressed {
            match (self.unreadable, &mut self.inflater) {
                (None, Some(inflater)) => inflater.begin(),
                (cause, _) => message.breaks(cause.unwrap_or(&decide::WEBSOCKET)),
            }
        }
        let verdict = message.inspection.verdict();
        self.current = Some(message);
        verdict
    }

    fn inspection(&mut self, in_force: &InForce) -> Inspection {
        let InForce { patchset, mode, now } = in_force;
        let known = self.relevant.as_ref();
        let known = known.filter(|(of, _)| of.as_ptr() == Arc::as_ptr(patchset));
        let relevant = match known {
            Some((_, relevant)) => *relevant,
            None => {
                let relevant = search::relevant(patchset);
                self.relevant = Some((Arc::downgrade(patchset), relevant));
                relevant
            }
        };
        let Opening { context, asked } = &*self.opening;
        let context = Context { mode: *mode, now: *now, ..context.clone() };
        let mut inspection = Inspection::under(Arc::clone(patchset), relevant, context);
        inspection.asked = Some(asked.clone());
        inspection
    }

    /// Begins, in a message's place, what cannot be read as messages.
    pub fn begin_malformed(&mut self, in_force: &InForce) -> Verdict {
        let verdict = self.begin(in_force, false);
        match &mut self.current {
            Some(message) => {
                message.breaks(&decide::WEBSOCKET);
                message.inspection.verdict()
            }
            None => verdict,
        }
    }

    /// Inspects a message that is at hand whole, instead of [`Self::push`] with all of it: as short
    /// ones mostly are, for which this costs less.
    pub fn whole(&mut self, bytes: &[u8]) -> Verdict {
        match &mut self.current {
            Some(message) if !message.compressed => {
                message.inspection.budget.earn(bytes.len());
                if message.is_read() {
                    message.inspection.whole_message(bytes, &[]);
                }
                message.inspection.verdict()
            }
            Some(message) => {
                message.inspection.budget.earn(bytes.len());
                let out = &mut self.inflated;
                message.inflate_whole(&mut self.inflater, &mut self.unreadable, bytes, out);
                message.verdict()
            }
            None => Verdict::Pass,
        }
    }

    /// Inspects the next bytes of the message.
    pub fn push(&mut self, bytes: &[u8]) -> Verdict {
        let Some(message) = &mut self.current else { return Verdict::Pass };
        message.inspection.budget.earn(bytes.len());
        if message.compressed {
            message.inflate(&mut self.inflater, &mut self.unreadable, Some(bytes));
        } else if message.is_read() {
            let Message { pieces, inspection, .. } = message;
            Pieces::of(pieces, inspection, false).push(bytes, &mut inspection.budget);
        }
        message.verdict()
    }

    /// Decides what is undecided as if the message ended here. Called before bytes that were handed
    /// in are forwarded while the message goes on.
    pub fn settle(&mut self) -> Verdict {
        let Some(message) = &mut self.current else { return Verdict::Pass };
        if message.is_read()
            && let Some(Pieces { text, finds }) = &mut message.pieces
        {
            text.settle(finds);
            message.inspection.undecided_pauses += u64::from(finds.take_undecided());
        }
        message.verdict()
    }

    /// Inspects the message's end.
    pub fn finish(&mut self) -> Verdict {
        let Some(message) = &mut self.current else { return Verdict::Pass };
        if message.compressed && !message.inflated {
            message.inflate(&mut self.inflater, &mut self.unreadable, None);
        }
        if message.is_read()
            && let Some(Pieces { text, finds }) = &mut message.pieces
        {
            text.finish(&mut message.inspection.budget, finds);
        }
        message.verdict()
    }

    /// What was found in the message since this was last asked, with its inspection; `None` where
    /// no message is under way.
    pub fn news(&mut self) -> Option<(&[Hit], &Inspection)> {
        let message = self.current.as_mut()?;
        let hits = message.inspection.hits();
        let new = hits.get(message.told..).unwrap_or_default();
        message.told = hits.len();
        Some((new, &message.inspection))
    }

    /// Lets go of the message, and of its patchset.
    pub fn end(&mut self) {
        if let Some(last) = self.current.take() {
            self.allowance.spend(last.inspection.budget.overdrawn());
        }
    }
}

impl Message {
    /// Whether looking at its text can change anything.
    fn is_read(&self) -> bool {
        self.inspection.goes_on() && !self.broken
    }

    fn breaks(&mut self, cause: &'static Cause) {
        self.broken = true;
        self.inspection.incompletely(cause);
    }

    /// Inflates these bytes, or the message's end. Goes on where nothing is looked for, since a
    /// later message may refer to this one.
    fn inflate(
        &mut self,
        inflater: &mut Option<Permessage>,
        unreadable: &mut Option<&'static Cause>,
        bytes: Option<&[u8]>,
    ) {
        let Some(inflater) = inflater.as_mut().filter(|_| !self.broken) else { return };
        let mut text = if self.is_read() {
            Some(Pieces::of(&mut self.pieces, &self.inspection, true))
        } else {
            None
        };
        let inspection = &mut self.inspection;
        let mut read = |inflated: &[u8], budget: &mut Budget| {
            if let Some(text) = &mut text {
                text.push(inflated, budget);
            }
        };
        let result = match bytes {
            Some(bytes) => inflater.push(bytes, &mut inspection.budget, &mut read),
            None => inflater.finish(&mut inspection.budget, &mut read),
        };
        self.inflated_so_far(result, inflater.keeps_context(), unreadable);
    }

    /// Inflates a message that is at hand whole. What is short is not read before it is whole as well.
    fn inflate_whole(
        &mut self,
        inflater: &mut Option<Permessage>,
        unreadable: &mut Option<&'static Cause>,
        bytes: &[u8],
        short: &mut Vec<u8>,
    ) {
        self.inflated = true;
        let Some(inflater) = inflater.as_mut().filter(|_| !self.broken) else { return };
        let is_read = self.is_read();
        let Self { inspection, pieces, .. } = self;
        let mut budget = inspection.budget.clone();
        short.clear();
        let mut read = |inflated: &[u8], budget: &mut Budget| {
            if !is_read {
                return;
            }
            if pieces.is_none() && short.len() + inflated.len() <= limits::WEBSOCKET_INFLATED_BYTES
            {
                short.extend_from_slice(inflated);
                return;
            }
            let text = Pieces::of(pieces, inspection, true);
            text.push(&std::mem::take(short), budget);
            text.push(inflated, budget);
        };
        let mut result = inflater.push(bytes, &mut budget, &mut read);
        if result.is_ok() {
            result = inflater.finish(&mut budget, &mut read);
        }
        inspection.budget = budget;
        if !short.is_empty() {
            inspection.whole_message(short, &[Layer::Deflate]);
        }
        self.inflated_so_far(result, inflater.keeps_context(), unreadable);
    }

    fn inflated_so_far(
        &mut self,
        result: Result<(), NotInflated>,
        keeps_context: bool,
        unreadable: &mut Option<&'static Cause>,
    ) {
        let cause = match result {
            Ok(()) => return,
            Err(NotInflated::Malformed) => &decide::WEBSOCKET,
            Err(NotInflated::Budget) => &decide::BUDGET,
        };
        if keeps_context {
            *unreadable = Some(cause);
        }
        self.breaks(cause);
    }

    fn verdict(&mut self) -> Verdict {
        if let Some(pieces) = &mut self.pieces {
            for (token, layers) in pieces.finds.take() {
                self.inspection.hit(token, Point::Websocket, &layers);
            }
        }
        self.inspection.verdict()
    }
}

impl Pieces {
    /// Those of this message, begun where they are not yet.
    fn of<'a>(pieces: &'a mut Option<Self>, of: &Inspection, compressed: bool) -> &'a mut Self {
        pieces.get_or_insert_with(|| {
            let layers = if compressed { vec![Layer::Deflate] } else { Vec::new() };
            Self {
                text: Text::new(&of.patchset, of.relevant, layers),
                finds: Finds::new(&of.patchset),
            }
        })
    }

    fn push(&mut self, bytes: &[u8], budget: &mut Budget) {
        self.text.push(bytes, budget, &mut self.finds);
    }
}
