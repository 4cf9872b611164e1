//! Log lines, on standard error: standard output belongs to events.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{Log, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error("log.filter is not a filter: {0}; write a level (info) or module=level pairs")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
}

/// Sends log lines to standard error from now on. A second call changes nothing.
///
/// # Errors
/// [`LogError`] where the filter does not parse.
pub fn start(log: &Log) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&log.filter)?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A process that has a subscriber already (a test) keeps it.
    let _ = match log.format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Ok(())
}
