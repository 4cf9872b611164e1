//! Answers of the gateway's own: each failure as HTTP, in one place. Nothing of the request but its
//! id is ever in them.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};
use jiff::Timestamp;

use super::failure::Failure;
use crate::config;

/// `X-Request-Id`.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What an answer depends on beside the failure.
pub(crate) struct Asked<'a> {
    /// How a refusal looks.
    pub(crate) block: &'a config::Block,
    /// The request's id.
    pub(crate) request_id: &'a HeaderValue,
    /// Whether the client asked for a page rather than JSON.
    pub(crate) wants_html: bool,
    /// When the request came.
    pub(crate) at: Timestamp,
    /// Whether the connection is to be closed and said to be (HTTP/1.1).
    pub(crate) close: bool,
}

/// A failure in words.
struct Problem {
    status: StatusCode,
    /// The last part of the problem's stable type.
    name: &'static str,
    title: &'static str,
    detail: String,
}

/// Whether a page is wanted: `Accept` names HTML, as browsers do and API clients do not.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .is_some_and(|accept| memchr::memmem::find(accept.as_bytes(), b"text/html").is_some())
}

/// The answer to a request that failed.
pub(crate) fn answer(failure: &Failure, asked: &Asked<'_>) -> Response<Bytes> {
    let problem = problem(failure, asked.block);
    let (content_type, body) = if asked.wants_html {
        ("text/html; charset=utf-8", page(&problem, asked))
    } else {
        ("application/problem+json", json(&problem, asked))
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = problem.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_REQUEST_ID, asked.request_id.clone());
    if let Ok(date) = HeaderValue::from_str(&http_date(asked.at)) {
        headers.insert(DATE, date);
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if *failure == Failure::Busy {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if asked.close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn problem(failure: &Failure, block: &config::Block) -> Problem {
    let problem = |status, name, title, detail: &str| Problem {
        status,
        name,
        title,
        detail: detail.to_owned(),
    };
    match failure {
        Failure::Leaked => Problem {
            status: StatusCode::from_u16(block.status).unwrap_or(StatusCode::FORBIDDEN),
            name: "blocked",
            title: "Request refused",
            detail: match &block.contact {
                Some(contact) => format!(
                    "This request was refused for security reasons. Help is at {contact}; quote \
                     the request id."
                ),
                None => "This request was refused for security reasons. Quote the request id \
                         when you ask for help."
                    .to_owned(),
            },
        },
        Failure::Framing { status, detail, .. } => {
            problem(*status, "malformed-request", "Malformed request", detail)
        }
        Failure::Incomplete { status, detail, .. } => problem(
            StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST),
            "not-inspectable",
            "Request cannot be inspected",
            detail,
        ),
        Failure::SlowBody => problem(
            StatusCode::REQUEST_TIMEOUT,
            "request-timeout",
            "Request timed out",
            "The request's body stopped coming. Send it again.",
        ),
        Failure::BrokenBody => problem(
            StatusCode::BAD_REQUEST,
            "malformed-request",
            "Malformed request",
            "The request's body broke off or is not framed as HTTP asks for.",
        ),
        Failure::NoRoute => problem(
            StatusCode::NOT_FOUND,
            "no-route",
            "No route",
            "No route of this gateway fits the request's host and path.",
        ),
        Failure::Connect => problem(
            StatusCode::BAD_GATEWAY,
            "upstream-unreachable",
            "Upstream unreachable",
            "The gateway could not connect to the service behind it. The request was not sent; \
             try again later.",
        ),
        Failure::Busy => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "upstream-busy",
            "Upstream is busy",
            "The service behind the gateway has as many requests under way as it may have. Nothing \
             was sent to it; try again.",
        ),
        Failure::NoResponse => problem(
            StatusCode::GATEWAY_TIMEOUT,
            "upstream-timeout",
            "Upstream timed out",
            "The service behind the gateway did not answer in time. It may have acted on the \
             request.",
        ),
        Failure::Broken => problem(
            StatusCode::BAD_GATEWAY,
            "upstream-broken",
            "Upstream broke off",
            "The service behind the gateway closed the connection without an answer. It may have \
             acted on the request.",
        ),
        Failure::BadResponse(detail) => problem(
            StatusCode::BAD_GATEWAY,
            "upstream-malformed",
            "Upstream answered wrongly",
            detail,
        ),
    }
}

fn json(problem: &Problem, asked: &Asked<'_>) -> String {
    let mut object = serde_json::json!({
        "type": format!("urn:leakgate:problem:{}", problem.name),
        "title": problem.title,
        "status": problem.status.as_u16(),
        "detail": problem.detail,
        "request_id": asked.request_id.to_str().unwrap_or_default(),
    });
    if problem.name == "blocked"
        && let (Some(contact), Some(object)) = (&asked.block.contact, object.as_object_mut())
    {
        object.insert("contact".to_owned(), contact.as_str().into());
    }
    object.to_string()
}

fn page(problem: &Problem, asked: &Asked<'_>) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         </head><body><h1>{title}</h1><p>{detail}</p><p>Request id: <code>{id}</code></p></body>\
         </html>",
        title = problem.title,
        detail = escape(&problem.detail),
        id = escape(asked.request_id.to_str().unwrap_or_default()),
    );
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(
        failure: &Failure,
        block: &config::Block,
        wants_html: bool,
    ) -> (Response<()>, String) {
        let request_id = HeaderValue::from_static("id-1");
        let at = Timestamp::from_second(784_111_777).unwrap();
        let asked = Asked { block, request_id: &request_id, wants_html, at, close: true };
        let (parts, body) = answer(failure, &asked).into_parts();
        (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn a_refusal_as_problem_json() {
        let block = config::Block { status: 403, contact: Some("https://help.example".to_owned()) };
        let (head, body) = answered(&Failure::Leaked, &block, false);
        assert_eq!(head.status(), 403);
        let fields = head.headers();
        assert_eq!(fields[CONTENT_TYPE], "application/problem+json");
        assert_eq!(fields[X_REQUEST_ID], "id-1");
        assert_eq!(fields[CONNECTION], "close");
        assert_eq!(fields[DATE], "Sun, 06 Nov 1994 08:49:37 GMT");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["type"], "urn:leakgate:problem:blocked");
        assert_eq!(body["status"], 403);
        assert_eq!(body["request_id"], "id-1");
        assert_eq!(body["contact"], "https://help.example");
    }

    #[test]
    fn a_refusal_as_401_says_that_the_token_is_invalid() {
        let block = config::Block { status: 401, contact: None };
        let (head, _) = answered(&Failure::Leaked, &block, false);
        assert_eq!(head.status(), 401);
        assert_eq!(head.headers()[WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"");
    }

    #[test]
    fn a_page_for_browsers_is_escaped() {
        let block = config::Block { status: 403, contact: Some("<b>&\"".to_owned()) };
        let (head, body) = answered(&Failure::Leaked, &block, true);
        assert_eq!(head.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(body.contains("&lt;b&gt;&amp;&quot;") && !body.contains("<b>"), "{body}");
    }

    #[test]
    fn each_failure_says_whose_fault_it_was() {
        let block = config::Block::default();
        for (failure, status) in [
            (Failure::SlowBody, 408),
            (Failure::BrokenBody, 400),
            (Failure::NoRoute, 404),
            (Failure::Connect, 502),
            (Failure::Broken, 502),
            (Failure::BadResponse("why"), 502),
            (Failure::NoResponse, 504),
            (Failure::Busy, 503),
            (Failure::Incomplete { cause: "budget", status: 413, detail: "d".into() }, 413),
            (
                Failure::Framing {
                    cause: "connect",
                    status: StatusCode::NOT_IMPLEMENTED,
                    detail: "d",
                },
                501,
            ),
        ] {
            assert_eq!(answered(&failure, &block, false).0.status(), status, "{failure:?}");
        }
    }

    #[test]
    fn html_is_for_those_who_ask_for_it() {
        let mut headers = HeaderMap::new();
        assert!(!wants_html(&headers));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        assert!(!wants_html(&headers));
        headers.insert(ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml"));
        assert!(wants_html(&headers));
    }
}
