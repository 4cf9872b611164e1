//! The last 90 days: attempted uses a day as bars, leaks registered a day as bars below.

use std::fmt::Write;

use jiff::ToSpan;
use jiff::civil::Date;
use maud::{Markup, html};

use super::{float, n};
use crate::console::words;
use crate::control::Day;

/// The size of the part of uses, of that of leaks, and of the ground of both.
const WIDE: f64 = 860.0;
const HIGH: f64 = 120.0;
const LOW: f64 = 36.0;
const LEFT: f64 = 40.0;
const TOP: f64 = 8.0;
const DAYS: i64 = 90;

/// A day and where it stands.
struct Placed<'a> {
    x: f64,
    date: Date,
    day: &'a Day,
}

fn uses(day: &Day) -> u64 {
    day.observed + day.monitored + day.blocked
}

fn placed(days: &[Day], today: Date) -> Vec<Placed<'_>> {
    let step = WIDE / float(DAYS.unsigned_abs());
    days.iter()
        .filter_map(|day| {
            let date: Date = day.day.parse().ok()?;
            let ago = i64::from(date.until(today).ok()?.get_days());
            let index = i32::try_from(DAYS - 1 - ago).ok().filter(|index| *index >= 0)?;
            Some(Placed { x: LEFT + f64::from(index) * step, date, day })
        })
        .collect()
}

/// The firsts of months, with their places.
fn months(today: Date) -> Vec<(f64, String)> {
    let step = WIDE / float(DAYS.unsigned_abs());
    (0..DAYS)
        .filter_map(|index| {
            let date = today.checked_sub((DAYS - 1 - index).days()).ok()?;
            let index = i32::try_from(index).ok()?;
            (date.day() == 1)
                .then(|| (LEFT + f64::from(index) * step, date.strftime("%b").to_string()))
        })
        .collect()
}

pub(in crate::console) fn timeline(days: &[Day], today: Date) -> Markup {
    let placed = placed(days, today);
    let most = days.iter().map(uses).max().unwrap_or(0).max(1);
    let most_leaks = days.iter().map(|day| day.leaks).max().unwrap_or(0).max(1);
    let base = TOP + HIGH;
    let low = base + 16.0 + LOW;
    let used: u64 = days.iter().map(uses).sum();
    let leaks: u64 = days.iter().map(|day| day.leaks).sum();
    html! {
        figure.card.chart.wide-chart {
            figcaption {
                h2 { "Attempted uses and new leaks, last 90 days" }
                p.key {
                    span.swatch.fill-blocked {} "blocked"
                    span.swatch.fill-monitored {} "monitored"
                    span.swatch.fill-observed {} "watched"
                    span.swatch.fill-leaks {} "leaks registered"
                }
            }
            div.scroll tabindex="0" role="region" aria-label="Timeline of 90 days" {
                svg.timeline viewBox="0 0 910 200" role="group" aria-label={ (words::many(used, "attempted use", "attempted uses")) " and " (words::many(leaks, "new leak", "new leaks")) " in 90 days; the numbers are in the table below" } {
                    line.axis x1="40" x2="900" y1=(n(TOP + 0.5)) y2=(n(TOP + 0.5)) {}
                    line.axis x1="40" x2="900" y1=(n(base + 0.5)) y2=(n(base + 0.5)) {}
                    line.axis x1="40" x2="900" y1=(n(low + 0.5)) y2=(n(low + 0.5)) {}
                    text.tick x="34" y=(n(TOP + 8.0)) text-anchor="end" { (words::short_number(most)) }
                    text.tick x="34" y=(n(base + 4.0)) text-anchor="end" { "0" }
                    text.tick x="34" y=(n(low - LOW + 10.0)) text-anchor="end" { (words::short_number(most_leaks)) }
                    @for (x, name) in months(today) {
                        line.axis x1=(n(x)) x2=(n(x)) y1=(n(low)) y2=(n(low + 6.0)) {}
                        text.tick x=(n(x + 3.0)) y=(n(low + 16.0)) { (name) }
                    }
                    path.fill-blocked d=(bars(&placed, |day| (0, day.blocked), HIGH, most, base)) {}
                    path.fill-monitored d=(bars(&placed, |day| (day.blocked, day.monitored), HIGH, most, base)) {}
                    path.fill-observed d=(bars(&placed, |day| (day.blocked + day.monitored, day.observed), HIGH, most, base)) {}
                    path.fill-leaks d=(bars(&placed, |day| (0, day.leaks), LOW, most_leaks, low)) {}
                    @for Placed { x, date, day } in &placed {
                        a href=(address(*date)) { title { (said(day)) } rect.day x=(n(x - 1.0)) {} }
                    }
                }
            }
            details {
                summary { "The numbers as a table" }
                @if days.is_empty() { p.quiet-text { "Nothing happened in these days." } }
                @else {
                    div.scroll {
                        table.legend {
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

/// All bars of one series as one path: each day's count on top of what stands below it.
fn bars(
    placed: &[Placed<'_>],
    of: impl Fn(&Day) -> (u64, u64),
    high: f64,
    most: u64,
    base: f64,
) -> String {
    let width = WIDE / float(DAYS.unsigned_abs()) - 2.0;
    let height =
        |count: u64| if count == 0 { 0.0 } else { (high * float(count) / float(most)).max(2.0) };
    let mut path = String::new();
    for Placed { x, day, .. } in placed {
        let (below, count) = of(day);
        if count > 0 {
            let (foot, tall, x, width) =
                (n(base - height(below)), n(height(count)), n(*x), n(width));
            // Writing to a string cannot fail.
            let _ = write!(path, "M{x} {foot}v-{tall}h{width}v{tall}z");
        }
    }
    path
}

fn said(day: &Day) -> String {
    let leaks = words::many(day.leaks, "leak", "leaks");
    let Day { day, blocked, monitored, observed, .. } = day;
    format!("{day}: {blocked} blocked, {monitored} monitored, {observed} watched, {leaks}")
}

/// The events of a day.
fn address(date: Date) -> String {
    let next = date.tomorrow().unwrap_or(date);
    format!("/events?from={date}T00:00&to={next}T00:00")
}
