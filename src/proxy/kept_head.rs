//! A request's head, kept while its exchange lasts.

use http::request::Parts;

use crate::config::limits;
use crate::inspect::explain::Recorded;
use crate::model::secret::Secret;

/// A head as the bytes of HTTP/1.1. Fields that would make it longer than
/// [`limits::KEPT_HEAD_BYTES`] are left out.
#[derive(Clone, Debug)]
pub(crate) struct KeptHead {
    bytes: Secret,
    is_whole: bool,
}

impl KeptHead {
    /// Of this request, as it came.
    pub(crate) fn of(parts: &Parts) -> Self {
        // Measured first, so that no part of it is left behind where a smaller buffer had been.
        let mut length = 0;
        let is_whole = each_piece(parts, |piece| length += piece.len());
        let mut bytes = Vec::with_capacity(length);
        each_piece(parts, |piece| bytes.extend_from_slice(piece));
        Self { bytes: Secret::new(bytes), is_whole }
    }

    /// Whether nothing is left out.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The head again.
    pub(crate) fn parse(&self) -> Option<Parts> {
        Recorded::head(self.bytes.expose()).ok()
    }
}

/// The request line, the fields that fit, and the empty line, in pieces; says whether all fitted.
fn each_piece(parts: &Parts, mut give: impl FnMut(&[u8])) -> bool {
    give(parts.method.as_str().as_bytes());
    give(b" ");
    let uri = &parts.uri;
    if let Some(scheme) = uri.scheme_str() {
        give(scheme.as_bytes());
        give(b"://");
    }
    if let Some(authority) = uri.authority() {
        give(authority.as_str().as_bytes());
    }
    if let Some(target) = uri.path_and_query() {
        give(target.as_str().as_bytes());
    }
    give(b" HTTP/1.1\r\n");
    let mut left = limits::KEPT_HEAD_BYTES;
    let mut all_fitted = true;
    for (name, value) in &parts.headers {
        let length = name.as_str().len() + value.len();
        if length > left {
            all_fitted = false;
            continue;
        }
        left -= length;
        give(name.as_str().as_bytes());
        give(b": ");
        give(value.as_bytes());
        give(b"\r\n");
    }
    give(b"\r\n");
    all_fitted
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was() {
        for target in ["/a?b=%41", "*", "http://u:p@host:81/x?y", "host:443"] {
            let request = Request::builder()
                .method("M-SEARCH")
                .uri(target)
                .header("host", "a")
                .header("x", HeaderValue::from_bytes(b"\xff\t1").unwrap())
                .header("y", "")
                .header("x", "2");
            let before = request.body(()).unwrap().into_parts().0;
            let kept = KeptHead::of(&before);
            assert!(kept.is_whole());
            let after = kept.parse().unwrap();
            assert_eq!((after.method, after.uri), (before.method, before.uri), "{target}");
            assert_eq!(after.headers, before.headers, "{target}");
        }
    }

    #[test]
    fn what_is_too_long_is_left_out() {
        let long = "x".repeat(limits::KEPT_HEAD_BYTES);
        let request = Request::get("/").header("a", "1").header("b", &long).header("c", "2");
        let kept = KeptHead::of(&request.body(()).unwrap().into_parts().0);
        assert!(!kept.is_whole());
        let names: Vec<_> =
            kept.parse().unwrap().headers.keys().map(|name| name.as_str().to_owned()).collect();
        assert_eq!(names, ["a", "c"]);
    }
}
