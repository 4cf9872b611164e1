//! What goes out of a store by itself, and what is removed in time.

use jiff::{SignedDuration, Timestamp};
use leakgate::config::limits;
use leakgate::model::clock;
use leakgate::model::event::Event;
use leakgate::model::ids::{NotificationId, WebhookId};
use leakgate::model::notification::{Notification, NotificationKind};
use leakgate::model::role::Actor;
use leakgate::model::secret::Secret;
use leakgate::model::sink::{FeedKind, Format, WebhookKind};
use leakgate::model::tenant::Tenants;
use leakgate::store::outgoing::{
    Deliveries, Entry, Keep, Moderation, NewLetter, Notice, Places, Target, Wanted, Webhook,
    WebhookChange, reader_of_webhook,
};
use leakgate::store::types::{AuditQuery, EventQuery, ProposalQuery, Registration};
use leakgate::store::views::GroupBy;
use leakgate::store::{Store, StoreError};

use crate::given::{
    TENANT, Use, a_use, actor, before, event, leak, one, page, registration, token,
};

fn after(time: SignedDuration) -> Timestamp {
    clock::now().checked_add(time).unwrap()
}

async fn listed(store: &dyn Store) -> Vec<Event> {
    let query = EventQuery { page: page(10_000, None), ..EventQuery::default() };
    store.events(&query).await.unwrap().items
}

pub async fn growing_events_are_kept_until_they_are_stored(store: &dyn Store) {
    let made = leak(store, "used", &["a"]).await;
    let [done, left] = [3, 5].map(|count| event(Use { count, ..a_use(&made) }));
    for count in 1..=3 {
        let growing = [Event { count, ..done.clone() }, Event { count, ..left.clone() }];
        store.hold_events(&growing).await.unwrap();
    }
    store.hold_events(std::slice::from_ref(&left)).await.unwrap();
    assert!(listed(store).await.is_empty(), "they are not done");
    store.append_events(std::slice::from_ref(&done)).await.unwrap();
    let long_ago = before(SignedDuration::from_mins(1));
    assert_eq!(store.release_held_events(long_ago).await.unwrap(), 0, "it may still grow");
    let later = after(SignedDuration::from_secs(1));
    assert_eq!(store.release_held_events(later).await.unwrap(), 1);
    assert_eq!(store.release_held_events(later).await.unwrap(), 0);
    let mut counts: Vec<u64> = listed(store).await.iter().map(|event| event.count).collect();
    counts.sort_unstable();
    assert_eq!(counts, [3, 5]);
    // Whoever counted it comes back late: it is not counted twice.
    store.append_events(&[left]).await.unwrap();
    assert_eq!(store.leak(TENANT, made.id).await.unwrap().events_24h, 8);
}

pub async fn events_are_removed_by_age_and_their_counts_stay(store: &dyn Store) {
    let made = leak(store, "used", &["a"]).await;
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let at = |ago| event(Use { ago, ..a_use(&made) });
    // By ever another client, so that as much is counted of them as they are, and more than goes at once.
    let mut events: Vec<_> = (0..1_500).map(|_| at(days(40))).collect();
    for (number, event) in events.iter_mut().enumerate() {
        event.source_ip = format!("192.0.{}.{}", number / 250, number % 250);
    }
    events.extend([at(days(29)), at(days(1))]);
    store.append_events(&events).await.unwrap();
    let keep = Keep { from: Some(before(days(30))), bytes: None };
    let mut removed = Vec::new();
    loop {
        let trimmed = store.trim_events(&keep).await.unwrap();
        removed.push(trimmed.by_age);
        if !trimmed.more {
            break;
        }
    }
    assert_eq!(removed, [1_000, 500, 0], "a bounded number at once");
    while store.trim_events(&keep).await.unwrap().more {}
    // What clients did goes with the events of its hour.
    let groups = store.event_groups(&EventQuery::default(), GroupBy::Client).await.unwrap();
    assert_eq!(groups.items.iter().map(|group| group.count).sum::<u64>(), 2);
    assert_eq!(listed(store).await.len(), 2);
    let stats = store.stats(&one(TENANT), clock::now()).await.unwrap();
    assert_eq!(stats.days.iter().map(|day| day.observed).sum::<u64>(), 1_502);
    // What is not to be removed stays.
    let trimmed = store.trim_events(&Keep::default()).await.unwrap();
    assert_eq!((trimmed.by_age, trimmed.by_size, trimmed.more), (0, 0, false));
}

pub async fn events_are_removed_by_size_oldest_first(store: &dyn Store) {
    let made = leak(store, "used", &["a"]).await;
    for minutes in (0..6).rev() {
        let ago = SignedDuration::from_mins(minutes * 10);
        let batch: Vec<_> = (0..1_000).map(|_| event(Use { ago, ..a_use(&made) })).collect();
        store.append_events(&batch).await.unwrap();
    }
    // PostgreSQL's own numbers come a moment later.
    let all = loop {
        let trimmed = store.trim_events(&Keep::default()).await.unwrap();
        if trimmed.bytes > 1_000_000 {
            break trimmed.bytes;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let keep = Keep { from: None, bytes: Some(all / 2) };
    let mut removed = 0;
    while removed == 0 || store.trim_events(&keep).await.unwrap().more {
        removed += store.trim_events(&keep).await.unwrap().by_size;
        assert!(removed <= 6_000);
    }
    let left = listed(store).await;
    assert!((1_000..=5_000).contains(&left.len()), "{} are left", left.len());
    assert!(left.first().unwrap().at > before(SignedDuration::from_mins(1)), "the newest are");
}

pub async fn counts_of_long_ago_are_removed(store: &dyn Store) {
    let made = leak(store, "used", &["a"]).await;
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let at = |ago| event(Use { ago, ..a_use(&made) });
    store.append_events(&[at(days(0)), at(days(20)), at(days(80))]).await.unwrap();
    store.trim_outgoing(clock::now(), limits::SINK_FEED).await.unwrap();
    let stats = store.stats(&one(TENANT), clock::now()).await.unwrap();
    assert_eq!(stats.days.iter().map(|day| day.observed).sum::<u64>(), 3, "days are kept");
    let later = after(days(limits::STATS_DAYS_KEPT - 30));
    store.trim_outgoing(later, limits::SINK_FEED).await.unwrap();
    let stats = store.stats(&one(TENANT), clock::now()).await.unwrap();
    assert_eq!(stats.days.iter().map(|day| day.observed).sum::<u64>(), 2, "but not for ever");
}

fn wanted(feeds: &[FeedKind], tenants: Tenants, limit: usize) -> Wanted {
    Wanted { feeds: feeds.to_vec(), tenants, limit }
}

async fn take(store: &dyn Store, reader: &str) -> Places {
    store.take_cursor(reader, "me", clock::now()).await.unwrap().unwrap()
}

pub async fn a_reader_gets_everything_once_and_in_order(store: &dyn Store) {
    let made = leak(store, "before", &["a"]).await;
    store.append_events(&[event(a_use(&made))]).await.unwrap();
    // A new reader begins at the end.
    let mut place = take(store, "sink:one").await;
    let all = wanted(FeedKind::ALL, Tenants::All, 2);
    assert!(store.outgoing(place, &all).await.unwrap().entries.is_empty());

    let events: Vec<_> = (0..5).map(|_| event(a_use(&made))).collect();
    store.append_events(&events).await.unwrap();
    // One that is offered again is not told again.
    store.append_events(&events[..1]).await.unwrap();
    leak(store, "after", &["b"]).await;
    let (mut got, mut audit) = (Vec::new(), Vec::new());
    loop {
        let out = store.outgoing(place, &all).await.unwrap();
        assert!(out.missed.is_empty());
        for entry in out.entries {
            match entry {
                Entry::Event(event) => got.push(event.id),
                Entry::Audit(row) => audit.push(row.entry.action),
                Entry::Notification(_) => panic!("nobody was notified"),
            }
        }
        assert!(store.move_cursor("sink:one", place, out.places, None).await.unwrap().0);
        assert!(!store.move_cursor("sink:one", place, place, None).await.unwrap().0, "it moved");
        place = out.places;
        assert_eq!(take(store, "sink:one").await, place);
        if !out.more {
            break;
        }
    }
    assert_eq!(got, events.iter().map(|event| event.id).collect::<Vec<_>>());
    assert_eq!(audit, ["register"]);
    let other = wanted(FeedKind::ALL, one("other"), 100);
    let out = store.outgoing(Places::default(), &other).await.unwrap();
    assert!(out.entries.is_empty(), "they are another tenant's");
    assert_eq!(out.places, store.ends().await.unwrap());
}

fn letter(entries: Vec<Entry>) -> NewLetter {
    NewLetter {
        tenant: Some(TENANT.to_owned()),
        attempts: 3,
        error: "it answered 500".to_owned(),
        entries,
    }
}

pub async fn what_cannot_be_delivered_is_kept_up_to_a_bound(store: &dyn Store) {
    let made = leak(store, "used", &["a"]).await;
    let place = take(store, "webhook:x").await;
    let entries = vec![Entry::Event(Box::new(event(a_use(&made))))];
    let put = async || {
        let letter = letter(entries.clone());
        store.move_cursor("webhook:x", place, place, Some(letter)).await.unwrap().1
    };
    for _ in 0..3 {
        assert_eq!(put().await, 0);
    }
    let first = store.letters(&one(TENANT), &page(2, None)).await.unwrap();
    assert_eq!((first.items.len(), first.items[0].count), (2, 1));
    let rest = store.letters(&one(TENANT), &page(2, first.next_cursor)).await.unwrap();
    assert_eq!((rest.items.len(), rest.next_cursor), (1, None));
    assert!(store.letters(&one("other"), &page(2, None)).await.unwrap().items.is_empty());
    let id = first.items[0].id;
    let (_, kept) = store.letter(id).await.unwrap().unwrap();
    assert_eq!(kept, entries);
    store.remove_letter(id).await.unwrap();
    assert!(store.letter(id).await.unwrap().is_none());
    for _ in 0..limits::SINK_LETTERS - 2 {
        put().await;
    }
    assert_eq!(put().await, 1, "the oldest goes");
}

pub async fn one_process_at_a_time_reads(store: &dyn Store) {
    let soon = after(SignedDuration::from_mins(1));
    assert!(store.take_cursor("sink:one", "me", soon).await.unwrap().is_some());
    assert!(store.take_cursor("sink:one", "other", soon).await.unwrap().is_none());
    // Another one cannot leave it, and who has it can.
    store.leave_cursor("sink:one", "other").await.unwrap();
    assert!(store.take_cursor("sink:one", "other", soon).await.unwrap().is_none());
    store.leave_cursor("sink:one", "me").await.unwrap();
    assert!(store.take_cursor("sink:one", "other", soon).await.unwrap().is_some());
    store.leave_cursor("sink:gone", "me").await.unwrap();
    let gone = ["sink:gone".to_owned()];
    assert!(store.deliveries(&gone).await.unwrap().is_empty(), "leaving makes nothing");
    assert!(store.take_cursor("sink:one", "me", soon).await.unwrap().is_none());
    store.note_delivery("sink:one", Some("it broke")).await.unwrap();
    let names = ["sink:one".to_owned()];
    let how = store.deliveries(&names).await.unwrap().remove("sink:one").unwrap();
    assert_eq!((how.error.as_deref(), how.delivered_at), (Some("it broke"), None));
    store.note_delivery("sink:one", None).await.unwrap();
    let how = store.deliveries(&names).await.unwrap().remove("sink:one").unwrap();
    assert!(how.error.is_none() && how.delivered_at.is_some());
}

pub async fn what_was_read_by_all_is_removed(store: &dyn Store) {
    let made = leak(store, "used", &["a"]).await;
    let (slow, fast) = (take(store, "sink:slow").await, take(store, "sink:fast").await);
    let events: Vec<_> = (0..10).map(|_| event(a_use(&made))).collect();
    store.append_events(&events).await.unwrap();
    let feeds = wanted(&[FeedKind::Events], Tenants::All, 4);
    let out = store.outgoing(slow, &feeds).await.unwrap();
    assert!(store.move_cursor("sink:slow", slow, out.places, None).await.unwrap().0);
    let ends = store.ends().await.unwrap();
    assert!(store.move_cursor("sink:fast", fast, ends, None).await.unwrap().0);
    store.trim_outgoing(clock::now(), limits::SINK_FEED).await.unwrap();
    // The slow one misses nothing.
    let rest = store.outgoing(out.places, &feeds).await.unwrap();
    assert_eq!((rest.entries.len(), rest.missed.len()), (4, 0));
    // Readers that are gone hold nothing up, and the end is known all the same.
    let later = after(SignedDuration::from_hours(24 * 30));
    let end = later.checked_add(SignedDuration::from_secs(1)).unwrap();
    store.take_cursor("sink:fast", "me", end).await.unwrap();
    store.trim_outgoing(later, limits::SINK_FEED).await.unwrap();
    store.trim_outgoing(later, limits::SINK_FEED).await.unwrap();
    assert_eq!(store.ends().await.unwrap(), ends);
    let rest = store.outgoing(out.places, &feeds).await.unwrap();
    assert_eq!((rest.entries.len(), rest.missed.len()), (1, 0), "nobody was there to miss them");
}

pub async fn who_misses_events_is_told_how_many_of_which_tenant(store: &dyn Store) {
    let ours = leak(store, "ours", &["a"]).await;
    store.add_tenant("acme", "Acme", &actor()).await.unwrap();
    let new =
        Registration { tenant: "acme".to_owned(), ..registration("x", vec![token(store, "b")]) };
    let theirs = store.register(new, &actor()).await.unwrap().leak.unwrap();
    let first = take(store, "sink:first").await;
    let second = take(store, "sink:second").await;
    let events: Vec<_> =
        [&ours, &theirs, &ours, &theirs, &ours, &ours, &theirs, &ours, &ours, &theirs]
            .map(|leak| event(a_use(leak)))
            .into();
    store.append_events(&events).await.unwrap();
    let of = |tenants: Tenants| wanted(&[FeedKind::Events], tenants, 4);
    let all = of(Tenants::All);
    let read = store.outgoing(second, &all).await.unwrap();
    let second = read.places;
    assert!(store.move_cursor("sink:second", first, second, None).await.unwrap().0);

    // More wait than may: the first seven go, of which the second reader had four.
    store.trim_outgoing(clock::now(), 3).await.unwrap();
    let missed = async |place, wanted: &Wanted| {
        let out = store.outgoing(place, wanted).await.unwrap();
        (out.missed.into_iter().collect::<Vec<(String, u64)>>(), out.entries.len())
    };
    let count = |tenant: &str, count: u64| (tenant.to_owned(), count);
    assert_eq!(missed(first, &all).await, (vec![count("acme", 3), count(TENANT, 4)], 3));
    assert_eq!(missed(second, &all).await, (vec![count("acme", 1), count(TENANT, 2)], 3));
    assert_eq!(missed(second, &of(one("acme"))).await, (vec![count("acme", 1)], 1));
    assert_eq!(missed(second, &of(one("other"))).await, (vec![], 0));
    // It is told once: who has moved on has missed nothing more.
    let end = store.outgoing(second, &all).await.unwrap().places;
    assert!(store.move_cursor("sink:second", second, end, None).await.unwrap().0);
    assert_eq!(missed(end, &all).await, (vec![], 0));
    assert!(store.move_cursor("sink:first", first, end, None).await.unwrap().0);
    store.trim_outgoing(clock::now(), 3).await.unwrap();
    assert_eq!(missed(first, &all).await.0, [], "nobody is left who missed them");

    // So is what is not kept any more when its turn comes.
    store.append_events(&[event(a_use(&ours)), event(a_use(&theirs))]).await.unwrap();
    let keep = Keep { from: Some(after(SignedDuration::from_hours(1))), bytes: None };
    while store.trim_events(&keep).await.unwrap().more {}
    assert_eq!(missed(end, &all).await, (vec![count("acme", 1), count(TENANT, 1)], 0));
    assert_eq!(missed(end, &of(one("acme"))).await, (vec![count("acme", 1)], 0));
}

pub async fn the_gone_leave_nothing(store: &dyn Store) {
    let made = leak(store, "used", &["a"]).await;
    let entries = vec![Entry::Event(Box::new(event(a_use(&made))))];
    let there = target("there", TENANT);
    store.add_webhook(&there, &actor()).await.unwrap();
    let there = reader_of_webhook(there.webhook.id);
    // One that another process still delivers to after it was removed.
    let late = reader_of_webhook(WebhookId::new());
    let put = async |reader: &str| {
        let place = take(store, reader).await;
        store.move_cursor(reader, place, place, Some(letter(entries.clone()))).await.unwrap();
    };
    for reader in [&there, &late, "sink:siem"] {
        put(reader).await;
    }
    let left = async || {
        let letters = store.letters(&Tenants::All, &page(10, None)).await.unwrap();
        let mut readers: Vec<String> = letters.items.into_iter().map(|it| it.sink).collect();
        readers.sort_unstable();
        let all = [&there, &late, "sink:siem"].map(str::to_owned);
        let mut placed: Vec<String> = store.deliveries(&all).await.unwrap().into_keys().collect();
        placed.sort_unstable();
        assert_eq!(placed, readers);
        readers
    };
    assert_eq!(left().await.len(), 3);
    store.trim_outgoing(clock::now(), limits::SINK_FEED).await.unwrap();
    assert_eq!(left().await, ["sink:siem", there.as_str()]);

    // A tenant goes with all that is of it.
    let acme = Actor { tenant: "acme".to_owned(), ..actor() };
    store.add_tenant("acme", "Acme", &actor()).await.unwrap();
    let theirs = target("theirs", "acme");
    store.add_webhook(&theirs, &acme).await.unwrap();
    put(&reader_of_webhook(theirs.webhook.id)).await;
    store.set_four_eyes("acme", true, None, &acme).await.unwrap();
    store.set_four_eyes("acme", false, None, &acme).await.unwrap();
    let moderation = Moderation { window: SignedDuration::from_hours(1), per_minute: 3 };
    let mut noticed = notice("theirs", clock::now());
    noticed.notification.tenant = "acme".to_owned();
    let notices = [noticed, notice("ours", clock::now())];
    assert_eq!(store.notify(None, &notices, &moderation).await.unwrap().unwrap().made, 2);
    let of_all = async || {
        let letters = store.letters(&Tenants::All, &page(10, None)).await.unwrap().items.len();
        let noticed = store.notifications(&Tenants::All, &[], &page(10, None)).await.unwrap();
        let asked = ProposalQuery { page: page(10, None), ..ProposalQuery::default() };
        let proposals = store.proposals(&Tenants::All, &asked).await.unwrap().items.len();
        (letters, noticed.items.len(), proposals)
    };
    assert_eq!(of_all().await, (3, 2, 1));
    store.remove_tenant("acme", &actor()).await.unwrap();
    assert_eq!(of_all().await, (2, 1, 0));
    store.add_tenant("acme", "Another", &actor()).await.unwrap();
    let again = store.notify(None, &notices[..1], &moderation).await.unwrap().unwrap();
    assert_eq!(again.made, 1, "nobody of this one was notified of it");
}

fn notice(subject: &str, at: Timestamp) -> Notice {
    let notification = Notification {
        id: NotificationId::new(),
        at,
        kind: NotificationKind::NewLeak,
        tenant: TENANT.to_owned(),
        leak: None,
        risk: None,
        event: None,
        title: subject.to_owned(),
        detail: String::new(),
        link: None,
    };
    Notice { subject: subject.to_owned(), notification }
}

pub async fn nobody_is_notified_twice_in_a_window(store: &dyn Store) {
    let moderation = Moderation { window: SignedDuration::from_hours(1), per_minute: 3 };
    let now = clock::now();
    let notices = [notice("a", now), notice("b", now), notice("a", now)];
    let made = store.notify(None, &notices, &moderation).await.unwrap().unwrap();
    assert_eq!((made.made, made.repeated, made.limited), (2, 1, 0));
    let notices = ["c", "d", "e"].map(|subject| notice(subject, now));
    let made = store.notify(None, &notices, &moderation).await.unwrap().unwrap();
    assert_eq!((made.made, made.repeated, made.limited), (1, 0, 2));
    let later = after(SignedDuration::from_mins(70));
    let made = store.notify(None, &[notice("a", later)], &moderation).await.unwrap().unwrap();
    assert_eq!(made.made, 1, "its window is over");
    // With a reader that stands elsewhere, nothing is made.
    let place = take(store, "notifier").await;
    let elsewhere = Places { audit: place.audit + 7, ..place };
    let moved = Some(("notifier", elsewhere, place));
    let made = store.notify(moved, &[notice("z", later)], &moderation).await.unwrap();
    assert_eq!(made, None);
    let listed = store.notifications(&one(TENANT), &[], &page(10, None)).await.unwrap();
    let titles: Vec<&str> = listed.items.iter().map(|it| it.title.as_str()).collect();
    assert_eq!(titles, ["a", "c", "b", "a"]);
    assert!(
        store.notifications(&one("other"), &[], &page(10, None)).await.unwrap().items.is_empty()
    );
}

fn target(name: &str, tenant: &str) -> Target {
    let secret = |text: &str| Secret::from(text.to_owned());
    let now = clock::now();
    let webhook = Webhook {
        id: WebhookId::new(),
        tenant: tenant.to_owned(),
        name: name.to_owned(),
        kind: WebhookKind::Webhook,
        format: Format::Ecs,
        feeds: vec![FeedKind::Events, FeedKind::Audit],
        url: "https://siem.example".to_owned(),
        enabled: true,
        created_by: "ada".to_owned(),
        created_at: now,
        updated_at: now,
        deliveries: Deliveries::default(),
    };
    Target {
        webhook,
        url: secret("https://siem.example/in?key=hidden"),
        secret: secret("whsec_hidden"),
    }
}

pub async fn webhooks_are_kept_without_showing_their_secrets(store: &dyn Store) {
    let secret = |text: &str| Secret::from(text.to_owned());
    let target = target("siem", TENANT);
    let webhook = target.webhook.clone();
    store.add_webhook(&target, &actor()).await.unwrap();
    let twice =
        Target { webhook: Webhook { id: WebhookId::new(), ..webhook.clone() }, ..target.clone() };
    let refused = store.add_webhook(&twice, &actor()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Exists("webhook")), "{refused}");
    assert_eq!(store.webhook(webhook.id).await.unwrap().as_ref(), Some(&webhook));
    assert_eq!(store.webhooks(&one("other")).await.unwrap(), []);
    assert_eq!(store.targets().await.unwrap(), std::slice::from_ref(&target));
    let change = WebhookChange {
        name: Some("other".to_owned()),
        enabled: Some(false),
        secret: Some(secret("whsec_new")),
        ..WebhookChange::default()
    };
    let changed = store.change_webhook(webhook.id, change, &actor()).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.enabled), ("other", false));
    let targets = store.targets().await.unwrap();
    assert_eq!((&targets[0].url, &targets[0].secret), (&target.url, &secret("whsec_new")));
    store.remove_webhook(webhook.id, &actor()).await.unwrap();
    assert_eq!(store.targets().await.unwrap(), []);
    let audit = store
        .audit(&one(TENANT), &AuditQuery { page: page(10, None), ..AuditQuery::default() })
        .await
        .unwrap();
    let actions: Vec<&str> = audit.items.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["remove_webhook", "change_webhook", "add_webhook"]);
    assert!(!format!("{audit:?}").contains("hidden"));
}
