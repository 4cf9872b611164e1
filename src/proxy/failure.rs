//! Why a request gets an answer of the gateway's own: small, typed, and by whose fault. Translated
//! into an HTTP answer in one place, `answer.rs`.

use std::borrow::Cow;

use http::StatusCode;

use crate::model::verdict::Refusal;

/// What ended a request before an upstream could answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The client's: its request can be read in two ways, or in none. Never forwarded, whatever
    /// the mode; the connection is closed.
    Framing {
        /// The metric's label.
        cause: &'static str,
        /// The status that says what is wrong.
        status: StatusCode,
        /// What is wrong, for the client.
        detail: &'static str,
    },
    /// The client's: the request carries a token under a blocking patch.
    Leaked,
    /// The client's: the request could not be inspected whole, and may not pass so.
    Incomplete {
        /// The row of the decision table.
        cause: &'static str,
        /// The status that says whose fault it was.
        status: u16,
        /// What is wrong, for the client.
        detail: Cow<'static, str>,
    },
    /// The client's: its body stopped coming.
    SlowBody,
    /// The client's: its body broke off, or its framing did.
    BrokenBody,
    /// The operator's, or the client's that asked for it: no route fits.
    NoRoute,
    /// The upstream's: no connection could be made.
    Connect,
    /// The upstream's: all connections that may be made to it are busy.
    Busy,
    /// The upstream's: no response in time.
    NoResponse,
    /// The upstream's: the connection broke before a response.
    Broken,
    /// The upstream's: a response that must not be passed on.
    BadResponse(&'static str),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Leaked => Self::Leaked,
            Refusal::Incomplete { cause, status, detail } => {
                Self::Incomplete { cause, status, detail }
            }
        }
    }
}
