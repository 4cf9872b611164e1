//! Decisions that take two persons: what waits for another one, what was done in haste, and whether
//! two have to decide at all.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};
use serde_json::json;

use super::filter::encoded;
use super::refused::Answer;
use super::visit::{Sent, Visit};
use super::{layout, leak, words};
use crate::control::{Problem, Verdict};
use crate::model::ids::{LeakId, ProposalId};
use crate::model::leak::{Decision, Leak};
use crate::model::proposal::{Proposal, ProposalKind};
use crate::model::role::Permission;

/// Proposals on one page, and as many reviews.
const ROWS: usize = 20;
/// Characters of a comment in a list; all of it is on the leak's page.
const COMMENT: usize = 400;

pub(super) async fn show(visit: Visit) -> Answer {
    let tenant = visit.value("tenant").map(|tenant| format!("tenant={}", encoded(tenant)));
    let asked = |cursor: Option<&str>| {
        let cursor = cursor.map(|cursor| format!("&cursor={}", encoded(cursor)));
        format!("limit={ROWS}{}", cursor.unwrap_or_default())
    };
    let desk = &visit.desk;
    let (proposals_after, reviews_after) = (visit.value("proposals"), visit.value("reviews"));
    let proposals = desk.proposals(&asked(proposals_after)).await?;
    let reviews = desk.reviews(&asked(reviews_after)).await?;
    let own = &visit.visitor().actor.tenant;
    let on = desk.four_eyes(own).await?;
    let elsewhere: Vec<String> =
        desk.four_eyes_tenants().await?.into_iter().filter(|tenant| tenant != own).collect();
    let pages = |list: &str, next: Option<&str>, is_first: bool| {
        let at = |more: Option<String>| {
            let parts: Vec<String> = tenant.iter().cloned().chain(more).collect();
            if parts.is_empty() {
                "/proposals".to_owned()
            } else {
                format!("/proposals?{}", parts.join("&"))
            }
        };
        let next = next.map(|next| at(Some(format!("{list}={}", encoded(next)))));
        layout::pages(&at(None), next, is_first)
    };
    let body = html! {
        (layout::done(&visit))
        h1 { "Proposals and reviews" }
        p.hint { "Where two persons decide, what blocks, and what weakens a block, is proposed by one and approved by another. In haste one may do it at once, and another looks at it afterwards." }
        section.card #proposals {
            h2 { "Waiting for approval" }
            @if proposals.items.is_empty() { p.quiet-text { "Nobody waits for an approval." } }
            @for proposal in &proposals.items { (item(&visit, proposal, leak_of(&visit, proposal).await.as_ref(), false)) }
        }
        (pages("proposals", proposals.next_cursor.as_deref(), proposals_after.is_none()))
        section.card #reviews {
            h2 { "Done in haste, waiting to be looked at" }
            @if reviews.items.is_empty() { p.quiet-text { "Nothing waits to be acknowledged." } }
            @for review in &reviews.items { (item(&visit, review, leak_of(&visit, review).await.as_ref(), false)) }
        }
        (pages("reviews", reviews.next_cursor.as_deref(), reviews_after.is_none()))
        (setting(&visit, own, on, &elsewhere))
    };
    layout::page(&visit, "Proposals and reviews", body).await
}

/// The leak that a proposal is about; none where it is about another thing.
async fn leak_of(visit: &Visit, proposal: &Proposal) -> Option<Leak> {
    visit.desk.leak(proposal.leak?).await.ok()
}

/// What waits about one leak, for its page.
pub(super) async fn of_leak(visit: &Visit, leak: &Leak) -> Result<Markup, Problem> {
    let asked = format!("leak={}&limit={ROWS}", leak.id);
    let proposals = visit.desk.proposals(&asked).await?.items;
    let reviews = visit.desk.reviews(&asked).await?.items;
    if proposals.is_empty() && reviews.is_empty() {
        return Ok(html! {});
    }
    Ok(html! {
        section.card.waits #waiting {
            h2 { "Waiting for another person" }
            @for proposal in proposals.iter().chain(&reviews) { (item(visit, proposal, Some(leak), true)) }
        }
    })
}

/// What is proposed, or was done, in the console's words.
fn deed(proposal: &Proposal) -> Markup {
    let decision = Decision::ALL.iter().find(|decision| decision.name() == proposal.action);
    let name = decision
        .map_or_else(|| words::plain(&proposal.action), |it| words::decision(*it).to_owned());
    // The words of the store begin with the name that the API has for it, and end with the reason for
    // the haste, which is shown by itself.
    let more = proposal.summary.strip_prefix(&proposal.action).unwrap_or(&proposal.summary);
    let haste = proposal.comment.as_ref().map(|reason| format!("break-glass: {reason}"));
    let more = haste.and_then(|haste| more.strip_suffix(&haste)).unwrap_or(more);
    let more = more.trim_matches([':', ';', ' ']);
    html! { strong { (name) } @if !more.is_empty() { ": " bdi { (more) } } }
}

fn item(visit: &Visit, proposal: &Proposal, leak: Option<&Leak>, on_its_page: bool) -> Markup {
    let is_review = proposal.kind == ProposalKind::Review;
    html! {
        article.waiting {
            @if !on_its_page {
                h3 {
                    @match (leak, proposal.leak) {
                        (Some(leak), _) => a href={ "/leaks/" (leak.id) } { bdi { (leak.title) } },
                        (None, Some(id)) => a href={ "/leaks/" (id) } { "A leak" },
                        (None, None) => { "Tenant " (proposal.tenant) },
                    }
                }
            }
            p { (deed(proposal)) }
            @if let Some(comment) = &proposal.comment { p.prose { bdi { "“" (words::cut(comment, if on_its_page { usize::MAX } else { COMMENT })) "”" } } }
            p.hint {
                (if is_review { "Done by " } else { "Proposed by " }) bdi { (proposal.proposed_by) } ", " (words::time(proposal.proposed_at))
                @if let Some(until) = proposal.expires_at { "; it waits until " (words::time(until)) }
                @if visit.visitor().actor.role.is_global() { "; tenant " (proposal.tenant) }
            }
            (buttons(visit, proposal, on_its_page))
        }
    }
}

fn buttons(visit: &Visit, proposal: &Proposal, on_its_page: bool) -> Markup {
    if !visit.desk.may(Permission::Decide) {
        return html! { p.hint { "Administrators answer it." } };
    }
    let own = visit.desk.is_own(proposal);
    let is_review = proposal.kind == ProposalKind::Review;
    if own && is_review {
        return html! { p.hint { "You did it yourself: another person has to look at it." } };
    }
    let action = |verdict: &str| {
        let list = if is_review { "reviews" } else { "proposals" };
        format!("/{list}/{}/{verdict}", proposal.id)
    };
    let first = match (is_review, own) {
        (true, _) => "acknowledge",
        (false, true) => "reject",
        (false, false) => "approve",
    };
    html! {
        @if own { p.hint { "You asked for it yourself: another person has to approve it. You may take it back." } }
        form.verdict method="post" action=(action(first)) {
            (layout::csrf(visit))
            @if on_its_page && let Some(leak) = proposal.leak { input type="hidden" name="leak" value=(leak); }
            label { span.hidden { "Comment" } input name="comment" maxlength="8192" placeholder="Comment"; }
            @if is_review { button.primary type="submit" { "Acknowledge" } }
            @else if own { button type="submit" { "Take back" } }
            @else {
                button.primary type="submit" { "Approve" }
                button type="submit" formaction=(action("reject")) { "Reject" }
            }
        }
    }
}

/// Whether two persons decide in a tenant, and the form that turns it.
fn setting(visit: &Visit, tenant: &str, on: bool, elsewhere: &[String]) -> Markup {
    html! {
        section.card.narrow #four-eyes {
            h2 { "Four eyes" }
            p {
                "In tenant " code { (tenant) } ", "
                @if on { strong { "two persons decide" } " about what blocks, and what weakens a block." }
                @else { "one person decides." }
            }
            @if !elsewhere.is_empty() {
                p.hint { "Two decide in: " @for (index, tenant) in elsewhere.iter().enumerate() { @if index > 0 { ", " } a href={ "/proposals?tenant=" (tenant) } { (tenant) } } }
            }
            @if visit.desk.may(Permission::Administer) {
                form.stack method="post" action={ "/four-eyes?tenant=" (encoded(tenant)) } {
                    (layout::csrf(visit))
                    input type="hidden" name="on" value=(if on { "no" } else { "yes" });
                    label { "Comment" input name="comment" maxlength="8192"; }
                    @if on {
                        button type="submit" { "Propose to turn it off" }
                        p.hint { "Another person has to approve that, too." }
                    } @else { button.primary type="submit" { "Let two persons decide" } }
                }
            } @else { p.hint { "Administrators turn it." } }
        }
    }
}

/// Where an answer leads back to: the leak's page where it was given there, or the list.
fn back(sent: &Sent, done: &str) -> Result<Redirect, Problem> {
    let leak: Option<LeakId> = sent.form.text("leak").map(|text| leak::id(&text)).transpose()?;
    Ok(Redirect::to(&match leak {
        Some(leak) => format!("/leaks/{leak}?done={done}"),
        None => format!("/proposals?done={done}"),
    }))
}

pub(super) async fn answer(Path((text, verdict)): Path<(String, String)>, sent: Sent) -> Answer {
    let (verdict, done) = match verdict.as_str() {
        "approve" => (Verdict::Approve, "approved"),
        "reject" => (Verdict::Reject, "rejected"),
        _ => return Err(Problem::not_found("proposal").into()),
    };
    settle(&text, verdict, done, sent).await
}

pub(super) async fn acknowledge(Path(text): Path<String>, sent: Sent) -> Answer {
    settle(&text, Verdict::Acknowledge, "acknowledged", sent).await
}

async fn settle(text: &str, verdict: Verdict, done: &str, sent: Sent) -> Answer {
    let id: ProposalId = text.parse().map_err(|_| Problem::not_found("proposal"))?;
    sent.visit.desk.settle(id, verdict, sent.form.text("comment")).await?;
    Ok(back(&sent, done)?.into_response())
}

pub(super) async fn turn(sent: Sent) -> Answer {
    let on = match sent.form.text("on").as_deref() {
        Some("yes") => true,
        Some("no") => false,
        _ => return Err(Problem::invalid("on", "use the button of the page").into()),
    };
    let body = json!({ "on": on, "comment": sent.form.text("comment") });
    let proposed = sent.visit.desk.turn_four_eyes(body).await?;
    let done = if proposed.is_some() { "proposed" } else { "changed" };
    let tenant = &sent.visit.visitor().actor.tenant;
    Ok(Redirect::to(&format!("/proposals?tenant={}&done={done}", encoded(tenant))).into_response())
}
