//! How leaks look to people.

use std::io::{self, Write};

use serde_json::Value;

use super::output::{NOTHING, count, fields, items, number, table, text, time};

/// A page of leaks.
pub(super) fn list(page: &Value, out: &mut dyn Write) -> io::Result<()> {
    let leaks = items(page, "items");
    if leaks.is_empty() {
        return writeln!(out, "No leaks.");
    }
    table(
        out,
        &["ID", "RISK", "STATUS", "REMEDIATION", "TOKENS", "USES 24H", "REGISTERED", "TITLE"],
        leaks.iter().map(|leak| {
            vec![
                text(leak, "id"),
                text(leak, "risk"),
                text(leak, "status"),
                remediation(leak),
                text(leak, "token_count"),
                text(leak, "events_24h"),
                time(leak, "created_at"),
                text(leak, "title"),
            ]
        }),
    )?;
    let total = number(page, "total");
    if total > leaks.len() as u64 {
        writeln!(out, "{} of {total}", leaks.len())?;
    }
    Ok(())
}

/// What is in force: the patch's mode where there is one.
fn remediation(leak: &Value) -> String {
    match leak.get("virtual_patch").map(|patch| text(patch, "mode")) {
        Some(mode) if mode != NOTHING => mode,
        _ => text(leak, "remediation"),
    }
}

/// One leak, whole.
pub(super) fn leak(leak: &Value, out: &mut dyn Write) -> io::Result<()> {
    let nothing = Value::Null;
    let patch = leak.get("virtual_patch").unwrap_or(&nothing);
    let scope = scope(patch.get("scope").unwrap_or(&nothing));
    fields(
        out,
        &[
            ("id", text(leak, "id")),
            ("title", text(leak, "title")),
            ("risk", risk(leak)),
            ("status", text(leak, "status")),
            ("resolution", text(leak, "resolution")),
            ("remediation", text(leak, "remediation")),
            ("because", text(leak, "remediation_reason")),
            ("patch mode", text(patch, "mode")),
            ("patch scope", if patch.is_null() { String::new() } else { scope }),
            ("patch ends", time(patch, "expires_at")),
            ("patched by", text(patch, "created_by")),
            ("kind", text(leak, "kind")),
            ("owner", text(leak, "owner")),
            ("contact", text(leak, "contact")),
            ("comment", text(leak, "comment")),
            ("detected by", text(leak, "detected_by")),
            ("registered", time(leak, "created_at")),
            ("changed", time(leak, "updated_at")),
            ("last used", time(leak, "last_event_at")),
            ("uses in 24 h", text(leak, "events_24h")),
            ("tokens", text(leak, "token_count")),
        ],
    )?;
    let sources = items(leak, "sources");
    if !sources.is_empty() {
        writeln!(out, "\nSeen at")?;
        table(
            out,
            &["KIND", "PLACE", "PATH", "LINE", "COMMIT"],
            sources.iter().map(|source| {
                ["kind", "url", "path", "line", "commit"]
                    .iter()
                    .map(|name| text(source, name))
                    .collect()
            }),
        )?;
    }
    writeln!(out, "\nTokens")?;
    tokens(leak, "tokens", out)?;
    let (all, shown) = (number(leak, "token_count"), items(leak, "tokens").len() as u64);
    if all > shown {
        writeln!(out, "{shown} of {all}: leakgate leaks tokens {}", text(leak, "id"))?;
    }
    Ok(())
}

/// The risk that counts, and why.
fn risk(leak: &Value) -> String {
    let (risk, set) = (text(leak, "risk"), text(leak, "risk_set"));
    if set != NOTHING {
        return format!("{risk}, set; computed: {}", text(leak, "risk_computed"));
    }
    let why = items(leak, "risk_explained").iter().filter_map(Value::as_str);
    let why: Vec<String> = why.map(super::output::plain).collect();
    if why.is_empty() { risk } else { format!("{risk}: {}", why.join("; ")) }
}

/// Where a patch acts, in words.
fn scope(scope: &Value) -> String {
    let mut parts: Vec<String> = ["methods", "hosts", "path_prefixes"]
        .iter()
        .filter(|name| !items(scope, name).is_empty())
        .map(|name| text(scope, name))
        .collect();
    if parts.is_empty() {
        parts.push("everywhere".to_owned());
    }
    parts.extend(items(scope, "except_clients").iter().map(|except| {
        let until = match time(except, "until") {
            until if until == NOTHING => String::new(),
            until => format!(" until {until}"),
        };
        format!("except {}{until}", text(except, "client"))
    }));
    if let Some(boundary @ ("anywhere" | "delimited")) =
        scope.get("boundary").and_then(Value::as_str)
    {
        parts.push(boundary.to_owned());
    }
    parts.join(", ")
}

/// What waits for another person, or has waited.
pub(super) fn proposals(page: &Value, out: &mut dyn Write) -> io::Result<()> {
    let proposals = items(page, "items");
    if proposals.is_empty() {
        return writeln!(out, "Nothing waits for another person.");
    }
    table(
        out,
        &["ID", "STATE", "BY", "AT", "LEAK", "WHAT", "BECAUSE"],
        proposals.iter().map(|proposal| {
            vec![
                text(proposal, "id"),
                text(proposal, "state"),
                text(proposal, "proposed_by"),
                time(proposal, "proposed_at"),
                text(proposal, "leak"),
                text(proposal, "summary"),
                text(proposal, "comment"),
            ]
        }),
    )
}

/// A proposal or a review to which somebody has said something, and the leak as it is then.
pub(super) fn settled(answer: &Value, out: &mut dyn Write) -> io::Result<()> {
    let proposal = answer.get("proposal").unwrap_or(&Value::Null);
    writeln!(out, "{}: {}", text(proposal, "state"), text(proposal, "summary"))?;
    match answer.get("leak") {
        Some(leak @ Value::Object(_)) => decided(leak, out),
        _ => Ok(()),
    }
}

/// A leak after a decision or a change: what is in force now, and what could not be done; or what
/// another person is asked for.
pub(super) fn decided(leak: &Value, out: &mut dyn Write) -> io::Result<()> {
    if leak.get("proposed_by").is_some() {
        writeln!(out, "Nothing is changed yet: this takes two persons. {}", text(leak, "summary"))?;
        let id = text(leak, "id");
        return writeln!(out, "Another one approves it with: leakgate leaks approve {id}");
    }
    write!(out, "{}: {}", text(leak, "title"), text(leak, "status"))?;
    match leak.get("virtual_patch") {
        Some(patch @ Value::Object(_)) => {
            let scope = scope(patch.get("scope").unwrap_or(&Value::Null));
            write!(out, ", {} {scope}", text(patch, "mode"))?;
            let ends = time(patch, "expires_at");
            if ends != NOTHING {
                write!(out, ", until {ends}")?;
            }
        }
        _ => write!(out, ", remediation {}", text(leak, "remediation"))?,
    }
    writeln!(out)?;
    let patched = leak.get("virtual_patch").is_some_and(Value::is_object);
    let spared = items(leak, "tokens").iter().filter(|_| patched);
    for token in spared.filter(|token| token.get("not_applicable").is_some_and(Value::is_string)) {
        writeln!(
            out,
            "No rule is made of {} ({}): {}",
            text(token, "masked"),
            text(token, "fingerprint"),
            text(token, "not_applicable")
        )?;
    }
    Ok(())
}

/// What a registration came to.
pub(super) fn registered(registered: &Value, out: &mut dyn Write) -> io::Result<()> {
    let merged = items(registered, "merged");
    let id = text(registered, "id");
    let known = merged.iter().any(|merged| text(merged, "leak") == id);
    if !known {
        let tokens = count(number(registered, "token_count"), "token");
        writeln!(out, "Registered {id} with {tokens}: watched, nothing is blocked yet.")?;
        writeln!(out, "Block them with: leakgate leaks patch {id}")?;
    }
    for merged in merged {
        let tokens = count(number(merged, "tokens"), "token");
        writeln!(
            out,
            "Known already: {tokens} of leak {}, which got an occurrence.",
            text(merged, "leak")
        )?;
    }
    Ok(())
}

/// Tokens, none with its text.
pub(super) fn tokens(page: &Value, name: &str, out: &mut dyn Write) -> io::Result<()> {
    let tokens = items(page, name);
    if tokens.is_empty() {
        return writeln!(out, "No tokens.");
    }
    table(
        out,
        &[
            "ID",
            "FINGERPRINT",
            "MASKED",
            "BYTES",
            "KIND",
            "MODE",
            "VALIDITY",
            "LAST USED",
            "NO RULE BECAUSE",
        ],
        tokens.iter().map(|token| {
            vec![
                text(token, "id"),
                text(token, "fingerprint"),
                text(token, "masked"),
                text(token, "length"),
                text(token, "kind"),
                text(token, "mode"),
                text(token, "validity"),
                time(token, "last_used_at"),
                text(token, "not_applicable"),
            ]
        }),
    )
}

/// Who did what to a leak.
pub(super) fn history(history: &Value, out: &mut dyn Write) -> io::Result<()> {
    table(
        out,
        &["AT", "WHO", "WHAT", "DETAIL", "COMMENT"],
        items(history, "items").iter().map(|entry| {
            vec![
                time(entry, "at"),
                text(entry, "actor"),
                text(entry, "action"),
                text(entry, "detail"),
                text(entry, "comment"),
            ]
        }),
    )
}

/// What was said about a leak.
pub(super) fn comments(comments: &Value, out: &mut dyn Write) -> io::Result<()> {
    let comments = items(comments, "items");
    if comments.is_empty() {
        return writeln!(out, "No comments.");
    }
    for comment in comments {
        writeln!(out, "{}  {}", time(comment, "at"), text(comment, "author"))?;
        let said = comment.get("text").and_then(Value::as_str).unwrap_or_default();
        for line in said.lines() {
            writeln!(out, "  {}", super::output::plain(line))?;
        }
    }
    Ok(())
}

/// What a patch would do.
pub(super) fn impact(impact: &Value, out: &mut dyn Write) -> io::Result<()> {
    let watched = time(impact, "watched_since");
    let not_watched = number(impact, "not_watched");
    fields(
        out,
        &[
            ("uses in 1 h", text(impact, "uses_1h")),
            ("uses in 24 h", text(impact, "uses_24h")),
            ("uses in 7 days", text(impact, "uses_7d")),
            ("watched since", if watched == NOTHING { "not watched".to_owned() } else { watched }),
            (
                "not watched",
                if not_watched == 0 { String::new() } else { count(not_watched, "token") },
            ),
        ],
    )?;
    let clients = items(impact, "clients");
    if clients.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    table(
        out,
        &["CLIENT", "HOST", "STATUS", "USES", "FIRST", "LAST", "NEW SINCE EXPOSURE"],
        clients.iter().map(|client| {
            let new = match client.get("new_since_exposure").and_then(Value::as_bool) {
                Some(true) => "yes",
                Some(false) => "no",
                None => NOTHING,
            };
            vec![
                text(client, "source_ip"),
                text(client, "host"),
                text(client, "response_status"),
                text(client, "count"),
                time(client, "first_at"),
                time(client, "last_at"),
                new.to_owned(),
            ]
        }),
    )
}
