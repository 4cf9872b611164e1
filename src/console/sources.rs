//! From where leaks come: partners' hooks as they are configured, and imports.

use maud::html;

use super::refused::Answer;
use super::review;
use super::visit::Visit;
use super::{layout, words};
use crate::control::{HookState, ImportStatus};
use crate::model::partner::Partner;
use crate::model::role::Permission;
use crate::model::rule::PatchMode;

fn partner(of: Partner) -> &'static str {
    match of {
        Partner::Github => "GitHub secret scanning",
        Partner::Gitlab => "GitLab token revocation",
        Partner::Gitguardian => "GitGuardian",
        Partner::Trufflehog => "TruffleHog",
    }
}

fn policy(hook: &HookState) -> &'static str {
    match hook.mode {
        None => "registered, and watched",
        Some(PatchMode::Monitoring) => "registered, and patched to monitor",
        Some(PatchMode::Block) => "registered, and patched to block",
    }
}

pub(super) async fn show(visit: Visit) -> Answer {
    let imports = visit.desk.imports().await?;
    let hooks =
        if visit.desk.may(Permission::Administer) { Some(visit.desk.hooks().await?) } else { None };
    let running = imports.iter().any(|import| import.status == ImportStatus::Running);
    let head = html! { @if running { noscript { meta http-equiv="refresh" content="2"; } } };
    let body = html! {
        div.heading { h1 { "Sources" } a.button.primary href="/leaks/new#report" { "Import a report" } }
        p.hint { "Leaks come from people, from scanners’ reports, and from partners that call a hook." }
        @if let Some(hooks) = &hooks {
            section.card {
                h2 { "Partners’ hooks" }
                @if hooks.is_empty() {
                    p { "None is configured. With one, a code host or a scanner reports a leaked token by itself, and within seconds it is watched, or refused." }
                    p.hint { "Add " code { "[control.hooks.github]" } ", " code { "gitlab" } ", " code { "gitguardian" } " or " code { "trufflehog" } " to the configuration." }
                } @else {
                    div.scroll {
                        table.list {
                            thead { tr { th scope="col" { "Partner" } th scope="col" { "A new leak is" } th scope="col" { "For" } th scope="col" { "Calls" } } }
                            tbody {
                                @for hook in hooks {
                                    tr {
                                        th scope="row" { (partner(hook.partner)) }
                                        td data-label="A new leak is" { (policy(hook)) }
                                        td data-label="For" { (hook.tenants.join(", ")) }
                                        td data-label="Calls" { code { (hook.path) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        section.card data-refresh=[running.then_some("1000")] #imports {
            h2 { "Imports" }
            @if imports.is_empty() { p.quiet-text { "None since this process began." } }
            @for import in &imports {
                article.comment { p { a href={ "/imports/" (import.id) } { "Import of " (words::time(import.started_at)) } } (review::progress(import, None)) }
            }
        }
    };
    layout::page_with(&visit, "Sources", &head, body).await
}
