//! API leaks: the situation in diagrams, and the list that they filter.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::filter::Filter;
use super::refused::Answer;
use super::visit::Visit;
use super::{charts, layout, words};
use crate::control::{LeakPage, Stats};
use crate::model::clock;
use crate::model::leak::Leak;
use crate::model::role::Permission;

/// Tokens shown in a row of the list.
const TOKENS: usize = 3;

pub(super) async fn show(visit: Visit) -> Answer {
    let filter = Filter::of(&visit.query);
    let cursor = visit.value("cursor");
    let found = visit.desk.leaks(&filter.asked(cursor)).await?;
    // Diagrams that cannot be drawn now keep nobody from the list.
    let stats = visit.desk.stats().await.ok();
    let body = html! {
        (layout::done(&visit))
        div.heading {
            h1 { "API leaks" }
            @if visit.desk.may(Permission::Register) { a.button.primary href="/leaks/new" { "Add leak" } }
        }
        @match &stats {
            Some(stats) => (diagrams(stats, &filter)),
            None => p.notice role="status" { "The diagrams cannot be drawn right now: load the page again in a moment." },
        }
        (chips(&filter))
        (search(&filter))
        (list(&visit, &found, &filter, stats.as_ref()))
        (layout::pages(&filter.address(None), found.next_cursor.as_deref().map(|next| filter.address(Some(next))), cursor.is_none()))
    };
    layout::page(&visit, "API leaks", body).await
}

fn diagrams(stats: &Stats, filter: &Filter) -> Markup {
    let today = clock::now().to_zoned(TimeZone::UTC).date();
    html! {
        div.charts {
            (charts::donut(&stats.by_risk, filter))
            (charts::bars(&stats.by_source, filter))
            (charts::counts(&stats.by_status, &stats.by_remediation, filter))
            (charts::timeline(&stats.days, today))
        }
    }
}

fn chips(filter: &Filter) -> Markup {
    let chips = filter.chips();
    html! {
        @if !chips.is_empty() {
            ul.chips aria-label="Filters" {
                @for chip in &chips {
                    li { a.chip href=(chip.without) aria-label={ "Remove the filter " (chip.name) } { (chip.name) span aria-hidden="true" { "×" } } }
                }
                li { a href="/leaks" { "Clear all" } }
            }
        }
    }
}

fn search(filter: &Filter) -> Markup {
    html! {
        form.search method="get" action="/leaks" role="search" {
            @for (name, value) in filter.carried() { input type="hidden" name=(name) value=(value); }
            label { span.hidden { "Search" }
                input type="search" name="q" value=[filter.text.as_deref()] placeholder="Title, comment, source or fingerprint" maxlength="256";
            }
            button type="submit" { "Search" }
            @if !filter.has("status", "all") { a href=(filter.toggled("status", "all")) { "Show every status" } }
        }
    }
}

fn list(visit: &Visit, found: &LeakPage, filter: &Filter, stats: Option<&Stats>) -> Markup {
    if found.items.is_empty() {
        return empty(visit, filter, stats);
    }
    let column = |name: &str, by: &str| {
        html! {
            th scope="col" aria-sort=[filter.direction(by)] {
                a href=(filter.sorted(by)) { (name) @match filter.direction(by) { Some("ascending") => " ↑", Some(_) => " ↓", None => "" } }
            }
        }
    };
    let total =
        if found.total >= 10_000 { "10,000 or more".to_owned() } else { found.total.to_string() };
    html! {
        p.count #count { (total) " " (if found.total == 1 { "leak" } else { "leaks" }) }
        div.scroll {
            table.list.leaks {
                thead {
                    tr {
                        (column("Risk", "risk"))
                        (column("Title", "title"))
                        (column("Status", "status"))
                        th scope="col" { "Source" }
                        th scope="col" { "Tokens" }
                        th scope="col" { "Remediation" }
                        th.number scope="col" { "Uses, 24 h" }
                        (column("First seen", "created_at"))
                    }
                }
                tbody { @for leak in &found.items { (row(leak)) } }
            }
        }
    }
}

fn row(leak: &Leak) -> Markup {
    html! {
        tr data-risk=(leak.risk.name()) {
            td data-label="Risk" { (words::risk_tag(leak.risk)) }
            th scope="row" { a href={ "/leaks/" (leak.id) } { (leak.title) } }
            td data-label="Status" { (words::status(leak.status)) }
            td data-label="Source" { div.kind { (words::source_kind(leak.source.kind)) } (words::source(&leak.source)) }
            td data-label="Tokens" {
                @for token in leak.tokens.iter().take(TOKENS) { code.token { (token.masked) } " " }
                @if leak.token_count > TOKENS as u64 { span.quiet-text { "and " (leak.token_count - TOKENS as u64) " more" } }
            }
            td data-label="Remediation" { (words::remediation_tag(leak)) }
            td.number data-label="Uses, 24 h" { @if leak.events_24h > 0 { strong { (leak.events_24h) } } @else { span.quiet-text { "0" } } }
            td data-label="First seen" { (words::time(leak.created_at)) }
        }
    }
}

fn empty(visit: &Visit, filter: &Filter, stats: Option<&Stats>) -> Markup {
    let nothing_yet = stats.is_some_and(|stats| stats.leaks == 0);
    html! {
        section.card.empty {
            @if nothing_yet {
                h2 { "No leak is registered yet" }
                p { "Register the tokens that leaked: they are watched from then on, and you see who uses them before you decide to block." }
                @if visit.desk.may(Permission::Register) { p { a.button.primary href="/leaks/new" { "Add the first leak" } } }
                p.hint { "Or import a scanner’s report: " code { "leakgate import report.json" } }
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
