//! Where in a piece of a text the layers that sleep wake.

use super::escape::LONGEST;
use super::marks::{Next, judge, judge_cut, next, next_in_whole};
use crate::decode::byteset::Relevant;
use crate::decode::layer::{ESCAPES, Layer};
use crate::decode::sieve::{self, WINDOW};

/// Where in a piece a sleeping layer wakes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::decode) enum Wakes {
    /// Here.
    At(usize),
    /// So many bytes before the piece.
    Behind(usize),
    /// Nowhere, but the last so many bytes may be the beginning of an escape.
    Cut(usize),
    /// Nowhere.
    Never,
}

/// Where in one piece each sleeping layer wakes.
pub(in crate::decode) struct Alarms {
    piece: usize,
    wakes: [Wakes; ESCAPES.len()],
}

impl Alarms {
    /// None, in a piece of so many bytes.
    pub(in crate::decode) fn new(piece: usize) -> Self {
        Self { piece, wakes: [Wakes::Never; ESCAPES.len()] }
    }

    /// Sets where the layer at `index` wakes.
    pub(in crate::decode) fn set(&mut self, index: usize, wakes: Wakes) {
        if let Some(slot) = self.wakes.get_mut(index) {
            *slot = wakes;
        }
    }

    /// Where the layer at `index` wakes.
    pub(in crate::decode) fn mark(&self, index: usize) -> Option<usize> {
        match self.wakes.get(index) {
            Some(&Wakes::At(here)) => Some(here),
            _ => None,
        }
    }

    /// How many bytes at the end of the text may be the beginning of an escape of the layer.
    pub(in crate::decode) fn cut(&self, index: usize) -> Option<usize> {
        match self.wakes.get(index) {
            Some(&Wakes::Cut(length)) => Some(length),
            _ => None,
        }
    }

    /// Where in the piece those bytes begin.
    pub(in crate::decode) fn cut_begins(&self, index: usize) -> Option<usize> {
        self.cut(index).and_then(|length| self.piece.checked_sub(length))
    }

    /// The first place where any layer wakes.
    pub(in crate::decode) fn first(&self) -> Option<usize> {
        (0..ESCAPES.len()).filter_map(|index| self.mark(index)).min()
    }

    /// The first place after `from` where anything begins: an escape, or what may be one.
    pub(in crate::decode) fn next_after(&self, from: usize) -> Option<usize> {
        (0..ESCAPES.len())
            .flat_map(|index| [self.mark(index), self.cut_begins(index)])
            .flatten()
            .filter(|&place| place > from)
            .min()
    }
}

/// Where each of the layers that `sleep` wakes first in a piece; `last` tells that the text ends with
/// the piece. One walk for all of them.
pub(in crate::decode) fn first_marks(
    sleep: [bool; ESCAPES.len()],
    piece: &[u8],
    relevant: &Relevant,
    last: bool,
) -> [Wakes; ESCAPES.len()] {
    let mut wakes = [Wakes::Never; ESCAPES.len()];
    // From where each layer looks; nowhere once it wakes.
    let mut from = sleep.map(|sleeps| if sleeps { 0 } else { usize::MAX });
    for (layer, from) in ESCAPES.into_iter().zip(&mut from) {
        if !relevant.undoes(layer) {
            *from = usize::MAX;
        }
    }
    let table = relevant.marks();
    let mut window = 0;
    while let Some(rest) = piece.get(window..).filter(|rest| !rest.is_empty()) {
        let bits = sieve::marks(rest.get(..=WINDOW).unwrap_or(rest), &table);
        for (place, mut bits) in bits.into_iter().enumerate() {
            while bits != 0 {
                let here = window + place * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                wake_first(&mut wakes, &mut from, piece, here, relevant, last);
            }
        }
        window += WINDOW;
    }
    wakes
}

/// Lets the layer wake whose mark stands here, if it looks and the escape matters.
fn wake_first(
    wakes: &mut [Wakes; ESCAPES.len()],
    from: &mut [usize; ESCAPES.len()],
    piece: &[u8],
    here: usize,
    relevant: &Relevant,
    last: bool,
) {
    let layer = piece.get(here).and_then(|&mark| layer_at(mark));
    let Some((index, layer)) = layer else { return };
    let (Some(wakes), Some(from)) = (wakes.get_mut(index), from.get_mut(index)) else { return };
    if *from > here {
        return;
    }
    let mut judged = judge(layer, piece, here, relevant);
    if last && let Err(Next::Cut(cut)) = judged {
        judged = judge_cut(layer, piece, cut, relevant).map_err(Next::At);
    }
    match judged {
        Ok(past) => *from = past,
        Err(next) => {
            *from = usize::MAX;
            *wakes = match next {
                Next::At(here) => Wakes::At(here),
                Next::Cut(here) => Wakes::Cut(piece.len() - here),
                Next::None => Wakes::Never,
            };
        }
    }
}

/// The layer whose escapes begin with this byte, and its place among [`ESCAPES`].
fn layer_at(mark: u8) -> Option<(usize, Layer)> {
    Some(match mark {
        b'%' => (0, Layer::Percent),
        b'\\' => (1, Layer::Json),
        b'+' => (2, Layer::Form),
        b'&' => (3, Layer::Entity),
        b'<' => (4, Layer::Markup),
        _ => return None,
    })
}

/// Where a layer wakes in a piece, at `from` or after it; `last` tells that the text ends with the
/// piece.
pub(in crate::decode) fn next_mark(
    layer: Layer,
    piece: &[u8],
    from: usize,
    relevant: &Relevant,
    last: bool,
) -> Wakes {
    if last {
        return next_in_whole(layer, piece, from, relevant).map_or(Wakes::Never, Wakes::At);
    }
    match next(layer, piece, from, relevant) {
        Next::At(here) => Wakes::At(here),
        Next::Cut(here) => Wakes::Cut(piece.len() - here),
        Next::None => Wakes::Never,
    }
}

/// Where a layer wakes in a piece that goes on after `held`, which may be the beginning of an escape.
pub(in crate::decode) fn first_mark(
    layer: Layer,
    held: &[u8],
    piece: &[u8],
    relevant: &Relevant,
    last: bool,
) -> Wakes {
    if held.is_empty() {
        return next_mark(layer, piece, 0, relevant, last);
    }
    // Two escapes' length of the piece decides what is held.
    let borrowed = piece.len().min(2 * LONGEST);
    let whole = borrowed == piece.len();
    let joint = [held, piece.get(..borrowed).unwrap_or_default()].concat();
    match next_mark(layer, &joint, 0, relevant, last && whole) {
        Wakes::At(here) => match here.checked_sub(held.len()) {
            Some(here) => Wakes::At(here),
            None => Wakes::Behind(held.len() - here),
        },
        Wakes::Cut(length) => {
            let here = joint.len() - length;
            if here < held.len() && (!whole || length >= LONGEST) {
                // A run of backslashes that is longer than can be waited for.
                Wakes::Behind(held.len() - here)
            } else if whole {
                Wakes::Cut(length)
            } else {
                next_mark(layer, piece, here.saturating_sub(held.len()), relevant, last)
            }
        }
        other if whole => other,
        _ => next_mark(layer, piece, borrowed, relevant, last),
    }
}

/// Where the last long run of backslashes ends: whether what follows it is escaped depends on what
/// stands before it.
pub(in crate::decode) fn end_of_long_run(text: &[u8]) -> Option<usize> {
    memchr::memmem::rfind(text, &[b'\\'; LONGEST]).map(|start| start + LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::byteset::ByteSet;
    use crate::decode::escapes::escape::{Inside, begins};

    #[test]
    fn each_mark_has_its_layer() {
        for (index, layer) in ESCAPES.into_iter().enumerate() {
            let mark = (0..=255).find(|&byte| layer_at(byte).is_some_and(|(at, _)| at == index));
            assert_eq!(layer_at(mark.unwrap()), Some((index, layer)));
            assert!(begins(layer, Inside::Nothing, &[mark.unwrap()]));
        }
    }

    #[test]
    fn what_is_held_decides_with_what_follows() {
        let relevant = Relevant::to(ByteSet::EMPTY.with_all(b"abc"), false);
        for (layer, held, piece, wakes) in [
            (Layer::Percent, "", "x%61", Wakes::At(1)),
            (Layer::Percent, "", "x%6", Wakes::Cut(2)),
            (Layer::Percent, "", "x%0a", Wakes::Never),
            (Layer::Percent, "%6", "1x", Wakes::Behind(2)),
            (Layer::Percent, "%0", "ax%61", Wakes::At(2)),
            (Layer::Percent, "%6", "x%61", Wakes::At(1)),
            (Layer::Percent, "%6", "x%", Wakes::Cut(1)),
            (Layer::Percent, "%u0", "06", Wakes::Cut(5)),
            (Layer::Json, r"\u00", "61", Wakes::Behind(4)),
            (Layer::Json, r"\\", "n", Wakes::Never),
            (Layer::Json, r"\\", "u", Wakes::Behind(2)),
            (Layer::Json, r"\ud83d\", "x61", Wakes::Behind(1)),
            (Layer::Json, r"\\\\\\\\\\\\\\\", r"\\\", Wakes::Cut(2)),
            (Layer::Json, r"\\", r"\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\u", Wakes::At(28)),
        ] {
            let found = first_mark(layer, held.as_bytes(), piece.as_bytes(), &relevant, false);
            assert_eq!(found, wakes, "{held} {piece}");
        }
    }
}
