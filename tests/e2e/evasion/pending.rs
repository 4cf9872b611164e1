//! What is known not to hold yet. Empty once every part is there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::drive::Failure;

/// Parts of case names, by their beginnings: a case may fail where one of its parts begins so, and
/// each line must be met by a failing case, so that it is taken out once its part is there.
const PENDING: &[&str] = &[];

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
