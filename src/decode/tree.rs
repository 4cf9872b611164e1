//! All layers over a text that comes in chunks, in every order, decoding only around marks.
//!
//! A layer sleeps until one of its marks comes. Then it begins a text of its own, the *branch*, as a
//! copy of what stands before the mark: the last bytes of the text it branches from, and a copy of
//! every other layer awake there, since up to here undoing the new layer would have changed nothing.
//! From then on the branch lives its own life. Once it and everything inside it has gone so many
//! bytes without a mark that its reader cannot tell it from the text it branched from, it sleeps
//! again. So a token is found however its escapes are mixed and wherever the chunks are cut, and
//! plain stretches are read once.

use super::budget::{Budget, MAX_DEPTH};
use super::byteset::Relevant;
use super::escape::next;
use super::layer::{ESCAPES, Layer};
use super::unescape::Unescaper;

/// Bytes that branches are fed at least in one go, where there are as many.
const STEP: usize = 512;

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
    tail: Vec<u8>,
    branches: Branches<S>,
    texts: usize,
}

type Branches<S> = [Option<Box<Branch<S>>>; ESCAPES.len()];

struct Branch<S> {
    unescaper: Unescaper,
    state: S,
    /// The last bytes of the branch's text.
    tail: Vec<u8>,
    /// For its own layer and each around it, by depth: how many more bytes this text must go on
    /// before what it has to say of that layer's last mark is said.
    owed: [usize; MAX_DEPTH],
    branches: Branches<S>,
    scratch: Vec<u8>,
}

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
        Self { relevant, context, tail: Vec::new(), branches: Default::default(), texts: 0 }
    }

    /// Takes the next bytes of the text. The reader must have read them as they are.
    pub fn push<R: Reader<State = S>>(&mut self, text: &[u8], budget: &mut Budget, reader: &mut R) {
        let Self { relevant, context, tail, branches, texts } = self;
        let mut work =
            Work { relevant, context: *context, texts, path: Vec::new(), budget, reader };
        work.descend(branches, tail, text, &[0; MAX_DEPTH]);
        keep_tail(tail, text, *context);
    }

    /// Decides in every text what is undecided only because it may go on.
    pub fn settle<R: Reader<State = S>>(&mut self, reader: &mut R) {
        settle(&mut self.branches, &mut Vec::new(), reader);
    }

    /// Ends the text.
    pub fn finish<R: Reader<State = S>>(&mut self, budget: &mut Budget, reader: &mut R) {
        let Self { relevant, context, branches, texts, .. } = self;
        let mut work =
            Work { relevant, context: *context, texts, path: Vec::new(), budget, reader };
        work.finish(branches);
        settle(branches, &mut Vec::new(), reader);
        *branches = Branches::default();
        *texts = 0;
    }
}

impl<R: Reader> Work<'_, R> {
    /// Feeds `text`, which goes on after `tail` and owes that much, to the layers over it.
    fn descend(
        &mut self,
        branches: &mut Branches<R::State>,
        tail: &[u8],
        text: &[u8],
        owed: &[usize; MAX_DEPTH],
    ) {
        let depth = self.path.len();
        let mut marks = [text.len(); ESCAPES.len()];
        for ((mark, branch), layer) in marks.iter_mut().zip(branches.iter()).zip(ESCAPES) {
            if branch.is_none() {
                *mark = next(layer, text, 0, self.relevant).unwrap_or(text.len());
            }
        }
        let mut from = 0;
        while from < text.len() {
            if branches.iter().all(Option::is_none) {
                // Everything sleeps: on to the first mark.
                from = marks.iter().copied().min().unwrap_or(text.len());
                if from == text.len() {
                    return;
                }
            }
            for index in 0..ESCAPES.len() {
                if marks.get(index) == Some(&from) {
                    let before = text.get(..from).unwrap_or_default();
                    self.branch(branches, index, tail, before, owed);
                }
            }
            if self.budget_gone(branches) {
                return;
            }
            // As far as everything that is awake stays awake, and everything asleep sleeps.
            let mut to = text.len();
            for (branch, &mark) in branches.iter().zip(&marks) {
                let until = match branch {
                    Some(branch) => from + branch.owes(depth).max(STEP),
                    None if mark > from => mark,
                    None => continue,
                };
                to = to.min(until);
            }
            let piece = text.get(from..to).unwrap_or_default();
            from = to;
            for ((slot, mark), layer) in branches.iter_mut().zip(&mut marks).zip(ESCAPES) {
                let Some(branch) = slot else {
                    if *mark < from {
                        *mark = next(layer, text, from, self.relevant).unwrap_or(text.len());
                    }
                    continue;
                };
                self.feed(branch, layer, piece, false);
                if branch.unescaper.is_idle() && branch.owes(depth) == 0 {
                    *self.texts -= branch.texts();
                    *slot = None;
                    *mark = next(layer, text, from, self.relevant).unwrap_or(text.len());
                }
            }
        }
    }

    /// Wakes the layer at `index` where `before` ends.
    fn branch(
        &mut self,
        branches: &mut Branches<R::State>,
        index: usize,
        tail: &[u8],
        before: &[u8],
        owed: &[usize; MAX_DEPTH],
    ) {
        let depth = self.path.len();
        let Some(&layer) = ESCAPES.get(index) else { return };
        if !self.budget.enter(depth, *self.texts) {
            return;
        }
        let mut context = tail.to_vec();
        keep_tail(&mut context, before, self.context);
        let mut inner = Branches::default();
        for ((copy, branch), other) in inner.iter_mut().zip(branches.iter()).zip(ESCAPES) {
            if let Some(branch) = branch
                && other != layer
            {
                *copy = self.copy(branch, depth, depth + 1);
            }
        }
        if !self.budget.spend(context.len()) {
            return;
        }
        *self.texts += 1;
        let branch = Branch {
            unescaper: Unescaper::new(layer),
            state: self.reader.begin(&context),
            tail: context,
            owed: *owed,
            branches: inner,
            scratch: Vec::new(),
        };
        if let Some(slot) = branches.get_mut(index) {
            *slot = Some(Box::new(branch));
        }
    }

    /// A copy of the branch, one layer deeper, for a new layer at depth `around`.
    fn copy(
        &mut self,
        branch: &Branch<R::State>,
        around: usize,
        depth: usize,
    ) -> Option<Box<Branch<R::State>>> {
        if !self.budget.enter(depth, *self.texts) || !self.budget.spend(branch.tail.len()) {
            return None;
        }
        *self.texts += 1;
        let mut owed = [0; MAX_DEPTH];
        for (level, &amount) in branch.owed.iter().enumerate() {
            let level = if level < around { level } else { level + 1 };
            if let Some(slot) = owed.get_mut(level) {
                *slot = amount;
            }
        }
        let mut branches = Branches::default();
        for (copy, inner) in branches.iter_mut().zip(&branch.branches) {
            if let Some(inner) = inner {
                *copy = self.copy(inner, around, depth + 1);
            }
        }
        Some(Box::new(Branch {
            unescaper: branch.unescaper.clone(),
            state: self.reader.begin(&branch.tail),
            tail: branch.tail.clone(),
            owed,
            branches,
            scratch: Vec::new(),
        }))
    }

    /// Feeds a piece of the outer text to a branch; `last` ends it.
    fn feed(&mut self, branch: &mut Branch<R::State>, layer: Layer, piece: &[u8], last: bool) {
        let depth = self.path.len();
        let mut decoded = std::mem::take(&mut branch.scratch);
        decoded.clear();
        let touched = branch.unescaper.push(piece, self.relevant, &mut decoded);
        if last {
            branch.unescaper.finish(&mut decoded);
        }
        if self.budget.spend(decoded.len()) {
            // What wakes inside, somewhere in this piece, owes what is owed where the piece begins.
            let mut inherited = branch.owed;
            for owed in &mut branch.owed {
                *owed = owed.saturating_sub(decoded.len());
            }
            if let (Some(end), Some(owed)) = (touched, branch.owed.get_mut(depth)) {
                *owed = self.context.saturating_sub(decoded.len() - end);
                if let Some(inherited) = inherited.get_mut(depth) {
                    *inherited = self.context;
                }
            }
            self.path.push(layer);
            self.reader.read(&mut branch.state, &decoded, &self.path);
            self.descend(&mut branch.branches, &branch.tail, &decoded, &inherited);
            if last {
                self.finish(&mut branch.branches);
            }
            self.path.pop();
            if touched.is_some() {
                branch.inner_owe(depth, self.context);
            }
            keep_tail(&mut branch.tail, &decoded, self.context);
        }
        branch.scratch = decoded;
    }

    fn finish(&mut self, branches: &mut Branches<R::State>) {
        for (branch, layer) in branches.iter_mut().zip(ESCAPES) {
            if let Some(branch) = branch {
                self.feed(branch, layer, &[], true);
            }
        }
    }

    /// Whether no more may be decoded; then everything sleeps for good.
    fn budget_gone(&mut self, branches: &mut Branches<R::State>) -> bool {
        let gone = !self.budget.allows_more();
        if gone {
            *branches = Branches::default();
        }
        gone
    }
}

impl<S> Branch<S> {
    /// How many more bytes it and everything inside it must go on for the layer at this depth.
    fn owes(&self, depth: usize) -> usize {
        let own = self.owed.get(depth).copied().unwrap_or_default();
        self.branches.iter().flatten().map(|inner| inner.owes(depth)).fold(own, usize::max)
    }

    /// Makes everything inside it owe this much to the layer at this depth.
    fn inner_owe(&mut self, depth: usize, amount: usize) {
        for inner in self.branches.iter_mut().flatten() {
            if let Some(owed) = inner.owed.get_mut(depth) {
                *owed = amount;
            }
            inner.inner_owe(depth, amount);
        }
    }

    fn texts(&self) -> usize {
        self.branches.iter().flatten().map(|inner| inner.texts()).fold(1, usize::saturating_add)
    }
}

fn settle<R: Reader>(branches: &mut Branches<R::State>, path: &mut Vec<Layer>, reader: &mut R) {
    for (branch, layer) in branches.iter_mut().zip(ESCAPES) {
        if let Some(branch) = branch {
            path.push(layer);
            reader.settle(&mut branch.state, path);
            settle(&mut branch.branches, path, reader);
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
