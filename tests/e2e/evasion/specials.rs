//! Cases that are no value in a place: another spelling of the token itself, and what is refused
//! whoever's token it carries.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::drive::Case;
use super::encodings::gzip;
use super::request::{Framing, Sent};

/// The order of the group of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// `ORDER - value`.
fn negated(value: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 32];
    let mut borrow = 0;
    for at in (0..32).rev() {
        let digit = i16::from(ORDER[at]) - i16::from(value[at]) - borrow;
        borrow = i16::from(digit < 0);
        out[at] = (digit & 0xff) as u8;
    }
    out
}

/// Other spellings of a signed JWT that a verifier takes for the same.
pub fn jwts(leaked: &str, clean: &str) -> Vec<Case> {
    type Respell = fn(&str, &str, &str) -> Sent;
    let all: [(&str, Respell); 7] = [
        ("padding", |h, p, s| bearing(format!("{h}.{p}.{s}=="))),
        ("unused-bits", |h, p, s| {
            let (body, last) = s.split_at(s.len() - 1);
            let other = match last {
                "A" => "B",
                "Q" => "R",
                "g" => "h",
                _ => "x",
            };
            bearing(format!("{h}.{p}.{body}{other}"))
        }),
        ("standard-alphabet", |h, p, s| {
            bearing(format!("{h}.{p}.{}", s.replace('-', "+").replace('_', "/")))
        }),
        ("es256-flip", |h, p, s| {
            let signature = URL_SAFE_NO_PAD.decode(s).unwrap();
            let flipped = [&signature[..32], &negated(&signature[32..])].concat();
            bearing(format!("{h}.{p}.{}", URL_SAFE_NO_PAD.encode(flipped)))
        }),
        ("flattened", |h, p, s| {
            let body = format!(r#"{{"payload":"{p}","protected":"{h}","signature":"{s}"}}"#);
            Sent::post("application/jose+json", body)
        }),
        ("general", |h, p, s| {
            let body = format!(
                r#"{{ "payload": "{p}", "signatures": [ {{ "protected": "{h}", "signature": "{s}" }} ] }}"#
            );
            Sent::post("application/jose+json", body)
        }),
        ("in-base64", |h, p, s| {
            Sent::post("text/plain", STANDARD.encode(format!("jwt={h}.{p}.{s}==")))
        }),
    ];
    let respelled = |jwt: &str, respell: Respell| {
        let parts: Vec<&str> = jwt.split('.').collect();
        respell(parts[0], parts[1], parts[2])
    };
    all.into_iter()
        .map(|(name, respell)| Case {
            name: format!("jwt-respelled:{name}"),
            leaked: Some(respelled(leaked, respell)),
            clean: Some(respelled(clean, respell)),
            refused: &[403],
            both: false,
        })
        .collect()
}

fn bearing(jwt: String) -> Sent {
    Sent::get("/v1").field("Authorization", format!("Bearer {jwt}"))
}

/// What cannot be inspected whole, or would be read differently behind the gateway.
pub fn refused(leaked: &str, clean: &str) -> Vec<Case> {
    type Build = fn(&[u8]) -> Sent;
    let all: [(&str, &'static [u16], Build); 10] = [
        ("coding:unknown", &[415], |body| {
            Sent::post("application/json", body).field("Content-Encoding", "rot13")
        }),
        ("coding:unknown-behind-known", &[415], |body| {
            Sent::post("application/json", gzip(body)).field("Content-Encoding", "rot13, gzip")
        }),
        ("coding:four", &[415], |body| {
            Sent::post("application/json", gzip(&gzip(&gzip(&gzip(body)))))
                .field("Content-Encoding", "gzip, gzip, gzip, gzip")
        }),
        ("coding:broken", &[400, 403], |body| {
            let mut coded = gzip(body);
            let middle = coded.len() / 2;
            coded[middle] ^= 0x55;
            coded[middle + 1] ^= 0x55;
            Sent::post("application/json", coded).field("Content-Encoding", "gzip")
        }),
        ("coding:not-at-all", &[400], |_| {
            Sent::post("application/json", "{\"not\":\"compressed\"}")
                .field("Content-Encoding", "gzip")
        }),
        ("coding:cut", &[400, 403], |body| {
            let coded = gzip(body);
            Sent::post("application/json", &coded[..coded.len() - 12])
                .field("Content-Encoding", "gzip")
        }),
        ("coding:bomb", &[403, 413], |body| {
            let text = [&vec![b'0'; 64 << 20][..], body].concat();
            Sent::post("application/json", gzip(&text)).field("Content-Encoding", "gzip")
        }),
        ("entities:laughs", &[403, 413], |body| {
            let mut text = b"<!DOCTYPE r [<!ENTITY l0 'ha'>".to_vec();
            for level in 1..12 {
                let refers = format!("&l{};", level - 1).repeat(10);
                text.extend(format!("<!ENTITY l{level} '{refers}'>").bytes());
            }
            text.extend([b"]><r>&l11;", body, b"</r>"].concat());
            Sent::post("application/xml", text)
        }),
        ("transfer-coding", &[400, 501], |_| {
            let mut sent = Sent::post("application/json", "");
            sent.framing = Framing::None;
            sent.field("Transfer-Encoding", "gzip, chunked")
        }),
        ("nesting", &[403, 413], |body| {
            let escape = format!("%{}41", "25".repeat(12));
            Sent::post("text/plain", [escape.as_bytes(), body].concat())
        }),
    ];
    all.into_iter()
        .map(|(name, refused, build)| Case {
            name: format!("refused:{name}"),
            leaked: Some(build(format!("{{\"token\":\"{leaked}\"}}").as_bytes())),
            clean: Some(build(format!("{{\"token\":\"{clean}\"}}").as_bytes())),
            refused,
            both: true,
        })
        .collect()
}
