//! How long the console's pages take at volume. Run by hand, as `benches/README.md` says:
//! `cargo test --release --test api volume:: -- --ignored --nocapture`, with `LEAKGATE_VOLUME_LEAKS` and
//! `LEAKGATE_VOLUME_EVENTS` for other numbers.

#![allow(clippy::print_stdout, reason = "what it measures is for whoever runs it")]

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use leakgate::model::event::EventAction;
use leakgate::model::ids::EventId;
use leakgate::model::leak::{DetectedBy, Risk, Source, SourceKind};
use leakgate::model::role::{Actor, Role};
use leakgate::model::secret::Secret;
use leakgate::model::token::{TokenMaterial, Validity};
use leakgate::store::types::{NewToken, Registration};
use serde_json::Value;

use super::console::Browser;
use crate::support::{Api, event, id};

/// How often each page is asked for; the middle time is told.
const TIMES: usize = 11;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn actor() -> Actor {
    Actor {
        name: "volume".to_owned(),
        role: Role::GlobalAdministrator,
        tenant: "default".to_owned(),
        user: None,
        api_token: None,
        address: None,
    }
}

/// Registers a leak past the control plane, which would publish each.
async fn register(api: &Api, number: u64) -> Value {
    let material = TokenMaterial::Text(Secret::from(format!("a token of the volume {number:012}")));
    let token = NewToken {
        fingerprint: api.store.fingerprint_key().fingerprint(&material.digest()),
        material,
        kind: "example".to_owned(),
        validity: Validity::Unknown,
        not_applicable: None,
    };
    let at = |all: usize| usize::try_from(number).unwrap() % all;
    let kind = SourceKind::ALL[at(SourceKind::ALL.len())];
    let url = format!("https://code.example/acme/repository-{}", number % 5_000);
    let asked = Registration {
        tenant: "default".to_owned(),
        title: format!("Leak {number} of the volume"),
        risk: Some(Risk::ALL[at(Risk::ALL.len())]),
        exposed_at: None,
        source: Source { url: Some(url), ..Source::of_kind(kind) },
        detected_by: DetectedBy::Automatic,
        kind: None,
        owner: Some(format!("team {}", number % 40)),
        contact: None,
        comment: None,
        tokens: vec![token],
        continues: None,
        once: None,
        reopens: false,
    };
    let made = api.store.register(asked, &actor()).await.unwrap().leak.unwrap();
    serde_json::to_value(made).unwrap()
}

#[tokio::test]
#[ignore = "takes long: run by hand"]
async fn pages_at_volume() {
    let leaks = number("LEAKGATE_VOLUME_LEAKS", 10_000);
    let events = number("LEAKGATE_VOLUME_EVENTS", 100_000);
    let api = Api::new().await;
    let begun = Instant::now();
    let mut used = Vec::new();
    for number in 0..leaks {
        let leak = register(&api, number).await;
        if used.len() < 1_000 {
            used.push(leak);
        }
    }
    println!("{leaks} leaks: {:?}", begun.elapsed());
    let begun = Instant::now();
    let now = Timestamp::now();
    let quarter = SignedDuration::from_hours(24 * 90).as_secs();
    let mut written = 0;
    while written < events {
        let size = (events - written).min(1_000);
        let mut batch = Vec::new();
        for place in written..written + size {
            let leak = &used[usize::try_from(place * 7 % used.len() as u64).unwrap()];
            let action = EventAction::ALL[usize::try_from(place % 3).unwrap()];
            let client = format!("203.0.{}.{}", place % 7, place % 251);
            let mut one = event(leak, action, &client);
            // Ever closer to now, over 90 days.
            let ago = quarter
                - (quarter * i64::try_from(place).unwrap()) / i64::try_from(events).unwrap();
            (one.id, one.at) = (EventId::new(), now - SignedDuration::from_secs(ago));
            batch.push(one);
        }
        api.store.append_events(&batch).await.unwrap();
        written += size;
    }
    println!("{events} events: {:?}", begun.elapsed());

    let browser = Browser::of(&api, "global_administrator").await;
    let leak = format!("/leaks/{}", id(&used[0]));
    for path in [
        "/leaks",
        "/leaks?risk=critical&source=github",
        "/leaks?status=all&sort=title",
        "/leaks?q=repository-77",
        leak.as_str(),
        "/leaks/new",
        "/events",
        "/events?action=blocked&host=api.example.com",
        "/events?by=client",
        "/gateways",
        "/sources",
        "/users",
        "/audit",
        "/account",
    ] {
        let mut times: Vec<Duration> = Vec::new();
        let mut bytes = 0;
        for _ in 0..TIMES {
            let begun = Instant::now();
            bytes = browser.page(path).await.len();
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        let path = path.split('-').next().unwrap_or_default();
        println!("{path:50} {:8.1} ms  {bytes:6} bytes", times[TIMES / 2].as_secs_f64() * 1e3);
    }
}
