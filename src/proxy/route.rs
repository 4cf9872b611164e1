//! Routes: which upstream gets a request, whose rules act on it, and in which filtration mode.

use std::borrow::Cow;

use crate::config;
use crate::model::rule::FiltrationMode;
use crate::model::tenant::RouteTenants;

/// Where a request goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Destination {
    /// Index into the configuration's upstreams.
    pub(crate) upstream: usize,
    pub(crate) policy: Policy,
}

/// What a route says about the inspection of its requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Policy {
    /// The mode, before the bypass switch weakens it.
    pub(crate) mode: FiltrationMode,
    /// Whose rules act.
    pub(crate) tenants: RouteTenants,
    /// Its place among the routes, by which uses are told apart that are counted together.
    pub(crate) route: usize,
}

impl Policy {
    /// Of a request that has no route yet.
    pub(crate) fn none() -> Self {
        Self { mode: FiltrationMode::Off, tenants: RouteTenants::default(), route: 0 }
    }
}

/// The destination of a request for this host (in lower case, without port) and path. The first
/// route that fits wins; without any route everything goes to the first upstream.
///
/// The path decides as it was sent. Where it also reads otherwise (`%61` for `a`, `/./`, `//`),
/// the stronger of both readings' modes is taken: an upstream may read it either way, and a
/// route with a weaker mode must not become a way around a stronger one. For the same reason the
/// rules of both readings' tenants act.
pub(crate) fn find(config: &config::Gateway, host: &str, path: &str) -> Option<Destination> {
    if config.routes.is_empty() {
        let policy = Policy { mode: config.mode, ..Policy::none() };
        return Some(Destination { upstream: 0, policy });
    }
    let (place, route) = first_match(config, host, path)?;
    let mode = |route: &config::Route| route.mode.unwrap_or(config.mode);
    let tenants = RouteTenants::one(route.tenant.key);
    let mut policy = Policy { mode: mode(route), tenants, route: place };
    if let Cow::Owned(other) = normalise(path)
        && let Some((_, also)) = first_match(config, host, &other)
    {
        policy.mode = stronger(policy.mode, mode(also));
        policy.tenants = policy.tenants.and(also.tenant.key);
    }
    Some(Destination { upstream: route.upstream, policy })
}

/// What the route of such a request says about its inspection: the filtration mode and whose rules
/// act. Absent where it has none.
pub fn route_of(
    config: &config::Gateway,
    host: &str,
    path: &str,
) -> Option<(FiltrationMode, RouteTenants)> {
    find(config, host, path).map(|found| (found.policy.mode, found.policy.tenants))
}

fn first_match<'a>(
    config: &'a config::Gateway,
    host: &str,
    path: &str,
) -> Option<(usize, &'a config::Route)> {
    config.routes.iter().enumerate().find(|(_, route)| fits(route, host, path))
}

fn fits(route: &config::Route, host: &str, path: &str) -> bool {
    let host_fits = route.hosts.is_empty()
        || route.hosts.iter().any(|pattern| match pattern.strip_prefix('*') {
            // `*.example.com`: what is left begins with the dot, and a name must stand before it.
            Some(tail) => host.len() > tail.len() && host.ends_with(tail),
            None => pattern == host,
        });
    host_fits && under(path, &route.path_prefix)
}

/// Whether the path is the prefix or goes on below it at a segment's border.
fn under(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

fn stronger(one: FiltrationMode, other: FiltrationMode) -> FiltrationMode {
    let strength = |mode| match mode {
        FiltrationMode::Off => 0,
        FiltrationMode::Monitoring => 1,
        FiltrationMode::Block => 2,
    };
    if strength(other) > strength(one) { other } else { one }
}

/// The path as a lenient server reads it: percent-encoding undone once, backslashes turned, empty
/// and `.` segments dropped, `..` resolved. Borrowed where that changes nothing.
fn normalise(path: &str) -> Cow<'_, str> {
    let plain = !path.bytes().any(|b| b == b'%' || b == b'\\')
        && !path.contains("//")
        && !path.contains("/.");
    if plain {
        return Cow::Borrowed(path);
    }
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy().replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut out = String::with_capacity(decoded.len());
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() || decoded.ends_with('/') {
        out.push('/');
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tenant::{Owner, TenantKey};

    fn route(
        hosts: &[&str],
        path_prefix: &str,
        upstream: usize,
        mode: Option<FiltrationMode>,
    ) -> config::Route {
        config::Route {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            path_prefix: path_prefix.to_owned(),
            upstream,
            mode,
            tenant: Owner::default(),
        }
    }

    fn gateway(routes: Vec<config::Route>) -> config::Gateway {
        config::Gateway { routes, ..Default::default() }
    }

    fn upstream(config: &config::Gateway, host: &str, path: &str) -> Option<usize> {
        find(config, host, path).map(|found| found.upstream)
    }

    #[test]
    fn without_routes_all_goes_to_the_first_upstream() {
        let config = gateway(Vec::new());
        assert_eq!(upstream(&config, "any", "/any"), Some(0));
    }

    #[test]
    fn the_first_match_wins() {
        let config = gateway(vec![
            route(&["api.example.com"], "/v2", 2, None),
            route(&["api.example.com"], "/", 1, None),
            route(&["*.example.com"], "/", 3, None),
        ]);
        for (host, path, expected) in [
            ("api.example.com", "/v2", Some(2)),
            ("api.example.com", "/v2/x", Some(2)),
            ("api.example.com", "/v20", Some(1)),
            ("api.example.com", "/", Some(1)),
            ("www.example.com", "/v2", Some(3)),
            ("a.b.example.com", "/", Some(3)),
            ("example.com", "/", None),
            (".example.com", "/", None),
            ("evil-example.com", "/", None),
        ] {
            assert_eq!(upstream(&config, host, path), expected, "{host} {path}");
        }
    }

    #[test]
    fn a_prefix_that_ends_with_a_slash_means_what_is_below() {
        let config = gateway(vec![route(&[], "/api/", 1, None)]);
        assert_eq!(upstream(&config, "h", "/api/x"), Some(1));
        assert_eq!(upstream(&config, "h", "/api"), None);
    }

    #[test]
    fn a_weaker_route_is_no_way_around_a_stronger_one() {
        let config = gateway(vec![
            route(&[], "/static", 0, Some(FiltrationMode::Off)),
            route(&[], "/", 0, None),
        ]);
        let mode = |path| find(&config, "h", path).unwrap().policy.mode;
        assert_eq!(mode("/static/logo.svg"), FiltrationMode::Off);
        for path in [
            "/static/../api",
            "/static/%2e%2e/api",
            "/static/..%2fapi",
            "/static/.%2E/api",
            "/static\\..\\api",
            "/static//../../api",
            "/other",
        ] {
            assert_eq!(mode(path), FiltrationMode::Block, "{path}");
        }
    }

    #[test]
    fn the_rules_of_every_reading_act() {
        let [one, two] = ["one", "two"].map(TenantKey::of);
        let of = |prefix, tenant| config::Route {
            tenant: Owner::of(tenant),
            ..route(&[], prefix, 0, None)
        };
        let config = gateway(vec![of("/one", "one"), of("/two", "two")]);
        let tenants = |path| find(&config, "h", path).unwrap().policy.tenants;
        assert_eq!(tenants("/one/x"), RouteTenants::one(one));
        assert_eq!(tenants("/two/x"), RouteTenants::one(two));
        assert_eq!(tenants("/one/../two"), RouteTenants::one(one).and(two));
        let found = find(&gateway(Vec::new()), "h", "/").unwrap();
        assert_eq!(found.policy.tenants, RouteTenants::default());
    }

    #[test]
    fn normal_forms() {
        for (path, normal) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/./b/", "/a/b/"),
            ("/a/../../b", "/b"),
            ("//a///b", "/a/b"),
            ("/%61", "/a"),
            ("/..", "/"),
            ("*", "*"),
        ] {
            assert_eq!(normalise(path), normal, "{path}");
        }
    }
}
