//! Configurations for tests, as control writes them.

use serde_json::{Value, json};

use crate::uuid::Uuid;

pub(crate) fn id(number: u8) -> String {
    Uuid([number; 16]).to_string()
}

pub(crate) fn service(number: u8) -> Value {
    json!({
        "id": id(number), "name": null, "protocol": "http", "host": "up.example", "port": 80, "path": null,
        "connect_timeout": 1000, "write_timeout": 1000, "read_timeout": 1000, "retries": 5, "enabled": true,
        "tags": null,
    })
}

pub(crate) fn route(number: u8, service: u8) -> Value {
    json!({
        "id": id(number), "name": null, "protocols": ["http"], "methods": null, "hosts": null, "paths": ["/a"],
        "headers": null, "regex_priority": 0, "strip_path": true, "preserve_host": false, "path_handling": "v0",
        "https_redirect_status_code": 426, "request_buffering": true, "response_buffering": true,
        "service": {"id": id(service)}, "created_at": 1,
    })
}

pub(crate) fn plugin(name: &str, config: &Value) -> Value {
    json!({
        "id": id(99), "name": name, "enabled": true, "config": config, "route": null, "service": null,
        "consumer_group": null,
    })
}

pub(crate) fn rate_limiting(minute: u32) -> Value {
    json!({
        "second": null, "minute": minute, "hour": null, "day": null, "month": null, "year": null,
        "limit_by": "consumer", "header_name": null, "path": null, "policy": "local", "fault_tolerant": true,
        "hide_client_headers": false, "error_code": 429, "error_message": "API rate limit exceeded",
        "sync_rate": -1, "redis": {"host": null, "port": 6379},
    })
}

pub(crate) fn key_auth() -> Value {
    json!({
        "key_names": ["apikey"], "hide_credentials": false, "anonymous": "guest", "key_in_header": true,
        "key_in_query": true, "key_in_body": false, "run_on_preflight": true, "realm": null,
    })
}

pub(crate) fn base() -> Value {
    json!({
        "services": [service(1)], "routes": [route(2, 1)], "consumer_groups": [{"id": id(3), "name": "gold"}],
        "plugins": [plugin("key-auth", &key_auth()), plugin("rate-limiting", &rate_limiting(5))],
        "upstreams": [], "certificates": [], "ca_certificates": [], "offers": [], "portal_url": null,
    })
}

/// An upstream of Kong's defaults.
pub(crate) fn upstream(number: u8, name: &str, targets: &[(&str, u16)]) -> Value {
    let targets = targets.iter().zip(100..);
    let targets: Vec<Value> = targets
        .map(|((target, weight), number)| {
            json!({"id": id(number), "target": target, "weight": weight, "tags": null})
        })
        .collect();
    json!({
        "id": id(number), "name": name, "algorithm": "round-robin", "hash_on": "none", "hash_fallback": "none",
        "hash_on_header": null, "hash_fallback_header": null, "hash_on_cookie": null, "hash_on_cookie_path": "/",
        "hash_on_query_arg": null, "hash_fallback_query_arg": null, "hash_on_uri_capture": null,
        "hash_fallback_uri_capture": null, "slots": 10000, "host_header": null, "client_certificate": null,
        "use_srv_name": false, "tags": null, "targets": targets,
        "healthchecks": {
            "threshold": 0,
            "active": {
                "type": "http", "timeout": 1, "concurrency": 10, "http_path": "/", "https_sni": null,
                "https_verify_certificate": true, "headers": null,
                "healthy": {"interval": 0, "http_statuses": [200, 302], "successes": 0},
                "unhealthy": {
                    "interval": 0, "http_statuses": [429, 404, 500, 501, 502, 503, 504, 505],
                    "tcp_failures": 0, "timeouts": 0, "http_failures": 0,
                },
            },
            "passive": {
                "type": "http",
                "healthy": {
                    "http_statuses": [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304,
                                      305, 306, 307, 308],
                    "successes": 0,
                },
                "unhealthy": {
                    "http_statuses": [429, 500, 503], "tcp_failures": 0, "timeouts": 0, "http_failures": 0,
                },
            },
        },
    })
}

pub(crate) fn consumer(number: u8, username: &str) -> Value {
    json!({
        "id": id(number), "username": username, "custom_id": null, "groups": [], "acls": [], "plugins": [],
        "customer": null, "phase": null, "mode": "live", "entitlement": null,
    })
}

pub(crate) fn key(hash: u8, consumer: u8) -> Value {
    json!({"id": id(hash), "hash": format!("{hash:02x}").repeat(32), "consumer": id(consumer), "expires_at": null})
}
