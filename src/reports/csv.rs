//! A table: a header row, then one token a row. The column `token` or `secret` must be there;
//! `title`, `risk`, `kind`, `url`, `path`, `commit`, `line` and `owner` may be, also under the names
//! that Gitleaks gives them. The header tells the delimiter: comma, semicolon or tab.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use zeroize::Zeroize;

use crate::model::finding::RefusedItem;
use crate::model::leak::Risk;
use crate::model::secret::Secret;

use super::Item;
use super::draft::{Context, Draft, Refusal};

/// Columns of a row that are looked at; a row with more is still read.
const COLUMNS: usize = 256;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Token,
    Title,
    Rule,
    Risk,
    Url,
    Path,
    Commit,
    Line,
    Owner,
    Other,
}

impl Column {
    fn of(name: &[u8]) -> Self {
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"token" | b"secret" => Self::Token,
            b"title" => Self::Title,
            b"kind" | b"rule" | b"ruleid" | b"type" => Self::Rule,
            b"risk" | b"severity" => Self::Risk,
            b"url" | b"link" => Self::Url,
            b"path" | b"file" => Self::Path,
            b"commit" => Self::Commit,
            b"line" | b"startline" => Self::Line,
            b"owner" => Self::Owner,
            _ => Self::Other,
        }
    }
}

/// Whether this is a header with a column of tokens, and its delimiter.
pub(super) fn header_delimiter(line: &[u8]) -> Option<u8> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let unquoted = |cell: &[u8]| {
        let cell = cell.trim_ascii();
        let inner = cell.strip_prefix(b"\"").and_then(|cell| cell.strip_suffix(b"\""));
        Column::of(inner.unwrap_or(cell))
    };
    let delimiter = *[b',', b';', b'\t'].iter().max_by_key(|&&delimiter| {
        (memchr::memchr_iter(delimiter, line).count(), delimiter == b',')
    })?;
    line.split(|&byte| byte == delimiter)
        .any(|cell| unquoted(cell) == Column::Token)
        .then_some(delimiter)
}

/// The rows of a table, fed piece by piece.
#[derive(Default)]
pub(super) struct Rows {
    state: State,
}

#[derive(Default)]
enum State {
    /// Until the first line is whole: it tells the delimiter.
    #[default]
    Start,
    Begun(Vec<u8>),
    Table(Box<Table>),
    /// The header is unfit, which was said.
    Lost,
}

struct Table {
    reader: Reader,
    /// Absent until the header was read.
    columns: Option<Vec<Column>>,
    /// The cells of the row under way, one after the other.
    cells: Vec<u8>,
    /// Bytes of `cells` that are written.
    filled: usize,
    /// Where cells end.
    ends: Vec<usize>,
    ended: usize,
    /// Where the row under way began.
    line: u64,
    refused: Option<Refusal>,
}

/// Room for a row to begin with; it grows up to the limit.
const ROW_BYTES: usize = 4 * 1024;

impl Rows {
    pub(super) fn feed(&mut self, bytes: &[u8], context: &Context, items: &mut Vec<Item>) {
        if bytes.is_empty() {
            return;
        }
        match &mut self.state {
            State::Start => {
                self.state = State::Begun(Vec::new());
                self.feed(bytes, context, items);
            }
            State::Begun(first) => {
                first.extend_from_slice(bytes);
                // Only blank lines may stand before the header.
                let header = first.iter().position(|b| !b.is_ascii_whitespace());
                let end = header.and_then(|at| {
                    memchr::memchr(b'\n', first.get(at..)?).map(|length| at + length)
                });
                if end.is_some() || first.len() > context.limits.item_bytes {
                    let first = std::mem::take(first);
                    self.begin(first, context, items);
                }
            }
            State::Table(table) => table.feed(bytes, context, items),
            State::Lost => {}
        }
    }

    pub(super) fn finish(&mut self, context: &Context, items: &mut Vec<Item>) {
        if let State::Begun(first) = &mut self.state {
            let first = std::mem::take(first);
            if first.iter().all(u8::is_ascii_whitespace) {
                return;
            }
            self.begin(first, context, items);
        }
        if let State::Table(table) = &mut self.state {
            table.feed(&[], context, items);
        }
    }

    fn begin(&mut self, mut first: Vec<u8>, context: &Context, items: &mut Vec<Item>) {
        let text = first.trim_ascii_start();
        let header = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        match header_delimiter(header) {
            Some(delimiter) => {
                let mut table = Box::new(Table {
                    reader: ReaderBuilder::new().delimiter(delimiter).build(),
                    columns: None,
                    cells: vec![0; ROW_BYTES],
                    filled: 0,
                    ends: vec![0; COLUMNS],
                    ended: 0,
                    line: 1,
                    refused: None,
                });
                table.feed(&first, context, items);
                self.state = State::Table(table);
            }
            None => {
                let reason = Refusal::NoHeader.to_string();
                items.push(Item::Refused(RefusedItem { line: 1, reason }));
                self.state = State::Lost;
            }
        }
        first.zeroize();
    }
}

impl Table {
    /// Takes the next bytes; none at all means that the table has ended.
    fn feed(&mut self, bytes: &[u8], context: &Context, items: &mut Vec<Item>) {
        let mut rest = bytes;
        loop {
            if self.filled == 0 && self.ended == 0 && self.refused.is_none() {
                // Line ends before a row (blank lines, the rest of CR LF) are passed over by the
                // reader as part of reading it.
                let blank = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n'));
                let lines = blank.filter(|&&b| b == b'\n').count();
                self.line = self.reader.line() + lines as u64;
            }
            let (result, read, written, ends) = self.reader.read_record(
                rest,
                self.cells.get_mut(self.filled..).unwrap_or_default(),
                self.ends.get_mut(self.ended..).unwrap_or_default(),
            );
            self.filled += written;
            self.ended += ends;
            rest = rest.get(read..).unwrap_or_default();
            match result {
                ReadRecordResult::InputEmpty => return,
                ReadRecordResult::OutputFull => {
                    if self.cells.len() < context.limits.item_bytes && self.refused.is_none() {
                        self.grow(context.limits.item_bytes);
                    } else {
                        // The rest of the row is read over what is there.
                        self.refused = Some(Refusal::ItemBytes(context.limits.item_bytes));
                        self.filled = 0;
                    }
                }
                ReadRecordResult::OutputEndsFull => {
                    // More columns than are looked at: the last ends are overwritten.
                    self.ended = self.ends.len().saturating_sub(1);
                }
                ReadRecordResult::Record => self.row(context, items),
                ReadRecordResult::End => return,
            }
        }
    }

    fn grow(&mut self, limit: usize) {
        let mut larger = vec![0; (self.cells.len() * 2).min(limit)];
        let (start, _) = larger.split_at_mut(self.cells.len().min(limit));
        start.copy_from_slice(self.cells.get(..start.len()).unwrap_or_default());
        std::mem::swap(&mut self.cells, &mut larger);
        larger.zeroize();
    }

    fn row(&mut self, context: &Context, items: &mut Vec<Item>) {
        let ends = self.ends.get(..self.ended).unwrap_or_default();
        let cells = ends.iter().enumerate().map(|(index, &end)| {
            let start = index.checked_sub(1).and_then(|before| ends.get(before)).copied();
            self.cells.get(start.unwrap_or_default()..end).unwrap_or_default()
        });
        match (&self.columns, self.refused.take()) {
            (_, Some(reason)) => {
                let line = self.line;
                items.push(Item::Refused(RefusedItem { line, reason: reason.to_string() }));
            }
            (None, None) => self.columns = Some(cells.map(Column::of).collect()),
            (Some(columns), None) => {
                let draft = draft(columns.iter().copied().zip(cells));
                draft.complete(self.line, context, items);
            }
        }
        let used = self.cells.len().min(self.filled);
        self.cells.get_mut(..used).unwrap_or_default().zeroize();
        self.filled = 0;
        self.ended = 0;
    }
}

fn draft<'a>(cells: impl Iterator<Item = (Column, &'a [u8])>) -> Draft {
    let mut draft = Draft::default();
    for (column, cell) in cells {
        let cell = cell.trim_ascii();
        if cell.is_empty() {
            continue;
        }
        let text = || Some(String::from_utf8_lossy(cell).into_owned());
        match column {
            Column::Token => draft.tokens.push(Secret::new(cell.to_vec())),
            Column::Title => draft.title = text(),
            Column::Rule => draft.rule = text(),
            Column::Risk => {
                let name = String::from_utf8_lossy(cell).to_ascii_lowercase();
                draft.risk = Risk::from_name(&name);
            }
            Column::Url => draft.url = text(),
            Column::Path => draft.path = text(),
            Column::Commit => draft.commit = text(),
            Column::Line => draft.line = text().and_then(|line| line.parse().ok()),
            Column::Owner => draft.owner = text(),
            Column::Other => {}
        }
    }
    draft
}

impl Drop for Table {
    fn drop(&mut self) {
        self.cells.zeroize();
    }
}
