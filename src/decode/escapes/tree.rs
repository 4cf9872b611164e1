//! All layers over a text that comes in chunks, in every order, decoding only around marks.
//!
//! A layer sleeps until an escape of it comes that matters. Then it begins a text of its own, the
//! *branch*, as a copy of what stands before the escape: the last bytes of the text it branches
//! from, and a copy of every other layer awake there, since up to here undoing the new layer would
//! have changed nothing that matters. From then on the branch lives its own life. Once it and
//! everything inside it has gone so many bytes without an escape that its reader cannot tell it from
//! the text it branched from, it sleeps again. So a token is found however its escapes are mixed and
//! wherever the chunks are cut, and plain stretches are read once.

use super::branch::{Branch, Branches, Cut, Owed, Text, keep_tail, texts};
use super::escape::{Inside, LONGEST, find_mark, undo};
use super::marks::cut_at_end;
use super::reach::Reach;
use super::unescape::Unescaper;
use super::wakes::{Alarms, Wakes, end_of_long_run, first_mark, first_marks, next_mark};
use crate::decode::budget::{Budget, Limits, MAX_DEPTH};
use crate::decode::byteset::Relevant;
use crate::decode::layer::{ESCAPES, Layer};

/// What settling may ask for at once, beside what there is; the next piece pays for it.
const SETTLING: Limits =
    Limits { depth: MAX_DEPTH, ratio: 0, free: 3 * 1024 * 1024, texts: 4_096, inflaters: 8 };

/// Work that each settling may do for nothing, so that small pieces do not use the budget up.
const SETTLING_FREE: u64 = 1024;

/// Reads decoded texts; each has a state of its own.
pub trait Reader {
    /// State of reading one text.
    type State;

    /// The state of a reader that has read `context` and reported what is in it.
    fn begin(&mut self, context: &[u8], budget: &mut Budget) -> Self::State;

    /// Reads on, in a text that undoing `layers`, outermost first, brought forth.
    fn read(&mut self, state: &mut Self::State, text: &[u8], layers: &[Layer], budget: &mut Budget);

    /// Reads a text's end.
    fn end(&mut self, state: &mut Self::State, layers: &[Layer], budget: &mut Budget);

    /// Reports what is undecided only because the text may go on.
    fn settle(&mut self, state: &mut Self::State, layers: &[Layer]);
}

/// The layers over one text.
pub struct Tree<S> {
    relevant: Relevant,
    reach: Reach,
    texts: usize,
    text: Text<S>,
    /// Work of settling that no budget has paid for yet.
    unpaid: u64,
}

/// What all branches share while a chunk is worked on.
struct Work<'a, R: Reader> {
    relevant: &'a Relevant,
    reach: Reach,
    texts: &'a mut usize,
    path: Vec<Layer>,
    budget: &'a mut Budget,
    reader: &'a mut R,
}

impl<S> Tree<S> {
    /// No layer awake.
    pub fn new(relevant: Relevant, reach: Reach) -> Self {
        Self { relevant, reach, texts: 0, text: Text::new(), unpaid: 0 }
    }

    /// Takes the next bytes of the text. The reader must have read them as they are.
    pub fn push<R: Reader<State = S>>(
        &mut self,
        piece: &[u8],
        budget: &mut Budget,
        reader: &mut R,
    ) {
        budget.take(std::mem::take(&mut self.unpaid));
        budget.begin_piece(self.texts);
        let (mut work, text) = self.work(budget, reader);
        work.descend(text, piece, &Owed::default(), false);
    }

    /// Decides in every text what is undecided only because it may go on: a copy of what is held back
    /// in the middle of an escape is read as if it ended here. Tells whether there was room for all of
    /// it.
    pub fn settle<R: Reader<State = S>>(&mut self, reader: &mut R) -> bool {
        settle(&mut self.text, &mut Vec::new(), reader);
        if !self.text.is_in_an_escape() {
            return true;
        }
        let mut budget = Budget::new(SETTLING);
        let Self { relevant, reach, texts, text, unpaid } = self;
        let mut texts = *texts;
        let path = Vec::new();
        let mut work =
            Work { relevant, reach: *reach, texts: &mut texts, path, budget: &mut budget, reader };
        let mut copy = work.copy_text(text, None, &[], 0);
        work.descend(&mut copy, &[], &Owed::default(), true);
        work.end(&mut copy);
        *unpaid = unpaid.saturating_add(budget.work().saturating_sub(SETTLING_FREE));
        !budget.is_spent()
    }

    /// Ends the text.
    pub fn finish<R: Reader<State = S>>(&mut self, budget: &mut Budget, reader: &mut R) {
        budget.take(std::mem::take(&mut self.unpaid));
        let (mut work, text) = self.work(budget, reader);
        work.descend(text, &[], &Owed::default(), true);
        work.end(text);
        self.text = Text::new();
        self.texts = 0;
    }

    fn work<'a, R: Reader<State = S>>(
        &'a mut self,
        budget: &'a mut Budget,
        reader: &'a mut R,
    ) -> (Work<'a, R>, &'a mut Text<S>) {
        let Self { relevant, reach, texts, text, .. } = self;
        (Work { relevant, reach: *reach, texts, path: Vec::new(), budget, reader }, text)
    }
}

impl<R: Reader> Work<'_, R> {
    /// Feeds the next piece of a text, which owes that much, to the layers over it; `last` tells
    /// that the text ends with it.
    fn descend(&mut self, text: &mut Text<R::State>, piece: &[u8], owed: &Owed, last: bool) {
        let mut alarms = self.alarms(text, piece, owed, last);
        let mut from = 0;
        while from < piece.len() {
            if text.branches.iter().all(Option::is_none) {
                // Everything sleeps: on to the first mark.
                match alarms.first() {
                    Some(mark) => from = mark,
                    None => break,
                }
            }
            self.wake_at(text, &alarms, piece.get(..from).unwrap_or_default(), owed);
            if !self.budget.allows_more() {
                *text = Text::new();
                return;
            }
            // As far as everything that is awake stays awake, and everything asleep sleeps.
            let awake = text.branches.iter().flatten();
            let until = awake.map(|branch| from + self.reach.soonest(branch.owes(self.path.len())));
            let to = until.chain(alarms.next_after(from)).fold(piece.len(), usize::min);
            let step = piece.get(from..to).unwrap_or_default();
            from = to;
            for (index, layer) in ESCAPES.into_iter().enumerate() {
                let sleeps = match text.branches.get_mut(index) {
                    Some(Some(branch)) => {
                        self.feed(branch, layer, step, false);
                        branch.unescaper.is_idle() && branch.owes(self.path.len()) == 0
                    }
                    // It could not wake.
                    _ => alarms.mark(index).is_some_and(|mark| mark < from),
                };
                if sleeps {
                    if let Some(branch) = text.branches.get_mut(index).and_then(Option::take) {
                        *self.texts -= branch.texts();
                    }
                    alarms.set(index, next_mark(layer, piece, from, self.relevant, last));
                }
            }
        }
        if last {
            for (branch, layer) in text.branches.iter_mut().zip(ESCAPES) {
                if let Some(branch) = branch {
                    self.feed(branch, layer, &[], true);
                }
            }
        }
        for index in 0..ESCAPES.len() {
            if let Some(length) = alarms.cut(index) {
                // Where there is none yet, everything was asleep.
                let before = piece.get(..piece.len().saturating_sub(length)).unwrap_or_default();
                let run = self.reach.run(text.run, &text.tail, before);
                let none = || Cut { index, length, run, before: Branches::default() };
                text.cut.get_or_insert_with(none).length = length;
            }
        }
        text.run = self.reach.run(text.run, &text.tail, piece);
        // What stands before an escape that is cut must be there once it has come whole.
        let before_cut = text.cut.as_ref().map_or(0, |cut| self.reach.kept(cut.run) + cut.length);
        keep_tail(&mut text.tail, piece, self.reach.kept(text.run).max(before_cut));
    }

    /// Where each sleeping layer wakes in the next piece of the text. One that wakes before it, at an
    /// escape that the text so far is cut in, wakes now.
    fn alarms(
        &mut self,
        text: &mut Text<R::State>,
        piece: &[u8],
        owed: &Owed,
        last: bool,
    ) -> Alarms {
        let mut alarms = Alarms::new(piece.len());
        let mut cut = text.cut.take();
        let held = |index| cut.as_ref().is_some_and(|cut| cut.index == index && cut.length > 0);
        let sleep = std::array::from_fn(|index| !text.is_awake(index) && !held(index));
        for (index, wakes) in first_marks(sleep, piece, self.relevant, last).into_iter().enumerate()
        {
            alarms.set(index, wakes);
        }
        if let Some(Cut { index, length, .. }) = cut
            && let Some(&layer) = ESCAPES.get(index)
            && !text.is_awake(index)
        {
            let held = text.tail.len().checked_sub(length).and_then(|start| text.tail.get(start..));
            let held = held.unwrap_or_default();
            let wakes = first_mark(layer, held, piece, self.relevant, last);
            if let Wakes::Behind(behind) = wakes
                && let Some(cut) = cut.take()
            {
                self.wake_behind(text, cut, behind, owed);
            }
            alarms.set(index, wakes);
        }
        if let Some(cut) = cut {
            // One that is still cut keeps what was awake where it began.
            if alarms.cut(cut.index).is_some_and(|length| length > piece.len()) {
                text.cut = Some(cut);
            } else {
                *self.texts -= texts(&cut.before);
            }
        }
        alarms
    }

    /// Wakes the layers whose escapes begin where the text and `before` end, and keeps what is awake
    /// where an escape begins that is cut.
    fn wake_at(&mut self, text: &mut Text<R::State>, alarms: &Alarms, before: &[u8], owed: &Owed) {
        for index in 0..ESCAPES.len() {
            if alarms.mark(index) == Some(before.len()) && !text.is_awake(index) {
                let tail = (text.tail.as_slice(), text.run);
                let branch = self.wake(tail, before, &text.branches, index, owed);
                if let Some(slot) = text.branches.get_mut(index) {
                    *slot = branch;
                }
            }
            if let Some(length) = alarms.cut(index)
                && alarms.cut_begins(index) == Some(before.len())
            {
                let run = self.reach.run(text.run, &text.tail, before);
                let before = self.copies(&text.branches, None, &[], self.path.len());
                text.cut = Some(Cut { index, length, run, before });
            }
        }
    }

    /// Wakes a layer at an escape that began so many bytes before the text's end.
    fn wake_behind(
        &mut self,
        text: &mut Text<R::State>,
        mut cut: Cut<R::State>,
        behind: usize,
        owed: &Owed,
    ) {
        let Some(&layer) = ESCAPES.get(cut.index) else { return };
        let end = text.tail.len().saturating_sub(behind);
        let start = text.tail.len().saturating_sub(cut.length);
        let (before, held) = text.tail.split_at_checked(end).unwrap_or_default();
        // What the cut began with may have been no escape, and the next one begins inside it.
        for (branch, layer) in cut.before.iter_mut().zip(ESCAPES) {
            if let Some(branch) = branch {
                self.feed(branch, layer, before.get(start..).unwrap_or_default(), false);
            }
        }
        let owed = owed.map(|amount| if amount == 0 { 0 } else { amount + behind });
        let (whole, begun) = before.split_at_checked(start).unwrap_or((before, &[]));
        let before = (before, self.reach.run(cut.run, whole, begun));
        let branch = self.wake(before, &[], &cut.before, cut.index, &owed);
        *self.texts -= texts(&cut.before);
        if let (Some(mut branch), Some(slot)) = (branch, text.branches.get_mut(cut.index)) {
            self.feed(&mut branch, layer, held, false);
            *slot = Some(branch);
        }
    }

    /// A branch for the layer at `index`, which wakes where `tail`, of which so much may be a run, and
    /// then `before` end, beside those that are awake there.
    fn wake(
        &mut self,
        (tail, run): (&[u8], usize),
        before: &[u8],
        awake: &Branches<R::State>,
        index: usize,
        owed: &Owed,
    ) -> Option<Box<Branch<R::State>>> {
        let depth = self.path.len();
        let layer = *ESCAPES.get(index)?;
        if depth >= self.budget.depth() {
            self.budget.too_deep();
            return None;
        }
        let mut run = self.reach.run(run, tail, before);
        let mut context = tail.to_vec();
        keep_tail(&mut context, before, self.reach.kept(run));
        // What escapes of the layer stand there matter to no token, but their letters might.
        if find_mark(layer, Inside::Nothing, &context).is_some() {
            context = undo(layer, &context);
            run = self.reach.run(0, &[], &context);
        }
        if !self.budget.room(*self.texts) || !self.budget.spend(context.len()) {
            return None;
        }
        *self.texts += 1;
        let mut text = Text::new();
        text.branches = self.copies(awake, Some(depth), &[], depth + 1);
        for (other, (sleeping, branch)) in ESCAPES.into_iter().zip(awake).enumerate() {
            if branch.is_none() {
                let cut = cut_at_end(sleeping, &context, self.relevant)
                    .filter(|&length| length < LONGEST);
                if let Some(length) = cut {
                    let held = context.get(context.len() - length..).unwrap_or_default();
                    let before = self.copies(awake, Some(depth), held, depth + 2);
                    let whole = context.strip_suffix(held).unwrap_or_default();
                    let run = self.reach.run(0, &[], whole);
                    text.cut = Some(Cut { index: other, length, run, before });
                }
            }
        }
        let state = self.reader.begin(&context, self.budget);
        (text.tail, text.run) = (context, run);
        let unescaper = Unescaper::new(layer);
        Some(Box::new(Branch { unescaper, state, text, owed: *owed, scratch: Vec::new() }))
    }

    /// Copies of what is awake, at this depth: where it is one deeper than it was, for a new layer at
    /// depth `around`. They are as they were before they read `without`; what did not take that for
    /// plain is left out.
    fn copies(
        &mut self,
        branches: &Branches<R::State>,
        around: Option<usize>,
        without: &[u8],
        depth: usize,
    ) -> Branches<R::State> {
        let mut copies = Branches::default();
        for (copy, branch) in copies.iter_mut().zip(branches) {
            if let Some(branch) = branch {
                *copy = self.copy(branch, around, without, depth);
            }
        }
        copies
    }

    fn copy(
        &mut self,
        branch: &Branch<R::State>,
        around: Option<usize>,
        without: &[u8],
        depth: usize,
    ) -> Option<Box<Branch<R::State>>> {
        if depth >= self.budget.depth() {
            self.budget.too_deep();
            return None;
        }
        let tail = branch.text.tail.strip_suffix(without)?;
        if !without.is_empty() && !branch.unescaper.is_idle() {
            return None;
        }
        if !self.budget.room(*self.texts) || !self.budget.spend(tail.len()) {
            return None;
        }
        *self.texts += 1;
        let mut owed = Owed::default();
        for (level, &amount) in branch.owed.iter().enumerate() {
            let level =
                if around.is_some_and(|around| level >= around) { level + 1 } else { level };
            if let Some(slot) = owed.get_mut(level) {
                *slot = amount;
            }
        }
        let mut text = self.copy_text(&branch.text, around, without, depth + 1);
        text.tail.truncate(tail.len());
        text.run = text.run.saturating_sub(without.len());
        Some(Box::new(Branch {
            unescaper: branch.unescaper.clone(),
            state: self.reader.begin(tail, self.budget),
            text,
            owed,
            scratch: Vec::new(),
        }))
    }

    /// A copy of a text whose branches are at this depth.
    fn copy_text(
        &mut self,
        text: &Text<R::State>,
        around: Option<usize>,
        without: &[u8],
        depth: usize,
    ) -> Text<R::State> {
        let mut copy = Text::new();
        (copy.tail, copy.run) = (text.tail.clone(), text.run);
        if without.is_empty()
            && let Some(cut) = &text.cut
        {
            let before = self.copies(&cut.before, around, without, depth);
            copy.cut = Some(Cut { index: cut.index, length: cut.length, run: cut.run, before });
        }
        copy.branches = self.copies(&text.branches, around, without, depth);
        copy
    }

    /// Feeds a piece of the outer text to a branch; `last` ends it.
    fn feed(&mut self, branch: &mut Branch<R::State>, layer: Layer, piece: &[u8], last: bool) {
        let depth = self.path.len();
        let mut decoded = std::mem::take(&mut branch.scratch);
        decoded.clear();
        let mut touched = branch.unescaper.push(piece, self.relevant, &mut decoded);
        if last {
            branch.unescaper.finish(&mut decoded);
        }
        if self.budget.spend(decoded.len()) {
            let amount = self.reach.owed_after_an_escape(depth);
            // What wakes inside, somewhere in this piece, owes what is owed where the piece begins.
            let mut inherited = branch.owed;
            if branch.owed.get(depth).is_some_and(|&owed| owed > 0) {
                touched = touched.max(end_of_long_run(&decoded));
            }
            for owed in &mut branch.owed {
                *owed = owed.saturating_sub(decoded.len());
            }
            if let (Some(end), Some(owed)) = (touched, branch.owed.get_mut(depth)) {
                *owed = amount.saturating_sub(decoded.len() - end);
                if let Some(inherited) = inherited.get_mut(depth) {
                    *inherited = amount;
                }
            }
            self.path.push(layer);
            self.reader.read(&mut branch.state, &decoded, &self.path, self.budget);
            self.descend(&mut branch.text, &decoded, &inherited, last);
            self.path.pop();
            if touched.is_some() {
                branch.inner_owe(depth, amount);
            }
            self.forgive(branch);
        }
        branch.scratch = decoded;
    }

    /// Ends every text over this one.
    fn end(&mut self, text: &mut Text<R::State>) {
        for (branch, layer) in text.branches.iter_mut().zip(ESCAPES) {
            if let Some(branch) = branch {
                self.path.push(layer);
                self.reader.end(&mut branch.state, &self.path, self.budget);
                self.end(&mut branch.text);
                self.path.pop();
            }
        }
    }

    /// Forgives what is owed in the middle of a run, where the run has begun behind the escape.
    fn forgive(&self, branch: &mut Branch<R::State>) {
        if branch.text.run < self.reach.anywhere {
            let in_run = self.reach.owed_in_run();
            for owed in branch.owed.iter_mut().filter(|owed| **owed <= in_run) {
                *owed = 0;
            }
        }
    }
}

fn settle<R: Reader>(text: &mut Text<R::State>, path: &mut Vec<Layer>, reader: &mut R) {
    for (branch, layer) in text.branches.iter_mut().zip(ESCAPES) {
        if let Some(branch) = branch {
            path.push(layer);
            reader.settle(&mut branch.state, path);
            settle(&mut branch.text, path, reader);
            path.pop();
        }
    }
}
