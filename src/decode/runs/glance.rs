//! Runs that hold nothing at a glance: what words, ids and addresses in ordinary texts look like.

use super::lanes::goes_on_behind;
use super::magic;
use super::sextet::{
    END, ESCAPE, JUNK, LAST, PADDING, WRAP, class, holds, not_ascii, not_hex, value,
};
use super::sought::{Sought, characters};
use super::stretches::{Stretch, Stretches};
use super::{GAP, LEFT, LINE, extend_left, is_gap};
use crate::decode::layer::Layer;

/// What stands behind a backslash or a percent sign where a line may be wrapped.
const WRAPS: &[u8] = b"\\nrt02";

/// Passes over the runs from `from` on that hold nothing at a glance. `begins` and `ends` tell whether
/// the text begins and ends with the piece.
pub(in crate::decode) fn pass(
    piece: &[u8],
    mut from: usize,
    (begins, ends): (bool, bool),
    stretches: &mut Stretches<'_>,
    sought: &Sought,
) -> usize {
    let enough = sought.characters();
    while let Ok(stretch) = stretches.next(from)
        && let Some(end) = too_few(piece, stretch, enough)
            .or_else(|| passes(piece, begin(piece, stretch.start, begins)?, ends, sought))
    {
        from = end;
    }
    from
}

/// Where a run ends that is one stretch of too few characters for anything, between quotes, spaces and
/// the like: what nearly every word, number and id is.
#[inline]
fn too_few(text: &[u8], Stretch { start, end }: Stretch, enough: usize) -> Option<usize> {
    let end = end.filter(|end| end - start < enough)?;
    let (before, after) = (*text.get(start.checked_sub(1)?)?, *text.get(end)?);
    let ends = match class(after) {
        END => true,
        WRAP => end - start < LINE,
        ESCAPE => text.get(end + 1).is_some_and(|next| !WRAPS.contains(next)),
        _ => false,
    };
    (ends && !matches!(class(before), PADDING | JUNK)).then_some(end)
}

/// Where the run begins that an anchor belongs to; nothing where it may have begun before the text.
fn begin(text: &[u8], anchor: usize, begins: bool) -> Option<usize> {
    let before = anchor.checked_sub(1).and_then(|before| text.get(before));
    if !begins && (before.is_none() || is_gap(before) && anchor < LEFT) {
        return None;
    }
    if !is_gap(before) {
        return Some(anchor);
    }
    Some(anchor - extend_left(text.get(anchor.saturating_sub(LEFT)..anchor)?))
}

/// Where the run in `text` ends that begins at `start`, if it ends in the text and can hold nothing.
fn passes(text: &[u8], start: usize, ends: bool, sought: &Sought) -> Option<usize> {
    let mut run = Glance { values: [0; GLANCE], count: 0, segment: 0 };
    let (mut at, mut gap, mut padding) = (start, 0, 0);
    loop {
        let Some(&byte) = text.get(at) else {
            if ends {
                break;
            }
            return None;
        };
        match class(byte) {
            value @ 0..=LAST => {
                if gap > 0 {
                    let behind = text.get(at..).unwrap_or_default();
                    if padding == gap && gap <= 2 && run.goes_on_behind(behind, gap) {
                        return None;
                    }
                    run.end_segment(sought)?;
                    (gap, padding) = (0, 0);
                }
                run.push(value)?;
                at += 1;
                continue;
            }
            PADDING => padding += 1,
            JUNK => {}
            WRAP if run.segment() >= LINE => {}
            ESCAPE if text.get(at + 1).is_none_or(|next| WRAPS.contains(next)) => return None,
            _ => break,
        }
        gap += 1;
        if gap > GAP {
            break;
        }
        at += 1;
    }
    run.end_segment(sought)?;
    (run.count < sought.characters() || sought.ascii && run.is_plain(sought)).then_some(at)
}

/// Characters of a run that is looked at, at most.
const GLANCE: usize = 256;

/// What characters of a run stand for.
struct Glance {
    values: [u8; GLANCE],
    count: usize,
    /// How many of them stand before the last gap.
    segment: usize,
}

impl Glance {
    #[inline]
    fn push(&mut self, value: u8) -> Option<()> {
        *self.values.get_mut(self.count)? = value;
        self.count += 1;
        Some(())
    }

    /// Characters since the last gap.
    fn segment(&self) -> usize {
        self.count - self.segment
    }

    /// Whether a token may stand on both sides of so much padding.
    fn goes_on_behind(&self, behind: &[u8], length: usize) -> bool {
        let first = behind.first_chunk::<4>().map(|first| first.map(value));
        let first = first.as_ref().map(<[u8; 4]>::as_slice).unwrap_or_default();
        goes_on_behind(self.values.get(..self.count).unwrap_or_default(), first, length)
    }

    /// Ends a stretch of characters; nothing where it takes a closer look.
    fn end_segment(&mut self, sought: &Sought) -> Option<()> {
        let segment = self.values.get(self.segment..self.count)?;
        let digits = sought.least() * 2;
        self.segment = self.count;
        let hex = segment.len() >= digits && holds::<1>(segment, digits, not_hex);
        (!hex && magic::begins(Layer::Base64, segment).is_none()).then_some(())
    }

    /// Whether it decodes to no token and no signature at any phase. Every signature that is looked
    /// for has a capital letter.
    fn is_plain(&self, sought: &Sought) -> bool {
        let values = self.values.get(..self.count).unwrap_or_default();
        if values.len() < sought.characters() {
            return true;
        }
        let signed = sought.signature != 0
            && values.len() >= characters(sought.signature)
            && values.iter().any(|&value| value < 26);
        !signed
            && magic::find(Layer::Base64, values).is_none()
            && (0..4).all(|phase| {
                let values = values.get(phase..).unwrap_or_default();
                !holds::<4>(values, sought.shortest.saturating_sub(2) / 3, not_ascii)
            })
    }
}
