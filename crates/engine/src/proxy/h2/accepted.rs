//! A stream that a client opened, as the connection of a client of HTTP/1.1 that asks once.

use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request, Response};
use tokio::io::ReadBuf;

use super::fault::{broken, unfit};
use super::head::{Form, read_response, write_request};
use super::home::Home;
use super::incoming::Incoming;
use super::outgoing::{Opener, Outgoing};
use super::room::Taken;
use crate::proxy::timers::Timers;

/// Stands for a request that HTTP/1.1 can't say: the parser refuses it as it does whatever else is no request.
const UNSPEAKABLE: &[u8] = b"? HTTP/1.1\r\n\r\n";

/// One stream of a client's connection. Dropped before its answer was whole, it is reset.
#[derive(Debug)]
pub struct Accepted {
    incoming: Incoming,
    outgoing: Outgoing,
    answer: Answer,
    home: Rc<Home>,
    timers: Rc<Timers>,
    /// For what is taken of the answer before the client has.
    _room: Taken,
    has_body: bool,
    shut: bool,
}

#[derive(Debug)]
struct Answer {
    respond: SendResponse<Bytes>,
    to_head: bool,
    head: Option<Response<()>>,
}

impl Opener for Answer {
    fn read(&mut self, text: &[u8]) -> io::Result<Option<Form>> {
        let (head, form) = read_response(text, self.to_head).map_err(unfit)?;
        if head.status().is_informational() {
            self.respond
                .send_informational(head)
                .map_err(|error| broken(&error))?;
            return Ok(None);
        }
        self.head = Some(head);
        Ok(Some(form))
    }

    fn open(&mut self, ended: bool) -> io::Result<SendStream<Bytes>> {
        let head = self.head.take().ok_or(io::ErrorKind::BrokenPipe)?;
        self.respond
            .send_response(head, ended)
            .map_err(|error| broken(&error))
    }
}

impl Accepted {
    /// Takes in a request as it came, for which `home` gave `room`.
    #[must_use]
    pub fn new(
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        home: Rc<Home>,
        timers: Rc<Timers>,
        room: Taken,
    ) -> Self {
        let (parts, body) = request.into_parts();
        let mut text = Vec::with_capacity(512);
        let has_body = !body.is_end_stream();
        let form = write_request(&parts, !has_body, &mut text).unwrap_or_else(|_| {
            text.clear();
            text.extend_from_slice(UNSPEAKABLE);
            Form::None
        });
        let mut incoming = Incoming::default();
        incoming.push(&text);
        incoming.begin(form, body);
        Self {
            incoming,
            outgoing: Outgoing::default(),
            answer: Answer {
                respond,
                to_head: parts.method == Method::HEAD,
                head: None,
            },
            home,
            timers,
            _room: room,
            has_body,
            shut: false,
        }
    }

    /// See [`crate::proxy::stream::Stream::poll_read_ready`].
    ///
    /// # Errors
    /// A stream that the client reset, or whose connection ended.
    pub fn poll_read_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.shut || (self.incoming.is_over() && self.outgoing.is_over()) {
            return Poll::Ready(Ok(()));
        }
        if !self.incoming.is_over() {
            return self.incoming.poll_ready(context);
        }
        // The request is here whole: all that can come is the client's leaving.
        let left = match self.outgoing.stream() {
            Some(stream) => ready!(stream.poll_reset(context)),
            None => ready!(self.answer.respond.poll_reset(context)),
        };
        drop(left);
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }

    /// Reads the request as text.
    ///
    /// # Errors
    /// As [`Self::poll_read_ready`].
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_read_ready(context))?;
        if self.shut || self.incoming.is_over() {
            return Poll::Ready(Ok(()));
        }
        let before = room.filled().len();
        let read = self.incoming.poll_read(context, room);
        if self.has_body {
            let length = room.filled().len() - before;
            self.home.took(length, self.timers.now());
        }
        read
    }

    /// Takes the answer's text.
    ///
    /// # Errors
    /// As [`Self::poll_read_ready`], and `InvalidData` for a head that HTTP/2 can't carry.
    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.outgoing.poll_write(&mut self.answer, slices, context)
    }

    /// Nothing more is written, and nothing more read: h2 tells the client that the rest of its body isn't needed.
    pub fn shut(&mut self) {
        self.shut = true;
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        if !self.outgoing.is_over() {
            match self.outgoing.take_stream() {
                Some(stream) => self.home.broke(stream),
                None => self.answer.respond.send_reset(Reason::INTERNAL_ERROR),
            }
        }
        self.home.end(self.has_body);
    }
}
