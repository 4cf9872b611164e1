//! Webhooks: where what happens is sent, how that goes, and what could not be delivered.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};

use super::filter::encoded;
use super::form::Form;
use super::refused::Answer;
use super::visit::{Sent, Visit};
use super::{layout, words};
use crate::control::{ChangedWebhook, Letter, NewWebhook, Page, Problem, Webhook};
use crate::model::ids::{LetterId, WebhookId};
use crate::model::secret::Secret;
use crate::model::sink::{FeedKind, Format, WebhookKind};

/// Dead letters on one page.
const ROWS: usize = 25;
/// The newest dead letters, which are counted for each webhook.
const COUNTED: usize = 200;

fn kind_name(kind: WebhookKind) -> &'static str {
    match kind {
        WebhookKind::Webhook => "Signed webhook",
        WebhookKind::Slack => "Slack",
        WebhookKind::Pagerduty => "PagerDuty",
    }
}

fn feed_name(feed: FeedKind) -> &'static str {
    match feed {
        FeedKind::Events => "Uses of leaked tokens",
        FeedKind::Audit => "Audit log",
        FeedKind::Notifications => "Notifications",
    }
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Native => "as the API has them",
        Format::Ecs => "Elastic’s common schema",
        Format::Ocsf => "the open cybersecurity schema",
    }
}

fn id(text: &str) -> Result<WebhookId, Problem> {
    text.parse().map_err(|_| Problem::not_found("webhook"))
}

/// The page that lists them, kept to the tenant to which the visitor keeps it.
fn home(visit: &Visit) -> String {
    let tenant = visit.value("tenant").map(|tenant| format!("?tenant={}", encoded(tenant)));
    format!("/webhooks{}", tenant.unwrap_or_default())
}

pub(super) async fn show(visit: Visit) -> Answer {
    list(&visit, None).await
}

async fn list(visit: &Visit, made: Option<(&Webhook, &Secret)>) -> Answer {
    let webhooks = visit.desk.webhooks().await?;
    let cursor = visit.value("cursor");
    let after = cursor.map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default();
    let letters = visit.desk.dead_letters(&format!("limit={ROWS}{after}")).await?;
    let newest = if letters.items.is_empty() && cursor.is_none() {
        None
    } else {
        Some(visit.desk.dead_letters(&format!("limit={COUNTED}")).await?)
    };
    let home = home(visit);
    let mark = if home.contains('?') { '&' } else { '?' };
    let next = letters.next_cursor.as_deref();
    let next = next.map(|next| format!("{home}{mark}cursor={}#letters", encoded(next)));
    let body = html! {
        (layout::done(visit))
        h1 { "Webhooks" }
        p.hint { "What happens is sent to them as it happens, in order, and again until it is taken." }
        @if let Some((webhook, secret)) = made { (shown_once(webhook, secret)) }
        section.card.table-card {
            @if webhooks.is_empty() { p.quiet-text.none { "There is none yet. With one, a SIEM, a chat or whoever is on call is told of a use within seconds." } }
            @else {
                div.scroll {
                    table.list {
                        thead { tr { th scope="col" { "Name" } th scope="col" { "Kind" } th scope="col" { "To" } th scope="col" { "Gets" } th scope="col" { "State" } th scope="col" { "Dead letters" } th scope="col" { "Change" } } }
                        tbody { @for webhook in &webhooks { (row(visit, webhook, newest.as_ref())) } }
                    }
                }
            }
        }
        (letters_card(visit, &webhooks, &letters))
        (layout::pages(&home, next, cursor.is_none()))
        section.card.narrow #add {
            h2 { "Add a webhook" }
            (add_form(visit, &home))
        }
    };
    layout::page(visit, "Webhooks", body).await
}

fn shown_once(webhook: &Webhook, secret: &Secret) -> Markup {
    html! {
        section.card.narrow #secret role="status" {
            h2 { "The key of signatures of " bdi { (webhook.name) } }
            p { "Its receiver tells with it that what comes is of this installation. It is shown here once and never again: copy it now." }
            p { code.secret { (String::from_utf8_lossy(secret.expose())) } }
        }
    }
}

fn row(visit: &Visit, of: &Webhook, newest: Option<&Page<Letter>>) -> Markup {
    let feeds: Vec<&str> = of.feeds.iter().map(|feed| feed_name(*feed)).collect();
    let sink = format!("webhook:{}", of.id);
    let letters = newest
        .map_or(0, |page| page.items.iter().filter(|letter| letter.sink == sink).count() as u64);
    let more = newest.is_some_and(|page| page.next_cursor.is_some());
    html! {
        tr {
            th scope="row" { a href={ "/webhooks/" (of.id) } { bdi { (of.name) } } @if visit.visitor().actor.role.is_global() { div.kind { "tenant " (of.tenant) } } }
            td data-label="Kind" { (kind_name(of.kind)) @if of.kind == WebhookKind::Webhook && of.format != Format::Native { div.kind { (format_name(of.format)) } } }
            td.path data-label="To" { bdi { (of.url) } }
            td data-label="Gets" { (feeds.join(", ")) }
            td data-label="State" { (state(of)) }
            td data-label="Dead letters" {
                @if letters == 0 && !more { span.quiet-text { "none" } }
                @else { a href="#letters" { (words::number(letters)) @if more { " or more" } } }
            }
            td data-label="Change" { a href={ "/webhooks/" (of.id) } { "Change" span.hidden { " " (of.name) } } }
        }
    }
}

/// How deliveries go.
fn state(of: &Webhook) -> Markup {
    let last = of.deliveries.delivered_at;
    html! {
        @if !of.enabled { span.tag.quiet { "Off" } }
        @else if let Some(error) = &of.deliveries.error {
            span.tag.bad { "Behind" }
            div.warn { bdi { (error) } }
            div.kind { "Tried again, and in the end put among the dead letters. " @match last { Some(at) => { "Last delivered " (words::time(at)) "." }, None => "Nothing was delivered yet." } }
        }
        @else if let Some(at) = last { span.tag.good { "Delivered" } div.kind { (words::time(at)) } }
        @else { span.tag.quiet { "Nothing sent yet" } }
    }
}

fn feeds_field(chosen: &[FeedKind]) -> Markup {
    html! {
        fieldset {
            legend { "Gets" }
            @for feed in FeedKind::ALL {
                label.choice { input type="checkbox" name="feeds" value=(feed.name()) checked[chosen.contains(feed)]; (feed_name(*feed)) }
            }
        }
    }
}

fn format_field(chosen: Format) -> Markup {
    html! {
        label { "Names of fields"
            select name="format" { @for format in Format::ALL { option value=(format.name()) selected[*format == chosen] { (format_name(*format)) } } }
        }
    }
}

fn add_form(visit: &Visit, home: &str) -> Markup {
    html! {
        form.stack method="post" action=(home) {
            (layout::csrf(visit))
            label { "Name" input name="name" required maxlength="256" placeholder="who is told" autocomplete="off"; }
            label { "Kind" select name="kind" { @for kind in WebhookKind::ALL { option value=(kind.name()) { (kind_name(*kind)) } } } }
            label { "Address" input name="url" maxlength="2048" placeholder="https://siem.example/in" autocomplete="off" spellcheck="false"; }
            p.hint { "Only its scheme and host are shown again. It may be left out for PagerDuty." }
            label { "Routing key, for PagerDuty" input name="routing_key" type="password" autocomplete="off"; }
            (feeds_field(&[]))
            p.hint { "Where none is ticked: all of it, or notifications alone to Slack and PagerDuty." }
            (format_field(Format::Native))
            button.primary type="submit" { "Add webhook" }
        }
    }
}

fn letters_card(visit: &Visit, webhooks: &[Webhook], letters: &Page<Letter>) -> Markup {
    html! {
        section.card #letters {
            h2 { "Dead letters" }
            @if letters.items.is_empty() { p.quiet-text { "None: everything was delivered, or is still tried." } }
            @else {
                p.hint { "What a receiver would not take. It is kept here until somebody delivers it once more or forgets it." }
                div.scroll {
                    table.list {
                        thead { tr { th scope="col" { "To" } th scope="col" { "Given up" } th.number scope="col" { "Tries" } th.number scope="col" { "Entries" } th scope="col" { "Why" } th scope="col" { "Then" } } }
                        tbody { @for letter in &letters.items { (letter_row(visit, webhooks, letter)) } }
                    }
                }
            }
        }
    }
}

fn letter_row(visit: &Visit, webhooks: &[Webhook], letter: &Letter) -> Markup {
    let found = webhooks.iter().find(|webhook| letter.sink == format!("webhook:{}", webhook.id));
    html! {
        tr {
            th scope="row" { @match found { Some(webhook) => bdi { (webhook.name) }, None => bdi { (letter.sink) } } }
            td data-label="Given up" { (words::time(letter.at)) }
            td.number data-label="Tries" { (letter.attempts) }
            td.number data-label="Entries" { (words::number(letter.count)) }
            td data-label="Why" { bdi { (letter.error) } }
            td data-label="Then" {
                form.actions method="post" action={ "/dead-letters/" (letter.id) "/redeliver" } {
                    (layout::csrf(visit))
                    button.small type="submit" { "Redeliver" }
                    button.small.alarming type="submit" formaction={ "/dead-letters/" (letter.id) "/discard" } { "Discard" }
                }
            }
        }
    }
}

pub(super) async fn one(Path(text): Path<String>, visit: Visit) -> Answer {
    let webhook = visit.desk.webhook(id(&text)?).await?;
    detail(&visit, &webhook, None).await
}

async fn detail(visit: &Visit, of: &Webhook, secret: Option<&Secret>) -> Answer {
    let action = format!("/webhooks/{}", of.id);
    let body = html! {
        (layout::done(visit))
        p.crumbs { a href="/webhooks" { "Webhooks" } }
        h1 { bdi { (of.name) } }
        @if let Some(secret) = secret { (shown_once(of, secret)) }
        section.card.narrow {
            dl.facts {
                dt { "Kind" } dd { (kind_name(of.kind)) }
                dt { "To" } dd { bdi { (of.url) } }
                dt { "State" } dd { (state(of)) }
                dt { "Tenant" } dd { (of.tenant) }
                dt { "Made" } dd { (words::time(of.created_at)) " by " bdi { (of.created_by) } }
                dt { "Last change" } dd { (words::time(of.updated_at)) }
            }
        }
        section.card.narrow #change {
            h2 { "Change" }
            form.stack method="post" action=(action) {
                (layout::csrf(visit))
                label { "Name" input name="name" value=(of.name) required maxlength="256" autocomplete="off"; }
                (feeds_field(&of.feeds))
                (format_field(of.format))
                label.choice { input type="checkbox" name="enabled" checked[of.enabled]; "Send what happens" }
                button.primary type="submit" name="what" value="change" { "Change" }
            }
            p.hint { "To send elsewhere, add another one and remove this." }
        }
        @if of.kind == WebhookKind::Webhook {
            section.card.narrow #rotate {
                h2 { "Key of signatures" }
                p.hint { "A new key is shown once. From then on the one before is not used any more: its receiver needs the new one at once." }
                form method="post" action=(action) {
                    (layout::csrf(visit))
                    button.alarming type="submit" name="what" value="secret" { "Make a new key" }
                }
            }
        }
        section.card.narrow #remove {
            h2 { "Remove" }
            form.stack method="post" action=(action) {
                (layout::csrf(visit))
                label.choice { input type="checkbox" name="sure" required; "Yes, remove it with its dead letters: nothing more is sent there" }
                button.alarming type="submit" name="what" value="remove" { "Remove webhook" }
            }
        }
    };
    layout::page(visit, &of.name, body).await
}

fn feeds(form: &Form) -> Vec<FeedKind> {
    form.all("feeds").iter().filter_map(|name| FeedKind::from_name(name)).collect()
}

fn format(form: &Form) -> Option<Format> {
    form.text("format").and_then(|name| Format::from_name(&name))
}

/// Answers with the page itself where there is a key: nothing else may carry it.
pub(super) async fn add(sent: Sent) -> Answer {
    let (form, feeds) = (&sent.form, feeds(&sent.form));
    let said = |name: &str| Some(form.secret(name)).filter(|secret| !secret.is_empty());
    let kind = form.text("kind").and_then(|name| WebhookKind::from_name(&name));
    let new = NewWebhook {
        name: form.text("name").unwrap_or_default(),
        kind: Some(kind.ok_or_else(|| Problem::invalid("kind", "choose one of the list"))?),
        url: said("url"),
        format: format(form),
        feeds: (!feeds.is_empty()).then_some(feeds),
        routing_key: said("routing_key"),
    };
    match sent.visit.desk.add_webhook(new).await? {
        (webhook, Some(secret)) => list(&sent.visit, Some((&webhook, &secret))).await,
        (_, None) => {
            let home = home(&sent.visit);
            let mark = if home.contains('?') { '&' } else { '?' };
            Ok(Redirect::to(&format!("{home}{mark}done=added")).into_response())
        }
    }
}

pub(super) async fn change(Path(text): Path<String>, sent: Sent) -> Answer {
    let id = id(&text)?;
    let (desk, form) = (&sent.visit.desk, &sent.form);
    match form.text("what").as_deref() {
        Some("remove") if form.has("sure") => {
            desk.remove_webhook(id).await?;
            Ok(Redirect::to("/webhooks?done=removed").into_response())
        }
        Some("remove") => {
            Err(Problem::invalid("sure", "tick that you are sure: it cannot be taken back").into())
        }
        Some("secret") => {
            let change = ChangedWebhook { new_secret: true, ..ChangedWebhook::default() };
            let (webhook, secret) = desk.change_webhook(id, change).await?;
            detail(&sent.visit, &webhook, secret.as_ref()).await
        }
        _ => {
            let change = ChangedWebhook {
                name: form.text("name"),
                format: format(form),
                feeds: Some(feeds(form)),
                enabled: Some(form.has("enabled")),
                new_secret: false,
            };
            desk.change_webhook(id, change).await?;
            Ok(Redirect::to(&format!("/webhooks/{id}?done=changed")).into_response())
        }
    }
}

fn letter(text: &str) -> Result<LetterId, Problem> {
    text.parse().map_err(|_| Problem::not_found("dead letter"))
}

pub(super) async fn redeliver(Path(text): Path<String>, sent: Sent) -> Answer {
    sent.visit.desk.redeliver(letter(&text)?).await?;
    Ok(Redirect::to("/webhooks?done=redelivered").into_response())
}

pub(super) async fn discard(Path(text): Path<String>, sent: Sent) -> Answer {
    sent.visit.desk.remove_dead_letter(letter(&text)?).await?;
    Ok(Redirect::to("/webhooks?done=forgotten").into_response())
}
