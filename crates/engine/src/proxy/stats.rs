//! Counters of one worker: written by its thread alone, read by the status port.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::redis::RedisStats;

/// A counter with a single writer: no locked instruction is needed to add to it.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`. Only the owning thread may.
    pub fn add(&self, amount: u64) {
        self.0
            .store(self.get().wrapping_add(amount), Ordering::Relaxed);
    }

    /// Takes one off a gauge. Only the owning thread may.
    pub fn decrement(&self) {
        self.0.store(self.get().wrapping_sub(1), Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of what comes before the first request.
#[derive(Debug, Default)]
pub struct OpeningStats {
    /// Handshakes of TLS with clients that were done.
    pub tls_handshakes: Counter,
    /// Of those, such as went on with a session from before.
    pub tls_resumed: Counter,
    /// Clients that spoke no TLS as we do, or wanted what there isn't.
    pub tls_bad: Counter,
    /// Clients that spoke HTTP without TLS.
    pub tls_plain: Counter,
    /// Clients that left within the handshake.
    pub tls_closed: Counter,
    /// Handshakes that took too long.
    pub tls_timeouts: Counter,
    /// Connections without the PROXY header that must be there.
    pub proxy_malformed: Counter,
    /// Such headers of those who aren't believed.
    pub proxy_untrusted: Counter,
    /// Such headers that took too long.
    pub proxy_timeouts: Counter,
    /// Openings ended for younger ones, as too many were under way.
    pub displaced: Counter,
}

/// What a worker counts beside the phases' own figures.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// Client connections accepted.
    pub accepted: Counter,
    /// Client connections open now.
    pub open: Counter,
    /// Connections, and streams of HTTP/2, that ended by a fault of our own.
    pub panics: Counter,
    /// HTTP/2 connections ended because their clients flooded them with frames that carry nothing.
    pub http2_floods: Counter,
    /// Room taken now for bodies of HTTP/2, in bytes.
    pub http2_bytes: Counter,
    /// Streams refused, and calls not passed on, as there was no such room.
    pub http2_refused: Counter,
    /// HTTP/2 connections ended because nobody took what they had sent, and others needed the room.
    pub http2_displaced: Counter,
    /// Exchanges in progress now.
    pub active: Counter,
    /// Upstream connections made.
    pub connects: Counter,
    /// Requests sent over a connection used before.
    pub reused: Counter,
    /// Failed tries to connect.
    pub connect_failures: Counter,
    /// Further tries after such a failure.
    pub connect_retries: Counter,
    /// Further tries that the budget didn't allow.
    pub retries_refused: Counter,
    /// Requests sent again because their connection had closed without an answer.
    pub retries: Counter,
    /// Upstream answers that were not HTTP, or ended before their head did.
    pub upstream_invalid: Counter,
    /// Upstreams that took too long.
    pub upstream_timeouts: Counter,
    /// Usage events appended, parts included.
    pub events: Counter,
    /// Of those, closed by the client's going away.
    pub events_client_abort: Counter,
    /// Of those, closed by the upstream's breaking off.
    pub events_upstream_abort: Counter,
    /// Requests refused because the usage log could not promise room.
    pub log_refusals: Counter,
    /// Unused upstream connections kept now.
    pub upstream_idle: Counter,
    /// Handshakes with upstreams that failed, by [`TlsFault`](super::dial::TlsFault).
    pub upstream_tls_faults: [Counter; 6],
    /// Handshakes with clients.
    pub opening: OpeningStats,
    /// Dealings with Redis.
    pub redis: Arc<RedisStats>,
}
