//! From the upstream to the client: the answer's head, then its body as it comes, held back before its last byte
//! until the usage event is in the log.

use std::io;
use std::task::{Context, Poll, ready};

use super::buffers::{Buffer, BufferPool, MOST_BUFFERED};
use super::framing::{BodyLength, Decoder};
use super::head::{HeadFault, HeadLimits, Scan};
use super::outbox::Outbox;
use super::outgoing::Outgoing;
use super::stream::Stream;
use super::timers::{Millis, Timers};

/// Why an answer can't be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseFault {
    /// The client closed its connection.
    ClientGone,
    /// The upstream closed before a byte of its answer: a kept connection may have been closed all along.
    Unanswered,
    /// The upstream's head is not HTTP, or ends early.
    Invalid,
    /// The upstream broke off within the body.
    BrokenOff,
}

/// Where passing on the body stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyStep {
    /// The last byte is about to leave: append the event, call [`ResponseSide::seal`], go on.
    Seal,
    /// Everything was handed to the client's connection.
    Done,
}

/// An upstream connection, and what was read from it.
#[derive(Debug)]
pub struct UpstreamStream {
    /// The connection.
    pub stream: Stream,
    /// What was read; none while nothing has come.
    pub input: Option<Buffer>,
}

impl UpstreamStream {
    /// Reads once; takes a buffer only when there is something for it.
    fn poll_fill(
        &mut self,
        buffers: &BufferPool,
        most: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.input.is_none() {
            ready!(self.stream.poll_read_ready(context))?;
        }
        self.input
            .get_or_insert_with(|| buffers.take())
            .poll_fill(&mut self.stream, most, context)
    }
}

/// Passes on one answer.
#[derive(Debug, Default)]
pub struct ResponseSide {
    scan: Scan,
    decoder: Decoder,
    chunked_out: bool,
    lent: usize,
    ended: bool,
    sealed: bool,
    broken: bool,
    delivered: u64,
    due: Millis,
}

/// Both ends of the answer's way, and the worker's means.
pub struct Ends<'a> {
    /// The upstream.
    pub upstream: &'a mut UpstreamStream,
    /// The client.
    pub client: &'a mut Stream,
    /// What is to be written to the client.
    pub out: &'a mut Outgoing,
    /// For the end of an answer after which the client's connection stays.
    pub outbox: Option<&'a Outbox>,
    /// Spare buffers.
    pub buffers: &'a BufferPool,
    /// The clock.
    pub timers: &'a Timers,
    /// Between two reads from the upstream.
    pub read_timeout: Millis,
    /// Between two writes to the client.
    pub write_timeout: Millis,
}

impl ResponseSide {
    /// Waits for a whole head and returns its length; it lies at the start of the upstream's buffer.
    ///
    /// # Errors
    /// [`ResponseFault::Unanswered`] and [`ResponseFault::Invalid`].
    pub fn poll_head(
        &mut self,
        upstream: &mut UpstreamStream,
        buffers: &BufferPool,
        limits: &HeadLimits,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, ResponseFault>> {
        loop {
            let unread = upstream.input.as_ref().map_or(&[][..], Buffer::unread);
            let untouched = unread.is_empty();
            match self.scan.head_end(unread, limits) {
                Ok(Some(length)) => return Poll::Ready(Ok(length)),
                Ok(None) => {}
                Err(_) => return Poll::Ready(Err(ResponseFault::Invalid)),
            }
            match ready!(upstream.poll_fill(buffers, MOST_BUFFERED, context)) {
                Ok(0) | Err(_) if untouched => {
                    return Poll::Ready(Err(ResponseFault::Unanswered));
                }
                Ok(0) | Err(_) => return Poll::Ready(Err(ResponseFault::Invalid)),
                Ok(_) => {}
            }
        }
    }

    /// Another head follows: an interim one was passed on.
    pub fn expect_head(&mut self) {
        self.scan = Scan::default();
    }

    /// The head was passed on; a body of `length` follows, to be sent in chunks if `chunked_out`.
    pub fn begin_body(&mut self, length: BodyLength, chunked_out: bool) {
        self.decoder = Decoder::new(length);
        self.chunked_out = chunked_out;
        self.ended = self.decoder.is_done();
        self.due = 0;
    }

    /// The trailer lines, each with its CRLF, once the body was read to its end.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        self.decoder.trailers()
    }

    /// The event is in the log: the last byte may leave.
    pub fn seal(&mut self) {
        self.sealed = true;
    }

    /// Bytes of body that the client's connection has taken; `out` is the same as in `poll_body`.
    #[must_use]
    pub fn delivered(&self, out: &Outgoing) -> u64 {
        self.delivered + out.payload_written() as u64
    }

    /// Bytes of body delivered once everything in `out` is.
    #[must_use]
    pub fn delivered_with(&self, out: &Outgoing) -> u64 {
        self.delivered + out.payload() as u64
    }

    /// Whether a time limit is for the client to keep (else the upstream), and when it is over.
    #[must_use]
    pub fn due(&self, out: &Outgoing) -> (bool, Millis) {
        (!out.is_empty(), self.due)
    }

    /// Waiting for a head is limited from here on.
    pub fn await_until(&mut self, due: Millis) {
        self.due = due;
    }

    /// When the head must have come; 0 if that isn't limited yet.
    #[must_use]
    pub fn head_due(&self) -> Millis {
        self.due
    }

    /// Goes on as far as both sockets let it.
    ///
    /// # Errors
    /// [`ResponseFault::BrokenOff`], after everything that came before it was passed on, and
    /// [`ResponseFault::ClientGone`].
    pub fn poll_body(
        &mut self,
        ends: &mut Ends<'_>,
        context: &mut Context<'_>,
    ) -> Poll<Result<BodyStep, ResponseFault>> {
        loop {
            let came = self.gather(ends, context);
            if self.ended && !self.sealed {
                return Poll::Ready(Ok(BodyStep::Seal));
            }
            if !ends.out.is_empty() {
                if came || self.due == 0 {
                    self.due = ends.timers.after(ends.write_timeout);
                }
                let borrowed = ends.upstream.input.as_ref().map_or(&[][..], Buffer::unread);
                let soon = ends.outbox.filter(|_| self.sealed);
                let flushed = ends.out.poll_flush(ends.client, borrowed, soon, context);
                if ready!(flushed).is_err() {
                    return Poll::Ready(Err(ResponseFault::ClientGone));
                }
                self.flushed(ends);
            } else if self.broken {
                return Poll::Ready(Err(ResponseFault::BrokenOff));
            } else if self.ended {
                return Poll::Ready(Ok(BodyStep::Done));
            } else {
                if self.due == 0 {
                    self.due = ends.timers.after(ends.read_timeout);
                }
                return Poll::Pending;
            }
        }
    }

    fn flushed(&mut self, ends: &mut Ends<'_>) {
        self.delivered += ends.out.payload() as u64;
        ends.out.clear();
        if let Some(input) = &mut ends.upstream.input {
            input.consume(std::mem::take(&mut self.lent));
        }
        self.due = 0;
    }

    /// Takes what has come until there is enough to write. True if something came. Nothing is read once the
    /// next write is full, and that is all the flow control there is.
    fn gather(&mut self, ends: &mut Ends<'_>, context: &mut Context<'_>) -> bool {
        let mut came = false;
        while !self.ended && !self.broken && !ends.out.is_full() {
            let unread = ends
                .upstream
                .input
                .as_ref()
                .is_some_and(|input| !input.is_empty());
            if unread {
                self.decode(ends);
                came = true;
                continue;
            }
            match ends
                .upstream
                .poll_fill(ends.buffers, MOST_BUFFERED, context)
            {
                Poll::Pending => break,
                Poll::Ready(Ok(length)) if length > 0 => {}
                Poll::Ready(Ok(_)) if self.decoder.may_end_at_eof() => self.end(ends.out),
                Poll::Ready(_) => self.broken = true,
            }
        }
        came
    }

    fn decode(&mut self, ends: &mut Ends<'_>) {
        let Some(input) = &mut ends.upstream.input else {
            return;
        };
        let Ok(step) = self.decoder.decode(input.unread_mut()) else {
            self.broken = true;
            return;
        };
        if ends
            .out
            .add_body(&input.unread()[..step.produced], self.chunked_out)
        {
            input.consume(step.consumed);
        } else {
            self.lent = step.consumed;
        }
        if step.done {
            self.end(ends.out);
        }
    }

    fn end(&mut self, out: &mut Outgoing) {
        self.ended = true;
        if self.chunked_out {
            out.add_last_chunk(self.decoder.trailers());
        }
    }
}

/// What an upstream's faulty head is to the client.
impl From<HeadFault> for ResponseFault {
    fn from(_: HeadFault) -> Self {
        Self::Invalid
    }
}
