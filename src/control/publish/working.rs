//! The working copy: every rule and token that is enforced or watched.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::config::limits;
use crate::matcher::{PatchsetWriter, Rule};
use crate::model::fingerprint::Fingerprint;
use crate::model::ids::{LeakId, PatchId, TokenId};
use crate::model::leak::Status;
use crate::model::rule::{Action, ModeOfToken, VirtualPatch};
use crate::model::tenant::{Owner, TenantKey};
use crate::model::token::TokenMaterial;
use crate::store::types::{EnforcedLeak, EnforcedToken, NewToken};

use super::Touched;

/// The working copy and what is known of it.
#[derive(Default)]
pub(super) struct Working {
    pub(super) writer: PatchsetWriter,
    pub(super) leaks: HashMap<LeakId, Entry>,
    /// Tokens of which only the digest is in, and the leaks that have each: a text that is reported
    /// later takes the digest's place.
    digests: HashMap<(TenantKey, Fingerprint), (TokenId, Vec<LeakId>)>,
    /// Each tenant once, however many rules it has.
    owners: HashMap<String, Owner>,
    /// Leaks whose change is stored but could not be taken over: repaired before the next build.
    pub(super) doubtful: Vec<LeakId>,
    /// Whether leaks may have been added to the store, or patches ended there, unseen.
    pub(super) all_doubtful: bool,
    /// The last of the changes of all processes that was taken over.
    pub(super) place: i64,
    /// How many changes were taken over, and how many of them are in the last build.
    pub(super) changes: u64,
    pub(super) built: u64,
    /// How often what is here of each tenant was changed.
    versions: HashMap<TenantKey, u64>,
    /// Whether its tables are being compiled anew.
    pub(super) rebuilding: bool,
}

/// What the working copy holds of one leak.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    tenant: TenantKey,
    /// Whether tokens are in that only force brought in.
    pub(super) forced: bool,
    /// Its patch.
    pub(super) patch: Option<PatchId>,
    /// When its patch ends.
    pub(super) expires_at: Option<Timestamp>,
    /// When its watch ends.
    pub(super) watch_until: Option<Timestamp>,
}

impl Working {
    /// The tenant of this id, as rules name it.
    pub(super) fn owner(&mut self, tenant: &str) -> Owner {
        if let Some(owner) = self.owners.get(tenant) {
            return owner.clone();
        }
        let owner = Owner::of(tenant);
        self.owners.insert(tenant.to_owned(), owner.clone());
        owner
    }

    /// Counts up with each change of what is here of the tenant.
    pub(super) fn version(&self, tenant: TenantKey) -> u64 {
        self.versions.get(&tenant).copied().unwrap_or_default()
    }

    fn changed(&mut self, tenant: TenantKey) {
        *self.versions.entry(tenant).or_default() += 1;
    }

    pub(super) fn set(&mut self, rule: Rule, forced: bool) {
        let tenant = rule.owner.key;
        let entry = Entry {
            tenant: rule.owner.key,
            forced,
            patch: rule.patch,
            expires_at: rule.expires_at,
            watch_until: rule.watch_until,
        };
        self.leaks.insert(rule.leak, entry);
        if self.writer.set_rule(rule) {
            self.changed(tenant);
        }
    }

    pub(super) fn add(&mut self, leak: LeakId, tokens: &[EnforcedToken], forced: bool) {
        let tenant = self.leaks.get(&leak).map(|entry| entry.tenant).unwrap_or_default();
        for token in tokens.iter().filter(|token| applies(token, forced)) {
            if !self.writer.add_token(leak, token.id, token.fingerprint, &token.material) {
                // Whoever decides is told the same by the store: this is for what it knows amiss.
                tracing::error!(%leak, token = %token.fingerprint, "no rule could be made of a token");
                continue;
            }
            self.changed(tenant);
            match token.material {
                TokenMaterial::Digest(_) => {
                    let known = self.digests.entry((tenant, token.fingerprint));
                    let (_, leaks) = known.or_insert_with(|| (token.id, Vec::new()));
                    if !leaks.contains(&leak) {
                        leaks.push(leak);
                    }
                }
                TokenMaterial::Text(_) => {
                    self.digests.remove(&(tenant, token.fingerprint));
                }
            }
        }
    }

    /// Puts the texts of a tenant's tokens in of which only the digest was in.
    pub(super) fn learn(&mut self, tenant: &str, tokens: &[NewToken]) {
        let tenant = TenantKey::of(tenant);
        for token in tokens.iter().filter(|token| token.not_applicable.is_none()) {
            if let TokenMaterial::Text(_) = token.material
                && let Some((id, leaks)) = self.digests.remove(&(tenant, token.fingerprint))
                && let Some(leak) = leaks.first()
            {
                self.writer.add_token(*leak, id, token.fingerprint, &token.material);
                self.changed(tenant);
            }
        }
    }

    /// Puts the tokens that have a mode of their own under a rule of their own, and all others of the
    /// leak under its rule.
    pub(super) fn set_modes(&mut self, rule: &Rule, modes: &[ModeOfToken]) {
        let modes = if rule.patch.is_some() { modes } else { &[] };
        let tokens: Vec<_> = modes.iter().map(|of| (of.id, Action::from(of.mode))).collect();
        let used = |action: &Action| tokens.iter().any(|(_, other)| other == action);
        let rules = Action::ALL.iter().filter(|action| used(action));
        let rules = rules.map(|action| apart(rule, *action)).collect();
        if self.writer.set_apart(rule.leak, rules, &tokens) {
            self.changed(rule.owner.key);
        }
    }

    pub(super) fn remove(&mut self, leak: LeakId, tokens: &[TokenId]) {
        if let Some(entry) = self.leaks.get(&leak)
            && !tokens.is_empty()
        {
            self.changed(entry.tenant);
        }
        for id in tokens {
            self.writer.remove_token(leak, *id);
        }
        if !self.digests.is_empty() && !tokens.is_empty() {
            self.forget_digests(leak, |id| tokens.contains(id));
        }
    }

    pub(super) fn forget(&mut self, leak: LeakId) {
        if let Some(entry) = self.leaks.remove(&leak) {
            self.changed(entry.tenant);
            self.writer.remove_leak(leak);
            self.forget_digests(leak, |_| true);
        }
    }

    /// Takes a leak off those of its tokens of which only the digest is in.
    fn forget_digests(&mut self, leak: LeakId, which: impl Fn(&TokenId) -> bool) {
        self.digests.retain(|_, (id, leaks)| {
            if which(id) {
                leaks.retain(|of| *of != leak);
            }
            !leaks.is_empty()
        });
    }

    /// Whether anything has to be read again.
    pub(super) fn is_doubtful(&self) -> bool {
        self.all_doubtful || !self.doubtful.is_empty()
    }

    /// Notes what has to be read again.
    pub(super) fn doubt(&mut self, touched: &Touched) {
        match touched.leak() {
            Some(leak) => self.doubtful.push(leak),
            None => self.all_doubtful = true,
        }
    }

    /// Doubts each leak that the store does not have as it is here.
    pub(super) fn doubt_where_other(&mut self, stored: &HashMap<LeakId, EnforcedLeak>) {
        for (id, leak) in stored {
            let patch = leak.virtual_patch.as_ref().map(|patch| patch.id);
            if self.leaks.get(id).is_none_or(|entry| entry.patch != patch) {
                self.doubtful.push(*id);
            }
        }
        self.doubtful.extend(self.leaks.keys().filter(|id| !stored.contains_key(id)));
    }

    /// The leaks whose watch is over.
    pub(super) fn over(&self, now: Timestamp) -> Vec<LeakId> {
        self.leaks
            .iter()
            .filter(|(_, entry)| entry.watch_until.is_some_and(|until| until <= now))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Milliseconds of the time when the next patch or watch ends.
    pub(super) fn next_due(&self) -> i64 {
        self.leaks
            .values()
            .flat_map(|entry| [entry.expires_at, entry.watch_until])
            .flatten()
            .map(Timestamp::as_millisecond)
            .min()
            .unwrap_or(i64::MAX)
    }
}

/// The rule on those tokens of a leak with which something else is done than with the others.
fn apart(rule: &Rule, action: Action) -> Rule {
    if action == Action::Observe {
        // Watched as without a patch: everywhere, and for as long as the leak is open.
        return Rule { owner: rule.owner.clone(), ..Rule::new(rule.leak, action) };
    }
    Rule { action, ..rule.clone() }
}

/// Whether a rule is made of the token.
fn applies(token: &EnforcedToken, forced: bool) -> bool {
    match token.material.length() {
        None => true,
        Some(length) => {
            token.not_applicable.is_none()
                || (forced && (limits::TOKEN_BYTES_FORCED..=limits::TOKEN_BYTES).contains(&length))
        }
    }
}

/// What a leak asks for its tokens; absent where it is neither enforced nor watched.
pub(super) fn rule(
    (leak, owner): (LeakId, Owner),
    status: Status,
    patch: Option<&VirtualPatch>,
    closed_at: Option<Timestamp>,
    watch_closed_days: u32,
    now: Timestamp,
) -> Option<Rule> {
    let observe = Rule { owner, ..Rule::new(leak, Action::Observe) };
    match (status, patch) {
        (Status::Open, Some(patch)) => Some(Rule {
            patch: Some(patch.id),
            action: patch.mode.into(),
            scope: patch.scope.clone(),
            expires_at: patch.expires_at,
            ..observe
        }),
        (Status::Open, None) => Some(observe),
        (Status::Closed, _) => {
            let watch = SignedDuration::from_hours(24 * i64::from(watch_closed_days));
            let until = closed_at.unwrap_or(now).checked_add(watch).unwrap_or(Timestamp::MAX);
            (until > now).then_some(Rule { watch_until: Some(until), ..observe })
        }
        (Status::FalsePositive, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock;
    use crate::model::rule::PatchMode;
    use crate::model::rule::Scope;

    #[test]
    fn rules_follow_status_and_patch() {
        let leak = LeakId::new();
        let now = clock::now();
        let patch = VirtualPatch {
            id: PatchId::new(),
            leak,
            mode: PatchMode::Block,
            scope: Scope { methods: vec!["POST".to_owned()], ..Scope::default() },
            expires_at: Some(now),
            force: false,
            created_by: "admin".to_owned(),
            created_at: now,
        };
        let made =
            rule((leak, Owner::default()), Status::Open, Some(&patch), None, 30, now).unwrap();
        assert_eq!((made.action, made.patch), (Action::Block, Some(patch.id)));
        assert_eq!((&made.scope, made.expires_at), (&patch.scope, Some(now)));

        let made = rule((leak, Owner::default()), Status::Open, None, None, 30, now).unwrap();
        assert_eq!((made.action, made.patch, made.watch_until), (Action::Observe, None, None));

        let ago = |hours| now - SignedDuration::from_hours(hours);
        let made =
            rule((leak, Owner::default()), Status::Closed, None, Some(ago(24)), 30, now).unwrap();
        assert_eq!(made.action, Action::Observe);
        assert_eq!(made.watch_until, Some(ago(24) + SignedDuration::from_hours(24 * 30)));
        assert_eq!(
            rule((leak, Owner::default()), Status::Closed, None, Some(ago(24 * 30)), 30, now),
            None
        );
        assert_eq!(rule((leak, Owner::default()), Status::Closed, None, Some(now), 0, now), None);
        assert_eq!(
            rule((leak, Owner::default()), Status::FalsePositive, None, None, 30, now),
            None
        );
    }
}
