//! `/metrics` by route, service and consumer group. There are as many series as the configuration being served has room
//! for: those of a route that is gone go with it.

use std::collections::BTreeMap;

use super::metrics::{Page, escaped, in_seconds};
use super::status::Facts;
use crate::config::{Config, Route};
use crate::observe::{BOUNDS_US, Histogram, Ledger, OTHER_STATUS, Series, Status};

/// A service and one of its routes, as labels.
type Labels = (String, String);

/// One figure's sum over threads.
#[derive(Default)]
struct Sums {
    statuses: BTreeMap<Status, u64>,
    bytes_in: u64,
    bytes_out: u64,
}

/// A service's durations.
#[derive(Default)]
struct Durations {
    buckets: [u64; BOUNDS_US.len() + 1],
    sum_us: u64,
}

/// Which of a series' histograms.
type Which = fn(&Series) -> &Histogram;

/// Durations that are told, by what.
const DURATIONS: [(&str, &str, Which); 3] = [
    (
        "tollway_request_duration_seconds",
        "From a request's whole head to the end of its answer, what the client took to send and to receive included.",
        |series| &series.whole,
    ),
    (
        "tollway_upstream_duration_seconds",
        "From the first try to reach an upstream to its answer's whole head; for forwarded requests.",
        |series| &series.upstream,
    ),
    (
        "tollway_gateway_duration_seconds",
        "The gateway's own time: from a request's whole head until the first try to reach an upstream, or until the gateway answered by itself. No waiting for client or upstream is in it, that for a rate limit in Redis is.",
        |series| &series.own,
    ),
];

/// Writes them all.
pub(super) fn write(page: &mut Page, facts: &Facts) {
    let Some(config) = facts.store.current() else {
        return;
    };
    let ledgers = facts.shared.ledgers();
    for ledger in &ledgers {
        ledger.forget_what_is_gone(&config);
    }
    let mut routes: BTreeMap<Labels, Sums> = BTreeMap::new();
    let mut services: [BTreeMap<String, Durations>; 3] = Default::default();
    let mut add = |labels: Labels, series: &Series| {
        for (durations, (_, _, which)) in services.iter_mut().zip(DURATIONS) {
            let service = durations.entry(labels.0.clone()).or_default();
            which(series).add_to(&mut service.buckets, &mut service.sum_us);
        }
        let sums = routes.entry(labels).or_default();
        for (status, count) in series.statuses() {
            *sums.statuses.entry(status).or_default() += count;
        }
        sums.bytes_in += series.bytes_in.get();
        sums.bytes_out += series.bytes_out.get();
    };
    for ledger in &ledgers {
        for route in &config.base.routes {
            if let Some(series) = ledger.route(route.id) {
                add(labels(route), &series);
            }
        }
        add((String::new(), String::new()), &ledger.unrouted);
        add(("other".to_owned(), "other".to_owned()), &ledger.other);
    }
    requests(page, &routes);
    for (durations, (name, help, _)) in services.iter().zip(DURATIONS) {
        histogram(page, name, help, durations);
    }
    groups(page, &config, &ledgers);
}

fn labels(route: &Route) -> Labels {
    let service = route
        .upstream
        .as_ref()
        .map(|upstream| escaped(&upstream.label));
    (service.unwrap_or_default(), escaped(&route.label))
}

fn requests(page: &mut Page, routes: &BTreeMap<Labels, Sums>) {
    let name = "tollway_http_requests_total";
    page.family(
        name,
        "counter",
        "Requests by service and route (none where no route matched), by status, and by whose answer it was.",
    );
    for ((service, route), sums) in routes {
        for (status, count) in &sums.statuses {
            let code = match status.code {
                OTHER_STATUS => "other".to_owned(),
                code => code.to_string(),
            };
            let source = if status.by_gateway {
                "gateway"
            } else {
                "upstream"
            };
            let labels = format!(
                "service=\"{service}\",route=\"{route}\",status=\"{code}\",source=\"{source}\""
            );
            page.sample(name, &labels, count);
        }
    }
    let name = "tollway_http_body_bytes_total";
    page.family(
        name,
        "counter",
        "Body bytes of forwarded requests (in) and of their answers (out).",
    );
    for ((service, route), sums) in routes {
        if sums.statuses.keys().any(|status| !status.by_gateway) {
            for (direction, bytes) in [("in", sums.bytes_in), ("out", sums.bytes_out)] {
                let labels =
                    format!("service=\"{service}\",route=\"{route}\",direction=\"{direction}\"");
                page.sample(name, &labels, bytes);
            }
        }
    }
}

fn histogram(page: &mut Page, name: &str, help: &str, services: &BTreeMap<String, Durations>) {
    page.family(name, "histogram", help);
    for (service, durations) in services {
        let mut below = 0;
        let bounds = BOUNDS_US.iter().copied().map(Some).chain([None]);
        for (count, bound) in durations.buckets.iter().zip(bounds) {
            below += count;
            let bound = bound.map_or_else(|| "+Inf".to_owned(), in_seconds);
            let labels = format!("service=\"{service}\",le=\"{bound}\"");
            page.sample(&format!("{name}_bucket"), &labels, below);
        }
        let labels = format!("service=\"{service}\"");
        page.sample(
            &format!("{name}_sum"),
            &labels,
            in_seconds(durations.sum_us),
        );
        page.sample(&format!("{name}_count"), &labels, below);
    }
}

fn groups(page: &mut Page, config: &Config, ledgers: &[std::sync::Arc<Ledger>]) {
    let name = "tollway_consumer_group_requests_total";
    page.family(
        name,
        "counter",
        "Requests by the caller's consumer group (each plan is one) and the class of their status. A caller may be in several.",
    );
    let mut named: Vec<_> = config.base.group_names().collect();
    named.sort_unstable_by_key(|(_, name)| *name);
    for (id, group) in named {
        let mut classes = [0; 6];
        for series in ledgers.iter().filter_map(|ledger| ledger.group(id)) {
            series.add_to(&mut classes);
        }
        for (class, count) in (1..).zip(classes).filter(|(_, count)| *count > 0) {
            let group = escaped(group);
            let labels = format!("consumer_group=\"{group}\",class=\"{class}xx\"");
            page.sample(name, &labels, count);
        }
    }
}
