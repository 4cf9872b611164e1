//! From a file and the environment to a checked [`Config`].

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ipnet::IpNet;
use toml::{Table, Value};

use super::access_log::access_log;
use super::listener::{LISTENER, UNIX_MODE, UnixMode};
use super::reader::{Mistake, Reader, nearest};
use super::{
    Block, Config, Connections, Control, Events, Fail, FailMode, Gateway, Hold, Listener, Log,
    LogFormat, Route, Store, Timeouts, hooks, limits, oidc, sinks, tls, upstream,
};
use crate::model::rule::FiltrationMode;
use crate::model::tenant::{Owner, is_tenant_id};

/// The file that is read where none is named and it is there.
pub const DEFAULT_FILE: &str = "leakgate.toml";

/// What keeps a configuration from being used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; name another file with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not TOML: {problem}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        problem: String,
    },
    /// Keys or values are wrong; all of them.
    #[error("the configuration has {} mistake(s):\n{}", .0.len(), lines(.0))]
    Mistakes(Vec<Mistake>),
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("  {mistake}")).collect::<Vec<_>>().join("\n")
}

/// Loads the configuration: built-in defaults, under `file` (or `leakgate.toml` where it is there),
/// under the variables whose names are `LEAKGATE_` and a key's parts joined by `__`.
///
/// # Errors
/// [`ConfigError`], with every mistake and, for an unknown key, the nearest known one.
pub fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut table = match file {
        Some(path) => read(path)?,
        None if Path::new(DEFAULT_FILE).exists() => read(Path::new(DEFAULT_FILE))?,
        None => Table::new(),
    };
    let mut mistakes = Vec::new();
    for (name, value) in environment {
        let Some(key) = name.strip_prefix("LEAKGATE_").filter(|key| key.contains("__")) else {
            continue;
        };
        let parts: Vec<String> = key.split("__").map(str::to_lowercase).collect();
        if !set(&mut table, &parts, from_environment(&value)) {
            mistakes.push(Mistake {
                key: name.clone(),
                problem: "names a key inside a value that has none".to_owned(),
            });
        }
    }
    check(table, mistakes)
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    parse(&text).map_err(|problem| ConfigError::NotToml { path: path.to_owned(), problem })
}

fn parse(text: &str) -> Result<Table, String> {
    text.parse::<Table>().map_err(|error| error.to_string().trim_end().to_owned())
}

/// Numbers, booleans, lists and tables as TOML writes them; anything else is a string.
fn from_environment(text: &str) -> Value {
    parse(&format!("value = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .filter(|value| !matches!(value, Value::Datetime(_)))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Sets the value at this place, making tables on the way; a part that is a number is a place in a
/// list, and the one after the last adds to it.
fn set(table: &mut Table, parts: &[String], value: Value) -> bool {
    let Some((first, rest)) = parts.split_first() else { return false };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return true;
    }
    let is_index = rest.first().is_some_and(|part| part.parse::<usize>().is_ok());
    let next = table.entry(first.clone()).or_insert_with(|| {
        if is_index { Value::Array(Vec::new()) } else { Value::Table(Table::new()) }
    });
    set_inside(next, rest, value)
}

fn set_inside(place: &mut Value, parts: &[String], value: Value) -> bool {
    match place {
        Value::Table(table) => set(table, parts, value),
        Value::Array(items) => {
            let Some((first, rest)) = parts.split_first() else { return false };
            let Ok(index) = first.parse::<usize>() else { return false };
            if index == items.len() {
                items.push(Value::Table(Table::new()));
            }
            let Some(item) = items.get_mut(index) else { return false };
            if rest.is_empty() {
                *item = value;
                return true;
            }
            set_inside(item, rest, value)
        }
        _ => false,
    }
}

fn check(table: Table, mut mistakes: Vec<Mistake>) -> Result<Config, ConfigError> {
    let mut reader = Reader::new("", table);
    let config = Config {
        gateway: reader.section("gateway", gateway),
        control: reader.section("control", control),
        store: reader.section("store", store),
        events: reader.section("events", |events| Events {
            stdout: events.boolean("stdout").unwrap_or(Events::default().stdout),
        }),
        sinks: sinks::sinks(&mut reader),
        log: reader.section("log", log),
    };
    mistakes.extend(reader.finish());
    if mistakes.is_empty() { Ok(config) } else { Err(ConfigError::Mistakes(mistakes)) }
}

const MODES: [(&str, FiltrationMode); 3] = [
    ("off", FiltrationMode::Off),
    ("monitoring", FiltrationMode::Monitoring),
    ("block", FiltrationMode::Block),
];

const ADDRESS: &str = "an address and port, such as 127.0.0.1:8080";

fn gateway(r: &mut Reader) -> Gateway {
    let default = Gateway::default();
    let workers = r
        .number("workers", 1..=limits::WORKERS as u64)
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(default.workers);
    let upstreams =
        r.sections("upstreams", |r| upstream::upstream(r, workers)).unwrap_or(default.upstreams);
    if upstreams.is_empty() {
        r.mistake("upstreams", "needs at least one upstream with one server");
    }
    let mut names: Vec<&str> = Vec::new();
    for (index, upstream) in upstreams.iter().enumerate() {
        if names.contains(&upstream.name.as_str()) {
            let problem = format!("upstream {index} has the name {:?} of another", upstream.name);
            r.mistake("upstreams", problem);
        }
        names.push(&upstream.name);
    }
    let routes = r.sections("routes", |route| self::route(route, &names)).unwrap_or_default();
    let listen = r.list::<Listener>("listen", LISTENER).unwrap_or(default.listen);
    if listen.is_empty() {
        r.mistake("listen", format!("needs at least one of: {LISTENER}"));
    }
    let tls = r.section("tls", tls::read);
    if tls.certificates.is_empty() && listen.iter().any(|listener| listener.tls) {
        r.mistake("tls.certificates", "is missing: gateway.listen has a place that speaks TLS");
    }
    let proxy_protocol_from = networks(r, "proxy_protocol_from").unwrap_or_default();
    if proxy_protocol_from.is_empty() && listen.iter().any(|listener| listener.proxy_protocol) {
        r.mistake("proxy_protocol_from", "is missing: the networks whose headers are believed");
    }
    Gateway {
        name: r.parsed("name", "a name").unwrap_or_else(host_name),
        listen,
        tls,
        unix_mode: r.parsed::<UnixMode>("unix_mode", UNIX_MODE).map_or(default.unix_mode, |m| m.0),
        proxy_protocol_from,
        connections: r.section("connections", connections),
        mode: r.choice("mode", &MODES).unwrap_or(default.mode),
        workers,
        admin_listen: r.parsed::<SocketAddr>("admin_listen", ADDRESS),
        trusted_proxies: networks(r, "trusted_proxies").unwrap_or(default.trusted_proxies),
        bypass_file: r.parsed::<String>("bypass_file", "a path").map(PathBuf::from),
        routes,
        hold: r.section("hold", |hold| Hold {
            limit: hold.bytes("limit", limits::HOLD_LIMIT_MAX).unwrap_or(default.hold.limit),
            total: hold.bytes("total", limits::HOLD_TOTAL_MAX).unwrap_or(default.hold.total),
            pause: hold.duration("pause").unwrap_or(default.hold.pause),
            min_rate: hold
                .number("min_rate", 0..=u64::from(limits::HOLD_MIN_RATE_MAX))
                .and_then(|rate| u32::try_from(rate).ok())
                .unwrap_or(default.hold.min_rate),
        }),
        timeouts: r.section("timeouts", |t| Timeouts {
            header_read: t.duration("header_read").unwrap_or(default.timeouts.header_read),
            body_idle: t.duration("body_idle").unwrap_or(default.timeouts.body_idle),
            connect: t.duration("connect").unwrap_or(default.timeouts.connect),
            response: t.duration("response").unwrap_or(default.timeouts.response),
            keep_alive: t.duration("keep_alive").unwrap_or(default.timeouts.keep_alive),
            drain: t.duration("drain").unwrap_or(default.timeouts.drain),
            drain_delay: t.duration("drain_delay").unwrap_or(default.timeouts.drain_delay),
        }),
        block: r.section("block", |block| Block {
            status: block.choice("status", &[("403", 403), ("401", 401)]).unwrap_or(403),
            contact: block.parsed("contact", "a URL or an address"),
        }),
        fail: r.section("fail", |fail| {
            let mut mode = |cause, default| {
                let modes = [("open", FailMode::Open), ("closed", FailMode::Closed)];
                fail.choice(cause, &modes).unwrap_or(default)
            };
            Fail {
                budget: mode("budget", default.fail.budget),
                coding: mode("coding", default.fail.coding),
                undecodable: mode("undecodable", default.fail.undecodable),
                malformed: mode("malformed", default.fail.malformed),
                encrypted: mode("encrypted", default.fail.encrypted),
                websocket: mode("websocket", default.fail.websocket),
            }
        }),
        begin_traces: r.boolean("begin_traces").unwrap_or(default.begin_traces),
        access_log: r.section("access_log", access_log),
        upstreams,
        dns: r.section("dns", upstream::dns),
    }
}

fn networks(r: &mut Reader, name: &'static str) -> Option<Vec<IpNet>> {
    let list = r.list::<Network>(name, "an address or network")?;
    Some(list.into_iter().map(|network| network.0).collect())
}

fn connections(r: &mut Reader) -> Connections {
    let default = Connections::default();
    let mut number = |name, default| {
        let value = r.number(name, 1..=limits::CONNECTIONS_MAX as u64);
        value.map_or(default, |value| usize::try_from(value).unwrap_or(default))
    };
    Connections {
        limit: number("limit", default.limit),
        per_client: number("per_client", default.per_client),
    }
}

fn route(r: &mut Reader, upstreams: &[&str]) -> Option<Route> {
    let hosts = r.list::<String>("hosts", "a host name").unwrap_or_default();
    let path_prefix: String = r.parsed("path_prefix", "a path").unwrap_or_else(|| "/".to_owned());
    if !path_prefix.starts_with('/') {
        r.mistake("path_prefix", format!("must begin with /, but is {path_prefix:?}"));
    }
    let mode = r.choice("mode", &MODES);
    let tenant = r.parsed::<String>("tenant", "a tenant's id");
    if tenant.as_deref().is_some_and(|tenant| !is_tenant_id(tenant)) {
        r.mistake("tenant", "must be a tenant's id: lower-case letters, digits and hyphens");
    }
    let tenant = tenant.as_deref().map(Owner::of).unwrap_or_default();
    let Some(name) = r.parsed::<String>("upstream", "an upstream's name") else {
        r.mistake("upstream", "is missing: the name of one of gateway.upstreams");
        return None;
    };
    let Some(upstream) = upstreams.iter().position(|known| *known == name) else {
        r.mistake("upstream", format!("{name:?} is no upstream{}", nearest(&name, upstreams)));
        return None;
    };
    let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    Some(Route { hosts, path_prefix, upstream, mode, tenant })
}

fn control(r: &mut Reader) -> Control {
    let default = Control::default();
    Control {
        listen: r.parsed("listen", ADDRESS).unwrap_or(default.listen),
        session_idle: r.duration("session_idle").unwrap_or(default.session_idle),
        session_longest: r.duration("session_longest").unwrap_or(default.session_longest),
        secure_cookies: r.boolean("secure_cookies").unwrap_or(default.secure_cookies),
        oidc: r.section("oidc", oidc::read),
        hooks: r.section("hooks", hooks::read),
        reopen_reported: tenants(r, "reopen_reported").unwrap_or_default(),
        public_url: public_url(r),
        webhooks: r.section("webhooks", |r| sinks::webhooks(r, networks)),
        notifications: r.section("notifications", sinks::notifications),
        watch_closed_days: r
            .number("watch_closed_days", 0..=3650)
            .and_then(|days| u32::try_from(days).ok())
            .unwrap_or(default.watch_closed_days),
    }
}

/// A list of tenants' ids, where it is there.
fn tenants(r: &mut Reader, name: &'static str) -> Option<Vec<String>> {
    let tenants = r.list::<String>(name, "a tenant's id")?;
    if !tenants.iter().all(|tenant| is_tenant_id(tenant)) {
        r.mistake(name, "must be tenants' ids: lower-case letters, digits and hyphens");
    }
    Some(tenants)
}

/// Without the slash at its end.
fn public_url(r: &mut Reader) -> Option<String> {
    let url = r.parsed::<String>("public_url", "a URL")?;
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        r.mistake("public_url", "must be a URL that begins with https:// or http://");
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn store(r: &mut Reader) -> Store {
    const URL: &str = "sqlite: and a path, or postgres://USER@HOST/DATABASE";
    let url: String = r.parsed("url", URL).unwrap_or_else(|| Store::default().url);
    if !["sqlite:", "postgres://", "postgresql://"].iter().any(|start| url.starts_with(start)) {
        // The URL of a database server may hold a password, so it is not repeated.
        r.mistake("url", "must be sqlite: and a path, such as sqlite:leakgate.db, or postgres://USER@HOST/DATABASE");
    }
    Store { url, events: r.section("events", sinks::kept) }
}

fn log(r: &mut Reader) -> Log {
    let default = Log::default();
    Log {
        filter: r.parsed("filter", "a level or filter").unwrap_or(default.filter),
        format: r
            .choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])
            .unwrap_or(default.format),
    }
}

/// The machine's name, else `gateway`.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| Gateway::default().name)
}

/// A network, or an address that stands for itself.
struct Network(IpNet);

impl FromStr for Network {
    type Err = ipnet::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<IpNet>()
            .or_else(|error| text.parse::<std::net::IpAddr>().map(IpNet::from).map_err(|_| error))
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leakgate.toml");
        std::fs::write(&path, text).unwrap();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        load(Some(&path), environment).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        let config = config("", &[("LEAKGATE_PORT", "tcp://10.0.0.1:80")]).unwrap();
        assert_eq!(config.control, Control::default());
        assert_eq!(config.gateway.upstreams, Gateway::default().upstreams);
    }

    #[test]
    fn reads_the_documented_example() {
        let config = config(
            r#"
            [gateway]
            listen = ["127.0.0.1:8080", "[::1]:8080"]
            mode = "monitoring"
            workers = 2
            trusted_proxies = ["10.0.0.0/8", "192.0.2.1"]
            hold.limit = "128KiB"
            hold.pause = "5ms"
            block.status = 401
            [[gateway.upstreams]]
            name = "app"
            servers = ["http://127.0.0.1:3000", "http://[::1]:3001/"]
            [[gateway.upstreams]]
            name = "other"
            servers = ["http://example.internal"]
            [[gateway.routes]]
            hosts = ["API.example.com"]
            path_prefix = "/v1"
            upstream = "other"
            mode = "off"
            tenant = "acme"
            [control]
            listen = "127.0.0.1:9999"
            [store]
            url = "sqlite:/var/lib/leakgate/leakgate.db"
            "#,
            &[],
        )
        .unwrap();
        assert_eq!(config.gateway.listen.len(), 2);
        assert_eq!(config.gateway.hold.limit, 128 * 1024);
        assert_eq!(config.gateway.block.status, 401);
        let servers = &config.gateway.upstreams[0].servers;
        assert_eq!(servers[1].to_string(), "[::1]:3001");
        assert_eq!(config.gateway.upstreams[1].servers[0].to_string(), "example.internal:80");
        let route = &config.gateway.routes[0];
        assert_eq!((route.upstream, route.hosts[0].as_str()), (1, "api.example.com"));
        assert_eq!(route.tenant, Owner::of("acme"));
        assert_eq!(config.control.listen.port(), 9999);
    }

    #[test]
    fn an_identity_provider_is_read_whole_or_not_at_all() {
        let text = r#"
            [control.oidc]
            issuer = "https://id.example"
            client_id = "leakgate"
            redirect_url = "https://leakgate.example/api/v1/oidc/callback"
            [[control.oidc.roles]]
            value = "security"
            role = "analyst"
            "#;
        let secret = [("LEAKGATE_CONTROL__OIDC__CLIENT_SECRET", "a secret of tests")];
        let read = config(text, &secret).unwrap();
        let oidc = read.control.oidc.as_ref().unwrap();
        assert_eq!((oidc.name_claim.as_str(), oidc.role_claim.as_str()), ("email", "groups"));
        assert_eq!(oidc.roles[0].tenant, "default");
        assert!(oidc.client_secret.is_some() && !format!("{read:?}").contains("a secret"));
        let text = config(
            "[control.oidc]\nissuer = \"id.example\"\nclient_secret_file = \"nowhere\"\n\
             [[control.oidc.roles]]\nvalue = \"x\"\nrole = \"root\"\ntenant = \"A\"\n",
            &[],
        )
        .unwrap_err();
        for part in [
            "control.oidc.issuer: must be a URL",
            "control.oidc.client_id: is missing",
            "control.oidc.redirect_url: is missing",
            "control.oidc.client_secret_file: cannot be read",
            "control.oidc.roles[0].role: must be one of",
            "control.oidc.roles[0].tenant: must be a tenant's id",
        ] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
    }

    #[test]
    fn the_environment_overrides() {
        let config = config(
            "[gateway]\nmode = \"off\"\n",
            &[
                ("LEAKGATE_GATEWAY__MODE", "block"),
                ("LEAKGATE_GATEWAY__LISTEN", "127.0.0.1:1,127.0.0.1:2"),
                ("LEAKGATE_GATEWAY__WORKERS", "3"),
                ("LEAKGATE_GATEWAY__UPSTREAMS__0__NAME", "api"),
                ("LEAKGATE_GATEWAY__UPSTREAMS__0__SERVERS", "[\"http://127.0.0.1:9\"]"),
                ("LEAKGATE_EVENTS__STDOUT", "false"),
                ("LEAKGATE_STORE__URL", "sqlite:2026-01-01"),
            ],
        )
        .unwrap();
        assert_eq!(config.gateway.mode, FiltrationMode::Block);
        assert_eq!(config.gateway.listen[1].address().unwrap().port(), 2);
        assert_eq!(config.gateway.workers, 3);
        assert_eq!(config.gateway.upstreams[0].servers[0].to_string(), "127.0.0.1:9");
        assert!(!config.events.stdout);
        assert_eq!(config.store.url, "sqlite:2026-01-01");
    }

    #[test]
    fn every_mistake_is_named_at_once_with_the_nearest_key() {
        let text = config(
            r#"
            [gateway]
            lisen = ["127.0.0.1:8080"]
            mode = "blok"
            workers = 0
            hold.limit = "1GB"
            timeouts.connect = "0s"
            [[gateway.upstreams]]
            name = "app"
            servers = ["ftp://127.0.0.1:3000", "127.0.0.1:3000"]
            [[gateway.routes]]
            upstream = "ap"
            path_prefix = "v1"
            tenant = "Acme Inc"
            [contrl]
            [store]
            url = "mysql://u:hunter2@host"
            "#,
            &[("LEAKGATE_CONTROL__LISTEN", "nowhere")],
        )
        .unwrap_err();
        for part in [
            "gateway.lisen: unknown key; did you mean listen?",
            "gateway.mode: must be one of off, monitoring, block, but is \"blok\"; did you mean block?",
            "gateway.workers: must be a whole number from 1",
            "gateway.hold.limit: must be a number of bytes",
            "gateway.timeouts.connect: must be longer than zero",
            "gateway.upstreams[0].servers: must be a server",
            "it must begin with http://, https://, h2c:// or unix:/",
            "gateway.routes[0].upstream: \"ap\" is no upstream; did you mean app?",
            "gateway.routes[0].path_prefix: must begin with /",
            "gateway.routes[0].tenant: must be a tenant's id",
            "contrl: unknown key; did you mean control?",
            "store.url: must be sqlite: and a path",
            "control.listen: must be an address and port",
        ] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn tenants_whose_leaks_are_opened_again_are_named() {
        let text = "[control]\nreopen_reported = [\"default\", \"acme\"]\n";
        assert_eq!(config(text, &[]).unwrap().control.reopen_reported, ["default", "acme"]);
        let text = config("[control]\nreopen_reported = [\"Acme Inc\"]\n", &[]).unwrap_err();
        assert!(text.contains("control.reopen_reported: must be tenants' ids"), "{text}");
    }

    #[test]
    fn what_is_not_toml_or_not_there_says_so() {
        assert!(config("[gateway", &[]).unwrap_err().contains("is not TOML"));
        let error = load(Some(Path::new("nowhere/leakgate.toml")), std::iter::empty()).unwrap_err();
        assert!(error.to_string().contains("cannot read nowhere/leakgate.toml"), "{error}");
        let error = config("[gateway]\nmode = \"off\"\n", &[("LEAKGATE_GATEWAY__MODE__X", "1")]);
        assert!(error.unwrap_err().contains("LEAKGATE_GATEWAY__MODE__X"));
    }
}
