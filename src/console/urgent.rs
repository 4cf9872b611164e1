//! The first thing to see: which open leak is most urgent, and who still uses its token.

use std::collections::BTreeMap;

use jiff::Timestamp;
use maud::{Markup, html};

use super::visit::Visit;
use super::words;
use crate::control::{Impact, ImpactRow};
use crate::model::clock;
use crate::model::leak::{Leak, Risk, Status};
use crate::model::role::Permission;
use crate::model::rule::PatchMode;
use crate::model::token::Validity;

/// Open leaks without a patch that are looked through, worst first.
const WORST: &str = "status=open&remediation=none&sort=risk&limit=10";
/// The last uses that passed, whose leaks are looked at as well.
const LAST: &str = "action=observed,monitored&limit=50";
/// Leaks of those uses that are looked at.
const LEAKS: usize = 5;
/// Clients that are shown.
const CLIENTS: usize = 4;

/// What the panel shows.
pub(super) struct Urgent {
    leak: Leak,
    impact: Option<Impact>,
}

/// How urgent a leak is; less is more urgent. A token in use counts for more than a step of risk;
/// among equals, more uses do.
fn rank(leak: &Leak) -> (usize, bool, u64) {
    let risk = Risk::ALL.iter().position(|risk| *risk == leak.risk).unwrap_or_default();
    let unused = if leak.events_24h > 0 { 0 } else { 3 };
    (2 * risk + unused, leak.virtual_patch.is_some(), u64::MAX - leak.events_24h)
}

/// Whether it is open and lets its tokens pass.
fn passes(leak: &Leak) -> bool {
    let blocks = leak.virtual_patch.as_ref().is_some_and(|patch| patch.mode == PatchMode::Block);
    leak.status == Status::Open && !blocks
}

/// Looks for it. What cannot be read now is not shown: the list below is what counts.
pub(super) async fn find(visit: &Visit) -> Option<Urgent> {
    let desk = &visit.desk;
    let (worst, last) = tokio::join!(desk.leaks(WORST), desk.events(LAST));
    let (mut leaks, mut seen) = (worst.ok()?.items, Vec::new());
    for event in last.ok()?.items {
        let known = leaks.iter().any(|leak| leak.id == event.leak) || seen.contains(&event.leak);
        if !known && seen.len() < LEAKS {
            seen.push(event.leak);
        }
    }
    for id in seen {
        leaks.extend(desk.leak(id).await.ok());
    }
    let leak = leaks.into_iter().filter(passes).min_by_key(rank)?;
    let impact = if leak.events_24h > 0 { desk.impact(leak.id).await.ok() } else { None };
    Some(Urgent { leak, impact })
}

/// Uses of a client, whatever the host and the answer.
struct Client<'a> {
    count: u64,
    last: Timestamp,
    hosts: Vec<&'a str>,
    works: bool,
    new: bool,
}

fn clients(impact: &Impact) -> Vec<(&str, Client<'_>)> {
    let mut clients: BTreeMap<&str, Client<'_>> = BTreeMap::new();
    for row in &impact.clients {
        let ImpactRow { source_ip, host, response_status, count, last_at, .. } = row;
        let client = clients.entry(source_ip).or_insert_with(|| Client {
            count: 0,
            last: *last_at,
            hosts: Vec::new(),
            works: false,
            new: false,
        });
        client.count += count;
        client.last = client.last.max(*last_at);
        client.works |= response_status.is_some_and(|status| (200..300).contains(&status));
        client.new |= row.new_since_exposure == Some(true);
        if !client.hosts.contains(&host.as_str()) {
            client.hosts.push(host);
        }
    }
    let mut clients: Vec<_> = clients.into_iter().collect();
    clients.sort_by_key(|(_, client)| std::cmp::Reverse(client.count));
    clients
}

pub(super) fn panel(visit: &Visit, urgent: &Urgent) -> Markup {
    let Urgent { leak, impact } = urgent;
    let decides = visit.desk.may(Permission::Decide);
    let works = leak.tokens.iter().any(|token| token.validity == Validity::Active);
    html! {
        section class={ "card urgent urgent-" (leak.risk.name()) } #urgent aria-labelledby="urgent-title" {
            div {
                p.over { "Most urgent" }
                h2.title #urgent-title { a href={ "/leaks/" (leak.id) } { bdi { (leak.title) } } }
                p.tags {
                    (words::risk_tag(leak.risk)) (words::remediation_tag(leak))
                    @if works { span.tag.bad { "Token works" } }
                }
                p {
                    @if leak.events_24h > 0 {
                        "Its token was used " strong { (words::many(leak.events_24h, "time", "times")) } " in the last 24 hours, and "
                        @if leak.virtual_patch.is_some() { "each use passes: its patch only monitors." } @else { "nothing stops it yet." }
                    } @else { "Nothing stops its token, and nobody has been seen using it in the last 24 hours." }
                }
                p.actions {
                    a.button.primary href={ "/leaks/" (leak.id) "#impact" } { (if decides { "See the impact and decide" } else { "See the impact" }) }
                }
            }
            div {
                h3 { "Who still uses it" }
                @match impact {
                    Some(impact) => (who(leak, impact)),
                    None => p.quiet-text { "Nobody, as far as the gateways have seen. A use appears here within a second." },
                }
            }
        }
    }
}

fn who(leak: &Leak, impact: &Impact) -> Markup {
    let (all, now) = (clients(impact), clock::now());
    html! {
        table.list {
            thead { tr { th scope="col" { "Client" } th scope="col" { "For" } th.number scope="col" { "Uses, 7 days" } th scope="col" { "Last" } } }
            tbody {
                @for (name, client) in all.iter().take(CLIENTS) {
                    tr {
                        th scope="row" { code { (name) } @if client.new { " " span.tag.bad { "New" } } }
                        td data-label="For" { bdi.path { (client.hosts.join(", ")) } @if client.works { div.kind { "upstream accepted it" } } }
                        td.number data-label="Uses, 7 days" { (words::number(client.count)) }
                        td data-label="Last" { (words::since(client.last, now)) }
                    }
                }
            }
        }
        @if all.len() > CLIENTS { p.hint { a href={ "/leaks/" (leak.id) "#impact" } { "and " (all.len() - CLIENTS) " more" } } }
    }
}
