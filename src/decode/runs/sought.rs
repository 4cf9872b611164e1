//! What is looked for in runs of base64 and hex, and who reads what they decode to.

use std::ops::RangeInclusive;

use crate::decode::budget::Budget;
use crate::decode::byteset::ByteSet;
use crate::decode::containers::inflate::Coding;
use crate::decode::layer::Layer;

/// Characters that stand together somewhere in a run, at most, for it to be found.
pub(in crate::decode) const ANCHOR: usize = 16;
/// The same where tokens are short.
const ANCHOR_LEAST: usize = 12;
/// The same in a text given whole, which is short.
const ANCHOR_WHOLE: usize = 8;

/// What is looked for in runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sought {
    /// Bytes of the shortest token; 0 where nothing is looked for.
    pub(in crate::decode) shortest: usize,
    /// Bytes of the longest token.
    pub(in crate::decode) longest: usize,
    /// Bytes of the shortest signature; 0 where there is none.
    pub(in crate::decode) signature: usize,
    /// Whether all tokens are ASCII.
    pub(in crate::decode) ascii: bool,
    /// What tokens are made of.
    pub(in crate::decode) alphabet: ByteSet,
    /// Whether it matters what stands beside a token.
    pub(in crate::decode) borders: bool,
}

impl Sought {
    /// Nothing.
    pub const NOTHING: Self = Self {
        shortest: 0,
        longest: 0,
        signature: 0,
        ascii: true,
        alphabet: ByteSet::EMPTY,
        borders: false,
    };

    /// Tokens of so many bytes, all of them in `alphabet`; and, in the bytes that runs decode to and
    /// nowhere else, signatures of at least so many bytes.
    pub fn new(
        lengths: RangeInclusive<usize>,
        alphabet: ByteSet,
        signature: Option<usize>,
    ) -> Self {
        let (shortest, longest) = lengths.into_inner();
        let ascii = alphabet.is_ascii();
        // Where everything that is decoded is read as text, so are signatures.
        let signature = signature.filter(|_| ascii).unwrap_or_default();
        Self { shortest, longest, signature, ascii, alphabet, borders: false }
    }

    /// The same; and whether it matters what stands beside a token, so that what follows a gap in a run
    /// is also read as if nothing stood before it.
    #[must_use]
    pub fn with_borders(self, borders: bool) -> Self {
        Self { borders, ..self }
    }

    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        self.shortest == 0
    }

    /// Bytes of the shortest of what is looked for.
    pub(in crate::decode) fn least(&self) -> usize {
        if self.signature == 0 { self.shortest } else { self.shortest.min(self.signature) }
    }

    /// Characters of base64 of the shortest of what is looked for: no run of fewer holds anything.
    pub(in crate::decode) fn characters(&self) -> usize {
        characters(self.least())
    }

    /// Characters that stand together somewhere in each run that is found.
    pub(in crate::decode) fn anchor(&self, whole: bool) -> usize {
        let characters = self.characters();
        if whole {
            return ANCHOR_WHOLE.min(characters);
        }
        // One character of junk may stand in the middle.
        (characters / 2).clamp(ANCHOR_LEAST.min(characters), ANCHOR)
    }
}

/// Characters of base64 that so many bytes take.
pub(in crate::decode) fn characters(bytes: usize) -> usize {
    (bytes * 8).div_ceil(6)
}

/// What a decoded text is to its reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A text in which tokens may stand, and further encodings of them.
    Text,
    /// Bytes in which a signature may stand, and nothing else.
    Bytes,
    /// Bytes that begin with the magic number of a compression, and go on behind its end: the text is
    /// what they decompress to.
    Packed(Coding),
}

/// A decoded text that begins.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// What it is.
    pub part: Part,
    /// What was undone.
    pub layer: Layer,
    /// One of the run's characters at which a byte begins.
    pub(in crate::decode) first: usize,
    /// How many bytes behind that one it begins.
    pub(in crate::decode) at: isize,
}

/// Reads what runs decode to.
pub trait Sink {
    /// State of reading one decoded text.
    type State;

    /// Begins a text; nothing where it is not to be read.
    fn open(&mut self, opening: Opening, budget: &mut Budget) -> Option<Self::State>;

    /// Reads on in a text that undoing the layer brought forth.
    fn read(&mut self, state: &mut Self::State, layer: Layer, text: &[u8], budget: &mut Budget);

    /// Reports what is undecided only because the text may go on.
    fn settle(&mut self, state: &mut Self::State, layer: Layer);

    /// Whether more of a text can change anything.
    fn goes_on(&self, _state: &Self::State) -> bool {
        true
    }

    /// Whether a compressed text reads on in another file that has begun so many bytes ago.
    fn has_begun_again(&self, _state: &Self::State, _bytes: usize) -> bool {
        false
    }

    /// Ends a text.
    fn close(&mut self, state: Self::State, layer: Layer, budget: &mut Budget);

    /// Whether it wants to know where the characters of runs stand.
    fn wants_places(&self) -> bool {
        false
    }

    /// Told once all texts of a run have ended: where its characters stand, and one past its end.
    fn ended(&mut self, _places: &[usize], _end: usize) {}
}
