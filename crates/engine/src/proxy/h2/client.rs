//! A worker's connections to upstreams that speak HTTP/2, each shared by as many exchanges as it has streams for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use http::uri::Scheme;

use super::asked::Asked;
use super::fault::broken;
use super::room::{Portion, Room, Taken};
use super::wire::Wire;
use crate::proxy::dial::Destination;
use crate::proxy::stream::Stream;
use crate::proxy::timers::{Alarm, Millis, Timers};
use crate::server::options::Timeouts;

/// HTTP/2, as TLS names it.
const ALPN: &[u8] = b"h2";

/// Exchanges on one connection, where the upstream would take more.
const MOST_STREAMS: u32 = 64;

/// Unused connections of one worker. More of them than so many targets take can only come of names that callers choose
/// (`preserve_host`), each of which has its own.
const MOST_UNUSED: usize = 256;

/// What an upstream may send of one answer before it is read.
const STREAM_WINDOW: u32 = 128 * 1024;

/// Enough for every stream: clients that don't read must not hold up those that do.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MOST_STREAMS;

/// What is taken of a request before the upstream has.
const SEND_BUFFER: usize = 32 * 1024;

/// The room for one exchange, whatever either side doesn't take.
#[must_use]
pub fn room_for_asking(room: &Rc<Room>) -> Option<Taken> {
    room.take(STREAM_WINDOW as usize + SEND_BUFFER, Portion::Whole)
}

/// After so long a silence within exchanges an upstream is asked whether it lives,
const SILENCE_MS: Millis = 20_000;

/// and has so long to say anything at all.
const PONG_MS: Millis = 10_000;

/// Not again before: gRPC servers hang up on who asks more often than every five minutes.
const PING_PAUSE_MS: Millis = 310_000;

/// Connections by where they lead.
#[derive(Debug, Default)]
pub struct Links {
    known: RefCell<HashMap<Destination, Vec<Rc<Link>>>>,
}

/// One connection.
#[derive(Debug)]
struct Link {
    sender: SendRequest<Bytes>,
    scheme: Scheme,
    wire: Wire,
    timers: Rc<Timers>,
    /// From then on it gets no further exchange: names may lead elsewhere by now.
    old_at: Millis,
    open: Cell<usize>,
    retired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Links {
    /// A stream on a connection that has room for it.
    #[must_use]
    pub fn take(&self, destination: &Destination) -> Option<Stream> {
        let mut known = self.known.borrow_mut();
        let links = known.get_mut(destination)?;
        links.retain(|link| link.is_welcoming());
        let link = links.iter().find(|link| link.has_room())?;
        Some(link.ask())
    }

    /// Begins to speak HTTP/2 over `stream`, and gives its first stream.
    ///
    /// # Errors
    /// The connection's.
    pub async fn begin(
        &self,
        destination: Destination,
        stream: Stream,
        head_bytes: usize,
        timeouts: &Timeouts,
        timers: &Rc<Timers>,
    ) -> io::Result<Stream> {
        let scheme = match &stream {
            // Who doesn't choose it may be no server of HTTP/2 at all.
            Stream::Tls(tls) if tls.get_ref().1.alpn_protocol() != Some(ALPN) => {
                return Err(io::ErrorKind::InvalidData.into());
            }
            Stream::Tls(_) => Scheme::HTTPS,
            _ => Scheme::HTTP,
        };
        let wire = Wire::new(stream, Vec::new(), false, timers);
        let (sender, mut connection) = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(MOST_STREAMS as usize)
            .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .handshake::<_, Bytes>(wire.clone())
            .await
            .map_err(|error| broken(&error))?;
        let link = Rc::new(Link {
            sender,
            scheme,
            wire,
            timers: Rc::clone(timers),
            old_at: timers.now().saturating_add(timeouts.upstream_age_ms),
            open: Cell::new(0),
            retired: Cell::new(false),
            waker: RefCell::default(),
        });
        let mut driven = Driven {
            pings: connection.ping_pong(),
            connection,
            link: Rc::clone(&link),
            alarm: timers.alarm(),
            idle_ms: timeouts.upstream_idle_ms,
            idle_since: timers.now(),
            pinged: None,
        };
        tokio::task::spawn_local(async move {
            poll_fn(|context| driven.poll(context)).await;
            driven.link.retire();
        });
        let first = link.ask();
        let mut known = self.known.borrow_mut();
        let unused = known.values().flatten().filter(|link| link.is_unused());
        unused.skip(MOST_UNUSED - 1).for_each(|link| link.retire());
        known.entry(destination).or_default().push(link);
        Ok(first)
    }

    /// Forgets connections that ended.
    pub fn sweep(&self) {
        self.known.borrow_mut().retain(|_, links| {
            links.retain(|link| link.is_welcoming());
            !links.is_empty()
        });
    }
}

impl Link {
    /// Further exchanges may be begun on it.
    fn is_welcoming(&self) -> bool {
        let young = self.timers.now() < self.old_at;
        young && !self.retired.get() && !self.wire.said_farewell()
    }

    fn has_room(&self) -> bool {
        let most = self.sender.current_max_send_streams();
        self.open.get() < most.min(MOST_STREAMS as usize)
    }

    fn is_unused(&self) -> bool {
        self.open.get() == 0 && self.is_welcoming()
    }

    fn ask(self: &Rc<Self>) -> Stream {
        self.open.set(self.open.get() + 1);
        let asked = Asked::new(Lease(Rc::clone(self)), self.scheme.clone());
        Stream::Asked(Box::new(asked))
    }

    fn retire(&self) {
        self.retired.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// An exchange's share of a connection.
#[derive(Debug)]
pub struct Lease(Rc<Link>);

impl Lease {
    /// What opens a stream.
    #[must_use]
    pub fn sender(&self) -> SendRequest<Bytes> {
        self.0.sender.clone()
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.0.timers.now()
    }

    /// When the upstream said something last, on any stream.
    #[must_use]
    pub fn heard(&self) -> Millis {
        self.0.wire.heard()
    }

    /// Nobody is to begin a further exchange on this connection.
    pub fn retire(&self) {
        self.0.retire();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.wake();
    }
}

/// A connection in the hands of its task.
struct Driven {
    connection: Connection<Wire, Bytes>,
    pings: Option<PingPong>,
    link: Rc<Link>,
    alarm: Alarm,
    idle_ms: Millis,
    idle_since: Millis,
    pinged: Option<Millis>,
}

impl Driven {
    /// Ready when the connection is to be dropped: it ended, was unused for long, or is dead.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut *self.link.waker.borrow_mut() {
            Some(known) => known.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        if Pin::new(&mut self.connection).poll(context).is_ready() || self.link.wire.is_flooded() {
            return Poll::Ready(());
        }
        let now = self.link.timers.now();
        let due = if self.link.open.get() == 0 {
            if !self.link.is_welcoming() {
                return Poll::Ready(());
            }
            self.idle_since.saturating_add(self.idle_ms)
        } else {
            self.idle_since = now;
            self.poll_life(now, context)
        };
        if now >= due {
            return Poll::Ready(());
        }
        self.alarm.set(due, context.waker());
        Poll::Pending
    }

    /// When the connection has to be looked at again, or is dead.
    fn poll_life(&mut self, now: Millis, context: &mut Context<'_>) -> Millis {
        let heard = self.link.wire.heard();
        let Some(pings) = &mut self.pings else {
            return Millis::MAX;
        };
        // An answer makes room for the next question; whatever else is heard is as good a sign of life.
        let _ = pings.poll_pong(context);
        match self.pinged {
            Some(pinged) if heard < pinged => pinged.saturating_add(PONG_MS),
            Some(pinged) if now < pinged.saturating_add(PING_PAUSE_MS) => {
                pinged.saturating_add(PING_PAUSE_MS)
            }
            _ if now < heard.saturating_add(SILENCE_MS) => heard.saturating_add(SILENCE_MS),
            _ => {
                if pings.send_ping(Ping::opaque()).is_err() {
                    return Millis::MAX;
                }
                self.pinged = Some(now);
                context.waker().wake_by_ref();
                now.saturating_add(PONG_MS)
            }
        }
    }
}
