//! What the engine writes as HTTP/1.1 text, taken apart into HEADERS, DATA and trailers.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::SendStream;

use super::fault::{broken, unfit};
use super::head::{Form, read_trailers};

/// Opens a stream with the head in `text`; the flag says that nothing follows it. None for an interim head.
pub trait Opener {
    /// What the head says of the body. An interim one may be passed on at once, and is told by None.
    ///
    /// # Errors
    /// The stream's, or `InvalidData` where HTTP/2 can't carry the head.
    fn read(&mut self, text: &[u8]) -> io::Result<Option<Form>>;

    /// Sends the head that was read last.
    ///
    /// # Errors
    /// The stream's.
    fn open(&mut self, ended: bool) -> io::Result<SendStream<Bytes>>;
}

/// Where the text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Within the head.
    Head,
    /// So many bytes of body are left.
    Exact(u64),
    /// Within a chunk's size line.
    Size,
    /// So many bytes are left of the chunk.
    Chunk(u64),
    /// Before the line end behind a chunk.
    ChunkEnd,
    /// Within trailers.
    Trailers,
    /// Everything was handed over.
    Ended,
}

/// The outgoing half of a stream.
#[derive(Debug)]
pub struct Outgoing {
    state: State,
    /// What is gathered of a head, a size line or trailers.
    line: Vec<u8>,
    /// The head was read and waits to be sent: what follows in the same write may end the stream.
    opening: bool,
    /// The same for a piece of body.
    held: Option<Bytes>,
    /// None before the head was sent, and where the stream was handed over to be reset.
    stream: Option<SendStream<Bytes>>,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            state: State::Head,
            line: Vec::new(),
            opening: false,
            held: None,
            stream: None,
        }
    }
}

impl Outgoing {
    /// Everything was handed over, the end included.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Ended
    }

    /// The stream, once its head was sent.
    pub fn stream(&mut self) -> Option<&mut SendStream<Bytes>> {
        self.stream.as_mut()
    }

    /// The same, given away.
    pub fn take_stream(&mut self) -> Option<SendStream<Bytes>> {
        self.stream.take()
    }

    /// Takes what the peer's window and the stream's buffer have room for, and tells how many bytes that was.
    ///
    /// # Errors
    /// The stream's, or `InvalidData` for what HTTP/2 can't carry.
    pub fn poll_write(
        &mut self,
        opener: &mut impl Opener,
        slices: &[IoSlice<'_>],
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut taken = 0;
        for slice in slices {
            let mut bytes = &slice[..];
            while !bytes.is_empty() {
                match self.take(opener, bytes, context) {
                    Poll::Ready(Ok(length)) => {
                        taken += length;
                        bytes = &bytes[length..];
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        self.release(opener)?;
                        return if taken == 0 {
                            Poll::Pending
                        } else {
                            Poll::Ready(Ok(taken))
                        };
                    }
                }
            }
        }
        self.release(opener)?;
        Poll::Ready(Ok(taken))
    }

    /// Sends what was held back: nothing more is known to follow it for now.
    fn release(&mut self, opener: &mut impl Opener) -> io::Result<()> {
        if std::mem::take(&mut self.opening) {
            self.stream = Some(opener.open(false)?);
        }
        if let Some(data) = self.held.take() {
            self.send(data, false)?;
        }
        Ok(())
    }

    fn send(&mut self, data: Bytes, end: bool) -> io::Result<()> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stream.send_data(data, end).map_err(|error| broken(&error))
    }

    /// Takes the next piece, at least one byte.
    fn take(
        &mut self,
        opener: &mut impl Opener,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match self.state {
            State::Head => Poll::Ready(self.take_head(opener, bytes)),
            State::Exact(left) => {
                let piece = least(left, bytes.len());
                self.poll_data(opener, &bytes[..piece], context)
                    .map_ok(|length| {
                        self.state = State::Exact(left - length as u64);
                        length
                    })
                    .map(|taken| {
                        if self.state == State::Exact(0) {
                            self.end(opener)?;
                        }
                        taken
                    })
            }
            State::Chunk(left) => {
                let piece = least(left, bytes.len());
                self.poll_data(opener, &bytes[..piece], context)
                    .map_ok(|length| {
                        self.state = match left - length as u64 {
                            0 => State::ChunkEnd,
                            left => State::Chunk(left),
                        };
                        length
                    })
            }
            State::Size | State::ChunkEnd | State::Trailers => {
                Poll::Ready(self.take_line(opener, bytes))
            }
            State::Ended => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        }
    }

    fn take_head(&mut self, opener: &mut impl Opener, bytes: &[u8]) -> io::Result<usize> {
        let before = self.line.len();
        self.line.extend_from_slice(bytes);
        let Some(end) = memchr::memmem::find(&self.line, b"\r\n\r\n") else {
            return Ok(bytes.len());
        };
        self.line.truncate(end + 4);
        let taken = end + 4 - before;
        let form = opener.read(&self.line);
        self.line.clear();
        let Some(form) = form? else {
            return Ok(taken);
        };
        self.opening = true;
        match form {
            Form::None => self.end(opener)?,
            Form::Exact(length) => self.state = State::Exact(length),
            Form::Chunked => self.state = State::Size,
        }
        Ok(taken)
    }

    /// Hands over a piece of body as far as there is room for it.
    fn poll_data(
        &mut self,
        opener: &mut impl Opener,
        piece: &[u8],
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.release(opener)?;
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stream.reserve_capacity(piece.len());
        let mut room = stream.capacity();
        while room == 0 {
            room = match stream.poll_capacity(context) {
                Poll::Ready(Some(Ok(room))) => room,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(broken(&error))),
                Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Poll::Pending => return Poll::Pending,
            };
        }
        let length = piece.len().min(room);
        self.held = Some(Bytes::copy_from_slice(&piece[..length]));
        Poll::Ready(Ok(length))
    }

    /// Takes one line of framing, or a part of it.
    fn take_line(&mut self, opener: &mut impl Opener, bytes: &[u8]) -> io::Result<usize> {
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        self.line.extend_from_slice(&bytes[..taken]);
        if end.is_none() {
            return Ok(taken);
        }
        match self.state {
            State::Size => {
                let size = std::str::from_utf8(self.line.trim_ascii()).map_err(unfit)?;
                let size = u64::from_str_radix(size, 16).map_err(unfit)?;
                self.line.clear();
                self.state = if size == 0 {
                    State::Trailers
                } else {
                    State::Chunk(size)
                };
            }
            State::Trailers => {
                // Lines are gathered until the empty one.
                let ends = self.line.ends_with(b"\r\n\r\n") || self.line == b"\r\n";
                if ends {
                    let trailers = read_trailers(&self.line);
                    self.line.clear();
                    if trailers.is_empty() {
                        self.end(opener)?;
                    } else {
                        self.release(opener)?;
                        let stream = self.stream.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
                        stream
                            .send_trailers(trailers)
                            .map_err(|error| broken(&error))?;
                        self.state = State::Ended;
                    }
                }
            }
            _ => {
                self.line.clear();
                self.state = State::Size;
            }
        }
        Ok(taken)
    }

    /// Ends the stream with whatever is held back.
    fn end(&mut self, opener: &mut impl Opener) -> io::Result<()> {
        self.state = State::Ended;
        match (std::mem::take(&mut self.opening), self.held.take()) {
            (true, None) => {
                self.stream = Some(opener.open(true)?);
                Ok(())
            }
            (true, Some(data)) => {
                self.stream = Some(opener.open(false)?);
                self.send(data, true)
            }
            (false, data) => self.send(data.unwrap_or_default(), true),
        }
    }
}

/// A length as far as so many bytes go.
fn least(left: u64, length: usize) -> usize {
    usize::try_from(left).map_or(length, |left| left.min(length))
}
