//! What the HTTP layer knows of a request when its head is complete.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Header lines in the order in which they came. Cheap to copy: a reference, or positions and a buffer.
pub trait Headers: Copy {
    /// Name and value of each line; the name in the case in which it came, the value without blanks around it.
    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])>;
}

impl Headers for &[(&[u8], &[u8])] {
    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.iter().map(|&(name, value)| (name, value))
    }
}

/// A request, borrowed from the connection's buffer.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a, H> {
    /// As written: methods are case-sensitive.
    pub method: &'a [u8],
    /// As written, still percent-encoded, without the query.
    pub path: &'a [u8],
    /// As written, without the `?`; none where there was no `?`.
    pub query: Option<&'a [u8]>,
    /// The authority asked for, with its port if one was given: `Host`, or that of an absolute target.
    pub host: Option<&'a [u8]>,
    /// All header lines, hop-by-hop ones included.
    pub headers: H,
    /// The version of HTTP that it came in.
    pub version: Version,
    /// The connection's other end; who the client is beyond it is for the phases to find out.
    pub client: SocketAddr,
    /// Whether the request came over TLS.
    pub tls: bool,
    /// The name that the client asked for in its TLS handshake (SNI), in lower case.
    pub server_name: Option<&'a str>,
    /// The port that it was sent to.
    pub port: u16,
}

/// A version of HTTP, as far as `Via` tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

impl Version {
    /// HTTP/1.x.
    #[must_use]
    pub fn minor(minor: u8) -> Self {
        if minor == 0 {
            Self::Http10
        } else {
            Self::Http11
        }
    }
}

/// The instant of a thing, read once from both clocks.
///
/// `mono` measures spans; `wall` places them in the calendar. They are read together, so that what is
/// measured and what is counted agree. All threads of a process count `mono` from one instant: limits rest on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// µs since an instant that the whole process shares; never goes back.
    pub mono: u64,
    /// µs since 1970.
    pub wall: u64,
}

impl Now {
    /// The instant that `mono` counts from.
    #[must_use]
    pub fn origin() -> Instant {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        *ORIGIN.get_or_init(Instant::now)
    }

    /// Reads both clocks; the wall clock first, so that being interrupted in between never makes it seem fast.
    #[must_use]
    pub fn read() -> Self {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            wall: wall.map_or(0, micros),
            mono: micros(Self::origin().elapsed()),
        }
    }
}

/// Takes header lines one by one: an output buffer, or a map where the protocol isn't text.
pub trait HeaderSink {
    /// One line. `value` holds no CR, LF or NUL.
    fn header(&mut self, name: &'static str, value: &[u8]);

    /// One line whose value `write` appends.
    fn header_with(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>));

    /// One line of several values, with `, ` between them.
    fn header_list<'a>(&mut self, name: &'static str, values: impl Iterator<Item = &'a [u8]>);
}

/// As HTTP/1 writes them, each line with its CRLF.
impl HeaderSink for Vec<u8> {
    #[allow(
        clippy::inline_always,
        reason = "names are constants there: copying one then takes no call"
    )]
    #[inline(always)]
    fn header(&mut self, name: &'static str, value: &[u8]) {
        self.reserve(name.len() + value.len() + 4);
        self.extend_from_slice(name.as_bytes());
        self.extend_from_slice(b": ");
        self.extend_from_slice(value);
        self.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn header_with(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        self.extend_from_slice(name.as_bytes());
        self.extend_from_slice(b": ");
        write(self);
        self.extend_from_slice(b"\r\n");
    }

    fn header_list<'a>(&mut self, name: &'static str, values: impl Iterator<Item = &'a [u8]>) {
        self.extend_from_slice(name.as_bytes());
        let mut joint: &[u8] = b": ";
        for value in values {
            self.extend_from_slice(joint);
            self.extend_from_slice(value);
            joint = b", ";
        }
        self.extend_from_slice(b"\r\n");
    }
}
