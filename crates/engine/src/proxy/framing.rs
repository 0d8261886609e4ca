//! Where a message's body ends: decoders for the three ways HTTP/1 has to say it, and the chunk writer. No I/O.

use super::chunked::{ChunkFault, ChunkedDecoder};

/// How long a body is, by its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyLength {
    /// There is none.
    #[default]
    Empty,
    /// So many bytes (never 0).
    Exact(u64),
    /// Chunks.
    Chunked,
    /// Until the connection closes: responses only.
    UntilClose,
}

/// What one step of decoding did to the bytes given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Raw bytes used up, from the start.
    pub consumed: usize,
    /// Bytes of body: they now lie at the start, within what was consumed.
    pub produced: usize,
    /// The body ends with these.
    pub done: bool,
}

/// Takes a body out of its framing, whatever pieces it arrives in.
#[derive(Debug, Default)]
pub enum Decoder {
    /// Nothing comes any more.
    #[default]
    Done,
    /// So many bytes are still to come.
    Exact(u64),
    /// Chunks.
    Chunked(ChunkedDecoder),
    /// Everything is body until the end of the stream.
    UntilClose,
}

impl Decoder {
    /// The decoder for a body of this length.
    #[must_use]
    pub fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::Empty | BodyLength::Exact(0) => Self::Done,
            BodyLength::Exact(length) => Self::Exact(length),
            BodyLength::Chunked => Self::Chunked(ChunkedDecoder::default()),
            BodyLength::UntilClose => Self::UntilClose,
        }
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self {
            Self::Done => true,
            Self::Exact(left) => *left == 0,
            Self::Chunked(decoder) => decoder.is_done(),
            Self::UntilClose => false,
        }
    }

    /// Decodes `bytes` in place: the body's bytes are moved to the front.
    ///
    /// # Errors
    /// [`ChunkFault`] where chunks are malformed.
    pub fn decode(&mut self, bytes: &mut [u8]) -> Result<Step, ChunkFault> {
        match self {
            Self::Done => Ok(Step {
                consumed: 0,
                produced: 0,
                done: true,
            }),
            Self::Exact(left) => {
                let taken =
                    usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= taken as u64;
                Ok(Step {
                    consumed: taken,
                    produced: taken,
                    done: *left == 0,
                })
            }
            Self::Chunked(decoder) => decoder.decode(bytes),
            Self::UntilClose => Ok(Step {
                consumed: bytes.len(),
                produced: bytes.len(),
                done: false,
            }),
        }
    }

    /// What the end of the stream means here: true if it ends the body, false if it cuts it off.
    #[must_use]
    pub fn may_end_at_eof(&self) -> bool {
        matches!(self, Self::UntilClose) || self.is_done()
    }

    /// The trailer lines of a chunked body that has ended, each with its CRLF; else nothing.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        match self {
            Self::Chunked(decoder) => decoder.trailers(),
            _ => &[],
        }
    }
}

/// Appends a chunk's size line.
pub fn write_chunk_size(length: usize, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0_u8; 16];
    let mut at = digits.len();
    let mut rest = length;
    loop {
        at -= 1;
        digits[at] = DIGITS[rest & 15];
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk with `trailers` (lines with their CRLF).
pub fn write_last_chunk(trailers: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_body_leaves_what_follows_it() {
        let mut decoder = Decoder::new(BodyLength::Exact(3));
        let step = decoder.decode(&mut b"abGET"[..2].to_vec()).unwrap();
        assert_eq!(
            step,
            Step {
                consumed: 2,
                produced: 2,
                done: false
            }
        );
        assert!(!decoder.may_end_at_eof());
        let step = decoder.decode(b"cGET".to_vec().as_mut_slice()).unwrap();
        assert_eq!(
            step,
            Step {
                consumed: 1,
                produced: 1,
                done: true
            }
        );
        assert!(decoder.may_end_at_eof());
    }

    #[test]
    fn a_body_until_close_ends_at_eof_alone() {
        let mut decoder = Decoder::new(BodyLength::UntilClose);
        let step = decoder.decode(b"abc".to_vec().as_mut_slice()).unwrap();
        assert_eq!(
            step,
            Step {
                consumed: 3,
                produced: 3,
                done: false
            }
        );
        assert!(decoder.may_end_at_eof());
    }

    #[test]
    fn chunk_sizes_are_written_in_hexadecimal() {
        for (length, line) in [
            (0, "0\r\n"),
            (9, "9\r\n"),
            (255, "ff\r\n"),
            (65_536, "10000\r\n"),
        ] {
            let mut out = Vec::new();
            write_chunk_size(length, &mut out);
            assert_eq!(out, line.as_bytes());
        }
    }
}
