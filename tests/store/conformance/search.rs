use leakgate::model::leak::{Decision, Leak, Risk, Source, SourceKind, Status};
use leakgate::model::tenant::Tenants;
use leakgate::store::Store;
use leakgate::store::types::{Edit, LeakQuery, LeakSort, Registration};

use crate::given::{TENANT, actor, decision, leak, one, page, registration, source, token};

fn asked(text: &str) -> LeakQuery {
    LeakQuery { text: Some(text.to_owned()), ..LeakQuery::default() }
}

async fn titles(store: &dyn Store, text: &str) -> Vec<String> {
    let found = store.leaks(&one(TENANT), &asked(text)).await.unwrap();
    assert_eq!(found.total, found.items.len() as u64, "{text}");
    found.items.into_iter().map(|leak| leak.title).collect()
}

pub async fn finds_words_of_title_comment_source_and_fingerprint(store: &dyn Store) {
    let made = Registration {
        comment: Some("Found by the Night Shift".to_owned()),
        source: source("https://paste.example/Raw_1"),
        ..registration("Schlüssel 100%", vec![token(store, "a")])
    };
    let first = store.register(made, &actor()).await.unwrap().leak.unwrap();
    leak(store, "other", &["b"]).await;
    for text in [
        "SCHLÜSSEL",
        "schlü",
        "100%",
        "night shift",
        "shift the night",
        "raw_1",
        "https://paste.example/raw",
        " paste.example ",
        "found,paste",
    ] {
        assert_eq!(titles(store, text).await, ["Schlüssel 100%"], "{text}");
    }
    for text in ["lüssel", "night shirt", "1000", "nothing like it"] {
        assert!(titles(store, text).await.is_empty(), "{text}");
    }
    let short = first.tokens[0].fingerprint.short();
    for digits in [12, 7, 4] {
        let found = store.leaks(&one(TENANT), &asked(&short[..digits])).await.unwrap();
        assert!(found.items.iter().any(|leak| leak.id == first.id), "{digits} digits");
    }
    assert_eq!(titles(store, &short.to_uppercase()).await, ["Schlüssel 100%"]);
    assert_eq!(titles(store, "  ").await.len(), 2, "no text does not narrow");
    let theirs = store.leaks(&one("other"), &asked("night")).await.unwrap();
    assert!(theirs.items.is_empty() && theirs.total == 0);
    assert_eq!(store.leaks(&Tenants::All, &asked("night")).await.unwrap().total, 1);
}

pub async fn what_changes_is_found_as_it_now_is(store: &dyn Store) {
    let made = leak(store, "before", &["a"]).await;
    store.comment(TENANT, made.id, "rotated by Grace", &actor()).await.unwrap();
    assert_eq!(titles(store, "grace").await, ["before"]);
    // Another place of a known token.
    let again = Registration {
        source: source("https://other.example/second"),
        ..registration("", vec![token(store, "a")])
    };
    store.register(again, &actor()).await.unwrap();
    assert_eq!(titles(store, "second").await, ["before"]);
    let edit = Edit {
        title: Some("after".to_owned()),
        comment: Some(Some("in the vault".to_owned())),
        source: Some(source("https://third.example/x")),
        ..Edit::default()
    };
    store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    for text in ["after", "vault", "third", "second", "grace"] {
        assert_eq!(titles(store, text).await, ["after"], "{text}");
    }
    for text in ["before", "one"] {
        assert!(titles(store, text).await.is_empty(), "{text}");
    }
}

pub async fn any_text_is_only_words(store: &dyn Store) {
    leak(store, "NEAR or AND not", &["a"]).await;
    for text in [
        "\"",
        "\'",
        "*",
        "%",
        "_",
        "\\",
        "(",
        ":*",
        "&",
        "!",
        "|",
        "<->",
        "\0",
        "\u{fffd}",
        "\u{202e}",
        "'; DROP TABLE leaks; --",
        "search_text:near",
        "words : x",
        "^x",
        "zero AND near",
        "\u{10ffff}",
        &"\u{1f600}".repeat(60),
        &"a ".repeat(128),
    ] {
        assert!(titles(store, text).await.is_empty() || text.starts_with("a "), "{text:?}");
    }
    for text in ["NEAR(", "near or", "NOT and", "\"near\" *", "or:*", "near & not", "-near"] {
        assert_eq!(titles(store, text).await, ["NEAR or AND not"], "{text}");
    }
}

/// Whichever way a page is had, it is what looking at each leak gives.
pub async fn pages_are_those_of_a_plain_search(store: &dyn Store) {
    store.add_tenant("other", "Other", &actor()).await.unwrap();
    let mut all = Vec::new();
    for number in 0..60_usize {
        let rare = if number % 29 == 7 { "seldom" } else { "" };
        let asked = Registration {
            tenant: if number % 10 == 9 { "other".to_owned() } else { TENANT.to_owned() },
            title: format!(
                "{} leak {rare} {}",
                ["alpha", "beta", "gamma"][number % 3],
                99 - number
            ),
            risk: Some(Risk::ALL[number % 5]),
            source: Source::of_kind(SourceKind::ALL[number % 4]),
            ..registration("", vec![token(store, &number.to_string())])
        };
        let made = store.register(asked, &actor()).await.unwrap().leak.unwrap();
        if number % 4 == 0 {
            store.decide(&made.tenant, made.id, decision(Decision::Close), &actor()).await.unwrap();
        }
        all.push(store.leak(&made.tenant, made.id).await.unwrap());
    }
    for text in [None, Some("leak"), Some("bet"), Some("seldom"), Some("leak 9"), Some("none")] {
        for status in [vec![], vec![Status::Closed], vec![Status::Open, Status::FalsePositive]] {
            for (risk, source) in [
                (vec![], vec![]),
                (vec![Risk::High, Risk::Low], vec![]),
                (vec![], vec![SourceKind::Gist]),
                (vec![Risk::Info], vec![SourceKind::Github, SourceKind::Gitlab]),
            ] {
                for of in [one(TENANT), one("other"), Tenants::All] {
                    let query = LeakQuery {
                        text: text.map(str::to_owned),
                        status: status.clone(),
                        risk: risk.clone(),
                        source: source.clone(),
                        ..LeakQuery::default()
                    };
                    are_those(store, &of, &all, &query).await;
                }
            }
        }
    }
}

async fn are_those(store: &dyn Store, of: &Tenants, all: &[Leak], query: &LeakQuery) {
    let has = |leak: &Leak, word: &str| {
        let title = leak.title.to_lowercase();
        title.split(' ').any(|other| other.starts_with(word))
    };
    let fits = |leak: &&Leak| {
        of.include(&leak.tenant)
            && (query.status.is_empty() || query.status.contains(&leak.status))
            && (query.risk.is_empty() || query.risk.contains(&leak.risk))
            && (query.source.is_empty() || query.source.contains(&leak.source.kind))
            && query.text.iter().flat_map(|text| text.split(' ')).all(|word| has(leak, word))
    };
    for (sort, descending, limit) in [
        (LeakSort::CreatedAt, true, 3),
        (LeakSort::Risk, false, 4),
        (LeakSort::Title, false, 7),
        (LeakSort::Status, true, 5),
        (LeakSort::Source, false, 6),
        (LeakSort::Remediation, true, 4),
    ] {
        let mut expected: Vec<&Leak> = all.iter().filter(fits).collect();
        expected.sort_by_key(|leak| {
            let number = match sort {
                LeakSort::Risk => leak.risk as i64,
                LeakSort::Status => leak.status as i64,
                LeakSort::Source => leak.source.kind as i64,
                LeakSort::Remediation => leak.remediation as i64,
                LeakSort::Title => 0,
                _ => leak.created_at.as_millisecond(),
            };
            let title =
                if sort == LeakSort::Title { leak.title.to_lowercase() } else { String::new() };
            (number, title, leak.id)
        });
        if descending {
            expected.reverse();
        }
        let (mut ids, mut cursor) = (Vec::new(), None);
        loop {
            let query = LeakQuery { sort, descending, page: page(limit, cursor), ..query.clone() };
            let found = store.leaks(of, &query).await.unwrap();
            assert_eq!(found.total, expected.len() as u64, "{query:?}");
            ids.extend(found.items.iter().map(|leak| leak.id));
            cursor = found.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(
            ids,
            expected.iter().map(|leak| leak.id).collect::<Vec<_>>(),
            "{query:?} {sort:?}"
        );
    }
}
