//! Other scanners' reports: bytes in, findings out.
//!
//! [`Parser`] is a push parser: feed it the report as it arrives, in pieces of any size, and take
//! the [`Item`]s that are complete. It does no I/O, waits for nothing and keeps only the item it is
//! in the middle of, so memory is bounded by the largest item ([`Limits::item_bytes`]), not by the
//! report. A half-valid report gives its valid half; the rest comes out as refused items with a
//! reason that quotes nothing of the report.
//!
//! ```
//! use leakgate::reports::{Format, Hints, Item, Limits, Parser};
//!
//! let limits = Limits {
//!     item_bytes: 1024 * 1024,
//!     nesting: 64,
//!     token_bytes: 16 * 1024,
//!     tokens: 10_000,
//!     title_bytes: 256,
//!     place_bytes: 2_048,
//! };
//! let mut parser = Parser::new(Some(Format::List), Hints::default(), limits);
//! let mut items = Vec::new();
//! parser.feed(b"first-token\nsecond", &mut items);
//! parser.feed(b"-token\n", &mut items);
//! parser.finish(&mut items);
//! let [Item::Finding(finding)] = items.as_slice() else { panic!() };
//! assert_eq!(finding.tokens.len(), 2);
//! ```

mod csv;
mod draft;
mod encoding;
mod frames;
mod gitleaks;
mod kingfisher;
mod lenient;
mod list;
pub mod partners;
mod place;
mod sarif;
mod sniff;
mod trufflehog;

#[cfg(test)]
mod tests;

use zeroize::Zeroize;

use crate::model::finding::{Finding, RefusedItem};
use crate::model::leak::{Risk, SourceKind, named};

pub use sniff::{SNIFF_BYTES, sniff};

use draft::{Context, Refusal};
use encoding::ToUtf8;
use frames::{Event, Frames, Layout};

named! {
    /// The form of a report. The names are those of `?format=` and `--format`.
    Format {
        /// Kingfisher's `json` and `jsonl`.
        Kingfisher = "kingfisher",
        /// Gitleaks' `json`.
        Gitleaks = "gitleaks",
        /// Betterleaks' `json` and `jsonl`, in its own form and in that of Gitleaks.
        Betterleaks = "betterleaks",
        /// TruffleHog's `--json`, one object a line.
        Trufflehog = "trufflehog",
        /// SARIF 2.1.0, where results carry the token as `region.snippet.text`.
        Sarif = "sarif",
        /// A header row and one token a row, with comma, semicolon or tab.
        Csv = "csv",
        /// One token a line, all of one leak.
        List = "list",
    }
}

impl Format {
    /// Whether all findings of a report in this format are tokens of one leak. The parser then cuts
    /// them into findings of at most [`Limits::tokens`] tokens: the first is registered, the
    /// tokens of the others are added to its leak.
    pub fn is_one_leak(self) -> bool {
        self == Self::List
    }
}

/// What the reporter says beside the report.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hints {
    /// The title of a list's leak; in the other formats it stands before the title of each leak.
    pub title: Option<String>,
    /// The risk of every leak, whatever the report says.
    pub risk: Option<Risk>,
    /// The kind of every source, whatever the report says.
    pub source_kind: Option<SourceKind>,
}

/// Bounds of a parser. Their values are in `config::limits`; this room knows only the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of one finding, row or line; a larger one is refused and skipped.
    pub item_bytes: usize,
    /// Levels of JSON inside each other.
    pub nesting: usize,
    /// Bytes of one token; a longer one is refused.
    pub token_bytes: usize,
    /// Tokens of one finding.
    pub tokens: usize,
    /// Bytes of a title, an owner or a kind; what is longer is cut.
    pub title_bytes: usize,
    /// Bytes of a URL or path. A longer path is cut; a longer URL would lead elsewhere, so it is
    /// left out.
    pub place_bytes: usize,
}

/// What comes out of a report.
#[derive(Clone, Debug)]
pub enum Item {
    /// A finding with at least one token.
    Finding(Finding),
    /// A part that could not be taken. `line` is the line of the report, counted from 1, and for an
    /// element of an array (where all may stand on one line) the element's number, from 1.
    Refused(RefusedItem),
}

/// A push parser of one report.
pub struct Parser {
    text: ToUtf8,
    state: State,
    context: Context,
}

enum State {
    /// Collecting enough to tell the format.
    Sniffing(Vec<u8>),
    Json(Format, Frames),
    Csv(csv::Rows),
    List(list::Lines),
    /// The format is unknown, which was said: the rest is ignored.
    Lost,
}

impl Parser {
    /// A parser of a report in this format, or in the one that its beginning shows.
    pub fn new(format: Option<Format>, hints: Hints, limits: Limits) -> Self {
        let context = Context { hints, limits };
        let state = match format {
            Some(format) => State::of(format, &context),
            None => State::Sniffing(Vec::new()),
        };
        Self { text: ToUtf8::default(), state, context }
    }

    /// The format, once it is known.
    pub fn format(&self) -> Option<Format> {
        match &self.state {
            State::Sniffing(_) | State::Lost => None,
            State::Json(format, _) => Some(*format),
            State::Csv(_) => Some(Format::Csv),
            State::List(_) => Some(Format::List),
        }
    }

    /// Takes the next piece of the report, of any size, and adds what it completes to `items`: at
    /// most one item for each few bytes, so feed it pieces of a bounded size (64 KiB serve well).
    pub fn feed(&mut self, bytes: &[u8], items: &mut Vec<Item>) {
        let mut utf8 = self.text.push(bytes);
        self.take(&utf8, items);
        if let std::borrow::Cow::Owned(copy) = &mut utf8 {
            copy.zeroize();
        }
    }

    /// Ends the report: what is still incomplete is taken or refused. Feeding more afterwards has
    /// no effect that makes sense.
    pub fn finish(&mut self, items: &mut Vec<Item>) {
        let rest = self.text.finish();
        self.take(&rest, items);
        if let State::Sniffing(first) = &mut self.state {
            let mut first = std::mem::take(first);
            if first.iter().all(u8::is_ascii_whitespace) {
                return;
            }
            self.begin(&first, items);
            first.zeroize();
        }
        let Self { state, context, .. } = self;
        match state {
            State::Json(format, frames) => {
                let mut sink = |event: Event<'_>| handle(*format, event, context, items);
                frames.finish(&mut sink);
            }
            State::Csv(rows) => rows.finish(context, items),
            State::List(lines) => lines.finish(context, items),
            State::Sniffing(_) | State::Lost => {}
        }
    }

    fn take(&mut self, bytes: &[u8], items: &mut Vec<Item>) {
        let Self { state, context, .. } = self;
        match state {
            State::Sniffing(first) => {
                first.extend_from_slice(bytes);
                if first.len() >= SNIFF_BYTES {
                    let mut first = std::mem::take(first);
                    self.begin(&first, items);
                    first.zeroize();
                }
            }
            State::Json(format, frames) => {
                let mut sink = |event: Event<'_>| handle(*format, event, context, items);
                frames.feed(bytes, &mut sink);
            }
            State::Csv(rows) => rows.feed(bytes, context, items),
            State::List(lines) => lines.feed(bytes, context, items),
            State::Lost => {}
        }
    }

    /// Leaves the sniffing state with what was collected.
    fn begin(&mut self, first: &[u8], items: &mut Vec<Item>) {
        match sniff(first) {
            Some(format) => {
                self.state = State::of(format, &self.context);
                self.take(first, items);
            }
            None => {
                self.state = State::Lost;
                items.push(Item::Refused(RefusedItem {
                    line: 1,
                    reason: Refusal::UnknownFormat.to_string(),
                }));
            }
        }
    }
}

impl State {
    fn of(format: Format, context: &Context) -> Self {
        let frames = |layout| Self::Json(format, Frames::new(layout, &context.limits));
        match format {
            Format::Kingfisher | Format::Gitleaks | Format::Betterleaks | Format::Trufflehog => {
                frames(Layout::Findings)
            }
            Format::Sarif => frames(Layout::Sarif),
            Format::Csv => Self::Csv(csv::Rows::default()),
            Format::List => Self::List(list::Lines::default()),
        }
    }
}

/// Turns one framed JSON item into findings and refusals.
fn handle(format: Format, event: Event<'_>, context: &Context, items: &mut Vec<Item>) {
    let (line, bytes) = match event {
        Event::Item { line, bytes } => (line, bytes),
        Event::Refused { line, reason } => {
            items.push(Item::Refused(RefusedItem { line, reason: reason.to_string() }));
            return;
        }
    };
    let draft = match format {
        Format::Kingfisher => kingfisher::parse(bytes),
        Format::Trufflehog => trufflehog::parse(bytes),
        Format::Sarif => sarif::parse(bytes),
        Format::Gitleaks | Format::Betterleaks | Format::Csv | Format::List => {
            gitleaks::parse(bytes)
        }
    };
    match draft {
        Ok(draft) => draft.complete(line, context, items),
        Err(refusal) => {
            items.push(Item::Refused(RefusedItem { line, reason: refusal.to_string() }))
        }
    }
}
