//! What a change has changed, field by field, as the audit log keeps it: no token is in it.

use crate::model::leak::Leak;
use crate::model::rule::{ModeOfToken, TokenMode, VirtualPatch};
use crate::store::types::{FieldChange, Registration};
use crate::store::words;

/// A field that was one thing and is another now.
pub(super) fn field(name: &str, before: Option<String>, after: Option<String>) -> FieldChange {
    FieldChange { field: name.to_owned(), before, after }
}

/// A field of something new.
pub(super) fn made(name: &str, after: impl ToString) -> FieldChange {
    field(name, None, Some(after.to_string()))
}

/// A field of something that is gone.
pub(super) fn gone(name: &str, before: impl ToString) -> FieldChange {
    field(name, Some(before.to_string()), None)
}

/// A field that changed, where it did.
pub(super) fn differing(
    name: &str,
    before: impl ToString,
    after: impl ToString,
) -> Option<FieldChange> {
    let (before, after) = (before.to_string(), after.to_string());
    (before != after).then(|| field(name, Some(before), Some(after)))
}

/// The fields of a leak that are others than before.
pub(super) fn of_leak(before: &Leak, after: &Leak) -> Vec<FieldChange> {
    let fields = [fields_of(before), fields_of(after)];
    let [before, after] = fields;
    before
        .into_iter()
        .zip(after)
        .filter(|((_, before), (_, after))| before != after)
        .map(|((name, before), (_, after))| field(name, before, after))
        .collect()
}

/// The modes of single tokens that are others than before: which tokens have each, by their ids. As
/// many as a patch may name, so that nothing is left out.
pub(super) fn of_modes(before: &[ModeOfToken], after: &[ModeOfToken]) -> Option<FieldChange> {
    let named = |modes: &[ModeOfToken], others: &[ModeOfToken]| {
        let of_mode = |mode: TokenMode| {
            let changed = modes.iter().filter(|of| of.mode == mode && !others.contains(of));
            let ids: Vec<String> = changed.map(|of| of.id.to_string()).collect();
            (!ids.is_empty()).then(|| format!("{mode}: {}", ids.join(" ")))
        };
        let parts: Vec<String> = TokenMode::ALL.iter().copied().filter_map(of_mode).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    };
    let (gone, new) = (named(before, after), named(after, before));
    (gone.is_some() || new.is_some()).then(|| field("token_modes", gone, new))
}

/// What is told of a leak that is new, or grows by this many tokens.
pub(super) fn of_registration(registration: &Registration, tokens: usize) -> Vec<FieldChange> {
    let title = registration.continues.is_none().then(|| made("title", &registration.title));
    let risk = registration.risk.map(|risk| made("risk_set", risk));
    title.into_iter().chain(risk).chain([made("tokens", tokens)]).collect()
}

fn fields_of(leak: &Leak) -> [(&'static str, Option<String>); 14] {
    [
        ("title", Some(leak.title.clone())),
        ("risk", Some(leak.risk.to_string())),
        ("risk_set", leak.risk_set.map(|risk| risk.to_string())),
        ("exposed_at", Some(leak.exposed_at.to_string())),
        ("status", Some(leak.status.to_string())),
        ("resolution", leak.resolution.map(|resolution| resolution.to_string())),
        ("source", Some(words::of_source(&leak.source))),
        ("kind", Some(leak.kind.clone())),
        ("owner", leak.owner.clone()),
        ("contact", leak.contact.clone()),
        ("comment", leak.comment.clone()),
        ("tokens", Some(leak.token_count.to_string())),
        ("virtual_patch", leak.virtual_patch.as_ref().map(of_patch)),
        (
            "force",
            leak.virtual_patch.as_ref().filter(|patch| patch.force).map(|_| "true".to_owned()),
        ),
    ]
}

fn of_patch(patch: &VirtualPatch) -> String {
    words::of_rule(patch.mode, &patch.scope, patch.expires_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TokenId;

    #[test]
    fn modes_that_changed_are_named() {
        let [a, b, c] = [(); 3].map(|()| TokenId::new());
        let of = |id, mode| ModeOfToken { id, mode };
        let before = [of(a, TokenMode::None), of(b, TokenMode::Block)];
        let after = [of(b, TokenMode::Block), of(a, TokenMode::Monitoring), of(c, TokenMode::None)];
        let changed = of_modes(&before, &after).unwrap();
        assert_eq!(changed.before.unwrap(), format!("none: {a}"));
        assert_eq!(changed.after.unwrap(), format!("monitoring: {a}; none: {c}"));
        assert_eq!(of_modes(&before, &before), None);
        let ended = of_modes(&before, &[]).unwrap();
        assert_eq!(ended.after, None);
    }
}
