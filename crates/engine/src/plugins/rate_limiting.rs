//! rate-limiting: how many requests may pass in a window of the calendar. Exact both ways: the counting is in
//! [`crate::limits`], or for `policy: redis` in [`crate::redis`], which check and count in one step.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use super::precedence::Scope;
use super::{fault, is_header_value};
use crate::config::ConfigError;
use crate::limits::{CounterKey, Limits, Window};
use crate::phases::{Headers, RequestHead};
use crate::redis;
use crate::uuid::Uuid;

const NAME: &str = "rate-limiting";

/// The configuration as Kong's schema has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    second: Option<f64>,
    minute: Option<f64>,
    hour: Option<f64>,
    day: Option<f64>,
    month: Option<f64>,
    year: Option<f64>,
    limit_by: By,
    header_name: Option<String>,
    path: Option<String>,
    policy: Policy,
    fault_tolerant: bool,
    hide_client_headers: bool,
    error_code: Option<u16>,
    error_message: Option<String>,
    /// How often a shared store is told; here it is asked about every request.
    #[serde(rename = "sync_rate", default)]
    _sync_rate: Option<IgnoredAny>,
    /// Filled with defaults whatever the policy is.
    #[serde(default)]
    redis: Option<redis::Settings>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Consumer,
    Credential,
    Ip,
    Service,
    Header,
    Path,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Policy {
    Local,
    Cluster,
    Redis,
}

/// The compiled plugin.
#[derive(Debug)]
pub struct RateLimiting {
    /// How many may pass.
    pub limits: Limits,
    limit_by: LimitBy,
    /// Where requests are counted, if not in this gateway's own counters.
    pub shared: Option<Arc<redis::Server>>,
    /// What the plugin is set on, as Kong names counters: an instance on a consumer or a group goes on with the
    /// count of the global one, so a change of plan within a window forgives nothing.
    scope: [u8; 32],
    /// Whether a fault of the counters lets requests pass.
    pub fault_tolerant: bool,
    /// Whether clients aren't told.
    pub hide_client_headers: bool,
    /// The status of a refusal.
    pub error_code: u16,
    /// The message of a refusal, where it isn't Kong's.
    pub error_message: Option<Box<str>>,
}

#[derive(Debug)]
enum LimitBy {
    Consumer,
    Credential,
    Ip,
    Service,
    Header(Box<[u8]>),
    Path(Box<[u8]>),
}

/// Who is known to call, and what.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub consumer: Option<Uuid>,
    pub credential: Option<Uuid>,
    pub service: Option<Uuid>,
    /// Normalised.
    pub path: &'a [u8],
    /// Canonical: no IPv4 within IPv6.
    pub address: IpAddr,
}

impl RateLimiting {
    pub(super) fn compile(settings: Settings, scope: &Scope) -> Result<Self, ConfigError> {
        let limits = settings.limits()?;
        let limit_by = settings.limit_by()?;
        let shared = match (settings.policy, settings.redis) {
            (Policy::Local, _) => None,
            (Policy::Redis, Some(redis)) => Some(Arc::new(redis::Server::compile(NAME, redis)?)),
            (Policy::Redis, None) => {
                return Err(fault(
                    NAME,
                    "redis",
                    "needed where policy is redis",
                    "name the server: host, port",
                ));
            }
            (Policy::Cluster, _) => {
                return Err(fault(
                    NAME,
                    "policy",
                    "counting in the database isn't supported",
                    "use redis to count over several gateways, or local: it counts across all threads and gateways on one data folder",
                ));
            }
        };
        let error_code = settings.error_code.unwrap_or(429);
        if !(200..600).contains(&error_code) {
            return Err(fault(
                NAME,
                "error_code",
                "not a final status of HTTP",
                "use 429",
            ));
        }
        Ok(Self {
            limits,
            limit_by,
            shared,
            scope: scope_bytes(scope),
            fault_tolerant: settings.fault_tolerant,
            hide_client_headers: settings.hide_client_headers,
            error_code,
            error_message: settings.error_message.map(String::into_boxed_str),
        })
    }

    /// Which counter a request belongs to. Where what is limited by isn't known, the client's address stands in.
    #[must_use]
    pub fn counter<H: Headers>(
        &self,
        caller: &Caller<'_>,
        head: &RequestHead<'_, H>,
    ) -> CounterKey {
        let id = match &self.limit_by {
            LimitBy::Consumer => caller.consumer.or(caller.credential).map(|id| (b'c', id)),
            LimitBy::Credential => caller.credential.map(|id| (b'k', id)),
            LimitBy::Service => caller.service.map(|id| (b's', id)),
            LimitBy::Ip => None,
            LimitBy::Header(name) => {
                let mut lines = head.headers.lines();
                if let Some((_, value)) =
                    lines.find(|(header, _)| header.eq_ignore_ascii_case(name))
                {
                    return self.key(b'h', value);
                }
                None
            }
            LimitBy::Path(path) => {
                if caller.path == &**path {
                    return self.key(b'p', path);
                }
                None
            }
        };
        match (id, caller.address) {
            (Some((kind, id)), _) => self.key(kind, &id.0),
            (None, IpAddr::V4(address)) => self.key(b'4', &address.octets()),
            (None, IpAddr::V6(address)) => self.key(b'6', &address.octets()),
        }
    }

    /// A key that nobody can make collide with another. Up to 22 bytes of identity are one block of SHA-256.
    fn key(&self, kind: u8, identity: &[u8]) -> CounterKey {
        let mut hash = Sha256::new();
        hash.update(self.scope);
        hash.update([kind]);
        hash.update(identity);
        let digest: [u8; 32] = hash.finalize().into();
        CounterKey::new(&digest)
    }
}

impl Settings {
    fn limits(&self) -> Result<Limits, ConfigError> {
        let given = [
            self.second,
            self.minute,
            self.hour,
            self.day,
            self.month,
            self.year,
        ];
        let mut limits = Limits::default();
        let mut shorter: Option<(Window, u64)> = None;
        for (window, limit) in Window::ALL.into_iter().zip(given) {
            let Some(limit) = limit else { continue };
            let limit = whole(limit, Limits::most(window)).ok_or_else(|| {
                let most = Limits::most(window);
                fault(
                    NAME,
                    window.name(),
                    format!("{limit} is not a whole number from 1 to {most}"),
                    "give how many requests may pass, or leave the window out",
                )
            })?;
            if let Some((other, less)) = shorter
                && limit < less
            {
                return Err(fault(
                    NAME,
                    window.name(),
                    format!(
                        "{limit} is less than the {less} of the shorter {}",
                        other.name()
                    ),
                    "raise the longer window's limit, or lower the shorter one's",
                ));
            }
            limits.set(window, limit);
            shorter = Some((window, limit));
        }
        if shorter.is_none() {
            return Err(ConfigError::new(
                format!("plugin {NAME} config"),
                "no window has a limit",
                "set at least one of second, minute, hour, day, month, year",
            ));
        }
        Ok(limits)
    }

    fn limit_by(&self) -> Result<LimitBy, ConfigError> {
        let needed = |field: &str, value: Option<&String>| match value {
            Some(value) if !value.is_empty() && is_header_value(value.as_bytes()) => {
                Ok(value.clone().into_bytes().into_boxed_slice())
            }
            _ => Err(fault(
                NAME,
                field,
                format!("needed where limit_by is {field}"),
                "name what to limit by",
            )),
        };
        Ok(match self.limit_by {
            By::Consumer => LimitBy::Consumer,
            By::Credential => LimitBy::Credential,
            By::Ip => LimitBy::Ip,
            By::Service => LimitBy::Service,
            By::Header => LimitBy::Header(needed("header_name", self.header_name.as_ref())?),
            By::Path => LimitBy::Path(needed("path", self.path.as_ref())?),
        })
    }
}

/// JSON has one kind of number; 5.0 is 5.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "only whole numbers far below 2^53 pass"
)]
fn whole(number: f64, most: u64) -> Option<u64> {
    (number >= 1.0 && number <= most as f64 && number.fract() == 0.0).then_some(number as u64)
}

fn scope_bytes(scope: &Scope) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (route, service) = bytes.split_at_mut(16);
    route.copy_from_slice(&scope.route.unwrap_or_default().0);
    service.copy_from_slice(&scope.service.unwrap_or_default().0);
    bytes
}
