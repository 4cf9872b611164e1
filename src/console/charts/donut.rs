//! A donut of open leaks by risk.

use std::f64::consts::TAU;

use maud::{Markup, html};

use super::{float, n, said, table};
use crate::console::filter::Filter;
use crate::console::words;
use crate::control::Count;

/// Middle radius and width of the ring.
const RADIUS: f64 = 70.0;
const RING: f64 = 26.0;

pub(in crate::console) fn donut(counts: &[Count], filter: &Filter) -> Markup {
    let total: u64 = counts.iter().map(|count| count.count).sum();
    let mut from = 0.0;
    html! {
        figure.card.chart {
            figcaption { h2 { "Open leaks by risk" } }
            div.beside {
                svg viewBox="0 0 180 180" width="150" height="150" role="group" aria-label="Donut of open leaks by risk; the numbers are in the table beside it" {
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
                    text.big x="90" y="94" text-anchor="middle" { (words::short_number(total)) }
                    text.small x="90" y="114" text-anchor="middle" { "open" }
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
        format!("{:.2} {:.2}", 90.0 + radius * angle.sin(), 90.0 - radius * angle.cos())
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
