//! Runs of base64 and hex in a text given whole.

use std::ops::Range;

use super::Runs;
use super::sought::{Opening, Part, Sink};
use crate::decode::budget::{Budget, Seat};
use crate::decode::containers::inflate::Inflater;
use crate::decode::layer::Layer;
use crate::decode::whole::{View, Walk};

/// Bytes up to which what is decoded is also read as if the run ended at a gap.
const ENDED: usize = 128;

/// One decoded text.
struct Decoded {
    opening: Opening,
    bytes: Vec<u8>,
    /// What decompresses them.
    inflater: Option<(Inflater, Seat)>,
    /// Where it comes from, once that is known.
    within: Range<usize>,
    origins: Option<Vec<u32>>,
}

/// Keeps what runs decode to.
struct Collect {
    with_places: bool,
    inside: usize,
    texts: Vec<Decoded>,
    /// How many of them are of runs that have ended.
    ended: usize,
}

impl Sink for Collect {
    type State = Decoded;

    fn open(&mut self, opening: Opening, budget: &mut Budget) -> Option<Decoded> {
        let inflater = match opening.part {
            Part::Packed(coding) => {
                let seat = budget.inflater(self.inside + 1)?;
                Some((Inflater::new(coding)?, seat))
            }
            _ if !budget.allows_layer(self.inside) => return None,
            _ => None,
        };
        Some(Decoded { opening, bytes: Vec::new(), inflater, within: 0..0, origins: None })
    }

    fn read(&mut self, state: &mut Decoded, _: Layer, text: &[u8], budget: &mut Budget) {
        let Decoded { opening, bytes, inflater, .. } = state;
        let Part::Packed(_) = opening.part else {
            bytes.extend_from_slice(text);
            return;
        };
        let Some((inflating, _)) = inflater else { return };
        let result = inflating.push(text, &mut |piece| {
            bytes.extend_from_slice(piece);
            budget.unpack_piece(piece)
        });
        if result.is_err() || inflating.is_over() || budget.is_spent() {
            *inflater = None;
        }
    }

    fn goes_on(&self, state: &Decoded) -> bool {
        state.inflater.is_some() || !matches!(state.opening.part, Part::Packed(_))
    }

    /// Where a run may have ended, what is decoded so far is a text too.
    fn settle(&mut self, state: &mut Decoded, _: Layer) {
        if state.opening.part == Part::Text && state.bytes.len() <= ENDED {
            let bytes = state.bytes.clone();
            let inflater = None;
            self.texts.push(Decoded { bytes, inflater, within: 0..0, origins: None, ..*state });
        }
    }

    fn has_begun_again(&self, state: &Decoded, bytes: usize) -> bool {
        state.inflater.as_ref().is_some_and(|(inflater, _)| inflater.has_begun_again(bytes))
    }

    fn close(&mut self, mut state: Decoded, _: Layer, _: &mut Budget) {
        state.inflater = None;
        self.texts.push(state);
    }

    fn wants_places(&self) -> bool {
        self.with_places
    }

    fn ended(&mut self, places: &[usize], end: usize) {
        let place = |at: usize| places.get(at).map_or(end, |&place| place);
        for text in self.texts.iter_mut().skip(self.ended) {
            let Opening { layer, first, at, .. } = text.opening;
            let character = |byte: usize| {
                let byte = at.saturating_add_unsigned(byte);
                let before = if layer == Layer::Hex { byte * 2 } else { (byte * 8).div_euclid(6) };
                first.saturating_add_signed(before)
            };
            text.within = place(character(0))..end;
            if self.with_places
                && let Part::Packed(_) = text.opening.part
            {
                text.origins = Some(vec![text.within.start as u32; text.bytes.len()]);
            } else if self.with_places {
                let origins = (0..text.bytes.len()).map(|byte| place(character(byte)) as u32);
                text.origins = Some(origins.collect());
            }
        }
        self.ended = self.texts.len();
    }
}

impl Walk<'_> {
    /// Shows what the runs in a text decode to, and what layers make of that.
    pub(in crate::decode) fn runs(
        &mut self,
        text: &[u8],
        origins: Option<&[u32]>,
        within: &Range<usize>,
        path: &mut Vec<Layer>,
    ) {
        let mut collect = Collect {
            with_places: self.with_origins,
            inside: path.len(),
            texts: Vec::new(),
            ended: 0,
        };
        Runs::new().whole(text, self.relevant.runs(), self.budget, &mut collect);
        let outer = View { bytes: text, origins, within: within.clone() };
        for Decoded { opening, bytes, within, origins: own, .. } in collect.texts {
            let within = match outer.origins {
                None if path.is_empty() => within,
                _ => outer.origin(within),
            };
            let own = own.map(|mut own| {
                if let Some(origins) = origins {
                    for place in &mut own {
                        let outermost = origins.get(*place as usize).copied();
                        *place = outermost.unwrap_or(outer.within.end as u32);
                    }
                }
                own
            });
            let packed = match opening.part {
                Part::Packed(coding) => Some(coding.layer()),
                Part::Text | Part::Bytes => None,
            };
            path.push(opening.layer);
            path.extend(packed);
            let view = View { bytes: &bytes, origins: own.as_deref(), within: within.clone() };
            (self.visitor)(&view, path);
            if opening.part != Part::Bytes {
                let relevant = &self.relevant.inside_runs();
                let Self { with_origins, ref mut budget, ref mut visitor, .. } = *self;
                let mut inside = Walk { relevant, with_origins, budget, visitor };
                inside.walk(&bytes, own.as_deref(), within, path);
            }
            path.pop();
            if packed.is_some() {
                path.pop();
            }
        }
    }
}
