//! Diagrams: SVG with a link for each part, and the same numbers as a table beside it.

use std::f64::consts::TAU;

use maud::{Markup, html};

use super::filter::{Filter, label};
use super::words;
use crate::control::{Count, Day};

/// Middle radius and width of the donut's ring.
const RADIUS: f64 = 70.0;
const RING: f64 = 28.0;
/// Width of the longest bar.
const BAR: f64 = 150.0;
/// The timeline's size, and its days.
const WIDE: f64 = 900.0;
const HIGH: f64 = 120.0;
const DAYS: i64 = 90;

/// A number as SVG has it.
fn n(value: f64) -> String {
    format!("{value:.2}")
}

/// Counts of leaks are far below 2^52, so nothing is lost.
fn float(count: u64) -> f64 {
    count as f64
}

/// A part's name for readers, said with its number.
fn said(name: &str, count: u64) -> String {
    format!("{name}: {}", words::many(count, "leak", "leaks"))
}

/// A donut of open leaks by risk.
pub(super) fn donut(counts: &[Count], filter: &Filter) -> Markup {
    let total: u64 = counts.iter().map(|count| count.count).sum();
    let mut from = 0.0;
    html! {
        figure.card.chart {
            figcaption { h2 { "Open leaks by risk" } }
            div.beside {
                svg viewBox="0 0 180 180" width="180" height="180" role="group" aria-label="Donut of open leaks by risk" {
                    @if total == 0 {
                        circle.empty-ring cx="90" cy="90" r=(n(RADIUS)) {}
                    }
                    @for count in counts.iter().filter(|count| count.count > 0) {
                        @let share = float(count.count) / float(total.max(1));
                        @let part = arc(from, share);
                        @let name = words::plain(&count.name);
                        ({ from += share; html! {} })
                        a href=(filter.toggled("risk", &count.name)) data-risk=(count.name)
                            aria-label={ (said(&name, count.count)) ", show them" }
                            class=[filter.has("risk", &count.name).then_some("chosen")] {
                            title { (said(&name, count.count)) }
                            path class={ "segment fill-" (count.name) } d=(part) {}
                        }
                    }
                    text.big x="90" y="92" text-anchor="middle" { (total) }
                    text.small x="90" y="112" text-anchor="middle" { "open" }
                }
                (table("Risk", "risk", counts, filter))
            }
        }
    }
}

/// A piece of the ring, from a share of the whole on; never quite the whole, which would be nothing.
fn arc(from: f64, share: f64) -> String {
    let share = share.min(0.9999);
    let (start, end) = (from * TAU, (from + share) * TAU);
    let point = |radius: f64, angle: f64| {
        format!("{} {}", n(90.0 + radius * angle.sin()), n(90.0 - radius * angle.cos()))
    };
    let (outer, inner) = (RADIUS + RING / 2.0, RADIUS - RING / 2.0);
    let large = i32::from(share > 0.5);
    format!(
        "M {} A {outer} {outer} 0 {large} 1 {} L {} A {inner} {inner} 0 {large} 0 {} Z",
        point(outer, start),
        point(outer, end),
        point(inner, end),
        point(inner, start),
    )
}

/// Bars of open leaks by source, the longest first.
pub(super) fn bars(counts: &[Count], filter: &Filter) -> Markup {
    let mut counts: Vec<&Count> = counts.iter().filter(|count| count.count > 0).collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.count));
    let most = counts.first().map_or(1, |count| count.count).max(1);
    html! {
        figure.card.chart {
            figcaption { h2 { "Open leaks by source" } }
            @if counts.is_empty() { p.quiet-text { "No open leaks." } }
            @else {
                table.bars {
                    caption.hidden { "Open leaks by source" }
                    thead.hidden { tr { th scope="col" { "Source" } th scope="col" { "Share" } th scope="col" { "Leaks" } } }
                    tbody {
                        @for count in counts {
                            @let name = label("source", &count.name).unwrap_or_default();
                            tr class=[filter.has("source", &count.name).then_some("chosen")] {
                                th scope="row" { a href=(filter.toggled("source", &count.name)) { (name) } }
                                td {
                                    a href=(filter.toggled("source", &count.name)) tabindex="-1" aria-hidden="true" {
                                        svg width="150" height="14" viewBox="0 0 150 14" {
                                            rect.bar width=(n((BAR * float(count.count) / float(most)).max(3.0))) height="14" rx="3" {}
                                        }
                                    }
                                }
                                td.number { (count.count) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Counts that filter, as a table.
fn table(of: &str, field: &str, counts: &[Count], filter: &Filter) -> Markup {
    html! {
        table.legend {
            caption.hidden { "Leaks by " (of.to_lowercase()) }
            thead.hidden { tr { th scope="col" { (of) } th scope="col" { "Leaks" } } }
            tbody {
                @for count in counts {
                    tr class=[filter.has(field, &count.name).then_some("chosen")] {
                        th scope="row" {
                            a href=(filter.toggled(field, &count.name)) {
                                @if field == "risk" { span class={ "dot dot-" (count.name) } {} }
                                (label(field, &count.name).unwrap_or_default())
                            }
                        }
                        td.number { (count.count) }
                    }
                }
            }
        }
    }
}

/// Counts by status, and of open leaks by remediation.
pub(super) fn counts(by_status: &[Count], by_remediation: &[Count], filter: &Filter) -> Markup {
    html! {
        section.card.chart {
            h2 { "By status" }
            (table("Status", "status", by_status, filter))
            h2 { "Open leaks by remediation" }
            (table("Remediation", "remediation", by_remediation, filter))
        }
    }
}

/// The last 90 days: uses a day as bars, days on which leaks were registered as marks below.
pub(super) fn timeline(days: &[Day], today: jiff::civil::Date) -> Markup {
    let uses = |day: &Day| day.observed + day.monitored + day.blocked;
    let most = days.iter().map(uses).max().unwrap_or(0).max(1);
    let step = WIDE / 90.0;
    let placed: Vec<(f64, &Day)> = days
        .iter()
        .filter_map(|day| {
            let date: jiff::civil::Date = day.day.parse().ok()?;
            let ago = i64::from(date.until(today).ok()?.get_days());
            let index = i32::try_from(DAYS - 1 - ago).ok().filter(|index| *index >= 0)?;
            Some((f64::from(index) * step, day))
        })
        .collect();
    let height =
        |count: u64| if count == 0 { 0.0 } else { (HIGH * float(count) / float(most)).max(2.0) };
    html! {
        figure.card.chart.wide-chart {
            figcaption {
                h2 { "The last 90 days" }
                p.key {
                    span.swatch.fill-blocked {} "blocked "
                    span.swatch.fill-monitored {} "monitored "
                    span.swatch.fill-observed {} "watched "
                    span.swatch.fill-leaks {} "leaks registered"
                }
            }
            svg.timeline viewBox="0 0 900 150" role="img" aria-label="Uses of leaked tokens and leaks registered a day, over 90 days; the numbers are in the table below" {
                line.axis x1="0" x2="900" y1="120.5" y2="120.5" {}
                @for (x, day) in &placed {
                    @let (blocked, monitored, observed) = (height(day.blocked), height(day.monitored), height(day.observed));
                    g {
                        title { (day.day) ": " (day.blocked) " blocked, " (day.monitored) " monitored, " (day.observed) " watched, " (words::many(day.leaks, "leak", "leaks")) }
                        rect.fill-blocked x=(n(*x)) width=(n(step - 2.0)) y=(n(HIGH - blocked)) height=(n(blocked)) {}
                        rect.fill-monitored x=(n(*x)) width=(n(step - 2.0)) y=(n(HIGH - blocked - monitored)) height=(n(monitored)) {}
                        rect.fill-observed x=(n(*x)) width=(n(step - 2.0)) y=(n(HIGH - blocked - monitored - observed)) height=(n(observed)) {}
                        @if day.leaks > 0 { circle.fill-leaks cx=(n(x + step / 2.0 - 1.0)) cy="133" r="4" {} }
                    }
                }
            }
            details {
                summary { "The numbers as a table" }
                @if days.is_empty() { p.quiet-text { "Nothing happened in these days." } }
                @else {
                    div.scroll {
                        table.list {
                            thead { tr { th scope="col" { "Day" } th.number scope="col" { "Leaks" } th.number scope="col" { "Blocked" } th.number scope="col" { "Monitored" } th.number scope="col" { "Watched" } } }
                            tbody {
                                @for day in days.iter().rev() {
                                    tr { th scope="row" { (day.day) } td.number { (day.leaks) } td.number { (day.blocked) } td.number { (day.monitored) } td.number { (day.observed) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
