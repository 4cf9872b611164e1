//! Hostile heads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::texts::*;
use super::{Carried, Hostile, LEAKED};

/// Hostile heads.
pub(crate) fn heads() -> Vec<Hostile> {
    let mut random = Random(31);
    let dense = random.mixed(DENSE, 60_000);
    let query = |text: &[u8]| -> String {
        let text: String = text.iter().map(|&byte| char::from(byte)).collect();
        format!(
            "/a?q={}",
            text.replace('<', "%3C").replace('>', "%3E").replace('"', "%22").replace('#', "%23")
        )
    };
    let everything = br"%255Cu0025%2525%5C%5C\\u005Cu0025\u0074%2b+".as_slice();
    let head = |name, target: String| Hostile {
        name,
        carried: Carried::Head { target, fields: Vec::new() },
    };
    let fields = |name, value: &dyn Fn(usize) -> Vec<u8>| Hostile {
        name,
        carried: Carried::Head {
            target: "/".to_owned(),
            fields: (0..124).map(|number| (format!("x-{number}"), value(number))).collect(),
        },
    };
    let runs = random_runs(&mut random, 16, b"!", 60_000);
    let encoded = random.bytes(60_000);
    let encoded = STANDARD.encode(encoded).into_bytes();
    let octal = filled(br#"\163\s"#, 500);
    vec![
        head("query: everything in everything", query(&filled(everything, 40_000))),
        head("query: escapes mixed at random", query(&dense[..30_000])),
        head("query: percent of percent", query(&filled(b"%252525252525252574", 60_000))),
        head("query: one escape", query(&[&b"%74"[..], &b"a".repeat(60_000)].concat())),
        head("query: base64", query(&encoded[..60_000])),
        head("query: base64 with junk", query(&runs)),
        head("query: hex", query(&filled(b"746f6b5f6162636465666768696a6b6c6d6e6f70", 60_000))),
        head(
            "path: everything in everything",
            format!(
                "/{}",
                String::from_utf8(filled(b"%255C/%2525;%5C%5C%74%2b+", 40_000)).unwrap()
            ),
        ),
        head("query: 1 KiB of everything", query(&filled(everything, 900))),
        head("query: 1 KiB of escapes mixed", query(&dense[..600])),
        fields("fields: everything in everything", &|_| filled(everything, 500)),
        fields("fields: escapes mixed at random", &|number| dense[number * 400..][..500].to_vec()),
        fields("fields: percent of percent", &|_| filled(b"%252525252525252574", 500)),
        fields("fields: octal", &|_| octal.clone()),
        fields("fields: base64", &|number| encoded[number * 400..][..500].to_vec()),
        fields("fields: base64 with junk", &|number| runs[number * 400..][..500].to_vec()),
        fields("fields: Basic", &|number| {
            [&b"Basic "[..], &encoded[number * 400..][..494]].concat()
        }),
        fields("fields: overlong UTF-8", &|_| filled(b"\xc1\xb4\xc1\xaf%c1%b4", 500)),
        fields("fields: gzip in base64", &|_| {
            filled(STANDARD.encode(gzip(b"%74")).as_bytes(), 500)
        }),
        head("query: a token, over and over", query(&filled(LEAKED.as_bytes(), 60_000))),
        head(
            "query: a token in escapes, over and over",
            query(&filled(&[&LEAKED.replace('_', "%255F"), "&a="].concat().into_bytes(), 60_000)),
        ),
        fields("fields: a token", &|_| filled(LEAKED.as_bytes(), 500)),
        fields("fields: a token and escapes", &|_| {
            [LEAKED.as_bytes(), &filled(everything, 470)].concat()
        }),
        Hostile {
            name: "cookies",
            carried: Carried::Head {
                target: "/".to_owned(),
                fields: vec![("cookie".to_owned(), filled(br"a=%25\163\u0074; ", 60_000))],
            },
        },
    ]
}
