//! `/metrics`, in Prometheus' text format.

use std::fmt::{Display, Write};

use super::status::Facts;
use super::{process_figures, route_figures};
use crate::balancer::Endpoint;
use crate::phases::AnswerKind;
use crate::proxy::dial::TlsFault;
use crate::proxy::stats::{Counter, OpeningStats, WorkerStats};
use crate::redis::{BUCKETS, RedisStats};
use crate::usage_log::ShardHealth;

/// The format's version.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures, at this instant.
pub(super) fn render(facts: &Facts) -> String {
    let mut page = Page::default();
    build(&mut page, facts);
    traffic(&mut page, facts);
    route_figures::write(&mut page, facts);
    connections(&mut page, &facts.stats);
    openings(&mut page, &facts.stats);
    upstreams(&mut page, facts);
    redis(&mut page, &facts.stats);
    configuration(&mut page, facts);
    usage_log(&mut page, facts);
    access_log(&mut page, facts);
    spans(&mut page, facts);
    process_figures::write(&mut page);
    page.text
}

/// A page of figures in the making.
#[derive(Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) -> &mut Self {
        // Writing to a string can't fail; the same below.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        self
    }

    pub(super) fn sample(&mut self, name: &str, labels: &str, value: impl Display) -> &mut Self {
        let _ = if labels.is_empty() {
            writeln!(self.text, "{name} {value}")
        } else {
            writeln!(self.text, "{name}{{{labels}}} {value}")
        };
        self
    }

    pub(super) fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(name, "", value);
    }
}

/// Which Tollway this is, in the form in which it is usual to tell.
fn build(page: &mut Page, facts: &Facts) {
    let version = escaped(&facts.version);
    page.family(
        "tollway_build_info",
        "gauge",
        "1, for the version that runs.",
    )
    .sample("tollway_build_info", &format!("version=\"{version}\""), 1);
}

/// As a label's value.
pub(super) fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn sum(stats: &[std::sync::Arc<WorkerStats>], counter: impl Fn(&WorkerStats) -> &Counter) -> u64 {
    stats
        .iter()
        .fold(0, |sum, stats| sum.wrapping_add(counter(stats).get()))
}

/// A counter of what comes before the first request.
type Opening = fn(&OpeningStats) -> &Counter;

fn openings(page: &mut Page, stats: &[std::sync::Arc<WorkerStats>]) {
    let total = |counter: fn(&WorkerStats) -> &Counter| sum(stats, counter);
    let name = "tollway_client_tls_handshakes_total";
    let opening: [(&str, Opening); 5] = [
        ("done", |opening| &opening.tls_handshakes),
        ("bad", |opening| &opening.tls_bad),
        ("plain", |opening| &opening.tls_plain),
        ("closed", |opening| &opening.tls_closed),
        ("timeout", |opening| &opening.tls_timeouts),
    ];
    page.family(name, "counter", "TLS handshakes with clients, by outcome.");
    for (outcome, counter) in opening {
        let count = sum(stats, |stats| counter(&stats.opening));
        page.sample(name, &format!("outcome=\"{outcome}\""), count);
    }
    page.single(
        "tollway_client_tls_resumed_total",
        "counter",
        "Of those done, how many resumed a session.",
        total(|stats| &stats.opening.tls_resumed),
    );
    page.single(
        "tollway_client_openings_displaced_total",
        "counter",
        "Connections ended before their first request, as too many handshakes were under way.",
        total(|stats| &stats.opening.displaced),
    );
    let name = "tollway_client_proxy_header_failures_total";
    page.family(
        name,
        "counter",
        "Connections without a PROXY header where one must be, or from somebody whose header doesn't count.",
    )
    .sample(
        name,
        r#"reason="malformed""#,
        total(|stats| &stats.opening.proxy_malformed),
    )
    .sample(
        name,
        r#"reason="timeout""#,
        total(|stats| &stats.opening.proxy_timeouts),
    )
    .sample(
        name,
        r#"reason="untrusted""#,
        total(|stats| &stats.opening.proxy_untrusted),
    );
}

fn connections(page: &mut Page, stats: &[std::sync::Arc<WorkerStats>]) {
    let total = |counter: fn(&WorkerStats) -> &Counter| sum(stats, counter);
    page.single(
        "tollway_client_connections_total",
        "counter",
        "Client connections accepted.",
        total(|stats| &stats.accepted),
    );
    page.single(
        "tollway_client_connections_open",
        "gauge",
        "Client connections open.",
        total(|stats| &stats.open),
    );
    page.single(
        "tollway_panics_total",
        "counter",
        "Client connections, or streams of HTTP/2, that ended by a fault of the gateway's own: please report it with its message on standard error.",
        total(|stats| &stats.panics),
    );
    page.single(
        "tollway_http2_floods_total",
        "counter",
        "HTTP/2 connections ended because of frames that carry nothing.",
        total(|stats| &stats.http2_floods),
    );
    page.single(
        "tollway_http2_bytes",
        "gauge",
        "Bytes that bodies of HTTP/2 may take just now, by what was let in.",
        total(|stats| &stats.http2_bytes),
    );
    page.single(
        "tollway_http2_refused_total",
        "counter",
        "Streams of HTTP/2 refused, and calls answered 503, for want of room for bodies.",
        total(|stats| &stats.http2_refused),
    );
    page.single(
        "tollway_http2_displaced_total",
        "counter",
        "HTTP/2 connections ended because nobody took what they had sent, and others needed the room.",
        total(|stats| &stats.http2_displaced),
    );
    page.single(
        "tollway_exchanges_in_flight",
        "gauge",
        "Requests being worked on.",
        total(|stats| &stats.active),
    );
    let name = "tollway_upstream_connections_total";
    page.family(name, "counter", "Upstream connections taken, by how.")
        .sample(name, r#"how="new""#, total(|stats| &stats.connects))
        .sample(name, r#"how="reused""#, total(|stats| &stats.reused));
    page.single(
        "tollway_upstream_idle_connections",
        "gauge",
        "Upstream connections kept for reuse.",
        total(|stats| &stats.upstream_idle),
    );
    let name = "tollway_upstream_errors_total";
    page.family(name, "counter", "What went wrong with upstreams.")
        .sample(
            name,
            r#"kind="connect""#,
            total(|stats| &stats.connect_failures),
        )
        .sample(
            name,
            r#"kind="timeout""#,
            total(|stats| &stats.upstream_timeouts),
        )
        .sample(
            name,
            r#"kind="invalid""#,
            total(|stats| &stats.upstream_invalid),
        )
        .sample(
            name,
            r#"kind="broken_off""#,
            total(|stats| &stats.events_upstream_abort),
        );
    let name = "tollway_upstream_tls_failures_total";
    let help = "TLS handshakes with upstreams that failed, by reason.";
    page.family(name, "counter", help);
    for fault in TlsFault::ALL {
        let failed = sum(stats, |stats| fault.counter(stats));
        page.sample(name, &format!("reason=\"{}\"", fault.name()), failed);
    }
    page.single(
        "tollway_upstream_repeats_total",
        "counter",
        "Requests sent again because their connection had closed without an answer.",
        total(|stats| &stats.retries),
    );
}

/// A figure of one target's address.
type TargetFigure = fn(&Endpoint) -> u64;

/// Upstreams' targets, by address. As many series as the configuration and its names have addresses.
fn upstreams(page: &mut Page, facts: &Facts) {
    let total = |counter: fn(&WorkerStats) -> &Counter| sum(&facts.stats, counter);
    let name = "tollway_upstream_retries_total";
    page.family(
        name,
        "counter",
        "Further tries to connect, by whether the budget allowed them.",
    )
    .sample(name, r#"made="yes""#, total(|stats| &stats.connect_retries))
    .sample(name, r#"made="no""#, total(|stats| &stats.retries_refused));
    let Some(config) = facts.store.current() else {
        return;
    };
    let figures: [(&str, &str, &str, TargetFigure); 4] = [
        (
            "tollway_upstream_target_healthy",
            "gauge",
            "Whether the address gets requests.",
            |endpoint| u64::from(endpoint.health.is_up()),
        ),
        (
            "tollway_upstream_target_requests_total",
            "counter",
            "Requests sent to the address.",
            Endpoint::requests,
        ),
        (
            "tollway_upstream_target_failures_total",
            "counter",
            "Requests that failed there, or that its status says so of.",
            Endpoint::failures,
        ),
        (
            "tollway_upstream_target_in_flight",
            "gauge",
            "Requests there now.",
            Endpoint::in_flight,
        ),
    ];
    for (name, kind, help, figure) in figures {
        page.family(name, kind, help);
        for balancer in config.balancers.iter() {
            for member in &balancer.members().members {
                let (upstream, target) = (&balancer.policy.name, member.target);
                let target = balancer.policy.targets.get(target);
                let target = target.map_or("", |target| &target.text);
                let address = member.endpoint.address;
                let labels =
                    format!(r#"upstream="{upstream}",target="{target}",address="{address}""#);
                page.sample(name, &labels, figure(&member.endpoint));
            }
        }
    }
}

/// Rate limits counted in Redis.
fn redis(page: &mut Page, stats: &[std::sync::Arc<WorkerStats>]) {
    let total =
        |counter: &dyn Fn(&RedisStats) -> &Counter| sum(stats, |stats| counter(&stats.redis));
    page.single(
        "tollway_redis_requests_total",
        "counter",
        "Requests that were to be counted in Redis.",
        total(&|redis| &redis.asked),
    );
    let name = "tollway_redis_failures_total";
    page.family(name, "counter", "Those that it didn't count, by reason.")
        .sample(name, r#"reason="timeout""#, total(&|redis| &redis.timeouts))
        .sample(
            name,
            r#"reason="unreachable""#,
            total(&|redis| &redis.unreachable),
        )
        .sample(name, r#"reason="refused""#, total(&|redis| &redis.refused));
    page.single(
        "tollway_redis_connections",
        "gauge",
        "Connections to Redis open: one a worker and server in use.",
        total(&|redis| &redis.connections),
    );
    page.single(
        "tollway_redis_connects_total",
        "counter",
        "Connections to Redis made.",
        total(&|redis| &redis.connects),
    );
    page.single(
        "tollway_redis_connect_failures_total",
        "counter",
        "Tries to reach Redis, or to be let in, that failed.",
        total(&|redis| &redis.connect_failures),
    );
    let name = "tollway_redis_answer_seconds";
    page.family(name, "histogram", "How long Redis took to answer.");
    let mut below = 0_u64;
    for (bucket, bound) in BUCKETS.into_iter().map(Some).chain([None]).enumerate() {
        below = below.wrapping_add(total(&|redis| &redis.answered[bucket]));
        let bound = bound.map_or("+Inf".to_owned(), in_seconds);
        page.sample(&format!("{name}_bucket"), &format!("le=\"{bound}\""), below);
    }
    let took = in_seconds(total(&|redis| &redis.answered_us));
    page.sample(&format!("{name}_sum"), "", took);
    page.sample(&format!("{name}_count"), "", below);
}

fn configuration(page: &mut Page, facts: &Facts) {
    let control = &facts.control;
    page.single(
        "tollway_config_version",
        "gauge",
        "The configuration's version being served.",
        facts.store.current().map_or(0, |config| config.version),
    );
    page.single(
        "tollway_config_newest_version",
        "gauge",
        "The newest version that control spoke of.",
        control.newest(),
    );
    page.single(
        "tollway_config_applied_total",
        "counter",
        "Versions applied.",
        control.applied(),
    );
    page.single(
        "tollway_config_rejected_total",
        "counter",
        "Versions refused.",
        control.rejected(),
    );
    page.single(
        "tollway_control_connected",
        "gauge",
        "Whether control is reached.",
        u8::from(control.is_connected()),
    );
}

/// A figure of one shard, as text.
type Figure = fn(&ShardHealth) -> String;

fn usage_log(page: &mut Page, facts: &Facts) {
    let total = |counter: fn(&WorkerStats) -> &Counter| sum(&facts.stats, counter);
    let events = total(|stats| &stats.events);
    let (client, upstream) = (
        total(|stats| &stats.events_client_abort),
        total(|stats| &stats.events_upstream_abort),
    );
    let name = "tollway_usage_events_total";
    page.family(
        name,
        "counter",
        "Usage events appended, by how the exchange ended.",
    )
    .sample(
        name,
        r#"completion="complete""#,
        events.saturating_sub(client + upstream),
    )
    .sample(name, r#"completion="client_abort""#, client)
    .sample(name, r#"completion="upstream_abort""#, upstream);
    page.single(
        "tollway_usage_log_refusals_total",
        "counter",
        "Requests refused because the usage log could not promise room.",
        total(|stats| &stats.log_refusals),
    );
    let health = facts.log.health();
    page.single(
        "tollway_usage_log_bytes",
        "gauge",
        "Bytes that the usage log holds on disk.",
        health.used_bytes,
    );
    page.single(
        "tollway_usage_log_budget_bytes",
        "gauge",
        "Bytes that it may hold.",
        health.budget_bytes,
    );
    page.single(
        "tollway_usage_log_healthy",
        "gauge",
        "Whether every shard takes events and has room ahead.",
        u8::from(!health.degraded()),
    );
    let figures: [(&str, &str, &str, Figure); 6] = [
        (
            "tollway_usage_log_appended_bytes_total",
            "counter",
            "Bytes appended in this epoch.",
            |shard| shard.appended.to_string(),
        ),
        (
            "tollway_usage_log_synced_bytes_total",
            "counter",
            "Bytes of them that are durable.",
            |shard| shard.synced.to_string(),
        ),
        (
            "tollway_usage_log_watermark_age_seconds",
            "gauge",
            "The age of the newest durable instant.",
            |shard| in_seconds(shard.lag_us),
        ),
        (
            "tollway_usage_log_worst_sync_seconds",
            "gauge",
            "The longest that an event was not durable.",
            |shard| in_seconds(shard.worst_sync_us),
        ),
        (
            "tollway_usage_log_late_syncs_total",
            "counter",
            "Syncs later than the level allows.",
            |shard| shard.late_syncs.to_string(),
        ),
        (
            "tollway_usage_log_clock_ahead_seconds",
            "gauge",
            "How far the wall's clock stepped back.",
            |shard| in_seconds(shard.clock_ahead_us),
        ),
    ];
    for (name, kind, help, figure) in figures {
        page.family(name, kind, help);
        for (number, shard) in health.shards.iter().enumerate() {
            page.sample(name, &format!("shard=\"{number}\""), figure(shard));
        }
    }
}

fn access_log(page: &mut Page, facts: &Facts) {
    let Some(figures) = facts.shared.access_log() else {
        return;
    };
    page.single(
        "tollway_access_log_lines_total",
        "counter",
        "Lines written to the access log.",
        figures.delivered(),
    );
    page.single(
        "tollway_access_log_dropped_total",
        "counter",
        "Lines that could not be written, or not in time.",
        figures.dropped(),
    );
}

fn spans(page: &mut Page, facts: &Facts) {
    let Some(figures) = facts.shared.spans() else {
        return;
    };
    page.single(
        "tollway_spans_exported_total",
        "counter",
        "Spans that the collector took.",
        figures.delivered(),
    );
    page.single(
        "tollway_spans_dropped_total",
        "counter",
        "Spans that it didn't take, or not in time.",
        figures.dropped(),
    );
}

/// Base units, without a float.
pub(super) fn in_seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Requests by what became of them. Every status that occurred is told by itself; classes are a sum away.
fn traffic(page: &mut Page, facts: &Facts) {
    let totals = facts.shared.totals();
    let name = "tollway_requests_forwarded_total";
    page.family(
        name,
        "counter",
        "Requests answered by an upstream, by status.",
    );
    for (status, count) in totals.forwarded {
        page.sample(
            name,
            &format!("status=\"{status}\",class=\"{}xx\"", status / 100),
            count,
        );
    }
    let name = "tollway_requests_answered_total";
    page.family(
        name,
        "counter",
        "Requests that the gateway answered itself, by reason.",
    );
    for (kind, count) in AnswerKind::ALL.into_iter().zip(totals.answers) {
        let class = kind.status() / 100;
        page.sample(
            name,
            &format!("reason=\"{}\",class=\"{class}xx\"", kind.name()),
            count,
        );
    }
    page.single(
        "tollway_requests_abandoned_total",
        "counter",
        "Requests whose client left before an answer began.",
        totals.abandoned,
    );
    page.single(
        "tollway_requests_uncounted_total",
        "counter",
        "Requests that passed rate-limiting uncounted, since the counters, or Redis, had a fault.",
        totals.uncounted,
    );
}
