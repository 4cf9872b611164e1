//! A form with files as a browser sends it, out of memory. Values stay secrets: a report is full of
//! them.

use memchr::memmem;

use crate::control::Upload;
use crate::model::secret::Secret;

/// The fields and their values, in order; what is not of the form is left out.
pub(super) fn fields(upload: &Upload) -> Vec<(String, Secret)> {
    // No line end stands before the first boundary.
    let first = format!("--{}", upload.boundary);
    let mark = format!("\r\n{first}");
    let Some(mut rest) = upload.body.strip_prefix(first.as_bytes()) else { return Vec::new() };
    let mut fields = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let Some(end) = memmem::find(part, mark.as_bytes()) else { break };
        let (whole, after) = (part.get(..end).unwrap_or_default(), end + mark.len());
        rest = part.get(after..).unwrap_or_default();
        let Some(split) = memmem::find(whole, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(whole.get(..split).unwrap_or_default());
        if let Some(name) = name(&head) {
            let value = whole.get(split + 4..).unwrap_or_default();
            fields.push((name, Secret::new(value.to_vec())));
        }
    }
    fields
}

/// The name of a part's field.
fn name(head: &str) -> Option<String> {
    let line = head.lines().find(|line| {
        line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case("content-disposition:"))
    })?;
    let mut parts = line.split(';').map(str::trim);
    let found = parts.find_map(|part| part.strip_prefix("name="))?;
    Some(found.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn read(body: &[u8]) -> Vec<(String, Vec<u8>)> {
        let upload = Upload { boundary: "b".to_owned(), body: Zeroizing::new(body.to_vec()) };
        let fields = fields(&upload);
        fields.into_iter().map(|(name, value)| (name, value.expose().to_vec())).collect()
    }

    #[test]
    fn parts_are_read() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nabc\r\n--b\r\n\
            content-disposition: form-data; name=\"file\"; filename=\"a;b.json\"\r\n\
            Content-Type: application/json\r\n\r\none\r\n\r\n--two\r\n--b--\r\n";
        let file = ("file".to_owned(), b"one\r\n\r\n--two".to_vec());
        assert_eq!(read(body), [("csrf".to_owned(), b"abc".to_vec()), file]);
    }

    #[test]
    fn what_is_broken_is_left_out() {
        for body in [
            &b""[..],
            b"--b",
            b"--b--",
            b"--b\r\nno head\r\n--b--",
            b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ncut off",
        ] {
            assert_eq!(read(body), [], "{}", String::from_utf8_lossy(body));
        }
    }
}
