//! Services behind an upstream, and targets that come, go and fail while a gateway runs.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tollway_engine::balancer::Members;

use super::upstream::Upstream;
use super::{Gateway, ID, Setup};

/// An upstream of Kong's defaults.
pub fn upstream(targets: &[(&str, u16)]) -> Value {
    let targets = targets.iter().zip(1..);
    let targets: Vec<Value> = targets
        .map(|((target, weight), number)| {
            let id = format!("00000000-0000-4000-8000-0000000001{number:02}");
            json!({"id": id, "target": target, "weight": weight, "tags": null})
        })
        .collect();
    json!({
        "id": format!("{ID}9"), "name": "pool", "algorithm": "round-robin", "hash_on": "none", "hash_fallback": "none",
        "hash_on_header": null, "hash_fallback_header": null, "hash_on_cookie": null, "hash_on_cookie_path": "/",
        "hash_on_query_arg": null, "hash_fallback_query_arg": null, "hash_on_uri_capture": null,
        "hash_fallback_uri_capture": null, "slots": 100, "host_header": null, "client_certificate": null,
        "use_srv_name": false, "tags": null, "targets": targets,
        "healthchecks": {
            "threshold": 0,
            "active": {
                "type": "http", "timeout": 1, "concurrency": 10, "http_path": "/", "https_sni": null,
                "https_verify_certificate": true, "headers": null,
                "healthy": {"interval": 0, "http_statuses": [200], "successes": 0},
                "unhealthy": {
                    "interval": 0, "http_statuses": [500, 503], "tcp_failures": 0, "timeouts": 0, "http_failures": 0,
                },
            },
            "passive": {
                "type": "http",
                "healthy": {"http_statuses": [200], "successes": 0},
                "unhealthy": {
                    "http_statuses": [429, 500, 503], "tcp_failures": 0, "timeouts": 0, "http_failures": 0,
                },
            },
        },
    })
}

/// Upstreams that answer with their name.
pub fn named(names: &[&'static str]) -> Vec<Upstream> {
    let answering = |name: &&str| {
        let length = name.len();
        Upstream::answering(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}"
        ))
    };
    names.iter().map(answering).collect()
}

/// A gateway whose service is balanced over `addresses`, all of weight 100.
pub fn gateway(addresses: &[SocketAddr], change: impl FnOnce(&mut Setup, &mut Value)) -> Gateway {
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    let targets: Vec<_> = addresses
        .iter()
        .map(|address| (address.as_str(), 100))
        .collect();
    Gateway::with(([127, 0, 0, 1], 9).into(), |setup| {
        setup.service = json!({"host": "pool"});
        setup.route = json!({"preserve_host": false});
        let mut row = upstream(&targets);
        change(setup, &mut row);
        setup.upstreams = json!([row]);
    })
}

impl Gateway {
    /// What is chosen from now.
    pub fn members(&self) -> Arc<Members> {
        self.store.current().unwrap().balancers[0].members()
    }
}
