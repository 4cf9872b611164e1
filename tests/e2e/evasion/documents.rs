//! XML documents in which a value is written with entities that they declare themselves, and what such
//! documents stand in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bodies::{FILE, TEXT, around, form_data, halves, part, point};
use super::encodings::{At, xml_natural};
use super::points::Point;
use super::request::Sent;

/// A value in quotes of this kind, in which each of that kind is written so.
fn quoted(value: &[u8], quote: u8, written: &str) -> Vec<u8> {
    let each = value.iter().flat_map(|&byte| match byte {
        byte if byte == quote => written.as_bytes().to_vec(),
        byte => vec![byte],
    });
    [quote].into_iter().chain(each).chain([quote]).collect()
}

fn in_double_quotes(value: &[u8]) -> Vec<u8> {
    quoted(value, b'"', "&#34;")
}

/// A document with these declarations and this content.
fn document(declarations: &[u8], content: &[u8]) -> Vec<u8> {
    let begin = b"<?xml version=\"1.0\"?>\n<!DOCTYPE a [\n";
    [begin, declarations, b"\n]>\n<a><t>", content, b"</t></a>"].concat()
}

/// The second half of the value is declared as an entity.
fn second_half_declared(value: &[u8]) -> Vec<u8> {
    let (one, two) = halves(value);
    let declaration = [b"<!ENTITY e ", &in_double_quotes(two)[..], b">"].concat();
    document(&declaration, &[one, b"&e;"].concat())
}

type Build = fn(&[u8]) -> Vec<u8>;

/// Points in documents that declare entities.
pub fn documents(all: &mut Vec<Point>) {
    let documents: [(&str, Build); 10] = [
        ("second-half", second_half_declared),
        ("single-quotes", |v| {
            let (one, two) = halves(v);
            let declaration = [b"<!ENTITY e ", &quoted(two, b'\'', "&#39;")[..], b">"].concat();
            document(&declaration, &[one, b"&e;"].concat())
        }),
        ("numbers", |v| {
            let numbers: String = v.iter().map(|byte| format!("&#x{byte:x};")).collect();
            document(format!("<!ENTITY e '{numbers}'>").as_bytes(), b"&e;")
        }),
        ("of-entities", |v| {
            let (one, two) = halves(v);
            let outer = [b"&one;", two].concat();
            let (one, outer) = (in_double_quotes(one), in_double_quotes(&outer));
            let declarations =
                [b"<!ENTITY all ", &outer[..], b"> <!ENTITY one ", &one, b">"].concat();
            document(&declarations, b"&all;")
        }),
        ("of-parameter", |v| {
            let (one, two) = halves(v);
            let inner = [b"<!ENTITY e ", &quoted(two, b'\'', "&#38;#39;")[..], b">"].concat();
            let parameter = [b"<!ENTITY % p ", &in_double_quotes(&inner)[..], b">\n%p;"].concat();
            document(&parameter, &[one, b"&e;"].concat())
        }),
        ("attribute", |v| {
            let (one, two) = halves(v);
            let declaration = [b"<!ENTITY e ", &in_double_quotes(two)[..], b">"].concat();
            document(&declaration, &[b"<b c=\"", one, b"&e;\"/>"].concat())
        }),
        ("attribute-default", |v| {
            let (one, two) = halves(v);
            let one = [one, b"&e;"].concat();
            let declarations = [
                b"<!ENTITY e ",
                &in_double_quotes(two)[..],
                b"><!ATTLIST a b CDATA ",
                &in_double_quotes(&one),
                b">",
            ]
            .concat();
            document(&declarations, b"")
        }),
        ("behind-external", |v| {
            let (one, two) = halves(v);
            let two = in_double_quotes(two);
            let external = b"<!ENTITY x SYSTEM \"http://a.example/x\"><!ENTITY e ";
            document(&[external, &two[..], b">"].concat(), &[one, b"&e;&x;"].concat())
        }),
        ("behind-decoys", |v| {
            let (one, two) = halves(v);
            let decoys = b"<!-- <!ENTITY e 'x'> --><?p <!ENTITY q \" ?><!ENTITY e ";
            let declarations = [decoys, &in_double_quotes(two)[..], b">"].concat();
            let text = document(&declarations, &[one, b"&e;"].concat());
            [b"<!-- <!DOCTYPE a [ <!ENTITY e \" -->", &text[..]].concat()
        }),
        ("around", |v| document(b"<!ENTITY e 'x'>", v)),
    ];
    for (name, build) in documents {
        point(all, &format!("xml-entity:{name}"), TEXT, move |v| {
            Sent::post("application/xml", build(v))
        });
    }
    point(all, "xml-entity:chunks", TEXT, |v| {
        Sent::post("text/xml", second_half_declared(v)).chunks(3)
    });
    point(all, "xml-entity:in-json", TEXT, |v| {
        let text = String::from_utf8(second_half_declared(v)).unwrap();
        Sent::post("application/json", serde_json::json!({ "id": 7, "xml": text }).to_string())
    });
    // As Go and .NET write it.
    point(all, "xml-entity:in-html-safe-json", TEXT, |v| {
        let text = String::from_utf8(second_half_declared(v)).unwrap();
        let text = serde_json::json!({ "xml": text }).to_string();
        let text = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        Sent::post("application/json", text)
    });
    point(all, "xml-entity:in-form", TEXT, |v| {
        let text = percent_encoding::percent_encode(
            &second_half_declared(v),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string();
        Sent::post("application/x-www-form-urlencoded", format!("id=7&xml={text}&x=1"))
    });
    point(all, "xml-entity:in-base64", TEXT, |v| {
        let text = STANDARD.encode(second_half_declared(v));
        Sent::post("application/json", serde_json::json!({ "saml": text }).to_string())
    });
    point(all, "xml-entity:in-xml", TEXT, |v| {
        let text = xml_natural(&second_half_declared(v));
        Sent::post("application/xml", around("<a>", &text, "</a>"))
    });
    point(all, "xml-entity:in-multipart", TEXT, |v| {
        form_data(part(FILE, &second_half_declared(v)))
    });
    point(all, "xml-entity:in-query", &[At::Anywhere], |v| {
        let text = second_half_declared(v);
        let text = percent_encoding::percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
        Sent::get(format!("/v1?id=7&xml={text}&x=1"))
    });
    point(all, "xml-entity:in-field", &[At::Anywhere], |v| {
        Sent::get("/v1").field("X-Document", STANDARD.encode(second_half_declared(v)))
    });
}
