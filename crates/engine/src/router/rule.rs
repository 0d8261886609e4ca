//! One rule: a route with one of its paths. Kong judges every path of a route by itself, so each has its own place in
//! the order.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use regex::bytes::{Regex, RegexBuilder};

use super::Query;
use crate::config::{ConfigError, wire};
use crate::phases::Headers;

/// A rule's place in the order: the greatest is tried first. The fields are Kong's criteria, weightiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Precedence {
    /// How many of methods, hosts, headers, paths and SNIs the route has.
    attributes: usize,
    /// There are hosts, and none is a wildcard.
    plain_hosts: bool,
    headers: usize,
    is_regex: bool,
    /// Counts among regexes alone.
    regex_priority: i64,
    /// The prefix's length.
    length: usize,
    created_at: Reverse<i64>,
    /// Control lists routes in the order in which they were made: it tells apart what one second made.
    place: Reverse<usize>,
}

/// What a rule demands beside its path.
#[derive(Debug)]
pub(super) struct Conditions {
    methods: Box<[Box<[u8]>]>,
    pub(super) hosts: Box<[HostPattern]>,
    headers: Box<[HeaderPattern]>,
    /// Names asked for in the TLS handshake; they say nothing of plain requests.
    snis: Box<[HostKind]>,
}

/// A host that a route names: lower case.
#[derive(Debug)]
pub(super) struct HostPattern {
    pub(super) kind: HostKind,
    /// Where given, the port asked for must be this one.
    pub(super) port: Option<u16>,
}

#[derive(Debug)]
pub(super) enum HostKind {
    Plain(Box<[u8]>),
    /// `*.example.com`: ends with `.example.com`.
    Suffix(Box<[u8]>),
    /// `example.*`: starts with `example.`.
    Prefix(Box<[u8]>),
}

#[derive(Debug)]
struct HeaderPattern {
    name: Box<[u8]>,
    values: Box<[ValuePattern]>,
}

#[derive(Debug)]
enum ValuePattern {
    Equal(Box<[u8]>),
    Regex(Regex),
}

/// A route's path.
#[derive(Debug)]
pub(super) enum PathPattern {
    Prefix(Vec<u8>),
    Regex(Regex),
}

impl Precedence {
    pub(super) fn new(row: &wire::Route, place: usize, path: Option<&PathPattern>) -> Self {
        let has = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let headers = row.headers.as_ref().map_or(0, BTreeMap::len);
        let hosts = row.hosts.as_deref().unwrap_or_default();
        let (is_regex, length) = match path {
            None => (false, 0),
            Some(PathPattern::Prefix(prefix)) => (false, prefix.len()),
            Some(PathPattern::Regex(_)) => (true, 0),
        };
        Self {
            attributes: [
                has(&row.methods),
                has(&row.hosts),
                headers > 0,
                path.is_some(),
                has(&row.snis),
            ]
            .into_iter()
            .filter(|there| *there)
            .count(),
            plain_hosts: !hosts.is_empty() && !hosts.iter().any(|host| host.contains('*')),
            headers,
            is_regex,
            regex_priority: if is_regex { row.regex_priority } else { 0 },
            length,
            created_at: Reverse(row.created_at),
            place: Reverse(place),
        }
    }
}

impl Precedence {
    /// Whether the route demands nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.attributes == 0
    }
}

impl Conditions {
    pub(super) fn compile(row: &wire::Route) -> Result<Self, ConfigError> {
        let methods = row.methods.as_deref().unwrap_or_default();
        for (place, method) in methods.iter().enumerate() {
            if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err(ConfigError::new(
                    format!("methods[{place}]"),
                    "not a method",
                    "use upper-case letters, such as GET",
                ));
            }
        }
        let hosts: Result<_, _> = (row.hosts.iter().flatten().enumerate())
            .map(|(place, host)| {
                HostPattern::compile(host).map_err(|problem| {
                    ConfigError::new(
                        format!("hosts[{place}]"),
                        problem,
                        "use example.com, *.example.com or example.*, with a port if need be",
                    )
                })
            })
            .collect();
        let snis: Result<_, _> = (row.snis.iter().flatten().enumerate())
            .map(|(place, name)| match HostPattern::compile(name) {
                Ok(HostPattern { kind, port: None }) => Ok(kind),
                _ => Err(ConfigError::new(
                    format!("snis[{place}]"),
                    "not a name as a TLS handshake has it",
                    "use example.com, *.example.com or example.*, without a port",
                )),
            })
            .collect();
        let headers: Result<_, _> = (row.headers.iter().flatten())
            .map(|(name, values)| HeaderPattern::compile(name, values))
            .collect();
        Ok(Self {
            methods: methods
                .iter()
                .map(|method| method.as_bytes().into())
                .collect(),
            hosts: hosts?,
            headers: headers?,
            snis: snis?,
        })
    }

    /// Whether a request fulfils all but the path; the host too only where `with_host`.
    pub(super) fn hold<H: Headers>(&self, query: &Query<'_, H>, with_host: bool) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|method| **method == *query.method))
            && (!with_host
                || self.hosts.is_empty()
                || self
                    .hosts
                    .iter()
                    .any(|host| host.matches(query.host, query.host_port)))
            && (self.snis.is_empty()
                || !query.tls
                || query
                    .server_name
                    .is_some_and(|name| self.snis.iter().any(|sni| sni.matches(name.as_bytes()))))
            && self
                .headers
                .iter()
                .all(|header| header.matches(query.headers))
    }

    /// Whether a plain host being right says all: none of the hosts asks for a port.
    pub(super) fn ignores_ports(&self) -> bool {
        self.hosts.iter().all(|host| host.port.is_none())
    }
}

impl HostPattern {
    pub(super) fn compile(text: &str) -> Result<Self, &'static str> {
        let (host, port) = split_port(text.as_bytes());
        if host.is_empty()
            || text
                .bytes()
                .any(|byte| !byte.is_ascii_graphic() || byte == b'/')
        {
            return Err("not a host");
        }
        let host = host.to_ascii_lowercase();
        let wildcards = memchr::memchr_iter(b'*', &host).count();
        let kind = match (wildcards, &*host) {
            (0, plain) => HostKind::Plain(plain.into()),
            (1, [b'*', suffix @ ..]) if suffix.starts_with(b".") => HostKind::Suffix(suffix.into()),
            (1, [prefix @ .., b'*']) if prefix.ends_with(b".") => HostKind::Prefix(prefix.into()),
            _ => return Err("a wildcard may only be the first or the last label"),
        };
        Ok(Self { kind, port })
    }

    fn matches(&self, host: &[u8], port: u16) -> bool {
        self.port.is_none_or(|own| own == port) && self.kind.matches(host)
    }
}

impl HostKind {
    fn matches(&self, host: &[u8]) -> bool {
        match self {
            Self::Plain(plain) => **plain == *host,
            Self::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            Self::Prefix(prefix) => host.len() > prefix.len() && host.starts_with(prefix),
        }
    }
}

/// Splits `host:port`; an IPv6 address keeps its brackets.
pub(super) fn split_port(authority: &[u8]) -> (&[u8], Option<u16>) {
    if let Some(place) = memchr::memrchr(b':', authority)
        && !authority[place..].contains(&b']')
        && let Ok(digits) = str::from_utf8(&authority[place + 1..])
        && let Ok(port) = digits.parse()
    {
        return (&authority[..place], Some(port));
    }
    (authority, None)
}

impl HeaderPattern {
    fn compile(name: &str, values: &[String]) -> Result<Self, ConfigError> {
        let here = |problem: String| {
            ConfigError::new(
                format!("headers.{name}"),
                problem,
                "give values to compare with, or one ~* followed by a pattern",
            )
        };
        if name.eq_ignore_ascii_case("host") {
            return Err(here("Host is matched by hosts".to_owned()));
        }
        if values.is_empty() {
            return Err(here("there is no value".to_owned()));
        }
        let values: Result<_, _> = (values.iter())
            .map(|value| match value.strip_prefix("~*") {
                None => Ok(ValuePattern::Equal(value.as_bytes().into())),
                Some(pattern) => RegexBuilder::new(pattern)
                    .unicode(false)
                    .case_insensitive(true)
                    .build()
                    .map(ValuePattern::Regex)
                    .map_err(|error| here(regex_problem(&error))),
            })
            .collect();
        Ok(Self {
            name: name.as_bytes().into(),
            values: values?,
        })
    }

    /// One of the lines of this name has one of the values; case doesn't matter.
    fn matches<H: Headers>(&self, headers: H) -> bool {
        headers.lines().any(|(name, value)| {
            name.eq_ignore_ascii_case(&self.name)
                && self.values.iter().any(|wanted| match wanted {
                    ValuePattern::Equal(text) => value.eq_ignore_ascii_case(text),
                    ValuePattern::Regex(pattern) => pattern.is_match(value),
                })
        })
    }
}

impl PathPattern {
    pub(super) fn compile(text: &str, location: &str) -> Result<Self, ConfigError> {
        let fault = |problem: String, fix: &str| ConfigError::new(location, problem, fix);
        if let Some(pattern) = text.strip_prefix('~') {
            // Anchored like a prefix; the group keeps an alternative from escaping the anchor.
            return RegexBuilder::new(&format!("^(?:{pattern})"))
                .unicode(false)
                .build()
                .map(Self::Regex)
                .map_err(|error| {
                    fault(
                        regex_problem(&error),
                        "correct the pattern; look-around and back-references don't exist here",
                    )
                });
        }
        if !text.starts_with('/') {
            return Err(fault(
                "neither a prefix nor a pattern".to_owned(),
                "start a prefix with /, a regex with ~",
            ));
        }
        let mut prefix = Vec::new();
        super::path::normalise(text.as_bytes(), &mut prefix);
        Ok(Self::Prefix(prefix))
    }
}

/// The last line of a regex error says what is wrong; those before draw the pattern.
fn regex_problem(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    format!("not a pattern: {}", line.trim_start_matches("error: "))
}
