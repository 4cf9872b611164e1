//! What is known not to hold yet. Empty once every part is there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::drive::Failure;

/// Parts of case names, by their beginnings: a case may fail where one of its parts begins so, and
/// each line must be met by a failing case, so that it is taken out once its part is there.
const PENDING: &[&str] = &[
    // Runs of base64 and hex, and what they hold.
    "b64:",
    "hex:",
    "jwt-header",
    "jwt-payload",
    "jwt-respelled",
    "grpc-metadata",
    "grpc-web-text",
    // Escapes.
    "entity:",
    "json5-line",
    "cookie-octal",
    "xml-cdata-second-half",
    "xml-cdata-halves",
    "xml-comment-inside",
    "xml-empty-cdata-inside",
    "xml-entity-second-half",
    "xml-instruction-inside",
    "xml-escaped-xml",
    // What a body is.
    "br",
    "deflate:",
    "ebcdic",
    "grpc-deflate",
    "grpc-gzip",
    "gzip",
    "iso-2022-jp",
    "multipart-base64",
    "multipart-bare-lines",
    "multipart-charset",
    "multipart-extended-boundary",
    "multipart-filename*-parts",
    "multipart-gzip-file",
    "multipart-mixed",
    "multipart-nested",
    "multipart-part-coding",
    "multipart-preamble",
    "multipart-quoted-boundary",
    "multipart-quoted-printable",
    "multipart-related",
    "multipart-undeclared",
    "refused:coding",
    "stack:",
    "utf-16",
    "utf-32",
    "utf-7",
    "zstd",
];

fn pending(name: &str) -> Vec<&'static str> {
    let parts: Vec<&str> = name.split('/').collect();
    PENDING.iter().copied().filter(|line| parts.iter().any(|part| part.starts_with(line))).collect()
}

/// Whether a case is known not to hold.
pub fn is_pending(name: &str) -> bool {
    !pending(name).is_empty()
}

/// Asserts that all cases hold but those that are pending, and that those do not.
pub fn judge(names: &[String], failures: &[Failure]) {
    let mut said = String::new();
    let mut by_part: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexpected = 0;
    for failure in failures {
        // Harm to honest traffic is never pending.
        if failure.harm || !is_pending(&failure.name) {
            unexpected += 1;
            for part in failure.name.split('/') {
                *by_part.entry(part).or_default() += 1;
            }
            let _ = writeln!(said, "{}: {}", failure.name, failure.why);
        }
    }
    for line in PENDING {
        let met = names.iter().any(|name| pending(name).contains(line));
        let fails = failures.iter().any(|failure| pending(&failure.name).contains(line));
        if met && !fails {
            let _ = writeln!(said, "{line} is pending, but every case of it holds");
            unexpected += 1;
        }
    }
    let mut parts: Vec<(usize, &str)> = by_part.into_iter().map(|(part, n)| (n, part)).collect();
    parts.sort_unstable_by(|a, b| b.cmp(a));
    assert!(
        unexpected == 0,
        "{said}{unexpected} of {} cases do not hold; by part: {parts:?}",
        names.len()
    );
}
