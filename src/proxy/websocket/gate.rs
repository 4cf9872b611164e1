//! What a client sends in a WebSocket, looked at before it goes on: frame by frame, and a long frame
//! piece by piece. Does no I/O.

use std::sync::{Arc, Weak};

use super::frame::{Order, Part, Step, Walker, unmask};
use crate::config::limits;
use crate::inspect::{InForce, Inspection, Messages, Opening};
use crate::matcher::Patchset;
use crate::model::rule::FiltrationMode;
use crate::model::verdict::{Hit, Refusal, Verdict};

/// Bytes that are unmasked at once.
const PIECE: usize = 4096;

/// How a message ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It passed.
    Passed,
    /// It carried a token under a blocking patch.
    Blocked,
    /// It could not be inspected whole, and was refused.
    Refused,
    /// It, or all that follows, could not be inspected whole, and passed.
    Uninspected,
}

/// What became known of a message.
pub(crate) struct Report<'a> {
    /// Hits that are new since the last report of this message.
    pub(crate) hits: &'a [Hit],
    /// Its inspection so far.
    pub(crate) inspection: &'a Inspection,
    /// How it ended, if it did.
    pub(crate) ended: Option<Outcome>,
}

/// What follows from looking at some bytes.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Look {
    /// How many of the bytes that wait may go on now, from the first of them.
    pub(crate) release: usize,
    /// Why nothing after them may.
    pub(crate) refused: Option<Refusal>,
}

/// Which messages a frame is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Data,
    Control,
}

/// The client's side of a WebSocket, from its opening on.
pub(crate) struct Gate {
    walker: Walker,
    order: Order,
    data: Messages,
    control: Messages,
    kind: Kind,
    /// Whether the frame under way is its message's last.
    last: bool,
    /// Bytes of the payload of the frame under way, where that is a message by itself.
    alone: Option<u64>,
    /// Whether the frame under way has gone on in part.
    cut: bool,
    /// Under what the frames, which cannot be read any more, were let pass.
    blind: Option<(Weak<Patchset>, FiltrationMode)>,
    unreadable: bool,
    scratch: Box<[u8; PIECE]>,
}

impl Gate {
    /// A WebSocket that this request opened; `keeps_context` as [`Messages::new`] has it.
    pub(crate) fn new(opening: &Arc<Opening>, keeps_context: Option<bool>) -> Self {
        Self {
            walker: Walker::default(),
            order: Order::new(keeps_context.is_some()),
            data: Messages::new(Arc::clone(opening), keeps_context),
            control: Messages::new(Arc::clone(opening), None),
            kind: Kind::Data,
            last: false,
            alone: None,
            cut: false,
            blind: None,
            unreadable: false,
            scratch: Box::new([0; PIECE]),
        }
    }

    /// A WebSocket whose frames cannot be read at all.
    pub(crate) fn unreadable(opening: &Arc<Opening>) -> Self {
        Self { unreadable: true, ..Self::new(opening, None) }
    }

    /// Whether what has gone on ends with a whole frame.
    pub(crate) fn is_between(&self) -> bool {
        !self.cut
    }

    /// Looks at the next bytes, where `waiting` before them have not gone on yet.
    pub(crate) fn look(
        &mut self,
        bytes: &[u8],
        waiting: usize,
        in_force: &InForce,
        tell: &mut dyn FnMut(Report<'_>),
    ) -> Look {
        let all = waiting + bytes.len();
        let mut rest = bytes;
        let mut release = 0;
        while !self.unreadable
            && let Some(step) = self.walker.step(&mut rest)
        {
            let verdict = match step {
                Step::Header(header) => match self.order.next(&header) {
                    None => {
                        self.unreadable = true;
                        break;
                    }
                    Some(part) => {
                        self.last = header.fin;
                        let alone = header.fin && part != Part::Continues;
                        self.alone = alone.then_some(header.length);
                        self.begin(part, in_force)
                    }
                },
                Step::Payload(payload, key) => self.payload(payload, key),
            };
            let ends = self.walker.is_between();
            let verdict = if verdict.passes() && ends { self.frame_ends(tell) } else { verdict };
            if let Verdict::Refuse(refusal) = verdict {
                self.refused(&refusal, tell);
                return Look { release, refused: Some(refusal) };
            }
            if ends {
                release = all - rest.len();
                self.cut = false;
            }
        }
        if self.unreadable {
            return self.unread(release, all, in_force, tell);
        }
        let holds = in_force.may_block();
        if all > release && (!holds || all - release >= limits::WEBSOCKET_HELD_BYTES) {
            if holds && let Verdict::Refuse(refusal) = self.data.settle() {
                self.refused(&refusal, tell);
                return Look { release, refused: Some(refusal) };
            }
            release = all;
            self.cut = !self.walker.is_between();
        }
        report(&mut self.data, None, tell);
        Look { release, refused: None }
    }

    /// Decides about a frame that will not be whole, since the client has ended: what of it waits
    /// may go on where this passes.
    pub(crate) fn end(&mut self, tell: &mut dyn FnMut(Report<'_>)) -> Verdict {
        for kind in [Kind::Data, Kind::Control] {
            self.kind = kind;
            let verdict = self.messages().settle();
            if let Verdict::Refuse(refusal) = &verdict {
                self.refused(refusal, tell);
                return verdict;
            }
            report(self.messages(), None, tell);
        }
        Verdict::Pass
    }

    /// Those that the frame under way is of.
    fn messages(&mut self) -> &mut Messages {
        match self.kind {
            Kind::Data => &mut self.data,
            Kind::Control => &mut self.control,
        }
    }

    fn begin(&mut self, part: Part, in_force: &InForce) -> Verdict {
        match part {
            Part::Begins { compressed } => {
                self.kind = Kind::Data;
                self.data.begin(in_force, compressed)
            }
            Part::Continues => {
                self.kind = Kind::Data;
                Verdict::Pass
            }
            Part::Control => {
                self.kind = Kind::Control;
                self.control.begin(in_force, false)
            }
        }
    }

    fn payload(&mut self, payload: &[u8], key: [u8; 4]) -> Verdict {
        let whole = payload.len() <= PIECE && self.alone == Some(payload.len() as u64);
        // Pieces are of whole keys.
        for piece in payload.chunks(PIECE) {
            let Some(plain) = self.scratch.get_mut(..piece.len()) else { continue };
            unmask(piece, key, plain);
            let messages = match self.kind {
                Kind::Data => &mut self.data,
                Kind::Control => &mut self.control,
            };
            let verdict = if whole { messages.whole(plain) } else { messages.push(plain) };
            if !verdict.passes() {
                return verdict;
            }
        }
        Verdict::Pass
    }

    fn frame_ends(&mut self, tell: &mut dyn FnMut(Report<'_>)) -> Verdict {
        let last = self.last;
        let messages = self.messages();
        if !last {
            return messages.settle();
        }
        let verdict = messages.finish();
        if verdict.passes() {
            report(messages, Some(Outcome::Passed), tell);
            messages.end();
        }
        verdict
    }

    /// Ends the message under way, and what it was interleaved with, at a refusal.
    fn refused(&mut self, refusal: &Refusal, tell: &mut dyn FnMut(Report<'_>)) {
        let (refused, other) = match self.kind {
            Kind::Data => (&mut self.data, &mut self.control),
            Kind::Control => (&mut self.control, &mut self.data),
        };
        let outcome = match refusal {
            Refusal::Leaked => Outcome::Blocked,
            Refusal::Incomplete { .. } => Outcome::Refused,
        };
        report(refused, Some(outcome), tell);
        report(other, None, tell);
    }

    /// Frames that cannot be read: whether they pass is decided again where something else is in
    /// force.
    fn unread(
        &mut self,
        release: usize,
        all: usize,
        in_force: &InForce,
        tell: &mut dyn FnMut(Report<'_>),
    ) -> Look {
        let mode = in_force.mode;
        let is_decided = self.blind.as_ref().is_some_and(|(patchset, under)| {
            *under == mode && patchset.as_ptr() == Arc::as_ptr(&in_force.patchset)
        });
        if !is_decided {
            report(&mut self.data, None, tell);
            self.data.end();
            self.kind = Kind::Control;
            if let Verdict::Refuse(refusal) = self.control.begin_malformed(in_force) {
                self.refused(&refusal, tell);
                return Look { release, refused: Some(refusal) };
            }
            report(&mut self.control, Some(Outcome::Uninspected), tell);
            self.control.end();
            self.blind = Some((Arc::downgrade(&in_force.patchset), mode));
        }
        self.cut = true;
        Look { release: all, refused: None }
    }
}

fn report(messages: &mut Messages, ended: Option<Outcome>, tell: &mut dyn FnMut(Report<'_>)) {
    if let Some((hits, inspection)) = messages.news()
        && (ended.is_some() || !hits.is_empty())
    {
        let ended = match ended {
            Some(Outcome::Passed) if !inspection.incomplete().is_empty() => {
                Some(Outcome::Uninspected)
            }
            ended => ended,
        };
        tell(Report { hits, inspection, ended });
    }
}
