//! What is known not to hold: the limits that `docs/limits.md` states.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::drive::Failure;

const MARKUP_IN_RUNS: &str =
    "markup that cuts base64 or hex in two, both under JSON escapes of every character, stays";

/// Whole case names, or parts of them by their beginnings, with the reason: a case may let a token through where
/// one of its parts begins so, and each line must be met by a case that does, so that it is taken out
/// once it holds.
const LIMITS: &[(&str, &str)] = &[
    ("xml-comment-inside/long/json-u:all/b64:std:0:0", MARKUP_IN_RUNS),
    ("xml-instruction-inside/long/json-u:all/hex:lower", MARKUP_IN_RUNS),
];

fn limits(name: &str) -> Vec<&'static str> {
    let parts: Vec<&str> = name.split('/').collect();
    let lines = LIMITS.iter().map(|&(line, _)| line);
    let meets = |line: &&str| name == *line || parts.iter().any(|part| part.starts_with(line));
    lines.filter(meets).collect()
}

/// Asserts that all cases hold but those that are beyond a stated limit, and that those do not.
pub fn judge(names: &[String], failures: &[Failure]) {
    let mut said = String::new();
    let mut by_part: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexpected = 0;
    for failure in failures {
        // Harm to honest traffic never is.
        if failure.harm || limits(&failure.name).is_empty() {
            unexpected += 1;
            for part in failure.name.split('/') {
                *by_part.entry(part).or_default() += 1;
            }
            let _ = writeln!(said, "{}: {}", failure.name, failure.why);
        }
    }
    for (line, reason) in LIMITS {
        let met = names.iter().any(|name| limits(name).contains(line));
        let fails = failures.iter().any(|failure| limits(&failure.name).contains(line));
        if met && !fails {
            let _ = writeln!(said, "{line} holds in every case, though {reason}");
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
