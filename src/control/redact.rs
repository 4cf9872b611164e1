//! Texts that people write (titles, comments, sources) may quote the very token that they are
//! about. It is taken out before anything is stored.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use memchr::memmem;
use percent_encoding::percent_decode_str;

use super::Control;
use crate::config::limits;
use crate::matcher::Patchset;
use crate::model::fingerprint::Fingerprint;
use crate::model::leak::Source;
use crate::model::secret::Secret;
use crate::model::token::TokenMaterial;
use crate::store::StoreError;
use crate::store::types::NewToken;

/// Values that stand in texts and are tokens, with the tokens' fingerprints; the longest first.
pub(super) type KnownValues = Arc<Vec<(Secret, Fingerprint)>>;

/// Takes tokens out of texts: those about to be registered, and all in the patchset.
pub(super) struct Redactor<'a> {
    own: Vec<&'a Secret>,
    /// Those in force, and those that come beside the registration.
    sets: Vec<Arc<Patchset>>,
    /// Fingerprints of delimited values, by their text, that the store knows as tokens.
    known: KnownValues,
}

/// Delimited values of texts that are looked up among all registered tokens, whether or not they are
/// in the patchset.
pub(super) fn candidates<'t>(texts: impl Iterator<Item = &'t str>) -> HashSet<&'t str> {
    let mut found = HashSet::new();
    for text in texts {
        let fields = text.split(|c: char| c.is_whitespace() || "\"'`<>()[]{},;".contains(c));
        let values = text.split(|c: char| c.is_whitespace() || "\"'`<>()[]{},;:?&#!|".contains(c));
        let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.+/=~".contains(c));
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        for value in fields.chain(values).chain(parts).chain(words) {
            for value in [value, value.trim_end_matches(['.', ':', '!', '?'])] {
                if value.len() >= limits::TOKEN_BYTES_FORCED
                    && found.len() < limits::REDACT_CANDIDATES
                {
                    found.insert(value);
                }
            }
        }
    }
    found
}

impl Control {
    /// A redactor for these texts, which also knows the tokens that stand in them by themselves and
    /// are in no rule: those of false positives, and those that the guard refuses.
    pub(super) async fn redactor<'a>(
        &self,
        tenant: &str,
        tokens: &'a [NewToken],
        texts: &[&str],
    ) -> Result<Redactor<'a>, StoreError> {
        let known = self.known_values(tenant, texts).await?;
        Ok(Redactor::new(tokens, self.inner.handle.load()).knowing(known))
    }

    /// What stands by itself in these texts and is a token of the tenant.
    pub(super) async fn known_values(
        &self,
        tenant: &str,
        texts: &[&str],
    ) -> Result<KnownValues, StoreError> {
        let key = self.inner.store.fingerprint_key();
        let mut values: HashMap<Fingerprint, Secret> = HashMap::new();
        for value in candidates(texts.iter().copied()) {
            let secret = Secret::from(value.to_owned());
            values.insert(key.fingerprint(&secret.digest()), secret);
        }
        if values.is_empty() {
            return Ok(KnownValues::default());
        }
        let fingerprints: Vec<Fingerprint> = values.keys().copied().collect();
        let known = self.inner.store.known(tenant, &fingerprints).await?.into_iter();
        let mut known: Vec<_> =
            known.filter_map(|one| values.remove(&one).map(|text| (text, one))).collect();
        known.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Ok(Arc::new(known))
    }
}

impl<'a> Redactor<'a> {
    pub(super) fn new(tokens: &'a [NewToken], patchset: Arc<Patchset>) -> Self {
        // Shorter texts than could ever become a rule would take ordinary words apart.
        let mut own: Vec<&Secret> = tokens
            .iter()
            .filter_map(|token| match &token.material {
                TokenMaterial::Text(secret) => Some(secret),
                TokenMaterial::Digest(_) => None,
            })
            .filter(|secret| secret.len() >= limits::TOKEN_BYTES_FORCED)
            .collect();
        // The longest first, so that one inside another does not leave the rest of it standing.
        own.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { own, sets: vec![patchset], known: Arc::default() }
    }

    /// One that also takes out these values.
    pub(super) fn knowing(mut self, known: KnownValues) -> Self {
        self.known = known;
        self
    }

    /// One that also takes out the tokens of this set.
    pub(super) fn beside(mut self, set: Arc<Patchset>) -> Self {
        self.sets.push(set);
        self
    }

    /// The text with each token of the registration masked and each known one replaced by its
    /// fingerprint. A text that carries one percent-encoded comes back decoded.
    pub(super) fn text(&self, text: String) -> String {
        let mut clean = self.plain(&text).unwrap_or(text);
        if clean.contains('%') {
            let decoded = percent_decode_str(&clean).decode_utf8_lossy().into_owned();
            if let Some(masked) = self.plain(&decoded) {
                clean = masked;
            }
        }
        clean
    }

    pub(super) fn option(&self, text: Option<String>) -> Option<String> {
        text.map(|text| self.text(text))
    }

    pub(super) fn source(&self, source: Source) -> Source {
        Source {
            kind: source.kind,
            url: self.option(source.url),
            path: self.option(source.path),
            commit: self.option(source.commit),
            line: source.line,
        }
    }

    /// The text without tokens, where there was one.
    fn plain(&self, text: &str) -> Option<String> {
        let mut clean = Cow::Borrowed(text);
        for secret in &self.own {
            if memmem::find(clean.as_bytes(), secret.expose()).is_some()
                && let Ok(token) = std::str::from_utf8(secret.expose())
            {
                clean = Cow::Owned(clean.replace(token, &secret.masked()));
            }
        }
        for (secret, fingerprint) in self.known.iter() {
            if memmem::find(clean.as_bytes(), secret.expose()).is_some()
                && let Ok(token) = std::str::from_utf8(secret.expose())
            {
                clean = Cow::Owned(clean.replace(token, &format!("[token {fingerprint}]")));
            }
        }
        for set in &self.sets {
            let mut found = Vec::new();
            set.scan(clean.as_bytes(), &mut |hit| found.push(hit));
            if !found.is_empty() {
                found.sort_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end)));
                let mut out = String::with_capacity(clean.len());
                let mut done = 0;
                for hit in found {
                    let (start, end) = (hit.start as usize, hit.end as usize);
                    if start >= done {
                        out.push_str(clean.get(done..start).unwrap_or_default());
                        let fingerprint = set.token(hit.token).map(|info| info.fingerprint);
                        out.push_str(&match fingerprint {
                            Some(fingerprint) => format!("[token {fingerprint}]"),
                            None => "[token]".to_owned(),
                        });
                    }
                    done = done.max(end);
                }
                out.push_str(clean.get(done..).unwrap_or_default());
                clean = Cow::Owned(out);
            }
        }
        match clean {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::{PatchsetWriter, Rule};
    use crate::model::ids::{LeakId, TokenId};
    use crate::model::rule::Action;
    use crate::model::token::Validity;

    fn new_token(text: &str) -> NewToken {
        NewToken {
            material: TokenMaterial::Text(Secret::from(text.to_owned())),
            fingerprint: Fingerprint([7; 16]),
            kind: "unknown".to_owned(),
            validity: Validity::Unknown,
            not_applicable: None,
        }
    }

    fn patchset_of(text: &str) -> Arc<Patchset> {
        let mut writer = PatchsetWriter::new();
        let leak = LeakId::new();
        writer.set_rule(Rule::new(leak, Action::Observe));
        let material = TokenMaterial::Text(Secret::from(text.to_owned()));
        writer.add_token(leak, TokenId::new(), Fingerprint([0xab; 16]), &material);
        writer.build()
    }

    #[test]
    fn own_and_known_tokens_go() {
        let own = [new_token("Kz/91+own=token;x"), new_token("Kz/91+own=token;x and more")];
        let redactor = Redactor::new(&own, patchset_of("Qm7known0token1here"));
        let clean = |text: &str| redactor.text(text.to_owned());
        assert_eq!(clean("nothing here, 100% sure"), "nothing here, 100% sure");
        assert_eq!(clean("saw Kz/91+own=token;x!"), "saw Kz…;x!");
        assert!(!clean("Kz/91+own=token;x and more").contains("and more"));
        let url = clean("https://h.example/?k=Kz%2F91%2Bown%3Dtoken%3Bx&l=1");
        assert!(!url.contains("own") && url.ends_with("&l=1"), "{url}");
        assert_eq!(clean("it is Qm7known0token1here."), "it is [token abababababab].");
    }
}
