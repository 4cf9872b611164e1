//! Intake: what is registered, checked and made ready for the store.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;
use super::publish::Touched;
use super::redact::Redactor;
use super::{Control, api, guard};
use crate::config::limits;
use crate::model::clock;
use crate::model::fingerprint::FingerprintKey;
use crate::model::ids::{LeakId, TokenId};
use crate::model::kind;
use crate::model::leak::{DetectedBy, Leak, Risk, Source, SourceKind};
use crate::model::object;
use crate::model::role::{Actor, Permission};
use crate::model::secret::Secret;
use crate::model::token::{TokenDigest, TokenMaterial, Validity};
use crate::store::StoreError;
use crate::store::types::{Merged, NewToken, Once, Registered, Registration};

/// A leak to register.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLeak {
    /// What people will call it: one line, up to 256 bytes.
    #[schema(example = "Deployment key in a public gist")]
    pub title: String,
    /// How bad it is; where it is not said, what follows from what is known of it.
    #[serde(default)]
    pub risk: Option<Risk>,
    /// When its tokens became public, where that is known.
    #[serde(default, deserialize_with = "api::time")]
    pub exposed_at: Option<Timestamp>,
    /// Where it was seen; `{"kind": "manual"}` where it is not said.
    #[serde(default, deserialize_with = "object::optional")]
    pub source: Option<Source>,
    /// The tokens themselves, up to 10,000 together with the digests.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub tokens: Vec<Secret>,
    /// Digests of tokens whose text is not handed over: `sha256:` and 64 hex digits.
    #[serde(default)]
    pub token_digests: Vec<String>,
    /// What the tokens are; told from their form where it is not said. `honeytoken` for those that
    /// were planted on purpose: any use of them is by somebody who found them.
    #[serde(default)]
    pub kind: Option<String>,
    /// Whose they are.
    #[serde(default)]
    pub owner: Option<String>,
    /// Whom to call.
    #[serde(default)]
    pub contact: Option<String>,
    /// What is said with it.
    #[serde(default)]
    pub comment: Option<String>,
}

/// What a registration came to: the leak, and where its known tokens went.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RegisteredLeak {
    /// The new leak, or the first of those that have the tokens already.
    #[serde(flatten)]
    pub leak: Leak,
    /// The leaks that got an occurrence, since they have some of the tokens.
    pub merged: Vec<Merged>,
    /// Whether the leak is new.
    #[serde(skip)]
    pub created: bool,
}

/// What a caller who may not see leaks is told when all tokens are known.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct KnownLeak {
    /// The first leak that has the tokens.
    pub(super) id: LeakId,
    /// The leaks that got an occurrence.
    pub(super) merged: Vec<Merged>,
}

/// What [`Control::register`] answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// To those who may see leaks, and to all where the leak is new.
    Leak(Box<RegisteredLeak>),
    /// To those who may not.
    Known(KnownLeak),
}

impl Control {
    /// Registers a leak; its tokens are watched when the call returns.
    /// Where it is a call that is done once, it fails where it was done before.
    pub(super) async fn register(
        &self,
        actor: &Actor,
        new: NewLeak,
        once: Option<Once>,
    ) -> Result<Answer, Problem> {
        let detected_by = if actor.role.may(Permission::See) {
            DetectedBy::Manual
        } else {
            DetectedBy::Automatic
        };
        let registration = self.registration(&actor.tenant, new, detected_by).await?;
        let registration = Registration { once, ..registration };
        self.register_checked(actor, registration).await
    }

    /// Registers what was checked before.
    pub(super) async fn register_checked(
        &self,
        actor: &Actor,
        registration: Registration,
    ) -> Result<Answer, Problem> {
        let store = Arc::clone(&self.inner.store);
        let (tenant, caller) = (actor.tenant.clone(), actor.clone());
        let may_see = actor.role.may(Permission::See);
        self.inner
            .publisher
            .change(Touched::Any, async move {
                let (before, texts) = (TokenId::new(), registration.tokens.clone());
                let registered = store.register(registration, &caller).await?;
                let touched = touched(&registered, &caller.tenant, before, texts);
                let answer = match (registered.leak, registered.merged) {
                    (Some(leak), merged) => {
                        Answer::Leak(Box::new(RegisteredLeak { leak, merged, created: true }))
                    }
                    (None, merged) => {
                        let id = merged.first().map(|merged| merged.leak).ok_or_else(|| {
                            StoreError::Failed("a registration came to nothing".to_owned())
                        })?;
                        // The registration is stored: that the leak cannot be shown fails nothing.
                        let shown = match registered.known {
                            _ if !may_see => None,
                            Some(leak) => Some(leak),
                            None => store.leak(&tenant, id).await.ok(),
                        };
                        match shown {
                            Some(leak) => Answer::Leak(Box::new(RegisteredLeak {
                                leak,
                                merged,
                                created: false,
                            })),
                            None => Answer::Known(KnownLeak { id, merged }),
                        }
                    }
                };
                Ok((answer, touched))
            })
            .await
    }

    /// What a leak would be registered as.
    pub(super) async fn registration(
        &self,
        tenant: &str,
        new: NewLeak,
        detected_by: DetectedBy,
    ) -> Result<Registration, Problem> {
        if let Some(exposed_at) = new.exposed_at {
            not_later(exposed_at)?;
        }
        let mut tokens = self.new_tokens(new.tokens, new.token_digests, FIELDS).await?;
        if tokens.is_empty() {
            return Err(Problem::invalid("tokens", "at least one token or token digest is needed"));
        }
        let texts = Texts {
            title: Some(new.title),
            source: Some(new.source.unwrap_or(Source::of_kind(SourceKind::Manual))),
            kind: new.kind,
            owner: new.owner,
            contact: new.contact,
            comment: new.comment,
        }
        .checked()?;
        let redactor = self.redactor(tenant, &tokens, &texts.all()).await?;
        let texts = texts.redacted(&redactor);
        drop(redactor);
        of_kind(&mut tokens, texts.kind.as_deref());
        Ok(Registration {
            tenant: tenant.to_owned(),
            title: texts.title.unwrap_or_default(),
            risk: new.risk,
            exposed_at: new.exposed_at,
            source: texts.source.unwrap_or(Source::of_kind(SourceKind::Manual)),
            detected_by,
            kind: texts.kind,
            owner: texts.owner,
            contact: texts.contact,
            comment: texts.comment,
            tokens,
            continues: None,
            once: None,
            reopens: self.reopens(tenant),
        })
    }

    /// Tokens made ready for the store: each once, with fingerprint, kind and the guard's word.
    pub(super) async fn new_tokens(
        &self,
        tokens: Vec<Secret>,
        digests: Vec<String>,
        fields: [&'static str; 2],
    ) -> Result<Vec<NewToken>, Problem> {
        if tokens.len() + digests.len() > limits::TOKENS_PER_CALL {
            return Err(Problem::invalid(
                fields.first().copied().unwrap_or_default(),
                format!(
                    "one call takes {} tokens at most: use POST /api/v1/imports for more",
                    limits::TOKENS_PER_CALL
                ),
            ));
        }
        let store = Arc::clone(&self.inner.store);
        let work = move || prepare(store.fingerprint_key(), tokens, &digests, fields);
        // Hashing thousands of tokens would hold up the other calls on this thread.
        tokio::task::spawn_blocking(work).await.map_err(|_| Problem::failed())?
    }
}

/// The names of the fields that tokens and digests come in when a leak is registered.
const FIELDS: [&str; 2] = ["tokens", "token_digests"];

/// What a registration means for the working copy: a new leak is watched; known ones stay as they
/// are, save those that were opened again.
/// `before` is an id made before the registration, and so before the ids of its new tokens.
pub(super) fn touched(
    registered: &Registered,
    tenant: &str,
    before: TokenId,
    texts: Vec<NewToken>,
) -> Vec<Touched> {
    let mut touched = Vec::new();
    if let Some(leak) = &registered.leak {
        touched.push(Touched::Appended(Box::new(leak.clone()), before));
    }
    let reopened = registered.merged.iter().filter(|merged| merged.reopened);
    touched.extend(reopened.map(|merged| Touched::Leak(merged.leak)));
    if registered.new_tokens < texts.len() as u64 {
        touched.push(Touched::Texts(tenant.to_owned(), texts));
    }
    touched
}

/// Checks tokens and digests, drops repeated ones, and judges each.
pub(super) fn prepare(
    key: &FingerprintKey,
    tokens: Vec<Secret>,
    digests: &[String],
    [token_field, digest_field]: [&'static str; 2],
) -> Result<Vec<NewToken>, Problem> {
    let mut seen: HashSet<TokenDigest> = HashSet::with_capacity(tokens.len() + digests.len());
    let mut prepared = Vec::with_capacity(tokens.len() + digests.len());
    for (index, secret) in tokens.into_iter().enumerate() {
        let secret = trimmed(secret);
        if secret.is_empty() {
            return Err(Problem::invalid(format!("{token_field}[{index}]"), "it is empty"));
        }
        add(key, TokenMaterial::Text(secret), &mut seen, &mut prepared);
    }
    for (index, digest) in digests.iter().enumerate() {
        let digest: TokenDigest = digest.trim().parse().map_err(|_| {
            Problem::invalid(
                format!("{digest_field}[{index}]"),
                "a token digest is written sha256: followed by 64 hex digits",
            )
        })?;
        add(key, TokenMaterial::Digest(digest), &mut seen, &mut prepared);
    }
    Ok(prepared)
}

fn add(
    key: &FingerprintKey,
    material: TokenMaterial,
    seen: &mut HashSet<TokenDigest>,
    prepared: &mut Vec<NewToken>,
) {
    let digest = material.digest();
    if !seen.insert(digest) {
        return;
    }
    let kind = match &material {
        TokenMaterial::Text(secret) => kind::of(secret.expose()),
        TokenMaterial::Digest(_) => "unknown",
    };
    prepared.push(NewToken {
        fingerprint: key.fingerprint(&digest),
        not_applicable: guard::check(&material),
        kind: kind.to_owned(),
        validity: Validity::Unknown,
        material,
    });
}

/// Gives the tokens the kind that was said, where one was.
pub(super) fn of_kind(tokens: &mut [NewToken], kind: Option<&str>) {
    if let Some(kind) = kind {
        for token in tokens {
            kind.clone_into(&mut token.kind);
        }
    }
}

/// Without the white space that copying leaves around a token, which no request would carry.
pub(super) fn trimmed(secret: Secret) -> Secret {
    let bytes = secret.expose().trim_ascii();
    if bytes.len() == secret.len() { secret } else { Secret::new(bytes.to_vec()) }
}

/// The texts of a leak, on their way to be checked and cleaned.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) title: Option<String>,
    pub(super) source: Option<Source>,
    pub(super) kind: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) contact: Option<String>,
    pub(super) comment: Option<String>,
}

impl Texts {
    /// The same, where every text fits its field.
    pub(super) fn checked(mut self) -> Result<Self, Problem> {
        if let Some(title) = self.title.take() {
            let title = one_line(&title);
            if title.is_empty() {
                return Err(Problem::invalid("title", "it is empty: say what leaked"));
            }
            fits("title", &title, limits::TITLE_BYTES)?;
            self.title = Some(title);
        }
        for (name, value) in
            [("kind", &mut self.kind), ("owner", &mut self.owner), ("contact", &mut self.contact)]
        {
            if let Some(text) = value.take() {
                let text = one_line(&text);
                fits(name, &text, limits::NAME_BYTES)?;
                *value = Some(text).filter(|text| !text.is_empty());
            }
        }
        if let Some(comment) = &self.comment {
            fits("comment", comment, limits::COMMENT_BYTES)?;
        }
        if let Some(source) = &self.source {
            for (name, value, limit) in [
                ("source.url", &source.url, limits::URL_BYTES),
                ("source.path", &source.path, limits::URL_BYTES),
                ("source.commit", &source.commit, limits::NAME_BYTES),
            ] {
                fits(name, value.as_deref().unwrap_or_default(), limit)?;
            }
            if source.line.is_some_and(|line| i64::try_from(line).is_err()) {
                return Err(Problem::invalid("source.line", "it is no number of a line"));
            }
        }
        Ok(self)
    }

    /// All of them, as they are.
    pub(super) fn all(&self) -> Vec<&str> {
        let source = self
            .source
            .iter()
            .flat_map(|source| [&source.url, &source.path, &source.commit].into_iter().flatten());
        [&self.title, &self.kind, &self.owner, &self.contact, &self.comment]
            .into_iter()
            .flatten()
            .chain(source)
            .map(String::as_str)
            .collect()
    }

    /// The same, without any token.
    pub(super) fn redacted(self, redactor: &Redactor<'_>) -> Self {
        Self {
            title: redactor.option(self.title),
            source: self.source.map(|source| redactor.source(source)),
            kind: redactor.option(self.kind),
            owner: redactor.option(self.owner),
            contact: redactor.option(self.contact),
            comment: redactor.option(self.comment),
        }
    }
}

/// Refuses a time of exposure that has not come.
pub(super) fn not_later(exposed_at: Timestamp) -> Result<(), Problem> {
    if exposed_at > clock::now() {
        return Err(Problem::invalid(
            "exposed_at",
            "it has not come yet: give the time since when the tokens are public",
        ));
    }
    Ok(())
}

/// The text on one line, without white space around it.
pub(super) fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Checks a text's length.
pub(super) fn fits(field: &'static str, text: &str, limit: usize) -> Result<(), Problem> {
    if text.len() > limit {
        let length = text.len();
        return Err(Problem::invalid(
            field,
            format!("it has {length} bytes: up to {limit} are taken"),
        ));
    }
    Ok(())
}
