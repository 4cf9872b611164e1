//! Metrics, in the Prometheus text format. No label ever carries a value from a request.

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// Every metric of the process. Made once, shared by reference.
pub struct Metrics {
    registry: Registry,
    /// `leakgate_requests_total{outcome}`: `forwarded`, `blocked`, `refused` (by the decision
    /// table or for framing), `no_route`, `upstream_error`, `client_gone`.
    pub requests: IntCounterVec,
    /// `leakgate_refused_total{cause}`: refusals other than for a leaked token.
    pub refused: IntCounterVec,
    /// `leakgate_would_refuse_total{cause}`: incomplete inspections that were let pass since no
    /// blocking patch was in scope or the mode was not `block`.
    pub would_refuse: IntCounterVec,
    /// `leakgate_inspected_bytes_total`: raw and decoded.
    pub inspected_bytes: IntCounter,
    /// `leakgate_undecided_pauses_total`: pauses of streaming bodies at which what had come was passed on
    /// undecided in part, for want of room.
    pub undecided_pauses: IntCounter,
    /// `leakgate_inspection_seconds`: time spent inspecting one request.
    pub inspection: Histogram,
    /// `leakgate_connections`: client connections open.
    pub connections: IntGauge,
    /// `leakgate_connections_refused_total{limit}`: closed at once, since the limit of `all` was reached
    /// or that of one `client`.
    pub connections_refused: IntCounterVec,
    /// `leakgate_connections_closed_idle_total`: closed before their time, to make room.
    pub connections_closed_idle: IntCounter,
    /// `leakgate_proxy_protocol_failures_total{reason}`: connections closed since their PROXY protocol
    /// header was `missing`, `malformed`, too late (`timeout`) or `untrusted`, or they were `closed`
    /// before it was whole.
    pub proxy_protocol_failures: IntCounterVec,
    /// `leakgate_client_timeouts_total{kind}`: clients given up: `head`, `body`, `write`.
    pub client_timeouts: IntCounterVec,
    /// `leakgate_client_limits_hit_total{limit}`: client connections closed since a limit was reached:
    /// `abandoned` (requests left without waiting for their answers).
    pub client_limits_hit: IntCounterVec,
    /// `leakgate_exchanges_ended_total`: exchanges under way that were ended since a token they were
    /// opened with had become blocked.
    pub exchanges_ended: IntCounter,
    /// `leakgate_hold_total_reached_total`: bodies that were not held, or not to their end, since too
    /// much was held already.
    pub hold_total_reached: IntCounter,
    /// `leakgate_access_log_dropped_total{reason}`: lines of the access log that were not written:
    /// `queue_full`, `write_failed`.
    pub access_log_dropped: IntCounterVec,
    /// `leakgate_upstream_errors_total{kind}`: `connect`, `timeout`, `broken`, `malformed`.
    pub upstream_errors: IntCounterVec,
    /// `leakgate_upstream_retries_total{reason}`: requests sent again: `unsent` (its connection had
    /// died before), `refused` (an HTTP/2 server did nothing with it), `broken` (no response came),
    /// `status` (one that is not passed on came).
    pub upstream_retries: IntCounterVec,
    /// `leakgate_upstream_retries_denied_total`: requests not sent again since the budget was spent.
    pub upstream_retries_denied: IntCounter,
    /// `leakgate_upstream_connections{upstream}`: connections open to the upstream's servers, without
    /// those that became WebSockets.
    pub upstream_connections: IntGaugeVec,
    /// `leakgate_upstream_waiting{upstream}`: requests that wait for a connection.
    pub upstream_waiting: IntGaugeVec,
    /// `leakgate_upstream_waits_total{outcome}`: requests for which no connection was free: `served`
    /// after a while, or answered 503 since the queue was `full` or they came too `late`.
    pub upstream_waits: IntCounterVec,
    /// `leakgate_upstream_server_up{upstream,server}`: 1 while the server gets requests, 0 while it is
    /// ejected or found unwell.
    pub upstream_server_up: IntGaugeVec,
    /// `leakgate_upstream_ejections_total{upstream}`: servers that got no more requests for a while,
    /// since they failed.
    pub upstream_ejections: IntCounterVec,
    /// `leakgate_upstream_health_checks_total{result}`: `ok`, `failed`.
    pub upstream_health_checks: IntCounterVec,
    /// `leakgate_upstream_resolutions_total{result}`: resolutions of servers' names: `ok`, `failed`.
    pub upstream_resolutions: IntCounterVec,
    /// `leakgate_trailers_dropped_total{direction}`: fields after a body that could not be passed on,
    /// of the `request` or the `response`.
    pub trailers_dropped: IntCounterVec,
    /// `leakgate_websocket_messages_total{outcome}`: messages of clients after an upgrade: `passed`,
    /// `blocked`, `refused` (by the decision table), `uninspected` (passed though they, or all that
    /// follows in their connection, could not be inspected whole).
    pub websocket_messages: IntCounterVec,
    /// `leakgate_patchset_version`: of the patchset in force.
    pub patchset_version: IntGauge,
    /// `leakgate_patchset_tokens`: tokens in it.
    pub patchset_tokens: IntGauge,
    /// `leakgate_patchset_bytes`: memory it takes.
    pub patchset_bytes: IntGauge,
    /// `leakgate_publish_seconds`: from a committed change to its patchset in force.
    pub publish: Histogram,
    /// `leakgate_bypass`: 1 while the bypass switch is on.
    pub bypass: IntGauge,
    /// `leakgate_events_total{action}`: uses of leaked tokens.
    pub events: IntCounterVec,
    /// `leakgate_event_queue_depth`: events waiting to be written.
    pub event_queue: IntGauge,
    /// `leakgate_events_aggregated_total`: uses counted into another event, since the queue was
    /// full.
    pub events_aggregated: IntCounter,
    /// `leakgate_events_grouped_total`: uses counted into the one event that stands for all but the
    /// first few of a window.
    pub events_grouped: IntCounter,
    /// `leakgate_event_windows`: windows in which uses are counted together at the moment.
    pub event_windows: IntGauge,
    /// `leakgate_event_windows_full_total`: uses that opened no window, since there were too many.
    pub event_windows_full: IntCounter,
    /// `leakgate_events_dropped_total{reason}`: uses that no event tells of: `aggregates_full`,
    /// `sink_failed`, `too_many_in_request`.
    pub events_dropped: IntCounterVec,
    /// `leakgate_event_sink_errors_total{sink}`: failed writes of a batch, each attempt.
    pub event_sink_errors: IntCounterVec,
    /// `leakgate_sink_deliveries_total{sink,outcome}`: deliveries that were taken (`delivered`,
    /// `redelivered`), attempts that `failed`, deliveries `given_up`; events that a sink `missed`
    /// since they were removed before, dead letters that had to go (`letters_removed`). Sinks of the
    /// configuration as `sink:` and their name, all webhooks as `webhooks`.
    pub sink_deliveries: IntCounterVec,
    /// `leakgate_notifications_total{outcome}`: `made`, `repeated` (in the window of another),
    /// `limited` (too many in a minute).
    pub notifications: IntCounterVec,
    /// `leakgate_events_removed_total{reason}`: events that were removed: `age`, `size`.
    pub events_removed: IntCounterVec,
    /// `leakgate_events_bytes`: what the events take in the store.
    pub events_bytes: IntGauge,
    /// `leakgate_api_requests_total{status}`: calls of the control API, by class of status.
    pub api_requests: IntCounterVec,
    /// `leakgate_api_limits_hit_total{limit}`: calls of the control API refused since a limit was
    /// reached: `calls`, `event_streams`, `event_exports`, `imports`, `explanations`, `passwords`,
    /// `sign_in_account`, `sign_in_address`, `hook_calls`, `hook_reports`, `hook_matches`, `drafts`,
    /// `patchset_waiters`, `patchset_pulls`, `events_sent`.
    pub api_limits_hit: IntCounterVec,
    /// `leakgate_bypass_tenants`: tenants whose own bypass switch is on.
    pub bypass_tenants: IntGauge,
    /// `leakgate_sign_ins_total{outcome}`: tries to sign in: `accepted`, `refused`, `limited`.
    pub sign_ins: IntCounterVec,
    /// `leakgate_hook_reports_total{outcome}`: reports of partners: `accepted`, `unproven` (401),
    /// `unreadable`, `limited` (429, 413, 503), `failed`.
    pub hook_reports: IntCounterVec,
    /// `leakgate_hook_matches_total{outcome}`: matches of accepted reports: `new`, `known`, `refused`.
    pub hook_matches: IntCounterVec,
    /// `leakgate_publish_failures_total`: stored changes that were not in force at once; publishing
    /// them is tried again.
    pub publish_failures: IntCounter,
    /// `leakgate_store_changes_total`: changes that other processes made in the same store, and that
    /// this one took over.
    pub store_changes: IntCounter,
    /// `leakgate_store_listening`: 1 while PostgreSQL tells this process of such changes, 0 while it
    /// looks for them by itself.
    pub store_listening: IntGauge,
    /// `leakgate_tls_handshakes_total{kind}`: with clients, that were done: `full`, `resumed`.
    pub tls_handshakes: IntCounterVec,
    /// `leakgate_tls_handshake_failures_total{reason}`: with clients, that came to nothing: `timeout`,
    /// `too_many` (at once), `closed`, `no_tls`, `version`, `incompatible`, `client_certificate`,
    /// `alert` (the client does not go on), `protocol`.
    pub tls_handshake_failures: IntCounterVec,
    /// `leakgate_tls_certificate_expiry_timestamp_seconds{file}`: when each certificate ends.
    pub certificate_expiry: IntGaugeVec,
    /// `leakgate_config_reloads_total{result}`: reloads asked for by SIGHUP: `ok`, `failed`.
    pub config_reloads: IntCounterVec,
    /// `leakgate_event_stream_missed_total`: events that readers of the live stream were too slow
    /// for.
    pub event_stream_missed: IntCounter,
}

/// Bounds of histograms, in seconds: from a microsecond to ten seconds.
const BOUNDS: &[f64] = &[
    1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2.5e-2, 0.1, 0.5, 2.5,
    10.0,
];

impl Metrics {
    /// All metrics at zero.
    ///
    /// # Errors
    /// Where two metrics have one name: a mistake in this file, which its test finds.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        Ok(Self {
            requests: counters(&registry, "requests_total", "Requests by outcome.", "outcome")?,
            refused: counters(&registry, "refused_total", "Refusals by cause.", "cause")?,
            would_refuse: counters(
                &registry,
                "would_refuse_total",
                "Incomplete inspections that were let pass, by cause.",
                "cause",
            )?,
            inspected_bytes: counter(
                &registry,
                "inspected_bytes_total",
                "Bytes inspected, raw and decoded.",
            )?,
            undecided_pauses: counter(
                &registry,
                "undecided_pauses_total",
                "Pauses of streaming bodies that were too large in part to be decided there.",
            )?,
            inspection: histogram(
                &registry,
                "inspection_seconds",
                "Time spent inspecting one request.",
            )?,
            connections: gauge(&registry, "connections", "Client connections open.")?,
            connections_refused: counters(
                &registry,
                "connections_refused_total",
                "Client connections closed at once since a limit was reached.",
                "limit",
            )?,
            connections_closed_idle: counter(
                &registry,
                "connections_closed_idle_total",
                "Idle client connections closed before their time, to make room.",
            )?,
            proxy_protocol_failures: counters(
                &registry,
                "proxy_protocol_failures_total",
                "Connections closed for want of a PROXY protocol header, by reason.",
                "reason",
            )?,
            client_timeouts: counters(
                &registry,
                "client_timeouts_total",
                "Clients given up since they were too slow, by what they were slow at.",
                "kind",
            )?,
            client_limits_hit: counters(
                &registry,
                "client_limits_hit_total",
                "Client connections closed since a limit was reached.",
                "limit",
            )?,
            exchanges_ended: counter(
                &registry,
                "exchanges_ended_total",
                "Exchanges ended since a token they were opened with had become blocked.",
            )?,
            hold_total_reached: counter(
                &registry,
                "hold_total_reached_total",
                "Bodies not held, or not to their end, since too much was held already.",
            )?,
            access_log_dropped: counters(
                &registry,
                "access_log_dropped_total",
                "Lines of the access log that were not written.",
                "reason",
            )?,
            upstream_errors: counters(
                &registry,
                "upstream_errors_total",
                "Failures of upstreams by kind.",
                "kind",
            )?,
            upstream_retries: counters(
                &registry,
                "upstream_retries_total",
                "Requests sent again, by why.",
                "reason",
            )?,
            upstream_retries_denied: counter(
                &registry,
                "upstream_retries_denied_total",
                "Requests not sent again since the budget was spent.",
            )?,
            upstream_connections: gauges(
                &registry,
                "upstream_connections",
                "Connections open to servers.",
                &["upstream"],
            )?,
            upstream_waiting: gauges(
                &registry,
                "upstream_waiting",
                "Requests that wait for a connection.",
                &["upstream"],
            )?,
            upstream_waits: counters(
                &registry,
                "upstream_waits_total",
                "Requests for which no connection was free, by outcome.",
                "outcome",
            )?,
            upstream_server_up: gauges(
                &registry,
                "upstream_server_up",
                "1 while the server gets requests.",
                &["upstream", "server"],
            )?,
            upstream_ejections: counters(
                &registry,
                "upstream_ejections_total",
                "Servers that got no more requests for a while since they failed.",
                "upstream",
            )?,
            upstream_health_checks: counters(
                &registry,
                "upstream_health_checks_total",
                "Health checks by result.",
                "result",
            )?,
            upstream_resolutions: counters(
                &registry,
                "upstream_resolutions_total",
                "Resolutions of servers' names by result.",
                "result",
            )?,
            trailers_dropped: counters(
                &registry,
                "trailers_dropped_total",
                "Fields after a body that could not be passed on.",
                "direction",
            )?,
            websocket_messages: counters(
                &registry,
                "websocket_messages_total",
                "Messages of clients in WebSockets by outcome.",
                "outcome",
            )?,
            patchset_version: gauge(
                &registry,
                "patchset_version",
                "Version of the patchset in force.",
            )?,
            patchset_tokens: gauge(&registry, "patchset_tokens", "Tokens in the patchset.")?,
            patchset_bytes: gauge(&registry, "patchset_bytes", "Memory of the patchset.")?,
            publish: histogram(
                &registry,
                "publish_seconds",
                "From a committed change to its patchset in force.",
            )?,
            bypass: gauge(&registry, "bypass", "1 while the bypass switch is on.")?,
            bypass_tenants: gauge(
                &registry,
                "bypass_tenants",
                "Tenants whose own bypass switch is on.",
            )?,
            events: counters(&registry, "events_total", "Uses of leaked tokens.", "action")?,
            event_queue: gauge(&registry, "event_queue_depth", "Events waiting to be written.")?,
            events_aggregated: counter(
                &registry,
                "events_aggregated_total",
                "Uses counted into another event since the queue was full.",
            )?,
            events_grouped: counter(
                &registry,
                "events_grouped_total",
                "Uses counted into the one event of a window.",
            )?,
            event_windows: gauge(
                &registry,
                "event_windows",
                "Windows in which uses are counted together.",
            )?,
            event_windows_full: counter(
                &registry,
                "event_windows_full_total",
                "Uses that opened no window since there were too many.",
            )?,
            events_dropped: counters(
                &registry,
                "events_dropped_total",
                "Uses that no event tells of.",
                "reason",
            )?,
            event_sink_errors: counters(
                &registry,
                "event_sink_errors_total",
                "Failed writes of event batches.",
                "sink",
            )?,
            sink_deliveries: counters_of(
                &registry,
                "sink_deliveries_total",
                "Deliveries to sinks by outcome.",
                &["sink", "outcome"],
            )?,
            notifications: counters(
                &registry,
                "notifications_total",
                "Notifications by outcome.",
                "outcome",
            )?,
            events_removed: counters(
                &registry,
                "events_removed_total",
                "Events removed from the store, by reason.",
                "reason",
            )?,
            events_bytes: gauge(&registry, "events_bytes", "What events take in the store.")?,
            api_requests: counters(
                &registry,
                "api_requests_total",
                "Calls of the control API by class of status.",
                "status",
            )?,
            api_limits_hit: counters(
                &registry,
                "api_limits_hit_total",
                "Calls of the control API refused since a limit was reached.",
                "limit",
            )?,
            sign_ins: counters(
                &registry,
                "sign_ins_total",
                "Tries to sign in at the control plane by outcome.",
                "outcome",
            )?,
            hook_reports: counters(
                &registry,
                "hook_reports_total",
                "Reports of partners by outcome.",
                "outcome",
            )?,
            hook_matches: counters(
                &registry,
                "hook_matches_total",
                "Matches of accepted reports by outcome.",
                "outcome",
            )?,
            publish_failures: counter(
                &registry,
                "publish_failures_total",
                "Stored changes that were not in force at once.",
            )?,
            store_changes: counter(
                &registry,
                "store_changes_total",
                "Changes by other processes that were taken over from the store.",
            )?,
            store_listening: gauge(
                &registry,
                "store_listening",
                "1 while the store tells of changes by other processes.",
            )?,
            tls_handshakes: counters(
                &registry,
                "tls_handshakes_total",
                "TLS handshakes with clients that were done, by kind.",
                "kind",
            )?,
            tls_handshake_failures: counters(
                &registry,
                "tls_handshake_failures_total",
                "TLS handshakes with clients that came to nothing, by reason.",
                "reason",
            )?,
            certificate_expiry: gauges(
                &registry,
                "tls_certificate_expiry_timestamp_seconds",
                "When each certificate ends, in seconds since 1970.",
                &["file"],
            )?,
            config_reloads: counters(
                &registry,
                "config_reloads_total",
                "Reloads of the configuration by result.",
                "result",
            )?,
            event_stream_missed: counter(
                &registry,
                "event_stream_missed_total",
                "Events that readers of the live stream were too slow for.",
            )?,
            registry,
        })
    }

    /// All metrics in the Prometheus text format.
    ///
    /// # Errors
    /// Where the format cannot hold a metric; none of these does that.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("leakgate")
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    register(registry, IntCounter::with_opts(opts(name, help))?)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    label: &str,
) -> Result<IntCounterVec, prometheus::Error> {
    counters_of(registry, name, help, &[label])
}

fn counters_of(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    register(registry, IntCounterVec::new(opts(name, help), labels)?)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    register(registry, IntGauge::with_opts(opts(name, help))?)
}

fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    register(registry, IntGaugeVec::new(opts(name, help), labels)?)
}

fn histogram(registry: &Registry, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
    let opts = HistogramOpts::from(opts(name, help)).buckets(BOUNDS.to_vec());
    register(registry, Histogram::with_opts(opts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_text_is_made() {
        let metrics = Metrics::new().unwrap();
        metrics.requests.with_label_values(&["blocked"]).inc();
        let text = metrics.text().unwrap();
        assert!(text.contains("leakgate_requests_total{outcome=\"blocked\"} 1"), "{text}");
        assert!(text.contains("leakgate_patchset_tokens 0"), "{text}");
    }
}
