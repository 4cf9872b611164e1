//! Diagrams: SVG with a link for each part, and the same numbers as a table beside it.

mod bars;
mod donut;
mod spark;
mod timeline;

use maud::{Markup, html};

pub(super) use bars::bars;
pub(super) use donut::donut;
pub(super) use spark::spark;
pub(super) use timeline::timeline;

use super::filter::{Filter, label};
use super::words;
use crate::control::Count;

/// A number as SVG has it.
fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Counts are far below 2^52, so nothing is lost.
fn float(count: u64) -> f64 {
    count as f64
}

/// A part's name for readers, said with its number.
fn said(name: &str, count: u64) -> String {
    format!("{name}: {}", words::many(count, "leak", "leaks"))
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
                            a href=(filter.toggled(field, &count.name)) aria-current=[filter.has(field, &count.name).then_some("true")] {
                                @if field == "risk" { span class={ "dot fill-" (count.name) } {} }
                                (label(field, &count.name).unwrap_or_default())
                            }
                        }
                        td.number { (words::number(count.count)) }
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
            h2 { "All leaks by status" }
            (table("Status", "status", by_status, filter))
            h2 { "Open leaks by remediation" }
            (table("Remediation", "remediation", by_remediation, filter))
        }
    }
}
