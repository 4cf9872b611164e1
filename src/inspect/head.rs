//! The points of a request: what is looked through as one text, and the name of the place inside
//! it once something was found.

use std::ops::Range;

use http::{HeaderMap, Method, Uri};

use super::place::{Step, json_path, pair, segment};
use super::search::{Found, holds, locate};
use super::{Inspection, redact};
use crate::config::limits;
use crate::decode::{Layer, base64};
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
    pub(super) fn method(&mut self, method: &Method) {
        if !METHODS.contains(method) {
            self.look(method.as_str().as_bytes(), &mut |_, _| Point::Method);
        }
    }

    /// The target is looked through piece by piece, but path and query each as one text, since a
    /// token may have their separators in it.
    pub(super) fn target(&mut self, uri: &Uri) {
        if let Some(authority) = uri.authority() {
            self.look(authority.as_str().as_bytes(), &mut |_, _| Point::Authority);
        }
        let path = uri.path().as_bytes();
        self.look(path, &mut |_, range| {
            segment(path, range).map_or(Point::Path, Point::PathSegment)
        });
        if let Some(query) = uri.query() {
            let query = query.as_bytes();
            self.look(query, &mut |this, range| match pair(query, b'&', range) {
                Some(pair) => Point::Query(this.safe_name(query, &pair.name, range, pair.position)),
                None => Point::QueryString,
            });
        }
    }

    /// Header fields, or trailer fields.
    pub(super) fn fields(&mut self, fields: &HeaderMap, trailers: bool) {
        for (position, (name, value)) in fields.iter().enumerate() {
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
            // The name is never shown where a token stands in it.
            self.look(name, &mut |_, _| {
                let name = format!("[{position}]");
                if trailers { Point::Trailer(name) } else { Point::Header(name) }
            });
            self.look(value, &mut point);
            if let Some(credentials) = basic(value) {
                let decoded = base64::lenient(credentials);
                self.look_inside(&decoded, &mut |this| point(this, &(0..value.len())));
                let other = base64::lenient_without_padding(credentials);
                if other != decoded {
                    self.look_inside(&other, &mut |this| point(this, &(0..value.len())));
                }
            }
        }
    }

    /// Looks through a text, and records what is found at the point that the bytes it was found in
    /// belong to.
    fn look(&mut self, text: &[u8], point: &mut dyn FnMut(&Self, &Range<usize>) -> Point) {
        if text.len() < limits::TOKEN_BYTES_FORCED
            || !holds(&self.patchset, &self.relevant, &mut self.budget, text)
        {
            return;
        }
        let all = locate(&self.patchset, &self.relevant, text);
        for Found { token, range, layers } in inside_first(all, text.len()) {
            let point = point(self, &range);
            self.hit(token, point, &layers);
        }
    }

    /// The same for a text that base64 stood for.
    fn look_inside(&mut self, text: &[u8], point: &mut dyn FnMut(&Self) -> Point) {
        if !holds(&self.patchset, &self.relevant, &mut self.budget, text) {
            return;
        }
        for Found { token, layers, .. } in locate(&self.patchset, &self.relevant, text) {
            let point = point(self);
            let layers: Vec<Layer> = std::iter::once(Layer::Base64).chain(layers).collect();
            self.hit(token, point, &layers);
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

    fn name_or_position(&self, name: &[u8], position: usize) -> String {
        redact::name(&self.patchset, &self.relevant, name)
            .unwrap_or_else(|| format!("[{position}]"))
    }

    /// Where in a body a token stands, given the body's first bytes.
    pub(super) fn place_in_body(&self, text: &[u8], token: TokenIndex) -> Option<String> {
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace())?;
        if !matches!(first, b'{' | b'[' | b'"') {
            return None;
        }
        let steps = (text.len() <= limits::HOLD_LIMIT)
            .then(|| locate(&self.patchset, &self.relevant, text))
            .and_then(|all| all.into_iter().find(|found| found.token == token))
            .and_then(|found| Some((json_path(text, &found.range)?, found.range)));
        let Some((steps, found)) = steps else { return Some("json".to_owned()) };
        let mut path = "json:$".to_owned();
        for step in steps {
            let step = match step {
                Step::Element(index) => format!("[{index}]"),
                Step::Member(key, count) => {
                    format!(".{}", self.safe_name(text, &key, &found, count))
                }
            };
            if path.len() + step.len() > limits::POINT_PATH_BYTES {
                path.push('…');
                break;
            }
            path.push_str(&step);
        }
        Some(path)
    }
}

/// Of each token, the places that are narrower than the whole text first.
fn inside_first(mut all: Vec<Found>, whole: usize) -> Vec<Found> {
    all.sort_by_key(|found| (found.layers.len(), found.range.len() == whole));
    all
}

/// The credentials after a Basic scheme in any case, with any spaces before and after it.
fn basic(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.trim_ascii_start().split_at_checked(5)?;
    (scheme.eq_ignore_ascii_case(b"basic") && rest.first().is_some_and(u8::is_ascii_whitespace))
        .then_some(rest)
}
