//! What a gateway process is told at its start: one JSON document, strict, with no secret in its `Debug` form.

use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::RangeInclusive;
use std::os::fd::RawFd;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::names::NameOptions;
use crate::observe::access_log::AccessLogOptions;
use crate::observe::trace::TraceOptions;
use crate::phases::Trust;
use crate::proxy::request_head::MOST_HEADERS;

/// The gateway's options. An unknown name, a missing one or a value out of range is refused by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Where API clients are served.
    pub listeners: Vec<Listener>,
    /// The listening TCP socket of `/livez`, `/readyz` and `/metrics`; none where nobody asks.
    #[serde(default)]
    pub status_fd: Option<RawFd>,
    /// The read end of a pipe whose write end the supervisor keeps: its end of file means that the supervisor is
    /// gone, and the gateway drains. A pipe rather than `PR_SET_PDEATHSIG`, which fires when the *thread* that
    /// started the child ends and is lost across `exec` of another user's binary.
    #[serde(default)]
    pub lifeline_fd: Option<RawFd>,
    /// The write end of a pipe, where this gateway is to take over from one that serves on the same sockets: it accepts
    /// nothing before it is ready, and says here line by line why it isn't, and then `ready`.
    #[serde(default)]
    pub ready_fd: Option<RawFd>,
    /// The version of Tollway that this is part of, for `/metrics`.
    #[serde(default)]
    pub version: String,
    /// Threads that serve requests; as many as the process may use processors, where not given.
    #[serde(default)]
    pub workers: Option<NonZeroUsize>,
    /// The folder for the gateway's own copy of the configuration.
    pub data_dir: PathBuf,
    /// The usage log's root; `NODE/EPOCH/SHARD` is made below it.
    pub usage_log_dir: PathBuf,
    /// What a crash may cost.
    pub usage_log_level: Durability,
    /// Bytes that the usage log may hold on disk.
    pub usage_log_budget_bytes: u64,
    /// The node that this gateway writes as, lent by who holds the data folder: 32 hex digits.
    #[serde(deserialize_with = "hex")]
    pub node: [u8; 16],
    /// The Unix socket on which control serves the configuration.
    pub control_socket: PathBuf,
    /// The HMAC key of API keys: 64 hex digits.
    pub pepper: SecretKey,
    /// The key of the configuration copy on disk: 64 hex digits.
    pub cache_key: SecretKey,
    /// Not ready before control was reached once, even with a configuration from disk.
    pub ready_needs_control: bool,
    /// How long exchanges in flight may go on after the first signal.
    pub drain_seconds: u64,
    /// Timeouts towards clients. (Those towards upstreams are the service's.)
    #[serde(default)]
    pub timeouts: Timeouts,
    /// What a request may take.
    #[serde(default)]
    pub limits: Limits,
    /// Whom to ask about the names of upstreams.
    #[serde(default)]
    pub names: NameOptions,
    /// Needed where a listener speaks TLS.
    #[serde(default)]
    pub tls: Option<TlsOptions>,
    /// Whether upstreams are checked where their service doesn't say (`tls_verify`).
    #[serde(default = "yes")]
    pub upstream_tls_verify: bool,
    /// Proxies in front of the gateway that are believed about who calls.
    #[serde(default)]
    pub trust: Trust,
    /// Where exchanges are written down; nowhere where not given.
    #[serde(default)]
    pub access_log: Option<AccessLogOptions>,
    /// Who is told of exchanges as spans; nobody where not given, and then traces pass through untouched.
    #[serde(default)]
    pub tracing: Option<TraceOptions>,
}

/// What TLS needs beside the configuration.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsOptions {
    /// The key of session tickets, the same wherever they are to be understood: 64 hex digits.
    pub ticket_key: SecretKey,
    /// The certificate for clients that ask for a name without one, PEM, and its key.
    pub default_cert: String,
    /// See there.
    pub default_key: String,
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TlsOptions(..)")
    }
}

/// A listening TCP socket for API clients, and what is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The socket, inherited and already listening; the gateway owns it from here on.
    pub fd: RawFd,
    /// TLS, and nothing else.
    #[serde(default)]
    pub tls: bool,
    /// HTTP/2 beside HTTP/1: by ALPN over TLS, else by prior knowledge.
    #[serde(default)]
    pub http2: bool,
    /// Every connection begins with a PROXY protocol header, which says who the client is.
    #[serde(default)]
    pub proxy_protocol: bool,
}

/// The usage log's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The event is on the disk before the last byte leaves.
    Strict,
    /// A killed process loses nothing; a power cut at most the last 50 ms.
    Group,
    /// A killed process may lose 100 ms.
    Relaxed,
}

/// How long a client may take, in milliseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// A handshake of TLS.
    pub tls_handshake_ms: u64,
    /// From accepting a connection to the end of its PROXY header.
    pub proxy_header_ms: u64,
    /// From a request's first byte to the end of its head.
    pub client_header_ms: u64,
    /// Between two requests on one connection.
    pub client_idle_ms: u64,
    /// Between two reads of a request's body.
    pub client_body_ms: u64,
    /// Between two writes of an answer.
    pub client_send_ms: u64,
    /// How long an unused upstream connection is kept.
    pub upstream_idle_ms: u64,
    /// How long any upstream connection is used.
    pub upstream_age_ms: u64,
    /// How long a target that went out rests before a request tries it, where no active check asks it.
    pub trial_pause_ms: u64,
    /// Trials that fail double the pause, up to this one.
    pub trial_pause_most_ms: u64,
    /// From a request's head to the last byte of its answer; not limited where not given. Upgrades are exempt.
    pub request_ms: Option<NonZeroU64>,
}

fn yes() -> bool {
    true
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tls_handshake_ms: 10_000,
            proxy_header_ms: 5_000,
            client_header_ms: 60_000,
            client_idle_ms: 65_000,
            client_body_ms: 60_000,
            client_send_ms: 60_000,
            upstream_idle_ms: 60_000,
            upstream_age_ms: 3_600_000,
            trial_pause_ms: 10_000,
            trial_pause_most_ms: 300_000,
            request_ms: None,
        }
    }
}

/// How much a request may take.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of the request line.
    pub request_line_bytes: usize,
    /// Bytes of a whole head, of a request or a response.
    pub head_bytes: usize,
    /// Header lines in a head.
    pub header_count: usize,
    /// Bytes of a request's body; not limited where not given.
    pub body_bytes: Option<NonZeroU64>,
    /// Requests on one connection, before it is closed.
    pub requests_per_connection: u64,
    /// Further tries to connect per hundred requests, for each upstream and worker.
    pub retry_percent: u64,
    /// And so many a second beside.
    pub retries_per_second: u64,
    /// Unused upstream connections that one worker keeps per address.
    pub upstream_idle_per_address: usize,
    /// And over all addresses; the one that has waited longest goes first.
    pub upstream_idle_per_worker: usize,
    /// Client connections that one worker holds; beyond it they wait in the listener's queue.
    pub connections_per_worker: usize,
    /// Connections of one worker whose PROXY header or handshake of TLS isn't done; for one more the oldest ends.
    pub openings_per_worker: usize,
    /// Streams that a client may have open on one HTTP/2 connection.
    pub http2_streams: u32,
    /// Bytes of bodies that one worker may have to hold for HTTP/2, both ways.
    pub http2_bytes_per_worker: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line_bytes: 8 * 1024,
            head_bytes: 32 * 1024,
            header_count: 100,
            body_bytes: None,
            requests_per_connection: 10_000,
            retry_percent: 20,
            retries_per_second: 10,
            upstream_idle_per_address: 256,
            upstream_idle_per_worker: 1024,
            connections_per_worker: 16_384,
            openings_per_worker: 1024,
            http2_streams: 128,
            http2_bytes_per_worker: 512 << 20,
        }
    }
}

/// 32 secret bytes, written as 64 hex digits; never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretKey(pub [u8; 32]);

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(..)")
    }
}

impl<'de> Deserialize<'de> for SecretKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hex(deserializer).map(Self)
    }
}

/// A bad option: which one, and what is wrong with it. It never repeats the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOption {
    /// The option's name, dotted: `timeouts.client_idle_ms`.
    pub option: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for BadOption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "option {}: {}", self.option, self.problem)
    }
}

impl std::error::Error for BadOption {}

impl Options {
    /// Reads the JSON document.
    ///
    /// # Errors
    /// [`BadOption`] names the first option that is unknown, missing or out of range.
    pub fn from_json(document: &[u8]) -> Result<Self, BadOption> {
        let mut json = serde_json::Deserializer::from_slice(document);
        let options: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let option = error.path().to_string();
            BadOption {
                option,
                problem: without_position(&error.into_inner().to_string()),
            }
        })?;
        json.end().map_err(|error| BadOption {
            option: ".".to_owned(),
            problem: error.to_string(),
        })?;
        options.check()?;
        Ok(options)
    }

    /// A descriptor has one owner: named twice it would be closed twice, and the second time be somebody else's.
    fn check_descriptors(&self) -> Result<(), BadOption> {
        let listeners = self.listeners.iter().map(|listener| listener.fd);
        let others = [self.status_fd, self.lifeline_fd, self.ready_fd];
        let mut all: Vec<RawFd> = listeners.chain(others.into_iter().flatten()).collect();
        all.sort_unstable();
        match all.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => Err(BadOption {
                option: "listeners, status_fd, lifeline_fd, ready_fd".to_owned(),
                problem: format!("descriptor {} is named twice; pass each once", pair[0]),
            }),
        }
    }

    /// What is spoken at a listener may need something else.
    fn check_listeners(&self) -> Result<(), BadOption> {
        if self.trust.ips.is_empty()
            && self
                .listeners
                .iter()
                .any(|listener| listener.proxy_protocol)
        {
            return Err(BadOption {
                option: "trust.ips".to_owned(),
                problem: "a listener speaks the PROXY protocol; say whose word counts (TOLLWAY_TRUSTED_IPS)"
                    .to_owned(),
            });
        }
        if self.tls.is_none() && self.listeners.iter().any(|listener| listener.tls) {
            return Err(BadOption {
                option: "tls".to_owned(),
                problem: "a listener speaks TLS; say with which key and certificate".to_owned(),
            });
        }
        Ok(())
    }

    fn check(&self) -> Result<(), BadOption> {
        self.check_descriptors()?;
        self.check_listeners()?;
        let Timeouts {
            client_header_ms,
            client_idle_ms,
            client_body_ms,
            client_send_ms,
            ..
        } = self.timeouts;
        let limits = self.limits;
        let ranges: [(&str, u64, RangeInclusive<u64>); 16] = [
            (
                "listeners (their count)",
                self.listeners.len() as u64,
                1..=64,
            ),
            (
                "usage_log_budget_bytes",
                self.usage_log_budget_bytes,
                64 << 20..=u64::MAX,
            ),
            ("timeouts.client_header_ms", client_header_ms, 1..=u64::MAX),
            ("timeouts.client_idle_ms", client_idle_ms, 1..=u64::MAX),
            ("timeouts.client_body_ms", client_body_ms, 1..=u64::MAX),
            ("timeouts.client_send_ms", client_send_ms, 1..=u64::MAX),
            (
                "limits.request_line_bytes",
                limits.request_line_bytes as u64,
                64..=1 << 20,
            ),
            // Every connection may hold as much.
            (
                "limits.head_bytes",
                limits.head_bytes as u64,
                1024..=1 << 20,
            ),
            (
                "limits.header_count",
                limits.header_count as u64,
                8..=MOST_HEADERS as u64,
            ),
            (
                "limits.requests_per_connection",
                limits.requests_per_connection,
                1..=u64::MAX,
            ),
            (
                "limits.connections_per_worker",
                limits.connections_per_worker as u64,
                1..=1 << 20,
            ),
            (
                "limits.openings_per_worker",
                limits.openings_per_worker as u64,
                1..=1 << 20,
            ),
            (
                "timeouts.tls_handshake_ms",
                self.timeouts.tls_handshake_ms,
                1..=u64::MAX,
            ),
            (
                "timeouts.proxy_header_ms",
                self.timeouts.proxy_header_ms,
                1..=u64::MAX,
            ),
            (
                "limits.http2_streams",
                limits.http2_streams.into(),
                1..=1 << 16,
            ),
            (
                "limits.http2_bytes_per_worker",
                limits.http2_bytes_per_worker as u64,
                1 << 20..=1 << 40,
            ),
        ];
        for (option, value, range) in ranges {
            if !range.contains(&value) {
                let (least, most) = range.into_inner();
                let problem = if value < least {
                    format!("{value} is too small; use at least {least}")
                } else {
                    format!("{value} is too large; use at most {most}")
                };
                return Err(BadOption {
                    option: option.to_owned(),
                    problem,
                });
            }
        }
        Ok(())
    }
}

/// `serde_json` ends its messages with a position in the document, which means nothing to who set one option.
fn without_position(message: &str) -> String {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(text, _)| text)
        .to_owned()
}

fn hex<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
    let wanted = || D::Error::custom(format!("not {} hex digits", N * 2));
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer).map_err(|_| wanted())?;
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(wanted());
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err(wanted());
        };
        *byte = high << 4 | low;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn document() -> Value {
        json!({
            "listeners": [{"fd": 3}], "data_dir": "/d", "usage_log_dir": "/d/usage-log", "usage_log_level": "group",
            "usage_log_budget_bytes": 1u64 << 30, "node": "0".repeat(32), "control_socket": "/d/control.sock",
            "pepper": "ab".repeat(32), "cache_key": "cd".repeat(32), "ready_needs_control": false,
            "drain_seconds": 10,
        })
    }

    fn fault(change: impl FnOnce(&mut Value)) -> String {
        let mut value = document();
        change(&mut value);
        match Options::from_json(value.to_string().as_bytes()) {
            Ok(_) => "accepted".to_owned(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn reads_a_document_and_fills_what_may_be_left_out() {
        let options = Options::from_json(document().to_string().as_bytes()).unwrap();
        assert_eq!(options.pepper, SecretKey([0xab; 32]));
        assert_eq!(options.limits.header_count, 100);
        assert!(
            !format!("{options:?}").contains("171"),
            "secrets stay out of debug output"
        );
    }

    #[test]
    fn every_fault_names_its_option() {
        assert_eq!(
            fault(|v| v["pepper"] = json!("xy")),
            "option pepper: not 64 hex digits"
        );
        assert_eq!(
            fault(|v| v["timeouts"] = json!({"client_idle_ms": "soon"})),
            "option timeouts.client_idle_ms: invalid type: string \"soon\", expected u64"
        );
        assert!(fault(|v| v["colour"] = json!(1)).starts_with("option colour: unknown field"));
        assert!(
            fault(|v| v["limits"] = json!({"x": 1})).starts_with("option limits.x: unknown field")
        );
        assert!(fault(|v| v["workers"] = json!(0)).starts_with("option workers:"));
        assert!(fault(|v| v["listeners"] = json!([])).starts_with("option listeners"));
        assert!(
            fault(|v| v["listeners"][0]["proxy_protocol"] = json!(true))
                .starts_with("option trust.ips: a listener speaks the PROXY protocol")
        );
        assert!(
            fault(|v| v["listeners"][0]["ssl"] = json!(true))
                .starts_with("option listeners[0].ssl: unknown field")
        );
        assert!(
            fault(|v| v["usage_log_budget_bytes"] = json!(1))
                .starts_with("option usage_log_budget_bytes")
        );
        assert!(
            fault(|v| v["limits"] = json!({"head_bytes": 1}))
                .starts_with("option limits.head_bytes")
        );
        assert!(fault(|v| v["status_fd"] = json!(3)).contains("descriptor 3 is named twice"));
        let missing = fault(|v| {
            v.as_object_mut().unwrap().remove("node");
        });
        assert!(missing.contains("missing field `node`"), "{missing}");
    }
}
