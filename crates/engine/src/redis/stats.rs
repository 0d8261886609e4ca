//! What one worker thread counts of its dealings with Redis.

use std::time::Duration;

use super::Fault;
use crate::proxy::stats::Counter;

/// The histogram's bounds in µs; beyond the last is one more bucket.
pub const BUCKETS: [u64; 11] = [
    100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 100_000, 500_000, 2_000_000,
];

/// Counters with one writer.
#[derive(Debug, Default)]
pub struct RedisStats {
    /// Requests that were to be counted there.
    pub asked: Counter,
    /// Of those, not answered in time.
    pub timeouts: Counter,
    /// Of those, without a connection.
    pub unreachable: Counter,
    /// Of those, answered by an error.
    pub refused: Counter,
    /// Connections open now.
    pub connections: Counter,
    /// Connections made.
    pub connects: Counter,
    /// Tries to connect, or to be let in, that failed.
    pub connect_failures: Counter,
    /// Answers by how long they took, each in one bucket.
    pub answered: [Counter; BUCKETS.len() + 1],
    /// The sum of those times, µs.
    pub answered_us: Counter,
}

impl RedisStats {
    pub(super) fn failed(&self, fault: Fault) {
        match fault {
            Fault::Timeout => self.timeouts.increment(),
            Fault::Unreachable => self.unreachable.increment(),
            Fault::Refused => self.refused.increment(),
        }
    }

    pub(super) fn answered(&self, after: Duration) {
        let after = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|bound| *bound < after);
        self.answered[bucket].increment();
        self.answered_us.add(after);
    }
}
