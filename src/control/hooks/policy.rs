//! What a hook's policy does with what a partner reports.

use std::collections::BTreeMap;

use super::Ready;
use crate::control::intake;
use crate::control::publish::Touched;
use crate::model::ids::{LeakId, TokenId};
use crate::model::leak::Leak;
use crate::model::role::Actor;
use crate::store::types::Decide;
use crate::store::{Store, StoreError};

/// What became of some matches.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) made: u64,
    pub(super) merged: u64,
    pub(super) patched: u64,
}

/// Who registers, and who decides what, inside the publisher's lock.
pub(super) struct Deciding<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) reporter: &'a Actor,
    pub(super) policy: &'a Actor,
    pub(super) decide: Option<&'a Decide>,
}

impl Deciding<'_> {
    /// Registers matches and lets the policy decide about their leaks.
    pub(super) async fn take(
        &self,
        group: Vec<Ready>,
        touched: &mut Vec<Touched>,
    ) -> Result<Taken, StoreError> {
        let mut taken = Taken::default();
        // The known leaks that have a match's token, and how many tokens that were.
        let mut known: BTreeMap<LeakId, u64> = BTreeMap::new();
        for ready in group {
            let (before, texts) = (TokenId::new(), ready.registration.tokens.clone());
            let mut registered = self.store.register(ready.registration, self.reporter).await?;
            for merged in &registered.merged {
                let tokens = known.entry(merged.leak).or_default();
                *tokens = merged.tokens.max(*tokens);
            }
            if let (Some(leak), Some(decide)) = (registered.leak.as_mut(), self.decide) {
                taken.patched += u64::from(self.patch(decide, leak).await?);
            }
            taken.made += u64::from(registered.leak.is_some());
            taken.merged += u64::from(registered.leak.is_none());
            touched.extend(intake::touched(&registered, &self.reporter.tenant, before, texts));
        }
        if let Some(decide) = self.decide {
            taken.patched += self.catch_up(decide, &known, touched).await?;
        }
        Ok(taken)
    }

    /// Decides about known leaks as about new ones: a report that broke off is sent again, and must
    /// not end without its patch. What anybody has decided about, or has other tokens as well, is
    /// left as it is.
    async fn catch_up(
        &self,
        decide: &Decide,
        known: &BTreeMap<LeakId, u64>,
        touched: &mut Vec<Touched>,
    ) -> Result<u64, StoreError> {
        let mut patched = 0;
        let ids: Vec<LeakId> = known.keys().copied().collect();
        for (id, tokens) in self.store.undecided(&self.policy.tenant, &ids).await? {
            if known.get(&id) != Some(&tokens) {
                continue;
            }
            if let Ok(leak) = self.decided(decide, id).await? {
                patched += 1;
                touched.push(Touched::Rule(Box::new(leak)));
            }
        }
        Ok(patched)
    }

    /// Applies the policy's virtual patch to a new leak; answers whether it could be. Where the guard
    /// refuses its token, a comment says so.
    async fn patch(&self, decide: &Decide, leak: &mut Leak) -> Result<bool, StoreError> {
        match self.decided(decide, leak.id).await? {
            Ok(patched) => {
                *leak = patched;
                Ok(true)
            }
            Err(reasons) => {
                if !reasons.is_empty() {
                    let text = format!("No virtual patch was applied: {}", reasons.join("; "));
                    self.store.comment(&self.policy.tenant, leak.id, &text, self.policy).await?;
                }
                Ok(false)
            }
        }
    }

    /// The leak with the policy's virtual patch, or why none could be applied.
    async fn decided(
        &self,
        decide: &Decide,
        id: LeakId,
    ) -> Result<Result<Leak, Vec<String>>, StoreError> {
        match self.store.decide(&self.policy.tenant, id, decide.clone(), self.policy).await {
            Ok(patched) => Ok(Ok(patched)),
            // Another process has closed it meanwhile: that stays.
            Err(StoreError::NotAllowed(_)) => Ok(Err(Vec::new())),
            Err(StoreError::NothingApplicable(reasons)) => Ok(Err(reasons)),
            Err(error) => Err(error),
        }
    }
}
