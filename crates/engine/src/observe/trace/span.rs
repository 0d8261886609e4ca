//! An exchange as spans, in OTLP's JSON, with the attributes that OpenTelemetry's conventions for HTTP have.
//!
//! Each is followed by a comma: the exporter takes the last one away.

use std::fmt::Write as _;

use super::Spans;
use super::context::digits;
use crate::observe::entry::{End, Entry};
use crate::observe::text::{Plain, push_address, quoted};
use crate::proxy::dial::Address;
use crate::usage_log::{Completion, Id};
use crate::uuid::hex_text;

/// No two spans of one exchange are longer.
pub(super) const MOST: usize = 12 * 1024;

/// The methods that the conventions know: another may be anything that a client makes up.
const METHODS: [&[u8]; 9] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT",
];

#[derive(Clone, Copy)]
enum Kind {
    Server = 2,
    Client = 3,
}

/// The request as the gateway served it. `target` is free of secrets.
pub(super) fn server(
    entry: &Entry<'_>,
    trace: Id,
    spans: &Spans,
    target: (&[u8], Option<&[u8]>),
    out: &mut Vec<u8>,
) {
    let begin = entry.began.wall;
    open(out, trace, spans.server, spans.parent);
    name(entry, entry.route(), out);
    times(
        out,
        Kind::Server,
        begin,
        begin.saturating_add(entry.whole_us),
    );
    let mut attributes = Attributes::of(out);
    method(entry, &mut attributes);
    if entry.request.version().is_some() {
        attributes.text("url.path", target.0, 1000);
        if let Some(query) = target.1 {
            attributes.text("url.query", query, 800);
        }
        let tls = entry.request.tls();
        attributes.text("url.scheme", if tls { b"https" } else { b"http" }, 8);
    }
    if let Some(version) = entry.request.version() {
        let version = version.trim_start_matches("HTTP/").trim_end_matches("2.0");
        let version = if version.is_empty() { "2" } else { version };
        attributes.text("network.protocol.version", version.as_bytes(), 8);
    }
    if let Some(client) = entry.client {
        attributes.name("client.address");
        attributes.out.extend_from_slice(b"{\"stringValue\":\"");
        push_address(attributes.out, client);
        attributes.out.extend_from_slice(b"\"}}");
    }
    if let Some(agent) = entry.request.agent() {
        attributes.text("user_agent.original", agent, 300);
    }
    attributes.number("http.request.body.size", entry.bytes_in);
    attributes.number("http.response.body.size", entry.bytes_out);
    attributes.text("tollway.request_id", &hex_text(entry.request_id), 40);
    attributes.text("tollway.ended", entry.end.name().as_bytes(), 40);
    for (key, value) in [
        ("tollway.service", entry.service()),
        ("tollway.route", entry.route()),
    ] {
        if let Some(value) = value {
            attributes.text(key, value.as_bytes(), 128);
        }
    }
    if let Some(consumer) = entry.consumer {
        attributes.text("tollway.consumer.id", &consumer.id.text(), 40);
    }
    outcome(entry, 500, attributes);
}

/// The request as an upstream was asked. `path` is the one that it was asked for, free of secrets.
pub(super) fn client(entry: &Entry<'_>, trace: Id, spans: &Spans, path: &[u8], out: &mut Vec<u8>) {
    let begin = entry.began.wall;
    open(out, trace, spans.client, Some(spans.server));
    name(entry, None, out);
    let asked = begin.saturating_add(entry.own_us);
    times(
        out,
        Kind::Client,
        asked,
        begin.saturating_add(entry.whole_us),
    );
    let mut attributes = Attributes::of(out);
    method(entry, &mut attributes);
    if let Some(upstream) = entry.route.and_then(|route| route.upstream.as_ref()) {
        let scheme = if upstream.tls.is_some() {
            "https"
        } else {
            "http"
        };
        attributes.name("url.full");
        attributes.out.extend_from_slice(b"{\"stringValue\":");
        // The parts are bounded each; that they are one string is made up for here.
        let _ = write!(Plain(attributes.out), "\"{scheme}://");
        let authority = upstream.authority.as_bytes();
        attributes.joined(authority, 300);
        attributes.joined(path, 1000);
        attributes.out.extend_from_slice(b"\"}}");
        attributes.text("server.address", upstream.host.as_bytes(), 300);
        attributes.number("server.port", upstream.port.into());
    }
    match entry.upstream {
        Some(Address::Tcp(address)) => {
            attributes.name("network.peer.address");
            attributes.out.extend_from_slice(b"{\"stringValue\":\"");
            push_address(attributes.out, address.ip());
            attributes.out.extend_from_slice(b"\"}}");
            attributes.number("network.peer.port", address.port().into());
        }
        Some(Address::Unix(path)) => {
            let path = path.as_os_str().as_encoded_bytes();
            attributes.text("network.peer.address", path, 128);
        }
        None => {}
    }
    if entry.attempts > 1 {
        attributes.number("http.request.resend_count", u64::from(entry.attempts) - 1);
    }
    outcome(entry, 400, attributes);
}

fn open(out: &mut Vec<u8>, trace: Id, span: [u8; 8], parent: Option<[u8; 8]>) {
    out.extend_from_slice(b"{\"traceId\":\"");
    out.extend_from_slice(&hex_text(&trace));
    out.extend_from_slice(b"\",\"spanId\":\"");
    out.extend_from_slice(&digits(span));
    if let Some(parent) = parent {
        out.extend_from_slice(b"\",\"parentSpanId\":\"");
        out.extend_from_slice(&digits(parent));
    }
    out.extend_from_slice(b"\",\"name\":");
}

fn known_method<'a>(entry: &'a Entry<'_>) -> Option<&'a [u8]> {
    let method = entry.request.method();
    METHODS.contains(&method).then_some(method)
}

/// The method, and the route: few, whatever clients ask for.
fn name(entry: &Entry<'_>, route: Option<&str>, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(known_method(entry).unwrap_or(b"HTTP"));
    if let Some(route) = route {
        out.push(b' ');
        let begin = out.len();
        quoted(out, route.as_bytes(), 128);
        out.remove(begin);
    } else {
        out.push(b'"');
    }
}

/// µs since 1970.
fn times(out: &mut Vec<u8>, kind: Kind, begin: u64, end: u64) {
    let kind = kind as u8;
    let _ = write!(
        Plain(out),
        ",\"kind\":{kind},\"startTimeUnixNano\":\"{begin}000\",\"endTimeUnixNano\":\"{end}000\""
    );
}

fn method(entry: &Entry<'_>, attributes: &mut Attributes<'_>) {
    let Some(known) = known_method(entry) else {
        attributes.text("http.request.method", b"_OTHER", 16);
        if entry.request.version().is_some() {
            let original = entry.request.method();
            attributes.text("http.request.method_original", original, 40);
        }
        return;
    };
    attributes.text("http.request.method", known, 16);
}

/// The status, and whether it went wrong: from the status `wrong` on, or without an answer, or broken off.
fn outcome(entry: &Entry<'_>, wrong: u16, mut attributes: Attributes<'_>) {
    let answered = entry.end != End::Abandoned;
    // To the upstream's span, an answer of the gateway's own is no answer.
    let own_answer = matches!(entry.end, End::Answered(_)) && wrong == 400;
    if answered && !own_answer {
        attributes.number("http.response.status_code", entry.status.into());
    }
    if let Some(status) = entry.grpc_status
        && !own_answer
    {
        attributes.number("rpc.grpc.status_code", status.into());
    }
    let fault = match entry.end {
        End::Answered(kind) if own_answer || entry.status >= wrong => Some(kind.name()),
        End::Forwarded(Completion::UpstreamAbort) => Some("upstream_abort"),
        _ => None,
    };
    if let Some(fault) = fault {
        attributes.text("error.type", fault.as_bytes(), 40);
    } else if answered && entry.status >= wrong {
        attributes.name("error.type");
        let _ = write!(
            Plain(attributes.out),
            "{{\"stringValue\":\"{}\"}}}}",
            entry.status
        );
    }
    let is_error = fault.is_some() || (answered && entry.status >= wrong);
    attributes.end(is_error);
}

/// A span's attributes in the making.
struct Attributes<'a> {
    out: &'a mut Vec<u8>,
    begins: bool,
}

impl<'a> Attributes<'a> {
    fn of(out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(b",\"attributes\":[");
        Self { out, begins: true }
    }

    fn name(&mut self, key: &str) {
        if !std::mem::take(&mut self.begins) {
            self.out.push(b',');
        }
        let _ = write!(Plain(self.out), "{{\"key\":\"{key}\",\"value\":");
    }

    fn text(&mut self, key: &str, value: &[u8], most: usize) {
        self.name(key);
        self.out.extend_from_slice(b"{\"stringValue\":");
        quoted(self.out, value, most);
        self.out.extend_from_slice(b"}}");
    }

    /// Goes on with a string that is open, and leaves it open.
    fn joined(&mut self, value: &[u8], most: usize) {
        let begin = self.out.len();
        quoted(self.out, value, most);
        self.out.remove(begin);
        self.out.pop();
    }

    fn number(&mut self, key: &str, value: u64) {
        self.name(key);
        let _ = write!(Plain(self.out), "{{\"intValue\":\"{value}\"}}}}");
    }

    fn end(self, is_error: bool) {
        let status: &[u8] = if is_error {
            b"],\"status\":{\"code\":2}},"
        } else {
            b"]},"
        };
        self.out.extend_from_slice(status);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::observe::entry::Noted;
    use crate::phases::{AnswerKind, Now, RequestHead, Version};

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_breaks_a_span(
            method in prop::collection::vec(any::<u8>(), 0..60),
            path in prop::collection::vec(any::<u8>(), 0..3000),
            query in prop::option::of(prop::collection::vec(any::<u8>(), 0..3000)),
            agent in prop::collection::vec(any::<u8>(), 0..600),
            status in 100..600_u16,
        ) {
            let headers = [(&b"User-Agent"[..], &agent[..])];
            let mut noted = Noted::default();
            noted.take(&RequestHead {
                method: &method,
                path: &path,
                query: query.as_deref(),
                host: None,
                headers: &headers[..],
                version: Version::Http2,
                client: ([192, 0, 2, 7], 4000).into(),
                tls: true,
                server_name: None,
                port: 8000,
            });
            let place = Address::Unix(std::path::Path::new("/a\"b").into());
            let entry = Entry {
                began: Now { mono: 7, wall: 1_709_210_096_000_123 },
                request_id: &[0xab; 16],
                trace: None,
                request: &noted,
                client: Some([192, 0, 2, 7].into()),
                consumer: None,
                config: None,
                route: None,
                path: (&path, None),
                status,
                grpc_status: None,
                bytes_in: 0,
                bytes_out: 48,
                whole_us: 1234,
                upstream_us: Some(1000),
                own_us: 234,
                upstream: Some(&place),
                attempts: 2,
                end: End::Answered(AnswerKind::UpstreamTimeout),
            };
            let spans = Spans { parent: None, server: [1; 8], client: [2; 8], sampled: true };
            let mut out = b"[".to_vec();
            server(&entry, [3; 16], &spans, (noted.path(), noted.query()), &mut out);
            client(&entry, [3; 16], &spans, noted.path(), &mut out);
            prop_assert!(out.len() <= MOST);
            out.pop();
            out.push(b']');
            let read: Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(&read[0]["endTimeUnixNano"], "1709210096001357000");
            prop_assert_eq!(&read[1]["startTimeUnixNano"], "1709210096000357000");
            prop_assert_eq!(&read[1]["parentSpanId"], "0101010101010101");
            prop_assert_eq!(&read[1]["status"]["code"], 2);
            let mut joined = b"\"http://".to_vec();
            let mut attributes = Attributes { out: &mut joined, begins: true };
            attributes.joined(&path, 1000);
            attributes.joined(&agent, 300);
            joined.push(b'"');
            prop_assert!(serde_json::from_slice::<String>(&joined).unwrap().starts_with("http://"));
        }
    }
}
