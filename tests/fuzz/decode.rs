//! Escapes against the libraries that define them, and a text that comes in pieces against the same
//! text at once.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use arbitrary::{Result, Unstructured};
use http::{HeaderValue, Request};
use leakgate::decode::{Layer, undo};
use leakgate::inspect::{Context, Inspection};
use leakgate::matcher::{Patchset, PatchsetWriter, Rule};
use leakgate::model::clock;
use leakgate::model::fingerprint::Fingerprint;
use leakgate::model::ids::{LeakId, TokenId};
use leakgate::model::rule::{Action, FiltrationMode};
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;

/// What texts are made of: tokens, escapes and parts of both.
const PIECES: [&[u8]; 28] = [
    b"tokena",
    b"tokenabb",
    b"abbaabba",
    b"bb",
    b"a",
    b"to",
    b"ken",
    b"%",
    b"\\",
    b"+",
    b"u00",
    b"x",
    b"%61",
    b"%62",
    b"\\u0061",
    b"\\u0062",
    b"\\x61",
    b"%25",
    b"%5c",
    b"\\\\",
    b"\\/",
    b"\\u005c",
    b"\\u0025",
    b"%u0061",
    b"{",
    b"\"",
    b" ",
    b"%2525",
];

static PATCHSET: LazyLock<Arc<Patchset>> = LazyLock::new(|| {
    let mut writer = PatchsetWriter::new();
    let leak = LeakId(uuid::Uuid::from_u128(1));
    // Only watched: everything that is there is found, and nothing ends the search.
    writer.set_rule(Rule::new(leak, Action::Observe));
    for (number, token) in
        [&b"tokena"[..], b"tokenabb", b"abbaabba", b"tokenabbaabbaabba"].iter().enumerate()
    {
        let id = TokenId(uuid::Uuid::from_u128(number as u128));
        let material = TokenMaterial::Text(Secret::new(token.to_vec()));
        writer.add_token(leak, id, Fingerprint([0; 16]), &material);
    }
    writer.build()
});

/// Decodes as the bytes say.
pub fn check(data: &[u8]) {
    percent(data);
    json(data);
    // What the bytes do not suffice for is not done.
    let _ = pieces(&mut Unstructured::new(data));
}

fn percent(data: &[u8]) {
    // `%u0041` is of older stacks, which the library is not.
    if !data.windows(2).any(|two| two[0] == b'%' && two[1].eq_ignore_ascii_case(&b'u')) {
        let expected: Vec<u8> = percent_encoding::percent_decode(data).collect();
        assert_eq!(undo(Layer::Percent, data), expected, "percent");
    }
    let encoded = percent_encoding::percent_encode(data, percent_encoding::NON_ALPHANUMERIC);
    assert_eq!(undo(Layer::Percent, encoded.to_string().as_bytes()), data, "percent, all escaped");
}

fn json(data: &[u8]) {
    let quoted = [b"\"", data, b"\""].concat();
    if let Ok(expected) = serde_json::from_slice::<String>(&quoted) {
        assert_eq!(undo(Layer::Json, data), expected.as_bytes(), "json");
    }
    let text = String::from_utf8_lossy(data);
    let quoted = serde_json::to_string(&text).expect("a text is JSON");
    let inside = &quoted.as_bytes()[1..quoted.len() - 1];
    assert_eq!(undo(Layer::Json, inside), text.as_bytes(), "json, as it is written");
}

fn inspection() -> Inspection {
    let client = IpAddr::from([203, 0, 113, 7]);
    let context = Context::new(client, "api.example", FiltrationMode::Block, clock::now());
    Inspection::new(Arc::clone(&PATCHSET), context)
}

/// The token that is long enough to be found anywhere.
const FREE: u128 = 3;

/// Layers that are undone in fields alone.
const OF_FIELDS: [&str; 2] = ["quoted", "utf8"];

/// The tokens found, or nothing where the budget was spent.
fn found(inspection: &Inspection) -> Option<BTreeSet<u128>> {
    let whole = inspection.incomplete().is_empty();
    let hits = inspection.hits().iter();
    let hits = hits.filter(|hit| !hit.encodings.iter().any(|layer| OF_FIELDS.contains(layer)));
    whole.then(|| hits.map(|hit| hit.token.0.as_u128()).collect())
}

fn in_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Option<BTreeSet<u128>> {
    let mut inspection = inspection();
    for piece in pieces {
        inspection.body(piece);
    }
    inspection.finish();
    found(&inspection)
}

fn pieces(bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut text = Vec::new();
    for _ in 0..bytes.int_in_range(0..=40)? {
        text.extend(*bytes.choose(&PIECES)?);
    }
    let mut cut = Vec::new();
    let mut rest = &text[..];
    while !rest.is_empty() {
        let length = if bytes.is_empty() { rest.len() } else { bytes.int_in_range(1..=24)? };
        let (piece, more) = rest.split_at(length.min(rest.len()));
        cut.push(piece);
        rest = more;
    }
    let at_once = in_pieces([&text[..]].into_iter());
    let in_parts = in_pieces(cut.into_iter());
    if let (Some(at_once), Some(in_parts)) = (&at_once, &in_parts) {
        assert_eq!(at_once, in_parts, "{}", text.escape_ascii());
    }
    // A field is decoded as a whole: what it holds, a body of the same text holds as well. Of short
    // tokens that does not hold yet: one behind an escape whose parts are escaped themselves
    // (`%%u0061%u0061`) is found in a field, and in a body it seems to be part of a longer word.
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        let request = Request::get("/").header("x-text", value).body(()).expect("a request");
        let mut field = inspection();
        field.head(&request.into_parts().0);
        if let (Some(field), Some(body)) = (found(&field), &in_parts) {
            let field: BTreeSet<u128> = field.into_iter().filter(|token| *token == FREE).collect();
            assert!(field.is_subset(body), "{field:?} {body:?} {}", text.escape_ascii());
        }
    }
    Ok(())
}
