//! The way between one client and one upstream: both directions at once, up to the answer's head.

use std::future::poll_fn;
use std::task::{Context, Poll};

use super::answers::Failure;
use super::buffers::{Buffer, MOST_BUFFERED};
use super::connection::Client;
use super::desk::Desk;
use super::dial::Destination;
use super::framing::BodyLength;
use super::heads_out::{write_interim, write_request};
use super::outgoing::Outgoing;
use super::request_side::{self, Allowed, RequestFault, RequestSide};
use super::response_side::{ResponseFault, ResponseSide, UpstreamStream};
use super::stream::Stream;
use super::timers::Millis;
use super::upstream::Attempts;
use super::worker::Worker;
use crate::config::Upstream;
use crate::phases::AnswerKind;

/// Interim answers that one request may get.
const MOST_INTERIM: u32 = 16;

/// An upstream connection while it serves a request.
pub(super) struct Way<'a> {
    pub upstream: &'a Upstream,
    pub connection: UpstreamStream,
    pub request: RequestSide,
    pub response: ResponseSide,
    destination: Destination,
    born: Millis,
    /// Bytes of the request's head, at the start of what is sent.
    head: usize,
    /// The connection served others before, and nothing has come back on it yet.
    maybe_stale: bool,
    /// How often an upstream that refused a stream was asked again.
    insisted: u16,
}

/// Why no head came.
enum Fault {
    Request(RequestFault),
    Response(ResponseFault),
    ClientTimeout,
    UpstreamTimeout,
}

impl<'a> Way<'a> {
    /// Connects, writes the request's head for where that leads, and lets a client that asked know that its body is
    /// welcome.
    pub async fn open(
        client: &mut Client<'_>,
        desk: &mut Desk,
        upstream: &'a Upstream,
        attempts: &mut Attempts,
    ) -> Result<Self, Failure> {
        let connecting = attempts.connect(client.worker, upstream, &mut desk.exchange, true);
        let connected = client.in_time(connecting).await?;
        let head = write_head(client, desk);
        if desk.request.expects_continue && desk.input.is_empty() {
            // Answered here, not by the upstream: an HTTP/1.0 one would never say it.
            desk.to_client
                .text()
                .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            client.flush(desk).await.map_err(|_| Failure::ClientGone)?;
            desk.to_client.clear();
        }
        // From here on parts of the body may be gone.
        desk.unread = None;
        let request = RequestSide::new(
            desk.request.body,
            Allowed {
                client_timeout: client.worker.timeouts.client_body_ms,
                upstream_timeout: upstream.write_timeout.into(),
                body_bytes: client.worker.body_bytes,
            },
            &mut desk.input,
            &mut desk.to_upstream,
        )?;
        Ok(Self {
            upstream,
            connection: UpstreamStream {
                stream: connected.stream,
                input: None,
            },
            request,
            response: ResponseSide::default(),
            destination: connected.destination,
            born: connected.born,
            head,
            maybe_stale: connected.reused,
            insisted: 0,
        })
    }

    /// Sends the request and awaits the final head: parsed in the desk's `response`, readable by [`Self::head`].
    pub async fn await_head(
        &mut self,
        client: &mut Client<'_>,
        desk: &mut Desk,
        attempts: &mut Attempts,
    ) -> Result<(), Failure> {
        let mut interim = 0;
        loop {
            match poll_fn(|context| self.poll_head(client, desk, context)).await {
                Ok(length) => {
                    self.maybe_stale = false;
                    self.parse(desk, length, client.worker)?;
                    if !desk.response.is_interim() {
                        return Ok(());
                    }
                    if desk.response.status == 101 && self.is_asked_for(desk) {
                        return Ok(());
                    }
                    interim += 1;
                    if desk.response.status == 101 || interim > MOST_INTERIM {
                        return Err(self.invalid(desk, client.worker));
                    }
                    self.pass_interim(client, desk).await?;
                }
                // What HTTP/2 can't carry it can't carry elsewhere either: mostly a name that is none.
                Err(Fault::Response(ResponseFault::Unanswered)) if self.is_unfit() => {
                    let fault = Fault::Request(RequestFault::ClientMalformed);
                    return Err(self.failed(&fault, desk, client.worker));
                }
                // Who has said something interim is at work, and the client must not hear it twice.
                Err(Fault::Response(ResponseFault::Unanswered))
                    if interim == 0 && self.may_repeat(desk, attempts, client.worker) =>
                {
                    client.worker.stats.retries.increment();
                    let (upstream, exchange) = (self.upstream, &mut desk.exchange);
                    let connecting = attempts.connect(client.worker, upstream, exchange, false);
                    let fresh = client.in_time(connecting).await?;
                    if fresh.renamed {
                        self.rename(client, desk);
                    }
                    self.connection = UpstreamStream {
                        stream: fresh.stream,
                        input: None,
                    };
                    (self.destination, self.born) = (fresh.destination, fresh.born);
                    self.maybe_stale = false;
                    self.response = ResponseSide::default();
                }
                Err(fault) => return Err(self.failed(&fault, desk, client.worker)),
            }
        }
    }

    /// Writes the request's head anew before what of the body stands behind it: `Host` says another name.
    fn rename(&mut self, client: &Client<'_>, desk: &mut Desk) {
        let body = desk.to_upstream.text().split_off(self.head);
        desk.to_upstream.text().clear();
        self.head = write_head(client, desk);
        desk.to_upstream.text().extend_from_slice(&body);
    }

    /// The upstream's head.
    pub fn head(&self) -> &[u8] {
        self.connection.input.as_ref().map_or(&[], Buffer::head)
    }

    /// The head was read: its body follows.
    pub fn begin_body(&mut self, length: BodyLength, chunked: bool) {
        if let Some(input) = &mut self.connection.input {
            input.release();
        }
        self.response.begin_body(length, chunked);
    }

    /// Whether a 101 switches to the very protocol that the client asked for.
    fn is_asked_for(&self, desk: &Desk) -> bool {
        let asked = desk
            .request
            .upgrade
            .map(|asked| asked.of_head(desk.input.head()));
        let given = desk
            .response
            .upgrade
            .map(|given| given.of_head(self.head()));
        match (asked, given) {
            (Some(asked), Some(given)) => asked.eq_ignore_ascii_case(given),
            _ => false,
        }
    }

    /// The upstream's connection and what was read from it beyond the head, no longer HTTP.
    pub fn switch(self) -> (Stream, Option<Buffer>) {
        let UpstreamStream { stream, mut input } = self.connection;
        if let Some(input) = &mut input {
            input.release();
        }
        (stream, input)
    }

    /// Whether the request's body was read to its end.
    pub fn body_was_read(&self) -> bool {
        self.request.body_was_read()
    }

    /// The exchange is over: a connection that both sides know to be at the end of an answer is kept.
    pub fn part(self, keep_alive: bool, worker: &Worker) {
        let UpstreamStream { stream, input } = self.connection;
        let at_end = input.as_ref().is_none_or(Buffer::is_empty);
        if let Some(input) = input {
            worker.buffers.give_back(input);
        }
        if keep_alive && at_end && self.request.was_sent() && stream.is_settled() {
            worker
                .pool
                .keep(self.destination, stream, self.born, worker.timers.now());
        }
    }

    /// Goes on sending the request; afterwards watches for the client's going away, which ends an exchange that
    /// nobody waits for any more. A client that sent its next request already is not watched.
    pub fn poll_request(
        &mut self,
        client: &mut Client<'_>,
        input: &mut Buffer,
        out: &mut Outgoing,
        context: &mut Context<'_>,
    ) -> Result<(), RequestFault> {
        if !self.request.is_over() {
            let mut ends = request_side::Ends {
                client: &mut client.stream,
                input,
                upstream: &mut self.connection.stream,
                out,
                outbox: &client.worker.outbox,
                timers: &client.worker.timers,
            };
            match self.request.poll(&mut ends, context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(done) => done?,
            }
        }
        if self.request.body_was_read()
            && input.is_empty()
            && client.stream.poll_read_ready(context).is_ready()
            && let Poll::Ready(Ok(0) | Err(_)) =
                input.poll_fill(&mut client.stream, MOST_BUFFERED, context)
        {
            return Err(RequestFault::ClientGone);
        }
        Ok(())
    }

    fn poll_head(
        &mut self,
        client: &mut Client<'_>,
        desk: &mut Desk,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, Fault>> {
        let worker = client.worker;
        let asked = self.poll_request(client, &mut desk.input, &mut desk.to_upstream, context);
        if let Err(fault) = asked
            && fault != RequestFault::ClientGone
        {
            return Poll::Ready(Err(Fault::Request(fault)));
        }
        let limits = &worker.head_limits;
        let polled =
            self.response
                .poll_head(&mut self.connection, &worker.buffers, limits, context);
        if let Err(gone) = asked {
            // The one rule on who left: once the upstream's head is here its work is done and makes an event, if only of
            // an abort; before that the exchange never was.
            return Poll::Ready(match polled {
                Poll::Ready(Ok(length)) => Ok(length),
                _ => Err(Fault::Request(gone)),
            });
        }
        if let Poll::Ready(came) = polled {
            return Poll::Ready(came.map_err(Fault::Response));
        }
        let (by_client, due) = if self.request.is_over() {
            let due = match self.response.head_due() {
                0 => worker.timers.after(self.upstream.read_timeout.into()),
                due => due,
            };
            self.response.await_until(due);
            (false, due)
        } else {
            self.request.due()
        };
        let fault = if by_client {
            Fault::ClientTimeout
        } else {
            Fault::UpstreamTimeout
        };
        let due = due.min(client.due);
        client.wait_until(due, context).map(|()| Err(fault))
    }

    fn parse(&mut self, desk: &mut Desk, length: usize, worker: &Worker) -> Result<(), Failure> {
        let Some(input) = &mut self.connection.input else {
            return Err(self.invalid(desk, worker));
        };
        input.hold(length);
        let to_head = desk.request.method.of_head(desk.input.head()) == b"HEAD";
        if desk.response.parse(input.head(), to_head).is_err() {
            return Err(self.invalid(desk, worker));
        }
        Ok(())
    }

    async fn pass_interim(
        &mut self,
        client: &mut Client<'_>,
        desk: &mut Desk,
    ) -> Result<(), Failure> {
        // 100 was said by us already, if the client asked; HTTP/1.0 knows no interim answers.
        if desk.response.status != 100 && desk.request.minor_version == 1 {
            write_interim(&desk.response, self.head(), desk.to_client.text());
            client.flush(desk).await.map_err(|_| Failure::ClientGone)?;
            desk.to_client.clear();
        }
        if let Some(input) = &mut self.connection.input {
            input.release();
        }
        self.response.expect_head();
        Ok(())
    }

    /// A connection that closes without a word may have closed before the request was seen, or within the work on it.
    /// The request is sent once more if that can do no harm: if it may be repeated by its nature, or nothing of it was
    /// sent; and if all that was sent is still at hand. A kept connection was most likely closed all along, which
    /// is no fault; of others `retries` and the budget are asked.
    fn may_repeat(&mut self, desk: &mut Desk, attempts: &mut Attempts, worker: &Worker) -> bool {
        let method = desk.request.method.of_head(desk.input.head());
        let idempotent = matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE");
        let unsent = desk.to_upstream.is_untouched() || self.connection.stream.refused();
        let unseen = self.may_insist();
        (idempotent || unsent || unseen)
            && self.request.rewind(&mut desk.to_upstream)
            && (self.maybe_stale || unseen || attempts.may_go_on(worker, self.upstream))
    }

    /// An upstream of HTTP/2 that says it did not look at the request is asked again, as often as its service says.
    fn may_insist(&mut self) -> bool {
        let unseen = matches!(&self.connection.stream, Stream::Asked(asked) if asked.was_unseen());
        let insists = unseen && self.insisted < self.upstream.retries.max(1);
        self.insisted += u16::from(insists);
        insists
    }

    /// The request's head can't be said in the upstream's HTTP/2.
    fn is_unfit(&self) -> bool {
        matches!(&self.connection.stream, Stream::Asked(asked) if asked.is_unfit())
    }

    fn failed(&self, fault: &Fault, desk: &mut Desk, worker: &Worker) -> Failure {
        if self.request.body_was_read() {
            desk.unread = Some(0);
        }
        match fault {
            Fault::Request(fault) => (*fault).into(),
            Fault::Response(_) => self.invalid(desk, worker),
            Fault::ClientTimeout => AnswerKind::RequestTimeout.into(),
            Fault::UpstreamTimeout => {
                worker.stats.upstream_timeouts.increment();
                AnswerKind::UpstreamTimeout.into()
            }
        }
    }

    fn invalid(&self, desk: &mut Desk, worker: &Worker) -> Failure {
        if self.request.body_was_read() {
            desk.unread = Some(0);
        }
        worker.stats.upstream_invalid.increment();
        AnswerKind::UpstreamInvalid.into()
    }
}

/// Writes the request's head into the desk's `to_upstream`; its length.
fn write_head(client: &Client<'_>, desk: &mut Desk) -> usize {
    let Desk {
        request,
        input,
        exchange,
        to_upstream,
        ..
    } = desk;
    let text = to_upstream.text();
    write_request(request, input.head(), &client.peer, exchange, text);
    text.len()
}
