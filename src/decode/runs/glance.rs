//! Runs that hold nothing at a glance: what words, ids and addresses in ordinary texts look like.

use super::lanes::goes_on_behind;
use super::magic;
use super::sextet::{
    ESCAPE, JUNK, LAST, PADDING, Stretches, WRAP, class, holds, leading, nibble, not_ascii, value,
};
use super::sought::Sought;
use super::{GAP, LEFT, LINE, extend_left, is_gap};
use crate::decode::layer::Layer;

/// Passes over the runs from `from` on that hold nothing at a glance. `begins` and `ends` tell whether
/// the text begins and ends with the piece.
pub(in crate::decode) fn pass(
    piece: &[u8],
    mut from: usize,
    (begins, ends): (bool, bool),
    stretches: &mut Stretches<'_>,
    sought: &Sought,
) -> usize {
    while let Ok(start) = stretches.next(from)
        && let Some(end) = passes(piece, start, (begins, ends), sought)
    {
        from = end;
    }
    from
}

/// The run in `text` that an anchor at `anchor` belongs to: where it ends, if it ends in the text, is
/// short, and can hold nothing.
fn passes(
    text: &[u8],
    anchor: usize,
    (begins, ends): (bool, bool),
    sought: &Sought,
) -> Option<usize> {
    if !sought.ascii || !begins && anchor < LEFT {
        return None;
    }
    let mut start = anchor;
    if is_gap(anchor.checked_sub(1).and_then(|before| text.get(before))) {
        start -= extend_left(text.get(anchor.saturating_sub(LEFT)..anchor)?);
    }
    let mut run = Glance { values: [0; GLANCE], count: 0 };
    let (mut at, mut segment, mut gap, mut padding) = (start, 0, 0, Some(0));
    loop {
        let rest = text.get(at..)?;
        let Some(&byte) = rest.first() else {
            if ends {
                break;
            }
            return None;
        };
        match class(byte) {
            0..=LAST => {
                let characters = rest.get(..leading(rest.get(..GLANCE).unwrap_or(rest)))?;
                let first = characters.first_chunk::<4>().map(|first| first.map(value));
                let first = first.as_ref().map(<[u8; 4]>::as_slice).unwrap_or_default();
                if let Some(length @ 1..=2) = padding
                    && goes_on_behind(run.values.get(..run.count)?, first, length)
                {
                    return None;
                }
                run.take(characters, sought)?;
                segment = if gap > 0 { 0 } else { segment } + characters.len();
                at += characters.len();
                (gap, padding) = (0, Some(0));
                continue;
            }
            PADDING => {
                padding = padding.map(|padding| padding + 1);
                gap += 1;
            }
            JUNK => {
                padding = None;
                gap += 1;
            }
            WRAP if segment >= LINE => gap += 1,
            ESCAPE if rest.get(1).is_none_or(|next| b"\\nrt02".contains(next)) => return None,
            _ => break,
        }
        if gap > GAP {
            break;
        }
        at += 1;
    }
    run.is_plain(sought).then_some(at)
}

/// Characters of a run that is looked at, at most.
const GLANCE: usize = 128;

struct Glance {
    values: [u8; GLANCE],
    count: usize,
}

impl Glance {
    fn take(&mut self, characters: &[u8], sought: &Sought) -> Option<()> {
        let digits = sought.least() * 2;
        if characters.len() >= digits
            && holds::<1>(characters, digits, |[byte]| u8::from(nibble(byte).is_none()))
        {
            return None;
        }
        let end = self.count + characters.len();
        let places = self.values.get_mut(self.count..end)?;
        places.iter_mut().zip(characters).for_each(|(place, byte)| *place = value(*byte));
        self.count = end;
        magic::begins(Layer::Base64, places).is_none().then_some(())
    }

    /// Whether it decodes to no token and no signature at any phase. Every signature that is looked
    /// for has a capital letter.
    fn is_plain(&self, sought: &Sought) -> bool {
        let characters = |bytes: usize| (bytes * 8).div_ceil(6);
        let values = self.values.get(..self.count).unwrap_or_default();
        if values.len() < characters(sought.least()) {
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
