//! Heads and trailers between HTTP/2's maps and HTTP/1.1's text.
//!
//! Inside the engine there is one form of heads, text, and one strict parser for it. A request of HTTP/2 is written
//! out as text before anything judges it, so whatever a downgrade could smuggle has to get past that parser too;
//! what text can't say, or would say differently, is refused here.

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request, Response, StatusCode, request, response};

use crate::phases::grpc;
use crate::proxy::head::HeadFault;

/// How a message's body is written in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// There is none.
    None,
    /// So many bytes.
    Exact(u64),
    /// Chunks.
    Chunked,
}

/// Writes the head of a request; `ended` where nothing follows it.
///
/// # Errors
/// [`HeadFault`] for what HTTP/2 forbids or HTTP/1.1 can't say. What HTTP/1.1 forbids is left to its parser.
pub fn write_request(
    parts: &request::Parts,
    ended: bool,
    out: &mut Vec<u8>,
) -> Result<Form, HeadFault> {
    let target = target(parts)?;
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    line(out, b"host", authority(parts)?);
    for (name, value) in &parts.headers {
        if *name == HOST || *name == COOKIE {
            continue;
        }
        check_field(name, value)?;
        line(out, name.as_str().as_bytes(), value.as_bytes());
    }
    write_cookies(&parts.headers, out)?;
    let form = if ended {
        Form::None
    } else if let Some(length) = content_length(&parts.headers)? {
        Form::Exact(length)
    } else {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        Form::Chunked
    };
    out.extend_from_slice(b"\r\n");
    Ok(form)
}

/// The path and query. An absolute target would overrule the authority that was checked.
fn target(parts: &request::Parts) -> Result<&str, HeadFault> {
    if parts.method == Method::CONNECT {
        return Err(HeadFault::Method);
    }
    match parts.uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(HeadFault::Malformed("a scheme that isn't spoken here")),
    }
    let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let local = target.starts_with('/') || (target == "*" && parts.method == Method::OPTIONS);
    let plain = |byte: u8| matches!(byte, 0x21..=0x7e | 0x80..);
    if !local || !target.bytes().all(plain) {
        return Err(HeadFault::Malformed(":path is not a path"));
    }
    Ok(target)
}

/// The authority: `:authority`, or `Host` where a client of HTTP/1.1 was translated. They may not disagree.
fn authority(parts: &request::Parts) -> Result<&[u8], HeadFault> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(HeadFault::Malformed("Host twice"));
    }
    let authority = parts
        .uri
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    match (authority, host) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            Err(HeadFault::Malformed("Host is not :authority"))
        }
        (Some(authority), _) => Ok(authority),
        (None, Some(host)) => Ok(host),
        (None, None) => Err(HeadFault::Malformed("no :authority")),
    }
}

/// One field of a request.
fn check_field(name: &HeaderName, value: &HeaderValue) -> Result<(), HeadFault> {
    if is_of_connection(name) {
        return Err(HeadFault::Malformed("a field that is about a connection"));
    }
    if *name == TE && !value.as_bytes().eq_ignore_ascii_case(b"trailers") {
        return Err(HeadFault::Malformed("TE is not trailers"));
    }
    check_value(value.as_bytes())
}

/// What text would silently trim, or wrap onto lines of its own.
fn check_value(value: &[u8]) -> Result<(), HeadFault> {
    let trimmed = value.trim_ascii().len() == value.len();
    let plain = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    if !trimmed || !value.iter().all(plain) {
        return Err(HeadFault::Malformed("a bad header value"));
    }
    Ok(())
}

/// Fields that HTTP/2 has no use for, and forbids.
fn is_of_connection(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// Crumbs become one line again: HTTP/1.1 knows one only.
fn write_cookies(headers: &HeaderMap, out: &mut Vec<u8>) -> Result<(), HeadFault> {
    let mut joint: &[u8] = b"cookie: ";
    for crumb in headers.get_all(COOKIE) {
        check_value(crumb.as_bytes())?;
        out.extend_from_slice(joint);
        out.extend_from_slice(crumb.as_bytes());
        joint = b"; ";
    }
    if joint == b"; " {
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}

/// The stated length. Stated twice it is left to the parser, which refuses that.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, HeadFault> {
    headers.get(CONTENT_LENGTH).map(length).transpose()
}

fn length(value: &HeaderValue) -> Result<u64, HeadFault> {
    crate::proxy::head::content_length(value.as_bytes())
}

/// Writes an upstream's head; `ended` where nothing follows it, `to_head` in answer to HEAD.
///
/// # Errors
/// [`HeadFault`] where the length isn't one.
pub fn write_response(
    parts: &response::Parts,
    ended: bool,
    to_head: bool,
    out: &mut Vec<u8>,
) -> Result<Form, HeadFault> {
    let status = parts.status;
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    let bodiless =
        to_head || status.is_informational() || matches!(status.as_u16(), 204 | 205 | 304);
    // In text a stated length leaves no place for trailers, in which a call of gRPC says how it ended. That as many
    // bytes come is h2's to see to.
    let has_trailers = !bodiless && !ended && is_grpc(&parts.headers);
    for (name, value) in &parts.headers {
        let is_ours = is_of_connection(name) || (has_trailers && *name == CONTENT_LENGTH);
        if !is_ours {
            line(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    let stated = content_length(&parts.headers)?.filter(|_| !has_trailers);
    let form = match (ended, stated) {
        _ if bodiless => Form::None,
        (true, Some(_)) => Form::None,
        (true, None) => {
            out.extend_from_slice(b"content-length: 0\r\n");
            Form::None
        }
        (false, Some(length)) => Form::Exact(length),
        (false, None) => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Form::Chunked
        }
    };
    // The stream ends with its exchange: there is nothing for the pool to keep.
    out.extend_from_slice(b"connection: close\r\n\r\n");
    Ok(form)
}

fn is_grpc(headers: &HeaderMap) -> bool {
    (headers.get(CONTENT_TYPE)).is_some_and(|value| grpc::is_grpc_type(value.as_bytes()))
}

/// Reads the head of an answer that the engine wrote.
///
/// # Errors
/// [`HeadFault`] where HTTP/2 can't carry it.
pub fn read_response(text: &[u8], to_head: bool) -> Result<(Response<()>, Form), HeadFault> {
    let mut lines = Lines(text);
    let first = lines.next().unwrap_or_default();
    let status = first
        .get(9..12)
        .and_then(|code| StatusCode::from_bytes(code).ok());
    let status = status.ok_or(HeadFault::Malformed("a bad status"))?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    let (headers, stated) = read_fields(lines)?;
    *response.headers_mut() = headers;
    let bodiless = to_head || status.is_informational() || matches!(status.as_u16(), 204 | 304);
    let form = if bodiless { Form::None } else { stated };
    if form == Form::Exact(0) {
        // gRPC's "trailers-only" is a head that is trailers too, and trailers have no length.
        if response.headers().contains_key("grpc-status") {
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        return Ok((response, Form::None));
    }
    Ok((response, form))
}

/// Reads the head of a request that the engine wrote, to be sent over a connection of `scheme`.
///
/// # Errors
/// [`HeadFault`] where HTTP/2 can't carry it.
pub fn read_request(text: &[u8], scheme: &Scheme) -> Result<(Request<()>, Form), HeadFault> {
    const BAD: HeadFault = HeadFault::Malformed("a bad first line");
    let mut lines = Lines(text);
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(|byte| *byte == b' ');
    let (method, target) = words.next().zip(words.next()).ok_or(BAD)?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method).map_err(|_| BAD)?;
    *request.version_mut() = http::Version::HTTP_2;
    let (mut headers, form) = read_fields(lines)?;
    let host = headers
        .remove(HOST)
        .ok_or(HeadFault::Malformed("no Host"))?;
    let authority = Authority::try_from(host.as_bytes());
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(scheme.clone());
    uri.authority = Some(authority.map_err(|_| HeadFault::Malformed("a bad Host"))?);
    uri.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| BAD)?);
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| BAD)?;
    *request.headers_mut() = headers;
    let form = match form {
        Form::Exact(0) => Form::None,
        form => form,
    };
    Ok((request, form))
}

/// The fields of a head, without those of a connection; and what they say of the body.
fn read_fields(lines: Lines<'_>) -> Result<(HeaderMap, Form), HeadFault> {
    let mut headers = HeaderMap::new();
    let mut form = Form::None;
    for text in lines {
        let (name, value) = read_field(text)?;
        let passes = name != TE || value.as_bytes().eq_ignore_ascii_case(b"trailers");
        if name == TRANSFER_ENCODING {
            form = Form::Chunked;
        } else if passes && !is_of_connection(&name) {
            if name == CONTENT_LENGTH {
                form = Form::Exact(length(&value)?);
            }
            headers.append(name, value);
        }
    }
    Ok((headers, form))
}

fn read_field(text: &[u8]) -> Result<(HeaderName, HeaderValue), HeadFault> {
    const BAD: HeadFault = HeadFault::Malformed("a bad header line");
    let colon = memchr::memchr(b':', text).ok_or(BAD)?;
    let name = HeaderName::from_bytes(&text[..colon]).map_err(|_| BAD)?;
    let value = HeaderValue::from_bytes(text[colon + 1..].trim_ascii()).map_err(|_| BAD)?;
    Ok((name, value))
}

/// Trailer lines, each with its CRLF, as a map. Lines that can't stand in one are left out.
#[must_use]
pub fn read_trailers(text: &[u8]) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    for (name, value) in Lines(text).filter_map(|line| read_field(line).ok()) {
        if !is_of_connection(&name) {
            trailers.append(name, value);
        }
    }
    trailers
}

/// Writes trailer lines, each with its CRLF.
pub fn write_trailers(trailers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in trailers {
        line(out, name.as_str().as_bytes(), value.as_bytes());
    }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Lines that end with CRLF, up to an empty one.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memmem::find(self.0, b"\r\n")?;
        let line = &self.0[..end];
        self.0 = &self.0[end + 2..];
        (!line.is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::request_head::RequestHead;

    fn parts(builder: request::Builder) -> request::Parts {
        builder.body(()).unwrap().into_parts().0
    }

    fn written(builder: request::Builder, ended: bool) -> Result<(String, Form), HeadFault> {
        let mut out = Vec::new();
        let form = write_request(&parts(builder), ended, &mut out)?;
        Ok((String::from_utf8(out).unwrap(), form))
    }

    #[test]
    fn a_request_becomes_text_that_the_parser_takes() {
        let request = Request::post("https://api.example:8443/a%2fb?q=1")
            .header("cookie", "a=1")
            .header("x-one", "1")
            .header("cookie", "b=2")
            .header("te", "trailers");
        let (text, form) = written(request, false).unwrap();
        assert_eq!(
            text,
            "POST /a%2fb?q=1 HTTP/1.1\r\nhost: api.example:8443\r\nx-one: 1\r\nte: trailers\r\n\
             cookie: a=1; b=2\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        assert_eq!(form, Form::Chunked);
        let mut head = RequestHead::default();
        head.parse(text.as_bytes()).unwrap();
        assert!(head.accepts_trailers);
    }

    #[test]
    fn the_body_is_announced_by_what_follows() {
        let get = || Request::get("http://a/");
        assert_eq!(written(get(), true).unwrap().1, Form::None);
        let stated = get().header("content-length", "7");
        assert_eq!(written(stated, false).unwrap().1, Form::Exact(7));
    }

    #[test]
    fn what_a_downgrade_could_smuggle_is_refused() {
        let get = || Request::get("http://api.example/");
        let refused = [
            get().header("host", "other.example"),
            get()
                .header("host", "api.example")
                .header("host", "api.example"),
            get().header("connection", "x-internal"),
            get().header("transfer-encoding", "chunked"),
            get().header("upgrade", "websocket"),
            get().header("keep-alive", "1"),
            get().header("proxy-connection", "close"),
            get().header("te", "trailers, gzip"),
            get().header("x-space", " led"),
            get().header("x-space", "trailed\t"),
            get().header("content-length", "+1"),
            Request::get("/no-authority"),
            Request::get("ftp://api.example/"),
            Request::connect("http://api.example/"),
            Request::get("http://api.example/").uri(
                Uri::builder()
                    .scheme("http")
                    .authority("api.example")
                    .path_and_query(PathAndQuery::from_static("*"))
                    .build()
                    .unwrap(),
            ),
        ];
        for (place, request) in refused.into_iter().enumerate() {
            let refused = written(request, false);
            assert!(refused.is_err(), "{place}: {refused:?}");
        }
    }

    #[test]
    fn a_calls_answer_has_room_for_trailers_whatever_length_it_states() {
        for (content_type, form) in [
            ("application/grpc+proto", Form::Chunked),
            ("text/plain", Form::Exact(7)),
        ] {
            let answer = Response::builder()
                .header("content-type", content_type)
                .header("content-length", "7");
            let mut text = Vec::new();
            let parts = answer.body(()).unwrap().into_parts().0;
            let written = write_response(&parts, false, false, &mut text).unwrap();
            assert_eq!(written, form);
            let mut head = crate::proxy::response_head::ResponseHead::default();
            head.parse(&text, false).unwrap();
        }
    }

    #[test]
    fn host_stands_in_for_a_missing_authority() {
        let request = Request::get("/").header("host", "api.example");
        let mut request = parts(request);
        request.uri = {
            let mut uri = http::uri::Parts::default();
            uri.path_and_query = Some(PathAndQuery::from_static("/"));
            Uri::from_parts(uri).unwrap()
        };
        // Without authority the crate keeps no scheme either, so this comes from h2 alone; the host is what counts.
        assert_eq!(authority(&request).unwrap(), b"api.example");
    }

    #[test]
    fn an_answer_goes_both_ways() {
        let text =
            b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConnection: close\r\nX-A: 1\r\nX-A: 2\r\n\
                     Transfer-Encoding: chunked\r\n\r\n";
        let (response, form) = read_response(text, false).unwrap();
        assert_eq!((response.status().as_u16(), form), (200, Form::Chunked));
        assert_eq!(response.headers().get_all("x-a").iter().count(), 2);
        assert_eq!(response.headers().len(), 3);
        let mut out = Vec::new();
        let parts = response.into_parts().0;
        assert_eq!(
            write_response(&parts, true, false, &mut out).unwrap(),
            Form::None
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 200 OK\r\ncontent-type: a/b\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n"
        );
    }

    #[test]
    fn answers_without_a_body_announce_none() {
        for (text, to_head) in [
            ("HTTP/1.1 204 \r\n\r\n", false),
            ("HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", false),
            ("HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n", true),
            ("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false),
        ] {
            let (_, form) = read_response(text.as_bytes(), to_head).unwrap();
            assert_eq!(form, Form::None, "{text}");
        }
        let only = b"HTTP/1.1 200 \r\ngrpc-status: 5\r\nContent-Length: 0\r\n\r\n";
        let (response, form) = read_response(only, false).unwrap();
        assert_eq!((response.headers().len(), form), (1, Form::None));
    }

    #[test]
    fn a_request_for_an_upstream_is_read() {
        let text = b"POST /echo.Echo/Unary?a=b HTTP/1.1\r\nHost: up:50051\r\nTE: trailers\r\n\
                     Connection: TE\r\nTransfer-Encoding: chunked\r\nVia: 1.1 tollway\r\n\r\n";
        let (request, form) = read_request(text, &Scheme::HTTP).unwrap();
        assert_eq!(request.uri(), "http://up:50051/echo.Echo/Unary?a=b");
        assert_eq!((request.method(), form), (&Method::POST, Form::Chunked));
        let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["te", "via"]);
    }

    #[test]
    fn trailers_go_both_ways() {
        let trailers = read_trailers(b"grpc-status: 0\r\nx-b-bin: AA==\r\nConnection: x\r\n");
        let mut out = Vec::new();
        write_trailers(&trailers, &mut out);
        assert_eq!(out, b"grpc-status: 0\r\nx-b-bin: AA==\r\n");
    }
}
