//! From the client to the upstream: the request's head, then its body as it comes, never more than a buffer of it.

use std::task::{Context, Poll};

use super::buffers::{Buffer, MOST_BUFFERED};
use super::framing::{BodyLength, Decoder};
use super::outbox::Outbox;
use super::outgoing::Outgoing;
use super::stream::Stream;
use super::timers::{Millis, Timers};

/// Why sending the request can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFault {
    /// The client closed its connection.
    ClientGone,
    /// The body's framing is malformed.
    ClientMalformed,
    /// The body is longer than allowed.
    TooLarge,
}

/// How far the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// What is gathered is being written.
    Flushing,
    /// More of the body is awaited from the client.
    Reading,
    /// Everything was sent.
    Sent,
    /// The upstream takes nothing any more; it may have answered all the same.
    Refused,
}

/// What sending a request may take.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Between two reads of the body from the client.
    pub client_timeout: Millis,
    /// Between two writes to the upstream.
    pub upstream_timeout: Millis,
    /// Bytes of body, framing aside.
    pub body_bytes: u64,
}

/// Sends one request. The head stands in `out` from the start.
#[derive(Debug)]
pub struct RequestSide {
    state: State,
    decoder: Decoder,
    chunked: bool,
    /// Raw bytes of the client's buffer that are used up once `out` is flushed.
    lent: usize,
    body_bytes: u64,
    allowed: Allowed,
    intact: bool,
    due: Millis,
}

/// Both ends of the request's way, and the clock.
pub struct Ends<'a> {
    /// The client.
    pub client: &'a mut Stream,
    /// What was read from it.
    pub input: &'a mut Buffer,
    /// The upstream.
    pub upstream: &'a mut Stream,
    /// What is to be written to it.
    pub out: &'a mut Outgoing,
    /// For a request that is sent as a whole.
    pub outbox: &'a Outbox,
    /// The clock.
    pub timers: &'a Timers,
}

impl RequestSide {
    /// Begins with a head in `out` and `length` of body to follow, some of which may be in `input` already.
    ///
    /// # Errors
    /// [`RequestFault::ClientMalformed`] and [`RequestFault::TooLarge`] where what is there of the body already is.
    pub fn new(
        length: BodyLength,
        allowed: Allowed,
        input: &mut Buffer,
        out: &mut Outgoing,
    ) -> Result<Self, RequestFault> {
        let mut side = Self {
            state: State::Flushing,
            decoder: Decoder::new(length),
            chunked: length == BodyLength::Chunked,
            lent: 0,
            body_bytes: 0,
            allowed,
            intact: true,
            due: 0,
        };
        side.gather(input, out)?;
        Ok(side)
    }

    /// Nothing is left to send, or nobody to send it to.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Sent | State::Refused)
    }

    /// The body was read to its end, so that the client's next request can follow.
    #[must_use]
    pub fn body_was_read(&self) -> bool {
        self.decoder.is_done() && self.lent == 0
    }

    /// Everything reached the upstream's socket.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.state == State::Sent
    }

    /// Whether a time limit is for the client to keep (else the upstream), and when it is over.
    #[must_use]
    pub fn due(&self) -> (bool, Millis) {
        (self.state == State::Reading, self.due)
    }

    /// Bytes of body taken from the client.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Prepares to send the same again on another connection. False if part of it is gone.
    pub fn rewind(&mut self, out: &mut Outgoing) -> bool {
        if !self.intact || self.lent > 0 {
            return false;
        }
        out.rewind();
        self.state = State::Flushing;
        self.due = 0;
        true
    }

    /// Goes on as far as both sockets let it. Pending also where the upstream's write or the client's read is.
    ///
    /// # Errors
    /// See [`RequestFault`].
    pub fn poll(
        &mut self,
        ends: &mut Ends<'_>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), RequestFault>> {
        loop {
            match self.state {
                State::Sent | State::Refused => return Poll::Ready(Ok(())),
                State::Flushing => {
                    if self.due == 0 {
                        self.due = ends.timers.after(self.allowed.upstream_timeout);
                    }
                    let whole = self.intact && self.decoder.is_done();
                    let soon = whole.then_some(ends.outbox);
                    let unread = ends.input.unread();
                    match ends.out.poll_flush(ends.upstream, unread, soon, context) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Err(_)) => self.state = State::Refused,
                        Poll::Ready(Ok(())) => self.flushed(ends),
                    }
                }
                // What was borrowed may have been only part of what had been read.
                State::Reading if !ends.input.is_empty() => self.gather(ends.input, ends.out)?,
                State::Reading => match ends.input.poll_fill(ends.client, MOST_BUFFERED, context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0) | Err(_)) => {
                        return Poll::Ready(Err(RequestFault::ClientGone));
                    }
                    Poll::Ready(Ok(_)) => {
                        self.due = ends.timers.after(self.allowed.client_timeout);
                    }
                },
            }
        }
    }

    fn flushed(&mut self, ends: &mut Ends<'_>) {
        ends.input.consume(std::mem::take(&mut self.lent));
        if self.decoder.is_done() {
            self.state = State::Sent;
            return;
        }
        ends.out.clear();
        self.intact = false;
        self.due = ends.timers.after(self.allowed.client_timeout);
        self.state = State::Reading;
    }

    /// Moves what was read into `out`, and has it flushed.
    fn gather(&mut self, input: &mut Buffer, out: &mut Outgoing) -> Result<(), RequestFault> {
        while !self.decoder.is_done() && !input.is_empty() && !out.is_full() {
            let step = self
                .decoder
                .decode(input.unread_mut())
                .map_err(|_| RequestFault::ClientMalformed)?;
            self.body_bytes += step.produced as u64;
            if self.body_bytes > self.allowed.body_bytes {
                return Err(RequestFault::TooLarge);
            }
            if out.add_body(&input.unread()[..step.produced], self.chunked) {
                input.consume(step.consumed);
            } else {
                self.lent = step.consumed;
            }
            if step.done && self.chunked {
                out.add_last_chunk(self.decoder.trailers());
            }
        }
        if !out.is_empty() {
            self.state = State::Flushing;
            self.due = 0;
        }
        Ok(())
    }
}
