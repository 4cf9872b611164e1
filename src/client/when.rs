//! Times as people write them: an instant, or a time from now or ago.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::failure::Failure;

/// An instant (`2026-12-31T12:00:00Z`), or a time from now (`8h`, `7d`).
pub(super) fn from_now(argument: &str, text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    instant(argument, text, now, false)
}

/// An instant, or a time ago (`1h`).
pub(super) fn ago(argument: &str, text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    instant(argument, text, now, true)
}

fn instant(argument: &str, text: &str, now: Timestamp, back: bool) -> Result<Timestamp, Failure> {
    let text = text.trim();
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    // Days and more need a calendar; UTC has no surprises in it.
    let now = now.to_zoned(TimeZone::UTC);
    let there = text.parse::<Span>().ok().filter(|span| span.signum() > 0).and_then(|span| {
        if back { now.checked_sub(span).ok() } else { now.checked_add(span).ok() }
    });
    there.map(|time| time.timestamp()).ok_or_else(|| {
        let direction = if back { "ago" } else { "from now" };
        Failure::Usage(format!(
            "{argument} is neither a time such as 2026-12-31T12:00:00Z nor a time {direction} such \
             as 8h or 7d"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let show = |time: Result<Timestamp, Failure>| time.map(|time| time.to_string()).ok();
        for (text, later, earlier) in [
            ("8h", "2026-11-24T20:00:00Z", "2026-11-24T04:00:00Z"),
            ("7d", "2026-12-01T12:00:00Z", "2026-11-17T12:00:00Z"),
            ("1d 30m", "2026-11-25T12:30:00Z", "2026-11-23T11:30:00Z"),
            ("2026-12-31T00:00:00+01:00", "2026-12-30T23:00:00Z", "2026-12-30T23:00:00Z"),
        ] {
            assert_eq!(show(from_now("--expires", text, now)).as_deref(), Some(later), "{text}");
            assert_eq!(show(ago("--from", text, now)).as_deref(), Some(earlier), "{text}");
        }
        for text in ["", "soon", "-1h", "0s", "2026-12-31", "9999999y"] {
            assert_eq!(show(from_now("--expires", text, now)), None, "{text}");
        }
    }
}
