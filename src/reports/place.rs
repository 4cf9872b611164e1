//! Where a token was seen: what a URL says about the kind of place, and URLs without credentials.

use crate::model::leak::SourceKind;

/// Hosts, or ends of hosts, and what is found there. The first that fits wins.
const HOSTS: &[(&str, SourceKind)] = &[
    ("gist.github.com", SourceKind::Gist),
    ("gist.githubusercontent.com", SourceKind::Gist),
    ("github.com", SourceKind::Github),
    ("githubusercontent.com", SourceKind::Github),
    ("github.io", SourceKind::Website),
    ("gitlab.io", SourceKind::Website),
    ("gitlab.com", SourceKind::Gitlab),
    ("pastebin.com", SourceKind::Pastebin),
    ("paste.ee", SourceKind::Pastebin),
    ("dpaste.org", SourceKind::Pastebin),
    ("dpaste.com", SourceKind::Pastebin),
    ("rentry.co", SourceKind::Pastebin),
    ("ghostbin.com", SourceKind::Pastebin),
    ("hastebin.com", SourceKind::Pastebin),
    ("postman.com", SourceKind::Postman),
    ("postman.co", SourceKind::Postman),
    ("getpostman.com", SourceKind::Postman),
];

/// Parts of the host names of places that packages and images come from. The first that is there
/// wins, before the hosts above: a package's host may be called a registry too.
const PARTS: &[(&str, SourceKind)] = &[
    ("npmjs", SourceKind::Package),
    ("pypi", SourceKind::Package),
    ("pythonhosted", SourceKind::Package),
    ("rubygems", SourceKind::Package),
    ("nuget", SourceKind::Package),
    ("packagist", SourceKind::Package),
    ("crates", SourceKind::Package),
    ("ghcr", SourceKind::Container),
    ("docker", SourceKind::Container),
    ("quay", SourceKind::Container),
    ("registry", SourceKind::Container),
];

/// The kind of place behind this address. Unknown hosts with `github` or `gitlab` as a part of
/// their name are taken for a company's own; any other web address that is no git repository is a
/// website.
pub(super) fn kind_of(url: &str) -> SourceKind {
    let Some(host) = host(url) else { return SourceKind::Other };
    let path = after_authority(url);
    if path.contains("/-/snippets/") || path.starts_with("/snippets/") {
        return SourceKind::Gist;
    }
    let part = PARTS.iter().find(|(name, _)| host.split('.').any(|part| part == *name));
    if let Some((_, kind)) = part {
        return *kind;
    }
    let known = HOSTS.iter().find(|(name, _)| {
        host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    if let Some((_, kind)) = known {
        return *kind;
    }
    let part = |name: &str| host.split(['.', '-']).any(|part| part == name);
    if part("github") {
        SourceKind::Github
    } else if part("gitlab") {
        SourceKind::Gitlab
    } else if part("gist") {
        SourceKind::Gist
    } else if part("pastebin") || part("paste") {
        SourceKind::Pastebin
    } else if is_link(url) && !path.trim_end_matches('/').ends_with(".git") && !part("git") {
        SourceKind::Website
    } else {
        SourceKind::Other
    }
}

/// Whether a browser can follow it.
pub(super) fn is_link(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
    })
}

/// The same address without `user:password@`, which in a clone address is often a token.
pub(super) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => url.to_owned(),
    }
}

/// The host in lower case, of `scheme://host/…`, `user@host:path` or `host.name/…`.
fn host(url: &str) -> Option<String> {
    let authority = match url.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next().unwrap_or(rest),
        None if url.starts_with(['/', '.']) => return None,
        None => {
            let first = url.split(['/', ':']).next().unwrap_or(url);
            if !first.contains('.') {
                return None;
            }
            first
        }
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or(address),
        None => host.split(':').next().unwrap_or(host),
    };
    (!host.is_empty()).then(|| host.trim_end_matches('.').to_ascii_lowercase())
}

fn after_authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_tell_the_kind() {
        use SourceKind::*;
        for (url, kind) in [
            ("https://github.com/acme/app/blob/1/a", Github),
            ("git@github.com:acme/app.git", Github),
            ("github.com/acme/app", Github),
            ("https://GitHub.acme.example/x", Github),
            ("https://raw.githubusercontent.com/a/b", Github),
            ("https://gist.github.com/1", Gist),
            ("https://gitlab.com/a/b/-/snippets/3", Gist),
            ("https://gitlab.acme.example:8443/a", Gitlab),
            ("https://notgithub.com/a", Website),
            ("https://acme.github.io/app.js", Website),
            ("https://pastebin.com/x", Pastebin),
            ("https://www.postman.com/acme", Postman),
            ("https://registry.npmjs.example/x", Package),
            ("https://hub.docker.example/r/x", Container),
            ("ghcr.example/acme/app", Container),
            ("registry.gitlab.example/acme/app", Container),
            ("https://example.com/app.js", Website),
            ("https://git.example.com/app", Other),
            ("https://example.com/app.git", Other),
            ("/srv/repo", Other),
            ("repo", Other),
            ("", Other),
            ("https://", Other),
        ] {
            assert_eq!(kind_of(url), kind, "{url}");
        }
    }

    #[test]
    fn credentials_leave_addresses() {
        for (url, clean) in [
            ("https://x:y@github.com/a", "https://github.com/a"),
            ("https://x@github.com", "https://github.com"),
            ("https://github.com/a@b", "https://github.com/a@b"),
            ("git@github.com:a/b", "git@github.com:a/b"),
        ] {
            assert_eq!(without_credentials(url), clean);
        }
    }
}
