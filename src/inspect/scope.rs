//! Which of a token's rules act on this request, and how.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Method, Uri};
use jiff::Timestamp;

use super::Context;
use crate::decode::{Layer, undo};
use crate::matcher::Rule;
use crate::model::ids::{LeakId, PatchId};
use crate::model::rule::{Action, ClientPattern, ExceptClient, FiltrationMode, Scope};

/// Rounds of percent-encoding that are undone in a path before it is compared with a scope.
const PATH_ROUNDS: usize = 8;

/// Headers by which a request may ask to be taken for one of another method.
const METHOD_OVERRIDES: [&str; 3] =
    ["x-http-method-override", "x-http-method", "x-method-override"];

/// The parameter of a query by which a request may ask the same.
const METHOD_PARAMETER: &[u8] = b"_method";

/// What a scope is compared with, taken from a request's head.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    method: Method,
    /// Other methods that it asks to be taken for.
    overrides: Vec<Vec<u8>>,
    uri: Uri,
    /// The ways in which a backend may read the path, once they were asked for.
    forms: OnceLock<Vec<Vec<u8>>>,
}

impl Asked {
    /// The request's method, those it asks to be taken for, and its target.
    pub(super) fn new(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        Self {
            method: method.clone(),
            overrides: overrides(uri, headers),
            uri: uri.clone(),
            forms: OnceLock::new(),
        }
    }

    fn path_fits(&self, prefixes: &[String]) -> bool {
        path_fits(self.forms.get_or_init(|| forms(self.uri.path().as_bytes())), prefixes)
    }

    fn is_method(&self, method: &str) -> bool {
        self.method.as_str().eq_ignore_ascii_case(method)
            || self.overrides.iter().any(|other| other.eq_ignore_ascii_case(method.as_bytes()))
    }
}

/// Every method that a request asks to be taken for. Frameworks differ in which they honour, of
/// several and on which methods: each counts.
fn overrides(uri: &Uri, headers: &HeaderMap) -> Vec<Vec<u8>> {
    let mut methods = Vec::new();
    for (name, value) in headers {
        if METHOD_OVERRIDES.contains(&name.as_str()) {
            let listed = value.as_bytes().split(|&byte| byte == b',');
            methods.extend(listed.map(|method| method.trim_ascii().to_vec()));
        }
    }
    for pair in
        uri.query().unwrap_or_default().as_bytes().split(|&byte| matches!(byte, b'&' | b';'))
    {
        let mut sides = pair.splitn(2, |&byte| byte == b'=');
        let (name, value) = (sides.next().unwrap_or_default(), sides.next().unwrap_or_default());
        if undo(Layer::Percent, name).eq_ignore_ascii_case(METHOD_PARAMETER) {
            methods.push(undo(Layer::Percent, &undo(Layer::Form, value)).trim_ascii().to_vec());
        }
    }
    methods
}

/// What acts on a token that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Acting<'a> {
    pub(super) leak: LeakId,
    /// The id of the leak's tenant.
    pub(super) tenant: &'a Arc<str>,
    pub(super) patch: Option<PatchId>,
    pub(super) action: Action,
}

/// The strongest of the rules as they act on this request; of equally strong ones, that of the leak
/// with the smallest id. None where no rule of the route's tenant watches the token any more, or the
/// mode is `off`.
pub(super) fn strongest<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    asked: Option<&Asked>,
    context: &Context,
) -> Option<Acting<'a>> {
    rules
        .filter_map(|rule| acting(rule, asked, context))
        .min_by(|one, other| other.action.cmp(&one.action).then(one.leak.cmp(&other.leak)))
}

/// Whether any of the rules blocks what it matches in this request.
pub(super) fn any_blocks<'a>(
    mut rules: impl Iterator<Item = &'a Rule>,
    asked: Option<&Asked>,
    context: &Context,
) -> bool {
    rules.any(|rule| {
        rule.action == Action::Block
            && acting(rule, asked, context).is_some_and(|acting| acting.action == Action::Block)
    })
}

fn acting<'a>(rule: &'a Rule, asked: Option<&Asked>, context: &Context) -> Option<Acting<'a>> {
    if context.mode == FiltrationMode::Off
        || !context.tenants.include(rule.owner.key)
        || rule.watch_until.is_some_and(|until| until <= context.now)
    {
        return None;
    }
    let expired = rule.expires_at.is_some_and(|at| at <= context.now);
    let action = if expired || !acts_here(&rule.scope, asked, context) {
        Action::Observe
    } else if context.mode == FiltrationMode::Monitoring {
        rule.action.min(Action::Monitor)
    } else {
        rule.action
    };
    let tenant = &rule.owner.id;
    Some(Acting { leak: rule.leak, tenant, patch: rule.patch.filter(|_| !expired), action })
}

fn acts_here(scope: &Scope, asked: Option<&Asked>, context: &Context) -> bool {
    // Without a head nothing is known that could narrow the scope.
    let asked_fits = asked.is_none_or(|asked| {
        (scope.methods.is_empty() || scope.methods.iter().any(|method| asked.is_method(method)))
            && (scope.path_prefixes.is_empty() || asked.path_fits(&scope.path_prefixes))
    });
    asked_fits
        && (scope.hosts.is_empty() || scope.hosts.iter().any(|host| host_fits(&context.host, host)))
        && !scope.except_clients.iter().any(|except| {
            spares(except, context.client, context.client_cert.as_deref(), context.now)
        })
}

fn spares(except: &ExceptClient, client: IpAddr, cert: Option<&str>, now: Timestamp) -> bool {
    except.until.is_none_or(|until| now < until)
        && match &except.client {
            ClientPattern::Network(network) => network.contains(&client.to_canonical()),
            ClientPattern::Certificate(name) => cert == Some(name.as_str()),
        }
}

/// Whether a host is the one the pattern names, or below it where it begins with `*.`; an address is
/// the same however it is written.
fn host_fits(host: &str, pattern: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    if let Some(address) = address(pattern) {
        return self::address(host) == Some(address);
    }
    match pattern.strip_prefix("*.") {
        Some(parent) => host
            .len()
            .checked_sub(parent.len() + 1)
            .filter(|&length| length > 0)
            .and_then(|length| host.split_at_checked(length))
            .and_then(|(_, rest)| rest.strip_prefix('.'))
            .is_some_and(|rest| rest.eq_ignore_ascii_case(parent)),
        None => host.eq_ignore_ascii_case(pattern),
    }
}

/// The address that a host is, in brackets or not.
fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether the path, in any of the ways a backend may read it, begins with one of the prefixes, so
/// that no spelling escapes a scope.
fn path_fits(path_forms: &[Vec<u8>], prefixes: &[String]) -> bool {
    prefixes.iter().any(|prefix| {
        let spellings = forms(prefix.as_bytes());
        let mut spellings = spellings.iter().map(|prefix| without_last_slash(prefix));
        spellings.any(|prefix| path_forms.iter().any(|form| begins(form, prefix)))
    })
}

fn without_last_slash(prefix: &[u8]) -> &[u8] {
    prefix.strip_suffix(b"/").unwrap_or(prefix)
}

/// Whether the path begins with the prefix, in any case, and goes on, if it does, at a segment's
/// border.
fn begins(path: &[u8], prefix: &[u8]) -> bool {
    path.split_at_checked(prefix.len()).is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(prefix)
            && (prefix.is_empty() || matches!(rest.first(), None | Some(b'/' | b';')))
    })
}

/// What a backend may take for the path: as it is sent, and after each round of percent-decoding;
/// where it begins with two slashes, also what follows the authority that these may introduce; each
/// [`plain`], with dot segments resolved and with them left in place.
fn forms(path: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    let mut add = |form: Vec<u8>| {
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    add(path.to_vec());
    let mut decoded = path.to_vec();
    for _ in 0..=PATH_ROUNDS {
        add(plain(&decoded, true));
        add(plain(&decoded, false));
        if let Some(behind) = behind_authority(&decoded) {
            add(plain(behind, true));
            add(plain(behind, false));
        }
        let next = undo(Layer::Percent, &decoded);
        if next == decoded {
            break;
        }
        decoded = next;
    }
    forms
}

/// The path of `//host/path`.
fn behind_authority(path: &[u8]) -> Option<&[u8]> {
    let [first, second, rest @ ..] = path else { return None };
    if !is_slash(first) || !is_slash(second) {
        return None;
    }
    rest.get(rest.iter().position(is_slash)?..)
}

fn is_slash(byte: &u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// The path with slashes merged, single dots, parameters of segments and the blanks at their ends
/// taken away; with double dots resolved, where `resolved`.
fn plain(path: &[u8], resolved: bool) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(is_slash) {
        let segment = segment.split(|&byte| byte == b';').next().unwrap_or_default();
        match without_blanks(segment) {
            b"" | b"." => {}
            b".." if resolved => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut out = vec![b'/'];
    out.extend(segments.join(&b'/'));
    out
}

/// The segment without the spaces and control characters at its end, which some backends cut off.
fn without_blanks(mut segment: &[u8]) -> &[u8] {
    while let [rest @ .., 0..=b' '] = segment {
        segment = rest;
    }
    segment
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::model::clock;
    use crate::model::rule::Boundary;
    use crate::model::tenant::{Owner, RouteTenants};

    fn context(mode: FiltrationMode) -> Context {
        Context::new("203.0.113.7".parse().unwrap(), "api.example.com", mode, clock::now())
    }

    fn asked(method: &str, target: &str) -> Asked {
        Asked::new(&method.parse().unwrap(), &target.parse().unwrap(), &HeaderMap::new())
    }

    fn rule(action: Action, scope: Scope) -> Rule {
        Rule { patch: Some(PatchId::new()), scope, ..Rule::new(LeakId::new(), action) }
    }

    fn acts(scope: Scope, asked: &Asked) -> bool {
        let rule = rule(Action::Block, scope);
        let acting = acting(&rule, Some(asked), &context(FiltrationMode::Block)).unwrap();
        acting.action == Action::Block
    }

    #[test]
    fn hosts() {
        for (host, pattern, fits) in [
            ("api.example.com", "api.example.com", true),
            ("api.example.com.", "api.example.com", true),
            ("api.example.com", "API.example.com", true),
            ("api.example.com", "*.example.com", true),
            ("a.b.example.com", "*.example.com", true),
            ("example.com", "*.example.com", false),
            (".example.com", "*.example.com", false),
            ("badexample.com", "*.example.com", false),
            ("api.example.com", "example.com", false),
            ("", "*.example.com", false),
            ("[::1]", "::1", true),
            ("[::1]", "[::1]", true),
            ("[0:0:0:0:0:0:0:1]", "::1", true),
            ("[2001:DB8::1]", "2001:db8::1", true),
            ("[::2]", "::1", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("[::ffff:10.0.0.1]", "10.0.0.1", true),
            ("::1.example", "::1", false),
            ("é.example.com", "*.example.com", true),
        ] {
            assert_eq!(host_fits(host, pattern), fits, "{host} {pattern}");
        }
    }

    #[test]
    fn paths_however_spelt() {
        for (path, prefix, fits) in [
            ("/api", "/api", true),
            ("/api/", "/api", true),
            ("/api/x", "/api", true),
            ("/api", "/api/", true),
            ("/apix", "/api", false),
            ("/ap", "/api", false),
            ("/", "/", true),
            ("/x", "/", true),
            ("/%61pi/x", "/api", true),
            ("/%2561pi/x", "/api", true),
            ("/%25252561pi", "/api", true),
            ("//api//x", "/api", true),
            ("/x/../api", "/api", true),
            ("/x/%2e%2e/api", "/api", true),
            ("/x/..;/api", "/api", true),
            ("/x/..;a=b/api", "/api", true),
            ("/./api", "/api", true),
            ("/api;v=1/x", "/api", true),
            ("/x%2F..%2Fapi", "/api", true),
            ("/x\\..\\api", "/api", true),
            ("/x/..%5Capi", "/api", true),
            ("/api/../other", "/api", true),   // as sent
            ("/%61pi/../other", "/api", true), // by a backend that leaves dots in place
            ("/%61pi/%2e%2e/x", "/api", true),
            ("//api/../other", "/api", true),
            ("/./api/../x", "/api", true),
            ("/x/../%61pi/../y", "/api", false),
            ("/API/x", "/api", true),
            ("/api/x", "/Api", true),
            ("/api%20", "/api", true),
            ("/api%00/x", "/api", true),
            ("/api%2520", "/api", true),
            ("/%20", "/api", false),
            ("//h.example/api", "/api", true),
            ("//h.example/%61pi/x", "/api", true),
            ("//h.example/other/api", "/api", false),
            ("/h.example/api", "/api", false),
            ("/caf%C3%A9/x", "/caf%C3%A9", true),
            ("/caf%c3%a9/x", "/café", true),
            ("/v1/api", "/api", false),
        ] {
            let path = path.as_bytes();
            let found = path_fits(&forms(path), &[prefix.to_owned()]);
            assert_eq!(found, fits, "{} {prefix}", path.escape_ascii());
        }
        assert!(path_fits(&forms(b"/b/x"), &["/a".to_owned(), "/b".to_owned()]));
    }

    #[test]
    fn scopes_narrow() {
        let scope = |hosts: &[&str], prefixes: &[&str], methods: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
            Scope {
                hosts: owned(hosts),
                path_prefixes: owned(prefixes),
                methods: owned(methods),
                except_clients: Vec::new(),
                boundary: Boundary::default(),
            }
        };
        let get = asked("GET", "/api/x?y=/other");
        assert!(acts(Scope::default(), &get));
        assert!(acts(scope(&["*.example.com"], &["/api"], &["GET", "PUT"]), &get));
        assert!(!acts(scope(&["example.com"], &[], &[]), &get));
        assert!(!acts(scope(&[], &["/other"], &[]), &get));
        assert!(!acts(scope(&[], &[], &["POST"]), &get));
    }

    #[test]
    fn a_method_override_does_not_escape() {
        let scope = Scope { methods: vec!["DELETE".to_owned()], ..Scope::default() };
        for (target, fields, fits) in [
            ("/", &[("x-http-method-override", " delete")][..], true),
            ("/", &[("x-http-method-override", "GET"), ("x-http-method-override", "DELETE")], true),
            ("/", &[("x-http-method-override", "PUT"), ("x-method-override", "Delete")], true),
            ("/", &[("x-http-method", "PUT, DELETE")], true),
            ("/", &[("x-method", "DELETE")], false),
            ("/", &[("x-http-method", "PUT")], false),
            ("/?_method=delete", &[], true),
            ("/?a=b&_METHOD=DELETE&_method=PUT", &[], true),
            ("/?%5fmethod=%44ELETE", &[], true),
            ("/?x_method=DELETE", &[], false),
        ] {
            let mut headers = HeaderMap::new();
            for &(name, value) in fields {
                headers.append(name, value.parse().unwrap());
            }
            let uri: Uri = target.parse().unwrap();
            for method in [Method::GET, Method::POST] {
                let asked = Asked::new(&method, &uri, &headers);
                assert_eq!(acts(scope.clone(), &asked), fits, "{method} {target} {fields:?}");
            }
        }
        assert!(acts(scope, &asked("delete", "/")));
    }

    #[test]
    fn exemptions() {
        let now = clock::now();
        let later = now.checked_add(1.hour()).unwrap();
        let client = |text: &str| text.parse().unwrap();
        for (pattern, until, ip, cert, spared) in [
            ("203.0.113.7", None, "203.0.113.7", None, true),
            ("203.0.113.7", None, "::ffff:203.0.113.7", None, true),
            ("203.0.113.0/24", Some(later), "203.0.113.9", None, true),
            ("203.0.113.0/24", Some(now), "203.0.113.9", None, false),
            ("203.0.113.0/24", None, "203.0.114.9", None, false),
            ("2001:db8::/32", None, "2001:db8::1", None, true),
            ("cert:partner", None, "198.51.100.1", Some("partner"), true),
            ("cert:partner", Some(now), "198.51.100.1", Some("partner"), false),
            ("cert:partner", None, "198.51.100.1", Some("Partner"), false),
            ("cert:partner", None, "198.51.100.1", None, false),
        ] {
            let except = ExceptClient { client: client(pattern), until };
            let ip = ip.parse().unwrap();
            assert_eq!(spares(&except, ip, cert, now), spared, "{pattern} {ip} {cert:?}");
        }
    }

    #[test]
    fn time_and_mode() {
        let block = context(FiltrationMode::Block);
        let now = block.now;
        let after = now.checked_add(1.second()).unwrap();
        let with = |expires_at, watch_until, action, mode| {
            let rule = Rule { expires_at, watch_until, ..rule(action, Scope::default()) };
            let context = Context { mode, ..block.clone() };
            acting(&rule, None, &context).map(|acting| (acting.action, acting.patch.is_some()))
        };
        use Action::*;
        use FiltrationMode as Mode;
        for (expires_at, watch_until, action, mode, expected) in [
            (None, None, Block, Mode::Block, Some((Block, true))),
            (None, None, Block, Mode::Monitoring, Some((Monitor, true))),
            (None, None, Monitor, Mode::Monitoring, Some((Monitor, true))),
            (None, None, Observe, Mode::Monitoring, Some((Observe, true))),
            (None, None, Block, Mode::Off, None),
            (Some(now), None, Block, Mode::Block, Some((Observe, false))),
            (Some(after), None, Block, Mode::Block, Some((Block, true))),
            (None, Some(now), Block, Mode::Block, None),
            (None, Some(after), Observe, Mode::Block, Some((Observe, true))),
        ] {
            assert_eq!(
                with(expires_at, watch_until, action, mode),
                expected,
                "{action} {mode} {expires_at:?} {watch_until:?}"
            );
        }
    }

    #[test]
    fn a_rule_acts_on_the_routes_of_its_tenant_alone() {
        let [acme, other] = ["acme", "other"].map(Owner::of);
        let of =
            |owner: &Owner, action| Rule { owner: owner.clone(), ..rule(action, Scope::default()) };
        let (block, watch) = (of(&acme, Action::Block), of(&other, Action::Observe));
        let rules = [&block, &watch];
        let on = |tenants| Context { tenants, ..context(FiltrationMode::Block) };
        let acts = |tenants| {
            let context = on(tenants);
            let acting = strongest(rules.into_iter(), None, &context);
            let acting = acting.map(|acting| (acting.action, &**acting.tenant));
            (
                acting.map(|(action, tenant)| (action, tenant.to_owned())),
                any_blocks(rules.into_iter(), None, &context),
            )
        };
        let (acme, other) = (acme.key, other.key);
        let blocked = (Some((Action::Block, "acme".to_owned())), true);
        assert_eq!(acts(RouteTenants::one(acme)), blocked);
        let seen = (Some((Action::Observe, "other".to_owned())), false);
        assert_eq!(acts(RouteTenants::one(other)), seen);
        assert_eq!(acts(RouteTenants::one(other).and(acme)), blocked);
        assert_eq!(acts(RouteTenants::default()), (None, false));
    }

    #[test]
    fn the_strongest_wins_and_an_exemption_weakens_only_its_own_leak() {
        let context = context(FiltrationMode::Block);
        let exempt = Scope {
            except_clients: vec![ExceptClient {
                client: "203.0.113.7".parse().unwrap(),
                until: None,
            }],
            ..Scope::default()
        };
        let first = rule(Action::Block, exempt);
        let second = rule(Action::Monitor, Scope::default());
        let third = rule(Action::Block, Scope::default());
        let fourth = rule(Action::Block, Scope::default());
        let leak_of = |rules: &[&Rule]| {
            let acting = strongest(rules.iter().copied(), None, &context).unwrap();
            (acting.leak, acting.action)
        };
        assert_eq!(leak_of(&[&first]), (first.leak, Action::Observe));
        assert_eq!(leak_of(&[&first, &second]), (second.leak, Action::Monitor));
        assert_eq!(leak_of(&[&fourth, &first, &third, &second]), (third.leak, Action::Block));
        assert!(strongest(std::iter::empty(), None, &context).is_none());
        assert!(!any_blocks([&first, &second].into_iter(), None, &context));
        assert!(any_blocks([&first, &third].into_iter(), None, &context));
    }
}
