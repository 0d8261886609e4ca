//! A shard: one append-only stream of events, written by one proxy thread, or by several.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use portable_atomic::AtomicU128;

use super::durable::{Durable, Waiters};
use super::error::{Refused, Result};
use super::event::{ShardId, UsageEvent};
use super::layout::Header;
use super::record::{MAX_RECORD, Record, Seed, stated_length};
use super::ring::Ring;
use super::segment::Segments;
use super::{Clock, Level};
use crate::failpoint;

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const FAILED: u8 = 2;

/// Where an event came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The last part of its identity.
    pub offset: u64,
    /// The offset after it.
    pub end: u64,
    /// Its time, µs since 1970.
    pub time: u64,
}

/// One stream of the log. Cheap to use from its thread; safe to use from several.
pub struct Shard {
    id: ShardId,
    seed: Seed,
    level: Level,
    clock: Clock,
    ring: Ring,
    /// Upper half: the offset that the next record gets. Lower half: the latest time given to a record.
    /// One word, so that times follow offsets whoever appends.
    head: AtomicU128,
    /// Requests that hold a permit.
    admitted: AtomicU64,
    /// Room is there for records up to here: in the ring, and then on the disk.
    limit: AtomicU64,
    synced: AtomicU64,
    state: AtomicU8,
    pressed: AtomicBool,
    drain: Mutex<Drain>,
    waiters: Waiters,
    flusher: OnceLock<Thread>,
    keeper: OnceLock<Thread>,
    /// The epoch's: as long as somebody may append, nobody may recover.
    _lock: Arc<File>,
}

/// The way from the ring to the disk.
pub(super) struct Drain {
    /// Everything below was copied from the ring.
    pub drained: u64,
    pub segments: Segments,
}

impl Shard {
    pub(super) fn new(
        header: Header,
        level: Level,
        clock: Clock,
        start_time: u64,
        ring: Ring,
        segments: Segments,
        lock: Arc<File>,
    ) -> Self {
        let drain = Drain {
            drained: header.base,
            segments,
        };
        let shard = Self {
            id: header.shard,
            seed: header.seed(),
            level,
            clock,
            ring,
            head: AtomicU128::new(join(header.base, start_time)),
            admitted: AtomicU64::new(0),
            limit: AtomicU64::new(0),
            synced: AtomicU64::new(header.base),
            state: AtomicU8::new(OPEN),
            pressed: AtomicBool::new(false),
            drain: Mutex::new(drain),
            waiters: Waiters::default(),
            flusher: OnceLock::new(),
            keeper: OnceLock::new(),
            _lock: lock,
        };
        shard.raise_limit(&shard.drain());
        shard
    }

    /// Node, epoch and shard of its events' identity.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// Sets room aside for one event of a request that begins. The append then can't fail.
    ///
    /// # Errors
    /// There is no room: answer 503 and forward nothing.
    pub fn admit(self: &Arc<Self>) -> std::result::Result<Permit, Refused> {
        // Counted before the look at the state: `shut` looks the other way round.
        let permit = Permit {
            admitted: self.admitted.fetch_add(1, Ordering::SeqCst) + 1,
            shard: Arc::clone(self),
        };
        match self.state.load(Ordering::SeqCst) {
            OPEN => {}
            CLOSED => return Err(Refused::Closed),
            _ => return Err(Refused::Failed),
        }
        // An append moves the head before its permit goes, so at every instant the head and all permits
        // together stay below the limit.
        let needed = self.tail() + permit.admitted * MAX_RECORD as u64;
        let limit = self.limit.load(Ordering::Acquire);
        if needed + self.ring.size() / 2 > limit && !self.pressed.swap(true, Ordering::Relaxed) {
            self.wake_keeper();
        }
        if needed > limit {
            return Err(Refused::Full);
        }
        Ok(permit)
    }

    /// Waits until the event is where the log's level wants it before the last byte leaves.
    pub fn durable(self: &Arc<Self>, appended: &Appended) -> Durable {
        let strict = self.level == Level::Strict;
        Durable::new(Arc::clone(self), if strict { appended.end } else { 0 })
    }

    fn append(&self, event: &UsageEvent<'_>) -> Appended {
        failpoint!("usage_log.before_append");
        let mut record = Record::new(event);
        let length = record.length();
        let now = (self.clock)();
        let mut head = self.head.load(Ordering::Relaxed);
        let (offset, time) = loop {
            let (offset, latest) = split(head);
            let time = now.max(latest);
            let next = join(offset + length, time);
            match self
                .head
                .compare_exchange_weak(head, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => break (offset, time),
                Err(other) => head = other,
            }
        };
        failpoint!("usage_log.reserved");
        record.write(&self.ring, self.seed, offset, time);
        failpoint!("usage_log.after_append");
        Appended {
            offset,
            end: offset + length,
            time,
        }
    }

    /// The offset that the next record gets.
    pub(super) fn tail(&self) -> u64 {
        split(self.head.load(Ordering::Acquire)).0
    }

    /// Returns (offset, time): every record with an earlier time lies below the offset, now and later.
    pub(super) fn freeze(&self) -> (u64, u64) {
        let now = (self.clock)();
        let forward = |head| {
            let (offset, latest) = split(head);
            Some(join(offset, now.max(latest)))
        };
        let (Ok(head) | Err(head)) =
            self.head
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, forward);
        let (offset, latest) = split(head);
        (offset, now.max(latest))
    }

    /// How far the clock of the events is ahead of the wall's, µs.
    pub(super) fn ahead(&self) -> u64 {
        split(self.head.load(Ordering::Relaxed))
            .1
            .saturating_sub((self.clock)())
    }

    pub(super) fn drain(&self) -> MutexGuard<'_, Drain> {
        self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies all finished records from the ring to the segments, for as long as there is room there.
    pub(super) fn copy_out(&self, drain: &mut Drain) -> Result<()> {
        self.pressed.store(false, Ordering::Relaxed);
        loop {
            let length = self.finished(drain.drained, drain.segments.room());
            if length > 0 {
                drain
                    .segments
                    .append(self.ring.finished(drain.drained, length))?;
                self.ring.clear(drain.drained, length);
                drain.drained += length as u64;
            } else if self.ring.committed(drain.drained) == 0 || !drain.segments.next()? {
                self.raise_limit(drain);
                return Ok(());
            } else {
                self.wake_keeper();
            }
        }
    }

    /// The length of the run of finished records at `start`, as far as it fits into `room`.
    fn finished(&self, start: u64, room: u64) -> usize {
        let room = usize::try_from(room.min(self.ring.size())).unwrap_or(usize::MAX);
        let mut length = 0;
        loop {
            // A lap has no word after its last: what follows is the run's own beginning.
            let next = if (length as u64) < self.ring.size() {
                stated_length(self.ring.committed(start + length as u64))
            } else {
                0
            };
            if next == 0 || length + next > room {
                return length;
            }
            length += next;
        }
    }

    pub(super) fn raise_limit(&self, drain: &Drain) {
        let limit = (drain.drained + self.ring.size()).min(drain.segments.guaranteed());
        self.limit.fetch_max(limit, Ordering::Release);
    }

    /// Makes the pages writable that the next records will go to.
    pub(super) fn touch(&self, length: u64) {
        self.ring.touch(self.tail(), length);
    }

    pub(super) fn set_threads(&self, flusher: Thread, keeper: Thread) {
        let _ = self.flusher.set(flusher);
        let _ = self.keeper.set(keeper);
    }

    fn wake_keeper(&self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.unpark();
        }
    }

    pub(super) fn wake_flusher(&self) {
        if let Some(flusher) = self.flusher.get() {
            flusher.unpark();
        }
    }

    pub(super) fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    pub(super) fn set_synced(&self, synced: u64) {
        self.synced.store(synced, Ordering::Release);
        self.waiters.wake(synced);
    }

    pub(super) fn failed(&self) -> bool {
        self.state.load(Ordering::Acquire) == FAILED
    }

    /// Takes no more requests, and tells those that wait for a sync.
    pub(super) fn fail(&self) {
        self.state.store(FAILED, Ordering::Release);
        self.waiters.wake(u64::MAX);
    }

    /// Takes no more requests; returns how many may still append.
    pub(super) fn shut(&self) -> u64 {
        let _ = self
            .state
            .compare_exchange(OPEN, CLOSED, Ordering::SeqCst, Ordering::SeqCst);
        self.admitted.load(Ordering::SeqCst)
    }

    pub(super) fn admitted(&self) -> u64 {
        self.admitted.load(Ordering::Relaxed)
    }

    /// How many more requests would be admitted now.
    pub(super) fn room(&self) -> u64 {
        let taken = self.tail() + self.admitted() * MAX_RECORD as u64;
        self.limit.load(Ordering::Relaxed).saturating_sub(taken) / MAX_RECORD as u64
    }
}

/// Room for one event. Dropped, it gives the room back.
#[must_use = "without an append, the request isn't billed"]
pub struct Permit {
    shard: Arc<Shard>,
    admitted: u64,
}

impl Permit {
    /// Appends the event. When this returns, the death of the process can't lose it. Never blocks.
    #[allow(clippy::must_use_candidate)] // only `strict` needs the answer
    pub fn append(self, event: &UsageEvent<'_>) -> Appended {
        self.shard.append(event)
    }

    /// The shard it is for.
    #[must_use]
    pub fn shard(&self) -> &Arc<Shard> {
        &self.shard
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shard.admitted.fetch_sub(1, Ordering::AcqRel);
    }
}

fn join(offset: u64, time: u64) -> u128 {
    u128::from(offset) << 64 | u128::from(time)
}

fn split(head: u128) -> (u64, u64) {
    #[allow(clippy::cast_possible_truncation)] // the two halves
    ((head >> 64) as u64, head as u64)
}
