//! One address of a target, with what is known of it. Shared by all workers, and kept from version to version as
//! long as the target has the address.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::health::Health;

/// How fast old latencies are forgotten: after so many µs they count for little more than a third.
const MEMORY_US: u64 = 10_000_000;

/// How long an address that can't be connected to is asked after all others. Whatever checks there are: a request
/// should not have to find out anew what the one before it did.
const AVOIDED_US: u64 = 1_000_000;

/// An address of a target.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub address: SocketAddr,
    /// The name it was found by: what `Host` and TLS say, without a port; an IPv6 address in brackets.
    pub name: Box<str>,
    /// In or out.
    pub health: Health,
    /// Requests sent there, and those that ended: the difference is in flight, over all workers.
    started: AtomicU64,
    ended: AtomicU64,
    /// Requests that failed there, before an answer.
    failed: AtomicU64,
    /// µs of the process's clock until which others are asked first, as nobody could connect; 0 for never.
    avoided_until: AtomicU64,
    latency: Latency,
    /// What consistent hashing knows it by; the same on every node.
    pub(super) seed: u64,
}

impl Endpoint {
    /// One that nothing is known of.
    #[must_use]
    pub fn new(address: SocketAddr, name: &str) -> Self {
        let mut seed = super::hash::bytes(name.as_bytes());
        seed = match address.ip() {
            std::net::IpAddr::V4(ip) => super::hash::more(seed, &ip.octets()),
            std::net::IpAddr::V6(ip) => super::hash::more(seed, &ip.octets()),
        };
        Self {
            address,
            name: name.into(),
            health: Health::default(),
            started: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            avoided_until: AtomicU64::new(0),
            latency: Latency::default(),
            seed: super::hash::more(seed, &address.port().to_be_bytes()),
        }
    }

    /// A request goes there.
    pub(super) fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// It is over.
    pub(super) fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Nobody could connect at `now`.
    pub(super) fn avoid(&self, now: u64) {
        let until = now.saturating_add(AVOIDED_US);
        self.avoided_until.store(until, Ordering::Relaxed);
    }

    /// Somebody could connect.
    pub(super) fn reached(&self) {
        if self.is_avoided() {
            self.avoided_until.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn is_avoided(&self) -> bool {
        self.avoided_until.load(Ordering::Relaxed) != 0
    }

    /// Whether it is time to see whether one can connect again; true for one caller.
    pub(super) fn claim_look(&self, now: u64) -> bool {
        let until = self.avoided_until.load(Ordering::Relaxed);
        let next = now.saturating_add(AVOIDED_US);
        until != 0
            && now >= until
            && (self.avoided_until)
                .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Requests there now.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let ended = self.ended.load(Ordering::Relaxed);
        self.started.load(Ordering::Relaxed).saturating_sub(ended)
    }

    /// Requests sent there so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Of those, the ones that failed before an answer.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// The moving average of how long its answers took, µs; 0 where none came yet.
    #[must_use]
    pub fn latency_us(&self) -> u64 {
        self.latency.get()
    }

    /// An answer's head took so long.
    pub(super) fn took(&self, micros: u64, now: u64) {
        self.latency.add(micros, now);
    }
}

/// An exponentially weighted moving average by time, so that it means the same at any rate.
#[derive(Debug, Default)]
struct Latency {
    /// µs in the upper half, when it was changed (ms of the process's clock) in the lower.
    word: AtomicU64,
}

impl Latency {
    fn get(&self) -> u64 {
        self.word.load(Ordering::Relaxed) >> 32
    }

    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an average of µs below an hour"
    )]
    fn add(&self, micros: u64, now: u64) {
        let micros = micros.clamp(1, u64::from(u32::MAX));
        let at = (now / 1000) & 0xffff_ffff;
        let before = self.word.load(Ordering::Relaxed);
        let old = before >> 32;
        let value = if old == 0 {
            micros
        } else {
            let since = at.wrapping_sub(before) & 0xffff_ffff;
            // Several within a millisecond count as if they had come one by one.
            let since_us = (since * 1000).max(100);
            let kept = (-(since_us as f64) / MEMORY_US as f64).exp();
            (old as f64 * kept + micros as f64 * (1.0 - kept)).round() as u64
        };
        // Of two at once one may be lost: it is an average.
        self.word.store(value.max(1) << 32 | at, Ordering::Relaxed);
    }
}
