//! The configuration as control writes it: `docs/maintainer/formats.md`, section 1. Strict: what isn't known is an
//! error, never ignored.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::balancer;
use crate::uuid::Uuid;

/// The small, complete part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    pub services: Vec<Service>,
    pub routes: Vec<Route>,
    pub consumer_groups: Vec<ConsumerGroup>,
    pub plugins: Vec<Plugin>,
    pub offers: Vec<Offer>,
    pub portal_url: Option<String>,
    pub certificates: Vec<Certificate>,
    pub ca_certificates: Vec<CaCertificate>,
    pub upstreams: Vec<balancer::Settings>,
}

/// What clients are shown, or an upstream.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub id: Uuid,
    /// PEM, the server's own certificate first.
    pub cert: String,
    pub key: Secret,
    /// The same for another kind of key.
    pub cert_alt: Option<String>,
    pub key_alt: Option<Secret>,
    /// For whom it is: names, wildcards, or `*`.
    pub snis: Vec<String>,
    #[serde(rename = "tags", default)]
    pub _tags: Option<IgnoredAny>,
}

/// Whom to believe.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaCertificate {
    pub id: Uuid,
    /// PEM, one certificate.
    pub cert: String,
    #[serde(rename = "tags", default)]
    pub _tags: Option<IgnoredAny>,
}

/// A text that is never shown.
#[derive(Deserialize)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// Who has a feature.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    pub feature: String,
    pub plans: Vec<String>,
    pub addons: Vec<String>,
}

/// A foreign key.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    pub id: Uuid,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub id: Uuid,
    pub name: Option<String>,
    pub protocol: Protocol,
    pub host: String,
    pub port: u16,
    pub path: Option<String>,
    /// Milliseconds, as the next two.
    pub connect_timeout: u32,
    pub write_timeout: u32,
    pub read_timeout: u32,
    pub retries: u16,
    pub enabled: bool,
    pub tls_verify: Option<bool>,
    pub tls_verify_depth: Option<u32>,
    pub ca_certificates: Option<Vec<Uuid>>,
    pub client_certificate: Option<Reference>,
    #[serde(rename = "tags", default)]
    pub _tags: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Http,
    Https,
    Grpc,
    Grpcs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub id: Uuid,
    pub name: Option<String>,
    pub protocols: Vec<Protocol>,
    pub methods: Option<Vec<String>>,
    pub hosts: Option<Vec<String>>,
    pub paths: Option<Vec<String>>,
    pub headers: Option<BTreeMap<String, Vec<String>>>,
    pub snis: Option<Vec<String>>,
    pub regex_priority: i64,
    pub strip_path: bool,
    pub preserve_host: bool,
    #[serde(rename = "path_handling")]
    pub _path_handling: PathHandling,
    pub https_redirect_status_code: u16,
    #[serde(rename = "request_buffering")]
    pub _request_buffering: bool,
    #[serde(rename = "response_buffering")]
    pub _response_buffering: bool,
    pub service: Option<Reference>,
    pub created_at: i64,
    #[serde(rename = "tags", default)]
    pub _tags: Option<IgnoredAny>,
}

/// How the upstream's path is put together. Kong's `v1` repairs nothing that anybody asked for: refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathHandling {
    V0,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerGroup {
    pub id: Uuid,
    pub name: String,
    #[serde(rename = "tags", default)]
    pub _tags: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    #[serde(rename = "id")]
    pub _id: Uuid,
    pub name: String,
    pub enabled: bool,
    /// Kept as text: which fields it has depends on `name`.
    pub config: Box<RawValue>,
    pub route: Option<Reference>,
    pub service: Option<Reference>,
    pub consumer_group: Option<Reference>,
    #[serde(rename = "tags", default)]
    pub _tags: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    pub id: Uuid,
    pub username: Option<String>,
    pub custom_id: Option<String>,
    pub groups: Vec<Uuid>,
    pub acls: Vec<String>,
    pub plugins: Vec<Plugin>,
    pub customer: Option<Uuid>,
    pub phase: Option<Uuid>,
    pub mode: Mode,
    pub entitlement: Option<Entitlement>,
}

/// What a subscription grants now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entitlement {
    pub subscription: Uuid,
    pub plan: String,
    #[serde(rename = "addons")]
    pub _addons: IgnoredAny,
    pub features: Vec<String>,
    pub quotas: Vec<Quota>,
}

/// A hard allowance over a billing period.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    pub meter: String,
    pub counted: Counted,
    pub filter: UsageFilter,
    pub any_completion: bool,
    pub limit: u64,
    /// µs since 1970, ascending.
    pub boundaries: Vec<u64>,
}

/// What a meter adds up of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    Requests,
    Units,
    BytesIn,
    BytesOut,
}

/// Which exchanges count; an empty list is all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageFilter {
    pub status: Vec<String>,
    pub method: Vec<String>,
    pub route: Vec<Uuid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Live,
    Test,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAuth {
    pub id: Uuid,
    pub hash: KeyHash,
    pub consumer: Uuid,
    /// µs since 1970.
    pub expires_at: Option<u64>,
}

/// HMAC-SHA256 of an API key, 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 32]);

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        crate::uuid::hex_bytes(text.as_bytes())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("not 64 hex digits"))
    }
}
