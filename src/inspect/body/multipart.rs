//! The parts of a multipart body, as it comes, told apart as leniently as backends do it: lines may
//! end in LF, CR or both, and whatever stands before the first part and behind the last is passed over.

use std::sync::Arc;

use memchr::memmem::Finder;

use super::about::About;
use super::params::Parameterized;
use super::stream::Stream;
use super::{Env, Place};
use crate::config::limits;
use crate::decode::{Layer, words};
use crate::inspect::decide;
use crate::inspect::text::Text;

/// What a part is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::inspect) struct Named {
    /// Its name, where it has one that is not too long.
    pub(in crate::inspect) name: Option<Vec<u8>>,
    /// Which part it is, from 0.
    pub(in crate::inspect) position: usize,
}

/// State of taking parts out of a stream.
pub(in crate::inspect) struct Multipart {
    /// Two dashes and the boundary.
    delimiter: Finder<'static>,
    declared: bool,
    outer: Vec<Layer>,
    depth: usize,
    state: State,
    /// Bytes that nothing was decided about yet.
    held: Vec<u8>,
    /// Whether what comes next stands at the beginning of a line.
    line_start: bool,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    fields_length: usize,
    part: Option<Box<Stream>>,
    parts: usize,
    /// What the part `_charset_` says, which is the charset of those behind it.
    charset: Option<Vec<u8>>,
    /// Whether that part is under way.
    says_charset: bool,
    /// Bytes of the stream that were decided about.
    done: u64,
    /// Where parts began, since the last piece began; before that, the last one.
    begun: Vec<(u64, Arc<Named>)>,
    closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first part, or behind the last.
    Outside,
    /// Behind a delimiter, in its line.
    Delimiter,
    Fields,
    Body,
}

/// What comes next in a line-wise reading.
enum Line<'a> {
    /// A line, without its end, and bytes with it.
    Whole(&'a [u8], usize),
    /// Its end is not there.
    Cut,
}

impl Multipart {
    /// `declared` tells that a head says so, and that what is wrong with it counts.
    pub(in crate::inspect) fn new(
        boundary: &[u8],
        declared: bool,
        outer: &[Layer],
        depth: usize,
    ) -> Self {
        let delimiter = [b"--", boundary].concat();
        Self {
            delimiter: Finder::new(&delimiter).into_owned(),
            declared,
            outer: outer.to_vec(),
            depth,
            state: State::Outside,
            held: Vec::new(),
            line_start: true,
            fields: Vec::new(),
            fields_length: 0,
            part: None,
            parts: 0,
            charset: None,
            says_charset: false,
            done: 0,
            begun: Vec::new(),
            closed: false,
        }
    }

    /// Takes the next bytes.
    pub(in crate::inspect) fn push(&mut self, piece: &[u8], env: &mut Env<'_>) {
        let last = self.begun.pop();
        self.begun.clear();
        self.begun.extend(last);
        self.take(piece, false, env);
    }

    /// Decides what is undecided as if the stream ended here.
    pub(in crate::inspect) fn settle(&mut self, env: &mut Env<'_>) {
        if let Some(part) = &mut self.part {
            part.settle(env);
        }
    }

    /// Ends the stream.
    pub(in crate::inspect) fn finish(&mut self, env: &mut Env<'_>) {
        self.take(&[], true, env);
        if self.state == State::Fields {
            self.begin_part(env);
        }
        self.end_part(env);
        if self.declared && !self.closed {
            env.incomplete(&decide::MALFORMED);
        }
    }

    /// The part that stands so many bytes before the end of what came.
    pub(in crate::inspect) fn part_before_end(&self, bytes: usize) -> Option<Place> {
        let at = (self.done + self.held.len() as u64).checked_sub(bytes as u64)?;
        let (_, named) = self.begun.iter().rfind(|(start, _)| *start <= at)?;
        Some(Place::Part(Arc::clone(named)))
    }

    fn take(&mut self, piece: &[u8], last: bool, env: &mut Env<'_>) {
        let mut joined = std::mem::take(&mut self.held);
        let mut rest = if joined.is_empty() {
            piece
        } else {
            joined.extend_from_slice(piece);
            &joined
        };
        loop {
            let used = match self.state {
                State::Outside | State::Body => self.text(rest, last, env),
                State::Delimiter => self.delimiter_line(rest, last, env),
                State::Fields => self.field(rest, last, env),
            };
            let Some(used) = used else { break };
            rest = rest.get(used..).unwrap_or_default();
            self.done += used as u64;
        }
        self.held = rest.to_vec();
    }

    /// Reads text up to the next delimiter. Nothing where the rest must be held.
    fn text(&mut self, text: &[u8], last: bool, env: &mut Env<'_>) -> Option<usize> {
        let length = self.delimiter.needle().len();
        let mut from = 0;
        while let Some(found) = self.delimiter.find(text.get(from..).unwrap_or_default()) {
            let at = from + found;
            let before = text.get(..at).unwrap_or_default();
            let ending = match before {
                [.., b'\r', b'\n'] => 2,
                [.., b'\r' | b'\n'] => 1,
                [] if self.line_start => 0,
                _ => {
                    from = at + 1;
                    continue;
                }
            };
            match text.get(at + length) {
                Some(b'\r' | b'\n' | b' ' | b'\t' | b'-') => {}
                None if last => {}
                // Held until it is known, with the end of the line before it.
                None => return self.hand_on(text, at - ending, env),
                Some(_) => {
                    from = at + 1;
                    continue;
                }
            }
            self.hand_on(text, at - ending, env);
            self.end_part(env);
            self.state = State::Delimiter;
            return Some(at + length);
        }
        let keep = if last { 0 } else { self.delimiter_at_end(text) };
        self.hand_on(text, text.len() - keep, env)
    }

    /// Hands on so many bytes to the part.
    fn hand_on(&mut self, text: &[u8], bytes: usize, env: &mut Env<'_>) -> Option<usize> {
        if bytes == 0 {
            return None;
        }
        self.line_start = false;
        if self.state == State::Body
            && let Some(part) = &mut self.part
        {
            let text = text.get(..bytes).unwrap_or_default();
            if self.says_charset
                && let Some(charset) = &mut self.charset
            {
                charset.extend_from_slice(text);
                charset.truncate(limits::PART_NAME_BYTES);
            }
            part.push(text, env);
        }
        Some(bytes)
    }

    /// How many bytes at the end may be the beginning of a line's end and a delimiter.
    fn delimiter_at_end(&self, text: &[u8]) -> usize {
        let delimiter = self.delimiter.needle();
        let window = text.len().min(delimiter.len() + 2);
        let tail = text.get(text.len() - window..).unwrap_or_default();
        (0..tail.len())
            .find(|&start| {
                let held = tail.get(start..).unwrap_or_default();
                let at_line_start = self.line_start && start == 0 && window == text.len();
                let rest = match held {
                    [b'\r', b'\n', rest @ ..] | [b'\r' | b'\n', rest @ ..] => rest,
                    rest if at_line_start => rest,
                    _ => return false,
                };
                delimiter.starts_with(rest)
            })
            .map_or(0, |start| tail.len() - start)
    }

    fn delimiter_line(&mut self, text: &[u8], last: bool, env: &mut Env<'_>) -> Option<usize> {
        match text {
            [b'-', b'-', ..] => {
                self.closed = true;
                self.state = State::Outside;
                self.line_start = false;
                return Some(2);
            }
            [] => return None,
            [b'-'] if !last => return None,
            _ => {}
        }
        let used = match line(text, last) {
            Line::Whole(_, used) => {
                self.state = State::Fields;
                self.fields.clear();
                self.fields_length = 0;
                used
            }
            // Whatever else stands there does not matter.
            Line::Cut => text.len() - usize::from(text.last() == Some(&b'\r')),
        };
        let _ = env;
        (used > 0).then_some(used)
    }

    /// Reads one line of a part's fields.
    fn field(&mut self, text: &[u8], last: bool, env: &mut Env<'_>) -> Option<usize> {
        let (line, used) = match line(text, last) {
            Line::Whole(line, used) => (line, used),
            Line::Cut if text.len() + self.fields_length > limits::PART_HEAD_BYTES => {
                self.overlong(env);
                return Some(text.len());
            }
            Line::Cut => return None,
        };
        self.fields_length += used;
        if line.is_empty() {
            if used == 0 {
                return None;
            }
            self.begin_part(env);
        } else if line.starts_with(self.delimiter.needle()) {
            // A part without an end to its fields.
            self.begin_part(env);
            self.end_part(env);
            self.state = State::Delimiter;
            return Some(self.delimiter.needle().len());
        } else if self.fields_length > limits::PART_HEAD_BYTES {
            self.overlong(env);
        } else if let [b' ' | b'\t', ..] = line {
            if let Some((_, value)) = self.fields.last_mut() {
                value.extend_from_slice(line);
            }
        } else {
            let colon = memchr::memchr(b':', line).unwrap_or(line.len());
            let (name, value) = line.split_at_checked(colon).unwrap_or_default();
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            self.fields.push((name.trim_ascii().to_ascii_lowercase(), value.to_vec()));
        }
        Some(used)
    }

    /// The fields are more than is read: what follows is read as a part of which nothing is said.
    fn overlong(&mut self, env: &mut Env<'_>) {
        if self.declared {
            env.incomplete(&decide::MALFORMED);
        }
        self.begin_part(env);
    }

    fn begin_part(&mut self, env: &mut Env<'_>) {
        let fields = std::mem::take(&mut self.fields);
        let dispositions: Vec<Parameterized> = fields
            .iter()
            .filter(|(name, _)| name == b"content-disposition")
            .map(|(_, value)| Parameterized::one(value))
            .collect();
        let name = dispositions.iter().find_map(|value| value.plain(b"name"));
        let name = name.filter(|name| (1..=limits::PART_NAME_BYTES).contains(&name.len()));
        let named = Arc::new(Named { name: name.map(<[u8]>::to_vec), position: self.parts });
        self.parts += 1;
        let place = Place::Part(Arc::clone(&named));
        let name = named.name.clone();
        let start = self.done.saturating_sub(self.fields_length as u64);
        self.begun.push((start, named));
        let types = fields.iter().filter(|(name, _)| name == b"content-type");
        let types = types.map(|(_, value)| Parameterized::one(value));
        let parameters = dispositions.into_iter().chain(types).flat_map(|value| value.decoded());
        let parameters = parameters.map(|value| (Layer::Parameter, value));
        let words = fields.iter().filter_map(|(_, value)| words::undone(value));
        let words = words.map(|value| (Layer::Words, value));
        for (layer, value) in parameters.chain(words) {
            if env.budget.unpack(value.len()) {
                let outer = [&self.outer[..], &[layer]].concat();
                let mut text = Text::new(env.patchset, env.relevant, outer);
                text.push(&value, env.budget, &mut env.shared.finds);
                text.finish(env.budget, &mut env.shared.finds);
                let found = env.shared.finds.take();
                env.found(found, place.clone());
            }
        }
        let mut about = About::of_part(&fields);
        about.default_charset = self.charset.clone();
        self.says_charset = name.is_some_and(|name| name == b"_charset_");
        if self.says_charset {
            self.charset = Some(Vec::new());
        }
        self.part = Some(Box::new(Stream::plain(about, &self.outer, place, self.depth)));
        self.state = State::Body;
        self.line_start = true;
    }

    fn end_part(&mut self, env: &mut Env<'_>) {
        if let Some(mut part) = self.part.take() {
            part.finish(env);
        }
    }
}

/// The first line of the text, which may end in LF, CR or both.
fn line(text: &[u8], last: bool) -> Line<'_> {
    let Some(end) = memchr::memchr2(b'\n', b'\r', text) else {
        return if last { Line::Whole(text, text.len()) } else { Line::Cut };
    };
    let line = text.get(..end).unwrap_or_default();
    match text.get(end..) {
        Some([b'\r', b'\n', ..]) => Line::Whole(line, end + 2),
        Some([b'\r']) if !last => Line::Cut,
        _ => Line::Whole(line, end + 1),
    }
}

/// Whether a text that begins so may be multipart, which its first line will tell.
pub(in crate::inspect) fn may_begin(beginning: &[u8]) -> bool {
    beginning.starts_with(b"--")
        && beginning.len() <= limits::BOUNDARY_BYTES + 4
        && memchr::memchr2(b'\n', b'\r', beginning).is_none()
}

/// The boundary of a text that begins like multipart.
pub(in crate::inspect) fn boundary_of(beginning: &[u8]) -> Option<&[u8]> {
    let rest = beginning.strip_prefix(b"--")?;
    let end = memchr::memchr2(b'\n', b'\r', rest)?;
    let boundary = rest.get(..end)?.trim_ascii_end();
    ((1..=limits::BOUNDARY_BYTES).contains(&boundary.len())
        && boundary.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' '))
    .then_some(boundary)
}
