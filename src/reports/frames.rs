//! Cuts a stream of JSON into the objects that are findings, without keeping more than one of them.
//!
//! Only the frame is looked at here (brackets, strings, where a key or a value may stand); the
//! object itself is parsed by serde_json once it is whole. Where the frame is broken, the item is
//! refused and reading goes on at the next line that begins an object, which is the next finding in
//! one-object-a-line reports and in indented ones.

use zeroize::Zeroize;

use super::Limits;
use super::draft::Refusal;

/// Where findings stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    /// Objects one after the other, elements of an array, or elements of the array `findings` of an
    /// object. An object at the top that has the key `findings`, `audit`, `metadata`, `summary` or
    /// `scan` is a wrapper and no finding.
    Findings,
    /// Elements of the arrays `results` of the elements of the array `runs`.
    Sarif,
}

/// What was cut out.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// A whole object, as it stands in the report.
    Item {
        /// Line of an object at the top, number of an element of an array; both from 1.
        line: u64,
        /// The object.
        bytes: &'a [u8],
    },
    /// A part that cannot be one.
    Refused {
        /// As above.
        line: u64,
        /// Why.
        reason: Refusal,
    },
}

/// The keys that say where findings stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Label {
    Other,
    Findings,
    /// A key of a wrapper that holds no findings.
    Wrapper,
    Runs,
    Results,
}

impl Label {
    fn of(key: &[u8]) -> Self {
        match key {
            b"findings" => Self::Findings,
            b"audit" | b"metadata" | b"summary" | b"scan" => Self::Wrapper,
            b"runs" => Self::Runs,
            b"results" => Self::Results,
            _ => Self::Other,
        }
    }
}

/// Longest key that is a [`Label`].
const LABEL_BYTES: usize = 8;

/// An open object or array, and the key under which it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Level {
    array: bool,
    label: Label,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expect {
    /// A value at the top.
    Top,
    /// A value, after a colon or a comma.
    Value,
    /// A value or the end of the array.
    Element,
    /// A key or the end of the object.
    KeyOrEnd,
    /// A key, after a comma.
    Key,
    /// The colon after a key.
    Colon,
    /// A comma or the end.
    Next,
}

/// What the bytes under the cursor are part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Within {
    Structure,
    /// A string; a key if so; after a backslash if so.
    String {
        key: bool,
        escaped: bool,
    },
    /// A number, `true`, `false` or `null`.
    Literal,
    /// Passed over until a line begins with an object.
    Broken {
        /// Only blanks so far in this line.
        blank: bool,
    },
    /// Passed over to the end.
    Lost,
}

struct Capture {
    /// Open levels outside the item.
    depth: usize,
    line: u64,
    bytes: Vec<u8>,
    /// Why it will be refused; nothing more is kept of it.
    refused: Option<Refusal>,
}

/// The framing machine.
pub(super) struct Frames {
    layout: Layout,
    item_bytes: usize,
    nesting: usize,
    stack: Vec<Level>,
    expect: Expect,
    within: Within,
    /// The key being read or read last, where short; longer ones are no label.
    key: Vec<u8>,
    line: u64,
    /// Only blanks so far in this line.
    blank: bool,
    element: u64,
    capture: Option<Capture>,
    /// The frame broke inside an array or wrapper, so that stray commas and ends of it may follow.
    astray: bool,
}

impl Frames {
    pub(super) fn new(layout: Layout, limits: &Limits) -> Self {
        Self {
            layout,
            item_bytes: limits.item_bytes,
            nesting: limits.nesting,
            stack: Vec::new(),
            expect: Expect::Top,
            within: Within::Structure,
            key: Vec::new(),
            line: 1,
            blank: true,
            element: 0,
            capture: None,
            astray: false,
        }
    }

    /// Takes the next piece.
    pub(super) fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            // The bulk of a report is strings and skipped parts: those are passed in runs.
            let run = match self.within {
                Within::String { escaped: false, .. } => {
                    memchr::memchr3(b'"', b'\\', b'\n', rest).unwrap_or(rest.len())
                }
                Within::Broken { blank: false } => {
                    memchr::memchr(b'\n', rest).unwrap_or(rest.len())
                }
                Within::Lost => rest.len(),
                _ => 0,
            };
            if run > 0 {
                let (run, after) = rest.split_at(run);
                self.keep(run);
                if let Within::String { key: true, .. } = self.within {
                    self.extend_key(run);
                }
                rest = after;
                continue;
            }
            self.step(byte, sink);
            if byte == b'\n' {
                self.line += 1;
                self.blank = true;
            } else if !byte.is_ascii_whitespace() {
                self.blank = false;
            }
            rest = after;
        }
    }

    /// The report has ended.
    pub(super) fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(capture) = self.capture.take() {
            sink(Event::Refused { line: capture.line, reason: Refusal::Truncated });
        } else if !self.stack.is_empty() {
            let line = if self.element > 0 { self.element + 1 } else { self.line };
            sink(Event::Refused { line, reason: Refusal::Truncated });
        }
        self.stack.clear();
        self.within = Within::Lost;
    }

    fn step(&mut self, byte: u8, sink: &mut impl FnMut(Event<'_>)) {
        match self.within {
            Within::Structure => self.structure(byte, sink),
            Within::String { key, escaped: true } => {
                self.keep(&[byte]);
                if key {
                    self.extend_key(&[b'\\', byte]);
                }
                self.within = Within::String { key, escaped: false };
            }
            Within::String { key, escaped: false } => match byte {
                b'\\' => {
                    self.keep(&[byte]);
                    self.within = Within::String { key, escaped: true };
                }
                b'"' => {
                    self.keep(&[byte]);
                    self.within = Within::Structure;
                    self.expect = if key { Expect::Colon } else { Expect::Next };
                    if key {
                        self.after_key();
                    }
                }
                // A string cannot hold a line's end: it was cut off.
                b'\n' => self.broken(byte, Refusal::Json, sink),
                _ => {
                    self.keep(&[byte]);
                    if key {
                        self.extend_key(&[byte]);
                    }
                }
            },
            Within::Literal => {
                if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.') {
                    self.keep(&[byte]);
                } else {
                    self.within = Within::Structure;
                    self.structure(byte, sink);
                }
            }
            Within::Broken { blank } => match byte {
                b'\n' => self.within = Within::Broken { blank: true },
                b'{' if blank => {
                    self.within = Within::Structure;
                    self.structure(byte, sink);
                }
                _ if byte.is_ascii_whitespace() => {}
                _ => self.within = Within::Broken { blank: false },
            },
            Within::Lost => {}
        }
    }

    fn structure(&mut self, byte: u8, sink: &mut impl FnMut(Event<'_>)) {
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            self.keep(&[byte]);
            return;
        }
        match (self.expect, byte) {
            (Expect::Top | Expect::Value | Expect::Element, b'{' | b'[') => self.open(byte, sink),
            (Expect::Top, b',' | b']' | b'}') if self.astray => {}
            (Expect::Top, _) => self.broken(byte, Refusal::Json, sink),
            (Expect::Value | Expect::Element, b'"') => {
                self.bare_element(sink);
                self.keep(&[byte]);
                self.within = Within::String { key: false, escaped: false };
            }
            (Expect::Value | Expect::Element, b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                self.bare_element(sink);
                self.keep(&[byte]);
                self.within = Within::Literal;
                self.expect = Expect::Next;
            }
            (Expect::KeyOrEnd | Expect::Key, b'"') => {
                self.keep(&[byte]);
                self.key.clear();
                self.within = Within::String { key: true, escaped: false };
            }
            (Expect::Colon, b':') => {
                self.keep(&[byte]);
                self.expect = Expect::Value;
            }
            (Expect::Next, b',') => {
                self.keep(&[byte]);
                let array = self.stack.last().is_some_and(|level| level.array);
                self.expect = if array { Expect::Value } else { Expect::Key };
            }
            (Expect::Next | Expect::Element, b']') if self.inside(true) => self.close(byte, sink),
            (Expect::Next | Expect::KeyOrEnd, b'}') if self.inside(false) => self.close(byte, sink),
            _ => self.broken(byte, Refusal::Json, sink),
        }
    }

    fn inside(&self, array: bool) -> bool {
        self.stack.last().is_some_and(|level| level.array == array)
    }

    fn open(&mut self, byte: u8, sink: &mut impl FnMut(Event<'_>)) {
        let array = byte == b'[';
        if array {
            self.bare_element(sink);
        }
        if self.stack.len() >= self.nesting {
            self.broken(byte, Refusal::Nesting(self.nesting), sink);
            return;
        }
        let label = match self.stack.last() {
            Some(Level { array: false, .. }) => Label::of(&self.key),
            _ => Label::Other,
        };
        if self.capture.is_none() && !array && self.is_item() {
            let line = if self.stack.is_empty() {
                self.line
            } else {
                self.element += 1;
                self.element
            };
            self.capture =
                Some(Capture { depth: self.stack.len(), line, bytes: Vec::new(), refused: None });
        }
        self.keep(&[byte]);
        self.stack.push(Level { array, label });
        self.expect = if array { Expect::Element } else { Expect::KeyOrEnd };
    }

    fn close(&mut self, byte: u8, sink: &mut impl FnMut(Event<'_>)) {
        self.keep(&[byte]);
        self.stack.pop();
        self.expect = if self.stack.is_empty() { Expect::Top } else { Expect::Next };
        let depth = self.stack.len();
        let Some(mut capture) = self.capture.take_if(|capture| capture.depth == depth) else {
            return;
        };
        match capture.refused.take() {
            Some(reason) => sink(Event::Refused { line: capture.line, reason }),
            None => sink(Event::Item { line: capture.line, bytes: &capture.bytes }),
        }
    }

    /// Whether an object that opens here is a finding.
    fn is_item(&self) -> bool {
        match (self.layout, self.stack.as_slice()) {
            (Layout::Findings, []) => true,
            (Layout::Findings, [top]) => top.array,
            (Layout::Findings, [top, inner]) => {
                !top.array && inner.array && inner.label == Label::Findings
            }
            (Layout::Sarif, [top, runs, run, results]) => {
                !top.array
                    && runs.array
                    && runs.label == Label::Runs
                    && !run.array
                    && results.array
                    && results.label == Label::Results
            }
            _ => false,
        }
    }

    /// A text or number where findings stand is refused; elsewhere it is none of ours.
    fn bare_element(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if self.capture.is_none() && self.inside(true) && self.is_item() {
            self.element += 1;
            sink(Event::Refused { line: self.element, reason: Refusal::NotAFinding });
        }
    }

    /// A key is whole: it may show that the object at the top is a wrapper and no finding.
    fn after_key(&mut self) {
        let wraps = matches!(Label::of(&self.key), Label::Findings | Label::Wrapper);
        if wraps && self.layout == Layout::Findings && self.stack.len() == 1 {
            drop(self.capture.take());
        }
    }

    fn extend_key(&mut self, bytes: &[u8]) {
        let room = (LABEL_BYTES + 1).saturating_sub(self.key.len());
        self.key.extend(bytes.iter().take(room));
    }

    fn keep(&mut self, bytes: &[u8]) {
        let Some(capture) = &mut self.capture else { return };
        if capture.refused.is_some() {
            return;
        }
        if capture.bytes.len() + bytes.len() > self.item_bytes {
            capture.bytes.zeroize();
            capture.refused = Some(Refusal::ItemBytes(self.item_bytes));
            return;
        }
        capture.bytes.extend_from_slice(bytes);
    }

    /// The frame is broken at this byte.
    fn broken(&mut self, byte: u8, reason: Refusal, sink: &mut impl FnMut(Event<'_>)) {
        let inside = match self.capture.take() {
            Some(capture) => {
                sink(Event::Refused { line: capture.line, reason });
                capture.depth > 0
            }
            None => {
                if !self.astray {
                    sink(Event::Refused { line: self.line, reason });
                }
                !self.stack.is_empty()
            }
        };
        if self.layout == Layout::Sarif {
            self.stack.clear();
            self.within = Within::Lost;
            return;
        }
        self.astray |= inside;
        self.stack.clear();
        self.expect = Expect::Top;
        self.within = Within::Broken { blank: self.blank };
        match byte {
            b'\n' => self.within = Within::Broken { blank: true },
            b'{' if self.blank => {
                self.within = Within::Structure;
                self.open(byte, sink);
            }
            _ => self.within = Within::Broken { blank: false },
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}
