//! Signing in and out.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode, Uri, header};
use maud::{Markup, html};

use super::form::Form;
use super::layout;
use super::refused::{Answer, Refused};
use super::visit::{Sent, pairs};
use crate::control::{Control, Credential, Origin, SignIn, csrf, no_cookie};

/// What the page shows beside its fields.
#[derive(Default)]
struct Told {
    name: String,
    to: String,
    error: Option<String>,
    over: bool,
}

pub(super) async fn show(State(control): State<Control>, uri: Uri) -> Response {
    let query = pairs(&uri);
    let value = |name: &str| query.iter().find(|(found, _)| found == name).map(|(_, v)| v.clone());
    let told = Told {
        to: value("to").unwrap_or_default(),
        over: value("over").is_some(),
        ..Told::default()
    };
    layout::html_response(page(&control, &told))
}

pub(super) async fn enter(State(control): State<Control>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    csrf::check(&parts.headers, &parts.uri)?;
    let from = Origin::of(&parts);
    let form = Form::of(Request::from_parts(parts, body)).await?;
    let name = form.text("name").unwrap_or_default();
    let to = form.text("to").unwrap_or_default();
    let sign_in = SignIn { name: name.clone(), password: form.secret("password"), from };
    match control.sign_in(sign_in).await {
        Ok(session) => {
            let cookie = [(header::SET_COOKIE, session.cookie)];
            Ok((cookie, Redirect::to(within(&to))).into_response())
        }
        Err(problem) => {
            let error = if problem.status() == StatusCode::UNAUTHORIZED {
                "Name or password is wrong. Mind capital letters in the password.".to_owned()
            } else {
                problem.detail().to_owned()
            };
            let told = Told { name, to, error: Some(error), over: false };
            let mut response = layout::html_response(page(&control, &told));
            *response.status_mut() = problem.status();
            let headers = problem.into_response().headers().clone();
            keep_wait(&mut response, &headers);
            Ok(response)
        }
    }
}

fn keep_wait(response: &mut Response, of: &HeaderMap) {
    if let Some(wait) = of.get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
}

pub(super) async fn leave(sent: Result<Sent, Refused>) -> Answer {
    let sent = match sent {
        // Whose session is over is signed out.
        Err(Refused::SignIn(..)) => return Ok(Redirect::to("/sign-in").into_response()),
        sent => sent?,
    };
    let visitor = sent.visit.visitor();
    if let Credential::Session(hash) = &visitor.credential {
        sent.visit.desk.control().sign_out(hash, &visitor.actor).await?;
    }
    Ok(([(header::SET_COOKIE, no_cookie())], Redirect::to("/sign-in")).into_response())
}

/// Where to go on: a path of the console, and never another site.
fn within(to: &str) -> &str {
    let inside = to.starts_with('/')
        && !to.starts_with("//")
        && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if inside { to } else { "/leaks" }
}

fn page(control: &Control, told: &Told) -> Markup {
    let body = html! {
        section.card.narrow {
            h1 { "Sign in" }
            @if told.over { p.notice role="status" { "Your session is over. Sign in again to go on." } }
            @if let Some(error) = &told.error { p.error #problem role="alert" { (error) } }
            form.stack method="post" action="/sign-in" {
                input type="hidden" name="to" value=(told.to);
                label { "Name"
                    input name="name" value=(told.name) autocomplete="username" required autofocus autocapitalize="none" spellcheck="false";
                }
                label { "Password"
                    input name="password" type="password" autocomplete="current-password" required aria-describedby=[told.error.as_ref().map(|_| "problem")];
                }
                button.primary type="submit" { "Sign in" }
            }
            @if control.has_provider() {
                p.or { "or" }
                a.button.wide href="/api/v1/oidc/sign-in" { "Sign in with your identity provider" }
            }
        }
    };
    layout::bare("Sign in", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sign_in_leads_elsewhere() {
        assert_eq!(within("/leaks?risk=high"), "/leaks?risk=high");
        for bad in
            ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "/ä"]
        {
            assert_eq!(within(bad), "/leaks", "{bad}");
        }
    }
}
