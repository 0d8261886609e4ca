//! Counting in Redis (or Valkey): limits that hold over any number of gateways.
//!
//! A request is one step there: [`SCRIPT`] checks all windows, and counts the request in all or in none, by Redis' own clock. It is the
//! model of [`crate::limits`] in another language: a test drives both through the same times.
//!
//! Each worker thread has one connection per server, with any number of requests in flight on it ([`link`]). A server that doesn't
//! answer within its timeout is down for all of the thread's requests at once: they fail immediately while it is asked again
//! and again in the background. What becomes of them is the plugin's `fault_tolerant` to say.
//!
//! What was asked and not answered may have been counted: it is never asked twice.

mod link;
mod resp;
mod server;
mod stats;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::limits::{Counted, CounterKey};
use crate::plugins::rate_limiting::RateLimiting;
use crate::proxy::timers::Timers;
use link::Link;
pub use server::{Server, Settings};
pub use stats::{BUCKETS, RedisStats};

/// What runs in Redis.
pub const SCRIPT: &str = include_str!("count.lua");

/// Why Redis didn't count a request, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It didn't answer in time.
    Timeout,
    /// There is no connection to it, or it broke.
    Unreachable,
    /// It answered with an error, or not as it should.
    Refused,
}

/// A request that waits to be counted in Redis.
#[derive(Debug, Clone)]
pub struct SharedCount {
    /// Has the limits, and the server. Only what has one is asked for.
    pub(crate) plugin: Arc<RateLimiting>,
    pub(crate) counter: CounterKey,
}

/// Tells installations apart that share one Redis: their counters may be called the same, by a client's address say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace(pub(crate) u64);

impl Namespace {
    /// From the installation's HMAC key: the same for all of its gateways.
    pub(crate) fn of(pepper: &Hmac<Sha256>) -> Self {
        let digest: [u8; 32] = (pepper.clone().chain_update(b"tollway/redis/1"))
            .finalize()
            .into_bytes()
            .into();
        Self(u64::from_be_bytes(digest.as_chunks::<8>().0[0]))
    }
}

/// One thread's connections to Redis servers.
#[derive(Debug)]
pub struct Hub {
    namespace: Namespace,
    timers: Rc<Timers>,
    stats: Arc<RedisStats>,
    links: RefCell<Vec<Rc<Link>>>,
}

impl Hub {
    /// None is connected yet.
    pub(crate) fn new(namespace: Namespace, timers: Rc<Timers>, stats: Arc<RedisStats>) -> Self {
        Self {
            namespace,
            timers,
            stats,
            links: RefCell::default(),
        }
    }

    /// Has a request judged, and counted if it may pass.
    ///
    /// # Errors
    /// [`Fault`]: whether it was counted isn't known.
    pub async fn count(&self, asked: SharedCount) -> Result<Counted, Fault> {
        let Some(server) = asked.plugin.shared.as_ref() else {
            return Err(Fault::Refused);
        };
        self.stats.asked.increment();
        let answer = match self.link(server).ask(asked) {
            // Whoever was to answer is gone.
            Some(answer) => answer.await.unwrap_or(Err(Fault::Unreachable)),
            None => Err(Fault::Unreachable),
        };
        if let Err(fault) = answer {
            self.stats.failed(fault);
        }
        answer
    }

    fn link(&self, server: &Arc<Server>) -> Rc<Link> {
        let mut links = self.links.borrow_mut();
        // A new version of the configuration has the same servers in another place.
        let known = links.iter().find(|link| link.is_to(server));
        if let Some(link) = known {
            return Rc::clone(link);
        }
        links.retain(|link| !link.has_ended());
        let link = Link::start(
            Arc::clone(server),
            self.namespace,
            Rc::clone(&self.timers),
            Arc::clone(&self.stats),
        );
        links.push(Rc::clone(&link));
        link
    }
}
