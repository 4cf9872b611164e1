use std::collections::BTreeSet;

use leakgate::model::event::EventAction;
use leakgate::model::ids::LeakId;
use leakgate::model::leak::{
    Decision, DetectedBy, Leak, Remediation, Risk, Source, SourceKind, Status,
};
use leakgate::model::rule::PatchMode;
use leakgate::model::token::Validity;
use leakgate::store::types::{Edit, LeakQuery, LeakSort, NewToken, PageRequest, Registration};
use leakgate::store::{Store, StoreError};

use crate::given::{
    TENANT, Use, a_use, actor, apply, decide, event, leak, one, page, patch, refused_token,
    registration, source, token,
};

async fn titles(store: &dyn Store, query: LeakQuery) -> Vec<String> {
    let found = store.leaks(&one(TENANT), &query).await.unwrap();
    assert_eq!(found.total, found.items.len() as u64);
    found.items.into_iter().map(|leak| leak.title).collect()
}

pub async fn every_order_pages_through_all_once(store: &dyn Store) {
    let mut made = Vec::new();
    for number in 0..23_usize {
        let asked = Registration {
            risk: Some(Risk::ALL[number % 5]),
            // Equal titles, and ones that differ by case alone.
            title: ["beta", "Alpha", "alpha", "Émile"][number % 4].to_owned(),
            source: Source::of_kind(SourceKind::ALL[number * 7 % SourceKind::ALL.len()]),
            ..registration("", vec![token(store, &number.to_string())])
        };
        let leak = store.register(asked, &actor()).await.unwrap().leak.unwrap();
        if number % 3 == 0 {
            decide(store, leak.id, Decision::Close).await.unwrap();
        } else if number % 4 == 1 {
            apply(store, leak.id, patch(PatchMode::Block)).await.unwrap();
        }
        made.push(leak.id);
    }
    let sorts = [
        LeakSort::CreatedAt,
        LeakSort::UpdatedAt,
        LeakSort::Risk,
        LeakSort::Status,
        LeakSort::Title,
        LeakSort::Source,
        LeakSort::Remediation,
    ];
    for sort in sorts {
        for descending in [false, true] {
            let mut seen: Vec<Leak> = Vec::new();
            let mut cursor = None;
            loop {
                let query =
                    LeakQuery { sort, descending, page: page(5, cursor), ..LeakQuery::default() };
                let found = store.leaks(&one(TENANT), &query).await.unwrap();
                assert_eq!(found.total, 23);
                assert!(found.items.len() <= 5);
                seen.extend(found.items);
                cursor = found.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            let ids: BTreeSet<LeakId> = seen.iter().map(|leak| leak.id).collect();
            assert_eq!((seen.len(), ids.len()), (23, 23), "{sort:?} {descending}");
            let key = |leak: &Leak| match sort {
                LeakSort::CreatedAt => (leak.created_at.as_millisecond(), String::new()),
                LeakSort::UpdatedAt => (leak.updated_at.as_millisecond(), String::new()),
                LeakSort::Risk => (leak.risk as i64, String::new()),
                LeakSort::Status => (leak.status as i64, String::new()),
                LeakSort::Title => (0, leak.title.to_lowercase()),
                LeakSort::Source => (leak.source.kind as i64, String::new()),
                LeakSort::Remediation => (leak.remediation as i64, String::new()),
            };
            let keys: Vec<_> = seen.iter().map(|leak| (key(leak), leak.id)).collect();
            let mut sorted = keys.clone();
            sorted.sort();
            if descending {
                sorted.reverse();
            }
            assert_eq!(keys, sorted, "{sort:?} {descending}");
        }
    }
}

pub async fn filters_narrow(store: &dyn Store) {
    let patched = leak(store, "patched", &["a"]).await;
    apply(store, patched.id, patch(PatchMode::Block)).await.unwrap();
    let asked = Registration {
        risk: Some(Risk::Low),
        source: Source::of_kind(SourceKind::Pastebin),
        detected_by: DetectedBy::Automatic,
        ..registration("guarded", vec![refused_token(store, 3, "too short")])
    };
    store.register(asked, &actor()).await.unwrap();
    let closed = leak(store, "closed", &["c"]).await;
    decide(store, closed.id, Decision::Close).await.unwrap();
    // Seen in a second place of another kind.
    let again = Registration {
        source: Source::of_kind(SourceKind::Postman),
        ..registration("", vec![token(store, "c")])
    };
    store.register(again, &actor()).await.unwrap();

    let query = LeakQuery::default;
    assert_eq!(titles(store, query()).await, ["patched", "guarded", "closed"]);
    let status = vec![Status::Open, Status::FalsePositive];
    assert_eq!(titles(store, LeakQuery { status, ..query() }).await, ["patched", "guarded"]);
    let risk = vec![Risk::Low];
    assert_eq!(titles(store, LeakQuery { risk, ..query() }).await, ["guarded"]);
    let source = vec![SourceKind::Postman, SourceKind::Pastebin];
    assert_eq!(titles(store, LeakQuery { source, ..query() }).await, ["guarded", "closed"]);
    let remediation = vec![Remediation::VirtualPatch];
    assert_eq!(titles(store, LeakQuery { remediation, ..query() }).await, ["patched"]);
    let remediation = vec![Remediation::NotApplicable];
    assert_eq!(titles(store, LeakQuery { remediation, ..query() }).await, ["guarded"]);
    let detected_by = vec![DetectedBy::Automatic];
    assert_eq!(titles(store, LeakQuery { detected_by, ..query() }).await, ["guarded"]);
    let both = LeakQuery {
        status: vec![Status::Open],
        source: vec![SourceKind::Github],
        risk: vec![Risk::Critical],
        ..query()
    };
    assert!(titles(store, both).await.is_empty());
}

pub async fn validity_is_a_filter(store: &dyn Store) {
    let used = leak(store, "used", &["a", "b"]).await;
    let reported = NewToken { validity: Validity::Active, ..token(store, "c") };
    store.register(registration("reported", vec![reported]), &actor()).await.unwrap();
    leak(store, "unused", &["d"]).await;
    let refused = Use {
        token: used.tokens[1].id,
        status: Some(401),
        action: EventAction::Monitored,
        ..a_use(&used)
    };
    store.append_events(&[event(refused)]).await.unwrap();
    let of = |validity| LeakQuery { validity: vec![validity], ..LeakQuery::default() };
    assert_eq!(titles(store, of(Validity::Active)).await, ["reported"]);
    assert_eq!(titles(store, of(Validity::Inactive)).await, ["used"]);
    assert_eq!(titles(store, of(Validity::Unknown)).await, ["used", "unused"]);
}

pub async fn a_cursor_is_bound_to_its_query(store: &dyn Store) {
    for name in ["a", "b", "c"] {
        leak(store, name, &[name]).await;
    }
    let query = LeakQuery { page: page(1, None), ..LeakQuery::default() };
    let first = store.leaks(&one(TENANT), &query).await.unwrap();
    let cursor = first.next_cursor.unwrap();
    let next = |query: LeakQuery, limit| LeakQuery {
        page: PageRequest { limit, cursor: Some(cursor.clone()) },
        ..query
    };
    // The size of a page may change on the way.
    let rest = store.leaks(&one(TENANT), &next(query.clone(), 10)).await.unwrap();
    assert_eq!(rest.items.len(), 2);
    assert!(rest.next_cursor.is_none());
    let is_bad = |error: StoreError| matches!(error, StoreError::BadCursor);
    for other in [
        LeakQuery { descending: true, ..query.clone() },
        LeakQuery { sort: LeakSort::Title, ..query.clone() },
        LeakQuery { status: vec![Status::Open], ..query.clone() },
    ] {
        assert!(is_bad(store.leaks(&one(TENANT), &next(other, 1)).await.unwrap_err()));
    }
    assert!(is_bad(store.leaks(&one("other"), &next(query.clone(), 1)).await.unwrap_err()));
    for text in ["", "x", "e30", &"A".repeat(10_000)] {
        let query = LeakQuery { page: page(1, Some(text.to_owned())), ..LeakQuery::default() };
        assert!(is_bad(store.leaks(&one(TENANT), &query).await.unwrap_err()));
        let other = page(1, Some(text.to_owned()));
        assert!(is_bad(store.virtual_patches(&one(TENANT), &other).await.unwrap_err()));
        assert!(is_bad(store.audit(&one(TENANT), &other.clone().into()).await.unwrap_err()));
    }
}

pub async fn a_page_shows_leaks_whole(store: &dyn Store) {
    // More tokens and sources than are shown, in one of several leaks.
    let names: Vec<String> = (0..130).map(|number| format!("many {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = leak(store, "many", &names).await;
    assert_eq!((many.tokens.len(), many.token_count), (100, 130));
    for number in 0..104 {
        let again = Registration {
            source: source(&format!("https://git.example/{number}")),
            ..registration("", vec![token(store, "many 0")])
        };
        store.register(again, &actor()).await.unwrap();
    }
    let few = leak(store, "few", &["x", "y"]).await;
    apply(store, few.id, patch(PatchMode::Monitoring)).await.unwrap();
    let edit = Edit { add_tokens: vec![token(store, "many 7")], ..Edit::default() };
    store.edit(TENANT, few.id, edit, &actor()).await.unwrap();

    let listed = store.leaks(&one(TENANT), &LeakQuery::default()).await.unwrap();
    assert_eq!(listed.items.len(), 2);
    for leak in &listed.items {
        assert_eq!(*leak, store.leak(TENANT, leak.id).await.unwrap());
    }
    assert_eq!(listed.items[0].tokens, many.tokens);
    assert_eq!(listed.items[0].sources.len(), 100);
    assert_eq!(listed.items[0].source, source("https://git.example/one"));
    assert_eq!((listed.items[1].tokens.len(), listed.items[1].sources.len()), (3, 1));
    assert!(listed.items[1].virtual_patch.is_some());
}
