//! Where in a body a value can stand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::documents::documents;
use super::encodings::{At, gzip, quoted_printable, xml_natural};
use super::points::{Point, Room};
use super::request::Sent;
use super::tokens::Random;

pub const TEXT: &[At] = &[At::Anywhere, At::Body];
const FORM: &[At] = &[At::Anywhere, At::Body, At::Form];

/// Those points at which all pairs, and all codings of whole bodies, are tried.
const ALL_PAIRS: [&str; 5] = ["json", "form", "text", "xml", "multipart"];

pub fn around(before: &str, value: &[u8], after: &str) -> Vec<u8> {
    [before.as_bytes(), value, after.as_bytes()].concat()
}

pub fn halves(value: &[u8]) -> (&[u8], &[u8]) {
    value.split_at(value.len() / 2)
}

pub fn point(
    all: &mut Vec<Point>,
    name: &str,
    at: &'static [At],
    build: impl Fn(&[u8]) -> Sent + Send + Sync + 'static,
) {
    in_room(all, name, Room::Any, at, build);
}

fn in_room(
    all: &mut Vec<Point>,
    name: &str,
    room: Room,
    at: &'static [At],
    build: impl Fn(&[u8]) -> Sent + Send + Sync + 'static,
) {
    let all_pairs = ALL_PAIRS.contains(&name);
    let name = name.to_owned();
    all.push(Point { name, room, at, all_pairs, build: Box::new(build) });
}

/// All points of bodies.
pub fn bodies() -> Vec<Point> {
    let mut all = Vec::new();
    texts(&mut all);
    xml(&mut all);
    documents(&mut all);
    multipart(&mut all);
    grpc(&mut all);
    framed(&mut all);
    all
}

fn texts(all: &mut Vec<Point>) {
    for (name, content_type, before, after) in [
        ("text", "text/plain", "the key is ", " as said"),
        ("binary", "application/octet-stream", "\0\u{1}k\0", "\0\0"),
        ("json", "application/json", "{\"user\":1,\"auth\":{\"token\":\"", "\",\"x\":true}}"),
        ("json-array", "application/json", "[1,[\"a\",\"", "\"]]"),
        ("json-key", "application/json", "{\"a\":1,\"", "\":[]}"),
        ("json-bare", "application/json", "\"", "\""),
        ("json-spaced", "application/json", "{\r\n  \"token\" : \"", "\"\r\n}\r\n"),
        ("json-as-text", "text/plain", "{\"token\":\"", "\"}"),
        ("json-as-form", "application/x-www-form-urlencoded", "{\"token\":\"", "\"}"),
        ("json-untyped", "", "{\"token\":\"", "\"}"),
        ("json-marked", "application/json", "\u{feff}{\"token\":\"", "\"}"),
        ("json-broken", "application/json", "{\"a\":]]{\"token\":\"", "\"{{{"),
        ("json-open", "application/json", "{\"a\":[{\"token\":\"", ""),
        ("json-second-key", "application/json", "{\"token\":\"x\",\"token\":\"", "\"}"),
        ("json5", "application/json", "{token:'", "',}"),
        ("ndjson", "application/x-ndjson", "{\"a\":1}\n{\"t\":\"", "\"}\n{\"b\":2}\n"),
        ("json-url", "application/json", "{\"u\":\"https://a.example/?token=", "&x=1\"}"),
        ("graphql", "application/json", "{\"query\":\"{user(token:\\\"", "\\\"){id}}\"}"),
        (
            "graphql-variable",
            "application/json",
            "{\"query\":\"q\",\"variables\":{\"t\":\"",
            "\"}}",
        ),
        ("graphql-raw", "application/graphql", "{ user(token: \"", "\") { id } }"),
        ("graphql-block", "application/graphql", "{ user(token: \"\"\"", "\"\"\") { id } }"),
        ("yaml", "application/yaml", "auth:\n  token: \"", "\"\nother: 1\n"),
        ("csv", "text/csv", "a,b\n1,\"", "\"\n2,x\n"),
    ] {
        point(all, name, TEXT, move |v| Sent::post(content_type, around(before, v, after)));
    }
    for (name, content_type, before, after) in [
        ("form", "application/x-www-form-urlencoded", "user=1&token=", "&x=2"),
        ("form-name", "application/x-www-form-urlencoded", "a=1&", "=2"),
        ("form-untyped", "", "token=", "&x=2"),
        ("form-malformed", "application/x-www-form-urlencoded", "a=100%&b=%zz%4&token=", "%"),
        ("form-as-json", "application/json", "token=", "&x=2"),
        (
            "form-json",
            "application/x-www-form-urlencoded",
            "payload=%7B%22token%22%3A%22",
            "%22%7D",
        ),
    ] {
        point(all, name, FORM, move |v| Sent::post(content_type, around(before, v, after)));
    }
    point(all, "json-in-json", TEXT, |v| {
        let inner = String::from_utf8(around("{\"auth\":{\"token\":\"", v, "\"}}")).unwrap();
        Sent::post("application/json", serde_json::json!({ "id": 7, "payload": inner }).to_string())
    });
    point(all, "json-in-json-in-json", TEXT, |v| {
        let inner = String::from_utf8(around("[\"", v, "\"]")).unwrap();
        let middle = serde_json::json!({ "p": inner }).to_string();
        Sent::post("application/json", serde_json::json!({ "q": middle }).to_string())
    });
    point(all, "two-types", TEXT, |v| {
        Sent::post("text/plain", around("{\"token\":\"", v, "\"}"))
            .field("Content-Type", "application/json")
    });
    for method in ["GET", "DELETE", "PUT", "PATCH", "REPORT"] {
        point(all, &format!("body-of-{}", method.to_ascii_lowercase()), TEXT, move |v| {
            let mut sent = Sent::post("application/json", around("{\"token\":\"", v, "\"}"));
            sent.method = method.to_owned();
            sent
        });
    }
}

fn xml(all: &mut Vec<Point>) {
    for (name, content_type, before, after) in [
        ("xml", "application/xml", "<?xml version=\"1.0\"?><a><token>", "</token><b/></a>"),
        ("xml-attribute", "text/xml", "<a><b x='1' token=\"", "\"/></a>"),
        ("xml-cdata", "application/xml", "<a><t><![CDATA[", "]]></t></a>"),
        ("xml-untyped", "", "<a><t>", "</t></a>"),
        ("soap", "application/soap+xml", "<s:Envelope><s:Header><w:Password>", "</w:Password>"),
        ("html", "text/html", "<p>hello <b>", "</b></p>"),
    ] {
        point(all, name, TEXT, move |v| Sent::post(content_type, around(before, v, after)));
    }
    for (name, between) in [
        ("xml-comment-inside", "<!-- a -- b -->"),
        ("xml-instruction-inside", "<?x y?>"),
        ("xml-empty-cdata-inside", "<![CDATA[]]>"),
    ] {
        point(all, name, TEXT, move |v| {
            let (one, two) = halves(v);
            let text = [one, between.as_bytes(), two].concat();
            Sent::post("application/xml", around("<a><t>", &text, "</t></a>"))
        });
    }
    point(all, "xml-cdata-second-half", TEXT, |v| {
        let (one, two) = halves(v);
        let text = [one, b"<![CDATA[", two, b"]]>"].concat();
        Sent::post("application/xml", around("<a><t>", &text, "</t></a>"))
    });
    point(all, "xml-cdata-halves", TEXT, |v| {
        let (one, two) = halves(v);
        let text = [b"<![CDATA[", one, b"]]><![CDATA[", two, b"]]>"].concat();
        Sent::post("application/xml", around("<a><t>", &text, "</t></a>"))
    });
    point(all, "xml-escaped-xml", TEXT, |v| {
        let inner = around("<t>", &xml_natural(v), "</t>");
        Sent::post("application/xml", around("<a>", &xml_natural(&inner), "</a>"))
    });
}

const BOUNDARY: &str = "----x7MA4YWxk";

/// A body of one part between others.
pub fn part(fields: &[u8], content: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n").bytes(),
    );
    body.extend(format!("--{BOUNDARY}\r\n").bytes());
    body.extend(fields);
    body.extend(b"\r\n\r\n");
    body.extend(content);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
    body
}

pub fn form_data(body: Vec<u8>) -> Sent {
    Sent::post(&format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

const NAMED: &[u8] = b"Content-Disposition: form-data; name=\"token\"";
pub const FILE: &[u8] = b"Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\
                      Content-Type: text/plain";

fn with_coding(coding: &str) -> Vec<u8> {
    [NAMED, b"\r\nContent-Transfer-Encoding: ", coding.as_bytes()].concat()
}

/// A value in encoded words of both kinds, half in each.
pub fn encoded_words(value: &[u8]) -> Vec<u8> {
    let (one, two) = halves(value);
    let one = String::from_utf8(quoted_printable(one)).unwrap();
    format!("=?utf-8?Q?{one}?= =?UTF-8?b?{}?=", STANDARD.encode(two)).into_bytes()
}

fn lines(text: &[u8], width: usize, end: &str) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.chunks(width).collect();
    lines.join(end.as_bytes())
}

fn multipart(all: &mut Vec<Point>) {
    point(all, "multipart", TEXT, |v| form_data(part(NAMED, v)));
    point(all, "multipart-file", TEXT, |v| form_data(part(FILE, &around("# env\nKEY=", v, "\n"))));
    for (name, before, after) in [
        ("multipart-name", "Content-Disposition: form-data; name=\"", "\""),
        ("multipart-name-bare", "Content-Disposition: form-data; name=", ""),
        ("multipart-filename", "Content-Disposition: form-data; name=\"f\"; filename=\"", ".txt\""),
        (
            "multipart-filename*",
            "Content-Disposition: form-data; name=\"f\"; filename*=UTF-8''",
            "",
        ),
        ("multipart-part-field", "Content-Disposition: form-data; name=\"f\"\r\nX-Key: ", ""),
        (
            "multipart-part-type",
            "Content-Disposition: form-data; name=\"f\"\r\nContent-Type: a/b; k=\"",
            "\"",
        ),
    ] {
        point(all, name, TEXT, move |v| form_data(part(&around(before, v, after), b"some")));
    }
    for (name, build) in [
        (
            "name",
            (|v| around("form-data; name=\"", &encoded_words(v), "\"")) as fn(&[u8]) -> Vec<u8>,
        ),
        ("filename", |v| around("form-data; name=\"f\"; filename=\"", &encoded_words(v), ".txt\"")),
        ("filename:base64", |v| {
            let words = format!("=?UTF-8?B?{}?=", STANDARD.encode(around("the file ", v, ".txt")));
            around("form-data; name=\"f\"; filename=\"", words.as_bytes(), "\"")
        }),
    ] {
        point(all, &format!("multipart-words:{name}"), TEXT, move |v| {
            form_data(part(&[b"Content-Disposition: ", &build(v)[..]].concat(), b"some"))
        });
    }
    // A line break would end the field.
    in_room(all, "multipart-filename*-parts", Room::Field, TEXT, |v| {
        let (one, two) = halves(v);
        let fields = [
            b"Content-Disposition: form-data; name=\"f\"; filename*0=\"",
            one,
            b"\"; filename*1=\"",
            two,
            b"\"",
        ]
        .concat();
        form_data(part(&fields, b"some"))
    });
    for (name, coding) in [("base64", "base64"), ("base64-upper", "BASE64")] {
        point(all, &format!("multipart-{name}"), TEXT, move |v| {
            form_data(part(&with_coding(coding), STANDARD.encode(v).as_bytes()))
        });
    }
    point(all, "multipart-base64-lines", TEXT, |v| {
        let text = STANDARD.encode(around("some text before, ", v, ", some after"));
        form_data(part(&with_coding("base64"), &lines(text.as_bytes(), 24, "\r\n")))
    });
    point(all, "multipart-quoted-printable", TEXT, |v| {
        form_data(part(&with_coding("quoted-printable"), &quoted_printable(v)))
    });
    point(all, "multipart-quoted-printable-lower", TEXT, |v| {
        let text = quoted_printable(v).to_ascii_lowercase();
        form_data(part(&with_coding("Quoted-Printable"), &text))
    });
    point(all, "multipart-quoted-printable-lines", TEXT, |v| {
        let escaped: Vec<Vec<u8>> = v
            .chunks(5)
            .map(|piece| {
                piece
                    .iter()
                    .flat_map(|&b| if b == b'=' { b"=3D".to_vec() } else { vec![b] })
                    .collect()
            })
            .collect();
        form_data(part(&with_coding("quoted-printable"), &escaped.join(&b"=\r\n"[..])))
    });
    for (name, content_type, preamble) in [
        ("quoted-boundary", format!("multipart/form-data; boundary=\"{BOUNDARY}\""), ""),
        ("mixed", format!("multipart/mixed; boundary={BOUNDARY}"), ""),
        ("related", format!("Multipart/Related; type=\"a/b\"; Boundary={BOUNDARY}"), ""),
        ("extended-boundary", format!("multipart/form-data; boundary*=us-ascii''{BOUNDARY}"), ""),
        ("preamble", format!("multipart/form-data; boundary={BOUNDARY}"), "some\r\npreamble\r\n"),
        ("undeclared", "application/octet-stream".to_owned(), ""),
        ("as-form", "application/x-www-form-urlencoded".to_owned(), ""),
    ] {
        point(all, &format!("multipart-{name}:base64"), TEXT, move |v| {
            let text = STANDARD.encode(around("k=", v, ";"));
            let body = part(&with_coding("base64"), text.as_bytes());
            Sent::post(&content_type, [preamble.as_bytes(), &body].concat())
        });
    }
    point(all, "multipart-bare-lines:quoted-printable", TEXT, |v| {
        let body = part(&with_coding("quoted-printable"), &quoted_printable(v));
        form_data(body.into_iter().filter(|&byte| byte != b'\r').collect())
    });
    point(all, "multipart-nested:quoted-printable", TEXT, |v| {
        let inner = [
            b"--in\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
            &quoted_printable(v)[..],
            b"\r\n--in--\r\n",
        ]
        .concat();
        let fields = b"Content-Disposition: form-data; name=\"m\"\r\nContent-Type: multipart/mixed; boundary=in";
        form_data(part(fields, &inner))
    });
    point(all, "multipart-epilogue", TEXT, |v| {
        form_data([&part(NAMED, b"some")[..], &around("k=", v, "\r\n")].concat())
    });
    point(all, "multipart-charset", TEXT, |v| {
        let fields = [NAMED, b"\r\nContent-Type: text/plain; charset=utf-16le"].concat();
        let text: Vec<u8> = v.iter().flat_map(|&byte| [byte, 0]).collect();
        form_data(part(&fields, &text))
    });
    point(all, "multipart-charset-part", TEXT, |v| {
        let said = b"Content-Disposition: form-data; name=\"_charset_\"\r\n\r\nutf-16le\r\n--";
        let text: Vec<u8> = v.iter().flat_map(|&byte| [byte, 0]).collect();
        let fields = [said, BOUNDARY.as_bytes(), b"\r\n", NAMED].concat();
        form_data(part(&fields, &text))
    });
    point(all, "multipart-gzip-file", TEXT, |v| {
        form_data(part(FILE, &gzip(&around("KEY=", v, "\n"))))
    });
    point(all, "multipart-part-coding", TEXT, |v| {
        let fields = [NAMED, b"\r\nContent-Encoding: gzip"].concat();
        form_data(part(&fields, &gzip(v)))
    });
}

/// A message with the value in a field of text, after a number. The text begins with another word,
/// since the length before it may be a letter's byte, beside which a short token does not count.
fn protobuf(value: &[u8]) -> Vec<u8> {
    let value = &around("key ", value, "");
    let mut out = vec![0x08, 0x96, 0x01, 0x12];
    let mut length = value.len();
    while length > 127 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(value);
    out
}

fn message(compressed: bool, text: &[u8]) -> Vec<u8> {
    [&[u8::from(compressed)][..], &(text.len() as u32).to_be_bytes(), text].concat()
}

fn call(body: Vec<u8>) -> Sent {
    let mut sent = Sent::post("application/grpc", body).over_h2().field("te", "trailers");
    sent.target = b"/pkg.Service/Method".to_vec();
    sent.arrives_as = None;
    sent
}

fn grpc(all: &mut Vec<Point>) {
    point(all, "protobuf", TEXT, |v| Sent::post("application/x-protobuf", protobuf(v)));
    point(all, "grpc", TEXT, |v| call(message(false, &protobuf(v))));
    point(all, "grpc-second", TEXT, |v| {
        call([message(false, &protobuf(b"first")), message(false, &protobuf(v))].concat())
    });
    point(all, "grpc-gzip", TEXT, |v| {
        call(message(true, &gzip(&protobuf(v)))).field("grpc-encoding", "gzip")
    });
    point(all, "grpc-gzip-second", TEXT, |v| {
        let messages = [message(false, &protobuf(b"first")), message(true, &gzip(&protobuf(v)))];
        call(messages.concat()).field("grpc-encoding", "gzip")
    });
    point(all, "grpc-deflate", TEXT, |v| {
        call(message(true, &super::codings::zlib(&protobuf(v)))).field("grpc-encoding", "deflate")
    });
    point(all, "grpc-web-text", TEXT, |v| {
        Sent::post("application/grpc-web-text", STANDARD.encode(message(false, &protobuf(v))))
    });
    point(all, "grpc-metadata", &[At::Anywhere], |v| {
        let text = STANDARD.encode(protobuf(v));
        call(message(false, &protobuf(b"some"))).field("x-key-bin", text)
    });
}

const ALPHANUMERIC_AND_SPACES: &[u8] = b"abcdefghijklm nopqrstuvwxyz 0123456789, ";

fn framed(all: &mut Vec<Point>) {
    for size in [1, 7, 64] {
        point(all, &format!("chunks-of-{size}"), TEXT, move |v| {
            Sent::post("application/json", around("{\"token\":\"", v, "\"}")).chunks(size)
        });
    }
    for (name, length) in [("held", 40_000), ("streamed", 300_000)] {
        point(all, &format!("behind-padding-{name}"), TEXT, move |v| {
            // Of random words, since what compresses too well is refused for that.
            let padding = Random(7).text(ALPHANUMERIC_AND_SPACES, length);
            Sent::post("application/json", around(&format!("[{padding}\""), v, "\"]"))
        });
    }
}
