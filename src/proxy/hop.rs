//! Hop-by-hop fields (RFC 9110, 7.6.1): what belongs to one connection is not passed on, in either
//! direction. `Proxy-Authorization` and `Proxy-Authenticate` are not among them: they are passed
//! like any other field.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, TE, TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// The fields that always are.
pub(crate) const FIXED: [HeaderName; 6] =
    [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE];

/// Removes the fields of this hop and those that `Connection` names; the others keep their order.
/// `also` goes as well. `spare` is a map whose memory is used, and which gets that of the old map in exchange.
///
/// `Connection` cannot name `Host` or `Content-Length` away: these say where the message goes and
/// where it ends.
pub(crate) fn strip(headers: &mut HeaderMap, also: Option<&HeaderName>, spare: &mut HeaderMap) {
    if !FIXED.iter().chain(also).any(|name| headers.contains_key(name)) {
        return;
    }
    let named = named_by_connection(headers);
    let goes =
        |name: &HeaderName| FIXED.contains(name) || named.contains(name) || also == Some(name);
    spare.clear();
    spare.reserve(headers.len());
    // A drained map gives the name with the first of its values only.
    let mut current = None;
    for (name, value) in headers.drain() {
        if name.is_some() {
            current = name.filter(|name| !goes(name));
        }
        if let Some(name) = &current {
            spare.append(name, value);
        }
    }
    std::mem::swap(headers, spare);
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &CONNECTION)
        .filter(|token| !token.eq_ignore_ascii_case("close"))
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| *name != HOST && *name != CONTENT_LENGTH && !FIXED.contains(name))
        .collect()
}

/// Whether a comma-separated field has this token, in any case.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// Whether the sender takes trailers (`TE: trailers`).
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    has_token(headers, &TE, "trailers")
}

/// The tokens of a comma-separated field.
pub(crate) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn stripped(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let mut spare = HeaderMap::new();
        spare.insert("x-left-over", HeaderValue::from_static("from the last request"));
        strip(&mut headers, Some(&HeaderName::from_static("expect")), &mut spare);
        headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    }

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn fields_of_this_hop_go_and_the_others_keep_their_order() {
        let left = stripped(&[
            ("connection", "close, X-One"),
            ("a", "1"),
            ("keep-alive", "timeout=5"),
            ("b", "1"),
            ("b", "2"),
            ("x-one", "1"),
            ("connection", "x-two"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-two", "2"),
            ("expect", "100-continue"),
            ("trailer", "x-sum"),
            ("proxy-authorization", "Basic x"),
            ("c", "1"),
        ]);
        let kept = [
            ("a", "1"),
            ("b", "1"),
            ("b", "2"),
            ("trailer", "x-sum"),
            ("proxy-authorization", "Basic x"),
            ("c", "1"),
        ];
        assert_eq!(left, pairs(&kept));
    }

    #[test]
    fn nothing_to_strip_changes_nothing() {
        let fields = [("host", "a"), ("b", "1"), ("a", "1")];
        assert_eq!(stripped(&fields), pairs(&fields));
    }

    #[test]
    fn host_and_length_cannot_be_named_away() {
        let left = stripped(&[
            ("host", "a"),
            ("content-length", "3"),
            ("cookie", "c"),
            ("connection", "host, content-length, cookie"),
        ]);
        assert_eq!(left, pairs(&[("host", "a"), ("content-length", "3")]));
    }

    #[test]
    fn tokens_are_found_in_any_case() {
        let mut headers = HeaderMap::new();
        headers.append(TE, HeaderValue::from_static("deflate;q=0.5, Trailers"));
        assert!(takes_trailers(&headers));
        headers.insert(TE, HeaderValue::from_static("trailersx"));
        assert!(!takes_trailers(&headers));
    }
}
