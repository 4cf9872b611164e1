//! Bars of open leaks by source, the longest first.

use maud::{Markup, html};

use super::{float, n, said};
use crate::console::filter::{Filter, label};
use crate::console::words;
use crate::control::Count;

/// Width of the longest bar.
const BAR: f64 = 200.0;

pub(in crate::console) fn bars(counts: &[Count], filter: &Filter) -> Markup {
    let mut counts: Vec<&Count> = counts.iter().filter(|count| count.count > 0).collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.count));
    let most = counts.first().map_or(1, |count| count.count).max(1);
    html! {
        figure.card.chart {
            figcaption { h2 { "Open leaks by source" } }
            @if counts.is_empty() { p.quiet-text { "No leak is open." } }
            @else {
                table.bars {
                    caption.hidden { "Open leaks by source" }
                    thead.hidden { tr { th scope="col" { "Source" } th scope="col" { "Share" } th scope="col" { "Leaks" } } }
                    tbody {
                        @for count in counts {
                            @let name = label("source", &count.name).unwrap_or_default();
                            tr class=[filter.has("source", &count.name).then_some("chosen")] {
                                th scope="row" {
                                    a href=(filter.toggled("source", &count.name)) data-source=(count.name) aria-current=[filter.has("source", &count.name).then_some("true")] { (name) }
                                }
                                td {
                                    svg viewBox="0 0 200 12" preserveAspectRatio="none" role="img" aria-label=(said(&name, count.count)) {
                                        rect.bar-ground width="200" height="12" rx="2" {}
                                        rect.bar width=(n((BAR * float(count.count) / float(most)).max(3.0))) height="12" rx="2" {}
                                    }
                                }
                                td.number { (words::number(count.count)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
