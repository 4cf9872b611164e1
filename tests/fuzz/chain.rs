//! The whole: a token under a random chain of layers, cut into random pieces, is found; its twin,
//! which did not leak, is not.

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Request;
use leakgate::inspect::{Context, Inspection};
use leakgate::matcher::{Patchset, PatchsetWriter, Rule};
use leakgate::model::clock;
use leakgate::model::fingerprint::Fingerprint;
use leakgate::model::ids::{LeakId, TokenId};
use leakgate::model::rule::{Action, FiltrationMode};
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;

/// Layers over a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layer {
    Percent,
    Json,
    JsonDocument,
    Form,
    Entities,
    Hex,
    Base64,
    Base64Url,
    /// A document of XML, with a part of the text declared as an entity.
    Declared,
}

/// Layers over a whole body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outer {
    Nothing,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
    Utf16,
    Ebcdic,
}

/// The bytes of printable ASCII in code pages of EBCDIC, as another library writes them.
const EBCDIC: &str = include_str!("../../src/decode/containers/ebcdic.txt");

/// Those that are not undone yet. Empty once every part is there.
const PENDING: &[Layer] = &[];
/// The same of whole bodies.
const PENDING_OUTER: &[Outer] = &[];

/// Encodes and looks as the bytes say.
pub fn check(data: &[u8]) {
    // What the bytes do not suffice for is not done.
    let _ = run(&mut Unstructured::new(data));
}

fn patchset(token: &[u8]) -> Arc<Patchset> {
    let mut writer = PatchsetWriter::new();
    let leak = LeakId(uuid::Uuid::from_u128(1));
    writer.set_rule(Rule::new(leak, Action::Block));
    let material = TokenMaterial::Text(Secret::new(token.to_vec()));
    let id = TokenId(uuid::Uuid::from_u128(1));
    writer.add_token(leak, id, Fingerprint([0; 16]), &material);
    writer.build()
}

fn text(bytes: &mut Unstructured<'_>, alphabet: &[u8], length: usize) -> Result<Vec<u8>> {
    (0..length).map(|_| bytes.choose(alphabet).copied()).collect()
}

fn escaped(
    bytes: &mut Unstructured<'_>,
    text: &[u8],
    must: impl Fn(u8) -> bool,
    write: impl Fn(u8, bool) -> String,
) -> Result<Vec<u8>> {
    let density: u8 = bytes.arbitrary()?;
    let upper = bytes.arbitrary()?;
    let mut seed = u64::from(density) + 1;
    let mut out = Vec::new();
    for &byte in text {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if must(byte) || (seed >> 56) as u8 <= density {
            out.extend(write(byte, upper).bytes());
        } else {
            out.push(byte);
        }
    }
    Ok(out)
}

fn encode(bytes: &mut Unstructured<'_>, layer: Layer, text: &[u8]) -> Result<Vec<u8>> {
    Ok(match layer {
        Layer::Percent => escaped(
            bytes,
            text,
            |byte| matches!(byte, b'%' | b'&' | b'#' | b' '),
            |byte, upper| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") },
        )?,
        Layer::Form => escaped(
            bytes,
            text,
            |byte| matches!(byte, b'%' | b'+' | b'&'),
            |byte, _| if byte == b' ' { "+".to_owned() } else { format!("%{byte:02X}") },
        )?,
        Layer::Json => escaped(
            bytes,
            text,
            |byte| matches!(byte, b'\\' | b'"') || byte < b' ',
            |byte, upper| match byte {
                b'\\' | b'"' | b'/' => format!("\\{}", char::from(byte)),
                byte if upper => format!("\\u{byte:04X}"),
                byte => format!("\\u{byte:04x}"),
            },
        )?,
        Layer::JsonDocument => {
            let value = String::from_utf8_lossy(text);
            serde_json::json!({ "id": 7, "value": value, "more": ["x"] }).to_string().into_bytes()
        }
        Layer::Entities => escaped(
            bytes,
            text,
            |byte| matches!(byte, b'&' | b'<'),
            |byte, upper| if upper { format!("&#x{byte:X};") } else { format!("&#{byte};") },
        )?,
        Layer::Declared => {
            let from = bytes.int_in_range(0..=text.len())?;
            let (before, rest) = text.split_at(from);
            let (middle, after) = rest.split_at(bytes.int_in_range(0..=rest.len())?);
            let must = |byte| matches!(byte, b'&' | b'<' | b'"' | b'%');
            let number = |byte: u8| format!("&#{byte};");
            let in_text = |part: &[u8]| {
                part.iter()
                    .map(
                        |&byte| {
                            if must(byte) { number(byte) } else { char::from(byte).to_string() }
                        },
                    )
                    .collect::<String>()
            };
            // In a value numbers are undone at once, and once more where it is used.
            let in_value: String = middle
                .iter()
                .map(|&byte| {
                    if must(byte) { format!("&#38;#{byte};") } else { char::from(byte).to_string() }
                })
                .collect();
            format!(
                "<!DOCTYPE r [<!ENTITY e \"{in_value}\">\n<!ENTITY f '&e;'>]><r>{}&f;{}</r>",
                in_text(before),
                in_text(after)
            )
            .into_bytes()
        }
        Layer::Hex => text.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
        Layer::Base64 => STANDARD.encode(text).into_bytes(),
        Layer::Base64Url => URL_SAFE_NO_PAD.encode(text).into_bytes(),
    })
}

/// The body, and the field that tells of it.
fn wrap(outer: Outer, text: &[u8]) -> (Vec<u8>, Option<(&'static str, &'static str)>) {
    let written = "what is in memory can be written";
    match outer {
        Outer::Nothing => (text.to_vec(), None),
        Outer::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(text).expect(written);
            (encoder.finish().expect(written), Some(("content-encoding", "gzip")))
        }
        Outer::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Default::default());
            encoder.write_all(text).expect(written);
            (encoder.finish().expect(written), Some(("content-encoding", "deflate")))
        }
        Outer::Brotli => {
            let mut out = Vec::new();
            brotli::CompressorWriter::new(&mut out, 4_096, 4, 18).write_all(text).expect(written);
            (out, Some(("content-encoding", "br")))
        }
        Outer::Zstd => {
            (zstd::encode_all(text, 1).expect(written), Some(("content-encoding", "zstd")))
        }
        Outer::Ebcdic => {
            let line = EBCDIC.lines().find_map(|line| line.strip_prefix("500 ")).expect("a page");
            let byte = |char: u8| match char {
                b'\n' => 0x25,
                b' '..=b'~' => {
                    let at = 2 * usize::from(char - b' ');
                    u8::from_str_radix(&line[at..at + 2], 16).expect("a character of the page")
                }
                _ => 0x6f,
            };
            let body = text.iter().map(|&char| byte(char)).collect();
            (body, Some(("content-type", "text/plain; charset=cp500")))
        }
        Outer::Utf16 => {
            let units = String::from_utf8_lossy(text).into_owned();
            let units = std::iter::once(0xfeff).chain(units.encode_utf16().collect::<Vec<u16>>());
            (units.flat_map(u16::to_le_bytes).collect(), None)
        }
    }
}

/// Whether the token of this set is found, or nothing where the budget was spent.
fn found(patchset: &Arc<Patchset>, field: Option<(&str, &str)>, pieces: &[&[u8]]) -> Option<bool> {
    let client = IpAddr::from([203, 0, 113, 7]);
    let context = Context::new(client, "api.example", FiltrationMode::Block, clock::now());
    let mut inspection = Inspection::new(Arc::clone(patchset), context);
    let mut request = Request::post("/");
    if let Some((name, value)) = field {
        request = request.header(name, value);
    }
    inspection.head(&request.body(()).expect("a request").into_parts().0);
    for piece in pieces {
        inspection.body(piece);
    }
    inspection.finish();
    let found = !inspection.hits().is_empty();
    (found || inspection.incomplete().is_empty()).then_some(found)
}

/// Whether a document stands in base64 or hex that is escaped in part in its turn: such runs are decoded
/// around their escapes alone.
fn is_beyond_reach(chain: &[Layer]) -> bool {
    let behind =
        |layers: &[Layer], is: fn(&Layer) -> bool| layers.iter().position(is).map(|at| at + 1);
    let rest = behind(chain, |layer| *layer == Layer::Declared).and_then(|at| chain.get(at..));
    let runs = |layer: &Layer| matches!(layer, Layer::Hex | Layer::Base64 | Layer::Base64Url);
    let escapes = |layer: &Layer| {
        matches!(layer, Layer::Percent | Layer::Json | Layer::Form | Layer::Entities)
    };
    let rest = rest.and_then(|rest| behind(rest, runs).and_then(|at| rest.get(at..)));
    rest.is_some_and(|rest| rest.iter().any(escapes))
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const ANY: &[u8] = b"ABCxyz019_-./+= ";
    const SURROUNDINGS: &[u8] = b"abc ,.:;=/\"{}\n09";
    let alphabet = if bytes.arbitrary()? { ALPHANUMERIC } else { ANY };
    let length = bytes.int_in_range(16..=60)?;
    // Letters at both ends, since a format may cut blanks.
    let token = [b"Tk", &text(bytes, alphabet, length)?[..], b"kT"].concat();
    let mut twin = token.clone();
    let at = bytes.int_in_range(0..=length)?;
    twin[at] = if twin[at] == b'Q' { b'q' } else { b'Q' };

    let before = bytes.int_in_range(0..=20)?;
    let before = text(bytes, SURROUNDINGS, before)?;
    let after = bytes.int_in_range(0..=20)?;
    let after = text(bytes, SURROUNDINGS, after)?;
    let layers = [
        Layer::Percent,
        Layer::Json,
        Layer::JsonDocument,
        Layer::Form,
        Layer::Entities,
        Layer::Hex,
        Layer::Base64,
        Layer::Base64Url,
        Layer::Declared,
    ];
    let layers: Vec<Layer> = layers.into_iter().filter(|layer| !PENDING.contains(layer)).collect();
    let outers = [
        Outer::Nothing,
        Outer::Gzip,
        Outer::Deflate,
        Outer::Brotli,
        Outer::Zstd,
        Outer::Utf16,
        Outer::Ebcdic,
    ];
    let outers: Vec<Outer> =
        outers.into_iter().filter(|outer| !PENDING_OUTER.contains(outer)).collect();

    let mut encoded = [&before[..], b" ", &token, b" ", &after].concat();
    let mut chain = Vec::new();
    for _ in 0..bytes.int_in_range(0..=4)? {
        let layer = *bytes.choose(&layers)?;
        chain.push(layer);
        encoded = encode(bytes, layer, &encoded)?;
        if encoded.len() > 16 * 1024 {
            return Ok(());
        }
    }
    if is_beyond_reach(&chain) {
        return Ok(());
    }
    // What stands beside a value ends it.
    let body = [b"{\"v\":\"", &encoded[..], b"\"}"].concat();
    let outer = *bytes.choose(&outers)?;
    let (body, field) = wrap(outer, &body);
    let mut pieces = Vec::new();
    let mut rest = &body[..];
    while !rest.is_empty() {
        let length = if bytes.is_empty() { rest.len() } else { bytes.int_in_range(1..=64)? };
        let (piece, more) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    let said = || format!("{chain:?} {outer:?} {}", body.escape_ascii());
    let leaked = found(&patchset(&token), field, &pieces);
    assert!(leaked != Some(false), "not found: {}", said());
    let clean = found(&patchset(&twin), field, &pieces);
    assert!(clean != Some(true), "found what is not there: {}", said());
    // What is made of a few layers is inside the budget; more of them, each dense, may not be, nor a
    // document with entities under another layer, of which everything is read once more.
    let is_heavy = chain.len() > 2 || chain.len() == 2 && chain.contains(&Layer::Declared);
    assert!(leaked.is_some() && clean.is_some() || is_heavy, "spent: {}", said());
    Ok(())
}
