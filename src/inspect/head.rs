//! The points of a request: what is looked through as one text, and the name of the place inside
//! it once something was found.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Uri};
use memchr::memmem;

use super::place::{Step, json_path, pair, segment};
use super::search::{self, Found, held, locate, locate_within};
use super::{Inspection, redact};
use crate::config::limits;
use crate::decode::{BORDER, Layer, base64, doubts, words};
use crate::matcher::TokenIndex;
use crate::model::verdict::Point;

/// Methods that no token can be.
const METHODS: [Method; 9] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
    Method::CONNECT,
    Method::PATCH,
    Method::TRACE,
];

impl Inspection {
    /// Method, target and header fields.
    pub(super) fn points(&mut self, parts: &Parts) {
        let (uri, fields) = (&parts.uri, &parts.headers);
        let mut texts = Texts::with_room_for(fields);
        texts.push(if METHODS.contains(&parts.method) { "" } else { parts.method.as_str() });
        texts.push(uri.authority().map_or("", Authority::as_str));
        texts.push(uri.path());
        texts.push(uri.query().unwrap_or_default());
        texts.push(self.across(uri).unwrap_or_default());
        texts.push_fields(fields);
        let mut doubtful = self.doubtful(texts);
        if doubtful.next() {
            self.look(parts.method.as_str().as_bytes(), &mut |_, _| Point::Method);
        }
        self.target(uri, &mut doubtful);
        self.fields(fields, false, &mut doubtful);
    }

    /// Trailer fields.
    pub(super) fn trailer_points(&mut self, trailers: &HeaderMap) {
        let mut texts = Texts::with_room_for(trailers);
        texts.push_fields(trailers);
        let mut doubtful = self.doubtful(texts);
        self.fields(trailers, true, &mut doubtful);
    }

    /// Which of the texts need a closer look: nearly always none or two.
    fn doubtful(&mut self, mut texts: Texts) -> Doubtful {
        let mut all = self.patchset.has_digests();
        if !all {
            self.patchset.scan(&texts.text, &mut |_| all = true);
        }
        let Texts { text, ends } = &mut texts;
        let mut doubt = |at| {
            let index = ends.partition_point(|(end, _)| *end < at);
            let Some((end, doubtful)) = ends.get_mut(index) else { return text.len() };
            *doubtful = true;
            *end
        };
        if !all {
            doubts(text, &self.relevant, &mut doubt);
            for at in memmem::find_iter(text, words::BEGINS) {
                doubt(at);
            }
        }
        let mut start = 0;
        for (end, doubtful) in ends {
            *doubtful |= all;
            if !*doubtful {
                self.budget.earn(*end - start);
            }
            start = *end + 1;
        }
        Doubtful(texts.ends.into_iter())
    }

    /// The target is looked through piece by piece, but path and query each as one text, since a
    /// token may have their separators in it.
    fn target(&mut self, uri: &Uri, doubtful: &mut Doubtful) {
        let [in_authority, in_path, in_query, across] = std::array::from_fn(|_| doubtful.next());
        if let Some(authority) = uri.authority().filter(|_| in_authority) {
            self.look(authority.as_str().as_bytes(), &mut |_, _| Point::Authority);
        }
        let path = uri.path().as_bytes();
        if in_path {
            self.look(path, &mut |_, range| {
                segment(path, range).map_or(Point::Path, Point::PathSegment)
            });
        }
        if let Some(query) = uri.query().filter(|_| in_query) {
            let query = query.as_bytes();
            self.look(query, &mut |this, range| match pair(query, b'&', range) {
                Some(pair) => Point::Query(this.safe_name(query, &pair.name, range, pair.position)),
                None => Point::QueryString,
            });
        }
        if let Some(text) = self.across(uri).filter(|_| across) {
            let question_mark = path.len();
            let mut found = self.find(text.as_bytes());
            found.retain(|found| (found.range.start..found.range.end).contains(&question_mark));
            self.record(found, &[], &mut |_, _| Point::Path);
        }
    }

    /// Path and query as one text, where the question mark between them may stand in a token.
    fn across<'a>(&self, uri: &'a Uri) -> Option<&'a str> {
        uri.query().filter(|_| self.relevant.in_token(b'?'))?;
        Some(uri.path_and_query()?.as_str())
    }

    /// Header fields, or trailer fields.
    fn fields(&mut self, fields: &HeaderMap, trailers: bool, doubtful: &mut Doubtful) {
        for (position, (name, value)) in fields.iter().enumerate() {
            let (in_name, in_value) = (doubtful.next(), doubtful.next());
            if !in_name && !in_value {
                continue;
            }
            let name = name.as_str().as_bytes();
            let value = value.as_bytes();
            let mut point = |this: &Self, range: &Range<usize>| {
                if trailers {
                    return Point::Trailer(this.name_or_position(name, position));
                }
                if name == b"cookie"
                    && let Some(pair) = pair(value, b';', range)
                {
                    return Point::Cookie(this.safe_name(value, &pair.name, range, pair.position));
                }
                Point::Header(this.name_or_position(name, position))
            };
            if in_name {
                // The name is never shown where a token stands in it.
                self.look(name, &mut |_, _| {
                    let name = format!("[{position}]");
                    if trailers { Point::Trailer(name) } else { Point::Header(name) }
                });
            }
            if !in_value {
                continue;
            }
            self.look(value, &mut point);
            if let Some(text) = words::undone(value).filter(|text| self.budget.unpack(text.len())) {
                let mut point = |this: &Self, _: &Range<usize>| point(this, &(0..value.len()));
                self.look_under(&text, &[Layer::Words], &mut point);
            }
            if let Some(credentials) = basic(value) {
                for text in base64::lenient(credentials) {
                    let mut point = |this: &Self, _: &Range<usize>| point(this, &(0..value.len()));
                    self.look_under(&text, &[Layer::Base64], &mut point);
                }
            }
        }
    }

    /// Looks through a text, and records what is found at the point that the bytes it was found in
    /// belong to.
    fn look(&mut self, text: &[u8], point: &mut dyn FnMut(&Self, &Range<usize>) -> Point) {
        if text.len() >= limits::TOKEN_BYTES_FORCED {
            self.look_under(text, &[], point);
        }
    }

    /// The same for a text that undoing the layers `outer` brought forth.
    fn look_under(
        &mut self,
        text: &[u8],
        outer: &[Layer],
        point: &mut dyn FnMut(&Self, &Range<usize>) -> Point,
    ) {
        let found = self.find(text);
        self.record(found, outer, point);
    }

    /// The tokens in a text, each at least once.
    pub(super) fn find(&mut self, text: &[u8]) -> Vec<Found> {
        let held = held(&self.patchset, &self.relevant, &mut self.budget, text);
        if held.is_empty() {
            return Vec::new();
        }
        let places = self.places.get_or_insert_with(search::budget);
        let mut found = locate_within(places, &self.patchset, &self.relevant, text);
        // What is held counts, whether or not the budget of looking for places went so far.
        let placed: HashSet<TokenIndex> = found.iter().map(|found| found.token).collect();
        let unplaced = held.into_iter().filter(|(token, _)| !placed.contains(token));
        found.extend(unplaced.map(|(token, layers)| Found { token, range: 0..text.len(), layers }));
        found
    }

    fn record(
        &mut self,
        found: Vec<Found>,
        outer: &[Layer],
        point: &mut dyn FnMut(&Self, &Range<usize>) -> Point,
    ) {
        let mut places: HashMap<TokenIndex, usize> = HashMap::new();
        for Found { token, range, layers } in found {
            let places = places.entry(token).or_default();
            *places += 1;
            if *places > limits::POINTS_PER_TOKEN {
                continue;
            }
            let point = point(self, &range);
            self.hit(token, point, &[outer, &layers].concat());
        }
    }

    /// The name at this place of the text, or its position in brackets where it, or what was found,
    /// must not be shown.
    fn safe_name(
        &self,
        text: &[u8],
        name: &Range<usize>,
        found: &Range<usize>,
        position: usize,
    ) -> String {
        if found.start < name.end && name.start < found.end {
            return format!("[{position}]");
        }
        self.name_or_position(text.get(name.clone()).unwrap_or_default(), position)
    }

    pub(super) fn name_or_position(&self, name: &[u8], position: usize) -> String {
        redact::name(&self.patchset, &self.relevant, name)
            .unwrap_or_else(|| format!("[{position}]"))
    }

    /// Where in a body each of these tokens stands, given the body's first bytes.
    pub(super) fn places_in_body(&self, text: &[u8], tokens: &[TokenIndex]) -> Vec<Option<String>> {
        let Some(shape) = shape(text) else { return vec![None; tokens.len()] };
        let found = if text.len() <= limits::HOLD_LIMIT {
            locate(&self.patchset, &self.relevant, text)
        } else {
            Vec::new()
        };
        let place = |token| {
            let range = &found.iter().find(|found| found.token == token)?.range;
            Some(match shape {
                Shape::Json => self.json_place(text, &json_path(text, range)?, range),
                Shape::Form => {
                    let pair = pair(text, b'&', range)?;
                    format!("form:{}", self.safe_name(text, &pair.name, range, pair.position))
                }
            })
        };
        let shape = match shape {
            Shape::Json => "json",
            Shape::Form => "form",
        };
        tokens.iter().map(|&token| Some(place(token).unwrap_or_else(|| shape.to_owned()))).collect()
    }

    fn json_place(&self, text: &[u8], steps: &[Step], found: &Range<usize>) -> String {
        let mut path = "json:$".to_owned();
        for step in steps {
            let step = match step {
                Step::Element(index) => format!("[{index}]"),
                Step::Member(key, count) => {
                    format!(".{}", self.safe_name(text, key, found, *count))
                }
            };
            if path.len() + step.len() > limits::POINT_PATH_BYTES {
                path.push('…');
                break;
            }
            path.push_str(&step);
        }
        path
    }
}

/// All texts of a head, one behind the other, for one look at all of them.
struct Texts {
    text: Vec<u8>,
    /// Where each of them ends, and whether it needs a closer look.
    ends: Vec<(usize, bool)>,
}

/// What a field takes beside its texts in most heads, and a target.
const ROOM: usize = 512;

impl Texts {
    fn with_room_for(fields: &HeaderMap) -> Self {
        let bytes = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 2);
        let text = Vec::with_capacity(ROOM + bytes.sum::<usize>());
        Self { text, ends: Vec::with_capacity(8 + 2 * fields.len()) }
    }

    fn push(&mut self, text: impl AsRef<[u8]>) {
        self.text.extend_from_slice(text.as_ref());
        self.ends.push((self.text.len(), false));
        self.text.push(BORDER);
    }

    /// Credentials of the Basic scheme are always looked at.
    fn push_fields(&mut self, fields: &HeaderMap) {
        for (name, value) in fields {
            self.push(name.as_str());
            self.push(value);
            if let Some((_, doubtful)) = self.ends.last_mut() {
                *doubtful = basic(value.as_bytes()).is_some();
            }
        }
    }
}

/// Whether each of the texts, in order, needs a closer look.
struct Doubtful(std::vec::IntoIter<(usize, bool)>);

impl Doubtful {
    fn next(&mut self) -> bool {
        self.0.next().is_none_or(|(_, doubtful)| doubtful)
    }
}

/// What a body is, by its first bytes.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Json,
    Form,
}

/// What a text is that begins so.
pub(super) fn shape(text: &[u8]) -> Option<Shape> {
    let text = text.trim_ascii_start();
    if matches!(text.first(), Some(b'{' | b'[' | b'"')) {
        return Some(Shape::Json);
    }
    // What is no character of a form's name ends the name.
    let end = text.iter().position(|&byte| {
        !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%' | b'[' | b']'))
    });
    (end.and_then(|end| text.get(end)) == Some(&b'=')).then_some(Shape::Form)
}

/// The credentials after a Basic scheme in any case, with any spaces before and after it.
fn basic(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.trim_ascii_start().split_at_checked(5)?;
    (scheme.eq_ignore_ascii_case(b"basic") && rest.first().is_some_and(u8::is_ascii_whitespace))
        .then_some(rest)
}
