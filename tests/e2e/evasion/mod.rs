//! The matrix: every place in a request where a value can stand, under every encoding that some
//! ordinary backend undoes there, and under pairs of them. With a token that leaked the request is
//! refused; with a twin that did not, it arrives as it was sent, byte for byte.

mod bodies;
mod codings;
mod documents;
mod drive;
mod encodings;
mod events;
mod honest;
mod numbers;
mod points;
mod request;
mod specials;
pub mod tokens;
mod upstream;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use leakgate::model::rule::Action;

use self::codings::{CODINGS, Coding, Kind};
use self::drive::{Case, Failure};
use self::encodings::Encoding;
use self::points::{Point, Room};
use self::request::Framing;
use self::tokens::Shape;
use self::upstream::Recording;
use crate::support::gateway::{Running, patchset, start};

/// The seed of the tokens that leaked, and of their twins.
const LEAKED: u64 = 1;
const CLEAN: u64 = 2;

/// What stands in the place of a value: encodings, innermost first.
fn written(encodings: &[&Encoding], token: &str) -> Vec<u8> {
    encodings.iter().fold(token.as_bytes().to_vec(), |text, encoding| (encoding.apply)(&text))
}

fn case(point: &Point, encodings: &[&Encoding], coding: &[&Coding], shape: Shape) -> Option<Case> {
    let request = |seed| {
        let value = written(encodings, &shape.token(seed));
        let sent = point.room.fits(&value).then(|| (point.build)(&value))?;
        Some(coding.iter().fold(sent, |sent, coding| (coding.apply)(sent)))
    };
    let names = [point.name.as_str(), shape.name()].into_iter();
    let names = names.chain(encodings.iter().map(|encoding| encoding.name.as_str()));
    let names: Vec<&str> = names.chain(coding.iter().map(|coding| coding.name)).collect();
    Some(Case {
        name: names.join("/"),
        leaked: Some(request(LEAKED)?),
        clean: Some(request(CLEAN)?),
        refused: &[403],
        both: false,
    })
}

/// Every value encoding that is undone at a point.
fn fitting<'a>(point: &Point, encodings: &'a [Encoding]) -> Vec<&'a Encoding> {
    encodings.iter().filter(|encoding| point.at.contains(&encoding.at)).collect()
}

/// Whether it is the turn of an encoding at a point: of one shape all of them are tried, of others
/// all at some points, and another part of them at each other point.
fn often(shape: Shape, point: &Point, turn: usize) -> bool {
    shape == Shape::Long || point.all_pairs || turn.is_multiple_of(5)
}

/// Points with each encoding of a value, and with pairs of them.
fn values(points: &[Point], encodings: &[Encoding], shape: Shape) -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, point) in points.iter().enumerate() {
        let fitting = fitting(point, encodings);
        cases.extend(case(point, &[], &[], shape));
        for (turn, encoding) in fitting.iter().enumerate() {
            if often(shape, point, turn + number) {
                cases.extend(case(point, &[*encoding], &[], shape));
            }
        }
        if shape != Shape::Long {
            continue;
        }
        let paired: Vec<&Encoding> = fitting.into_iter().filter(|one| one.in_pairs).collect();
        for (inner_number, inner) in paired.iter().enumerate() {
            for (outer_number, outer) in paired.iter().enumerate() {
                // Elsewhere a part of them, another one at each point.
                let turn = inner_number * paired.len() + outer_number + number;
                if point.all_pairs || turn.is_multiple_of(7) {
                    cases.extend(case(point, &[inner, outer], &[], shape));
                }
            }
        }
    }
    cases
}

const CHARSET_POINTS: [&str; 10] = [
    "text",
    "json",
    "json-untyped",
    "json-key",
    "ndjson",
    "graphql-raw",
    "form",
    "form-untyped",
    "xml",
    "xml-untyped",
];
const CODED_POINTS: [&str; 6] = ["json", "form", "text", "xml", "multipart", "protobuf"];
const PAIRED_CODINGS: [&str; 8] = [
    "gzip",
    "gzip:undeclared",
    "gzip:members",
    "deflate:raw",
    "br",
    "zstd",
    "utf-16:le-silent",
    "utf-16:be-marked",
];

/// Points of bodies under each way to write a whole body, and pairs with it.
fn coded(points: &[Point], encodings: &[Encoding], shape: Shape) -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, point) in points.iter().enumerate() {
        let sent = (point.build)(b"value");
        if sent.framing != Framing::Length || sent.h2 {
            continue;
        }
        for (turn, coding) in CODINGS.iter().enumerate() {
            let fits = coding.kind == Kind::Coding || CHARSET_POINTS.contains(&&*point.name);
            let thorough = CODED_POINTS.contains(&&*point.name)
                || coding.kind == Kind::Charset && shape == Shape::Long;
            if fits && (thorough || (turn + number).is_multiple_of(4)) {
                cases.extend(case(point, &[], &[coding], shape));
            }
        }
        if !CODED_POINTS.contains(&&*point.name) || shape != Shape::Long {
            continue;
        }
        let paired: Vec<&Coding> =
            CODINGS.iter().filter(|coding| PAIRED_CODINGS.contains(&coding.name)).collect();
        for coding in &paired {
            let text = CHARSET_POINTS.contains(&&*point.name);
            if coding.kind == Kind::Charset && !text {
                continue;
            }
            for encoding in fitting(point, encodings).into_iter().filter(|one| one.in_pairs) {
                cases.extend(case(point, &[encoding], &[coding], shape));
            }
            for outer in &paired {
                if outer.kind == Kind::Coding && coding.kind == Kind::Charset {
                    cases.extend(case(point, &[], &[coding, outer], shape));
                }
            }
        }
    }
    cases
}

struct Matrix {
    upstream: Arc<Recording>,
    failures: Vec<Failure>,
    names: Vec<String>,
}

impl Matrix {
    async fn new() -> Self {
        let upstream = Arc::new(Recording::start().await);
        Self { upstream, failures: Vec::new(), names: Vec::new() }
    }

    fn gateway(&self, leaked: &[&str]) -> Running {
        let gateway = start(self.upstream.address);
        let tokens: Vec<(&str, Action)> =
            leaked.iter().map(|token| (*token, Action::Block)).collect();
        gateway.patchset.store(patchset(&tokens));
        gateway
    }

    /// Runs these cases at a gateway that blocks this token alone.
    async fn run(&mut self, leaked: &str, cases: Vec<Case>) {
        let gateway = self.gateway(&[leaked]);
        self.send(cases, &gateway).await;
        gateway.stop().await;
    }

    async fn send(&mut self, cases: Vec<Case>, gateway: &Running) {
        let first = 2 * self.names.len();
        self.names.extend(cases.iter().map(|case| case.name.clone()));
        self.failures.extend(drive::run(cases, first, gateway.address, &self.upstream).await);
    }

    /// Asserts that every case holds.
    fn judge(self) {
        let mut said = String::new();
        let mut by_part: BTreeMap<&str, usize> = BTreeMap::new();
        for failure in &self.failures {
            for part in failure.name.split('/') {
                *by_part.entry(part).or_default() += 1;
            }
            let _ = writeln!(said, "{}: {}", failure.name, failure.why);
        }
        let mut parts: Vec<(usize, &str)> =
            by_part.into_iter().map(|(part, n)| (n, part)).collect();
        parts.sort_unstable_by(|a, b| b.cmp(a));
        assert!(
            self.failures.is_empty(),
            "{said}{} of {} cases do not hold; by part: {parts:?}",
            self.failures.len(),
            self.names.len()
        );
    }
}

fn all_points() -> (Vec<Point>, Vec<Point>) {
    (points::head(), bodies::bodies())
}

/// The points at which a shape is tried: `Lower` in names of fields alone, and `Short` not there,
/// since it would be part of a longer word.
fn of_shape(points: Vec<Point>, shape: Shape) -> Vec<Point> {
    let keep = |point: &Point| match shape {
        Shape::Lower => point.room == Room::Name,
        Shape::Short => point.room != Room::Name,
        _ => true,
    };
    points.into_iter().filter(keep).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_encoding_hides_a_leaked_token() {
    let mut matrix = Matrix::new().await;
    let encodings = encodings::encodings();
    for shape in tokens::SHAPES {
        let (head, bodies) = all_points();
        let (head, bodies) = (of_shape(head, shape), of_shape(bodies, shape));
        let mut cases = values(&head, &encodings, shape);
        cases.extend(values(&bodies, &encodings, shape));
        cases.extend(coded(&bodies, &encodings, shape));
        matrix.run(&shape.token(LEAKED), cases).await;
    }
    let (leaked, clean) = (Shape::Jwt.token(LEAKED), Shape::Jwt.token(CLEAN));
    matrix.run(&leaked, specials::jwts(&leaked, &clean)).await;
    let (mut points, bodies) = all_points();
    points.extend(bodies);
    for number in numbers::NUMBERS {
        let cases = number.cases((LEAKED, CLEAN), &points, &encodings);
        matrix.run(&number.token(LEAKED), cases).await;
    }
    let (leaked, clean) = (Shape::Long.token(LEAKED), Shape::Long.token(CLEAN));
    matrix.run(&leaked, specials::refused(&leaked, &clean)).await;
    matrix.judge();
}

/// A token is met among many, not alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_is_found_as_well() {
    let mut matrix = Matrix::new().await;
    let others: Vec<String> = (10..2_000)
        .flat_map(|seed| [Shape::Long, Shape::Padded, Shape::Short].map(|shape| shape.token(seed)))
        .collect();
    let leaked = Shape::Long.token(LEAKED);
    let mut tokens: Vec<&str> = others.iter().map(String::as_str).collect();
    tokens.push(&leaked);
    let encodings = encodings::encodings();
    let (head, bodies) = all_points();
    let mut cases = Vec::new();
    for point in head.iter().chain(&bodies) {
        cases.extend(case(point, &[], &[], Shape::Long));
        for encoding in fitting(point, &encodings).into_iter().filter(|one| one.in_pairs) {
            cases.extend(case(point, &[encoding], &[], Shape::Long));
        }
    }
    let gateway = matrix.gateway(&tokens);
    matrix.send(cases, &gateway).await;
    gateway.stop().await;
    matrix.judge();
}
