//! All layers over a text that comes in chunks, in every order, decoding only around marks.
//!
//! A layer sleeps until an escape of it comes that matters. Then it begins a text of its own, the
//! *branch*, as a copy of what stands before the escape: the last bytes of the text it branches
//! from, and a copy of every other layer awake there, since up to here undoing the new layer would
//! have changed nothing that matters. From then on the branch lives its own life. Once it and
//! everything inside it has gone so many bytes without an escape that its reader cannot tell it from
//! the text it branched from, it sleeps again. So a token is found however its escapes are mixed and
//! wherever the chunks are cut, and plain stretches are read once.

use super::budget::{Budget, MAX_DEPTH};
use super::byteset::Relevant;
use super::escape::{LONGEST, Next, cut_at_end, mark, next, next_in_whole, undo};
use super::layer::{ESCAPES, Layer};
use super::unescape::Unescaper;

/// Bytes that branches are fed at least in one go, where there are as many. Tests want every border.
const STEP: usize = if cfg!(test) { 1 } else { 512 };

/// Reads decoded texts; each has a state of its own.
pub trait Reader {
    /// State of reading one text.
    type State;

    /// The state of a reader that has read `context` and reported what is in it.
    fn begin(&mut self, context: &[u8]) -> Self::State;

    /// Reads on, in a text that undoing `layers`, outermost first, brought forth.
    fn read(&mut self, state: &mut Self::State, text: &[u8], layers: &[Layer]);

    /// Reports what is undecided only because the text may go on.
    fn settle(&mut self, state: &mut Self::State, layers: &[Layer]);
}

/// The layers over one text.
pub struct Tree<S> {
    relevant: Relevant,
    context: usize,
    texts: usize,
    text: Text<S>,
}

/// What is kept of one text.
struct Text<S> {
    /// Its last bytes: an escape that is cut at their beginning is out of a token's reach.
    tail: Vec<u8>,
    cut: Option<Cut<S>>,
    branches: Branches<S>,
}

type Branches<S> = [Option<Box<Branch<S>>>; ESCAPES.len()];

/// What may be the beginning of an escape of a layer that sleeps, at the end of a text. There cannot
/// be two: no layer's mark goes on another layer's escape.
struct Cut<S> {
    /// Whose escape.
    index: usize,
    /// Bytes of it so far.
    length: usize,
    /// What was awake where it begins.
    before: Branches<S>,
}

struct Branch<S> {
    unescaper: Unescaper,
    state: S,
    text: Text<S>,
    owed: Owed,
    scratch: Vec<u8>,
}

/// For each layer around a text, by depth: how many more bytes the text must go on before what it
/// has to say of that layer's last escape is said.
type Owed = [usize; MAX_DEPTH];

/// What all branches share while a chunk is worked on.
struct Work<'a, R: Reader> {
    relevant: &'a Relevant,
    context: usize,
    texts: &'a mut usize,
    path: Vec<Layer>,
    budget: &'a mut Budget,
    reader: &'a mut R,
}

impl<S> Tree<S> {
    /// No layer awake. `context` is how many bytes before and after an escape can matter to the
    /// reader: the longest token, with a byte beside it.
    pub fn new(relevant: Relevant, context: usize) -> Self {
        Self { relevant, context, texts: 0, text: Text::new() }
    }

    /// Takes the next bytes of the text. The reader must have read them as they are.
    pub fn push<R: Reader<State = S>>(
        &mut self,
        piece: &[u8],
        budget: &mut Budget,
        reader: &mut R,
    ) {
        let (mut work, text) = self.work(budget, reader);
        work.descend(text, piece, &Owed::default(), false);
    }

    /// Decides in every text what is undecided only because it may go on.
    pub fn settle<R: Reader<State = S>>(&mut self, reader: &mut R) {
        settle(&mut self.text, &mut Vec::new(), reader);
    }

    /// Ends the text.
    pub fn finish<R: Reader<State = S>>(&mut self, budget: &mut Budget, reader: &mut R) {
        let (mut work, text) = self.work(budget, reader);
        work.descend(text, &[], &Owed::default(), true);
        self.settle(reader);
        self.text = Text::new();
        self.texts = 0;
    }

    fn work<'a, R: Reader<State = S>>(
        &'a mut self,
        budget: &'a mut Budget,
        reader: &'a mut R,
    ) -> (Work<'a, R>, &'a mut Text<S>) {
        let Self { relevant, context, texts, text } = self;
        (Work { relevant, context: *context, texts, path: Vec::new(), budget, reader }, text)
    }
}

impl<R: Reader> Work<'_, R> {
    /// Feeds the next piece of a text, which owes that much, to the layers over it; `last` tells
    /// that the text ends with it.
    fn descend(&mut self, text: &mut Text<R::State>, piece: &[u8], owed: &Owed, last: bool) {
        let depth = self.path.len();
        // Where each sleeping layer wakes next, and what it is cut by.
        let mut marks = [usize::MAX; ESCAPES.len()];
        let mut cuts = [None; ESCAPES.len()];
        let mut cut = text.cut.take();
        for (index, layer) in ESCAPES.into_iter().enumerate() {
            if text.is_awake(index) {
                continue;
            }
            let held = cut.as_ref().filter(|cut| cut.index == index).map_or(0, |cut| cut.length);
            let wakes = self.first_mark(layer, &text.tail, held, piece, last);
            if let Wakes::Behind(behind) = wakes
                && let Some(cut) = cut.take_if(|cut| cut.index == index)
            {
                self.wake_behind(text, cut, behind, owed);
            }
            set(&mut marks, &mut cuts, index, wakes);
        }
        // A cut escape that goes on being one keeps what was awake where it began.
        text.cut = match cut {
            Some(cut) if cuts.get(cut.index).is_some_and(Option::is_some) => Some(cut),
            Some(cut) => {
                *self.texts -= texts(&cut.before);
                None
            }
            None => None,
        };
        let mut from = 0;
        while from < piece.len() {
            if text.branches.iter().all(Option::is_none) {
                // Everything sleeps: on to the first mark.
                from = marks.iter().copied().min().unwrap_or(usize::MAX);
                if from >= piece.len() {
                    break;
                }
            }
            for index in 0..ESCAPES.len() {
                if marks.get(index) == Some(&from) && !text.is_awake(index) {
                    let before = piece.get(..from).unwrap_or_default();
                    let branch = self.wake(&text.tail, before, &text.branches, index, owed);
                    if let Some(slot) = text.branches.get_mut(index) {
                        *slot = branch;
                    }
                }
                if let Some(&Some(length)) = cuts.get(index)
                    && piece.len().checked_sub(length) == Some(from)
                {
                    let before = self.copies(&text.branches, None, &[], depth);
                    text.cut = Some(Cut { index, length, before });
                }
            }
            if !self.budget.allows_more() {
                *text = Text::new();
                return;
            }
            // As far as everything that is awake stays awake, and everything asleep sleeps.
            let mut to = piece.len();
            for ((branch, &mark), cut) in text.branches.iter().zip(&marks).zip(&cuts) {
                let cut = cut.and_then(|length| piece.len().checked_sub(length));
                let until = match branch {
                    Some(branch) => from + branch.owes(depth).max(STEP),
                    None if mark > from => mark,
                    None => continue,
                };
                to = to.min(until).min(cut.filter(|&cut| cut > from).unwrap_or(to));
            }
            let step = piece.get(from..to).unwrap_or_default();
            from = to;
            for (index, layer) in ESCAPES.into_iter().enumerate() {
                let slot = text.branches.get_mut(index);
                let sleeps = match slot {
                    Some(Some(branch)) => {
                        self.feed(branch, layer, step, false);
                        branch.unescaper.is_idle() && branch.owes(depth) == 0
                    }
                    // It could not wake.
                    _ => marks.get(index).is_some_and(|&mark| mark < from),
                };
                if sleeps {
                    if let Some(branch) = text.branches.get_mut(index).and_then(Option::take) {
                        *self.texts -= branch.texts();
                    }
                    let wakes = self.next_mark(layer, piece, from, last);
                    set(&mut marks, &mut cuts, index, wakes);
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
        for (index, &length) in cuts.iter().enumerate() {
            if let Some(length) = length {
                match &mut text.cut {
                    Some(cut) => cut.length = length,
                    // Everything was asleep.
                    None => text.cut = Some(Cut { index, length, before: Default::default() }),
                }
            }
        }
        keep_tail(&mut text.tail, piece, self.kept());
    }

    /// Where a layer wakes in a piece that goes on after `tail`, the last `held` bytes of which may
    /// be the beginning of an escape.
    fn first_mark(
        &self,
        layer: Layer,
        tail: &[u8],
        held: usize,
        piece: &[u8],
        last: bool,
    ) -> Wakes {
        let Some(start) = tail.len().checked_sub(held).filter(|_| held > 0) else {
            return self.next_mark(layer, piece, 0, last);
        };
        let mut joint = tail.get(start..).unwrap_or_default().to_vec();
        let borrowed = piece.len().min(2 * LONGEST);
        joint.extend_from_slice(piece.get(..borrowed).unwrap_or_default());
        let whole = borrowed == piece.len();
        match self.next_mark(layer, &joint, 0, last && whole) {
            Wakes::At(here) if here < held => Wakes::Behind(held - here),
            Wakes::At(here) => Wakes::At(here - held),
            Wakes::Cut(length) => {
                let here = joint.len() - length;
                if here < held && (!whole || length >= LONGEST) {
                    // A run of backslashes that is longer than can be waited for.
                    Wakes::Behind(held - here)
                } else if whole {
                    Wakes::Cut(length)
                } else {
                    self.next_mark(layer, piece, here.saturating_sub(held), last)
                }
            }
            other if whole => other,
            _ => self.next_mark(layer, piece, borrowed, last),
        }
    }

    fn next_mark(&self, layer: Layer, text: &[u8], from: usize, last: bool) -> Wakes {
        if last {
            return next_in_whole(layer, text, from, self.relevant).map_or(Wakes::Never, Wakes::At);
        }
        match next(layer, text, from, self.relevant) {
            Next::At(here) => Wakes::At(here),
            Next::Cut(here) => Wakes::Cut(text.len() - here),
            Next::None => Wakes::Never,
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
        let branch = self.wake(before, &[], &cut.before, cut.index, &owed);
        *self.texts -= texts(&cut.before);
        if let (Some(mut branch), Some(slot)) = (branch, text.branches.get_mut(cut.index)) {
            self.feed(&mut branch, layer, held, false);
            *slot = Some(branch);
        }
    }

    /// A branch for the layer at `index`, which wakes where `tail` and then `before` end, beside
    /// those that are awake there.
    fn wake(
        &mut self,
        tail: &[u8],
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
        let mut context = tail.to_vec();
        keep_tail(&mut context, before, self.kept());
        // What escapes of the layer stand there matter to no token, but their letters might.
        if memchr::memchr(mark(layer), &context).is_some() {
            context = undo(layer, &context);
        }
        if !self.budget.room(*self.texts) || !self.budget.spend(context.len()) {
            return None;
        }
        *self.texts += 1;
        let mut text = Text::new();
        text.branches = self.copies(awake, Some(depth), &[], depth + 1);
        for (other, (sleeping, branch)) in ESCAPES.into_iter().zip(awake).enumerate() {
            if other != index && branch.is_none() {
                let cut = cut_at_end(sleeping, &context).filter(|&length| length < LONGEST);
                if let Some(length) = cut {
                    let held = context.get(context.len() - length..).unwrap_or_default();
                    let before = self.copies(awake, Some(depth), held, depth + 2);
                    text.cut = Some(Cut { index: other, length, before });
                }
            }
        }
        let state = self.reader.begin(&context);
        text.tail = context;
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
        let mut text = Text::new();
        text.tail = tail.to_vec();
        if without.is_empty()
            && let Some(cut) = &branch.text.cut
        {
            let before = self.copies(&cut.before, around, without, depth + 1);
            text.cut = Some(Cut { index: cut.index, length: cut.length, before });
        }
        text.branches = self.copies(&branch.text.branches, around, without, depth + 1);
        Some(Box::new(Branch {
            unescaper: branch.unescaper.clone(),
            state: self.reader.begin(tail),
            text,
            owed,
            scratch: Vec::new(),
        }))
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
            let amount = self.owed_after_an_escape(depth);
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
            self.reader.read(&mut branch.state, &decoded, &self.path);
            self.descend(&mut branch.text, &decoded, &inherited, last);
            self.path.pop();
            if touched.is_some() {
                branch.inner_owe(depth, amount);
            }
        }
        branch.scratch = decoded;
    }

    /// How many bytes, from its last escape on, a text and everything inside it have to say of a
    /// layer. Beside the context: where an escape inside begins may be read differently, which each
    /// layer inside hands on.
    fn owed_after_an_escape(&self, depth: usize) -> usize {
        self.context + MAX_DEPTH.saturating_sub(depth) * 2 * LONGEST
    }

    /// Bytes that are kept of each text.
    fn kept(&self) -> usize {
        self.context + 2 * LONGEST
    }
}

/// Where the last long run of backslashes ends: whether what follows it is escaped depends on what
/// stands before it.
fn end_of_long_run(text: &[u8]) -> Option<usize> {
    memchr::memmem::rfind(text, &[b'\\'; LONGEST]).map(|start| start + LONGEST)
}

/// Where in a piece a sleeping layer wakes.
#[derive(Clone, Copy, Debug)]
enum Wakes {
    /// Here.
    At(usize),
    /// So many bytes before the piece.
    Behind(usize),
    /// Nowhere, but the last so many bytes may be the beginning of an escape.
    Cut(usize),
    /// Nowhere.
    Never,
}

fn set(
    marks: &mut [usize; ESCAPES.len()],
    cuts: &mut [Option<usize>; ESCAPES.len()],
    index: usize,
    wakes: Wakes,
) {
    if let (Some(mark), Some(cut)) = (marks.get_mut(index), cuts.get_mut(index)) {
        (*mark, *cut) = match wakes {
            Wakes::At(here) => (here, None),
            Wakes::Cut(length) => (usize::MAX, Some(length)),
            Wakes::Behind(_) | Wakes::Never => (usize::MAX, None),
        };
    }
}

impl<S> Text<S> {
    fn new() -> Self {
        Self { tail: Vec::new(), cut: None, branches: Default::default() }
    }

    fn is_awake(&self, index: usize) -> bool {
        self.branches.get(index).is_some_and(Option::is_some)
    }
}

impl<S> Branch<S> {
    /// How many more bytes it and everything inside it must go on for the layer at this depth.
    fn owes(&self, depth: usize) -> usize {
        let own = self.owed.get(depth).copied().unwrap_or_default();
        self.text.branches.iter().flatten().map(|inner| inner.owes(depth)).fold(own, usize::max)
    }

    /// Makes everything inside it owe this much to the layer at this depth.
    fn inner_owe(&mut self, depth: usize, amount: usize) {
        for inner in self.text.branches.iter_mut().flatten() {
            if let Some(owed) = inner.owed.get_mut(depth) {
                *owed = amount;
            }
            inner.inner_owe(depth, amount);
        }
    }

    /// How many texts end with it.
    fn texts(&self) -> usize {
        let cut = self.text.cut.as_ref().map_or(0, |cut| texts(&cut.before));
        1 + cut + texts(&self.text.branches)
    }
}

fn texts<S>(branches: &Branches<S>) -> usize {
    branches.iter().flatten().map(|branch| branch.texts()).sum()
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

/// Makes `tail` the last `length` bytes of itself and `text`.
fn keep_tail(tail: &mut Vec<u8>, text: &[u8], length: usize) {
    if let Some(start) = text.len().checked_sub(length) {
        tail.clear();
        tail.extend_from_slice(text.get(start..).unwrap_or_default());
        return;
    }
    let excess = (tail.len() + text.len()).saturating_sub(length);
    tail.drain(..excess.min(tail.len()));
    tail.extend_from_slice(text);
}
