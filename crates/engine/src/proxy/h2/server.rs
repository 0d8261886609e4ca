//! A client's connection of HTTP/2: one task drives it, one more serves each of its streams.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, Connection};

use super::accepted::Accepted;
use super::home::{FIRST_WINDOW, Home};
use super::room::Portion;
use super::wire::Wire;
use crate::proxy::connection;
use crate::proxy::heads_out::Peer;
use crate::proxy::stream::Stream;
use crate::proxy::timers::{Alarm, Millis};
use crate::proxy::worker::Worker;

/// What a client may send of one stream before it is read, where its connection's window lets it.
const STREAM_WINDOW: u32 = 128 * 1024;

/// What is taken of an answer before the client has.
const SEND_BUFFER: usize = 32 * 1024;

/// What pieces of bodies too small to be worth their frames may cost, by h2's count. By itself it would go by the first
/// window, and end clients that stream small messages faster than their upstream takes them.
const SMALL_FRAMES: usize = 512 * 1024;

/// How long a connection that ends may take to hear the last words.
const FAREWELL_MS: Millis = 2_000;

/// Serves `stream`, of which `early` was read already, until either side ends it.
pub(in crate::proxy) async fn serve(
    worker: &Rc<Worker>,
    stream: Stream,
    early: Vec<u8>,
    peer: Peer,
) {
    let peer = Peer {
        http2: true,
        ..peer
    };
    let alarm = worker.timers.alarm();
    let wire = Wire::new(stream, early, true, &worker.timers);
    if let Some(connection) = shake_hands(worker, &wire, &alarm).await {
        let home = Rc::new(Home::new(wire.clone(), &worker.room));
        let _entry = Entry(worker, worker.room.enter(&home));
        let mut served = Served {
            connection,
            wire: wire.clone(),
            worker,
            peer,
            home,
            alarm,
            ending: None,
            idle_since: worker.timers.now(),
            requests: 0,
        };
        poll_fn(|context| served.poll(context)).await;
    }
    let alarm = worker.timers.alarm();
    let due = worker.timers.after(FAREWELL_MS);
    poll_fn(|context| match wire.poll_drain(context) {
        Poll::Pending => wait(worker, &alarm, due, context),
        ready @ Poll::Ready(()) => ready,
    })
    .await;
}

async fn shake_hands(
    worker: &Worker,
    wire: &Wire,
    alarm: &Alarm,
) -> Option<Connection<Wire, Bytes>> {
    let limits = &worker.head_limits;
    let mut shaking = Builder::new()
        .max_concurrent_streams(worker.http2_streams)
        .max_header_list_size(u32::try_from(limits.bytes).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(FIRST_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .data_frame_budget(SMALL_FRAMES)
        .handshake::<_, Bytes>(wire.clone());
    let due = worker.timers.after(worker.timeouts.client_header_ms);
    poll_fn(
        |context| match std::pin::Pin::new(&mut shaking).poll(context) {
            Poll::Ready(shaken) => Poll::Ready(shaken.ok()),
            Poll::Pending => wait(worker, alarm, due, context).map(|()| None),
        },
    )
    .await
}

fn wait(worker: &Worker, alarm: &Alarm, due: Millis, context: &mut Context<'_>) -> Poll<()> {
    if worker.timers.now() >= due {
        return Poll::Ready(());
    }
    alarm.set(due, context.waker());
    Poll::Pending
}

/// A connection's entry among those that may have to make room.
struct Entry<'a>(&'a Worker, u64);

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.0.room.leave(self.1);
    }
}

/// A connection whose handshake is done.
struct Served<'a> {
    connection: Connection<Wire, Bytes>,
    wire: Wire,
    worker: &'a Rc<Worker>,
    peer: Peer,
    home: Rc<Home>,
    alarm: Alarm,
    ending: Option<Ending>,
    idle_since: Millis,
    requests: u64,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The streams there are go on to their ends, as was said at this time.
    Gracefully(Millis),
    /// It ends now, or at this time if the client doesn't take the last words.
    Abruptly(Millis),
}

impl Served<'_> {
    /// Ready when the connection is over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            self.home.watch(context.waker());
            if self.poll_streams(context).is_ready() {
                return Poll::Ready(());
            }
            // What the streams had left to say was handed to the socket by now.
            if self.home.reset_broken() {
                continue;
            }
            if let Some(size) = self.home.grow(self.worker.timers.now()) {
                self.connection.set_target_window_size(size);
                continue;
            }
            let (flooded, displaced) = (self.wire.is_flooded(), self.home.is_displaced());
            if (flooded || displaced) && !matches!(self.ending, Some(Ending::Abruptly(_))) {
                let stats = &self.worker.stats;
                if flooded {
                    stats.http2_floods.increment();
                } else {
                    stats.http2_displaced.increment();
                }
                self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                let due = self.worker.timers.after(FAREWELL_MS);
                self.ending = Some(Ending::Abruptly(due));
                continue;
            }
            let enough = self.requests >= self.worker.requests_per_connection;
            let over = enough || self.worker.is_draining() || self.is_idle_too_long();
            if over && self.ending.is_none() {
                self.connection.graceful_shutdown();
                self.ending = Some(Ending::Gracefully(self.worker.timers.now()));
                continue;
            }
            return self.wait(context);
        }
    }

    /// Drives the connection, and starts what it brings.
    fn poll_streams(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            // A client that resets what it asked for makes room in h2's count at once, here when the task has seen
            // it: until then its further requests wait unread, and h2 counts those that are reset there.
            // They may bring bodies.
            if self.home.open() >= self.worker.http2_streams as usize {
                if !self.home.hold(Portion::Whole) {
                    self.home.displace();
                }
                return self.connection.poll_closed(context).map(|_| ());
            }
            match self.connection.poll_accept(context) {
                Poll::Ready(Some(Ok((request, mut respond)))) => {
                    self.requests += 1;
                    let timers = &self.worker.timers;
                    let has_body = !request.body().is_end_stream();
                    let Some(room) = self.home.begin(SEND_BUFFER, has_body, timers.now()) else {
                        self.worker.stats.http2_refused.increment();
                        self.wire.refused();
                        self.worker.room.press(timers.now());
                        respond.send_reset(Reason::REFUSED_STREAM);
                        continue;
                    };
                    let (home, timers) = (Rc::clone(&self.home), Rc::clone(timers));
                    self.start(Accepted::new(request, respond, home, timers, room));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn start(&self, stream: Accepted) {
        let (worker, peer) = (Rc::clone(self.worker), self.peer.clone());
        tokio::task::spawn_local(async move {
            let stream = Stream::Accepted(Box::new(stream));
            connection::serve(&worker, stream, peer, false).await;
        });
    }

    fn is_idle_too_long(&mut self) -> bool {
        let timers = &self.worker.timers;
        timers.now() >= self.idle_for(self.worker.timeouts.client_idle_ms)
    }

    /// When the connection will have been without streams for `timeout`.
    fn idle_for(&mut self, timeout: Millis) -> Millis {
        if self.home.open() > 0 {
            self.idle_since = self.worker.timers.now();
            return Millis::MAX;
        }
        self.idle_since.saturating_add(timeout)
    }

    /// Pending until the first of the limits that hold just now.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timeouts = &self.worker.timeouts;
        let stuck = self.wire.stuck().map_or(Millis::MAX, |since| {
            since.saturating_add(timeouts.client_send_ms)
        });
        let (idle, over) = match self.ending {
            None => (self.idle_for(timeouts.client_idle_ms), Millis::MAX),
            Some(Ending::Abruptly(due)) => (Millis::MAX, due),
            // The client has that long to take note that no stream is left, and to close.
            Some(Ending::Gracefully(since)) => {
                let told = since.saturating_add(FAREWELL_MS);
                (Millis::MAX, self.idle_for(FAREWELL_MS).max(told))
            }
        };
        let over = over.min(stuck);
        if self.worker.timers.now() >= over {
            return Poll::Ready(());
        }
        // An idle connection is asked to end when this wakes it.
        self.alarm.set(over.min(idle), context.waker());
        Poll::Pending
    }
}
