//! Counters for limits, exact both ways: never one request over a limit, and with enough of them exactly the limit pass.
//!
//! They lie in a file in the data folder that all threads, and all gateways on that folder, map. So they survive `kill -9`, and an upgrade's two
//! gateways count together. Checking and counting is one step under a counter's own lock; all windows of a request change at
//! once or not at all, at whatever instant a process is killed: see [`slot`]. Rejected requests aren't counted. The clock may be
//! set as one likes: see [`time`].
//!
//! What was used of allowances (quotas) lies there too, and is decided upon together with the rate limit: see [`allowance`].
//!
//! The file's room is allocated ahead, by [`Counters::maintain`] and not by requests, up to a bound; counters whose windows are all over
//! give their room back. Beyond the bound a new counter is refused ([`LimitFault::Full`]) and the plugin's `fault_tolerant` says what
//! becomes of the request. After a power cut counts may be some seconds old: that is not what they are kept for.

mod allowance;
mod file;
mod lock;
mod map;
mod process;
mod segment;
mod slot;
mod time;
mod window;

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use crate::phases::Now;
pub use allowance::{Admission, Draw, MOST_DRAWS};
use file::Table;
use lock::{Busy, hold};
use process::ThisProcess;
use segment::UNIT;
pub use slot::Counted;
use slot::Slot;
use time::LimitTime;
pub(crate) use window::Date;
pub use window::{WINDOWS, Window};

/// Whose requests a counter counts: 128 bits of a SHA-256, so that no two ever share one by accident or design. The
/// default is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CounterKey {
    pub(crate) high: u64,
    pub(crate) low: u64,
}

impl CounterKey {
    /// From a digest. Never zero: a zero key marks an unused slot.
    #[must_use]
    pub fn new(digest: &[u8; 32]) -> Self {
        let words = digest.as_chunks::<8>().0;
        Self {
            high: u64::from_le_bytes(words[0]) | 1,
            low: u64::from_le_bytes(words[1]),
        }
    }
}

/// How many requests may pass in each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits([u64; WINDOWS]);

impl Default for Limits {
    /// No limit at all.
    fn default() -> Self {
        Self([u64::MAX; WINDOWS])
    }
}

impl Limits {
    /// The greatest limit that a kind of window can have: what its count is kept in.
    #[must_use]
    pub fn most(window: Window) -> u64 {
        match window {
            Window::Second | Window::Minute | Window::Hour | Window::Day => u64::from(u32::MAX),
            Window::Month | Window::Year => (1 << 53) - 1,
        }
    }

    /// Sets the limit of a window, at most [`Limits::most`].
    pub fn set(&mut self, window: Window, limit: u64) {
        self.0[window as usize] = limit;
    }

    /// The limit of a window.
    #[must_use]
    pub fn get(&self, window: Window) -> Option<u64> {
        let limit = self.0[window as usize];
        (limit != u64::MAX).then_some(limit)
    }
}

/// How many counters there may be.
#[derive(Debug, Clone, Copy)]
pub struct CounterRoom {
    /// Room to begin with; 80 bytes of disk each, of memory only those in use.
    pub first: u32,
    /// Room at most.
    pub most: u32,
}

impl Default for CounterRoom {
    /// 131,072 counters in 10 MiB, growing to 4 million.
    fn default() -> Self {
        Self {
            first: 1 << 17,
            most: 1 << 22,
        }
    }
}

/// Why a request could not be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitFault {
    /// There is no room for another counter.
    Full,
    /// Another process was stopped, not killed, while it held what is needed.
    Busy,
}

impl From<Busy> for LimitFault {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

/// All counters of a data folder.
#[derive(Debug)]
pub struct Counters {
    table: Arc<Table>,
    process: ThisProcess,
    time: LimitTime,
    room: CounterRoom,
    /// Where reclaiming goes on, by segment.
    hands: Mutex<[usize; file::SEGMENTS]>,
}

/// Slots that one round of maintenance looks at: some hundred microseconds under the structure lock.
const RECLAIM: usize = 8192;

impl Counters {
    /// Opens the counters in `folder`, which is made if need be.
    ///
    /// # Errors
    /// The folder can't be made or written, the disk has no room for the first counters, or another version made them.
    pub fn open(folder: &Path, room: CounterRoom) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        // One process at a time makes, joins and repairs.
        let opening = File::create(folder.join("opening"))?;
        opening.lock()?;
        let first = room.first.clamp(UNIT, 1 << 30).next_multiple_of(UNIT);
        let table = Arc::new(Table::open(&folder.join("table"), first)?);
        let process = ThisProcess::join(folder, Arc::clone(&table))?;
        let counters = Self {
            table,
            process,
            time: LimitTime::default(),
            room,
            hands: Mutex::default(),
        };
        if counters.process.is_alone()? {
            counters.rebuild(true);
        }
        Ok(counters)
    }

    /// Judges a request, and counts it if it may pass.
    ///
    /// # Errors
    /// [`LimitFault`]: it was not judged, and not counted.
    pub fn count(&self, key: CounterKey, limits: &Limits, now: Now) -> Result<Counted, LimitFault> {
        loop {
            let slot = self.find_or_insert(key, now)?;
            let time = || self.second(now);
            // None: the slot was freed and became another's between finding and locking it.
            if let Some(counted) = slot.count(key, limits, &self.process, time)? {
                return Ok(counted);
            }
        }
    }

    fn find_or_insert(&self, key: CounterKey, now: Now) -> Result<&Slot, LimitFault> {
        match self.find(key) {
            Some(slot) => Ok(slot),
            None => self.insert(key, now),
        }
    }

    fn second(&self, now: Now) -> u64 {
        self.table
            .reached()
            .map_or(0, |reached| self.time.second(now, reached))
    }

    fn find(&self, key: CounterKey) -> Option<&Slot> {
        self.table
            .segments()
            .find_map(|(segment, _)| segment.find(key))
    }

    /// Under the structure lock; first repairs what a dead holder may have left half done.
    fn with_structure<T>(&self, change: impl FnOnce() -> T) -> Result<T, LimitFault> {
        let lock = self.table.structure().ok_or(LimitFault::Full)?;
        let guard = hold(lock, &self.process)?;
        // Another process may have added segments, and counters in them.
        self.table.map_segments().map_err(|_| LimitFault::Full)?;
        if guard.inherited {
            self.rebuild(false);
        }
        Ok(change())
    }

    fn rebuild(&self, alone: bool) {
        if alone && let Some(lock) = self.table.structure() {
            lock::Lockable::release(lock);
        }
        for (segment, state) in self.table.segments() {
            segment.rebuild(state, alone);
        }
    }

    fn insert(&self, key: CounterKey, now: Now) -> Result<&Slot, LimitFault> {
        self.with_structure(|| {
            if let Some(slot) = self.find(key) {
                return Ok(slot);
            }
            let time = self.second(now);
            for (segment, state) in self.table.segments() {
                if let Some(slot) = segment.insert(state, key, time, &self.process)? {
                    return Ok(slot);
                }
            }
            Err(LimitFault::Full)
        })?
    }

    /// Keeps room ahead of need: frees counters whose windows are over, and grows the file when little is left. To be called every
    /// second or so, by a thread that serves no requests.
    ///
    /// # Errors
    /// The file can't grow: the disk is full. Counters that exist go on.
    pub fn maintain(&self, now: Now) -> io::Result<()> {
        let room: u64 = self.states(segment::SegmentState::room);
        let slots = self.states(|state| state.slots.load(std::sync::atomic::Ordering::Relaxed));
        if room > slots / 2 {
            return Ok(());
        }
        let busy = |_| io::Error::from(io::ErrorKind::WouldBlock);
        self.with_structure(|| self.reclaim(now)).map_err(busy)?;
        let room = self.states(segment::SegmentState::room);
        let next = u32::try_from(slots).unwrap_or(u32::MAX);
        let next = next.min(self.room.most.saturating_sub(next)) / UNIT * UNIT;
        if room < slots / 4 && next > 0 {
            return self
                .with_structure(|| self.table.grow(next))
                .map_err(busy)?;
        }
        Ok(())
    }

    fn states(&self, number: impl Fn(&segment::SegmentState) -> u32) -> u64 {
        self.table
            .segments()
            .map(|(_, state)| u64::from(number(state)))
            .sum()
    }

    fn reclaim(&self, now: Now) {
        let time = self.second(now);
        let mut hands = self
            .hands
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for ((segment, state), hand) in self.table.segments().zip(hands.iter_mut()) {
            *hand = segment.reclaim(state, *hand, RECLAIM, time, &self.process);
        }
    }
}
