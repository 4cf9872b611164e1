//! Where in a request's head a value can stand.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::bodies::encoded_words;
use super::encodings::At;
use super::request::Sent;

/// Which bytes a value may have at a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// Those of a target.
    Target,
    /// Those of what stands before an `@`.
    Userinfo,
    /// Those of a field's value.
    Field,
    /// Those of a cookie's value.
    Cookie,
    /// Those of a field's name.
    Name,
    /// Any: it is a body, or wrapped in an encoding that takes any.
    Any,
}

impl Room {
    fn takes(self, byte: u8) -> bool {
        match self {
            Self::Target => {
                byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%\\\"{}|/".contains(&byte)
            }
            Self::Userinfo => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte),
            Self::Field => (b' '..=b'~').contains(&byte),
            Self::Cookie => (b'!'..=b'~').contains(&byte) && !b";,".contains(&byte),
            Self::Name => {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_%+.".contains(&byte)
            }
            Self::Any => true,
        }
    }

    /// Whether the value can stand there.
    pub fn fits(self, value: &[u8]) -> bool {
        value.iter().all(|&byte| self.takes(byte)) && value.trim_ascii() == value
    }
}

/// Makes the request around a value.
pub type Build = Box<dyn Fn(&[u8]) -> Sent + Send + Sync>;

/// One place for a value.
pub struct Point {
    pub name: String,
    pub room: Room,
    /// Encodings of which place are undone there.
    pub at: &'static [At],
    /// Whether every pair is tried there, rather than some.
    pub all_pairs: bool,
    pub build: Build,
}

const HEAD: &[At] = &[At::Anywhere, At::Head];
const QUERY: &[At] = &[At::Anywhere, At::Head, At::Form];
const COOKIE: &[At] = &[At::Anywhere, At::Head, At::Cookie];

/// All points of heads.
pub fn head() -> Vec<Point> {
    let mut all = Vec::new();
    targets(&mut all);
    fields(&mut all);
    credentials(&mut all);
    all
}

fn point(
    all: &mut Vec<Point>,
    name: &str,
    room: Room,
    at: &'static [At],
    build: impl Fn(&[u8]) -> Sent + Send + Sync + 'static,
) {
    let all_pairs = ["query-value", "header:x-api-key", "cookie"].contains(&name);
    all.push(Point { name: name.to_owned(), room, at, all_pairs, build: Box::new(build) });
}

fn around(before: &str, value: &[u8], after: &str) -> Vec<u8> {
    [before.as_bytes(), value, after.as_bytes()].concat()
}

fn targets(all: &mut Vec<Point>) {
    for (name, at, before, after) in [
        ("path-segment", HEAD, "/v1/", "/items"),
        ("path-last", HEAD, "/v1/items/", ""),
        ("path-extension", HEAD, "/v1/", ".json"),
        ("path-matrix", HEAD, "/v1/items;token=", ";x=1/4"),
        ("path-user", HEAD, "/v1/@", "/"),
        ("query-value", QUERY, "/v1?a=1&token=", "&b=2"),
        ("query-last", QUERY, "/v1?token=", ""),
        ("query-name", QUERY, "/v1?a=1&", "=1"),
        ("query-bare", QUERY, "/v1?", ""),
        ("query-second", QUERY, "/v1?token=x&token=", ""),
        ("query-brackets", QUERY, "/v1?auth[token]=", ""),
        ("query-malformed", QUERY, "/v1?a=100%&b=%zz%4&token=", "%"),
        ("query-json", QUERY, "/v1?variables=%7B%22token%22:%22", "%22%7D"),
        ("query-graphql", QUERY, "/graphql?query=%7Buser(token:%22", "%22)%7Bid%7D%7D"),
        ("query-url", QUERY, "/v1?return_to=https%3A%2F%2Fa.example%2F%3Ft%3D", ""),
    ] {
        point(all, name, Room::Target, at, move |v| Sent::get(around(before, v, after)));
    }
    for (name, before, after) in [
        ("userinfo-user", "http://", "@api.example/v1"),
        ("userinfo-password", "http://someone:", "@api.example/v1"),
    ] {
        point(all, name, Room::Userinfo, HEAD, move |v| {
            let mut sent = Sent::get(around(before, v, after));
            sent.arrives_as = Some(b"/v1".to_vec());
            sent
        });
    }
    point(all, "absolute-query", Room::Target, QUERY, |v| {
        let mut sent = Sent::get(around("http://api.example/v1?token=", v, ""));
        sent.arrives_as = Some(around("/v1?token=", v, ""));
        sent
    });
    point(all, "h2-query", Room::Target, QUERY, |v| Sent::get(around("/v1?t=", v, "&x")).over_h2());
}

fn fields(all: &mut Vec<Point>) {
    for name in [
        "x-api-key",
        "X-Auth-Token",
        "Api-Key",
        "PRIVATE-TOKEN",
        "x-custom",
        "User-Agent",
        "From",
        "Proxy-Authorization",
        "Accept",
        "If-None-Match",
        "Content-Disposition",
        "Origin",
        "X-Amz-Security-Token",
        "Authorization",
    ] {
        let point_name = format!("header:{}", name.to_ascii_lowercase());
        point(all, &point_name, Room::Field, HEAD, move |v| Sent::get("/v1").field(name, v));
    }
    for (point_name, name, before, after) in [
        ("bearer", "Authorization", "Bearer ", ""),
        ("bearer-lower", "authorization", "bearer ", ""),
        ("bearer-upper", "AUTHORIZATION", "BEARER   ", ""),
        ("scheme-token", "Authorization", "Token ", ""),
        ("scheme-token-quoted", "Authorization", "Token token=\"", "\", nonce=\"x\""),
        ("scheme-apikey", "Authorization", "ApiKey ", ""),
        ("scheme-apikey-user", "Authorization", "apikey someone:", ""),
        ("scheme-ssws", "Authorization", "SSWS ", ""),
        ("scheme-none", "Authorization", "token=", ""),
        ("referer", "Referer", "https://a.example/x?token=", "&y=1"),
        ("etag", "If-Match", "W/\"", "\""),
        (
            "kubernetes",
            "Sec-WebSocket-Protocol",
            "base64url.bearer.authorization.k8s.io.",
            ", v4.x",
        ),
        ("parameter", "Content-Type", "text/plain; key=\"", "\""),
        ("list", "X-List", "one, ", ", three"),
        ("json-field", "X-Payload", "{\"a\":[1,\"", "\"]}"),
    ] {
        let point_name = format!("header:{point_name}");
        point(all, &point_name, Room::Field, HEAD, move |v| {
            Sent::get("/v1").field(name, around(before, v, after))
        });
    }
    point(all, "header:words", Room::Any, HEAD, |v| {
        Sent::get("/v1").field("Subject", around("Re: ", &encoded_words(v), ""))
    });
    point(all, "header:second", Room::Field, HEAD, |v| {
        Sent::get("/v1").field("Authorization", "Bearer x").field("Authorization", v)
    });
    point(all, "header:h2", Room::Field, HEAD, |v| Sent::get("/v1").field("x-key", v).over_h2());
    point(all, "header-name", Room::Name, HEAD, |v| {
        Sent::get("/v1").field(&format!("x-{}", String::from_utf8_lossy(v)), "1")
    });
    for (name, before, after) in [
        ("cookie", "a=1; sid=", "; b=2"),
        ("cookie-first", "sid=", "; b=2"),
        ("cookie-name", "a=1; ", "=1"),
        ("cookie-quoted", "a=1; sid=\"", "\""),
        ("cookie-packed", "sid=s%3A", ".sig;x=1"),
    ] {
        let at = if name == "cookie" || name == "cookie-first" { COOKIE } else { HEAD };
        point(all, name, Room::Cookie, at, move |v| {
            Sent::get("/v1").field("Cookie", around(before, v, after))
        });
    }
    point(all, "cookie-second-field", Room::Cookie, COOKIE, |v| {
        Sent::get("/v1").field("Cookie", "a=1").field("Cookie", around("sid=", v, ""))
    });
    for (name, h2) in [("trailer", false), ("trailer:h2", true)] {
        point(all, name, Room::Field, HEAD, move |v| {
            let sent = Sent::post("application/octet-stream", "some content").chunks(5);
            let sent = if h2 { sent.over_h2() } else { sent };
            sent.trailer("x-sum", around("k=", v, ""))
        });
    }
}

fn credentials(all: &mut Vec<Point>) {
    let basic = |scheme: &'static str, before: &'static str, after: &'static str, padded: bool| {
        move |v: &[u8]| {
            let engine = if padded { &STANDARD } else { &STANDARD_NO_PAD };
            let text = engine.encode(around(before, v, after));
            Sent::get("/v1").field("Authorization", format!("{scheme}{text}"))
        }
    };
    point(all, "basic-user", Room::Any, HEAD, basic("Basic ", "", ":x-oauth-basic", true));
    point(all, "basic-password", Room::Any, HEAD, basic("Basic ", "someone:", "", true));
    point(all, "basic-upper", Room::Any, HEAD, basic("BASIC ", "u:", "", true));
    point(all, "basic-spaces", Room::Any, HEAD, basic("basic    ", "us:", "", true));
    point(all, "basic-nopad", Room::Any, HEAD, basic("Basic ", "use:", "", false));
    point(all, "basic-url", Room::Any, HEAD, |v| {
        let text = URL_SAFE_NO_PAD.encode(around("\u{ff}\u{fe}:", v, ""));
        Sent::get("/v1").field("Authorization", format!("Basic {text}"))
    });
    point(all, "basic-junk", Room::Any, HEAD, |v| {
        let text = STANDARD.encode(around("user:", v, ""));
        let junk: Vec<String> =
            text.as_bytes().chunks(7).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
        Sent::get("/v1").field("Authorization", format!("Basic {}", junk.join("*")))
    });
    for (name, field, scheme) in
        [("bearer", "Authorization", "Bearer "), ("cookie", "Cookie", "jwt="), ("own", "X-Jwt", "")]
    {
        for part in ["header", "payload"] {
            point(all, &format!("jwt-{part}:{name}"), Room::Any, HEAD, move |v| {
                let own = |wanted| if part == wanted { v.to_vec() } else { b"none".to_vec() };
                let json =
                    |before, value: Vec<u8>| URL_SAFE_NO_PAD.encode(around(before, &value, "\"}"));
                let header = json("{\"alg\":\"HS256\",\"kid\":\"", own("header"));
                let payload = json("{\"sub\":\"4711\",\"api_key\":\"", own("payload"));
                let jwt = format!("{scheme}{header}.{payload}.{}", URL_SAFE_NO_PAD.encode([7; 32]));
                Sent::get("/v1").field(field, jwt)
            });
        }
    }
}
