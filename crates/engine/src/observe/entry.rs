//! What there is to tell of an exchange that has ended: to the access log, and to who gathers traces.

use std::net::IpAddr;

use super::trace::Trace;
use crate::config::{Config, Consumer, Route};
use crate::phases::{AnswerKind, Headers, Now, RequestHead, Version};
use crate::proxy::dial::Address;
use crate::router;
use crate::usage_log::{Completion, Id};

/// Bytes of a path, and of a query, that are kept.
const MOST_TARGET: usize = 2048;

/// The same of other parts.
const MOST_OTHER: usize = 512;

/// What is kept of a request for its end, when its head is long gone. Its memory is used again for the next one.
#[derive(Debug, Default)]
pub struct Noted {
    text: Vec<u8>,
    /// Where in `text` each part ends; the same as the one before, with no bit in `has`, where there is none.
    ends: [usize; PARTS],
    has: [bool; PARTS],
    version: Option<Version>,
    tls: bool,
}

const PARTS: usize = 5;
const METHOD: usize = 0;
const PATH: usize = 1;
const QUERY: usize = 2;
const AGENT: usize = 3;
const REFERER: usize = 4;

impl Noted {
    /// Forgets the request before.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends = [0; PARTS];
        self.has = [false; PARTS];
        self.version = None;
    }

    /// Keeps what will be told of this request.
    pub fn take<H: Headers>(&mut self, head: &RequestHead<'_, H>) {
        self.clear();
        let (mut agent, mut referer) = (None, None);
        for (name, value) in head.headers.lines() {
            match name.len() {
                10 if name.eq_ignore_ascii_case(b"user-agent") => agent = agent.or(Some(value)),
                7 if name.eq_ignore_ascii_case(b"referer") => {
                    // Its query may hold whatever another site's URLs do.
                    let end = memchr::memchr2(b'?', b'#', value).unwrap_or(value.len());
                    referer = referer.or(Some(without_user(&value[..end])));
                }
                _ => {}
            }
        }
        let parts = [
            (Some(head.method), MOST_OTHER),
            (Some(head.path), MOST_TARGET),
            (head.query, MOST_TARGET),
            (agent, MOST_OTHER),
            (referer, MOST_OTHER),
        ];
        for (place, (part, most)) in parts.into_iter().enumerate() {
            if let Some(part) = part {
                self.text.extend_from_slice(&part[..part.len().min(most)]);
                self.has[place] = true;
            }
            self.ends[place] = self.text.len();
        }
        self.version = Some(head.version);
        self.tls = head.tls;
    }

    fn part(&self, place: usize) -> Option<&[u8]> {
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        (self.has[place]).then(|| &self.text[begin..self.ends[place]])
    }

    /// As written; empty where there was no head that could be read.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        self.part(METHOD).unwrap_or_default()
    }

    /// As written, with whatever secret somebody put there.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.part(PATH).unwrap_or_default()
    }

    /// The same.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.part(QUERY)
    }

    /// What the client calls itself.
    #[must_use]
    pub fn agent(&self) -> Option<&[u8]> {
        self.part(AGENT)
    }

    /// Where the client says it comes from, without a query or a password; its path may have a secret.
    #[must_use]
    pub fn referer(&self) -> Option<&[u8]> {
        self.part(REFERER)
    }

    /// Whether it came over TLS.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The protocol; none where there was no head that could be read.
    #[must_use]
    pub fn version(&self) -> Option<&'static str> {
        self.version.map(|version| match version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2.0",
        })
    }
}

/// A URL from behind its user name and password on, where it has any.
fn without_user(url: &[u8]) -> &[u8] {
    let authority = memchr::memmem::find(url, b"//").map_or(0, |slashes| slashes + 2);
    let length = memchr::memchr(b'/', &url[authority..]).unwrap_or(url.len() - authority);
    let at = memchr::memrchr(b'@', &url[authority..authority + length]);
    at.map_or(url, |at| &url[authority + at + 1..])
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// An upstream answered, and so far the answer was passed on.
    Forwarded(Completion),
    /// The gateway answered itself.
    Answered(AnswerKind),
    /// The client left before an answer began.
    Abandoned,
}

impl End {
    /// What the log calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forwarded(Completion::Complete) => "complete",
            Self::Forwarded(Completion::ClientAbort) => "client_abort",
            Self::Forwarded(Completion::UpstreamAbort) => "upstream_abort",
            Self::Answered(_) => "gateway",
            Self::Abandoned => "abandoned",
        }
    }

    /// Why the gateway answered itself.
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Answered(kind) => Some(kind.name()),
            _ => None,
        }
    }
}

/// An exchange that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// When its head was whole.
    pub began: Now,
    /// Its number.
    pub request_id: &'a Id,
    /// The trace that it is part of.
    pub trace: Option<Trace>,
    /// What it asked for.
    pub request: &'a Noted,
    /// Who asked, by address.
    pub client: Option<IpAddr>,
    /// Who asked, by key.
    pub consumer: Option<&'a Consumer>,
    /// What it was judged by.
    pub config: Option<&'a Config>,
    /// The route that it took.
    pub route: Option<&'a Route>,
    /// The path, normalised, and how much of it the route's path matched.
    pub path: (&'a [u8], Option<usize>),
    /// What the client was told; 499 where it left before.
    pub status: u16,
    /// The same of a call of gRPC.
    pub grpc_status: Option<u8>,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// µs from the request's whole head to the end.
    pub whole_us: u64,
    /// Of them, those that an upstream took until its answer's head, or until it was given up.
    pub upstream_us: Option<u64>,
    /// Of them, the gateway's own before that.
    pub own_us: u64,
    /// Where the last try went.
    pub upstream: Option<&'a Address>,
    /// How many tries there were.
    pub attempts: u8,
    /// How it ended.
    pub end: End,
}

impl Entry<'_> {
    /// Writes the path that the upstream was asked for.
    pub fn write_upstream_path(&self, out: &mut Vec<u8>) {
        let (path, matched) = self.path;
        let Some(route) = self.route.filter(|_| path.starts_with(b"/")) else {
            return out.extend_from_slice(path);
        };
        let stripped = (route.strip_path).then(|| matched.unwrap_or(1));
        let base = route
            .upstream
            .as_ref()
            .map_or("/", |upstream| &upstream.path);
        router::write_upstream_path(base.as_bytes(), path, stripped, out);
    }

    /// What people call its route.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        Some(&*self.route?.label)
    }

    /// What people call its service.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        Some(&*self.route?.upstream.as_ref()?.label)
    }
}
