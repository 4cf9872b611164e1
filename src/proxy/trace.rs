//! W3C trace context: passed on as it came, and begun here where it is asked for and nobody has.

use http::HeaderValue;
use http::header::{HeaderMap, HeaderName};

/// `traceparent`.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `tracestate`, which means nothing without the other.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace that a request belongs to; `None` where it names none, or not as version 00 or a later
/// one asks for.
pub(crate) fn id(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(TRACEPARENT).iter();
    let (first, None) = (fields.next()?, fields.next()) else { return None };
    let text = first.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length| {
        text.len() == length
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_zero = |text: &str| text.bytes().all(|b| b == b'0');
    // Later versions may have more behind it.
    let ends = if version == "00" { parts.next().is_none() } else { version != "ff" };
    let reads = is_hex(version, 2) && is_hex(id, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    (ends && reads && !is_zero(id) && !is_zero(parent)).then_some(id)
}

/// Begins a trace where the request belongs to none: unsampled, since nothing is recorded of it here
/// but its id in the access log. `random` makes its parts.
pub(crate) fn begin(headers: &mut HeaderMap, random: impl Fn() -> [u8; 16]) {
    if id(headers).is_some() {
        return;
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (trace, parent) = (random(), random());
    let text =
        format!("00-{}-{}-00", hex(&trace), hex(parent.first_chunk::<8>().unwrap_or(&[1; 8])));
    // Hexadecimal digits and dashes are a valid value.
    if let Ok(begun) = HeaderValue::from_str(&text) {
        headers.insert(TRACEPARENT, begun);
        headers.remove(TRACESTATE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, HeaderValue::from_str(value).unwrap());
        }
        headers.insert(TRACESTATE, HeaderValue::from_static("a=1"));
        headers
    }

    #[test]
    fn a_trace_is_told_by_its_form() {
        let good = format!("00-{ID}-b7ad6b7169203331-01");
        assert_eq!(id(&headers(&[&good])), Some(ID));
        assert_eq!(id(&headers(&[&good.replacen("00", "01", 1),])), Some(ID));
        assert_eq!(id(&headers(&[&format!("01-{ID}-b7ad6b7169203331-01-more")])), Some(ID));
        for bad in [
            "".to_owned(),
            good.to_uppercase(),
            good.replacen("00", "ff", 1),
            format!("{good}-more"),
            good.replace("-01", ""),
            good.replace(ID, &"0".repeat(32)),
            good.replace("b7ad6b7169203331", &"0".repeat(16)),
            good.replace("b7ad", "b7a"),
            good.replace('-', "_"),
        ] {
            assert_eq!(id(&headers(&[&bad])), None, "{bad}");
        }
        assert_eq!(id(&headers(&[&good, &good])), None);
        assert_eq!(id(&headers(&[])), None);
    }

    #[test]
    fn a_trace_is_begun_where_there_is_none() {
        let good = format!("00-{ID}-b7ad6b7169203331-01");
        let mut known = headers(&[&good]);
        begin(&mut known, || [1; 16]);
        assert_eq!(known, headers(&[&good]));
        for none in [&[][..], &["broken"], &[&good, &good]] {
            let mut begun = headers(none);
            begin(&mut begun, || [0xab; 16]);
            let text = format!("00-{}-{}-00", "ab".repeat(16), "ab".repeat(8));
            assert_eq!(begun.get_all(TRACEPARENT).iter().collect::<Vec<_>>(), [&*text]);
            assert!(!begun.contains_key(TRACESTATE));
        }
    }
}
