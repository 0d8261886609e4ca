//! What the connections of one thread share, and the loop that accepts them.

use std::cell::{Cell, RefCell};
use std::io;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::budget::{Budget, Rates};
use super::buffers::BufferPool;
use super::clock::Clock;
use super::connection;
use super::date::DateCache;
use super::desk::Desks;
use super::dial::{Destination, Dialer};
use super::h2::{Links, Room};
use super::head::HeadLimits;
use super::heads_out::Peer;
use super::opening::{self, Openings, ServerTls};
use super::outbox::Outbox;
use super::pool::Pool;
use super::resolver::Resolver;
use super::seats::Seats;
use super::stats::WorkerStats;
use super::stream::Stream;
use super::timers::{Millis, TICK, Timers};
use crate::balancer::Pauses;
use crate::names::NameOptions;
use crate::phases::{AnswerKind, Now, Pipeline};
use crate::redis::Hub;
use crate::server::options::{Limits, Listener, Timeouts};
use crate::usage_log::{Permit, Shard};

/// How many ticks lie between two looks at the unused upstream connections.
const TICKS_PER_SWEEP: u32 = 40;

/// How long accepting rests after a fault that won't pass at once (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is spoken at a listener.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Protocols {
    /// TLS, and nothing else.
    pub tls: bool,
    /// HTTP/2 beside HTTP/1.
    pub http2: bool,
    /// Every connection begins with a PROXY protocol header.
    pub proxy_protocol: bool,
}

impl From<Listener> for Protocols {
    fn from(listener: Listener) -> Self {
        Self {
            tls: listener.tls,
            http2: listener.http2,
            proxy_protocol: listener.proxy_protocol,
        }
    }
}

/// One thread's means of serving.
pub struct Worker {
    pub(super) pipeline: RefCell<Pipeline>,
    pub(super) shard: Arc<Shard>,
    pub(super) stats: Arc<WorkerStats>,
    pub(super) pool: Pool,
    pub(super) links: Links,
    pub(super) seats: Seats,
    /// What requests to services with a host of their own may spend on trying again.
    pub(super) budget: Budget,
    pub(super) retry_rates: Rates,
    /// How long a target that is out rests before a request tries it.
    pub(super) pauses: Pauses,
    pub(super) dialer: Dialer,
    pub(super) openings: Openings,
    tls: Option<ServerTls>,
    pub(super) outbox: Outbox,
    pub(super) buffers: BufferPool,
    pub(super) desks: Desks,
    pub(super) resolver: Rc<Resolver>,
    pub(super) redis: Hub,
    pub(super) timers: Rc<Timers>,
    pub(super) date: DateCache,
    pub(super) timeouts: Timeouts,
    pub(super) head_limits: HeadLimits,
    /// What the body of a request may take.
    pub(super) body_bytes: u64,
    /// Requests that a client may send on one connection.
    pub(super) requests_per_connection: u64,
    pub(super) http2_streams: u32,
    /// For bodies of HTTP/2.
    pub(super) room: Rc<Room>,
    draining: Cell<Option<Millis>>,
    closed: Notify,
    most_connections: u64,
    clock: Clock,
}

impl Worker {
    /// A worker that judges by `pipeline` and records in `shard`.
    #[must_use]
    pub fn new(
        pipeline: Pipeline,
        shard: Arc<Shard>,
        stats: Arc<WorkerStats>,
        timeouts: Timeouts,
        limits: Limits,
    ) -> Self {
        let timers = Rc::<Timers>::default();
        let redis = (Rc::clone(&timers), Arc::clone(&stats.redis));
        Self {
            redis: Hub::new(pipeline.namespace(), redis.0, redis.1),
            pipeline: RefCell::new(pipeline),
            shard,
            stats,
            pool: Pool::new(
                limits.upstream_idle_per_worker,
                limits.upstream_idle_per_address,
                timeouts.upstream_idle_ms,
                timeouts.upstream_age_ms,
            ),
            links: Links::default(),
            seats: Seats::default(),
            budget: Budget::default(),
            retry_rates: Rates {
                percent: limits.retry_percent,
                floor: limits.retries_per_second,
            },
            pauses: Pauses {
                first: timeouts.trial_pause_ms * 1000,
                most: timeouts.trial_pause_most_ms * 1000,
            },
            dialer: Dialer::new(true),
            openings: Openings::new(limits.openings_per_worker),
            tls: None,
            outbox: Outbox::default(),
            buffers: BufferPool::default(),
            desks: Desks::default(),
            resolver: Rc::new(Resolver::new(NameOptions::default(), Rc::clone(&timers))),
            timers,
            date: DateCache::default(),
            timeouts,
            head_limits: HeadLimits {
                first_line: limits.request_line_bytes,
                bytes: limits.head_bytes,
                count: limits.header_count,
            },
            body_bytes: limits.body_bytes.map_or(u64::MAX, NonZeroU64::get),
            requests_per_connection: limits.requests_per_connection,
            http2_streams: limits.http2_streams,
            room: Rc::new(Room::new(limits.http2_bytes_per_worker)),
            draining: Cell::new(None),
            closed: Notify::new(),
            most_connections: limits.connections_per_worker as u64,
            clock: Clock::default(),
        }
    }

    /// The same, asking about names as `options` say.
    #[must_use]
    pub fn asking(mut self, options: NameOptions) -> Self {
        self.resolver = Rc::new(Resolver::new(options, Rc::clone(&self.timers)));
        self
    }

    /// Serves clients over TLS by `tls`, and calls upstreams as `verify` says where their service doesn't.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<ServerTls>, verify: bool) -> Self {
        self.tls = tls;
        self.dialer = Dialer::new(verify);
        self
    }

    /// How clients of a listener are served over TLS.
    pub(super) fn server_tls(&self, protocols: Protocols) -> Option<&Arc<ServerConfig>> {
        let tls = self.tls.as_ref()?;
        Some(if protocols.http2 {
            &tls.http2
        } else {
            &tls.http1
        })
    }

    /// The present.
    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// The usage log's promise of room for one event. Refusals are counted.
    pub(super) fn room(&self) -> Result<Permit, AnswerKind> {
        self.shard.admit().map_err(|_| {
            self.stats.log_refusals.increment();
            AnswerKind::Unavailable
        })
    }

    /// The service is ending: answers say so, and idle connections close.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.get().is_some()
    }

    /// How long a connection without a request stays, in milliseconds, once the service is ending.
    pub(super) fn quiet(&self) -> Option<Millis> {
        self.draining.get()
    }

    /// Begins to speak HTTP/2 over a new connection to an upstream, and gives its first stream.
    pub(super) async fn begin_http2(
        &self,
        destination: Destination,
        stream: Stream,
    ) -> io::Result<Stream> {
        let bytes = self.head_limits.bytes;
        self.links
            .begin(destination, stream, bytes, &self.timeouts, &self.timers)
            .await
    }

    /// Starts what runs beside the connections, as long as the runtime.
    pub fn run(self: &Rc<Self>) {
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move { worker.tick().await });
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move { worker.outbox.run().await });
    }

    /// Moves clocks on and closes what waited too long.
    async fn tick(&self) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut until_sweep = TICKS_PER_SWEEP;
        loop {
            interval.tick().await;
            self.clock.adjust();
            self.timers.tick();
            self.stats.http2_bytes.set(self.room.taken() as u64);
            until_sweep -= 1;
            if until_sweep == 0 {
                until_sweep = TICKS_PER_SWEEP;
                self.pool.sweep(self.timers.now());
                self.links.sweep();
                self.seats.sweep();
                self.stats.upstream_idle.set(self.pool.len() as u64);
                // A thread without requests must not keep an old configuration in memory.
                self.pipeline.borrow_mut().refresh();
            }
        }
    }

    /// Accepts connections and serves each in a task of its own. Runs until dropped.
    ///
    /// One connection at a time, and then the others' turn: several workers accept on one socket, and none
    /// should take all that came at once.
    pub async fn accept(self: Rc<Self>, listener: TcpListener, protocols: Protocols) {
        let port = listener.local_addr().map_or(0, |address| address.port());
        loop {
            while self.stats.open.get() >= self.most_connections {
                self.closed.notified().await;
            }
            match listener.accept().await {
                Ok((stream, client)) => {
                    let peer = Peer {
                        client,
                        port,
                        tls: protocols.tls,
                        server_name: None,
                        http2: false,
                    };
                    self.start(stream, peer, protocols);
                }
                Err(error) if is_passing(&error) => {}
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
            tokio::task::yield_now().await;
        }
    }

    fn start(self: &Rc<Self>, stream: TcpStream, peer: Peer, protocols: Protocols) {
        // Small answers must not wait for the acknowledgement of the one before.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        self.stats.accepted.increment();
        self.stats.open.increment();
        let open = Open(Rc::clone(self));
        if protocols.have_opening() {
            let number = self.openings.number();
            let task = tokio::task::spawn_local(async move {
                opening::serve(&open.0, stream, peer, protocols, number).await;
            });
            if self.openings.began(number, task.abort_handle()) {
                self.stats.opening.displaced.increment();
            }
            return;
        }
        tokio::task::spawn_local(async move {
            connection::serve(&open.0, Stream::plain(stream), peer, protocols.http2).await;
        });
    }

    /// Ends the service: nothing new is accepted (the caller drops [`Self::accept`]), answers end their connection, one
    /// that was idle for `quiet` milliseconds closes, and exchanges in flight go on. Returns when all have ended.
    pub async fn drain(&self, quiet: u64) {
        self.draining.set(Some(quiet));
        self.timers.wake_all();
        while self.stats.open.get() > 0 {
            self.closed.notified().await;
        }
    }
}

/// A connection counted as open, until it is dropped: also by a panic.
struct Open(Rc<Worker>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.stats.open.decrement();
        self.0.closed.notify_one();
    }
}

/// Faults of one connection, not of accepting.
fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}
