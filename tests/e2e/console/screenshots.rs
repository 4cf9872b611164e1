//! The pictures in README and docs, made of the program as it is: see `scripts/screenshots`.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use leakgate::model::event::{Event, EventAction, EventType};
use leakgate::model::ids::EventId;
use leakgate::store::{self, KeySource};

use super::browser::Browser;
use super::seed::Seed;
use crate::support::program::Program;

/// Bytes of one picture at most.
const MOST: usize = 200_000;

/// Which page, how wide, in which theme, and down to where.
const PICTURES: [(&str, &str, u32, &str, u64); 7] = [
    ("console-leaks", "leaks", 1280, "light", 1250),
    ("console-leaks-dark", "leaks", 1280, "dark", 1250),
    ("console-leak", "leak", 1280, "light", 1060),
    ("console-event", "event", 1280, "light", 760),
    ("console-proposals", "proposals", 1280, "light", 640),
    ("console-add", "add", 1280, "light", 940),
    ("console-narrow", "leaks", 390, "dark", 900),
];

/// The program again, on a store in which uses of the last months stand as well.
async fn with_a_past(seed: Seed) -> (Seed, tempfile::TempDir) {
    let of = async |leak: &str| -> Event {
        serde_json::from_value(seed.program.wait_for_event(&format!("leak={leak}")).await).unwrap()
    };
    let (template, open) = (of(&seed.blocked).await, of(&seed.watched).await);
    assert!(seed.program.terminate());
    let url = format!("sqlite:{}", seed.folder.path().join("leakgate.db").display());
    let store = store::open(&url, KeySource::File).await.unwrap().store;
    let now = Timestamp::now();
    let mut events = Vec::new();
    for day in 1..89_u32 {
        // Up and down over the weeks, and a wave a month ago.
        let wave = 30_u32.saturating_sub(day.abs_diff(31) * 4);
        let count = u64::from(4 + (day * 7) % 11 + u32::from(day % 7 < 5) * 6 + wave);
        let at = now - SignedDuration::from_hours(24 * i64::from(day));
        let of = |event: &Event, action, count, at| Event {
            id: EventId::new(),
            action,
            count,
            at,
            kind: EventType::Vpatch,
            virtual_patch: None,
            ..event.clone()
        };
        events.push(of(&template, EventAction::Blocked, count, at));
        events.push(of(&open, EventAction::Observed, count / 3 + 1, at));
        if day % 3 == 0 {
            events.push(of(&open, EventAction::Monitored, count / 2, at));
        }
    }
    for hour in 1..22_u32 {
        let at = now - SignedDuration::from_hours(i64::from(hour));
        let count = u64::from(1 + (hour * 5) % 7);
        events.push(Event { id: EventId::new(), at, count, ..open.clone() });
        events.push(Event { id: EventId::new(), at, count: count / 2 + 1, ..template.clone() });
    }
    store.append_events(&events).await.unwrap();
    store.close().await;
    let program = Program::start_configured(seed.folder.path());
    (Seed { program, upstream: seed.upstream, ..seed }, tempfile::tempdir().unwrap())
}

#[tokio::test]
#[ignore = "needs chromium-driver"]
async fn pictures_are_made() {
    let (seed, scratch) = with_a_past(Seed::plant().await).await;
    let folder = std::env::var_os("LEAKGATE_SCREENSHOTS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| scratch.path().to_owned());
    let browser = Browser::start(true).await;
    browser.sign_in(&seed.program, "admin").await;
    for (file, page, width, theme, most) in PICTURES {
        let pages = seed.pages();
        let (_, path) = pages.iter().find(|(name, _)| *name == page).unwrap();
        browser.look(width, theme).await;
        browser.visit(&seed.program, path).await;
        let picture = browser.picture(width, most).await;
        assert!(picture.len() < MOST, "{file}: {} bytes", picture.len());
        std::fs::write(folder.join(format!("{file}.png")), picture).unwrap();
    }
    browser.end().await;
    // What README and docs show is there.
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for text in ["README.md", "docs/console.md"] {
        let text = std::fs::read_to_string(root.join(text)).unwrap();
        for shown in text.split("images/").skip(1) {
            let name = shown.split(".png").next().unwrap();
            assert!(PICTURES.iter().any(|(file, ..)| *file == name), "{name}");
            assert!(root.join(format!("docs/images/{name}.png")).is_file(), "{name}");
        }
    }
}
