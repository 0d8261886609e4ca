//! A response's head, as an upstream sent it.

use std::mem::MaybeUninit;

use super::framing::BodyLength;
use super::head::{
    Field, FramingHeaders, HeadFault, HeaderLine, Span, apply_connection, classify_in_either,
    collect, fault, framing_headers, upgrade_protocol,
};
use super::request_head::MOST_HEADERS;
use crate::phases::grpc;

/// A parsed response head; reused like a request's.
#[derive(Debug, Default)]
pub struct ResponseHead {
    /// The status, 100 to 999.
    pub status: u16,
    /// The `x` of HTTP/1.x.
    pub minor_version: u8,
    /// The reason phrase, possibly empty.
    pub reason: Span,
    /// How long the body is.
    pub body: BodyLength,
    /// The body's length where the head states one, also where no body follows (HEAD, 304).
    pub content_length: Option<u64>,
    /// The upstream keeps the connection.
    pub keep_alive: bool,
    /// The upstream said when it answered.
    pub is_dated: bool,
    /// The protocol that a 101 switches to.
    pub upgrade: Option<Span>,
    /// Every header line.
    pub lines: Vec<HeaderLine>,
}

impl ResponseHead {
    /// Parses `head`, which is whole, as the answer to a request (`to_head`: to a HEAD request).
    ///
    /// # Errors
    /// [`HeadFault`] where it isn't HTTP/1 or its framing is ambiguous: the answer is a 502 then.
    pub fn parse(&mut self, head: &[u8], to_head: bool) -> Result<(), HeadFault> {
        let mut storage = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, head, &mut storage)
            .map_err(fault)?;
        let (Some(code), Some(minor_version)) = (parsed.code, parsed.version) else {
            return Err(HeadFault::Malformed("an unfinished head"));
        };
        if !matches!(status, httparse::Status::Complete(length) if length == head.len()) {
            return Err(HeadFault::Malformed("an unfinished head"));
        }
        if code < 100 {
            return Err(HeadFault::Malformed("a status below 100"));
        }
        self.status = code;
        self.minor_version = minor_version;
        self.reason = parsed
            .reason
            .map_or(Span::default(), |reason| Span::of(head, reason.as_bytes()));
        collect(head, parsed.headers, classify, &mut self.lines);
        self.is_dated = self.lines.iter().any(|line| line.field == Field::Date);
        let framing = framing_headers(head, &self.lines, minor_version)?;
        self.content_length = framing.content_length;
        let bodiless = to_head || matches!(code, 100..=199 | 204 | 304);
        self.body = match (framing.chunked, framing.content_length) {
            _ if bodiless => BodyLength::Empty,
            (true, _) => BodyLength::Chunked,
            (false, Some(0)) => BodyLength::Empty,
            (false, Some(length)) => BodyLength::Exact(length),
            (false, None) => BodyLength::UntilClose,
        };
        let options = apply_connection(head, &mut self.lines);
        let switches = code == 101 && minor_version == 1 && options.upgrade;
        self.upgrade = (switches && framing == FramingHeaders::default())
            .then(|| upgrade_protocol(head, &self.lines))
            .flatten();
        self.keep_alive = !options.close
            && (minor_version == 1 || options.keep_alive)
            && self.body != BodyLength::UntilClose
            // What must have no body, but announces one, may be followed by it: not a connection to use again.
            && !(matches!(code, 100..=199 | 204)
                && (framing.chunked || framing.content_length.is_some_and(|length| length > 0)));
        Ok(())
    }

    /// The first value of a header, whose name is in lower case.
    #[must_use]
    pub fn value<'a>(&self, name: &[u8], head: &'a [u8]) -> Option<&'a [u8]> {
        (self.lines.iter())
            .find(|line| line.name.of_head(head).eq_ignore_ascii_case(name))
            .map(|line| line.value.of_head(head))
    }

    /// What follows is gRPC's.
    #[must_use]
    pub fn is_grpc(&self, head: &[u8]) -> bool {
        self.value(b"content-type", head)
            .is_some_and(grpc::is_grpc_type)
    }

    /// 100 to 199: another head follows.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }
}

fn classify(name: &[u8]) -> Field {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match name.len() {
        4 if is(b"date") => Field::Date,
        18 if is(b"proxy-authenticate") => Field::HopByHop,
        _ => classify_in_either(name),
    }
}
