use jiff::SignedDuration;
use leakgate::model::clock;
use leakgate::model::leak::{Decision, Remediation, Resolution, Status};
use leakgate::model::rule::{ExceptClient, PatchMode, Scope};
use leakgate::store::types::{Bypass, Decide, NewPatch};
use leakgate::store::{Store, StoreError};

use crate::given::{
    TENANT, actor, apply, before, decide, decision, digest_token, leak, one, patch, refused_token,
    registration, token,
};

pub async fn every_decision_from_every_status(store: &dyn Store) {
    let mut number = 0;
    for &status in Status::ALL {
        for &made in Decision::ALL {
            number += 1;
            let leak = leak(store, "life", &[&format!("token {number}")]).await;
            match status {
                Status::Open => {}
                Status::Closed => drop(decide(store, leak.id, Decision::Close).await.unwrap()),
                Status::FalsePositive => {
                    drop(decide(store, leak.id, Decision::MarkFalse).await.unwrap());
                }
            }
            let before = store.leak(TENANT, leak.id).await.unwrap();
            assert_eq!(before.status, status);
            let decide = Decide {
                patch: (made == Decision::ApplyVirtualPatch).then(|| patch(PatchMode::Block)),
                ..decision(made)
            };
            let result = store.decide(TENANT, leak.id, decide, &actor()).await;
            let now = store.leak(TENANT, leak.id).await.unwrap();
            match status.after(made) {
                Ok(next) => {
                    let told = result.unwrap();
                    assert_eq!(told.status, next, "{status} {made}");
                    assert_eq!(told, now);
                    let has_patch = made == Decision::ApplyVirtualPatch;
                    assert_eq!(now.virtual_patch.is_some(), has_patch);
                    let changed = made != Decision::RemoveVirtualPatch;
                    let history = store.history(TENANT, leak.id).await.unwrap();
                    assert_eq!(history.last().unwrap().action == made.name(), changed);
                }
                Err(expected) => {
                    let Err(StoreError::NotAllowed(refused)) = result else {
                        panic!("{status} {made}: {result:?}");
                    };
                    assert_eq!(refused, expected);
                    assert_eq!(now, before, "a refused decision changes nothing");
                }
            }
        }
    }
}

pub async fn a_changed_patch_keeps_its_id(store: &dyn Store) {
    let leak = leak(store, "patched", &["a"]).await;
    let first = apply(store, leak.id, patch(PatchMode::Monitoring)).await.unwrap();
    assert_eq!(first.remediation, Remediation::VirtualPatch);
    let first = first.virtual_patch.unwrap();
    assert_eq!((first.mode, first.leak), (PatchMode::Monitoring, leak.id));
    assert_eq!(first.created_by, "ada");

    let scope = Scope {
        hosts: vec!["api.example.com".to_owned()],
        path_prefixes: vec!["/v1".to_owned()],
        methods: vec!["POST".to_owned()],
        except_clients: vec![ExceptClient {
            client: "203.0.113.7".parse().unwrap(),
            until: Some(before(SignedDuration::from_hours(-1))),
        }],
        boundary: leakgate::model::rule::Boundary::Delimited,
    };
    let expires_at = Some(before(SignedDuration::from_hours(-2)));
    let changed =
        NewPatch { mode: PatchMode::Block, scope, expires_at, force: false, tokens: None };
    let mut grace = actor();
    grace.name = "grace".to_owned();
    let made = Decide {
        patch: Some(changed.clone()),
        comment: Some("they still use it".to_owned()),
        ..decision(Decision::ApplyVirtualPatch)
    };
    let second = store.decide(TENANT, leak.id, made, &grace).await.unwrap();
    let second = second.virtual_patch.unwrap();
    assert_eq!(second.id, first.id);
    assert_eq!((second.created_by, second.created_at), (first.created_by, first.created_at));
    assert_eq!((second.mode, second.scope), (changed.mode, changed.scope));
    assert_eq!(second.expires_at, expires_at);

    let history = store.history(TENANT, leak.id).await.unwrap();
    let last = history.last().unwrap();
    assert_eq!((last.actor.as_str(), last.action.as_str()), ("grace", "apply_virtual_patch"));
    assert_eq!(last.comment.as_deref(), Some("they still use it"));
    let detail = last.detail.as_deref().unwrap();
    assert!(detail.starts_with("block, hosts: api.example.com, path prefixes: /v1"), "{detail}");

    let listed = store.virtual_patches(&one(TENANT), &Default::default()).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    assert_eq!(listed.items[0].id, first.id);
    decide(store, leak.id, Decision::Close).await.unwrap();
    let listed = store.virtual_patches(&one(TENANT), &Default::default()).await.unwrap();
    assert!(listed.items.is_empty(), "a closed leak has no rule");
}

pub async fn a_patch_takes_the_tokens_that_it_can(store: &dyn Store) {
    let tokens = vec![refused_token(store, 4, "a word"), token(store, "a")];
    let leak = store.register(registration("mixed", tokens), &actor()).await.unwrap().leak.unwrap();
    assert_eq!(leak.remediation, Remediation::None);
    let now = apply(store, leak.id, patch(PatchMode::Block)).await.unwrap();
    assert_eq!(now.remediation, Remediation::VirtualPatch);
    let history = store.history(TENANT, leak.id).await.unwrap();
    assert_eq!(
        history.last().unwrap().detail.as_deref(),
        Some("block, everywhere, without 1 token of which no rule is made")
    );
}

pub async fn a_patch_on_nothing_is_refused_with_reasons(store: &dyn Store) {
    let tokens = vec![
        refused_token(store, 7, "too short"),
        refused_token(store, 9, "a header name"),
        refused_token(store, 8, "too short"),
    ];
    let leak =
        store.register(registration("guarded", tokens), &actor()).await.unwrap().leak.unwrap();
    assert_eq!(leak.remediation, Remediation::NotApplicable);
    assert_eq!(leak.remediation_reason.as_deref(), Some("a header name; too short"));
    let error = apply(store, leak.id, patch(PatchMode::Block)).await.unwrap_err();
    let StoreError::NothingApplicable(reasons) = error else { panic!("{error:?}") };
    assert_eq!(reasons, ["a header name", "too short"]);
    assert_eq!(store.leak(TENANT, leak.id).await.unwrap(), leak);
    // The guard says nothing of a digest.
    let asked = registration("digest", vec![digest_token(store, "d")]);
    let digest = store.register(asked, &actor()).await.unwrap().leak.unwrap();
    apply(store, digest.id, patch(PatchMode::Block)).await.unwrap();
    // What is ended has no remediation, applicable or not.
    let closed = decide(store, leak.id, Decision::Close).await.unwrap();
    assert_eq!(closed.remediation, Remediation::None);
    let open = decide(store, leak.id, Decision::Reopen).await.unwrap();
    assert_eq!(open.remediation, Remediation::NotApplicable);
}

pub async fn force_overrides_the_guard_from_six_bytes(store: &dyn Store) {
    let forced = NewPatch { force: true, ..patch(PatchMode::Block) };
    let asked = registration("five", vec![refused_token(store, 5, "five bytes")]);
    let five = store.register(asked, &actor()).await.unwrap().leak.unwrap();
    let error = apply(store, five.id, forced.clone()).await.unwrap_err();
    let StoreError::NothingApplicable(reasons) = error else { panic!("{error:?}") };
    assert_eq!(reasons, ["five bytes", "force is for tokens of 6 to 16384 bytes"]);

    let asked = registration("six", vec![refused_token(store, 6, "six bytes")]);
    let six = store.register(asked, &actor()).await.unwrap().leak.unwrap();
    assert!(apply(store, six.id, patch(PatchMode::Block)).await.is_err());
    let now = apply(store, six.id, forced).await.unwrap();
    assert!(now.virtual_patch.unwrap().force);
    let audit = store.audit(&one(TENANT), &Default::default()).await.unwrap();
    assert_eq!(audit.items[0].detail.as_deref(), Some("block, everywhere, forced"));
}

pub async fn removing_no_patch_changes_nothing(store: &dyn Store) {
    let leak = leak(store, "unpatched", &["a"]).await;
    let now = decide(store, leak.id, Decision::RemoveVirtualPatch).await.unwrap();
    assert_eq!(now, leak);
    assert_eq!(store.history(TENANT, leak.id).await.unwrap().len(), 1);

    apply(store, leak.id, patch(PatchMode::Block)).await.unwrap();
    let now = decide(store, leak.id, Decision::RemoveVirtualPatch).await.unwrap();
    assert!(now.virtual_patch.is_none());
    assert_eq!(now.remediation, Remediation::None);
    let history = store.history(TENANT, leak.id).await.unwrap();
    assert_eq!(
        history.last().unwrap().detail.as_deref(),
        Some("virtual patch removed: block, everywhere")
    );
}

pub async fn ended_patches_are_removed(store: &dyn Store) {
    let now = clock::now();
    let ending = leak(store, "ending", &["a"]).await;
    let lasting = leak(store, "lasting", &["b"]).await;
    let ends = NewPatch { expires_at: Some(now), ..patch(PatchMode::Block) };
    apply(store, ending.id, ends).await.unwrap();
    let later = NewPatch {
        expires_at: Some(now.checked_add(SignedDuration::from_secs(1)).unwrap()),
        ..patch(PatchMode::Block)
    };
    apply(store, lasting.id, later).await.unwrap();

    assert_eq!(store.expire_patches(now).await.unwrap(), [ending.id]);
    assert!(store.expire_patches(now).await.unwrap().is_empty());
    let ended = store.leak(TENANT, ending.id).await.unwrap();
    assert_eq!((ended.virtual_patch, ended.remediation), (None, Remediation::None));
    assert_eq!(ended.status, Status::Open);
    assert!(store.leak(TENANT, lasting.id).await.unwrap().virtual_patch.is_some());
    let history = store.history(TENANT, ending.id).await.unwrap();
    let last = history.last().unwrap();
    assert_eq!((last.actor.as_str(), last.action.as_str()), ("system", "expire_virtual_patch"));
    assert!(last.detail.as_deref().unwrap().starts_with("expired; "));
}

pub async fn reopening_clears_the_resolution(store: &dyn Store) {
    let leak = leak(store, "resolved", &["a"]).await;
    apply(store, leak.id, patch(PatchMode::Block)).await.unwrap();
    let close = Decide {
        resolution: Some(Resolution::Revoked),
        comment: Some("revoked at noon".to_owned()),
        ..decision(Decision::Close)
    };
    let closed = store.decide(TENANT, leak.id, close, &actor()).await.unwrap();
    assert_eq!(closed.resolution, Some(Resolution::Revoked));
    assert_eq!((closed.virtual_patch.is_none(), closed.token_count), (true, 1));
    let history = store.history(TENANT, leak.id).await.unwrap();
    let last = history.last().unwrap();
    assert_eq!(
        last.detail.as_deref(),
        Some("resolution: revoked; virtual patch removed: block, everywhere")
    );
    assert_eq!(last.comment.as_deref(), Some("revoked at noon"));
    let open = decide(store, leak.id, Decision::Reopen).await.unwrap();
    assert_eq!((open.status, open.resolution), (Status::Open, None));
    assert_eq!(open.remediation, Remediation::None, "a patch is applied again, or none is");
}

pub async fn only_open_and_lately_closed_leaks_are_enforced(store: &dyn Store) {
    let open = leak(store, "open", &["a"]).await;
    let patched = leak(store, "patched", &["b"]).await;
    apply(store, patched.id, patch(PatchMode::Block)).await.unwrap();
    let closed = leak(store, "closed", &["c"]).await;
    decide(store, closed.id, Decision::Close).await.unwrap();
    let marked = leak(store, "false", &["d"]).await;
    decide(store, marked.id, Decision::MarkFalse).await.unwrap();

    let now = clock::now();
    let enforced = store.enforced_leaks(now, 30).await.unwrap();
    let ids: Vec<_> = enforced.iter().map(|leak| leak.id).collect();
    assert_eq!(ids, [open.id, patched.id, closed.id]);
    assert_eq!(enforced[1].virtual_patch.as_ref().unwrap().mode, PatchMode::Block);
    assert_eq!(enforced[1].tenant, TENANT);
    assert_eq!(enforced[2].status, Status::Closed);
    assert!(enforced[2].closed_at.is_some() && enforced[0].closed_at.is_none());

    let later = now.checked_add(SignedDuration::from_hours(30 * 24)).unwrap();
    let ids = |found: Vec<leakgate::store::types::EnforcedLeak>| -> Vec<_> {
        found.iter().map(|leak| leak.id).collect()
    };
    let after = later.checked_add(SignedDuration::from_secs(60)).unwrap();
    assert_eq!(ids(store.enforced_leaks(after, 30).await.unwrap()), [open.id, patched.id]);
    assert_eq!(ids(store.enforced_leaks(after, 31).await.unwrap()).len(), 3);
}

pub async fn the_bypass_ends_by_itself(store: &dyn Store) {
    assert_eq!(store.bypass().await.unwrap(), Bypass::default());
    let on = Bypass {
        on: true,
        reason: Some("false alarm".to_owned()),
        expires_at: Some(before(SignedDuration::from_hours(-1))),
        ..Bypass::default()
    };
    store.set_bypass(on.clone(), &actor()).await.unwrap();
    let now = store.bypass().await.unwrap();
    assert!(now.on);
    assert_eq!(now.reason.as_deref(), Some("false alarm"));
    assert_eq!(now.changed_by.as_deref(), Some("ada"));
    assert!(now.changed_at.is_some());

    let ended = Bypass { expires_at: Some(before(SignedDuration::from_secs(1))), ..on };
    store.set_bypass(ended, &actor()).await.unwrap();
    assert!(!store.bypass().await.unwrap().on);
    store.set_bypass(Bypass::default(), &actor()).await.unwrap();
    assert!(!store.bypass().await.unwrap().on);
    let audit = store.audit(&one(TENANT), &Default::default()).await.unwrap();
    let actions: Vec<_> = audit.items.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["bypass_off", "bypass_on", "bypass_on"]);
    assert!(audit.items[1].detail.as_deref().unwrap().starts_with("false alarm; expires "));
}

pub async fn decisions_at_once_leave_one_state(store: &dyn Store) {
    let made = leak(store, "argued about", &["a"]).await;
    let decisions = (0..40).map(|number| async move {
        match number % 4 {
            0 => apply(store, made.id, patch(PatchMode::Block)).await.is_ok(),
            1 => decide(store, made.id, Decision::Close).await.is_ok(),
            2 => decide(store, made.id, Decision::Reopen).await.is_ok(),
            _ => store.comment(TENANT, made.id, "hm", &actor()).await.is_ok(),
        }
    });
    let ada = actor();
    let made_known = store.register(registration("again", vec![token(store, "a")]), &ada);
    let (taken, again) = tokio::join!(futures_util::future::join_all(decisions), made_known);
    assert_eq!(again.unwrap().merged.len(), 1);
    let taken = taken.into_iter().filter(|taken| *taken).count();

    // What happened, one after the other, leads to what there is.
    let mut status = Status::Open;
    let mut is_patched = false;
    let mut entries = 0;
    for entry in store.history(TENANT, made.id).await.unwrap() {
        let Some(decision) = Decision::from_name(&entry.action) else { continue };
        entries += 1;
        status = status.after(decision).unwrap();
        is_patched = decision == Decision::ApplyVirtualPatch;
    }
    let comments = store.comments(TENANT, made.id).await.unwrap().len();
    assert_eq!((comments, entries + comments), (10, taken));
    let leak = store.leak(TENANT, made.id).await.unwrap();
    assert_eq!((leak.status, leak.virtual_patch.is_some()), (status, is_patched));
}
