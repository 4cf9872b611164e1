//! Decisions that take two persons.

use jiff::SignedDuration;
use leakgate::model::clock;
use leakgate::model::ids::LeakId;
use leakgate::model::leak::{Decision, Leak, Remediation, Status};
use leakgate::model::proposal::{Proposal, ProposalKind, ProposalState};
use leakgate::model::role::{Actor, Role};
use leakgate::model::rule::{ModeOfToken, PatchMode, TokenMode};
use leakgate::store::types::{
    Bypass, Conditions, Decide, Edit, NewApiToken, NewPatch, ProposalQuery, Second, Verdict,
};
use leakgate::store::{Store, StoreError};

use crate::given::{TENANT, actor, apply, decide, decision, leak, one, patch, token};

fn another() -> Actor {
    Actor { name: "grace".to_owned(), ..actor() }
}

fn block() -> Decide {
    Decide { patch: Some(patch(PatchMode::Block)), ..decision(Decision::ApplyVirtualPatch) }
}

async fn turned_on(store: &dyn Store) {
    assert_eq!(store.set_four_eyes(TENANT, true, None, &actor()).await.unwrap(), None);
    assert!(store.four_eyes(TENANT).await.unwrap());
    assert_eq!(store.four_eyes_tenants().await.unwrap(), [TENANT]);
}

/// How many wait, of up to 10.
async fn waiting(store: &dyn Store) -> u64 {
    store.waiting(&one(TENANT), 10).await.unwrap()
}

async fn asked(store: &dyn Store, kind: ProposalKind) -> Vec<Proposal> {
    let query = ProposalQuery {
        kind: vec![kind],
        state: vec![ProposalState::Pending],
        ..ProposalQuery::default()
    };
    store.proposals(&one(TENANT), &query).await.unwrap().items
}

/// Of a decision that takes two.
async fn refused(store: &dyn Store, id: LeakId, made: Decide) {
    let result = store.decide(TENANT, id, made, &actor()).await;
    assert!(matches!(result, Err(StoreError::NeedsTwo)), "{result:?}");
}

async fn blocked(store: &dyn Store, name: &str) -> Leak {
    let made = leak(store, name, &[name]).await;
    let proposal = store.propose(TENANT, made.id, block(), &actor()).await.unwrap();
    let approve = Verdict::Approve;
    let done = store.settle_proposal(TENANT, proposal.id, approve, None, &another()).await;
    done.unwrap().1.unwrap()
}

pub async fn a_block_takes_another_person(store: &dyn Store) {
    let made = leak(store, "two", &["a", "b"]).await;
    turned_on(store).await;
    refused(store, made.id, block()).await;
    // So does one of a single token; monitoring takes one.
    let single = ModeOfToken { id: made.tokens[0].id, mode: TokenMode::Block };
    let single = NewPatch { tokens: Some(vec![single]), ..patch(PatchMode::Monitoring) };
    let single = Decide { patch: Some(single), ..decision(Decision::ApplyVirtualPatch) };
    refused(store, made.id, single).await;
    let watch = patch(PatchMode::Monitoring);
    let watch = Decide { patch: Some(watch), ..decision(Decision::ApplyVirtualPatch) };
    store.decide(TENANT, made.id, watch, &actor()).await.unwrap();

    let reason = Decide { comment: Some("they use it".to_owned()), ..block() };
    let first = store.propose(TENANT, made.id, block(), &actor()).await.unwrap();
    let second = store.propose(TENANT, made.id, reason, &actor()).await.unwrap();
    assert_eq!(asked(store, ProposalKind::Decision).await, std::slice::from_ref(&second));
    assert_eq!((second.proposed_by.as_str(), second.leak), ("ada", Some(made.id)));
    assert!(second.is_of_user("ada") && !second.is_of_user("grace"));
    assert_eq!(waiting(store).await, 1, "what is superseded waits no longer");
    assert_eq!(store.waiting(&one("another"), 10).await.unwrap(), 0);
    assert_eq!(store.waiting(&leakgate::model::tenant::Tenants::All, 10).await.unwrap(), 1);
    let gone = store.proposal(first.id).await.unwrap().unwrap();
    assert_eq!(gone.state, ProposalState::Superseded);
    let now = store.leak(TENANT, made.id).await.unwrap();
    assert_eq!(now.virtual_patch.unwrap().mode, PatchMode::Monitoring, "nothing is done yet");

    let settle = async |who: &Actor, verdict| {
        store.settle_proposal(TENANT, second.id, verdict, Some("yes"), who).await
    };
    let same = settle(&actor(), Verdict::Approve).await;
    assert!(matches!(same, Err(StoreError::SamePerson)), "{same:?}");
    let (done, now) = settle(&another(), Verdict::Approve).await.unwrap();
    assert_eq!((done.state, done.settled_by.as_deref()), (ProposalState::Approved, Some("grace")));
    let now = now.unwrap();
    assert_eq!(now.virtual_patch.unwrap().mode, PatchMode::Block);
    let again = settle(&another(), Verdict::Approve).await;
    assert!(matches!(again, Err(StoreError::Settled(ProposalState::Approved))), "{again:?}");
    let history = store.history(TENANT, made.id).await.unwrap();
    let last = history.last().unwrap();
    assert_eq!((last.actor.as_str(), last.comment.as_deref()), ("grace", Some("they use it")));
    assert!(last.detail.as_deref().unwrap().ends_with("proposed by ada"), "{last:?}");
    assert!(asked(store, ProposalKind::Decision).await.is_empty());
    assert_eq!(waiting(store).await, 0);
    // A decision of the configuration is one already.
    let free = leak(store, "free", &["c"]).await;
    let conditions = Conditions { second: Second::Exempt, ..Conditions::default() };
    let exempt = Decide { conditions, ..block() };
    store.decide(TENANT, free.id, exempt, &actor()).await.unwrap();
}

pub async fn what_weakens_a_block_takes_another_person(store: &dyn Store) {
    turned_on(store).await;
    let made = blocked(store, "weak").await;
    for weaker in [Decision::RemoveVirtualPatch, Decision::Close, Decision::MarkFalse] {
        refused(store, made.id, decision(weaker)).await;
    }
    let watch = patch(PatchMode::Monitoring);
    let watch = Decide { patch: Some(watch), ..decision(Decision::ApplyVirtualPatch) };
    refused(store, made.id, watch).await;
    let edit = Edit { add_tokens: vec![token(store, "more")], ..Edit::default() };
    let edited = store.edit(TENANT, made.id, edit, &actor()).await;
    assert!(matches!(edited, Err(StoreError::NeedsTwo)), "{edited:?}");
    let title = Edit { title: Some("other".to_owned()), ..Edit::default() };
    store.edit(TENANT, made.id, title, &actor()).await.unwrap();

    // Rejected, also by who asked; then approved.
    let close = decision(Decision::Close);
    let proposal = store.propose(TENANT, made.id, close.clone(), &actor()).await.unwrap();
    let reject = Verdict::Reject;
    let done = store.settle_proposal(TENANT, proposal.id, reject, None, &actor()).await.unwrap();
    assert_eq!((done.0.state, done.1), (ProposalState::Rejected, None));
    assert_eq!(store.leak(TENANT, made.id).await.unwrap().status, Status::Open);
    let proposal = store.propose(TENANT, made.id, close, &actor()).await.unwrap();
    let theirs = store.settle_proposal("other", proposal.id, reject, None, &another()).await;
    assert!(matches!(theirs, Err(StoreError::NotFound(_))), "{theirs:?}");
    let approve = Verdict::Approve;
    let done = store.settle_proposal(TENANT, proposal.id, approve, None, &another()).await;
    assert_eq!(done.unwrap().1.unwrap().status, Status::Closed);
    // What cannot be done is not proposed, and what cannot be done any more is not approved.
    let again = store.propose(TENANT, made.id, decision(Decision::Close), &actor()).await;
    assert!(matches!(again, Err(StoreError::NotAllowed(_))), "{again:?}");
    decide(store, made.id, Decision::Reopen).await.unwrap();
    let proposal = store.propose(TENANT, made.id, block(), &actor()).await.unwrap();
    decide(store, made.id, Decision::Close).await.unwrap();
    let late = store.settle_proposal(TENANT, proposal.id, approve, None, &another()).await;
    assert!(matches!(late, Err(StoreError::Settled(ProposalState::Superseded))), "{late:?}");
}

/// Whoever approves approves what was asked for: of other tokens, or once a patch has ended, it is
/// something else.
pub async fn what_was_asked_of_another_state_waits_no_more(store: &dyn Store) {
    turned_on(store).await;
    let made = leak(store, "changes", &["a", "b"]).await;
    let state = async |of: &Proposal| store.proposal(of.id).await.unwrap().unwrap().state;
    let ask = async || store.propose(TENANT, made.id, block(), &actor()).await.unwrap();
    let edit = async |edit: Edit| store.edit(TENANT, made.id, edit, &actor()).await.unwrap();

    let waiting = ask().await;
    edit(Edit { title: Some("another".to_owned()), ..Edit::default() }).await;
    edit(Edit { add_tokens: vec![token(store, "a")], ..Edit::default() }).await;
    assert_eq!(state(&waiting).await, ProposalState::Pending, "the tokens are the same");
    edit(Edit { add_tokens: vec![token(store, "c")], ..Edit::default() }).await;
    assert_eq!(state(&waiting).await, ProposalState::Superseded);
    let approve = Verdict::Approve;
    let late = store.settle_proposal(TENANT, waiting.id, approve, None, &another()).await;
    assert!(matches!(late, Err(StoreError::Settled(ProposalState::Superseded))), "{late:?}");

    let waiting = ask().await;
    edit(Edit { remove_tokens: vec![made.tokens[0].id], ..Edit::default() }).await;
    assert_eq!(state(&waiting).await, ProposalState::Superseded);

    let soon = clock::now() + SignedDuration::from_secs(60);
    let ending = NewPatch { expires_at: Some(soon), ..patch(PatchMode::Monitoring) };
    apply(store, made.id, ending).await.unwrap();
    let (waiting, other) = (ask().await, leak(store, "other", &["z"]).await);
    let untouched = store.propose(TENANT, other.id, block(), &actor()).await.unwrap();
    assert_eq!(store.expire_patches(soon).await.unwrap(), [made.id]);
    assert_eq!(state(&waiting).await, ProposalState::Superseded);
    assert_eq!(state(&untouched).await, ProposalState::Pending, "it is about another leak");
}

pub async fn haste_leaves_a_review_open(store: &dyn Store) {
    let made = leak(store, "haste", &["a"]).await;
    let hasty = || Conditions {
        second: Second::Afterwards("it burns".to_owned()),
        ..Conditions::default()
    };
    // One person is enough here: nothing is left to review.
    let one_is_enough = Decide { conditions: hasty(), ..block() };
    store.decide(TENANT, made.id, one_is_enough.clone(), &actor()).await.unwrap();
    assert!(asked(store, ProposalKind::Review).await.is_empty());
    decide(store, made.id, Decision::RemoveVirtualPatch).await.unwrap();
    turned_on(store).await;
    let now = store.decide(TENANT, made.id, one_is_enough, &actor()).await.unwrap();
    assert_eq!(now.remediation, Remediation::VirtualPatch, "it acts at once");
    let edit =
        Edit { add_tokens: vec![token(store, "more")], conditions: hasty(), ..Edit::default() };
    store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    let bypass = Bypass { on: true, reason: Some("all is down".to_owned()), ..Bypass::default() };
    store.set_tenant_bypass(TENANT, bypass, &actor()).await.unwrap();
    let open = asked(store, ProposalKind::Review).await;
    let of: Vec<_> = open
        .iter()
        .map(|review| (review.action.as_str(), review.comment.as_deref().unwrap()))
        .collect();
    assert_eq!(
        of,
        [("bypass_on", "all is down"), ("edit", "it burns"), ("apply_virtual_patch", "it burns")]
    );
    for review in &open {
        let settle = async |who: &Actor, verdict| {
            store.settle_proposal(TENANT, review.id, verdict, Some("seen"), who).await
        };
        let same = settle(&actor(), Verdict::Acknowledge).await;
        assert!(matches!(same, Err(StoreError::SamePerson)), "{same:?}");
        let other = settle(&another(), Verdict::Approve).await;
        assert!(matches!(other, Err(StoreError::NotFound(_))), "a review is not approved");
        let done = settle(&another(), Verdict::Acknowledge).await.unwrap().0;
        assert_eq!(done.state, ProposalState::Acknowledged);
        assert_eq!(done.settled_comment.as_deref(), Some("seen"));
    }
    assert!(asked(store, ProposalKind::Review).await.is_empty());
}

pub async fn one_person_cannot_turn_it_off(store: &dyn Store) {
    turned_on(store).await;
    let off = store.set_four_eyes(TENANT, false, Some("too slow"), &actor()).await.unwrap();
    let off = off.unwrap();
    assert_eq!((off.kind, off.comment.as_deref()), (ProposalKind::FourEyesOff, Some("too slow")));
    assert!(store.four_eyes(TENANT).await.unwrap());
    let approve = Verdict::Approve;
    let same = store.settle_proposal(TENANT, off.id, approve, None, &actor()).await;
    assert!(matches!(same, Err(StoreError::SamePerson)), "{same:?}");
    store.settle_proposal(TENANT, off.id, approve, None, &another()).await.unwrap();
    assert!(!store.four_eyes(TENANT).await.unwrap());
    let made = leak(store, "one", &["a"]).await;
    store.decide(TENANT, made.id, block(), &actor()).await.unwrap();
    let audit = store.audit(&one(TENANT), &Default::default()).await.unwrap().items;
    let off = audit.iter().find(|entry| entry.action == "four_eyes_off").unwrap();
    assert_eq!((off.actor.as_str(), off.detail.as_deref()), ("grace", Some("proposed by ada")));
    assert_eq!(off.changed[0].after.as_deref(), Some("false"));
    let nowhere = store.set_four_eyes("nowhere", true, None, &actor()).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound(_))), "{nowhere:?}");
}

pub async fn persons_are_behind_their_api_tokens(store: &dyn Store) {
    turned_on(store).await;
    let made = leak(store, "persons", &["a"]).await;
    let of = async |maker: &Actor, name: &str| {
        let token = NewApiToken {
            tenant: TENANT.to_owned(),
            name: name.to_owned(),
            role: Role::Administrator,
            expires_at: None,
            hash: [name.len() as u8; 32],
        };
        let token = store.add_api_token(token, maker).await.unwrap();
        Actor { name: name.to_owned(), api_token: Some(token.id), ..actor() }
    };
    // One person with a session, an API token, and another one made with that.
    let script = of(&actor(), "script").await;
    let nested = of(&script, "nested one").await;
    let theirs = of(&another(), "theirs, of another").await;
    let proposal = store.propose(TENANT, made.id, block(), &script).await.unwrap();
    let approve = Verdict::Approve;
    for same in [&actor(), &script, &nested] {
        let refused = store.settle_proposal(TENANT, proposal.id, approve, None, same).await;
        assert!(matches!(refused, Err(StoreError::SamePerson)), "{}: {refused:?}", same.name);
    }
    store.settle_proposal(TENANT, proposal.id, approve, None, &theirs).await.unwrap();
}
