//! A sparkline: the uses of one leak's tokens by hour.

use std::fmt::Write;

use maud::{Markup, html};

use super::{float, n};
use crate::console::words;

/// Its height, and the width of one hour.
const HIGH: f64 = 20.0;
const STEP: f64 = 3.0;

/// The last hours, oldest first; nothing where nothing was used.
pub(in crate::console) fn spark(hours: &[u64]) -> Markup {
    let most = hours.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return html! {};
    }
    let used = hours.iter().filter(|count| **count > 0).count() as u64;
    let said = format!(
        "in {}, at most {} in one",
        words::many(used, "hour", "different hours"),
        words::number(most)
    );
    let width = STEP * float(hours.len() as u64);
    let mut path = String::new();
    let mut x = 0.0;
    for count in hours {
        if *count > 0 {
            let height = n(((HIGH - 1.0) * float(*count) / float(most)).max(2.0));
            // Writing to a string cannot fail.
            let _ = write!(path, "M{} 20v-{height}h2v{height}z", n(x));
        }
        x += STEP;
    }
    html! {
        svg.spark viewBox={ "0 0 " (n(width)) " " (n(HIGH)) } width=(n(width)) height=(n(HIGH)) role="img" {
            title { (said) }
            line x1="0" x2=(n(width)) y1="19.5" y2="19.5" {}
            path d=(path) {}
        }
    }
}
