//! `/openapi.json`.

use std::collections::BTreeSet;

use leakgate::control::{self, Access};
use serde_json::{Value, json};

use super::support::Api;

#[tokio::test]
async fn describes_every_call() {
    let api = Api::new().await;
    let document = api.call_as("", "GET", "/openapi.json", Value::Null).await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert((method.to_uppercase(), path.clone()));
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
        }
    }
    let mut registered = BTreeSet::new();
    for call in control::calls() {
        let operation = &document["paths"][&call.path][call.method.to_lowercase()];
        let secured = operation["security"] == json!([{"api_token": []}, {"session": []}]);
        assert_eq!(secured, call.access != Access::Public, "{call:?}");
        registered.insert((call.method, call.path));
    }
    assert_eq!(described, registered);
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let document = serde_json::to_value(control::openapi()).unwrap();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value.as_str() {
                    Some(text) if key == "$ref" => references.push(text.to_owned()),
                    _ => collect(value, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

/// The public surface, where a review sees each change to it.
#[test]
fn the_document_is_the_committed_one() {
    let document = control::openapi().to_pretty_json().unwrap();
    let committed = include_str!("../../docs/openapi.json");
    assert!(
        committed.trim_end() == document.trim_end(),
        "the API is not what docs/openapi.json says: run `cargo run -- openapi >docs/openapi.json`, \
         and look at the difference"
    );
}
