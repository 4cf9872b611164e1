//! Decisions about a leak, and changes to it. Each is stored, published and in force when it
//! returns.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::intake::{self, Texts, fits};
use super::problem::Problem;
use super::publish::Touched;
use super::{Control, api, scope};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::{LeakId, TokenId};
use crate::model::leak::{Comment, Decision, Leak, Resolution, Risk, Source};
use crate::model::object;
use crate::model::proposal::Proposal;
use crate::model::role::Actor;
use crate::model::rule::{ModeOfToken, PatchMode, Scope};
use crate::model::secret::Secret;
use crate::store::types::{Conditions, Decide, Edit, NewPatch, Second};

/// A virtual patch to apply. Left out whole, it blocks everywhere.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PatchRequest {
    /// What it does; `block` where it is not said.
    pub mode: Option<PatchMode>,
    /// Where it acts; everywhere where it is not said.
    #[serde(deserialize_with = "object::optional")]
    pub scope: Option<Scope>,
    /// When it ends by itself.
    #[serde(deserialize_with = "api::time")]
    pub expires_at: Option<Timestamp>,
    /// Whether to override the guard, for tokens of 6 bytes and more.
    pub force: bool,
    /// The modes of single tokens where the leak is mixed, up to 1,000, in the place of those that
    /// were said before; where it is not said, these stay.
    #[serde(deserialize_with = "object::optional_list")]
    pub tokens: Option<Vec<ModeOfToken>>,
    /// What is said with it.
    pub comment: Option<String>,
    /// Why it cannot wait for another person, where two decide: it is done at once, and another
    /// person is asked to review it.
    pub break_glass: Option<String>,
}

/// What became of a decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decided {
    /// It is made: the leak as it is now.
    Made(Box<Leak>),
    /// It takes another person, who is asked for it.
    Proposed(Box<Proposal>),
}

/// Changes to a leak. What is absent stays; `null` clears a risk that was set, a time of exposure, an
/// owner, a contact or a comment.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakChange {
    /// New title.
    #[serde(default)]
    pub title: Option<String>,
    /// New risk; `null` brings the computed level back.
    #[serde(default, deserialize_with = "api::nullable")]
    #[schema(value_type = Option<Risk>)]
    pub risk: Option<Option<Risk>>,
    /// When its tokens became public; `null`: not known.
    #[serde(default, deserialize_with = "api::nullable_time")]
    #[schema(value_type = Option<String>, format = "date-time")]
    pub exposed_at: Option<Option<Timestamp>>,
    /// New first source.
    #[serde(default, deserialize_with = "object::optional")]
    pub source: Option<Source>,
    /// New kind.
    #[serde(default)]
    pub kind: Option<String>,
    /// New owner.
    #[serde(default, deserialize_with = "api::nullable")]
    #[schema(value_type = Option<String>)]
    pub owner: Option<Option<String>>,
    /// New contact.
    #[serde(default, deserialize_with = "api::nullable")]
    #[schema(value_type = Option<String>)]
    pub contact: Option<Option<String>>,
    /// New comment.
    #[serde(default, deserialize_with = "api::nullable")]
    #[schema(value_type = Option<String>)]
    pub comment: Option<Option<String>>,
    /// Tokens to add.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub add_tokens: Vec<Secret>,
    /// Digests of tokens to add: `sha256:` and 64 hex digits.
    #[serde(default)]
    pub add_token_digests: Vec<String>,
    /// Ids of tokens to remove.
    #[serde(default)]
    pub remove_tokens: Vec<TokenId>,
    /// Why a change of the tokens of a leak that blocks cannot wait for another person, where two
    /// decide.
    #[serde(default)]
    pub break_glass: Option<String>,
}

impl Control {
    /// Makes a decision about a leak, or asks another person for it where it takes two.
    ///
    /// # Errors
    /// Where there is no such leak, its status does not allow it, a value does not fit, no token
    /// can become a rule, or the store fails.
    pub async fn decide(
        &self,
        actor: &Actor,
        id: LeakId,
        decide: Decide,
    ) -> Result<Decided, Problem> {
        let decide = self.checked(actor, decide).await?;
        match self.make(actor, id, decide.clone()).await {
            Ok(leak) => Ok(Decided::Made(Box::new(leak))),
            Err(problem) if problem.is_needs_two() => {
                let store = &self.inner.store;
                let proposal = store.propose(&actor.tenant, id, decide, actor).await?;
                Ok(Decided::Proposed(Box::new(proposal)))
            }
            Err(problem) => Err(problem),
        }
    }

    async fn make(&self, actor: &Actor, id: LeakId, decide: Decide) -> Result<Leak, Problem> {
        let store = Arc::clone(&self.inner.store);
        let actor = actor.clone();
        self.inner
            .publisher
            .change(Touched::Leak(id), async move {
                let leak = store.decide(&actor.tenant, id, decide, &actor).await?;
                Ok((leak.clone(), vec![Touched::Rule(Box::new(leak))]))
            })
            .await
    }

    /// A decision whose texts are short enough and carry no token.
    pub(super) async fn checked(&self, actor: &Actor, decide: Decide) -> Result<Decide, Problem> {
        fits("comment", decide.comment.as_deref().unwrap_or_default(), limits::COMMENT_BYTES)?;
        let comment = decide.comment.as_deref().unwrap_or_default();
        if let Some(patch) = &decide.patch {
            self.without_token("scope.hosts", actor, &patch.scope.hosts).await?;
            self.without_token("scope.path_prefixes", actor, &patch.scope.path_prefixes).await?;
        }
        let haste = match &decide.conditions.second {
            Second::Afterwards(reason) => reason.as_str(),
            Second::Nobody | Second::Exempt => "",
        };
        let redactor = self.redactor(&actor.tenant, &[], &[comment, haste]).await?;
        let second = match decide.conditions.second {
            Second::Afterwards(reason) => Second::Afterwards(redactor.text(reason)),
            other => other,
        };
        let conditions = Conditions { second, ..decide.conditions };
        let comment = redactor.option(decide.comment).filter(|c| !c.is_empty());
        Ok(Decide { comment, conditions, ..decide })
    }

    /// Refuses entries of a scope that carry a token: everybody who sees the patch sees them, and
    /// without the token they would be others.
    async fn without_token(
        &self,
        field: &'static str,
        actor: &Actor,
        entries: &[String],
    ) -> Result<(), Problem> {
        let texts: Vec<&str> = entries.iter().map(String::as_str).collect();
        let redactor = self.redactor(&actor.tenant, &[], &texts).await?;
        for (index, entry) in entries.iter().enumerate() {
            if redactor.text(entry.clone()) != *entry {
                return Err(Problem::invalid(
                    format!("{field}[{index}]"),
                    "a registered token stands in it: give one without it, which everybody may see",
                ));
            }
        }
        Ok(())
    }

    /// Changes a leak.
    ///
    /// # Errors
    /// Where there is no such leak, a value does not fit, or the store fails.
    pub async fn edit(
        &self,
        actor: &Actor,
        id: LeakId,
        change: LeakChange,
        conditions: Conditions,
    ) -> Result<Leak, Problem> {
        const FIELDS: [&str; 2] = ["add_tokens", "add_token_digests"];
        if change.remove_tokens.len() > limits::TOKENS_PER_CALL {
            return Err(Problem::invalid(
                "remove_tokens",
                format!("one call takes {} tokens at most", limits::TOKENS_PER_CALL),
            ));
        }
        let mut add_tokens =
            self.new_tokens(change.add_tokens, change.add_token_digests, FIELDS).await?;
        let [owner_cleared, contact_cleared, comment_cleared] =
            [&change.owner, &change.contact, &change.comment]
                .map(|value| matches!(value, Some(None)));
        let texts = Texts {
            title: change.title,
            source: change.source,
            kind: change.kind,
            owner: change.owner.flatten(),
            contact: change.contact.flatten(),
            comment: change.comment.flatten(),
        }
        .checked()?;
        let redactor = self.redactor(&actor.tenant, &add_tokens, &texts.all()).await?;
        let texts = texts.redacted(&redactor);
        drop(redactor);
        intake::of_kind(&mut add_tokens, texts.kind.as_deref());
        let or_cleared = |text: Option<String>, cleared: bool| match text {
            Some(text) => Some(Some(text)),
            None => cleared.then_some(None),
        };
        if let Some(Some(exposed_at)) = change.exposed_at {
            intake::not_later(exposed_at)?;
        }
        let removed = change.remove_tokens.clone();
        let tokens_change = !add_tokens.is_empty() || !removed.is_empty();
        let second = match second_of(change.break_glass)? {
            Second::Afterwards(reason) => {
                let redactor = self.redactor(&actor.tenant, &add_tokens, &[&reason]).await?;
                Second::Afterwards(redactor.text(reason))
            }
            other => other,
        };
        let conditions = Conditions { second, ..conditions };
        let edit = Edit {
            title: texts.title,
            risk: change.risk,
            exposed_at: change.exposed_at,
            source: texts.source,
            kind: texts.kind,
            owner: or_cleared(texts.owner, owner_cleared),
            contact: or_cleared(texts.contact, contact_cleared),
            comment: or_cleared(texts.comment, comment_cleared),
            add_tokens,
            remove_tokens: change.remove_tokens,
            conditions,
        };
        let store = Arc::clone(&self.inner.store);
        let actor = actor.clone();
        self.inner
            .publisher
            .change(Touched::Leak(id), async move {
                let leak = store.edit(&actor.tenant, id, edit, &actor).await?;
                let touched = if tokens_change {
                    vec![Touched::Tokens(Box::new(leak.clone()), removed)]
                } else {
                    Vec::new()
                };
                Ok((leak, touched))
            })
            .await
    }

    /// Adds a comment to a leak.
    ///
    /// # Errors
    /// Where there is no such leak, the text is empty or too long, or the store fails.
    pub async fn comment(
        &self,
        actor: &Actor,
        id: LeakId,
        text: String,
    ) -> Result<Comment, Problem> {
        let text = text.trim().to_owned();
        if text.is_empty() {
            return Err(Problem::invalid("text", "it is empty: say something"));
        }
        fits("text", &text, limits::COMMENT_BYTES)?;
        let text = self.redactor(&actor.tenant, &[], &[&text]).await?.text(text);
        Ok(self.inner.store.comment(&actor.tenant, id, &text, actor).await?)
    }
}

/// A decision that ends or reopens a leak.
pub(super) fn plain(
    decision: Decision,
    resolution: Option<Resolution>,
    comment: Option<String>,
) -> Decide {
    Decide { decision, patch: None, resolution, comment, conditions: Conditions::default() }
}

/// The same decision in haste, where a reason for it is given.
pub(super) fn in_haste(decide: Decide, break_glass: Option<String>) -> Result<Decide, Problem> {
    let conditions = Conditions { second: second_of(break_glass)?, ..decide.conditions };
    Ok(Decide { conditions, ..decide })
}

/// Who stands for a decision beside its actor.
fn second_of(break_glass: Option<String>) -> Result<Second, Problem> {
    let Some(reason) = break_glass else { return Ok(Second::Nobody) };
    let reason = intake::one_line(&reason);
    if reason.is_empty() {
        return Err(Problem::invalid("break_glass", "it is empty: say why it cannot wait"));
    }
    fits("break_glass", &reason, limits::NAME_BYTES)?;
    Ok(Second::Afterwards(reason))
}

/// The decision to apply a virtual patch, checked.
pub(super) fn apply(request: PatchRequest) -> Result<Decide, Problem> {
    let now = clock::now();
    let second = second_of(request.break_glass)?;
    if request.expires_at.is_some_and(|at| at <= now) {
        return Err(Problem::invalid("expires_at", "it is over already: give a later time"));
    }
    let tokens = request.tokens;
    if tokens.as_ref().is_some_and(|tokens| tokens.len() > limits::TOKEN_MODES) {
        return Err(Problem::invalid(
            "tokens",
            format!("up to {} tokens have a mode of their own", limits::TOKEN_MODES),
        ));
    }
    let patch = NewPatch {
        mode: request.mode.unwrap_or(PatchMode::Block),
        scope: scope::normal(request.scope.unwrap_or_default(), now)?,
        expires_at: request.expires_at,
        force: request.force,
        tokens,
    };
    Ok(Decide {
        decision: Decision::ApplyVirtualPatch,
        patch: Some(patch),
        resolution: None,
        comment: request.comment,
        conditions: Conditions { second, ..Conditions::default() },
    })
}
