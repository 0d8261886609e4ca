//! An upstream compiled: what is balanced over, how, and when a target is out.

use std::net::IpAddr;
use std::sync::Arc;

use super::hash_key::HashKey;
use super::settings::{
    ActiveChecks, Algorithm, CheckKind, HashOn, Healthchecks, PassiveChecks, Settings,
};
use crate::config::ConfigError;
use crate::tls::certificates::Certificates;
use crate::tls::client::{Authorities, ClientTls, Wish};
use crate::uuid::Uuid;

/// Kong's bounds of `slots`.
const SLOTS: std::ops::RangeInclusive<u32> = 10..=65_536;
/// Kong's bound of intervals and timeouts, in seconds.
const MOST_SECONDS: f64 = 65_535.0;
/// Checks of one upstream that may be under way at once.
const MOST_CONCURRENT: u32 = 1024;

/// A compiled upstream.
#[derive(Debug)]
pub struct Policy {
    /// The upstream's id.
    pub id: Uuid,
    /// Its name: services that have it for their host are balanced.
    pub name: Box<str>,
    /// Who gets the next request.
    pub algorithm: Algorithm,
    /// What consistent hashing goes by, the first that a request has.
    pub keys: [HashKey; 2],
    /// Kong's size of the table: how finely consistent hashing divides, and the longest cycle of round-robin.
    pub slots: u32,
    /// What `Host` says towards the targets, unless the route preserves the client's.
    pub host_header: Option<Box<str>>,
    /// The certificate that is shown to the targets.
    pub client_certificate: Option<Uuid>,
    /// Whether the name that an SRV record gives is told the target in `Host`, rather than the target's.
    pub use_srv_name: bool,
    /// Where it goes.
    pub targets: Box<[Target]>,
    /// What requests say of the targets' health.
    pub passive: Passive,
    /// How targets are asked for it; none where they aren't.
    pub active: Option<Active>,
    /// Percent of the whole weight that must be available.
    pub threshold: f64,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: Uuid,
    /// As it was written: `host:port`.
    pub text: Box<str>,
    /// Name or address, an IPv6 address without brackets; names in lower case.
    pub host: Box<str>,
    /// The address, where the host is one.
    pub literal: Option<IpAddr>,
    /// The port, unless an SRV record says another.
    pub port: u16,
    /// 0 takes the target out.
    pub weight: u16,
}

/// Thresholds of a way of finding out: how many in a row; 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Answers that speak for the target.
    pub successes: u8,
    /// Answers that speak against it.
    pub http_failures: u8,
    /// Connections that failed or broke.
    pub tcp_failures: u8,
    /// Times that it took too long.
    pub timeouts: u8,
}

/// Which statuses say what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses {
    healthy: Box<[u16]>,
    unhealthy: Box<[u16]>,
}

/// Health by watching what requests meet: the circuit breaker.
#[derive(Debug)]
pub struct Passive {
    /// What statuses say.
    pub statuses: Statuses,
    /// And how often.
    pub thresholds: Thresholds,
}

/// Health by asking.
#[derive(Debug)]
pub struct Active {
    /// What is asked.
    pub kind: CheckKind,
    /// Milliseconds until a target took too long.
    pub timeout_ms: u64,
    /// Checks under way at once.
    pub concurrency: usize,
    /// The path, of HTTP.
    pub path: Box<str>,
    /// The name asked for in TLS, else the target's.
    pub sni: Option<Box<str>>,
    /// Whether a certificate must be right.
    pub verify: bool,
    /// How TLS is spoken; none where it isn't.
    pub tls: Option<Arc<ClientTls>>,
    /// Header lines, of HTTP.
    pub headers: Box<[(Box<str>, Box<str>)]>,
    /// Milliseconds between two questions to a healthy target; none for never.
    pub healthy_every_ms: Option<u64>,
    /// And to an unhealthy one.
    pub unhealthy_every_ms: Option<u64>,
    /// What statuses say.
    pub statuses: Statuses,
    /// And how often.
    pub thresholds: Thresholds,
}

impl Policy {
    pub(crate) fn compile(
        row: &Settings,
        certificates: &Certificates,
    ) -> Result<Self, ConfigError> {
        check_name(&row.name)?;
        if !SLOTS.contains(&row.slots) {
            return Err(ConfigError::new(
                "slots",
                format!("{} is out of range", row.slots),
                "give 10 to 65536",
            ));
        }
        if let Some(host) = &row.host_header
            && (host.is_empty()
                || !(host.bytes()).all(|byte| byte.is_ascii_graphic() && byte != b'/'))
        {
            return Err(ConfigError::new(
                "host_header",
                "not a host",
                "give a name such as api.example.com, with a port if need be",
            ));
        }
        let targets: Result<Box<[_]>, _> = (row.targets.iter().enumerate())
            .map(|(place, target)| {
                Target::compile(target.id, &target.address, target.weight)
                    .map_err(|error| error.within(&format!("targets[{place}]")))
            })
            .collect();
        let Healthchecks {
            active,
            passive,
            threshold,
        } = &row.healthchecks;
        if !(0.0..=100.0).contains(threshold) {
            return Err(ConfigError::new(
                "healthchecks.threshold",
                "not a percentage",
                "give 0 to 100",
            ));
        }
        let client_certificate = row.client_certificate.map(|certificate| certificate.id);
        let wish = Wish {
            verify: Some(active.https_verify_certificate),
            depth: None,
            authorities: None,
            client_certificate,
            protocols: &[],
        };
        let tls = ClientTls::compile(wish, certificates, &Authorities::new())?;
        let active =
            Active::compile(active, tls).map_err(|error| error.within("healthchecks.active"))?;
        Ok(Self {
            id: row.id,
            name: row.name.as_str().into(),
            algorithm: row.algorithm,
            keys: keys(row)?,
            slots: row.slots,
            host_header: row.host_header.as_deref().map(Box::from),
            client_certificate,
            use_srv_name: row.use_srv_name,
            targets: targets?,
            passive: Passive::compile(passive),
            active,
            threshold: *threshold,
        })
    }
}

impl Policy {
    /// Whether what a route's pattern captures is a key.
    #[must_use]
    pub fn goes_by_captures(&self) -> bool {
        self.algorithm == Algorithm::ConsistentHashing
            && (self.keys.iter()).any(|key| matches!(key, HashKey::UriCapture(_)))
    }
}

impl Target {
    fn compile(id: Uuid, text: &str, weight: u16) -> Result<Self, ConfigError> {
        let fault = || {
            ConfigError::new(
                "target",
                "not a host and a port",
                "give host:port, such as 10.0.0.7:8080, [2001:db8::7]:8080 or api.internal:80",
            )
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(fault)?;
        let port: u16 = port.parse().map_err(|_| fault())?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host).to_ascii_lowercase();
        let literal: Option<IpAddr> = host.parse().ok();
        let is_address = matches!(literal, Some(IpAddr::V6(_)));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if port == 0
            || host.is_empty()
            || bracketed.is_some() != is_address
            || !(is_address || host.bytes().all(is_name))
        {
            return Err(fault());
        }
        Ok(Self {
            id,
            text: text.into(),
            host: host.into(),
            literal,
            port,
            weight,
        })
    }
}

impl Thresholds {
    /// Whether any failure can take a target out.
    #[must_use]
    pub fn can_fail(self) -> bool {
        self.http_failures > 0 || self.tcp_failures > 0 || self.timeouts > 0
    }
}

impl Statuses {
    fn compile(healthy: &[u16], unhealthy: &[u16]) -> Self {
        let sorted = |list: &[u16]| {
            let mut list = list.to_vec();
            list.sort_unstable();
            list.dedup();
            list.into_boxed_slice()
        };
        Self {
            healthy: sorted(healthy),
            unhealthy: sorted(unhealthy),
        }
    }

    /// What a status says: for the target, against it, or nothing.
    #[must_use]
    pub fn says(&self, status: u16) -> Option<bool> {
        if self.unhealthy.binary_search(&status).is_ok() {
            return Some(false);
        }
        self.healthy.binary_search(&status).is_ok().then_some(true)
    }
}

impl Passive {
    fn compile(row: &PassiveChecks) -> Self {
        Self {
            statuses: Statuses::compile(&row.healthy.http_statuses, &row.unhealthy.http_statuses),
            thresholds: Thresholds {
                successes: row.healthy.successes,
                http_failures: row.unhealthy.http_failures,
                tcp_failures: row.unhealthy.tcp_failures,
                timeouts: row.unhealthy.timeouts,
            },
        }
    }
}

impl Active {
    /// None where nothing is ever asked.
    fn compile(row: &ActiveChecks, tls: ClientTls) -> Result<Option<Self>, ConfigError> {
        let timeout_ms = milliseconds("timeout", row.timeout)?.unwrap_or(1);
        let healthy_every_ms = milliseconds("healthy.interval", row.healthy.interval)?;
        let unhealthy_every_ms = milliseconds("unhealthy.interval", row.unhealthy.interval)?;
        if row.concurrency == 0 || row.concurrency > MOST_CONCURRENT {
            return Err(ConfigError::new(
                "concurrency",
                format!("{} is out of range", row.concurrency),
                format!("give 1 to {MOST_CONCURRENT}"),
            ));
        }
        if !row.http_path.starts_with('/')
            || !row.http_path.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(ConfigError::new(
                "http_path",
                "not a path",
                "start it with /, and percent-encode what isn't printable ASCII",
            ));
        }
        let mut headers = Vec::new();
        for (name, values) in row.headers.iter().flatten() {
            for value in values {
                if !is_line(name, value) {
                    return Err(ConfigError::new(
                        format!("headers.{name}"),
                        "not a header line",
                        "use a header's name and printable characters; framing is the gateway's",
                    ));
                }
                headers.push((name.as_str().into(), value.as_str().into()));
            }
        }
        if healthy_every_ms.is_none() && unhealthy_every_ms.is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            kind: row.kind,
            timeout_ms,
            concurrency: row.concurrency as usize,
            path: row.http_path.as_str().into(),
            sni: row.https_sni.as_deref().map(Box::from),
            verify: row.https_verify_certificate,
            tls: (row.kind == CheckKind::Https).then(|| Arc::new(tls)),
            headers: headers.into(),
            healthy_every_ms,
            unhealthy_every_ms,
            statuses: Statuses::compile(&row.healthy.http_statuses, &row.unhealthy.http_statuses),
            thresholds: Thresholds {
                successes: row.healthy.successes,
                http_failures: row.unhealthy.http_failures,
                tcp_failures: row.unhealthy.tcp_failures,
                timeouts: row.unhealthy.timeouts,
            },
        }))
    }
}

/// A line that a check may add: framing, `Host` and the connection are not its business, except that Kong lets
/// `Host` be set.
fn is_line(name: &str, value: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_text = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
    let reserved = ["content-length", "transfer-encoding", "connection"];
    !name.is_empty()
        && name.bytes().all(is_token)
        && value.bytes().all(is_text)
        && !reserved.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Seconds as Kong writes them; none for 0.
fn milliseconds(field: &str, seconds: f64) -> Result<Option<u64>, ConfigError> {
    if !(0.0..=MOST_SECONDS).contains(&seconds) {
        return Err(ConfigError::new(
            field,
            "out of range",
            "give seconds, 0 to 65535",
        ));
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    let milliseconds = (seconds * 1000.0).ceil() as u64;
    Ok((milliseconds > 0).then_some(milliseconds))
}

/// Services name it as their host.
fn check_name(name: &str) -> Result<(), ConfigError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_name) || name.parse::<IpAddr>().is_ok() {
        return Err(ConfigError::new(
            "name",
            "not a host name",
            "use letters, digits, dots and dashes, and no address: services name it as their host",
        ));
    }
    Ok(())
}

/// What consistent hashing goes by.
fn keys(row: &Settings) -> Result<[HashKey; 2], ConfigError> {
    let cookie = (row.hash_on_cookie.as_deref(), &*row.hash_on_cookie_path);
    let first = HashKey::compile(
        row.hash_on,
        row.hash_on_header.as_deref(),
        cookie,
        row.hash_on_query_arg.as_deref(),
        row.hash_on_uri_capture.as_deref(),
    )
    .map_err(|field| missing(&format!("hash_on_{field}")))?;
    let fallback = HashKey::compile(
        row.hash_fallback,
        row.hash_fallback_header.as_deref(),
        cookie,
        row.hash_fallback_query_arg.as_deref(),
        row.hash_fallback_uri_capture.as_deref(),
    )
    .map_err(|field| {
        missing(&if field == "cookie" {
            "hash_on_cookie".to_owned()
        } else {
            format!("hash_fallback_{field}")
        })
    })?;
    if row.algorithm == Algorithm::ConsistentHashing && row.hash_on == HashOn::None {
        return Err(ConfigError::new(
            "hash_on",
            "consistent-hashing needs something to go by",
            "use consumer, ip, header, cookie, path, query_arg or uri_capture",
        ));
    }
    Ok([first, fallback])
}

fn missing(field: &str) -> ConfigError {
    ConfigError::new(
        field,
        "is needed for this way of hashing, and must be a name",
        "name what to go by",
    )
}
