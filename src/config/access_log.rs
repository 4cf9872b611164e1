//! The access log's part of the configuration.

use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderName;

use super::reader::Reader;

/// `[gateway.access_log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where lines go; without it, nowhere.
    pub file: Option<AccessLogFile>,
    /// Of the requests that were neither refused nor failed, how many of a million get a line.
    pub sample: u32,
    /// Header fields whose values are shown as fingerprints.
    pub credentials: Arc<[HeaderName]>,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogFile {
    /// Standard output, written `-`.
    Stdout,
    /// A file, to which lines are appended.
    Path(PathBuf),
}

impl AccessLogFile {
    /// As it is written.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Stdout => PathBuf::from("-"),
            Self::Path(path) => path.clone(),
        }
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        let credentials = [
            "authorization",
            "proxy-authorization",
            "x-api-key",
            "api-key",
            "apikey",
            "x-auth-token",
            "private-token",
        ];
        Self {
            file: None,
            sample: 10_000,
            credentials: credentials.map(HeaderName::from_static).into(),
        }
    }
}

pub(super) fn access_log(r: &mut Reader) -> AccessLog {
    let default = AccessLog::default();
    let file = r.parsed::<String>("file", "a path, or - for standard output");
    AccessLog {
        file: file.map(|path| match path.as_str() {
            "-" => AccessLogFile::Stdout,
            _ => AccessLogFile::Path(PathBuf::from(path)),
        }),
        sample: r.millionths("sample").unwrap_or(default.sample),
        credentials: r
            .list::<HeaderName>("credentials", "the name of a header field")
            .map_or(default.credentials, Into::into),
    }
}
