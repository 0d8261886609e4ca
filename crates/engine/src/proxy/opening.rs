//! From an accepted socket to a connection on which requests can come: the PROXY protocol's header, the handshake of
//! TLS. Bounded in time and number: where too many are under way the one that began first has to go, since a client
//! that means it needs milliseconds.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::{HandshakeKind, ServerConfig};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::connection;
use super::heads_out::Peer;
use super::proxy_protocol::{self, Fault, Said};
use super::stream::Stream;
use super::worker::{Protocols, Worker};
use crate::phases::AnswerKind;

/// How clients are served over TLS, with HTTP/2 and without.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// ALPN offers HTTP/1.1.
    pub http1: Arc<ServerConfig>,
    /// And HTTP/2 before it.
    pub http2: Arc<ServerConfig>,
}

impl Protocols {
    /// Whether something comes before the first request.
    pub(super) fn have_opening(self) -> bool {
        self.tls || self.proxy_protocol
    }
}

/// Openings of one worker that are under way.
#[derive(Debug, Default)]
pub(super) struct Openings {
    most: usize,
    next: Cell<u64>,
    under_way: RefCell<BTreeMap<u64, AbortHandle>>,
}

impl Openings {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// The number of one that begins now.
    pub(super) fn number(&self) -> u64 {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        number
    }

    /// The task of that number is on its way. True if another one was ended for it.
    pub(super) fn began(&self, number: u64, task: AbortHandle) -> bool {
        let mut under_way = self.under_way.borrow_mut();
        under_way.insert(number, task);
        if under_way.len() <= self.most {
            return false;
        }
        under_way.pop_first().is_some_and(|(_, oldest)| {
            oldest.abort();
            true
        })
    }
}

/// One opening, until it is dropped.
struct UnderWay<'a>(&'a Openings, u64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.borrow_mut().remove(&self.1);
    }
}

/// Opens the connection that is the worker's `number`th, and serves it.
pub(super) async fn serve(
    worker: &Rc<Worker>,
    stream: TcpStream,
    peer: Peer,
    protocols: Protocols,
    number: u64,
) {
    let under_way = UnderWay(&worker.openings, number);
    if let Some((stream, peer)) = open(worker, stream, peer, protocols).await {
        drop(under_way);
        connection::serve(worker, stream, peer, protocols.http2).await;
    }
}

async fn open(
    worker: &Rc<Worker>,
    mut stream: TcpStream,
    mut peer: Peer,
    protocols: Protocols,
) -> Option<(Stream, Peer)> {
    let stats = &worker.stats.opening;
    if protocols.proxy_protocol {
        let limit = Duration::from_millis(worker.timeouts.proxy_header_ms);
        match tokio::time::timeout(limit, proxy_protocol::read(&mut stream)).await {
            // Its word counts for who connects here, who is judged by the address that it really has.
            Ok(Ok(Said::Proxied { .. }))
                if !worker.pipeline.borrow().believes(peer.client.ip()) =>
            {
                stats.proxy_untrusted.increment();
            }
            Ok(Ok(Said::Proxied { client, called })) => {
                peer.client = client;
                peer.port = called.port();
            }
            Ok(Ok(Said::Local)) => {}
            Ok(Err(Fault::Malformed)) => {
                stats.proxy_malformed.increment();
                return None;
            }
            Ok(Err(Fault::Closed)) => return None,
            Err(_) => {
                stats.proxy_timeouts.increment();
                return None;
            }
        }
    }
    if !protocols.tls {
        return Some((Stream::plain(stream), peer));
    }
    let limit = Duration::from_millis(worker.timeouts.tls_handshake_ms);
    let config = worker.server_tls(protocols)?;
    let Ok(shaken) = tokio::time::timeout(limit, shake_hands(stream, config)).await else {
        stats.tls_timeouts.increment();
        return None;
    };
    match shaken {
        Shaken::Hands(stream) => {
            let connection = stream.get_ref().1;
            stats.tls_handshakes.increment();
            if connection.handshake_kind() == Some(HandshakeKind::Resumed) {
                stats.tls_resumed.increment();
            }
            peer.server_name = connection
                .server_name()
                .map(|name| Rc::from(name.trim_end_matches('.').to_ascii_lowercase()));
            let stream = tokio_rustls::TlsStream::from(*stream);
            Some((Stream::Tls(Box::new(stream)), peer))
        }
        Shaken::Plain(stream) => {
            stats.tls_plain.increment();
            peer.tls = false;
            let stream = Stream::plain(stream);
            connection::refuse(worker, stream, peer, AnswerKind::PlainOnTls).await;
            None
        }
        Shaken::Bad(stream) => {
            stats.tls_bad.increment();
            // The alert was said: it must arrive before a reset does.
            connection::dismiss(worker, Stream::plain(stream), peer).await;
            None
        }
        Shaken::Closed => {
            stats.tls_closed.increment();
            None
        }
    }
}

/// What came of a handshake.
enum Shaken {
    Hands(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// The client speaks HTTP without TLS.
    Plain(TcpStream),
    /// It speaks something else, or wants what there isn't.
    Bad(TcpStream),
    /// It left.
    Closed,
}

async fn shake_hands(stream: TcpStream, config: &Arc<ServerConfig>) -> Shaken {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1) => {}
        _ => return Shaken::Closed,
    }
    // A record of TLS begins with its kind, and none of these is one.
    if first[0].is_ascii_alphabetic() || matches!(first[0], b'\r' | b'\n') {
        return Shaken::Plain(stream);
    }
    let accepting = TlsAcceptor::from(Arc::clone(config)).accept(stream);
    match accepting.into_fallible().await {
        Ok(stream) => Shaken::Hands(Box::new(stream)),
        Err((error, stream)) => {
            let cause = error.get_ref();
            match cause.and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
                Some(_) => Shaken::Bad(stream),
                None => Shaken::Closed,
            }
        }
    }
}
