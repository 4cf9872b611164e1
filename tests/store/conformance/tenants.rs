use leakgate::model::role::{Actor, Role};
use leakgate::model::tenant::Tenants;
use leakgate::store::types::{Bypass, LeakQuery, LeakSort, NewApiToken};
use leakgate::store::{Store, StoreError};

use crate::given::{TENANT, actor, leak, one, page, registration, token};

pub async fn tenants_are_made_and_removed_while_empty(store: &dyn Store) {
    let ids = async || -> Vec<String> {
        store.tenants().await.unwrap().into_iter().map(|tenant| tenant.id).collect()
    };
    assert_eq!(ids().await, [TENANT], "there is always one");
    let made = store.add_tenant("acme", "Acme Inc", &actor()).await.unwrap();
    assert_eq!(store.tenant("acme").await.unwrap(), Some(made));
    let error = store.add_tenant("acme", "Again", &actor()).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists("tenant")));
    assert_eq!(ids().await, ["acme", TENANT]);
    let renamed = store.rename_tenant("acme", "Acme", &actor()).await.unwrap();
    assert_eq!(store.tenant("acme").await.unwrap(), Some(renamed));
    let error = store.rename_tenant("none", "x", &actor()).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound("tenant")));

    let elsewhere = Actor { tenant: "acme".to_owned(), ..actor() };
    let user = store.add_user("ada", Role::Analyst, "", &elsewhere).await.unwrap();
    let is_used = |error| matches!(error, StoreError::NotEmpty);
    assert!(is_used(store.remove_tenant("acme", &actor()).await.unwrap_err()));
    store.remove_user(user, &elsewhere).await.unwrap();
    let new = NewApiToken {
        tenant: "acme".to_owned(),
        name: "ci".to_owned(),
        role: Role::Intake,
        expires_at: None,
        hash: [1; 32],
    };
    let made = store.add_api_token(new, &elsewhere).await.unwrap();
    assert_eq!(store.api_token(made.id).await.unwrap(), Some(made.clone()));
    assert!(is_used(store.remove_tenant("acme", &actor()).await.unwrap_err()));
    store.revoke_api_token("acme", made.id, &actor()).await.unwrap();
    store.remove_tenant("acme", &actor()).await.unwrap();
    assert_eq!(store.tenant("acme").await.unwrap(), None);
    let error = store.remove_tenant("acme", &actor()).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound("tenant")));
    leak(store, "kept", &["a"]).await;
    assert!(is_used(store.remove_tenant(TENANT, &actor()).await.unwrap_err()));
}

pub async fn lists_are_of_one_tenant_or_of_all(store: &dyn Store) {
    store.add_tenant("acme", "Acme", &actor()).await.unwrap();
    let mine = leak(store, "one", &["a"]).await;
    let mut new = registration("two", vec![token(store, "a")]);
    new.tenant = "acme".to_owned();
    let theirs = store.register(new, &actor()).await.unwrap().leak.unwrap();
    assert_eq!(store.tenant_of_leak(theirs.id).await.unwrap().as_deref(), Some("acme"));
    assert_eq!(store.tenant_of_leak(mine.id).await.unwrap().as_deref(), Some(TENANT));
    assert_eq!(store.tenant_of_leak(leakgate::model::ids::LeakId::new()).await.unwrap(), None);

    for sort in [
        LeakSort::CreatedAt,
        LeakSort::UpdatedAt,
        LeakSort::Risk,
        LeakSort::Status,
        LeakSort::Title,
        LeakSort::Source,
        LeakSort::Remediation,
    ] {
        let mut query = LeakQuery { sort, page: page(1, None), ..LeakQuery::default() };
        let first = store.leaks(&Tenants::All, &query).await.unwrap();
        assert_eq!((first.items[0].id, first.total), (mine.id, 2), "{sort:?}");
        query.page.cursor = first.next_cursor;
        let second = store.leaks(&Tenants::All, &query).await.unwrap();
        assert_eq!((second.items[0].id, second.next_cursor), (theirs.id, None), "{sort:?}");
    }
    let mine = store.leaks(&one("acme"), &LeakQuery::default()).await.unwrap();
    assert_eq!((mine.items[0].id, mine.total), (theirs.id, 1));
    let fingerprint = &theirs.tokens[0].fingerprint;
    for (of, leaks) in [(&Tenants::All, 2), (&one(TENANT), 1), (&one("none"), 0)] {
        assert_eq!(store.lookup(of, fingerprint).await.unwrap().leaks.len(), leaks);
        let stats = store.stats(of, leakgate::model::clock::now()).await.unwrap();
        assert_eq!((stats.leaks, stats.tokens), (leaks as u64, leaks as u64));
        let days: u64 = stats.days.iter().map(|day| day.leaks).sum();
        assert_eq!(days, leaks as u64);
    }
    let audit = store.audit(&Tenants::All, &page(10, None).into()).await.unwrap();
    let of: Vec<_> = audit.items.iter().map(|entry| entry.tenant.as_str()).collect();
    assert_eq!(of, ["acme", TENANT, "acme"]);
}

pub async fn each_tenant_has_a_bypass_switch(store: &dyn Store) {
    assert!(store.tenant_bypasses().await.unwrap().is_empty());
    let on = Bypass { on: true, reason: Some("outage".to_owned()), ..Bypass::default() };
    store.set_tenant_bypass("acme", on.clone(), &actor()).await.unwrap();
    let of = async || store.tenant_bypasses().await.unwrap();
    assert_eq!(of().await.len(), 1);
    assert!(of().await[0].0 == "acme" && of().await[0].1.on);
    assert!(!store.bypass().await.unwrap().on, "that of all is another");
    store.set_tenant_bypass("acme", Bypass::default(), &actor()).await.unwrap();
    assert!(!of().await[0].1.on);
    let over = leakgate::model::clock::now() - jiff::SignedDuration::from_secs(1);
    let ended = Bypass { expires_at: Some(over), ..on };
    store.set_tenant_bypass("acme", ended, &actor()).await.unwrap();
    assert!(!of().await[0].1.on, "its time is over");
}
