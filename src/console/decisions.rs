//! The decisions about a leak, as forms; those that its status does not allow are explained.

use maud::{Markup, html};

use super::decide::BREAK_GLASS;
use super::visit::Visit;
use super::{layout, words};
use crate::model::leak::{Decision, Leak, Resolution, Status};
use crate::model::role::Permission;
use crate::model::rule::{PatchMode, VirtualPatch};

/// What a decision is called in addresses.
pub(super) fn path(of: Decision) -> &'static str {
    match of {
        Decision::ApplyVirtualPatch => "patch",
        Decision::RemoveVirtualPatch => "unpatch",
        Decision::Close => "close",
        Decision::MarkFalse => "mark-false",
        Decision::Reopen => "reopen",
    }
}

/// What a decision brings about.
fn effect(of: Decision) -> &'static str {
    match of {
        Decision::ApplyVirtualPatch => "Requests that carry these tokens are refused or recorded.",
        Decision::RemoveVirtualPatch => "The rule goes; the tokens are watched on.",
        Decision::Close => {
            "Dealt with: the rule goes, nothing is deleted, and the tokens are watched for a while."
        }
        Decision::MarkFalse => {
            "Not a leak after all: the rule goes, and the tokens are not watched."
        }
        Decision::Reopen => "Open again, without a patch until one is applied.",
    }
}

/// The card with the decisions; `two`: whether they take two persons where they are about a block.
pub(super) fn card(visit: &Visit, leak: &Leak, two: bool) -> Markup {
    if !visit.desk.may(Permission::Decide) {
        return html! {
            section.card #decisions {
                h2 { "Decision" }
                @if let Some(patch) = &leak.virtual_patch { (in_force(patch)) }
                p.hint { "Your role sees and comments; administrators decide." }
            }
        };
    }
    let allowed = leak.status.allowed();
    html! {
        section.card #decisions {
            h2 { "Decide" }
            @if let Some(patch) = &leak.virtual_patch { (in_force(patch)) }
            @for decision in Decision::ALL {
                @let offered = allowed.contains(decision) && (*decision != Decision::RemoveVirtualPatch || leak.virtual_patch.is_some());
                @if offered { (offer(visit, leak, *decision, two)) } @else { (explained(leak, *decision)) }
            }
        }
    }
}

fn in_force(patch: &VirtualPatch) -> Markup {
    let scope = &patch.scope;
    let all =
        |entries: &[String]| if entries.is_empty() { "all".to_owned() } else { entries.join(", ") };
    html! {
        dl.facts {
            dt { "Mode" } dd { (words::plain(patch.mode.name())) }
            dt { "Hosts" } dd { (all(&scope.hosts)) }
            dt { "Paths" } dd { (all(&scope.path_prefixes)) }
            dt { "Methods" } dd { (all(&scope.methods)) }
            @if !scope.except_clients.is_empty() {
                dt { "Spared" } dd { ul { @for except in &scope.except_clients { li { (except.client) " " @if let Some(until) = except.until { "until " (words::time(until)) } } } } }
            }
            dt { "Ends" } dd { (words::time_or(patch.expires_at, "not by itself")) }
            dt { "Applied by" } dd { (patch.created_by) ", " (words::time(patch.created_at)) }
        }
    }
}

fn offer(visit: &Visit, leak: &Leak, decision: Decision, two: bool) -> Markup {
    let patch = leak.virtual_patch.as_ref();
    let is_patch = decision == Decision::ApplyVirtualPatch;
    let button = match (is_patch, patch) {
        (true, Some(_)) => "Change virtual patch",
        _ => words::decision(decision),
    };
    html! {
        details.decision open[is_patch && patch.is_none()] {
            summary { (button) }
            p.hint { (effect(decision)) }
            form.stack method="post" action={ "/leaks/" (leak.id) "/" (path(decision)) } {
                (layout::csrf(visit))
                @if is_patch { (patch_fields(patch)) }
                @if matches!(decision, Decision::Close | Decision::MarkFalse) {
                    label { "Why"
                        select name="resolution" {
                            option value="" { "not said" }
                            @for why in Resolution::ALL { option value=(why.name()) { (words::resolution(*why)) } }
                        }
                    }
                }
                label { "Comment" textarea name="comment" rows="2" maxlength="8192" {} }
                @if two && (is_patch || patch.is_some()) { (break_glass()) }
                button.primary type="submit" { (button) }
            }
        }
    }
}

/// How it is done at once where two persons decide.
pub(super) fn break_glass() -> Markup {
    html! {
        details.glass {
            summary { "Where it blocks or weakens a block, another person is asked. It cannot wait?" }
            label { "Why it cannot wait" input name=(BREAK_GLASS) maxlength="256" placeholder="the token is being used to copy all orders"; }
            p.hint { "With a reason it is done at once, and another person is asked to look at it afterwards." }
        }
    }
}

fn patch_fields(patch: Option<&VirtualPatch>) -> Markup {
    let scope = patch.map(|patch| patch.scope.clone()).unwrap_or_default();
    let mode = patch.map_or(PatchMode::Block, |patch| patch.mode);
    html! {
        fieldset {
            legend { "Mode" }
            label.choice { input type="radio" name="mode" value="block" checked[mode == PatchMode::Block]; "Block: refuse requests with these tokens" }
            label.choice { input type="radio" name="mode" value="monitoring" checked[mode == PatchMode::Monitoring]; "Monitoring: record them and let them pass" }
        }
        details {
            summary { "Where it acts: everywhere, where nothing is said" }
            label { "Hosts" input name="hosts" value=(scope.hosts.join(", ")) placeholder="api.example.com, *.example.org"; }
            label { "Path prefixes" input name="path_prefixes" value=(scope.path_prefixes.join(", ")) placeholder="/v1/"; }
            label { "Methods" input name="methods" value=(scope.methods.join(", ")) placeholder="POST, PUT"; }
            label { "Spare one more client for an hour" input name="except" placeholder="203.0.113.7"; }
            label.choice { input type="checkbox" name="force" checked[patch.is_some_and(|patch| patch.force)]; "Also tokens that could stand in honest requests (6 bytes and more); this is audited" }
        }
    }
}

fn explained(leak: &Leak, decision: Decision) -> Markup {
    let why = match (decision, leak.status) {
        (Decision::Reopen, Status::Open) => "the leak is open.",
        (Decision::RemoveVirtualPatch, Status::Open) => "there is no patch to remove.",
        (_, Status::Closed) => "the leak is closed: reopen it first.",
        (_, Status::FalsePositive) => "the leak is marked false: reopen it first.",
        (_, Status::Open) => "the leak’s status does not allow it.",
    };
    html! { p.not-now { strong { (words::decision(decision)) } ": not now, since " (why) } }
}
