//! One text that comes in pieces: looked through as it is, through all layers over it, and in all
//! runs of base64 and hex inside it.

use std::sync::Arc;

use crate::decode::inflate::Inflater;
use crate::decode::{
    Budget, Documents, Expanded, Layer, Opening, Part, Reach, Reader, Relevant, Runs, Seat, Sink,
    Tree, Word,
};
use crate::matcher::{Patchset, StreamScanner, TokenIndex};

/// How many times as long as what it decodes to a run may seem of which an escape is a part, for a
/// token in it to be found: what may be so cut up that it is not seen to be one run.
const BESIDE_RUNS: usize = 3;
/// The same where it is seen to be one: hex of base64 of JSON escapes.
const IN_RUN: usize = 16;

/// State of looking through one text: what reads it, and the layers over it.
pub(super) struct Text {
    level: Level,
    tree: Tree<Level>,
    documents: Documents<Inner>,
    relevant: Relevant,
    /// What was undone to bring the text forth, outermost first.
    outer: Vec<Layer>,
}

/// What reads one text as it is, and the runs in it.
struct Level {
    scanner: StreamScanner,
    runs: Runs<Stream>,
    declares: Word,
}

/// What reads what a run decodes to.
enum Stream {
    /// A text like any other.
    Text(Box<Inner>),
    /// Only bytes.
    Bytes(Box<StreamScanner>),
    /// Compressed bytes.
    Packed(Box<Packed>),
}

struct Packed {
    inflater: Inflater,
    /// What reads what they decompress to.
    inner: Inner,
    /// Whether nothing more comes of them.
    over: bool,
    _seat: Seat,
}

struct Inner {
    level: Level,
    tree: Tree<Level>,
    documents: Documents<Inner>,
    _seat: Seat,
}

/// What was found and not yet handed on, each token once.
pub(super) struct Finds {
    patchset: Arc<Patchset>,
    new: Vec<(TokenIndex, Vec<Layer>)>,
    known: Vec<TokenIndex>,
    /// Whether something was not decided where a text paused, for want of room.
    undecided: bool,
    /// Whether a DTD seems to have begun.
    in_dtd: bool,
    /// Under which layers a document seems to declare something, inside so many others.
    declaring: Vec<(usize, Vec<Layer>)>,
}

impl Finds {
    /// Nothing found yet.
    pub(super) fn new(patchset: &Arc<Patchset>) -> Self {
        Self {
            patchset: Arc::clone(patchset),
            new: Vec::new(),
            known: Vec::new(),
            undecided: false,
            in_dtd: false,
            declaring: Vec::new(),
        }
    }

    /// What was found since this was last asked.
    pub(super) fn take(&mut self) -> Vec<(TokenIndex, Vec<Layer>)> {
        std::mem::take(&mut self.new)
    }

    /// Whether something was not decided where a text paused, since this was last asked.
    pub(super) fn take_undecided(&mut self) -> bool {
        std::mem::take(&mut self.undecided)
    }

    /// Under which layers of the text inside of so many a document seems to declare something, since
    /// this was last asked.
    fn take_declaring(&mut self, outer: usize) -> Vec<Vec<Layer>> {
        let of_it = self.declaring.extract_if(.., |(inside, _)| *inside == outer);
        of_it.map(|(_, layers)| layers).collect()
    }

    fn note(&mut self, token: TokenIndex, path: &Path<'_>) {
        if let Err(place) = self.known.binary_search(&token) {
            self.known.insert(place, token);
            self.new.push((token, path.layers()));
        }
    }
}

/// What was undone around a text, in pieces.
struct Path<'a> {
    outer: Option<&'a Path<'a>>,
    layers: &'a [Layer],
}

impl<'a> Path<'a> {
    fn of(layers: &'a [Layer]) -> Self {
        Self { outer: None, layers }
    }

    fn inside(&'a self, layers: &'a [Layer]) -> Path<'a> {
        Path { outer: Some(self), layers }
    }

    fn len(&self) -> usize {
        self.outer.map_or(0, Path::len) + self.layers.len()
    }

    /// Outermost first.
    fn layers(&self) -> Vec<Layer> {
        let mut layers = self.outer.map(Path::layers).unwrap_or_default();
        layers.extend_from_slice(self.layers);
        layers
    }
}

/// Notes what is found in a text that undoing `outer` brought forth.
struct Reading<'a> {
    /// Nothing where what is read was read before.
    finds: Option<&'a mut Finds>,
    patchset: &'a Arc<Patchset>,
    relevant: &'a Relevant,
    outer: &'a Path<'a>,
}

impl Reading<'_> {
    /// What reads a text that comes of a run.
    fn inner(&self, budget: &mut Budget) -> Option<Inner> {
        self.text_of(self.relevant.inside_runs(), budget)
    }

    /// What reads a text in which this is relevant.
    fn text_of(&self, relevant: Relevant, budget: &mut Budget) -> Option<Inner> {
        let seat = budget.seat()?;
        let level = Level::new(self.patchset);
        let tree = Tree::new(relevant, reach(self.patchset, &relevant));
        Some(Inner { level, tree, documents: Documents::default(), _seat: seat })
    }

    /// Reads the documents in the next piece of a text.
    fn documents(&mut self, documents: &mut Documents<Inner>, piece: &[u8], budget: &mut Budget) {
        let outer = self.outer.len();
        let finds = self.finds.as_mut();
        let told = finds.map(|finds| finds.take_declaring(outer)).unwrap_or_default();
        documents.push(piece, &told, budget, self);
    }

    /// The same inside the layers around which `outer` tells.
    fn inside<'b>(&'b mut self, outer: &'b Path<'b>) -> Reading<'b> {
        let Self { finds, patchset, relevant, .. } = self;
        Reading { finds: finds.as_deref_mut(), patchset, relevant, outer }
    }

    fn scan(&mut self, scanner: &mut StreamScanner, text: &[u8], layers: &[Layer]) {
        let Self { finds, outer, .. } = self;
        scanner.feed(text, &mut |found| {
            if let Some(finds) = finds {
                finds.note(found.token, &outer.inside(layers));
            }
        });
    }

    fn settle_scan(&mut self, scanner: &mut StreamScanner, layers: &[Layer]) {
        let Self { finds, outer, .. } = self;
        scanner.settle(&mut |found| {
            if let Some(finds) = finds {
                finds.note(found.token, &outer.inside(layers));
            }
        });
    }
}

/// How many bytes beside an escape decide whether a token stands there.
fn reach(patchset: &Patchset, relevant: &Relevant) -> Reach {
    let longest = patchset.reach();
    if relevant.runs().is_nothing() {
        return Reach { anywhere: longest, in_run: longest };
    }
    Reach { anywhere: longest * BESIDE_RUNS, in_run: longest * IN_RUN }
}

impl Level {
    fn new(patchset: &Arc<Patchset>) -> Self {
        Self {
            scanner: StreamScanner::new(Arc::clone(patchset)),
            runs: Runs::new(),
            declares: Word::default(),
        }
    }
}

impl Reader for Reading<'_> {
    type State = Level;

    fn begin(&mut self, context: &[u8], budget: &mut Budget) -> Level {
        let mut level = Level::new(self.patchset);
        let mut silent = Reading { finds: None, ..*self };
        Reader::read(&mut silent, &mut level, context, &[], budget);
        level
    }

    fn read(&mut self, level: &mut Level, text: &[u8], layers: &[Layer], budget: &mut Budget) {
        self.scan(&mut level.scanner, text, layers);
        let sought = self.relevant.runs();
        let path = self.outer.inside(layers);
        level.runs.push(text, sought, budget, &mut self.inside(&path));
        let finds = self.finds.as_mut();
        let mut in_dtd = finds.as_ref().is_some_and(|finds| finds.in_dtd);
        let declares = level.declares.ends_in(text, &mut in_dtd);
        if let Some(finds) = finds {
            finds.in_dtd = in_dtd;
            finds.declaring.extend(declares.then(|| (self.outer.len(), layers.to_vec())));
        }
    }

    fn end(&mut self, level: &mut Level, layers: &[Layer], budget: &mut Budget) {
        self.settle_scan(&mut level.scanner, layers);
        let path = self.outer.inside(layers);
        level.runs.finish(self.relevant.runs(), budget, &mut self.inside(&path));
    }

    fn settle(&mut self, level: &mut Level, layers: &[Layer]) {
        self.settle_scan(&mut level.scanner, layers);
        let path = self.outer.inside(layers);
        level.runs.settle(&mut self.inside(&path));
    }
}

/// Reads what the runs of a text decode to that undoing `outer` brought forth.
impl Sink for Reading<'_> {
    type State = Stream;

    fn open(&mut self, opening: Opening, budget: &mut Budget) -> Option<Stream> {
        if !budget.allows_layer(self.outer.len()) {
            return None;
        }
        Some(match opening.part {
            Part::Bytes => Stream::Bytes(Box::new(StreamScanner::new(Arc::clone(self.patchset)))),
            Part::Text => Stream::Text(Box::new(self.inner(budget)?)),
            Part::Packed(coding) => {
                let seat = budget.inflater(self.outer.len() + 1)?;
                let (inner, inflater) = (self.inner(budget)?, Inflater::new(coding)?);
                Stream::Packed(Box::new(Packed { inflater, inner, over: false, _seat: seat }))
            }
        })
    }

    fn read(&mut self, state: &mut Stream, layer: Layer, text: &[u8], budget: &mut Budget) {
        match state {
            Stream::Bytes(scanner) => self.scan(scanner, text, &[layer]),
            Stream::Text(inner) => {
                let layers = [layer];
                let path = self.outer.inside(&layers);
                inner.push(text, budget, &mut self.inside(&path));
            }
            Stream::Packed(packed) => {
                let Packed { inflater, inner, over, .. } = &mut **packed;
                let layers = [layer, inflater.coding().layer()];
                let path = self.outer.inside(&layers);
                let mut reading = self.inside(&path);
                let result = inflater.push(text, &mut |piece| {
                    let pays = budget.unpack_piece(piece);
                    if pays && !piece.is_empty() {
                        inner.push(piece, budget, &mut reading);
                    }
                    pays
                });
                *over = result.is_err() || inflater.is_over() || budget.is_spent();
            }
        }
    }

    fn goes_on(&self, state: &Stream) -> bool {
        !matches!(state, Stream::Packed(packed) if packed.over)
    }

    fn has_begun_again(&self, state: &Stream, bytes: usize) -> bool {
        matches!(state, Stream::Packed(packed) if packed.inflater.has_begun_again(bytes))
    }

    fn settle(&mut self, state: &mut Stream, layer: Layer) {
        match state {
            Stream::Bytes(scanner) => self.settle_scan(scanner, &[layer]),
            Stream::Text(inner) => {
                let layers = [layer];
                let path = self.outer.inside(&layers);
                inner.settle(&mut self.inside(&path));
            }
            Stream::Packed(packed) => {
                let layers = [layer, packed.inflater.coding().layer()];
                let path = self.outer.inside(&layers);
                packed.inner.settle(&mut self.inside(&path));
            }
        }
    }

    fn close(&mut self, state: Stream, layer: Layer, budget: &mut Budget) {
        match state {
            Stream::Bytes(mut scanner) => self.settle_scan(&mut scanner, &[layer]),
            Stream::Text(mut inner) => {
                let layers = [layer];
                let path = self.outer.inside(&layers);
                inner.finish(budget, &mut self.inside(&path));
            }
            Stream::Packed(mut packed) => {
                let layers = [layer, packed.inflater.coding().layer()];
                let path = self.outer.inside(&layers);
                packed.inner.finish(budget, &mut self.inside(&path));
            }
        }
    }
}

/// Reads what the documents in a text expand to that undoing `outer` brought forth.
impl Expanded for Reading<'_> {
    type State = Inner;

    fn begin(&mut self, layers: &[Layer], budget: &mut Budget) -> Option<Inner> {
        let inside = (self.outer.len() + layers.len()).saturating_sub(1);
        budget.allows_layer(inside).then(|| self.text_of(*self.relevant, budget)).flatten()
    }

    fn read(&mut self, state: &mut Inner, layers: &[Layer], text: &[u8], budget: &mut Budget) {
        let path = self.outer.inside(layers);
        state.push(text, budget, &mut self.inside(&path));
    }

    fn settle(&mut self, state: &mut Inner, layers: &[Layer]) {
        let path = self.outer.inside(layers);
        state.settle(&mut self.inside(&path));
    }

    fn end(&mut self, mut state: Inner, layers: &[Layer], budget: &mut Budget) {
        let path = self.outer.inside(layers);
        state.finish(budget, &mut self.inside(&path));
    }
}

impl Inner {
    fn settle(&mut self, reading: &mut Reading<'_>) {
        Reader::settle(reading, &mut self.level, &[]);
        let is_whole = self.tree.settle(reading);
        if let Some(finds) = &mut reading.finds {
            finds.undecided |= !is_whole;
        }
        self.documents.settle(reading);
    }

    fn finish(&mut self, budget: &mut Budget, reading: &mut Reading<'_>) {
        let around = budget.set_around(reading.outer.len());
        Reader::end(reading, &mut self.level, &[], budget);
        self.tree.finish(budget, reading);
        reading.documents(&mut self.documents, &[], budget);
        self.documents.finish(budget, reading);
        budget.set_around(around);
    }

    fn push(&mut self, text: &[u8], budget: &mut Budget, reading: &mut Reading<'_>) {
        let around = budget.set_around(reading.outer.len());
        Reader::read(reading, &mut self.level, text, &[], budget);
        self.tree.push(text, budget, reading);
        reading.documents(&mut self.documents, text, budget);
        budget.set_around(around);
    }
}

impl Text {
    /// The beginning of a text that undoing the layers `outer` brings forth.
    pub(super) fn new(patchset: &Arc<Patchset>, relevant: Relevant, outer: Vec<Layer>) -> Self {
        Self {
            level: Level::new(patchset),
            tree: Tree::new(relevant, reach(patchset, &relevant)),
            documents: Documents::default(),
            relevant,
            outer,
        }
    }

    /// Takes the next piece, which the budget knows of already.
    pub(super) fn push(&mut self, piece: &[u8], budget: &mut Budget, finds: &mut Finds) {
        let Self { level, tree, documents, relevant, outer } = self;
        let patchset = Arc::clone(&finds.patchset);
        let outer = &Path::of(outer);
        let around = budget.set_around(outer.len());
        let mut reading = Reading { finds: Some(finds), patchset: &patchset, relevant, outer };
        Reader::read(&mut reading, level, piece, &[], budget);
        tree.push(piece, budget, &mut reading);
        reading.documents(documents, piece, budget);
        budget.set_around(around);
    }

    /// Decides what is undecided as if the text ended here.
    pub(super) fn settle(&mut self, finds: &mut Finds) {
        let Self { level, tree, documents, relevant, outer } = self;
        let patchset = Arc::clone(&finds.patchset);
        let outer = &Path::of(outer);
        let mut reading = Reading { finds: Some(finds), patchset: &patchset, relevant, outer };
        Reader::settle(&mut reading, level, &[]);
        let is_whole = tree.settle(&mut reading);
        if let Some(finds) = &mut reading.finds {
            finds.undecided |= !is_whole;
        }
        documents.settle(&mut reading);
    }

    /// Ends the text.
    pub(super) fn finish(&mut self, budget: &mut Budget, finds: &mut Finds) {
        let Self { level, tree, documents, relevant, outer } = self;
        let patchset = Arc::clone(&finds.patchset);
        let outer = &Path::of(outer);
        let around = budget.set_around(outer.len());
        let mut reading = Reading { finds: Some(finds), patchset: &patchset, relevant, outer };
        Reader::end(&mut reading, level, &[], budget);
        tree.finish(budget, &mut reading);
        reading.documents(documents, &[], budget);
        documents.finish(budget, &mut reading);
        budget.set_around(around);
    }
}
