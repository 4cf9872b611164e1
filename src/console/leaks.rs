//! API leaks: the most urgent one, the situation in diagrams, and the list that they filter.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::filter::Filter;
use super::refused::Answer;
use super::visit::Visit;
use super::{charts, layout, leak_list, urgent};
use crate::control::Stats;
use crate::model::clock;
use crate::model::role::Permission;

/// Orders beside the usual one, for screens on which the list has no head to click.
const SORTS: [(&str, &str); 7] = [
    ("risk", "worst first"),
    ("status", "by status"),
    ("title", "by title"),
    ("source", "by source"),
    ("remediation", "without a patch first"),
    ("-updated_at", "last changed first"),
    ("created_at", "oldest first"),
];

pub(super) async fn show(visit: Visit) -> Answer {
    let filter = Filter::of(&visit.query);
    let cursor = visit.value("cursor");
    let asked = filter.asked(cursor);
    let at_first = filter.is_empty() && cursor.is_none();
    let urgent = async { if at_first { urgent::find(&visit).await } else { None } };
    let (found, stats, urgent, two) = tokio::join!(
        visit.desk.leaks(&asked),
        visit.desk.stats(),
        urgent,
        visit.desk.four_eyes_tenants()
    );
    let two = two.is_ok_and(|tenants| !tenants.is_empty());
    // Diagrams that cannot be drawn now keep nobody from the list.
    let (found, stats) = (found?, stats.ok());
    let next = found.next_cursor.as_deref().map(|next| filter.address(Some(next)));
    let body = html! {
        (layout::done(&visit))
        div.heading {
            h1 { "API leaks" }
            @if visit.desk.may(Permission::Register) { a.button.primary href="/leaks/new" { "Add leak" } }
        }
        @if let Some(urgent) = &urgent { (urgent::panel(&visit, urgent)) }
        @match &stats {
            Some(stats) => (diagrams(stats, &filter)),
            None => p.notice role="status" { "The diagrams cannot be drawn right now: load the page again in a moment." },
        }
        (chips(&filter))
        (search(&filter))
        (leak_list::list(&visit, &found, &filter, stats.as_ref(), two))
        (layout::pages(&filter.address(None), next, cursor.is_none()))
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
                    li { a.chip href=(chip.without) aria-label={ "Remove the filter " (chip.name) } { bdi { (chip.name) } span aria-hidden="true" { "×" } } }
                }
                li { a #clear href="/leaks" { "Clear all" } }
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
            label.when-narrow { span.hidden { "Sort by" }
                select name="sort" {
                    option value="" { "newest first" }
                    @for (value, name) in SORTS { option value=(value) selected[filter.sort.as_deref() == Some(value)] { (name) } }
                }
            }
            button type="submit" { "Search" }
            @if !filter.has("status", "all") { a href=(filter.toggled("status", "all")) { "Show every status" } }
        }
    }
}
