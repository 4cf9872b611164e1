//! What a page answers where it cannot show or do what was asked.

use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, header};
use maud::html;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::layout;
use crate::control::{Problem, no_cookie};

/// An answer, or why there is none.
pub(super) type Answer = Result<Response, Refused>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Refused {
    /// Nobody is signed in: they come back here once they are. Whether a session has just ended is
    /// told.
    SignIn(String, bool),
    /// The call said why.
    Problem(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(to, over) => {
                let to = utf8_percent_encode(&to, NON_ALPHANUMERIC);
                let over_said = if over { "&over=1" } else { "" };
                let mut response =
                    Redirect::to(&format!("/sign-in?to={to}{over_said}")).into_response();
                if over {
                    response.headers_mut().insert(header::SET_COOKIE, no_cookie());
                }
                response
            }
            Self::Problem(problem) => page(&problem),
        }
    }
}

fn page(problem: &Problem) -> Response {
    let status = problem.status();
    let title = match status {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::FORBIDDEN => "You may not do this",
        StatusCode::CONFLICT => "That is not possible now",
        StatusCode::SERVICE_UNAVAILABLE => "Not right now",
        _ => "That did not work",
    };
    let body = html! {
        section.card.narrow role="alert" {
            h1 { (title) }
            p { (problem.detail()) }
            p.actions {
                a.button href="/leaks" { "Go to all leaks" }
            }
            p.hint { "If you filled in a form, your browser’s Back takes you to it as you left it." }
        }
    };
    let mut response = (status, Html(layout::bare(title, &body).into_string())).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
