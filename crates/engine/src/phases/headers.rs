//! What the phases write: the request's target and header lines towards the upstream, the answer's towards the client.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::allowances::Standing;
use super::exchange::{Exchange, Rate};
use super::text::{Decimal, Text};
use super::trust::Forwarded;
use super::{
    Answer, AnswerKind, HeaderSink, Headers, Now, RequestHead, UpstreamTimes, Version, grpc,
};
use crate::limits::Window;
use crate::router;
use crate::uuid::hex_text;

/// The gateway's name where HTTP asks for one.
const PRODUCT: &[u8] = b"tollway";

/// What `Via` says of a message that came in this version: the protocol that was received, and by whom.
fn via(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b"1.0 tollway",
        Version::Http11 => b"1.1 tollway",
        Version::Http2 => b"2 tollway",
    }
}

/// Header lines of requests that the gateway writes itself, and believes nobody else about.
const OWN_REQUEST_HEADERS: [&[u8]; 9] = [
    b"x-anonymous-consumer",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-path",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-proto",
    b"x-kong-request-id",
    b"x-real-ip",
];
/// And those that begin so.
const OWN_REQUEST_PREFIXES: [&[u8]; 3] = [b"x-consumer-", b"x-credential-", b"x-tollway-"];

/// Header lines of answers that the gateway writes itself.
const OWN_RESPONSE_HEADERS: [&[u8]; 4] = [
    b"x-kong-proxy-latency",
    b"x-kong-request-id",
    b"x-kong-response-latency",
    b"x-kong-upstream-latency",
];
/// And where rate-limiting ran, those that begin so.
const RATE_PREFIXES: [&[u8]; 2] = [b"ratelimit", b"x-ratelimit-"];

impl Exchange {
    /// Writes the path and query to ask the upstream for.
    pub fn write_target<H>(&self, head: &RequestHead<'_, H>, out: &mut Vec<u8>) {
        if !self.path.starts_with(b"/") {
            out.extend_from_slice(&self.path);
            return;
        }
        let route = self.route();
        let strips = route.is_some_and(|route| route.strip_path);
        // Without a path of the route's there is still the leading slash to be taken away, and put back.
        let stripped = strips.then(|| self.matched.unwrap_or(1));
        let upstream = route.and_then(|route| route.upstream.as_ref());
        let base = upstream.map_or("/", |upstream| &upstream.path);
        router::write_upstream_path(base.as_bytes(), &self.path, stripped, out);
        let Some(query) = head.query else { return };
        let key_auth = route.and_then(|route| route.plugins.key_auth.as_ref());
        if let (Some(name), Some(plugin)) = (self.hidden_key, key_auth) {
            plugin.write_query_without_key(name, query, out);
        } else {
            out.push(b'?');
            out.extend_from_slice(query);
        }
    }

    /// What the client asked for, where the upstream is told the same.
    #[must_use]
    pub fn preserved_host<'a>(&self, host: Option<&'a [u8]>) -> Option<&'a [u8]> {
        host.filter(|_| self.route().is_some_and(|route| route.preserve_host))
    }

    /// What balancing says of it instead of the service.
    #[must_use]
    pub fn chosen_host(&self) -> Option<&[u8]> {
        Some(&*self.balancing.host).filter(|chosen| !chosen.is_empty())
    }

    /// Writes what `Host` says towards the upstream.
    pub fn write_host<H>(&self, head: &RequestHead<'_, H>, out: &mut Vec<u8>) {
        let route = self.route();
        let upstream = route.and_then(|route| route.upstream.as_ref());
        let own = upstream
            .map_or("", |upstream| &upstream.authority)
            .as_bytes();
        let told = self.preserved_host(head.host);
        out.extend_from_slice(told.or(self.chosen_host()).unwrap_or(own));
    }

    /// Whether a client's header line goes to the upstream. (Hop-by-hop lines and `Host` aren't asked about.)
    ///
    /// An upstream that turns header names into variables can't tell `_` from `-`, so neither is told apart here.
    #[must_use]
    pub fn forwards(&self, name: &[u8]) -> bool {
        if matches!(name, [b'x' | b'X', b'-' | b'_', ..])
            && (OWN_REQUEST_HEADERS.iter().any(|own| is_named(name, own))
                || OWN_REQUEST_PREFIXES.iter().any(|own| begins(name, own)))
        {
            return false;
        }
        if matches!(name, [b't' | b'T', ..])
            && let Some(spans) = self.trace.and_then(|trace| trace.spans)
            // What was said of another trace's state isn't true of this one.
            && (is_named(name, b"traceparent") || (spans.parent.is_none() && is_named(name, b"tracestate")))
        {
            return false;
        }
        let Some(key) = self.hidden_key else {
            return true;
        };
        let plugin = self
            .route()
            .and_then(|route| route.plugins.key_auth.as_ref());
        !plugin.is_some_and(|plugin| plugin.is_key_header(key, name))
    }

    /// Writes the header lines that the upstream gets beside the client's own.
    pub fn upstream_headers<H: Headers>(
        &self,
        head: &RequestHead<'_, H>,
        out: &mut impl HeaderSink,
    ) {
        self.write_consumer(out);
        self.write_forwarded(head, out);
        out.header("Via", via(head.version));
        out.header("X-Kong-Request-Id", &hex_text(&self.request_id));
        if let Some(parent) = self.trace.and_then(|trace| trace.traceparent()) {
            out.header("traceparent", &parent);
        }
    }

    fn write_consumer(&self, out: &mut impl HeaderSink) {
        let Some(consumer) = self.consumer.as_deref() else {
            return;
        };
        out.header("X-Consumer-ID", &consumer.id.text());
        if let Some(custom_id) = &consumer.custom_id {
            out.header("X-Consumer-Custom-ID", custom_id.as_bytes());
        }
        if let Some(username) = &consumer.username {
            out.header("X-Consumer-Username", username.as_bytes());
        }
        match self.credential {
            Some(credential) => out.header("X-Credential-Identifier", &credential.text()),
            None => out.header("X-Anonymous-Consumer", b"true"),
        }
        if self.show_groups && !consumer.acls.is_empty() {
            out.header_list(
                "X-Consumer-Groups",
                consumer.acls.iter().map(|acl| acl.as_bytes()),
            );
        }
    }

    /// What the gateway says of who calls. A trusted proxy's words are passed on, and its own address is added to the
    /// chain; whatever anybody else says is replaced.
    fn write_forwarded<H: Headers>(&self, head: &RequestHead<'_, H>, out: &mut impl HeaderSink) {
        let peer = head.client.ip().to_canonical();
        let client = self.client.unwrap_or(peer);
        let address = address_text(client);
        let forwarded = if self.is_trusted {
            continue_chain(head, peer, client, out);
            Forwarded::read(&head.headers)
        } else {
            out.header("X-Forwarded-For", address.bytes());
            Forwarded::default()
        };
        let proto: &[u8] = if head.tls { b"https" } else { b"http" };
        out.header("X-Forwarded-Proto", forwarded.proto.unwrap_or(proto));
        let host = head.host.map(|host| router::split_authority(host).0);
        if let Some(host) = forwarded.host.or(host) {
            out.header("X-Forwarded-Host", host);
        }
        let port = Decimal::new(u64::from(head.port));
        out.header("X-Forwarded-Port", forwarded.port.unwrap_or(port.bytes()));
        out.header("X-Forwarded-Path", forwarded.path.unwrap_or(head.path));
        if let Some(prefix) = forwarded.prefix.or_else(|| self.stripped_prefix()) {
            out.header("X-Forwarded-Prefix", prefix);
        }
        out.header("X-Real-IP", address.bytes());
    }

    /// What of the path the upstream doesn't see.
    fn stripped_prefix(&self) -> Option<&[u8]> {
        self.route().filter(|route| route.strip_path)?;
        let prefix = self.path.get(..self.matched?)?;
        prefix.iter().all(u8::is_ascii_graphic).then_some(prefix)
    }

    /// Whether an upstream's header line goes to the client. (Hop-by-hop lines aren't asked about.)
    #[must_use]
    pub fn returns(&self, name: &[u8]) -> bool {
        let limits = self.rate.is_some() || self.allowances.is_some();
        let is_own = match name {
            [b'x' | b'X', ..] => {
                OWN_RESPONSE_HEADERS.iter().any(|own| is_named(name, own))
                    || (limits && begins(name, RATE_PREFIXES[1]))
            }
            [b'r' | b'R', ..] => limits && begins(name, RATE_PREFIXES[0]),
            _ => false,
        };
        !is_own
    }

    /// Writes the header lines that the client gets beside the upstream's own.
    ///
    /// `version` is that of the upstream's answer.
    pub fn response_headers(
        &self,
        times: &UpstreamTimes,
        version: Version,
        out: &mut impl HeaderSink,
    ) {
        self.write_limits(out);
        if let Some(cookie) = self.sticky_cookie() {
            out.header("Set-Cookie", &cookie);
        }
        let own = self
            .began
            .map_or(0, |began| milliseconds(began, times.sent));
        out.header("X-Kong-Proxy-Latency", Decimal::new(own).bytes());
        let upstream = milliseconds(times.sent, times.head);
        out.header("X-Kong-Upstream-Latency", Decimal::new(upstream).bytes());
        out.header("Via", via(version));
        out.header("X-Kong-Request-Id", &hex_text(&self.request_id));
    }

    /// Writes the header lines of an answer of the gateway's own: all but `Content-Length`, `Connection` and `Date`.
    pub fn answer_headers(&self, answer: Answer, now: Now, out: &mut impl HeaderSink) {
        let is_problem = matches!(
            answer.kind,
            AnswerKind::NoSubscription | AnswerKind::FeatureNotInPlan | AnswerKind::QuotaExceeded
        );
        out.header(
            "Content-Type",
            if self.is_call {
                b"application/grpc"
            } else if is_problem {
                b"application/problem+json"
            } else {
                b"application/json; charset=utf-8"
            },
        );
        if self.is_call {
            let status = answer.grpc_status().into();
            out.header("grpc-status", Decimal::new(status).bytes());
            let mut message = Vec::new();
            grpc::push_message(self.answer_message(answer), &mut message);
            out.header("grpc-message", &message);
        }
        match answer.kind {
            AnswerKind::NeedsHttp2 => out.header("Upgrade", b"HTTP/2"),
            AnswerKind::NoKey | AnswerKind::UnknownKey | AnswerKind::DuplicateKey => {
                let plugin = self
                    .route()
                    .and_then(|route| route.plugins.key_auth.as_ref());
                let challenge = plugin.map_or("Key", |plugin| &plugin.challenge);
                out.header("WWW-Authenticate", challenge.as_bytes());
            }
            AnswerKind::RedirectToTls => out.header("Location", &self.location),
            AnswerKind::NeedsTls => out.header("Upgrade", b"TLS/1.2, HTTP/1.1"),
            _ => {}
        }
        self.write_limits(out);
        if matches!(
            answer.kind,
            AnswerKind::RateLimited | AnswerKind::QuotaExceeded
        ) && let Some(seconds) = self.retry_after()
        {
            out.header("Retry-After", Decimal::new(seconds).bytes());
        }
        let latency = self.began.map_or(0, |began| milliseconds(began, now));
        out.header("X-Kong-Response-Latency", Decimal::new(latency).bytes());
        out.header("X-Kong-Request-Id", &hex_text(&self.request_id));
        out.header("Server", PRODUCT);
    }

    /// The quota that refused the request.
    pub(super) fn exhausted(&self) -> Option<Standing<'_>> {
        let (allowances, quotas) = self.drawn()?;
        allowances.exhausted(quotas)
    }

    /// Seconds after which a request refused by a limit or a quota may pass: when all that refused it are open again.
    pub(super) fn retry_after(&self) -> Option<u64> {
        let quota = self.exhausted().map(|standing| standing.reset);
        let rate = self.rate.as_ref().filter(|rate| !rate.counted.admitted);
        quota.max(rate.map(|rate| rate.tightest().reset))
    }

    /// Kong's headers of the rate limit, and the IETF draft's of limit and quotas.
    fn write_limits(&self, out: &mut impl HeaderSink) {
        if self.rate.is_none() && self.allowances.is_none() {
            return;
        }
        let rate = self.rate.as_ref();
        let tightest = rate.map(|rate| rate.write(out));
        let drawn = self.drawn();
        let standings =
            || (drawn.iter()).flat_map(|(allowances, quotas)| allowances.standings(quotas));
        let windows = || rate.into_iter().flat_map(Rate::windows);
        if windows().next().is_none() && standings().next().is_none() {
            return;
        }
        out.header_with("RateLimit-Policy", |text| {
            let mut list = List::of(text);
            for (window, limit, length) in windows() {
                list.item(window.name(), (b";q=", limit), (b";w=", length));
            }
            for standing in standings() {
                let (limit, length) = (standing.quota.limit, standing.length);
                list.item(&standing.quota.policy, (b";q=", limit), (b";w=", length));
            }
        });
        out.header_with("RateLimit", |text| {
            let mut list = List::of(text);
            if let Some(least) = &tightest {
                let (remaining, reset) = (least.remaining, least.reset);
                list.item(least.window.name(), (b";r=", remaining), (b";t=", reset));
            }
            for standing in standings() {
                let (remaining, reset) = (standing.remaining(), standing.reset);
                list.item(&standing.quota.policy, (b";r=", remaining), (b";t=", reset));
            }
        });
    }
}

/// The window with the least left.
pub(super) struct Tightest {
    pub(super) window: Window,
    pub(super) limit: u64,
    remaining: u64,
    /// Seconds until it ends.
    pub(super) reset: u64,
}

impl Rate {
    fn remaining(&self, window: Window, limit: u64) -> u64 {
        limit.saturating_sub(self.counted.used(window))
    }

    /// The window with the least left; of equals the longest, which is open again last.
    pub(super) fn tightest(&self) -> Tightest {
        let with_limits = Window::ALL
            .into_iter()
            .filter_map(|window| Some((window, self.limits.get(window)?)));
        let least = with_limits
            .map(|(window, limit)| {
                (
                    self.remaining(window, limit),
                    std::cmp::Reverse(window),
                    limit,
                )
            })
            .min();
        let (remaining, std::cmp::Reverse(window), limit) =
            least.unwrap_or((0, std::cmp::Reverse(Window::Second), 0));
        let reset = window.end(self.counted.time) - self.counted.time;
        Tightest {
            window,
            limit,
            remaining,
            reset,
        }
    }

    /// The windows with a limit, each with it and its length in seconds.
    fn windows(&self) -> impl Iterator<Item = (Window, u64, u64)> {
        let time = self.counted.time;
        let limit = |window| Some((window, self.limits.get(window)?));
        (Window::ALL.into_iter().filter_map(limit))
            .map(move |(window, limit)| (window, limit, window.end(time) - window.start(time)))
    }

    /// Kong's headers; returns what they say of the window with the least left.
    fn write(&self, out: &mut impl HeaderSink) -> Tightest {
        for window in Window::ALL {
            let Some(limit) = self.limits.get(window) else {
                continue;
            };
            let remaining = Decimal::new(self.remaining(window, limit));
            let limit = Decimal::new(limit);
            let (limit_name, remaining_name) = kong_names(window);
            out.header(limit_name, limit.bytes());
            out.header(remaining_name, remaining.bytes());
        }
        let tightest = self.tightest();
        out.header("RateLimit-Limit", Decimal::new(tightest.limit).bytes());
        let remaining = Decimal::new(tightest.remaining);
        out.header("RateLimit-Remaining", remaining.bytes());
        out.header("RateLimit-Reset", Decimal::new(tightest.reset).bytes());
        tightest
    }
}

/// Adds the trusted proxy to the chain that it sent; one that sent none names the client alone.
fn continue_chain<H: Headers>(
    head: &RequestHead<'_, H>,
    peer: IpAddr,
    client: IpAddr,
    out: &mut impl HeaderSink,
) {
    let is_chain = |name: &[u8]| name.eq_ignore_ascii_case(b"x-forwarded-for");
    let mut before = (head.headers.lines())
        .filter(|(name, value)| is_chain(name) && !value.is_empty())
        .map(|(_, value)| value)
        .peekable();
    let last = if before.peek().is_some() {
        peer
    } else {
        client
    };
    let last = address_text(last);
    out.header_list("X-Forwarded-For", before.chain([last.bytes()]));
}

fn address_text(address: IpAddr) -> Text<64> {
    let mut text = Text::default();
    match address {
        // By hand: formatting costs ten times as much, and this is asked of every request.
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            text.push(Decimal::new(first.into()).bytes());
            for octet in rest {
                text.push(b".");
                text.push(Decimal::new(octet.into()).bytes());
            }
        }
        // A `Text` takes whatever is written.
        IpAddr::V6(address) => drop(write!(text, "{address}")),
    }
    text
}

/// One of the draft's lists in the making.
struct List<'a> {
    text: &'a mut Vec<u8>,
    begins: bool,
}

impl<'a> List<'a> {
    fn of(text: &'a mut Vec<u8>) -> Self {
        Self { text, begins: true }
    }

    /// Adds an item: the policy's name and two numbers about it.
    fn item(&mut self, name: &str, one: (&[u8], u64), other: (&[u8], u64)) {
        if !std::mem::take(&mut self.begins) {
            self.text.extend_from_slice(b", ");
        }
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.push(b'"');
        for (part, number) in [one, other] {
            self.text.extend_from_slice(part);
            self.text.extend_from_slice(Decimal::new(number).bytes());
        }
    }
}

fn kong_names(window: Window) -> (&'static str, &'static str) {
    match window {
        Window::Second => ("X-RateLimit-Limit-Second", "X-RateLimit-Remaining-Second"),
        Window::Minute => ("X-RateLimit-Limit-Minute", "X-RateLimit-Remaining-Minute"),
        Window::Hour => ("X-RateLimit-Limit-Hour", "X-RateLimit-Remaining-Hour"),
        Window::Day => ("X-RateLimit-Limit-Day", "X-RateLimit-Remaining-Day"),
        Window::Month => ("X-RateLimit-Limit-Month", "X-RateLimit-Remaining-Month"),
        Window::Year => ("X-RateLimit-Limit-Year", "X-RateLimit-Remaining-Year"),
    }
}

fn milliseconds(from: Now, to: Now) -> u64 {
    to.mono.saturating_sub(from.mono) / 1000
}

/// Whether a header's name is this one, given in lower case and with dashes.
fn is_named(name: &[u8], own: &[u8]) -> bool {
    name.len() == own.len() && begins(name, own)
}

fn begins(name: &[u8], own: &[u8]) -> bool {
    name.len() >= own.len() && std::iter::zip(name, own).all(|(byte, own)| plain(*byte) == *own)
}

fn plain(byte: u8) -> u8 {
    if byte == b'_' {
        b'-'
    } else {
        byte.to_ascii_lowercase()
    }
}
