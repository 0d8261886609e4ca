//! A stream to an upstream, as the connection to a server of HTTP/1.1 that is asked once.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::uri::Scheme;
use http::{Method, Request, Response};
use tokio::io::ReadBuf;

use super::client::Lease;
use super::fault::{broken, unfit};
use super::head::{Form, read_request, write_response};
use super::incoming::Incoming;
use super::outgoing::{Opener, Outgoing};
use crate::proxy::timers::Millis;

/// A silence of an upstream that tells something of its connection.
const SUSPICIOUS_MS: Millis = 1_000;

/// One stream of a connection to an upstream.
#[derive(Debug)]
pub struct Asked {
    outgoing: Outgoing,
    incoming: Incoming,
    call: Call,
    lease: Lease,
    /// Nothing was sent, and nothing will be.
    unsent: bool,
    unseen: bool,
}

#[derive(Debug)]
struct Call {
    sender: SendRequest<Bytes>,
    scheme: Scheme,
    head: Option<Request<()>>,
    answer: Option<ResponseFuture>,
    to_head: bool,
    asked_at: Millis,
}

impl Opener for Call {
    fn read(&mut self, text: &[u8]) -> io::Result<Option<Form>> {
        let (head, form) = read_request(text, &self.scheme).map_err(unfit)?;
        self.to_head = head.method() == Method::HEAD;
        self.head = Some(head);
        Ok(Some(form))
    }

    fn open(&mut self, ended: bool) -> io::Result<SendStream<Bytes>> {
        let head = self.head.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (answer, stream) = self
            .sender
            .send_request(head, ended)
            .map_err(|error| broken(&error))?;
        self.answer = Some(answer);
        Ok(stream)
    }
}

impl Asked {
    /// A stream to be, on the connection that `lease` is of.
    #[must_use]
    pub fn new(lease: Lease, scheme: Scheme) -> Self {
        Self {
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            call: Call {
                sender: lease.sender(),
                scheme,
                head: None,
                answer: None,
                to_head: false,
                asked_at: lease.now(),
            },
            lease,
            unsent: false,
            unseen: false,
        }
    }

    /// The upstream surely did nothing about the request, and says so: it may be sent once more, whatever it is.
    #[must_use]
    pub fn was_unseen(&self) -> bool {
        self.unseen
    }

    /// HTTP/2 can't carry the request's head.
    #[must_use]
    pub fn is_unfit(&self) -> bool {
        self.unsent && !self.unseen
    }

    /// Takes the request's text.
    ///
    /// # Errors
    /// The stream's, and `InvalidData` for a head that HTTP/2 can't carry.
    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.outgoing.stream().is_none()
            && let Err(error) = ready!(self.call.sender.poll_ready(context))
        {
            return Poll::Ready(Err(self.never_sent(&broken(&error))));
        }
        let written = self.outgoing.poll_write(&mut self.call, slices, context);
        match written {
            Poll::Ready(Err(error)) if self.call.answer.is_none() => {
                Poll::Ready(Err(self.never_sent(&error)))
            }
            written => written,
        }
    }

    /// Either HTTP/2 can't carry the head, or the connection takes no further streams.
    fn never_sent(&mut self, error: &io::Error) -> io::Error {
        self.unsent = true;
        if error.kind() != io::ErrorKind::InvalidData {
            self.unseen = true;
            self.lease.retire();
        }
        error.kind().into()
    }

    /// See [`crate::proxy::stream::Stream::poll_read_ready`].
    ///
    /// # Errors
    /// A stream that the upstream reset, or whose connection ended.
    pub fn poll_read_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.incoming.has_begun() {
            if self.incoming.has_some() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_head(context))?;
        }
        self.incoming.poll_ready(context)
    }

    /// Reads the answer as text; nothing once it is over.
    ///
    /// # Errors
    /// As [`Self::poll_read_ready`].
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_read_ready(context))?;
        self.incoming.poll_read(context, room)
    }

    /// Takes in a head.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(answer) = &mut self.call.answer else {
            return if self.unsent {
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            } else {
                Poll::Pending
            };
        };
        let came = match answer.poll_informational(context) {
            Poll::Ready(Some(Ok(interim))) => Ok(self.interim(interim)),
            Poll::Ready(Some(Err(error))) => Err(error),
            Poll::Ready(None) | Poll::Pending => {
                ready!(Pin::new(answer).poll(context)).map(|head| self.begin(head))
            }
        };
        Poll::Ready(came.unwrap_or_else(|error| {
            self.unseen = is_unseen(&error);
            Err(broken(&error))
        }))
    }

    fn interim(&mut self, head: Response<()>) -> io::Result<()> {
        let mut text = Vec::new();
        write_response(&head.into_parts().0, false, false, &mut text).map_err(unfit)?;
        self.incoming.push(&text);
        Ok(())
    }

    fn begin(&mut self, head: Response<RecvStream>) -> io::Result<()> {
        let (parts, body) = head.into_parts();
        let mut text = Vec::with_capacity(256);
        let ended = body.is_end_stream();
        let form = write_response(&parts, ended, self.call.to_head, &mut text).map_err(unfit)?;
        self.incoming.push(&text);
        self.incoming.begin(form, body);
        Ok(())
    }
}

/// Whether an upstream says that it did not even look at the request: by refusing it, or by naming an earlier one
/// as the last when it says farewell.
fn is_unseen(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    error.is_remote() && (error.is_go_away() || refused)
}

impl Drop for Asked {
    fn drop(&mut self) {
        let asked = self.call.answer.is_some() && !self.incoming.has_begun();
        let (since, now) = (self.call.asked_at, self.lease.now());
        if asked && self.lease.heard() < since && now >= since.saturating_add(SUSPICIOUS_MS) {
            // The next request had better not wait for a connection that may be dead.
            self.lease.retire();
        }
    }
}
