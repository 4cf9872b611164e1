//! A list: one token a line, all of one leak. Blank lines are skipped and blanks around a token
//! dropped; nothing is a comment, since a token may begin with any character.

use zeroize::Zeroize;

use crate::model::finding::{Finding, RefusedItem};
use crate::model::leak::{Source, SourceKind};
use crate::model::secret::Secret;
use crate::model::token::Validity;

use super::Item;
use super::draft::{Context, Refusal, check};

/// The lines of a list, fed piece by piece.
#[derive(Default)]
pub(super) struct Lines {
    /// The line under way; empty and `over` where it is too long.
    partial: Vec<u8>,
    over: bool,
    /// Lines that have ended.
    ended: u64,
    tokens: Vec<Secret>,
    /// The line of the first of them.
    first: u64,
}

impl Lines {
    pub(super) fn feed(&mut self, bytes: &[u8], context: &Context, items: &mut Vec<Item>) {
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            self.extend(line, context);
            self.end_line(context, items);
            rest = after.get(1..).unwrap_or_default();
        }
        self.extend(rest, context);
    }

    pub(super) fn finish(&mut self, context: &Context, items: &mut Vec<Item>) {
        self.end_line(context, items);
        self.give(context, items);
    }

    fn extend(&mut self, bytes: &[u8], context: &Context) {
        if self.over {
            return;
        }
        if self.partial.len() + bytes.len() > context.limits.item_bytes {
            self.partial.zeroize();
            self.over = true;
            return;
        }
        self.partial.extend_from_slice(bytes);
    }

    fn end_line(&mut self, context: &Context, items: &mut Vec<Item>) {
        self.ended += 1;
        let line = self.ended;
        let mut refuse = |reason: Refusal| {
            items.push(Item::Refused(RefusedItem { line, reason: reason.to_string() }));
        };
        if std::mem::take(&mut self.over) {
            refuse(Refusal::TokenBytes(context.limits.token_bytes));
            return;
        }
        let text = self.partial.trim_ascii();
        if text.is_empty() {
            self.partial.clear();
            return;
        }
        let token = Secret::new(text.to_vec());
        self.partial.zeroize();
        let checked = if token.expose().iter().any(|&b| b.is_ascii_control() && b != b'\t') {
            Err(Refusal::Control)
        } else {
            check(&token, &context.limits)
        };
        match checked {
            Ok(()) => {
                if self.tokens.is_empty() {
                    self.first = line;
                }
                self.tokens.push(token);
            }
            Err(reason) => refuse(reason),
        }
        if self.tokens.len() >= context.limits.tokens {
            self.give(context, items);
        }
    }

    /// Gives the tokens collected as one finding.
    fn give(&mut self, context: &Context, items: &mut Vec<Item>) {
        if self.tokens.is_empty() {
            return;
        }
        let hints = &context.hints;
        let title = hints.title.clone().unwrap_or_else(|| "Imported list of tokens".to_owned());
        items.push(Item::Finding(Finding {
            title,
            kind: None,
            risk: hints.risk,
            owner: None,
            source: Source::of_kind(hints.source_kind.unwrap_or(SourceKind::Manual)),
            tokens: std::mem::take(&mut self.tokens),
            validity: Validity::Unknown,
            line: self.first,
        }));
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.partial.zeroize();
    }
}
