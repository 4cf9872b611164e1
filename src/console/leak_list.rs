//! The list of leaks, with a decision for those that are ticked.

use maud::{Markup, html};

use super::decide::BREAK_GLASS;
use super::filter::Filter;
use super::visit::Visit;
use super::{charts, layout, words};
use crate::control::{LeakPage, Stats, TOTAL_COUNT, TOTAL_COUNT_ONE_BY_ONE};
use crate::model::leak::{Decision, Leak, Resolution};
use crate::model::role::Permission;

/// Tokens shown in a row.
const TOKENS: usize = 2;

pub(super) fn list(
    visit: &Visit,
    found: &LeakPage,
    filter: &Filter,
    stats: Option<&Stats>,
    two: bool,
) -> Markup {
    if found.items.is_empty() {
        return empty(visit, filter, stats);
    }
    let decides = visit.desk.may(Permission::Decide);
    let counted = if filter.text.is_some() { TOTAL_COUNT_ONE_BY_ONE } else { TOTAL_COUNT };
    let more = if found.total >= counted { " or more" } else { "" };
    let table = table(found, filter, decides);
    html! {
        p.count #count { (words::number(found.total)) (more) " " (if found.total == 1 { "leak" } else { "leaks" }) }
        @if decides {
            form.card.table-card #bulk method="post" action="/leaks/decide" {
                (layout::csrf(visit))
                (table)
                (decision(two))
            }
        } @else { div.card.table-card { (table) } }
    }
}

fn table(found: &LeakPage, filter: &Filter, decides: bool) -> Markup {
    let column = |name: &str, by: &str| {
        html! {
            th scope="col" aria-sort=[filter.direction(by)] {
                a href=(filter.sorted(by)) { (name) @match filter.direction(by) { Some("ascending") => " ↑", Some(_) => " ↓", None => "" } }
            }
        }
    };
    html! {
        div.scroll {
            table.list.leaks {
                thead {
                    tr {
                        @if decides { th.pick scope="col" { input type="checkbox" #all aria-label="Tick all on this page" hidden; } }
                        (column("Status", "status"))
                        (column("Risk", "risk"))
                        (column("Title", "title"))
                        (column("Source", "source"))
                        th scope="col" { "Tokens" }
                        (column("Remediation", "remediation"))
                        th.number scope="col" { "Uses, 24 h" }
                        (column("First seen", "created_at"))
                    }
                }
                tbody { @for leak in &found.items { (row(leak, decides)) } }
            }
        }
    }
}

fn row(leak: &Leak, decides: bool) -> Markup {
    html! {
        tr data-risk=(leak.risk.name()) {
            @if decides { td.pick { input type="checkbox" name="id" value=(leak.id) aria-label={ "Tick " (words::cut(&leak.title, 60)) }; } }
            td data-label="Status" { (words::status(leak.status)) }
            td data-label="Risk" { (words::risk_tag(leak.risk)) }
            th scope="row" { a href={ "/leaks/" (leak.id) } { bdi { (leak.title) } } }
            td data-label="Source" { div.kind { (words::source_kind(leak.source.kind)) } @if leak.source.url.is_some() || leak.source.path.is_some() { (words::source(&leak.source)) } }
            td data-label="Tokens" {
                @for token in leak.tokens.iter().take(TOKENS) { code.token { (token.masked) } " " }
                @if leak.token_count > TOKENS as u64 { span.quiet-text { "and " (words::number(leak.token_count - TOKENS as u64)) " more" } }
            }
            td data-label="Remediation" { (words::remediation_tag(leak)) }
            td.number data-label="Uses, 24 h" {
                @if leak.events_24h > 0 { strong { (words::number(leak.events_24h)) } } @else { span.quiet-text { "0" } }
                @if leak.events_24h > 0 { (charts::spark(&leak.events_by_hour)) }
            }
            td data-label="First seen" { (words::day(leak.created_at)) }
        }
    }
}

/// The decision for all that are ticked; `two`: whether one may take two persons.
fn decision(two: bool) -> Markup {
    let choices = [
        ("block", "Block"),
        ("monitoring", "Monitor"),
        ("unpatch", words::decision(Decision::RemoveVirtualPatch)),
        ("close", words::decision(Decision::Close)),
        ("mark-false", words::decision(Decision::MarkFalse)),
        ("reopen", words::decision(Decision::Reopen)),
    ];
    html! {
        div.bulk {
            label { "With those ticked"
                select name="decision" required {
                    option value="" { "choose a decision" }
                    @for (value, name) in choices { option value=(value) { (name) } }
                }
            }
            label { "Why, where it ends a leak"
                select name="resolution" {
                    option value="" { "not said" }
                    @for why in Resolution::ALL { option value=(why.name()) { (words::resolution(*why)) } }
                }
            }
            label.grow { "Comment" input name="comment" maxlength="8192"; }
            @if two { label.grow { "Why it cannot wait" input name=(BREAK_GLASS) maxlength="256" placeholder="empty: another person is asked"; } }
            button.primary type="submit" { "Decide" span #ticked {} }
        }
    }
}

fn empty(visit: &Visit, filter: &Filter, stats: Option<&Stats>) -> Markup {
    let nothing_yet = stats.is_some_and(|stats| stats.leaks == 0);
    let registers = visit.desk.may(Permission::Register);
    html! {
        section.card.empty {
            @if nothing_yet {
                h2 { "No leak is registered yet" }
                p { "Register the tokens that leaked: they are watched from then on, and you see who uses them before you decide to block." }
                @if registers {
                    p { a.button.primary href="/leaks/new" { "Add the first leak" } " " a.button href="/leaks/new#report" { "Import a scanner’s report" } }
                } @else { p.hint { "An administrator registers them." } }
            } @else if filter.is_empty() {
                h2 { "No leak is open" }
                p { "Everything is dealt with. Closed leaks are watched for a while." }
                p { a.button href=(filter.toggled("status", "all")) { "Show every status" } }
            } @else {
                h2 { "No leak fits this filter" }
                p { "Remove a filter above, or begin anew." }
                p { a.button href="/leaks" { "Clear all filters" } }
            }
        }
    }
}
