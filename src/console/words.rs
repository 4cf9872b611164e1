//! How values are said to people.

use std::borrow::Cow;

use jiff::Timestamp;
use maud::{Markup, html};

use crate::model::event::EventAction;
use crate::model::leak::{
    Decision, Leak, Remediation, Resolution, Risk, Source, SourceKind, Status,
};
use crate::model::role::Role;
use crate::model::rule::PatchMode;
use crate::model::token::Validity;

/// A name of the API (`false_positive`) as people read it.
pub(super) fn plain(name: &str) -> String {
    let mut text = name.replace('_', " ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// A status, in the console's words.
pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Open => "Opened",
        Status::Closed => "Closed",
        Status::FalsePositive => "Marked false",
    }
}

/// Where a token leaked.
pub(super) fn source_kind(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Github => "GitHub",
        SourceKind::Gitlab => "GitLab",
        SourceKind::Gist => "Gist",
        SourceKind::Pastebin => "Paste site",
        SourceKind::Postman => "API workspace",
        SourceKind::Package => "Package",
        SourceKind::Container => "Container image",
        SourceKind::Website => "Website",
        SourceKind::Manual => "Told by a person",
        SourceKind::Other => "Elsewhere",
    }
}

/// What is in force.
pub(super) fn remediation(of: Remediation) -> &'static str {
    match of {
        Remediation::None => "No patch",
        Remediation::VirtualPatch => "Virtual patch",
        Remediation::NotApplicable => "Not applicable",
    }
}

/// A decision, as its button says it.
pub(super) fn decision(of: Decision) -> &'static str {
    match of {
        Decision::ApplyVirtualPatch => "Apply virtual patch",
        Decision::RemoveVirtualPatch => "Remove virtual patch",
        Decision::Close => "Close",
        Decision::MarkFalse => "Mark as false",
        Decision::Reopen => "Reopen",
    }
}

/// Why a leak was ended.
pub(super) fn resolution(of: Resolution) -> String {
    plain(of.name())
}

/// A role.
pub(super) fn role(of: Role) -> String {
    plain(of.name())
}

/// Whether a token works.
pub(super) fn validity(of: Validity) -> Markup {
    let (class, text) = match of {
        Validity::Active => ("bad", "Active"),
        Validity::Inactive => ("good", "Inactive"),
        Validity::Unknown => ("quiet", "Unknown"),
    };
    html! { span class={ "tag " (class) } { (text) } }
}

/// A risk, with its colour and its word.
pub(super) fn risk_tag(risk: Risk) -> Markup {
    html! { span class={ "risk risk-" (risk.name()) } { (plain(risk.name())) } }
}

/// What is in force for a leak.
pub(super) fn remediation_tag(leak: &Leak) -> Markup {
    let (class, text) = match (&leak.virtual_patch, leak.remediation) {
        (Some(patch), _) if patch.mode == PatchMode::Block => ("good", "Blocked"),
        (Some(_), _) => ("watch", "Monitored"),
        (None, Remediation::NotApplicable) => ("quiet", "Not applicable"),
        (None, _) if leak.status == Status::Open => ("bad", "No patch"),
        (None, _) => ("quiet", "No patch"),
    };
    html! { span class={ "tag " (class) } { (text) } }
}

/// A time, to the minute; machines get it whole.
pub(super) fn time(at: Timestamp) -> Markup {
    html! {
        time datetime=(at.to_string()) title=(at.to_string()) {
            (at.strftime("%Y-%m-%d %H:%M").to_string())
        }
    }
}

/// A time, to the second.
pub(super) fn time_to_seconds(at: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) title=(at.to_string()) { (at.strftime("%Y-%m-%d %H:%M:%S").to_string()) } }
}

/// A day.
pub(super) fn day(at: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) title=(at.to_string()) { (at.strftime("%Y-%m-%d").to_string()) } }
}

/// A text of so many characters at most.
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((at, _)) => Cow::Owned(format!("{}…", text.get(..at).unwrap_or_default())),
    }
}

/// A time, or a dash.
pub(super) fn time_or(at: Option<Timestamp>, otherwise: &str) -> Markup {
    match at {
        Some(at) => time(at),
        None => html! { span.quiet-text { (otherwise) } },
    }
}

/// A source, with a link where its URL is one that a browser may safely follow.
pub(super) fn source(source: &Source) -> Markup {
    let url = source.url.as_deref();
    html! {
        span.source {
            @match url {
                Some(url) if is_web(url) => a href=(url) rel="noopener noreferrer nofollow" target="_blank" { bdi { (short(url)) } },
                Some(url) => bdi { (short(url)) },
                None => span.quiet-text { (source_kind(source.kind)) },
            }
            @if let Some(path) = &source.path {
                " " code { bdi { (cut(path, 80)) } @if let Some(line) = source.line { ":" (line) } }
            }
        }
    }
}

/// Whether a URL is one of the web: any other scheme could run something.
fn is_web(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let plain = !url.chars().any(|c| c.is_control() || c.is_whitespace());
    plain
        && scheme.is_some_and(|s| s.eq_ignore_ascii_case("https") || s.eq_ignore_ascii_case("http"))
}

/// A URL as a table shows it.
fn short(url: &str) -> Cow<'_, str> {
    let text = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url);
    cut(text, 60)
}

/// A number with its thing, in the right form.
pub(super) fn many(count: u64, one: &str, several: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {several}", number(count)) }
}

/// A number with its thousands apart.
pub(super) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number where there is little room: `1.2 M`.
pub(super) fn short_number(count: u64) -> String {
    let parts = |unit: u64, name: &str| {
        let tenths = count / (unit / 10);
        match (tenths / 10, tenths % 10) {
            (whole, 0) => format!("{whole}{name}"),
            (whole, tenth) if whole < 100 => format!("{whole}.{tenth}{name}"),
            (whole, _) => format!("{whole}{name}"),
        }
    };
    match count {
        0..10_000 => number(count),
        10_000..1_000_000 => parts(1_000, "k"),
        _ => parts(1_000_000, "M"),
    }
}

/// What became of a request.
pub(super) fn action_tag(of: EventAction) -> Markup {
    let (class, text) = match of {
        EventAction::Blocked => ("good", "Blocked"),
        EventAction::Monitored => ("watch", "Monitored"),
        EventAction::Observed => ("warm", "Passed"),
    };
    html! { span class={ "tag " (class) } { (text) } }
}

/// How long ago it was, with the time itself for machines and under the pointer.
pub(super) fn since(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) title=(at.to_string()) { (ago(at, now)) } }
}

/// How long ago it was, in words.
fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    match seconds {
        ..5 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_easily() {
        for (count, long, short) in [
            (7, "7", "7"),
            (1_234, "1,234", "1,234"),
            (12_345, "12,345", "12.3k"),
            (999_999, "999,999", "999k"),
            (1_000_000, "1,000,000", "1M"),
        ] {
            assert_eq!((number(count).as_str(), short_number(count).as_str()), (long, short));
        }
    }

    #[test]
    fn only_the_web_is_linked() {
        for good in ["https://example.com/x", "HTTP://example.com"] {
            assert!(is_web(good), "{good}");
        }
        for bad in [
            "javascript://example.com/%0aalert(1)",
            "javascript:alert(1)",
            "data:text/html,x",
            "https",
            "//example.com",
            "ftp://example.com",
            "java\nscript://x",
            " https://x",
        ] {
            assert!(!is_web(bad), "{bad}");
        }
    }
}
