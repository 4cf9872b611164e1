//! Findings made ready to be registered.

use std::collections::HashSet;
use std::sync::Arc;

use super::problem::Problem;
use super::redact::{KnownValues, Redactor};
use super::{Control, guard, intake};
use crate::matcher::{Patchset, PatchsetWriter, Rule};
use crate::model::finding::Finding;
use crate::model::ids::{LeakId, TokenId};
use crate::model::kind;
use crate::model::leak::DetectedBy;
use crate::model::rule::Action;
use crate::model::secret::Secret;
use crate::model::token::{TokenMaterial, Validity};
use crate::store::types::{NewToken, Registration};

impl Control {
    /// Findings as they are registered, in their order: the tokens of each once, judged, and in no text
    /// a token of any of them, or one that is known. A kind in which one stood is none.
    ///
    /// # Errors
    /// Where the store fails.
    pub(super) async fn prepared(
        &self,
        tenant: &str,
        findings: Vec<Finding>,
    ) -> Result<Vec<Registration>, Problem> {
        let texts = findings.iter().flat_map(|finding| {
            let source = &finding.source;
            let more = [&finding.kind, &finding.owner, &source.url, &source.path, &source.commit];
            more.into_iter().flatten().chain([&finding.title]).map(String::as_str)
        });
        let texts: Vec<&str> = texts.collect();
        let known = self.known_values(tenant, &texts).await?;
        let (control, tenant) = (self.clone(), tenant.to_owned());
        // Hashing and judging many tokens would hold up calls on this thread.
        let work = move || {
            let mut ready: Vec<(Finding, Vec<NewToken>)> = Vec::with_capacity(findings.len());
            for mut finding in findings {
                let tokens = control.judged(std::mem::take(&mut finding.tokens), finding.validity);
                ready.push((finding, tokens));
            }
            let beside = set_of(ready.iter().flat_map(|(_, tokens)| tokens));
            let write =
                |(finding, tokens)| control.written(&tenant, finding, tokens, (&beside, &known));
            ready.into_iter().map(write).collect()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Problem::failed())
    }

    fn judged(&self, secrets: Vec<Secret>, validity: Validity) -> Vec<NewToken> {
        let key = self.inner.store.fingerprint_key();
        let mut seen = HashSet::with_capacity(secrets.len());
        let mut tokens = Vec::with_capacity(secrets.len());
        for secret in secrets {
            let secret = intake::trimmed(secret);
            let digest = secret.digest();
            if secret.is_empty() || !seen.insert(digest) {
                continue;
            }
            let of_form = kind::of(secret.expose());
            let material = TokenMaterial::Text(secret);
            tokens.push(NewToken {
                fingerprint: key.fingerprint(&digest),
                kind: of_form.to_owned(),
                validity,
                not_applicable: guard::check(&material),
                material,
            });
        }
        tokens
    }

    fn written(
        &self,
        tenant: &str,
        finding: Finding,
        mut tokens: Vec<NewToken>,
        (beside, known): (&Arc<Patchset>, &KnownValues),
    ) -> Registration {
        let redactor = Redactor::new(&tokens, self.inner.handle.load())
            .beside(Arc::clone(beside))
            .knowing(Arc::clone(known));
        let title = redactor.text(intake::one_line(&finding.title));
        let title = if title.is_empty() { "Imported".to_owned() } else { title };
        let source = redactor.source(finding.source);
        let owner = redactor.option(finding.owner.map(|owner| intake::one_line(&owner)));
        // A kind is written in small letters, and in those no token is known again.
        let kind = finding.kind.map(|kind| intake::one_line(&kind));
        let kind = kind.filter(|kind| redactor.text(kind.clone()) == *kind);
        let kind = kind.and_then(|kind| kind::named(&kind));
        drop(redactor);
        intake::of_kind(&mut tokens, kind.as_deref());
        Registration {
            tenant: tenant.to_owned(),
            title,
            risk: finding.risk,
            exposed_at: None,
            source,
            detected_by: DetectedBy::Automatic,
            kind,
            owner,
            contact: None,
            comment: None,
            tokens,
            continues: None,
            once: None,
            reopens: self.reopens(tenant),
        }
    }
}

/// The tokens as a set to be looked for in texts.
fn set_of<'t>(tokens: impl Iterator<Item = &'t NewToken>) -> Arc<Patchset> {
    let mut writer = PatchsetWriter::new();
    let leak = LeakId::new();
    writer.set_rule(Rule::new(leak, Action::Observe));
    for token in tokens {
        // One that is too short or too long to be looked for is left out.
        writer.add_token(leak, TokenId::new(), token.fingerprint, &token.material);
    }
    writer.build()
}
