//! A request's head: parsed by httparse, then held to stricter rules than it has.

use std::mem::MaybeUninit;

use super::framing::BodyLength;
use super::head::{
    ConnectionOptions, Field, HeadFault, HeaderLine, Span, apply_connection, classify_in_either,
    collect, fault, framing_headers, upgrade_protocol,
};

/// More lines than this are refused before any configured limit applies.
pub const MOST_HEADERS: usize = 256;

/// A parsed request head. Reused from request to request: parsing allocates nothing once warm.
#[derive(Debug, Default)]
pub struct RequestHead {
    /// The method as it was written.
    pub method: Span,
    /// The path, still percent-encoded, without the query; starts with `/`, or is `*`.
    pub path: Span,
    /// The query without its `?`; none where there is no `?`.
    pub query: Option<Span>,
    /// The authority asked for: `Host`, or that of an absolute target, which overrules it. None in HTTP/1.0 alone.
    pub host: Option<Span>,
    /// The `x` of HTTP/1.x.
    pub minor_version: u8,
    /// How long the body is.
    pub body: BodyLength,
    /// The client wants the connection kept.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// The client can read trailers.
    pub accepts_trailers: bool,
    /// The protocol that the client would rather speak.
    pub upgrade: Option<Span>,
    /// Every header line.
    pub lines: Vec<HeaderLine>,
}

impl RequestHead {
    /// Parses `head`, which is whole: it ends with the empty line.
    ///
    /// # Errors
    /// [`HeadFault`] for whatever is not plain HTTP/1.0 or 1.1, or could be read in two ways.
    pub fn parse(&mut self, head: &[u8]) -> Result<(), HeadFault> {
        let mut storage = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed
            .parse_with_uninit_headers(head, &mut storage)
            .map_err(fault)?;
        let (Some(method), Some(target), Some(minor_version)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(HeadFault::Malformed("an unfinished head"));
        };
        if !matches!(status, httparse::Status::Complete(length) if length == head.len()) {
            return Err(HeadFault::Malformed("an unfinished head"));
        }
        collect(head, parsed.headers, classify, &mut self.lines);
        self.minor_version = minor_version;
        self.method = Span::of(head, method.as_bytes());
        let authority = self.read_target(head, method.as_bytes(), target.as_bytes())?;
        self.read_host(head, authority)?;
        let framing = framing_headers(head, &self.lines, minor_version)?;
        self.body = match (framing.chunked, framing.content_length) {
            (true, _) => BodyLength::Chunked,
            (false, None | Some(0)) => BodyLength::Empty,
            (false, Some(length)) => BodyLength::Exact(length),
        };
        let ConnectionOptions {
            close,
            keep_alive,
            upgrade,
        } = apply_connection(head, &mut self.lines);
        let may_upgrade = upgrade && minor_version == 1 && self.body == BodyLength::Empty;
        self.upgrade = may_upgrade
            .then(|| upgrade_protocol(head, &self.lines))
            .flatten();
        self.keep_alive = !close && (minor_version == 1 || keep_alive);
        self.read_expectations(head)
    }

    /// As if nothing had been parsed: for an answer to what is no request, after which the connection ends.
    pub fn forget(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        *self = Self {
            minor_version: 1,
            lines,
            ..Self::default()
        };
        self.lines.clear();
    }

    /// Splits the target into path and query; returns the authority of an absolute one.
    fn read_target<'a>(
        &mut self,
        head: &[u8],
        method: &[u8],
        target: &'a [u8],
    ) -> Result<Option<&'a [u8]>, HeadFault> {
        if method == b"CONNECT" || method == b"TRACE" {
            return Err(HeadFault::Method);
        }
        // A fragment is the client's own business (RFC 9112, 3.2): part of the path to one reader, dropped by another.
        if !target
            .iter()
            .all(|byte| matches!(byte, 0x21..=0x22 | 0x24..=0x7e | 0x80..))
        {
            return Err(HeadFault::Malformed(
                "a control character or # in the target",
            ));
        }
        let (authority, local) = match target {
            [b'/', ..] => (None, target),
            b"*" if method == b"OPTIONS" => (None, target),
            _ => {
                let rest = after_scheme(target)
                    .ok_or(HeadFault::Malformed("a target that is not a path"))?;
                let end = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
                let (authority, local) = rest.split_at(end);
                (Some(authority), local)
            }
        };
        let mark = memchr::memchr(b'?', local).unwrap_or(local.len());
        let (path, query) = local.split_at(mark);
        if memchr::memchr(b'%', path).is_some() && path.windows(3).any(|three| three == b"%00") {
            // The path's end to whoever keeps it as a C string.
            return Err(HeadFault::Malformed("an escaped NUL in the path"));
        }
        self.path = match (path, authority) {
            (b"", Some(_)) if method == b"OPTIONS" => {
                return Err(HeadFault::Malformed(
                    "OPTIONS of an absolute target without a path",
                ));
            }
            // Its path is `/`: the scheme has one to point at.
            (b"", Some(authority)) => Span::of(head, authority).one_before(),
            _ => Span::of(head, path),
        };
        self.query = query.get(1..).map(|query| Span::of(head, query));
        Ok(authority)
    }

    fn read_host(&mut self, head: &[u8], authority: Option<&[u8]>) -> Result<(), HeadFault> {
        let mut host = None;
        for line in &self.lines {
            if line.field == Field::Host && host.replace(line.value).is_some() {
                return Err(HeadFault::Malformed("Host twice"));
            }
        }
        if host.is_none() && self.minor_version == 1 {
            return Err(HeadFault::Malformed("no Host"));
        }
        if let Some(host) = host {
            check_authority(host.of_head(head))?;
        }
        if let Some(authority) = authority {
            check_authority(authority)?;
            host = Some(Span::of(head, authority));
        }
        self.host = host;
        Ok(())
    }

    fn read_expectations(&mut self, head: &[u8]) -> Result<(), HeadFault> {
        self.expects_continue = false;
        self.accepts_trailers = false;
        for line in &self.lines {
            let value = line.value.of_head(head);
            match line.field {
                // Older clients that say it don't mean it.
                Field::Expect if self.minor_version == 0 => {}
                Field::Expect if value.eq_ignore_ascii_case(b"100-continue") => {
                    self.expects_continue = self.body != BodyLength::Empty;
                }
                Field::Expect => return Err(HeadFault::Expectation),
                Field::Te => self.accepts_trailers |= lists_trailers(value),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What follows the scheme of an absolute target: `host[:port][/path][?query]`.
fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"]
        .into_iter()
        .find_map(|scheme| {
            let (begin, rest) = target.split_at_checked(scheme.len())?;
            begin.eq_ignore_ascii_case(scheme).then_some(rest)
        })
}

/// Whether a `TE` line has `trailers` among what it lists.
fn lists_trailers(value: &[u8]) -> bool {
    let mut codings = value.split(|byte| *byte == b',');
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// `host[:port]`, nothing that a URL could hide in it, and one port at most.
fn check_authority(authority: &[u8]) -> Result<(), HeadFault> {
    const BAD: HeadFault = HeadFault::Malformed("a bad Host");
    let is_name = |byte: &u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~');
    let is_address =
        |byte: &u8| matches!(byte, b'a'..=b'f' | b'A'..=b'F' | b'0'..=b'9' | b':' | b'.');
    let (host, is_good, port) = if let [b'[', rest @ ..] = authority {
        let end = memchr::memchr(b']', rest).ok_or(BAD)?;
        (
            &rest[..end],
            rest[..end].iter().all(is_address),
            &rest[end + 1..],
        )
    } else {
        let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
        let (host, port) = authority.split_at(end);
        (host, host.iter().all(is_name), port)
    };
    let port_is_good = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if host.is_empty() || !is_good || !port_is_good {
        return Err(BAD);
    }
    Ok(())
}

fn classify(name: &[u8]) -> Field {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match name.len() {
        2 if is(b"te") => Field::Te,
        4 if is(b"host") => Field::Host,
        6 if is(b"expect") => Field::Expect,
        19 if is(b"proxy-authorization") => Field::HopByHop,
        _ => classify_in_either(name),
    }
}
