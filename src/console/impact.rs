//! What a patch on a leak would do, before it is applied: who uses its tokens now.

use maud::{Markup, html};

use super::visit::Visit;
use super::{layout, words};
use crate::control::{Impact, ImpactRow, Problem};
use crate::model::clock;
use crate::model::leak::{Leak, Status};
use crate::model::role::Permission;
use crate::model::rule::PatchMode;

/// Rows of clients that are shown where not all are asked for.
const ROWS: usize = 20;
/// Asks for all of them, in a page's address.
const ALL: (&str, &str) = ("clients", "all");

pub(super) fn card(visit: &Visit, leak: &Leak, impact: Result<Impact, Problem>) -> Markup {
    let impact = match impact {
        Ok(impact) => impact,
        Err(problem) => {
            return html! { section.card #impact { h2 { "Who uses these tokens" } p.error { (problem.detail()) } } };
        }
    };
    let blocks = leak.virtual_patch.as_ref().is_some_and(|patch| patch.mode == PatchMode::Block);
    // Where nothing blocks yet, sparing a client is part of applying the patch.
    let spares = leak.status == Status::Open && visit.desk.may(Permission::Decide);
    let shown = if visit.value(ALL.0) == Some(ALL.1) { impact.clients.len() } else { ROWS };
    let clients = impact.clients.get(..shown).unwrap_or(&impact.clients);
    html! {
        section.card #impact {
            h2 { @if blocks { "Who uses these tokens" } @else { "Who uses these tokens, and what a patch would break" } }
            p {
                @if blocks { "A blocking patch is in force. Seen in all:" }
                @else if impact.uses_7d == 0 { "A blocking patch would have refused nothing in the last 7 days." }
                @else { "A blocking patch would have refused, had it been in force:" }
            }
            dl.numbers {
                div { dt { "last hour" } dd { (words::number(impact.uses_1h)) } }
                div { dt { "24 hours" } dd { (words::number(impact.uses_24h)) } }
                div { dt { "7 days" } dd { (words::number(impact.uses_7d)) } }
                div { dt { "watched since" } dd { @match impact.watched_since { Some(at) => (words::day(at)), None => "not watched" } } }
            }
            @if impact.not_watched > 0 { p.hint { (words::many(impact.not_watched, "token is", "tokens are")) " not watched, since they could stand in honest requests." } }
            @if impact.clients.is_empty() { p.quiet-text { "No client has been seen with them." } }
            @else {
                div.scroll {
                    table.list {
                        thead { tr { th scope="col" { "Client" } th scope="col" { "Host, answer" } th.number scope="col" { "Uses" } th scope="col" { "Last" } @if spares { th.spare scope="col" { "Spare one" } } } }
                        tbody { @for row in clients { (client(visit, leak, row, spares, blocks)) } }
                    }
                }
                @if impact.clients.len() > clients.len() {
                    p { a href={ "/leaks/" (leak.id) "?" (ALL.0) "=" (ALL.1) "#impact" } { "Show " (impact.clients.len() - clients.len()) " more" } }
                }
                @if clients.iter().all(|row| row.new_since_exposure.is_none()) {
                    p.hint { "Whether a client appeared only after the exposure cannot be told: these tokens were not watched before they were registered." }
                }
            }
        }
    }
}

fn client(visit: &Visit, leak: &Leak, row: &ImpactRow, spares: bool, blocks: bool) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/events?leak=" (leak.id) "&source_ip=" (super::filter::encoded(&row.source_ip)) } { code { (row.source_ip) } }
                @match row.new_since_exposure { Some(true) => { " " span.tag.bad { "New since exposure" } }, Some(false) => div.kind { "seen before" }, None => "" }
            }
            td data-label="Host" {
                bdi { (row.host) }
                div {
                    @match row.response_status {
                        Some(status @ 200..300) => span.tag.bad { (status) " accepted" },
                        Some(status) => span.tag.quiet { (status) },
                        None => span.kind { "no answer" },
                    }
                }
            }
            td.number data-label="Uses" { (words::number(row.count)) }
            td data-label="Last" { (words::since(row.last_at, clock::now())) }
            @if spares {
                td.spare data-label="Spare" {
                    form method="post" action={ "/leaks/" (leak.id) "/spare" } {
                        (layout::csrf(visit))
                        input type="hidden" name="except" value=(row.source_ip);
                        @if blocks {
                            button.small type="submit" { "Spare 1 h" span.hidden { ": " (row.source_ip) } }
                        } @else {
                            button.small type="submit" { "Block, spare 1 h" span.hidden { ": " (row.source_ip) } }
                        }
                    }
                }
            }
        }
    }
}
