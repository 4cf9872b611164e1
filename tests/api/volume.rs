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
/// What a page may take, and its bytes.
const GOAL: (Duration, usize) = (Duration::from_millis(50), 100_000);
/// Leaks that are used: ten of them by the same few clients again and again, with every second event, and
/// all by ever other clients with the others.
const USED: u64 = 1_000;
const BUSY: u64 = 10;

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
    let url = format!("https://code.example/acme/repository-{number}");
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

/// Events of these leaks over 90 days, ever closer to now.
async fn fill_events(api: &Api, used: &[Value], events: u64) {
    let now = Timestamp::now();
    let quarter = SignedDuration::from_hours(24 * 90).as_secs();
    let mut written = 0;
    while written < events {
        let size = (events - written).min(1_000);
        let mut batch = Vec::new();
        for place in written..written + size {
            let (leaks, clients, hosts) =
                if place % 2 == 0 { (BUSY, 8, 2) } else { (USED, 7 * 251, 11) };
            let round = place / 2 / leaks;
            let leak = &used[usize::try_from(place / 2 % leaks).unwrap()];
            let action = EventAction::ALL[usize::try_from(place % 3).unwrap()];
            let client = format!("203.0.{}.{}", round % clients / 251, round % clients % 251);
            let mut one = event(leak, action, &client);
            let ago = quarter
                - (quarter * i64::try_from(place).unwrap()) / i64::try_from(events).unwrap();
            (one.id, one.at) = (EventId::new(), now - SignedDuration::from_secs(ago));
            one.host = format!("api-{}.example.com", round % hosts);
            one.path = format!("/v1/charges/{place}");
            batch.push(one);
        }
        api.store.append_events(&batch).await.unwrap();
        written += size;
    }
}

#[tokio::test]
#[ignore = "takes long: run by hand"]
async fn pages_at_volume() {
    let leaks = number("LEAKGATE_VOLUME_LEAKS", 10_000);
    let events = number("LEAKGATE_VOLUME_EVENTS", 100_000);
    let api = Api::new().await;
    let begun = Instant::now();
    let filling = include_str!("../volume/leaks.sqlite.sql");
    let rest = leaks.saturating_sub(USED).max(1);
    api.execute("leakgate.db", &filling.replace("{LEAKS}", &rest.to_string())).await;
    let mut used = Vec::new();
    for number in 0..USED {
        used.push(register(&api, number).await);
    }
    println!("{} leaks: {:?}", rest + USED, begun.elapsed());
    let begun = Instant::now();
    fill_events(&api, &used, events).await;
    println!("{events} events: {:?}", begun.elapsed());

    let browser = Browser::of(&api, "global_administrator").await;
    let (busy, quiet) = (id(&used[0]), id(&used[77]));
    let token = id(&used[0]["tokens"][0]);
    let paths: &[&str] = &[
        "/leaks",
        "/leaks?risk=critical&source=github",
        "/leaks?status=all&sort=title",
        "/leaks?sort=risk",
        "/leaks?sort=-updated_at",
        "/leaks?q=number777",
        "/leaks?q=repository-77",
        "/leaks?q=key",
        "/leaks?q=no+such+word",
        &format!("/leaks/{busy}"),
        &format!("/leaks/{quiet}"),
        "/leaks/new",
        "/events",
        "/events?action=blocked&host=api-3.example.com",
        "/events?source_ip=203.0.3.3",
        "/events?source_ip=203.0.113.1&action=blocked",
        "/events?path=/v1/charges/77",
        "/events?path=/no/such/path",
        "/events?source_ip=203.0.3.3&path=/no/such/path",
        &format!("/events?leak={busy}"),
        &format!("/events?leak={quiet}&source_ip=203.0.113.1"),
        "/events?by=client",
        "/events?by=token",
        "/events?by=host",
        &format!("/events?by=client&leak={busy}"),
        &format!("/events?by=client&token={token}"),
        "/events?by=client&host=api-3.example.com",
        "/gateways",
        "/sources",
        "/users",
        "/webhooks",
        "/notifications",
        "/proposals",
        "/audit",
        "/tenants",
        "/account",
    ];
    let mut missed = Vec::new();
    for path in paths {
        let mut times: Vec<Duration> = Vec::new();
        let mut bytes = 0;
        for _ in 0..TIMES {
            let begun = Instant::now();
            bytes = browser.page(path).await.len();
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        let named = path.replace(busy, "BUSY").replace(quiet, "QUIET").replace(token, "TOKEN");
        let (middle, worst) = (times[TIMES / 2], times[TIMES - 1]);
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!("{named:50} {:8.1} ms, {:.1} at most  {bytes:6} bytes", ms(middle), ms(worst));
        if middle >= GOAL.0 || bytes >= GOAL.1 {
            missed.push(named);
        }
    }
    assert!(missed.is_empty(), "over {GOAL:?}: {missed:?}");
}
