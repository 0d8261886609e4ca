//! The chunked coding, read strictly: what two readers might split differently is refused.

use super::framing::Step;

/// Bytes of chunk extensions and trailers that one body may have.
const MOST_OVERHEAD: usize = 8 * 1024;

/// Why chunks were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkFault(pub &'static str);

/// A state machine over the bytes of a chunked body.
#[derive(Debug, Default)]
pub struct ChunkedDecoder {
    state: State,
    /// The chunk's size while it is read, then how much of the chunk is left.
    size: u64,
    digits: u8,
    /// Bytes of extensions and trailers so far, over the whole body.
    overhead: usize,
    trailers: Vec<u8>,
    line_start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Before a chunk's first size digit.
    #[default]
    SizeStart,
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerLine,
    TrailerLf,
    EndLf,
    Done,
}

impl ChunkedDecoder {
    /// Whether the last chunk and its trailers were read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The trailer lines read, each with its CRLF, without those that may not stand in a trailer.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Decodes `bytes` in place; see [`super::framing::Decoder::decode`].
    ///
    /// # Errors
    /// [`ChunkFault`] says what is malformed; the connection can't be read any further.
    pub fn decode(&mut self, bytes: &mut [u8]) -> Result<Step, ChunkFault> {
        let mut read = 0;
        let mut produced = 0;
        while read < bytes.len() && self.state != State::Done {
            if self.state == State::Data {
                let available = bytes.len() - read;
                let taken =
                    usize::try_from(self.size).map_or(available, |left| left.min(available));
                bytes.copy_within(read..read + taken, produced);
                read += taken;
                produced += taken;
                self.size -= taken as u64;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
            } else {
                self.state = self.next(bytes[read])?;
                read += 1;
            }
        }
        Ok(Step {
            consumed: read,
            produced,
            done: self.state == State::Done,
        })
    }

    fn next(&mut self, byte: u8) -> Result<State, ChunkFault> {
        match (self.state, byte) {
            (State::SizeStart | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                if self.state == State::SizeStart {
                    (self.size, self.digits) = (0, 0);
                }
                if self.digits == 16 {
                    return Err(ChunkFault("a chunk size beyond 64 bits"));
                }
                self.digits += 1;
                self.size = self.size << 4 | u64::from(digit);
                Ok(State::Size)
            }
            (State::Size | State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Size, b';') => Ok(State::Extension),
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.count_overhead()?;
                Ok(State::Extension)
            }
            (State::SizeLf, b'\n') if self.size == 0 => Ok(State::TrailerStart),
            (State::SizeLf, b'\n') => Ok(State::Data),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::SizeStart),
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerLine, b'\r') => Ok(State::TrailerLf),
            (State::TrailerStart | State::TrailerLine, b'\t' | b' '..=b'~' | 0x80..) => {
                self.count_overhead()?;
                self.trailers.push(byte);
                Ok(State::TrailerLine)
            }
            (State::TrailerLf, b'\n') => {
                self.end_trailer_line()?;
                Ok(State::TrailerStart)
            }
            (State::EndLf, b'\n') => Ok(State::Done),
            (State::SizeStart | State::Size | State::Extension | State::SizeLf, _) => {
                Err(ChunkFault("a bad chunk size line"))
            }
            (State::DataCr | State::DataLf, _) => {
                Err(ChunkFault("a chunk longer or shorter than its size"))
            }
            _ => Err(ChunkFault("a bad trailer line")),
        }
    }

    fn count_overhead(&mut self) -> Result<(), ChunkFault> {
        self.overhead += 1;
        if self.overhead > MOST_OVERHEAD {
            return Err(ChunkFault(
                "too many bytes of chunk extensions and trailers",
            ));
        }
        Ok(())
    }

    /// Checks the line that just ended and keeps it, unless it has no business in a trailer.
    fn end_trailer_line(&mut self) -> Result<(), ChunkFault> {
        let line = self.trailers.get(self.line_start..).unwrap_or_default();
        let colon = memchr::memchr(b':', line).ok_or(ChunkFault("a trailer without a colon"))?;
        let name = &line[..colon];
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(ChunkFault("a bad trailer name"));
        }
        if may_trail(name) {
            self.trailers.extend_from_slice(b"\r\n");
            self.line_start = self.trailers.len();
        } else {
            self.trailers.truncate(self.line_start);
        }
        Ok(())
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What RFC 9110, section 6.5.1, keeps out of trailers: framing, routing, controls, conditions, authentication, what says
/// how content or answer are to be taken; and the gateway's own names. They were judged, or left out, in the head, and
/// mustn't arrive behind the body. Spelt with `_` for `-` they are the same names to many an upstream.
fn may_trail(name: &[u8]) -> bool {
    const REFUSED: [&str; 46] = [
        "age",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-location",
        "content-range",
        "content-type",
        "cookie",
        "cookie2",
        "date",
        "expect",
        "expires",
        "forwarded",
        "host",
        "keep-alive",
        "location",
        "max-forwards",
        "origin",
        "pragma",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "referer",
        "retry-after",
        "server",
        "set-cookie",
        "set-cookie2",
        "strict-transport-security",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "vary",
        "via",
        "warning",
        "www-authenticate",
        "x-http-method-override",
        "x-kong-request-id",
        "x-method-override",
        "x-real-ip",
    ];
    const REFUSED_PREFIXES: [&[u8]; 7] = [
        b"access-control-",
        b"if-",
        b"x-consumer-",
        b"x-credential-",
        b"x-anonymous-",
        b"x-forwarded-",
        b"x-tollway-",
    ];
    let begins = |own: &[u8]| {
        name.len() >= own.len()
            && std::iter::zip(name, own).all(|(byte, own)| match byte {
                b'_' => *own == b'-',
                byte => byte.to_ascii_lowercase() == *own,
            })
    };
    !REFUSED
        .iter()
        .any(|refused| name.len() == refused.len() && begins(refused.as_bytes()))
        && !REFUSED_PREFIXES.iter().any(|prefix| begins(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `wire` in pieces of `size` bytes; returns body, trailers and what is left over.
    fn decode(wire: &[u8], size: usize) -> Result<(Vec<u8>, Vec<u8>, usize), ChunkFault> {
        let mut decoder = ChunkedDecoder::default();
        let mut body = Vec::new();
        let mut used = 0;
        while used < wire.len() && !decoder.is_done() {
            let mut piece = wire[used..wire.len().min(used + size)].to_vec();
            let step = decoder.decode(&mut piece)?;
            body.extend_from_slice(&piece[..step.produced]);
            used += step.consumed;
        }
        if !decoder.is_done() {
            return Err(ChunkFault("unfinished"));
        }
        Ok((body, decoder.trailers().to_vec(), wire.len() - used))
    }

    #[test]
    fn reads_chunks_extensions_and_trailers_in_pieces_of_any_size() {
        let wire =
            b"5\r\nhello\r\n00A;a=\"b\"\r\n, 0123 567\r\n0\r\nDigest: x\r\nHost: evil\r\n\r\nNEXT";
        for size in 1..wire.len() {
            let (body, trailers, left) = decode(wire, size).unwrap();
            assert_eq!(body, b"hello, 0123 567");
            assert_eq!(
                trailers, b"Digest: x\r\n",
                "Host may not stand in a trailer"
            );
            assert_eq!(left, 4);
        }
    }

    #[test]
    fn the_gateways_own_names_may_not_trail_however_they_are_spelt() {
        let wire =
            b"0\r\nX_Consumer_ID: a\r\nx-real_ip: b\r\nx_kong-request_id: c\r\nTraceParent: t\r\nX-Real: d\r\n\r\n";
        let (_, trailers, _) = decode(wire, wire.len()).unwrap();
        assert_eq!(trailers, b"X-Real: d\r\n");
    }

    #[test]
    fn what_was_judged_in_the_head_does_not_arrive_behind_the_body() {
        for name in [
            "Cookie",
            "Set_Cookie",
            "Proxy-Authorization",
            "Forwarded",
            "Via",
            "If-None-Match",
            "Cache-Control",
            "Access-Control-Allow-Origin",
        ] {
            let wire = format!("0\r\n{name}: a\r\ngrpc-status: 0\r\nETag: b\r\n\r\n");
            let (_, trailers, _) = decode(wire.as_bytes(), 7).unwrap();
            assert_eq!(trailers, b"grpc-status: 0\r\nETag: b\r\n", "{name}");
        }
    }

    #[test]
    fn refuses_what_could_be_read_in_two_ways() {
        let long = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(MOST_OVERHEAD + 1));
        let trailer = format!("0\r\na:{}\r\n\r\n", "e".repeat(MOST_OVERHEAD + 1));
        let cases: [&[u8]; 22] = [
            b"\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"-1\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"5\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhello!\r\n0\r\n\r\n",
            b"5\r\nhell\r\n0\r\n\r\n",
            b"10000000000000000\r\n",
            b"fffffffffffffffff\r\n",
            b"g\r\n",
            b"5;\0\r\nhello\r\n0\r\n\r\n",
            b"5;a\nb\r\nhello\r\n0\r\n\r\n",
            b"0\r\n\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\n: x\r\n\r\n",
            b"0\r\na b: x\r\n\r\n",
            b"0\r\na: x\r\n folded\r\n\r\n",
            long.as_bytes(),
            trailer.as_bytes(),
        ];
        for wire in cases {
            assert!(
                decode(wire, wire.len()).is_err(),
                "{:?}",
                String::from_utf8_lossy(wire)
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(chunks in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 1..200), 0..20), size in 1_usize..64) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                super::super::framing::write_chunk_size(chunk.len(), &mut wire);
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            super::super::framing::write_last_chunk(b"", &mut wire);
            let (body, _, left) = decode(&wire, size).unwrap();
            prop_assert_eq!(body, chunks.concat());
            prop_assert_eq!(left, 0);
        }

        #[test]
        fn no_bytes_make_it_panic_or_overrun(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let length = bytes.len();
            if let Ok(step) = ChunkedDecoder::default().decode(&mut bytes) {
                prop_assert!(step.produced <= step.consumed && step.consumed <= length);
            }
        }
    }
}
