//! What request and response heads share: where a head ends, its limits, its header lines as positions.
//!
//! Positions instead of slices: the bytes stay in the connection's buffer, and a parsed head can be kept across
//! reads without borrowing it.

use httparse::Header;

/// What a head may take.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes of the first line.
    pub first_line: usize,
    /// Bytes of the whole head.
    pub bytes: usize,
    /// Header lines.
    pub count: usize,
}

/// Why a head was refused. The text is for logs and tests: clients see Kong's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadFault {
    /// Not HTTP/1, or ambiguous: it might mean something else to whoever reads it next.
    Malformed(&'static str),
    /// A version of HTTP that isn't spoken on this port.
    Version,
    /// A method that a gateway doesn't forward (CONNECT, TRACE).
    Method,
    /// An expectation that isn't known here.
    Expectation,
    /// The first line is longer than allowed.
    FirstLineTooLong,
    /// The head has more bytes than allowed.
    TooLarge,
    /// The head has more lines than allowed.
    TooManyHeaders,
}

/// A stretch of the head's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Where `part`, a slice of `whole`, lies in it. An empty part may be any: parsers give out constants.
    pub(super) fn of(whole: &[u8], part: &[u8]) -> Self {
        if part.is_empty() {
            return Self::default();
        }
        let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
        debug_assert!(
            start + part.len() <= whole.len(),
            "the part lies in the whole"
        );
        Self {
            start: narrow(start),
            end: narrow(start + part.len()),
        }
    }

    /// The byte before it.
    pub(super) fn one_before(self) -> Self {
        let end = self.start;
        Self {
            start: end.saturating_sub(1),
            end,
        }
    }

    /// From where to where.
    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The bytes; empty where `head` is not what the span was made from.
    #[must_use]
    pub fn of_head(self, head: &[u8]) -> &[u8] {
        head.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// Heads are limited to 1 MiB, so positions fit.
fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// What a gateway does with a header line, decided once while parsing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Passed on as it is.
    EndToEnd,
    /// `Host`.
    Host,
    /// `Content-Length`.
    ContentLength,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Connection`.
    Connection,
    /// Meant for this hop alone, by name or because `Connection` lists it.
    HopByHop,
    /// `Upgrade`.
    Upgrade,
    /// `TE`.
    Te,
    /// `Expect`.
    Expect,
    /// `Date`.
    Date,
}

/// One header line.
#[derive(Debug, Clone, Copy)]
pub struct HeaderLine {
    /// The name as it was written.
    pub name: Span,
    /// The value without surrounding white space.
    pub value: Span,
    /// What to do with it.
    pub field: Field,
}

/// How far a head was looked through, so that one arriving byte by byte is read once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scan {
    position: usize,
    line_start: usize,
    lines: usize,
}

impl Scan {
    /// Nothing was looked at yet.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.position == 0
    }

    /// Finds the end of the head at the start of `bytes`: the position after its empty line, or None so far.
    ///
    /// # Errors
    /// A line ended by LF alone is refused here, before any parser that forgives it sees it; so are heads over
    /// the limits, as soon as that shows.
    pub fn head_end(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<usize>, HeadFault> {
        while let Some(found) =
            memchr::memchr(b'\n', bytes.get(self.position..).unwrap_or_default())
        {
            let at = self.position + found;
            if at == 0 || bytes[at - 1] != b'\r' {
                return Err(HeadFault::Malformed("a line ends without CR"));
            }
            let length = at - 1 - self.line_start;
            self.position = at + 1;
            self.line_start = at + 1;
            if at + 1 > limits.bytes {
                return Err(HeadFault::TooLarge);
            }
            match (self.lines, length) {
                (0, 0) => return Err(HeadFault::Malformed("an empty first line")),
                (0, _) if length > limits.first_line => return Err(HeadFault::FirstLineTooLong),
                (_, 0) => return Ok(Some(at + 1)),
                (lines, _) if lines > limits.count => return Err(HeadFault::TooManyHeaders),
                _ => self.lines += 1,
            }
        }
        self.position = bytes.len();
        if self.lines == 0 && bytes.len() > limits.first_line {
            return Err(HeadFault::FirstLineTooLong);
        }
        if bytes.len() >= limits.bytes {
            return Err(HeadFault::TooLarge);
        }
        Ok(None)
    }
}

/// Empty lines before a request line are passed over (some clients send one after a body): their bytes.
#[must_use]
pub fn leading_empty_lines(bytes: &[u8]) -> usize {
    bytes
        .chunks_exact(2)
        .take_while(|pair| pair == b"\r\n")
        .count()
        * 2
}

/// The header lines of a parsed head, classified by `classify`.
pub(super) fn collect(
    head: &[u8],
    parsed: &[Header<'_>],
    classify: impl Fn(&[u8]) -> Field,
    lines: &mut Vec<HeaderLine>,
) {
    lines.clear();
    lines.extend(parsed.iter().map(|header| HeaderLine {
        name: Span::of(head, header.name.as_bytes()),
        value: Span::of(head, header.value),
        field: classify(header.name.as_bytes()),
    }));
}

/// What a field means that requests and responses have in common.
///
/// By length first: most names fall through after one comparison.
pub(super) fn classify_in_either(name: &[u8]) -> Field {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match name.len() {
        7 if is(b"upgrade") => Field::Upgrade,
        10 if is(b"connection") => Field::Connection,
        10 if is(b"keep-alive") => Field::HopByHop,
        14 if is(b"content-length") => Field::ContentLength,
        // An upstream that turns header names into variables can't tell `_` from `-`: framing isn't said so.
        14 if is(b"content_length") => Field::HopByHop,
        16 if is(b"proxy-connection") => Field::HopByHop,
        17 if is(b"transfer-encoding") => Field::TransferEncoding,
        17 if is(b"transfer_encoding") => Field::HopByHop,
        _ => Field::EndToEnd,
    }
}

/// What `Connection` says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionOptions {
    pub close: bool,
    pub keep_alive: bool,
    pub upgrade: bool,
}

/// Reads every `Connection` line and marks the lines it names as hop-by-hop.
///
/// Framing and Host are beyond its reach: a client could otherwise have them dropped.
pub(super) fn apply_connection(head: &[u8], lines: &mut [HeaderLine]) -> ConnectionOptions {
    let mut options = ConnectionOptions::default();
    for index in 0..lines.len() {
        if lines[index].field != Field::Connection {
            continue;
        }
        for token in lines[index].value.of_head(head).split(|byte| *byte == b',') {
            let token = token.trim_ascii();
            if token.eq_ignore_ascii_case(b"close") {
                options.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                options.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                options.upgrade = true;
            } else if !token.is_empty() {
                for line in &mut *lines {
                    if matches!(line.field, Field::EndToEnd)
                        && line.name.of_head(head).eq_ignore_ascii_case(token)
                    {
                        line.field = Field::HopByHop;
                    }
                }
            }
        }
    }
    options
}

/// The one protocol that `Upgrade` names, where a gateway can let it pass: not another HTTP or TLS on this very
/// connection (`h2c`, say), which would carry requests past it. None where it names several.
pub(super) fn upgrade_protocol(head: &[u8], lines: &[HeaderLine]) -> Option<Span> {
    const KEPT_BACK: [&[u8]; 4] = [b"h2", b"h3", b"http", b"tls"];
    let mut named = lines.iter().filter(|line| line.field == Field::Upgrade);
    let value = named.next()?.value;
    let protocol = value.of_head(head);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(byte);
    let begins = |other: &&[u8]| {
        let start = protocol.get(..other.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(other))
    };
    let passes = named.next().is_none()
        && !protocol.is_empty()
        && protocol.iter().all(is_token)
        && !KEPT_BACK.iter().any(begins);
    passes.then_some(value)
}

/// A `Content-Length`: digits alone, no sign, space, comma or overflow.
pub(super) fn content_length(value: &[u8]) -> Result<u64, HeadFault> {
    const BAD: HeadFault = HeadFault::Malformed("Content-Length is not a number");
    if value.is_empty() {
        return Err(BAD);
    }
    value.iter().try_fold(0_u64, |length, byte| match byte {
        b'0'..=b'9' => length
            .checked_mul(10)
            .and_then(|length| length.checked_add(u64::from(byte - b'0')))
            .ok_or(BAD),
        _ => Err(BAD),
    })
}

/// The framing headers of a head, each at most once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FramingHeaders {
    pub content_length: Option<u64>,
    pub chunked: bool,
}

/// Reads `Content-Length` and `Transfer-Encoding`; refuses what two readers could understand differently.
pub(super) fn framing_headers(
    head: &[u8],
    lines: &[HeaderLine],
    minor_version: u8,
) -> Result<FramingHeaders, HeadFault> {
    let mut found = FramingHeaders::default();
    for line in lines {
        let value = line.value.of_head(head);
        match line.field {
            Field::ContentLength => {
                if found.content_length.is_some() {
                    return Err(HeadFault::Malformed("Content-Length twice"));
                }
                found.content_length = Some(content_length(value)?);
            }
            Field::TransferEncoding => {
                if found.chunked {
                    return Err(HeadFault::Malformed("Transfer-Encoding twice"));
                }
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(HeadFault::Malformed("Transfer-Encoding is not chunked"));
                }
                if minor_version == 0 {
                    return Err(HeadFault::Malformed("Transfer-Encoding in HTTP/1.0"));
                }
                found.chunked = true;
            }
            _ => {}
        }
    }
    if found.chunked && found.content_length.is_some() {
        return Err(HeadFault::Malformed(
            "Content-Length beside Transfer-Encoding",
        ));
    }
    Ok(found)
}

/// httparse's reasons in our words.
pub(super) fn fault(error: httparse::Error) -> HeadFault {
    match error {
        httparse::Error::Version => HeadFault::Version,
        httparse::Error::TooManyHeaders => HeadFault::TooManyHeaders,
        httparse::Error::HeaderName => HeadFault::Malformed("a bad header name"),
        httparse::Error::HeaderValue => HeadFault::Malformed("a bad header value"),
        httparse::Error::NewLine => HeadFault::Malformed("a bad line end"),
        httparse::Error::Status => HeadFault::Malformed("a bad status"),
        httparse::Error::Token => HeadFault::Malformed("a bad first line"),
    }
}
