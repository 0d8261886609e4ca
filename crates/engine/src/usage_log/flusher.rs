//! The flusher of a shard: a thread that copies the ring to the segments, syncs them, and says so in the
//! mark. Request threads do none of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{park_timeout, sleep};
use std::time::{Duration, Instant};

use super::error::Result;
use super::mark::{Mark, MarkFile};
use super::shard::Shard;
use crate::failpoint;

/// How often the flusher looks again for an append that was begun and isn't finished.
const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_micros(50);
/// The least stretch of the ring that is made writable ahead of the appends.
const TOUCH: u64 = 16 << 10;

/// How the syncs of one shard go.
#[derive(Default)]
pub(super) struct Progress {
    /// The mark's time.
    pub time: AtomicU64,
    /// The longest that an event was not yet durable, µs.
    pub worst: AtomicU64,
    /// How often that was longer than the level allows.
    pub late: AtomicU64,
    /// Why the shard has failed.
    pub fault: Mutex<Option<String>>,
}

pub(super) struct Flusher {
    pub shard: Arc<Shard>,
    pub mark: MarkFile,
    pub interval: Duration,
    pub progress: Arc<Progress>,
    pub stop: Arc<AtomicBool>,
}

impl Flusher {
    /// Runs until it is told to stop, or the disk fails. Gives the mark back, to be closed.
    pub(super) fn run(mut self) -> MarkFile {
        let mut frozen = Instant::now();
        while !self.stop.load(Ordering::Acquire) {
            let begun = Instant::now();
            let before = self.shard.synced();
            if let Err(error) = self.flush() {
                self.shard.fail();
                let mut fault = self
                    .progress
                    .fault
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                *fault = Some(error.to_string());
                break;
            }
            let advance = self.shard.synced() - before;
            if advance > 0 {
                self.note(frozen.elapsed());
                self.shard.touch((2 * advance).max(TOUCH));
            }
            frozen = begun;
            // What is appended just after this sync began is durable when the next one *ends*: that shall
            // be within the interval, with a fifth of it in hand for a busy machine.
            let aim = self.interval / 5 * 4;
            let pause = aim.saturating_sub(2 * begun.elapsed());
            if !self.shard.waiters().any() {
                park_timeout(pause.max(self.interval / 10));
            }
        }
        self.mark
    }

    /// Makes everything durable that was appended before the call.
    fn flush(&mut self) -> Result<()> {
        let (offset, time) = self.shard.freeze();
        let (drained, unsynced) = self.drain_to(offset)?;
        // An append that isn't finished by now keeps its time to itself until the next round.
        let time = if drained < offset {
            self.mark.mark().time
        } else {
            time
        };
        failpoint!("usage_log.before_sync");
        unsynced.sync()?;
        failpoint!("usage_log.after_sync");
        self.mark.write(Mark {
            synced: drained,
            time,
            closed: false,
        })?;
        failpoint!("usage_log.marked");
        self.progress.time.store(time, Ordering::Relaxed);
        self.shard.set_synced(drained);
        Ok(())
    }

    fn drain_to(&self, offset: u64) -> Result<(u64, super::segment::Unsynced)> {
        let mut tries = 0;
        loop {
            let mut drain = self.shard.drain();
            self.shard.copy_out(&mut drain)?;
            if drain.drained >= offset || tries == PATIENCE {
                return Ok((drain.drained, drain.segments.take_unsynced()));
            }
            drop(drain);
            tries += 1;
            sleep(PAUSE);
        }
    }

    fn note(&self, age: Duration) {
        let age_us = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        self.progress.worst.fetch_max(age_us, Ordering::Relaxed);
        if age > self.interval {
            self.progress.late.fetch_add(1, Ordering::Relaxed);
        }
    }
}
