//! A client's connection: one request after the other, in the order in which they came.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use super::answers::Failure;
use super::buffers::{BUFFER_BYTES, MOST_BUFFERED};
use super::desk::Desk;
use super::exchange::{self, After};
use super::h2::{self, PREFACE_HEAD};
use super::head::{HeadFault, Scan, leading_empty_lines};
use super::heads_out::Peer;
use super::linger::linger;
use super::outbox::Outbox;
use super::outgoing::Outgoing;
use super::stream::Stream;
use super::timers::{Alarm, Millis};
use super::worker::Worker;
use crate::phases::AnswerKind;

/// A client's end, for as long as it is connected.
pub(super) struct Client<'a> {
    pub stream: Stream,
    pub peer: Peer,
    pub worker: &'a Worker,
    pub alarm: Alarm,
    /// Requests served before the present one.
    pub served: u64,
    /// When the present exchange must have ended.
    pub due: Millis,
}

/// What the wait for a request came to.
enum Awaited {
    /// A whole head of so many bytes.
    Head(usize),
    /// Nothing more will come, or nothing came in time.
    Nothing,
    /// What came can't be a request.
    Refused(AnswerKind),
}

/// Serves `stream` until either side ends it.
///
/// With `http2` a client may begin that with its preface, without anything having announced it.
pub(super) async fn serve(worker: &Rc<Worker>, stream: Stream, peer: Peer, http2: bool) {
    let _watch = Watch(worker);
    let mut client = Client::new(worker, stream, peer);
    let mut first = true;
    let mut desk = None;
    loop {
        if desk.is_none() && !client.readable(first).await {
            return;
        }
        let mut at = desk.take().unwrap_or_else(|| worker.desks.take());
        let after = match client.await_head(&mut at).await {
            Awaited::Nothing => return,
            Awaited::Head(_) if first && http2 && at.input.unread().starts_with(PREFACE_HEAD) => {
                let early = at.input.unread().to_vec();
                at.input.consume(early.len());
                worker.desks.give_back(at);
                // Boxed: it would make every connection's task larger.
                return Box::pin(h2::serve(worker, client.stream, early, client.peer)).await;
            }
            Awaited::Refused(kind) => exchange::refuse(&mut client, &mut at, kind).await,
            Awaited::Head(length) => {
                worker.stats.active.increment();
                let _active = Active(worker);
                exchange::run(&mut client, &mut at, length).await
            }
        };
        match after {
            After::Close => return client.stream.say_farewell(),
            After::Cut => return client.stream.cut(),
            After::Linger => return linger(&mut client).await,
            After::Keep => {}
        }
        first = false;
        at.tidy();
        if at.input.is_empty() {
            worker.desks.give_back(at);
        } else {
            desk = Some(at);
        }
    }
}

/// Answers a connection on which no request can come, and ends it.
pub(super) async fn refuse(worker: &Worker, stream: Stream, peer: Peer, kind: AnswerKind) {
    let mut client = Client::new(worker, stream, peer);
    let mut desk = worker.desks.take();
    exchange::refuse(&mut client, &mut desk, kind).await;
    desk.tidy();
    worker.desks.give_back(desk);
    linger(&mut client).await;
}

/// Ends a connection without a word, but so that what was said before arrives.
pub(super) async fn dismiss(worker: &Worker, stream: Stream, peer: Peer) {
    linger(&mut Client::new(worker, stream, peer)).await;
}

/// Counts a panic, which ends this task and no other.
struct Watch<'a>(&'a Worker);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stats.panics.increment();
        }
    }
}

/// An exchange counted as active until it is over, however it ends.
struct Active<'a>(&'a Worker);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.stats.active.decrement();
    }
}

/// How much longer than an idle connection one may stay that has just been made, when the service ends: who connects
/// is about to ask.
const NEW_STAYS: u64 = 4;

/// Until when a client may be silent.
struct Due {
    at: Millis,
    /// Nothing was asked on this connection yet.
    first: bool,
    shortened: bool,
}

impl Due {
    fn new(at: Millis, first: bool) -> Self {
        Self {
            at,
            first,
            shortened: false,
        }
    }

    /// The same where nothing of a request has come: sooner once the service ends, and yet not at once. A request
    /// may be on its way, and is answered as long as it sets out before the connection was quiet for a while.
    fn idle(&mut self, worker: &Worker) -> Millis {
        if !self.shortened
            && let Some(quiet) = worker.quiet()
        {
            self.shortened = true;
            let quiet = if self.first { NEW_STAYS * quiet } else { quiet };
            self.at = self.at.min(worker.timers.after(quiet));
        }
        self.at
    }
}

impl<'a> Client<'a> {
    fn new(worker: &'a Worker, stream: Stream, peer: Peer) -> Self {
        Self {
            stream,
            peer,
            worker,
            alarm: worker.timers.alarm(),
            served: 0,
            due: Millis::MAX,
        }
    }
}

impl Client<'_> {
    /// Waits, without a buffer, for the first byte of a request. False if it won't come.
    async fn readable(&mut self, first: bool) -> bool {
        let timeouts = &self.worker.timeouts;
        let timeout = if first {
            timeouts.client_header_ms
        } else {
            timeouts.client_idle_ms
        };
        let mut due = Due::new(self.worker.timers.after(timeout), first);
        poll_fn(|context| match self.stream.poll_read_ready(context) {
            Poll::Ready(ready) => Poll::Ready(ready.is_ok()),
            Poll::Pending => {
                let due = due.idle(self.worker);
                self.wait_until(due, context).map(|()| false)
            }
        })
        .await
    }

    /// Reads until a whole head is there.
    async fn await_head(&mut self, desk: &mut Desk) -> Awaited {
        let limits = &self.worker.head_limits;
        let timeout = self.worker.timeouts.client_header_ms;
        let mut due = Due::new(self.worker.timers.after(timeout), self.served == 0);
        let mut scan = Scan::default();
        poll_fn(|context| {
            loop {
                if scan.is_untouched() {
                    let empty = leading_empty_lines(desk.input.unread());
                    desk.input.consume(empty);
                }
                // A lone CR may still become an empty line before the request.
                if desk.input.unread() != b"\r" {
                    match scan.head_end(desk.input.unread(), limits) {
                        Ok(Some(length)) => return Poll::Ready(Awaited::Head(length)),
                        Ok(None) => {}
                        Err(fault) => return Poll::Ready(Awaited::Refused(kind_of(fault))),
                    }
                }
                let most = limits.bytes + BUFFER_BYTES;
                match desk.input.poll_fill(&mut self.stream, most, context) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Awaited::Nothing),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => {
                        let due = if desk.input.is_empty() {
                            due.idle(self.worker)
                        } else {
                            due.at
                        };
                        return self.wait_until(due, context).map(|()| {
                            if desk.input.is_empty() {
                                Awaited::Nothing
                            } else {
                                Awaited::Refused(AnswerKind::RequestTimeout)
                            }
                        });
                    }
                }
            }
        })
        .await
    }

    /// Pending until `due`: what else is awaited may wake the task before.
    pub(super) fn wait_until(&self, due: Millis, context: &mut std::task::Context<'_>) -> Poll<()> {
        if self.worker.timers.now() >= due {
            return Poll::Ready(());
        }
        self.alarm.set(due, context.waker());
        Poll::Pending
    }

    /// Waits for `connecting`, but no longer than the whole exchange may take.
    pub(super) async fn in_time<T>(
        &self,
        connecting: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut connecting = pin!(connecting);
        poll_fn(|context| match connecting.as_mut().poll(context) {
            Poll::Ready(connected) => Poll::Ready(connected),
            Poll::Pending => self
                .wait_until(self.due, context)
                .map(|()| Err(AnswerKind::UpstreamTimeout.into())),
        })
        .await
    }

    /// Reads and drops `length` bytes of body. False if they don't come.
    pub(super) async fn skip(&mut self, desk: &mut Desk, length: u64) -> bool {
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        let due = self
            .worker
            .timers
            .after(self.worker.timeouts.client_body_ms);
        poll_fn(|context| {
            loop {
                let skipped = left.min(desk.input.unread().len());
                desk.input.consume(skipped);
                left -= skipped;
                if left == 0 {
                    return Poll::Ready(true);
                }
                match desk
                    .input
                    .poll_fill(&mut self.stream, MOST_BUFFERED, context)
                {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(false),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => return self.wait_until(due, context).map(|()| false),
                }
            }
        })
        .await
    }

    /// Writes what was gathered for the client.
    pub(super) async fn flush(&mut self, desk: &mut Desk) -> io::Result<()> {
        self.write(&mut desk.to_client, None).await
    }

    /// Writes what was gathered in `out`, perhaps `soon`.
    pub(super) async fn write(
        &mut self,
        out: &mut Outgoing,
        soon: Option<&Outbox>,
    ) -> io::Result<()> {
        let due = self
            .worker
            .timers
            .after(self.worker.timeouts.client_send_ms);
        poll_fn(
            |context| match out.poll_flush(&mut self.stream, &[], soon, context) {
                Poll::Ready(done) => Poll::Ready(done),
                Poll::Pending => self
                    .wait_until(due, context)
                    .map(|()| Err(io::Error::from(io::ErrorKind::TimedOut))),
            },
        )
        .await
    }
}

/// The answer to a head that can't be served.
pub(super) fn kind_of(fault: HeadFault) -> AnswerKind {
    match fault {
        HeadFault::FirstLineTooLong => AnswerKind::UriTooLong,
        HeadFault::TooLarge | HeadFault::TooManyHeaders => AnswerKind::HeadersTooLarge,
        HeadFault::Expectation => AnswerKind::ExpectationFailed,
        HeadFault::Malformed(_) | HeadFault::Version | HeadFault::Method => AnswerKind::BadRequest,
    }
}
