//! What can go wrong with a command, in words that say what to do next.

use std::io::{self, Write};
use std::process::ExitCode;

use reqwest::StatusCode;
use serde_json::Value;

use super::output::plain;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It did what was asked: 0.
    Done,
    /// It failed: 1.
    Failed,
    /// The arguments or the environment are wrong: 2.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::FAILURE,
            Exit::Usage => Self::from(2),
        }
    }
}

/// Why a command was not done. The texts carry nothing of what was read as a token.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments or the environment are wrong.
    #[error("{0}")]
    Usage(String),
    /// Something that was to be read cannot be.
    #[error("cannot read {what}: {source}")]
    Read {
        /// What it is.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// What was read is unfit.
    #[error("{0}")]
    Input(String),
    /// The result could not be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
    /// The control plane cannot be reached.
    #[error(
        "cannot reach the control plane at {url}: {cause}; start it with `leakgate serve`, or set \
         LEAKGATE_URL to where it listens"
    )]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why it was not there.
        cause: String,
    },
    /// The exchange with the control plane broke.
    #[error(
        "the exchange with {url} broke: {cause}; what was asked may have happened, so look before trying again"
    )]
    Broken {
        /// The control plane.
        url: String,
        /// Why.
        cause: String,
    },
    /// The control plane refused; its own words say what to do.
    #[error("{0}")]
    Refused(String),
    /// What answered is no control plane.
    #[error(
        "{url} answered {status} in words that are not those of a leakgate control plane: look at LEAKGATE_URL"
    )]
    Foreign {
        /// Who answered.
        url: String,
        /// With what.
        status: StatusCode,
    },
}

impl Failure {
    /// Says it on standard error, and gives the exit code. A result whose reader went away is none.
    pub fn report(&self, err: &mut dyn Write) -> Exit {
        if let Self::Output(error) = self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return Exit::Done;
        }
        let _ = writeln!(err, "leakgate: {self}");
        match self {
            Self::Usage(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }

    /// Of an exchange that failed before there was an answer, or in it.
    pub(super) fn of_exchange(error: reqwest::Error, url: &str) -> Self {
        let url = url.to_owned();
        let connecting = error.is_connect();
        let cause = if error.is_timeout() && !connecting {
            "no answer in time".to_owned()
        } else {
            root_cause(&error.without_url())
        };
        if connecting { Self::Unreachable { url, cause } } else { Self::Broken { url, cause } }
    }

    /// Of an answer that is not a success.
    pub(super) fn of_answer(status: StatusCode, body: &[u8], url: &str) -> Self {
        let problem: Option<Value> = serde_json::from_slice(body).ok();
        let part = |name: &str| problem.as_ref()?.get(name)?.as_str().map(plain);
        match part("detail").or_else(|| part("title")) {
            Some(detail) if status == StatusCode::UNAUTHORIZED => {
                Self::Refused(format!("{detail}; LEAKGATE_TOKEN holds the API token"))
            }
            Some(detail) => Self::Refused(detail),
            None => Self::Foreign { url: url.to_owned(), status },
        }
    }
}

/// The last error of the chain, which names the cause; those before it say that there is one.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    plain(&last.to_string())
}
