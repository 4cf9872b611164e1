//! Where a token was found, and under what, is said exactly.

use std::sync::Arc;

use super::codings::CODINGS;
use super::encodings::encodings;
use super::tokens::Shape;
use super::upstream::Recording;
use super::{LEAKED, all_points, case, drive};
use crate::support::gateway::start_blocking;

/// A case's name, and the point (where it is empty, any) and the encodings of its event.
const EXPECTED: &[(&str, &str, &[&str])] = &[
    ("path-segment/long", "path:1", &[]),
    ("path-segment/long/percent:all", "path:1", &["percent"]),
    ("query-value/long", "query:token", &[]),
    ("query-value/long/percent:twice", "query:token", &["percent", "percent"]),
    ("query-value/long/b64:std:0:0", "query:token", &["base64"]),
    ("query-value/long/hex:lower/percent:all", "query:token", &["percent", "hex"]),
    ("header:x-api-key/long", "header:x-api-key", &[]),
    ("header:bearer/long", "header:authorization", &[]),
    ("header:x-api-key/long/json-u:all", "header:x-api-key", &["json"]),
    ("header:x-api-key/long/b64:url-nopad:1:2", "header:x-api-key", &["base64"]),
    ("cookie/long", "cookie:sid", &[]),
    ("basic-password/long", "header:authorization", &["base64"]),
    ("basic-password/long/percent:all", "header:authorization", &["base64", "percent"]),
    ("trailer/long", "trailer:x-sum", &[]),
    ("userinfo-password/long", "authority", &[]),
    ("json/long", "body:json:$.auth.token", &[]),
    ("json/long/json-u:all", "body:json:$.auth.token", &["json"]),
    ("json/long/b64:std:0:0/json-u:all", "body:json:$.auth.token", &["json", "base64"]),
    ("json-array/long", "body:json:$[1][1]", &[]),
    ("form/long", "body:form:token", &[]),
    ("form/long/percent:all", "body:form:token", &["percent"]),
    ("xml-entity:second-half/long", "body", &["dtd"]),
    ("xml-entity:in-html-safe-json/long", "body:json", &["json", "dtd"]),
    ("xml-entity:in-base64/long", "body:json:$.saml", &["base64", "dtd"]),
    ("header:words/long", "header:subject", &["encoded-word"]),
    ("json/long/ebcdic:cp500", "body:json:$.auth.token", &["ebcdic"]),
    ("json/long/gzip", "", &["gzip"]),
    ("json/long/json-u:all/gzip", "", &["gzip", "json"]),
    ("json/long/stack:gzip-br", "", &["br", "gzip"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_say_point_and_encodings() {
    let upstream = Arc::new(Recording::start().await);
    let gateway = start_blocking(upstream.address, &Shape::Long.token(LEAKED));
    let (head, bodies) = all_points();
    let encodings = encodings();
    let mut wrong = Vec::new();
    for (number, (name, point, layers)) in EXPECTED.iter().enumerate() {
        let parts: Vec<&str> = name.split('/').collect();
        let place = head.iter().chain(&bodies).find(|point| point.name == parts[0]).unwrap();
        let written: Vec<_> = parts[2..]
            .iter()
            .filter_map(|part| encodings.iter().find(|encoding| encoding.name == *part))
            .collect();
        let coded: Vec<_> = parts[2..]
            .iter()
            .filter_map(|part| CODINGS.iter().find(|coding| coding.name == *part))
            .collect();
        assert_eq!(written.len() + coded.len(), parts.len() - 2, "{name}");
        let mut case = case(place, &written, &coded, Shape::Long).unwrap();
        assert_eq!(case.name, *name);
        case.clean = None;
        let failures = drive::run(vec![case], 2 * number, gateway.address, &upstream).await;
        if !failures.is_empty() {
            wrong.push(format!("{name}: {}", failures[0].why));
            continue;
        }
        let event = gateway.events.next().await;

        let right = point.is_empty() || event.point == *point;
        if !right || event.encodings != *layers {
            wrong.push(format!("{name}: {} {:?}", event.point, event.encodings));
        }
    }
    gateway.stop().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
