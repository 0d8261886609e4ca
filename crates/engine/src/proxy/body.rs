//! Passing on an answer's body, and what is billed meanwhile.

use std::future::poll_fn;
use std::task::{Context, Poll};

use super::bill::{Bill, Used};
use super::buffers::Buffer;
use super::connection::Client;
use super::outgoing::Outgoing;
use super::response_side::{BodyStep, Ends, ResponseFault};
use super::way::Way;
use crate::failpoint;
use crate::phases::grpc;
use crate::usage_log::Completion;

/// An answer on its way to the client: its head stands in `to_client`.
pub(super) struct Body<'a, 'w> {
    pub way: &'a mut Way<'w>,
    pub bill: Bill<'a>,
    /// A call of gRPC, whose status is in its trailers.
    pub is_call: bool,
    /// The client's connection stays.
    pub keep: bool,
    pub input: &'a mut Buffer,
    pub to_client: &'a mut Outgoing,
    pub to_upstream: &'a mut Outgoing,
}

/// What passing on came to for the moment.
enum Passed {
    /// The event must be appended now.
    Seal,
    /// A part of a long exchange is over.
    Part,
    /// The answer was passed on whole.
    Done,
    /// It was not.
    Broken(Completion),
}

impl Body<'_, '_> {
    /// Passes on everything; the bill is closed when this returns.
    pub async fn pass_on(mut self, client: &mut Client<'_>) -> Completion {
        loop {
            match poll_fn(|context| self.poll(client, context)).await {
                Passed::Seal => {
                    if self.is_call {
                        let value = grpc::status_in_trailers(self.way.response.trailers());
                        self.bill.call_ended(grpc::status(value));
                    }
                    let used = Used {
                        bytes_out: self.way.response.delivered_with(self.to_client),
                        ..self.used(client)
                    };
                    if let Some(appended) = self.bill.close(Completion::Complete, used)
                        && client.worker.shard.durable(&appended).await.is_err()
                    {
                        // Strict, and the disk failed: an answer that isn't on record is not given.
                        return Completion::UpstreamAbort;
                    }
                    failpoint!("proxy.before_last_byte");
                    self.way.response.seal();
                }
                Passed::Part => {
                    let used = self.used(client);
                    self.bill.add_part(used);
                }
                Passed::Done => return Completion::Complete,
                Passed::Broken(completion) => {
                    let used = self.used(client);
                    // Where the event was appended already it stands: everything but its last bytes had left.
                    let _ = self.bill.close(completion, used);
                    return completion;
                }
            }
        }
    }

    fn used(&self, client: &Client<'_>) -> Used {
        Used {
            bytes_in: self.way.request.body_bytes(),
            bytes_out: self.way.response.delivered(self.to_client),
            at: client.worker.now(),
        }
    }

    fn poll(&mut self, client: &mut Client<'_>, context: &mut Context<'_>) -> Poll<Passed> {
        let worker = client.worker;
        if self
            .way
            .poll_request(client, self.input, self.to_upstream, context)
            .is_err()
        {
            return Poll::Ready(Passed::Broken(Completion::ClientAbort));
        }
        let mut ends = Ends {
            upstream: &mut self.way.connection,
            client: &mut client.stream,
            out: self.to_client,
            outbox: self.keep.then_some(&worker.outbox),
            buffers: &worker.buffers,
            timers: &worker.timers,
            read_timeout: self.way.upstream.read_timeout.into(),
            write_timeout: worker.timeouts.client_send_ms,
        };
        match self.way.response.poll_body(&mut ends, context) {
            Poll::Ready(Ok(BodyStep::Seal)) => return Poll::Ready(Passed::Seal),
            Poll::Ready(Ok(BodyStep::Done)) => return Poll::Ready(Passed::Done),
            Poll::Ready(Err(ResponseFault::ClientGone)) => {
                return Poll::Ready(Passed::Broken(Completion::ClientAbort));
            }
            Poll::Ready(Err(_)) => return Poll::Ready(Passed::Broken(Completion::UpstreamAbort)),
            Poll::Pending => {}
        }
        let used = self.used(client);
        self.bill.note(used);
        if self.bill.part_is_due(used) {
            return Poll::Ready(Passed::Part);
        }
        self.wait(client, used, context).map(Passed::Broken)
    }

    /// Pending until the first of the limits that hold just now, or until the next part is due.
    fn wait(&self, client: &Client<'_>, used: Used, context: &mut Context<'_>) -> Poll<Completion> {
        let timers = &client.worker.timers;
        let mut limit = self.way.response.due(self.to_client);
        if !self.way.request.is_over() {
            limit = std::cmp::min_by_key(limit, self.way.request.due(), |(_, due)| *due);
        }
        let (by_client, due) = limit;
        let due = due.min(client.due);
        if timers.now() >= due {
            return Poll::Ready(if by_client {
                Completion::ClientAbort
            } else {
                Completion::UpstreamAbort
            });
        }
        let part_due = timers.after(self.bill.until_part(used));
        client.alarm.set(due.min(part_due), context.waker());
        Poll::Pending
    }
}
