use jiff::SignedDuration;
use leakgate::model::clock;
use leakgate::model::ids::UserId;
use leakgate::model::role::{Actor, Role};
use leakgate::model::tenant::Tenants;
use leakgate::store::identity::{Identity, NewSession, UserChange};
use leakgate::store::types::{ApiToken, NewApiToken};
use leakgate::store::{Store, StoreError};

use crate::given::{TENANT, actor, one, page};

/// A hash that no password has.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA";
const IDLE: SignedDuration = SignedDuration::from_hours(1);

async fn user(store: &dyn Store, name: &str, role: Role) -> UserId {
    store.add_user(name, role, HASH, &actor()).await.unwrap()
}

/// One who has all rights.
fn global() -> Actor {
    Actor { role: Role::GlobalAdministrator, ..actor() }
}

fn session(user: UserId, fill: u8) -> NewSession {
    let at = clock::now();
    NewSession {
        hash: [fill; 32],
        user,
        password_hash: Some(HASH.to_owned()),
        replaces: None,
        at,
        expires_at: at + SignedDuration::from_hours(24),
    }
}

async fn holder(store: &dyn Store, fill: u8) -> Option<Actor> {
    store.session(&[fill; 32], clock::now(), IDLE).await.unwrap()
}

pub async fn users_are_listed_by_tenant(store: &dyn Store) {
    let elsewhere = Actor { tenant: "other".to_owned(), ..actor() };
    let ada = user(store, "ada", Role::Analyst).await;
    let bob = store.add_user("bob", Role::Analyst, HASH, &elsewhere).await.unwrap();
    let ids = async |of: &Tenants, limit, cursor| {
        let page = store.users(of, &page(limit, cursor)).await.unwrap();
        (page.items.iter().map(|user| user.id).collect::<Vec<_>>(), page.next_cursor)
    };
    assert_eq!(ids(&one(TENANT), 5, None).await, (vec![ada], None));
    assert_eq!(ids(&one("other"), 5, None).await, (vec![bob], None));
    let (first, next) = ids(&Tenants::All, 1, None).await;
    assert_eq!(first, [ada]);
    assert_eq!(ids(&Tenants::All, 1, next.clone()).await, (vec![bob], None));
    let error = store.users(&one(TENANT), &page(1, next)).await.unwrap_err();
    assert!(matches!(error, StoreError::BadCursor));

    let shown = store.user(bob).await.unwrap().unwrap();
    assert_eq!((shown.name.as_str(), shown.tenant.as_str()), ("bob", "other"));
    assert!(!shown.disabled && !shown.external && shown.last_sign_in_at.is_none());
    assert_eq!(store.user(UserId::new()).await.unwrap(), None);
    let found = store.user_to_sign_in("bob").await.unwrap().unwrap();
    assert_eq!((found.user.id, found.password_hash.as_str()), (bob, HASH));
    assert_eq!(store.user_to_sign_in("eve").await.unwrap(), None);
}

pub async fn a_change_to_a_user_is_what_it_names(store: &dyn Store) {
    let ada = user(store, "ada", Role::Analyst).await;
    let nothing = store.change_user(ada, UserChange::default(), &global()).await.unwrap();
    assert_eq!(nothing.role, Role::Analyst);
    let change = UserChange {
        role: Some(Role::Administrator),
        tenant: Some("other".to_owned()),
        ..UserChange::default()
    };
    let changed = store.change_user(ada, change, &global()).await.unwrap();
    assert_eq!((changed.role, changed.tenant.as_str()), (Role::Administrator, "other"));
    assert_eq!(store.user(ada).await.unwrap().unwrap(), changed);
    let change = UserChange { password_hash: Some("another".to_owned()), ..UserChange::default() };
    store.change_user(ada, change, &global()).await.unwrap();
    let found = store.user_to_sign_in("ada").await.unwrap().unwrap();
    assert_eq!(found.password_hash, "another");
    let error = store.change_user(UserId::new(), UserChange::default(), &global()).await;
    assert!(matches!(error.unwrap_err(), StoreError::NotFound("user")));

    let audit = store.audit(&Tenants::All, &page(10, None).into()).await.unwrap();
    let said: Vec<_> = audit.items.iter().filter_map(|entry| entry.detail.as_deref()).collect();
    assert_eq!(
        said,
        [
            "ada: a new password",
            "ada: role: analyst → administrator; tenant: default → other",
            "ada, analyst"
        ],
        "and nothing of what changed nothing"
    );
}

pub async fn the_last_global_administrator_stays(store: &dyn Store) {
    let boss = user(store, "boss", Role::GlobalAdministrator).await;
    user(store, "ada", Role::Administrator).await;
    let disable = UserChange { disabled: Some(true), ..UserChange::default() };
    let demote = UserChange { role: Some(Role::Administrator), ..UserChange::default() };
    let is_last = |error| matches!(error, StoreError::LastAdministrator);
    for change in [&disable, &demote] {
        assert!(is_last(store.change_user(boss, change.clone(), &global()).await.unwrap_err()));
    }
    assert!(is_last(store.remove_user(boss, &global()).await.unwrap_err()));
    let second = user(store, "second", Role::GlobalAdministrator).await;
    store.change_user(boss, demote, &global()).await.unwrap();
    assert!(is_last(store.remove_user(second, &global()).await.unwrap_err()));
    store.remove_user(boss, &global()).await.unwrap();
    assert_eq!(store.user(boss).await.unwrap(), None);
}

/// Who was found to have as many rights may have fewer by now.
pub async fn a_user_with_more_rights_is_left_alone(store: &dyn Store) {
    let boss = user(store, "boss", Role::GlobalAdministrator).await;
    user(store, "second", Role::GlobalAdministrator).await;
    let elsewhere = Actor { tenant: "other".to_owned(), ..actor() };
    let bob = store.add_user("bob", Role::Analyst, HASH, &elsewhere).await.unwrap();
    let password = UserChange { password_hash: Some("mine".to_owned()), ..UserChange::default() };
    for id in [boss, bob] {
        let changed = store.change_user(id, password.clone(), &actor()).await;
        assert!(matches!(changed.unwrap_err(), StoreError::NotFound("user")));
        let removed = store.remove_user(id, &actor()).await;
        assert!(matches!(removed.unwrap_err(), StoreError::NotFound("user")));
    }
    let found = store.user_to_sign_in("boss").await.unwrap().unwrap();
    assert_eq!(found.password_hash, HASH);
}

pub async fn a_session_is_known_by_its_hash(store: &dyn Store) {
    let ada = user(store, "ada", Role::Analyst).await;
    let begun = session(ada, 1);
    let (at, expires_at) = (begun.at, begun.expires_at);
    assert!(store.start_session(begun, &actor()).await.unwrap());
    let who = holder(store, 1).await.unwrap();
    assert_eq!((who.name.as_str(), who.role, who.user), ("ada", Role::Analyst, Some(ada)));
    assert_eq!(holder(store, 2).await, None);
    assert_eq!(store.user(ada).await.unwrap().unwrap().last_sign_in_at, Some(at));

    // Unused it ends after an hour; used, it goes on, but not past its end.
    assert_eq!(store.session(&[1; 32], at + IDLE, IDLE).await.unwrap(), None);
    let half = at + SignedDuration::from_mins(50);
    assert!(store.session(&[1; 32], half, IDLE).await.unwrap().is_some());
    assert!(store.session(&[1; 32], at + IDLE, IDLE).await.unwrap().is_some());
    let long = SignedDuration::from_hours(100);
    assert_eq!(store.session(&[1; 32], expires_at, long).await.unwrap(), None);

    assert!(store.end_session(&[1; 32], &who).await.unwrap());
    assert!(!store.end_session(&[1; 32], &who).await.unwrap());
    assert_eq!(holder(store, 1).await, None);
    let audit = store.audit(&one(TENANT), &page(10, None).into()).await.unwrap();
    let actions: Vec<_> = audit.items.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["sign_out", "sign_in", "add_user"]);
}

pub async fn no_session_begins_for_who_may_not(store: &dyn Store) {
    let ada = user(store, "ada", Role::Analyst).await;
    assert!(!store.start_session(session(UserId::new(), 1), &actor()).await.unwrap());
    let stale = NewSession { password_hash: Some("old".to_owned()), ..session(ada, 1) };
    assert!(!store.start_session(stale, &actor()).await.unwrap());
    let off = UserChange { disabled: Some(true), ..UserChange::default() };
    store.change_user(ada, off, &actor()).await.unwrap();
    assert!(!store.start_session(session(ada, 1), &actor()).await.unwrap());
    assert_eq!(holder(store, 1).await, None);
}

pub async fn sessions_end_with_what_they_rest_on(store: &dyn Store) {
    let ada = user(store, "ada", Role::Analyst).await;
    let bob = user(store, "bob", Role::Analyst).await;
    store.start_session(session(bob, 100), &actor()).await.unwrap();
    let begin = async |fill| store.start_session(session(ada, fill), &actor()).await.unwrap();
    begin(1).await;
    let next = NewSession { replaces: Some([1; 32]), ..session(ada, 2) };
    store.start_session(next, &actor()).await.unwrap();
    assert!(holder(store, 1).await.is_none() && holder(store, 2).await.is_some());
    begin(3).await;
    assert_eq!(store.end_sessions(ada, &actor()).await.unwrap(), 2);
    assert!(holder(store, 2).await.is_none() && holder(store, 3).await.is_none());

    begin(4).await;
    let change = UserChange { password_hash: Some("new".to_owned()), ..UserChange::default() };
    store.change_user(ada, change, &actor()).await.unwrap();
    assert_eq!(holder(store, 4).await, None);
    let change = UserChange { password_hash: Some(HASH.to_owned()), ..UserChange::default() };
    store.change_user(ada, change, &actor()).await.unwrap();
    begin(5).await;
    let off = UserChange { disabled: Some(true), ..UserChange::default() };
    store.change_user(ada, off, &actor()).await.unwrap();
    assert_eq!(holder(store, 5).await, None);
    let on = UserChange { disabled: Some(false), ..UserChange::default() };
    store.change_user(ada, on, &actor()).await.unwrap();
    begin(6).await;
    store.remove_user(ada, &actor()).await.unwrap();
    assert_eq!(holder(store, 6).await, None);
    assert!(holder(store, 100).await.is_some(), "another's goes on");

    let later = clock::now() + SignedDuration::from_hours(2);
    assert_eq!(store.remove_ended_sessions(clock::now(), IDLE).await.unwrap(), 0);
    assert_eq!(store.remove_ended_sessions(later, IDLE).await.unwrap(), 1);
    let error = store.end_sessions(ada, &actor()).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound("user")));
}

pub async fn a_user_has_so_many_sessions(store: &dyn Store) {
    let ada = user(store, "ada", Role::Analyst).await;
    for fill in 0..=u8::try_from(leakgate::config::limits::SESSIONS_PER_USER).unwrap() {
        let mut begun = session(ada, fill);
        begun.at += SignedDuration::from_secs(i64::from(fill));
        store.start_session(begun, &actor()).await.unwrap();
    }
    assert_eq!(holder(store, 0).await, None, "that used longest ago made room");
    assert!(holder(store, 1).await.is_some());
}

pub async fn a_user_is_known_by_their_identity(store: &dyn Store) {
    let identity = |subject: &str| Identity {
        issuer: "https://id.example".to_owned(),
        subject: subject.to_owned(),
    };
    let made =
        store.add_identity_user(&identity("1"), "ada", Role::Analyst, &actor()).await.unwrap();
    assert!(made.external);
    assert_eq!(store.user_of_identity(&identity("1")).await.unwrap(), Some(made.clone()));
    assert_eq!(store.user_of_identity(&identity("2")).await.unwrap(), None);
    let again = store.add_identity_user(&identity("1"), "eve", Role::Analyst, &actor()).await;
    assert!(matches!(again.unwrap_err(), StoreError::Exists("user")));
    let begun = NewSession { password_hash: None, ..session(made.id, 1) };
    assert!(store.start_session(begun, &actor()).await.unwrap());
    let found = store.user_to_sign_in("ada").await.unwrap().unwrap();
    assert_eq!(found.password_hash, "", "no password fits");
}

/// Makes an API token as this actor; its hash is of this byte alone.
async fn api_token(
    store: &dyn Store,
    maker: &Actor,
    (role, tenant): (Role, &str),
    fill: u8,
) -> Result<ApiToken, StoreError> {
    let token = NewApiToken {
        tenant: tenant.to_owned(),
        name: format!("token {fill}"),
        role,
        expires_at: None,
        hash: [fill; 32],
    };
    store.add_api_token(token, maker).await
}

async fn works(store: &dyn Store, fills: std::ops::RangeInclusive<u8>) -> Vec<u8> {
    let mut working = Vec::new();
    for fill in fills {
        if store.authenticate(&[fill; 32], clock::now()).await.unwrap().is_some() {
            working.push(fill);
        }
    }
    working
}

/// A credential lasts no longer than its maker's right to give it.
pub async fn api_tokens_end_with_the_right_to_give_them(store: &dyn Store) {
    user(store, "boss", Role::GlobalAdministrator).await;
    let ada = user(store, "ada", Role::GlobalAdministrator).await;
    let bob = user(store, "bob", Role::Administrator).await;
    let who =
        |name: &str, id, role| Actor { name: name.to_owned(), user: Some(id), role, ..actor() };
    let as_ada = who("ada", ada, Role::GlobalAdministrator);
    let as_bob = who("bob", bob, Role::Administrator);
    let make = async |maker: &Actor, role, tenant, fill| {
        api_token(store, maker, (role, tenant), fill).await.unwrap()
    };
    let all = make(&as_ada, Role::GlobalAnalyst, TENANT, 1).await;
    make(&as_ada, Role::Intake, TENANT, 2).await;
    make(&as_ada, Role::Gateway, "other", 3).await;
    let script = make(&as_ada, Role::Administrator, TENANT, 4).await;
    // One that was made with another one is the same person's.
    let as_script = Actor { name: "token 4".to_owned(), api_token: Some(script.id), ..actor() };
    make(&as_script, Role::Analyst, TENANT, 5).await;
    make(&as_bob, Role::Intake, TENANT, 6).await;

    let role = |role| UserChange { role: Some(role), ..UserChange::default() };
    store.change_user(ada, role(Role::Administrator), &global()).await.unwrap();
    assert_eq!(works(store, 1..=6).await, [2, 4, 5, 6], "what an administrator may give stays");
    let audit = store.audit(&Tenants::All, &page(10, None).into()).await.unwrap().items;
    let said: Vec<_> =
        audit[..3].iter().map(|it| (it.action.as_str(), it.detail.as_deref().unwrap())).collect();
    assert_eq!(
        said,
        [
            (
                "change_user",
                "ada: role: global_administrator → administrator; 2 API tokens revoked"
            ),
            ("revoke_api_token", "token 3: ada, who made it, may not give gateway now"),
            ("revoke_api_token", "token 1: ada, who made it, may not give global_analyst now"),
        ]
    );
    assert_eq!(audit[2].object.as_deref(), Some(all.id.to_string().as_str()));
    assert_eq!(audit[1].tenant, "other");
    assert_eq!(audit[1].changed[0].after.as_deref(), Some("true"));

    // What changes no right ends none; nor do more rights.
    let password = UserChange { password_hash: Some("new".to_owned()), ..UserChange::default() };
    store.change_user(ada, password, &global()).await.unwrap();
    store.change_user(bob, role(Role::GlobalAdministrator), &global()).await.unwrap();
    assert_eq!(works(store, 1..=6).await, [2, 4, 5, 6]);
    let elsewhere = UserChange {
        role: Some(Role::Administrator),
        tenant: Some("other".to_owned()),
        ..UserChange::default()
    };
    store.change_user(bob, elsewhere, &global()).await.unwrap();
    assert_eq!(works(store, 1..=6).await, [2, 4, 5], "it was for another tenant");

    // Who was let in before makes none afterwards.
    store.change_user(ada, role(Role::Analyst), &global()).await.unwrap();
    assert!(works(store, 1..=6).await.is_empty());
    for late in [&as_ada, &as_script] {
        let made = api_token(store, late, (Role::Intake, TENANT), 7).await;
        assert!(matches!(made, Err(StoreError::NotFound(_))), "{made:?}");
    }
    store.change_user(ada, role(Role::Administrator), &global()).await.unwrap();
    make(&as_ada, Role::Intake, TENANT, 8).await;
    let off = UserChange { disabled: Some(true), ..UserChange::default() };
    store.change_user(ada, off, &global()).await.unwrap();
    assert!(works(store, 8..=8).await.is_empty());
    let on = UserChange { disabled: Some(false), ..UserChange::default() };
    store.change_user(ada, on, &global()).await.unwrap();
    assert!(works(store, 8..=8).await.is_empty(), "what was revoked stays so");
    make(&as_ada, Role::Intake, TENANT, 9).await;
    store.remove_user(ada, &global()).await.unwrap();
    assert!(works(store, 9..=9).await.is_empty());
    let audit = store.audit(&one(TENANT), &page(1, None).into()).await.unwrap().items;
    assert_eq!(audit[0].detail.as_deref(), Some("ada: 1 API token revoked"));
}
