//! An upstream as control writes it: Kong's entity with its targets inside, every default filled in.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::config::wire::Reference;
use crate::uuid::Uuid;

/// An upstream: a name that services can have for their host, and the targets behind it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub id: Uuid,
    pub name: String,
    pub algorithm: Algorithm,
    pub hash_on: HashOn,
    pub hash_fallback: HashOn,
    pub hash_on_header: Option<String>,
    pub hash_fallback_header: Option<String>,
    pub hash_on_cookie: Option<String>,
    pub hash_on_cookie_path: String,
    pub hash_on_query_arg: Option<String>,
    pub hash_fallback_query_arg: Option<String>,
    pub hash_on_uri_capture: Option<String>,
    pub hash_fallback_uri_capture: Option<String>,
    pub slots: u32,
    pub healthchecks: Healthchecks,
    pub host_header: Option<String>,
    pub client_certificate: Option<Reference>,
    pub use_srv_name: bool,
    pub targets: Vec<Target>,
    #[serde(rename = "tags", default)]
    pub _tags: Option<IgnoredAny>,
}

/// Who gets the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// In turn, by weight.
    RoundRobin,
    /// Always the same one for the same key.
    ConsistentHashing,
    /// The one with the fewest requests in flight for its weight.
    LeastConnections,
    /// The one that answers quickest.
    Latency,
}

/// What a key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HashOn {
    None,
    Consumer,
    Ip,
    Header,
    Cookie,
    Path,
    QueryArg,
    UriCapture,
}

/// One target.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub id: Uuid,
    /// `host:port`.
    #[serde(rename = "target")]
    pub address: String,
    pub weight: u16,
    #[serde(rename = "tags", default)]
    pub _tags: Option<IgnoredAny>,
}

/// How the targets' health is found out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Healthchecks {
    pub active: ActiveChecks,
    pub passive: PassiveChecks,
    /// Percent of the weight that must be available.
    pub threshold: f64,
}

/// By asking.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActiveChecks {
    #[serde(rename = "type")]
    pub kind: CheckKind,
    /// Seconds.
    pub timeout: f64,
    pub concurrency: u32,
    pub http_path: String,
    pub https_sni: Option<String>,
    pub https_verify_certificate: bool,
    pub headers: Option<BTreeMap<String, Vec<String>>>,
    pub healthy: ActiveHealthy,
    pub unhealthy: ActiveUnhealthy,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// A connection, nothing more.
    Tcp,
    /// `GET` of a path.
    Http,
    /// The same over TLS.
    Https,
    /// As `tcp`.
    Grpc,
    /// As `tcp`.
    Grpcs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActiveHealthy {
    /// Seconds; 0 for never.
    pub interval: f64,
    pub http_statuses: Vec<u16>,
    pub successes: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActiveUnhealthy {
    /// Seconds; 0 for never.
    pub interval: f64,
    pub http_statuses: Vec<u16>,
    pub tcp_failures: u8,
    pub timeouts: u8,
    pub http_failures: u8,
}

/// By watching what requests meet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassiveChecks {
    /// Says nothing that requests don't: their protocol is the service's.
    #[serde(rename = "type")]
    pub _kind: CheckKind,
    pub healthy: PassiveHealthy,
    pub unhealthy: PassiveUnhealthy,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassiveHealthy {
    pub http_statuses: Vec<u16>,
    pub successes: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassiveUnhealthy {
    pub http_statuses: Vec<u16>,
    pub tcp_failures: u8,
    pub timeouts: u8,
    pub http_failures: u8,
}
