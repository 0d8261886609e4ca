//! After a 101: bytes both ways, of which nothing is understood but how many there were.
//!
//! A tunnel is billed in parts. The first carries the request and stands in the log before the client hears of the
//! switch; then one every ten seconds or MiB; one at the end.

use std::future::poll_fn;
use std::task::{Context, Poll};

use super::answers::Failure;
use super::bill::{Bill, Opening, Used};
use super::connection::Client;
use super::desk::Desk;
use super::exchange::After;
use super::half::{Broken, Half};
use super::heads_out::{push_date, write_switch};
use super::stream::Stream;
use super::timers::Millis;
use super::way::Way;
use crate::phases::AnswerKind;
use crate::usage_log::{Completion, Permit};

/// Both directions between a client and an upstream.
struct Tunnel {
    upstream: Stream,
    to_upstream: Half,
    to_client: Half,
    /// How long both sides may rest.
    idle: Millis,
    due: Millis,
}

/// What a tunnel came to for the moment.
enum Passed {
    /// A part is over.
    Part,
    /// Nothing more comes through.
    Over(Completion),
}

/// Lets the protocols be switched: tells the client and passes bytes on until either side ends it.
///
/// # Errors
/// [`Failure`] where the client sent on before it knew: whether that was meant for the gateway or for the tunnel
/// two readers could see differently; and where the log has no room for a second part.
pub(super) async fn run(
    client: &mut Client<'_>,
    desk: &mut Desk,
    way: Way<'_>,
    permit: Permit,
    opening: Opening,
) -> Result<After, Failure> {
    if !desk.input.is_empty() {
        return Err(AnswerKind::BadRequest.into());
    }
    let worker = client.worker;
    // The part that is on record before the switch, and what comes through after it.
    let next = worker.room()?;
    let Desk {
        response,
        exchange,
        input,
        to_client,
        to_upstream,
        ..
    } = desk;
    let text = to_client.text();
    write_switch(response, way.head(), exchange, &opening.upstream, text);
    if !response.is_dated {
        push_date(text, &worker.date.at(opening.upstream.head.wall));
    }
    text.extend_from_slice(b"\r\n");
    let mut bill = Bill::open(worker, exchange, permit, opening);
    if let Some(appended) = bill.begin_parts(next, worker.now())
        && worker.shard.durable(&appended).await.is_err()
    {
        // Strict, and the disk failed: what isn't on record doesn't begin.
        return Ok(After::Cut);
    }
    let mut tunnel = Tunnel::new(way);
    if client.write(to_client, None).await.is_err() {
        bill.close(Completion::ClientAbort, tunnel.used(client));
        return Ok(After::Close);
    }
    // A tunnel may rest for hours: it keeps what its bill needs.
    worker.buffers.give_back(input.take());
    to_client.let_go();
    to_upstream.let_go();
    tunnel.due = worker.timers.after(tunnel.idle);
    loop {
        match poll_fn(|context| tunnel.poll(client, &mut bill, context)).await {
            Passed::Part => bill.add_part(tunnel.used(client)),
            Passed::Over(completion) => {
                bill.close(completion, tunnel.used(client));
                return Ok(if completion == Completion::Complete {
                    After::Close
                } else {
                    After::Cut
                });
            }
        }
    }
}

impl Tunnel {
    fn new(way: Way<'_>) -> Self {
        let idle = way.upstream.read_timeout.into();
        let (upstream, input) = way.switch();
        Self {
            upstream,
            to_upstream: Half::new(None),
            to_client: Half::new(input),
            idle,
            due: 0,
        }
    }

    fn used(&self, client: &Client<'_>) -> Used {
        Used {
            bytes_in: self.to_upstream.passed(),
            bytes_out: self.to_client.passed(),
            at: client.worker.now(),
        }
    }

    fn poll(
        &mut self,
        client: &mut Client<'_>,
        bill: &mut Bill<'_>,
        context: &mut Context<'_>,
    ) -> Poll<Passed> {
        let before = (self.to_upstream.passed(), self.to_client.passed());
        let over = self.poll_both(client, context);
        let used = self.used(client);
        bill.note(used);
        if let Some(completion) = over {
            return Poll::Ready(Passed::Over(completion));
        }
        let timers = &client.worker.timers;
        if before != (used.bytes_in, used.bytes_out) {
            self.due = timers.after(self.idle);
        }
        if bill.part_is_due(used) {
            return Poll::Ready(Passed::Part);
        }
        if timers.now() >= self.due {
            return Poll::Ready(Passed::Over(self.at_rest()));
        }
        let part_due = timers.after(bill.until_part(used));
        client.alarm.set(self.due.min(part_due), context.waker());
        Poll::Pending
    }

    /// Goes on in both directions; tells how it ended once it has.
    fn poll_both(
        &mut self,
        client: &mut Client<'_>,
        context: &mut Context<'_>,
    ) -> Option<Completion> {
        let buffers = &client.worker.buffers;
        let up = self
            .to_upstream
            .poll(&mut client.stream, &mut self.upstream, buffers, context);
        let down = self
            .to_client
            .poll(&mut self.upstream, &mut client.stream, buffers, context);
        let by_client = match (up, down) {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Some(Completion::Complete),
            (Poll::Ready(Err(broken)), _) => broken == Broken::Source,
            (_, Poll::Ready(Err(broken))) => broken == Broken::Sink,
            _ => return None,
        };
        // Once a side has said that it is done, the other owes it nothing.
        Some(
            if self.to_upstream.has_ended() || self.to_client.has_ended() {
                Completion::Complete
            } else if by_client {
                Completion::ClientAbort
            } else {
                Completion::UpstreamAbort
            },
        )
    }

    /// What it is when nothing has moved for too long: an end like any other, unless somebody doesn't take what
    /// is there.
    fn at_rest(&self) -> Completion {
        if self.to_client.is_stuck() {
            Completion::ClientAbort
        } else if self.to_upstream.is_stuck() {
            Completion::UpstreamAbort
        } else {
            Completion::Complete
        }
    }
}
