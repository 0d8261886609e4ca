//! The heads that the gateway writes: the request's to the upstream, the answer's to the client.

use std::rc::Rc;

use super::framing::BodyLength;
use super::head::{Field, HeaderLine};
use super::request_head::RequestHead;
use super::response_head::ResponseHead;
use crate::phases::{self, Exchange, Headers, UpstreamTimes, Version};

/// A head's lines as the phases read them.
#[derive(Debug, Clone, Copy)]
pub struct Lines<'a> {
    head: &'a [u8],
    lines: &'a [HeaderLine],
}

impl Headers for Lines<'_> {
    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines
            .iter()
            .map(|line| (line.name.of_head(self.head), line.value.of_head(self.head)))
    }
}

/// Where a request came from.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The client.
    pub client: std::net::SocketAddr,
    /// The port it called.
    pub port: u16,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The name that it asked for in its TLS handshake (SNI), in lower case.
    pub server_name: Option<Rc<str>>,
    /// Whether it speaks HTTP/2.
    pub http2: bool,
}

/// The request as the phases see it.
#[must_use]
pub fn view<'a>(
    request: &'a RequestHead,
    head: &'a [u8],
    peer: &'a Peer,
) -> phases::RequestHead<'a, Lines<'a>> {
    phases::RequestHead {
        method: request.method.of_head(head),
        path: request.path.of_head(head),
        query: request.query.map(|query| query.of_head(head)),
        host: request.host.map(|host| host.of_head(head)),
        headers: Lines {
            head,
            lines: &request.lines,
        },
        version: if peer.http2 {
            Version::Http2
        } else {
            Version::minor(request.minor_version)
        },
        client: peer.client,
        tls: peer.tls,
        server_name: peer.server_name.as_deref(),
        port: peer.port,
    }
}

/// Writes the request's head for the upstream: end-to-end lines as they came, framing of our own.
pub fn write_request(
    request: &RequestHead,
    head: &[u8],
    peer: &Peer,
    exchange: &Exchange,
    out: &mut Vec<u8>,
) {
    let view = view(request, head, peer);
    out.extend_from_slice(view.method);
    out.push(b' ');
    exchange.write_target(&view, out);
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    exchange.write_host(&view, out);
    out.extend_from_slice(b"\r\n");
    let mut states_length = false;
    let mut lines = Run::of(head);
    for line in &request.lines {
        let name = line.name.of_head(head);
        match line.field {
            Field::EndToEnd if exchange.forwards(name) => lines.push(line, out),
            Field::ContentLength => states_length = true,
            _ => {}
        }
    }
    lines.end(out);
    // Trailers are passed on, so what the client said of them holds on this hop too; and so is an upgrade.
    match (request.accepts_trailers, request.upgrade) {
        (false, None) => {}
        (true, None) => out.extend_from_slice(b"TE: trailers\r\nConnection: TE\r\n"),
        (trailers, Some(protocol)) => {
            out.extend_from_slice(if trailers {
                b"TE: trailers\r\nConnection: TE, Upgrade\r\n"
            } else {
                b"Connection: Upgrade\r\n"
            });
            push_line(out, b"Upgrade", protocol.of_head(head));
        }
    }
    match request.body {
        BodyLength::Empty if states_length => out.extend_from_slice(b"Content-Length: 0\r\n"),
        BodyLength::Empty | BodyLength::UntilClose => {}
        BodyLength::Exact(length) => push_length(out, length),
        BodyLength::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    exchange.upstream_headers(&view, out);
    out.extend_from_slice(b"\r\n");
}

/// How an answer's body goes to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// In chunks.
    pub chunked: bool,
    /// The connection can serve another request.
    pub keep: bool,
}

/// Chooses how to send a body of `length` to who asked with `request`.
#[must_use]
pub fn delivery(request: &RequestHead, length: BodyLength, draining: bool) -> Delivery {
    let unknown = matches!(length, BodyLength::Chunked | BodyLength::UntilClose);
    let chunked = unknown && request.minor_version == 1;
    Delivery {
        chunked,
        keep: request.keep_alive && !draining && (!unknown || chunked),
    }
}

/// Writes the answer's head for the client, up to [`end_head`].
pub fn write_response(
    response: &ResponseHead,
    head: &[u8],
    delivery: Delivery,
    exchange: &Exchange,
    times: &UpstreamTimes,
    out: &mut Vec<u8>,
) {
    status_line(out, response.status, response.reason.of_head(head));
    let mut lines = Run::of(head);
    for line in &response.lines {
        let name = line.name.of_head(head);
        if matches!(line.field, Field::EndToEnd | Field::Date) && exchange.returns(name) {
            lines.push(line, out);
        }
    }
    lines.end(out);
    if delivery.chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    } else if let Some(length) = response.content_length
        && response.status != 204
    {
        push_length(out, length);
    }
    exchange.response_headers(times, Version::minor(response.minor_version), out);
}

/// Writes the head of a 101 for the client, but for its end and its date.
pub fn write_switch(
    response: &ResponseHead,
    head: &[u8],
    exchange: &Exchange,
    times: &UpstreamTimes,
    out: &mut Vec<u8>,
) {
    let delivery = Delivery {
        chunked: false,
        keep: true,
    };
    write_response(response, head, delivery, exchange, times, out);
    if let Some(protocol) = response.upgrade {
        out.extend_from_slice(b"Connection: Upgrade\r\n");
        push_line(out, b"Upgrade", protocol.of_head(head));
    }
}

/// Writes an interim (1xx) head: its lines, without what is about this hop.
pub fn write_interim(response: &ResponseHead, head: &[u8], out: &mut Vec<u8>) {
    status_line(out, response.status, response.reason.of_head(head));
    for line in &response.lines {
        if line.field == Field::EndToEnd {
            push_line(out, line.name.of_head(head), line.value.of_head(head));
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Says what becomes of the connection where that isn't understood, and ends the head.
pub fn end_head(out: &mut Vec<u8>, request: &RequestHead, keep: bool) {
    if !keep {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if request.minor_version == 0 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// `HTTP/1.1 200 OK`: always our version, whatever the upstream's.
pub fn status_line(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Lines that are passed on: neighbours that stand in the head as we would write them are copied as one.
struct Run<'a> {
    head: &'a [u8],
    begin: usize,
    /// After the last line's value; no run has begun where it is 0.
    end: usize,
}

impl<'a> Run<'a> {
    fn of(head: &'a [u8]) -> Self {
        let (begin, end) = (0, 0);
        Self { head, begin, end }
    }

    fn push(&mut self, line: &HeaderLine, out: &mut Vec<u8>) {
        let (name, value) = (line.name.range(), line.value.range());
        // An empty value's place says nothing.
        let between = self.head.get(name.end..value.start);
        if between != Some(b": ") || value.is_empty() {
            self.end(out);
            push_line(
                out,
                line.name.of_head(self.head),
                line.value.of_head(self.head),
            );
            return;
        }
        // Every line of a head ends in CR LF, so two bytes can't be anything else.
        if self.end == 0 || self.end + 2 != name.start {
            self.end(out);
            self.begin = name.start;
        }
        self.end = value.end;
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.end > 0 {
            out.extend_from_slice(self.head.get(self.begin..self.end).unwrap_or_default());
            out.extend_from_slice(b"\r\n");
            self.end = 0;
        }
    }
}

/// A `Date` line.
pub fn push_date(out: &mut Vec<u8>, date: &[u8]) {
    push_line(out, b"Date", date);
}

/// A `Content-Length` line.
pub fn push_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    push_decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn push_decimal(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b"0123456789"[(rest % 10) as usize];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
