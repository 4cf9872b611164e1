//! What a process tells the person who started it, on standard error; standard output belongs to
//! events and to what commands were asked for.

use std::io::Write;

/// Writes a line to standard error. Where nobody reads it any more, nothing is lost.
pub(super) fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", line.as_ref());
}

/// Writes a line to standard output; `false` where nobody reads it any more.
pub(super) fn print(line: impl AsRef<str>) -> bool {
    writeln!(std::io::stdout().lock(), "{}", line.as_ref()).is_ok()
}
