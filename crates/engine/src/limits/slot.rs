//! One counter: a cache line that threads and processes change together.
//!
//! The trick that makes all windows of a request change at once is that there is one number: `total`, the requests admitted ever. A
//! window's count is `total` less what `total` was when the window began. Admitting a request adds 1 to `total`, a single
//! store; beginning a window stores a base that depends on nothing but `total`. So at every instant at which a process can be killed the
//! slot says either all of a request or nothing of it:
//!
//! 1. bases of windows that ended are set to `total` (again, if somebody died here before: the same value);
//! 2. the new time is stored, with the lock still held;
//! 3. `total` grows;
//! 4. the lock is released.
//!
//! Who finds a lock of a dead holder takes it over as it is. Between 1 and 2 that is right only if time has not gone back since:
//! [`super::time`] sees to that.
//!
//! A slot may also hold what was used of an allowance ([`super::allowance`]): then `total` is that, there are no windows, and the
//! second in `word` is the one until which it is kept.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::lock::{Busy, Guard, Holder, Lockable, hold};
use super::window::{WINDOWS, Window};
use super::{CounterKey, Limits};

/// Stands among the windows' bits for: no windows, an allowance.
const ALLOWANCE: u64 = 1 << 7;

/// Windows whose bases are kept in 32 bits: the shortest.
const SHORT: usize = 4;

/// A counter, as it lies in the file.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Slot {
    /// Zero where the slot is free: see [`CounterKey`].
    key_high: AtomicU64,
    key_low: AtomicU64,
    /// Lock (24 bits), windows with limits (8 bits), second of the last request (32 bits).
    word: AtomicU64,
    /// Requests admitted ever. In a free slot: the next free one.
    total: AtomicU64,
    /// `total` when the second, minute, hour and day of that second began, modulo 2^32: a limit is at most that less 1, so
    /// the difference says how many.
    short: [AtomicU32; SHORT],
    /// The same for month and year.
    long: [AtomicU64; WINDOWS - SHORT],
}

/// A counter whose lock this thread holds.
pub(super) struct Held<'a> {
    slot: &'a Slot,
    _guard: Guard<'a, AtomicU64>,
}

/// What a counter says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Whether it may pass; only then was it counted.
    pub admitted: bool,
    /// The second in which it was judged.
    pub time: u64,
    used: [u64; WINDOWS],
}

impl Counted {
    /// What was judged elsewhere.
    pub(crate) fn new(admitted: bool, time: u64, used: [u64; WINDOWS]) -> Self {
        Self {
            admitted,
            time,
            used,
        }
    }

    /// How many requests the window has had, this one included if it was admitted.
    #[must_use]
    pub fn used(&self, window: Window) -> u64 {
        self.used[window as usize]
    }
}

impl Lockable for AtomicU64 {
    fn holder(&self) -> (u64, Option<Holder>) {
        let word = self.load(Ordering::Acquire);
        (word, Holder::from_bits(word))
    }

    fn try_hold(&self, seen: u64, me: Holder) -> bool {
        let held = (seen & !Holder::MASK) | me.bits();
        self.compare_exchange(seen, held, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    fn release(&self) {
        // Only the holder changes the word.
        let word = self.load(Ordering::Relaxed);
        self.store(word & !Holder::MASK, Ordering::Release);
    }
}

fn time_of(word: u64) -> u64 {
    word >> 32
}

fn windows_of(word: u64) -> u64 {
    word >> 24 & 0xff
}

impl Slot {
    /// Whose counter it is; none where it is free.
    pub(super) fn key(&self) -> Option<CounterKey> {
        let high = self.key_high.load(Ordering::Relaxed);
        let low = self.key_low.load(Ordering::Relaxed);
        (high != 0).then_some(CounterKey { high, low })
    }

    /// Judges a request, and counts it if it may pass. None where the slot has become another's meanwhile.
    ///
    /// `time` is asked once the lock is held.
    pub(super) fn count(
        &self,
        key: CounterKey,
        limits: &Limits,
        me: &impl super::lock::Process,
        time: impl FnOnce() -> u64,
    ) -> Result<Option<Counted>, Busy> {
        let Some(held) = self.lock(key, me)? else {
            return Ok(None);
        };
        let mut counted = held.judge(limits, time());
        if counted.admitted {
            held.count(&mut counted);
        }
        Ok(Some(counted))
    }

    /// Locks the counter of `key`. None where the slot has become another's meanwhile.
    pub(super) fn lock(
        &self,
        key: CounterKey,
        me: &impl super::lock::Process,
    ) -> Result<Option<Held<'_>>, Busy> {
        let guard = hold(&self.word, me)?;
        Ok((self.key() == Some(key)).then_some(Held {
            slot: self,
            _guard: guard,
        }))
    }

    fn used(&self, window: Window, total: u64) -> u64 {
        let place = window as usize;
        if let Some(base) = self.short.get(place) {
            let base = base.load(Ordering::Relaxed);
            u64::from(low_half(total).wrapping_sub(base))
        } else {
            total.wrapping_sub(self.long[place - SHORT].load(Ordering::Relaxed))
        }
    }

    fn begin_windows(&self, old: u64, new: u64, total: u64) {
        // The calendar's long divisions are due once a day.
        let same_day = Window::Day.start(old) == Window::Day.start(new);
        let windows = if same_day {
            &Window::ALL[..SHORT]
        } else {
            &Window::ALL[..]
        };
        for window in windows {
            if window.start(old) == window.start(new) {
                continue;
            }
            let place = *window as usize;
            if let Some(base) = self.short.get(place) {
                base.store(low_half(total), Ordering::Relaxed);
            } else {
                self.long[place - SHORT].store(total, Ordering::Relaxed);
            }
        }
    }

    /// Makes a free slot the counter of `key`, from `time` on.
    pub(super) fn assign(
        &self,
        key: CounterKey,
        time: u64,
        me: &impl super::lock::Process,
    ) -> Result<(), Busy> {
        let guard = hold(&self.word, me)?;
        self.total.store(0, Ordering::Relaxed);
        self.short
            .iter()
            .for_each(|base| base.store(0, Ordering::Relaxed));
        self.long
            .iter()
            .for_each(|base| base.store(0, Ordering::Relaxed));
        let lock = self.word.load(Ordering::Relaxed) & Holder::MASK;
        let time = time.min(u64::from(u32::MAX));
        self.word.store(lock | time << 32, Ordering::Relaxed);
        self.key_low.store(key.low, Ordering::Release);
        self.key_high.store(key.high, Ordering::Release);
        drop(guard);
        Ok(())
    }

    /// Frees the slot if every window that it was limited in is over.
    pub(super) fn free_if_over(
        &self,
        time: u64,
        me: &impl super::lock::Process,
    ) -> Result<bool, Busy> {
        if !is_over(self.word.load(Ordering::Relaxed), time) {
            return Ok(false);
        }
        let guard = hold(&self.word, me)?;
        let is_over = is_over(self.word.load(Ordering::Relaxed), time);
        if is_over {
            self.clear();
        }
        drop(guard);
        Ok(is_over)
    }

    /// Frees the slot, whatever it counts.
    pub(super) fn clear(&self) {
        self.key_high.store(0, Ordering::Release);
    }

    /// The link of a free slot.
    pub(super) fn next_free(&self) -> u32 {
        low_half(self.total.load(Ordering::Relaxed))
    }

    pub(super) fn set_next_free(&self, next: u32) {
        self.total.store(u64::from(next), Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn lock_for(&self, holder: Holder) {
        let word = self.word.load(Ordering::Relaxed);
        assert!(self.word.try_hold(word, holder));
    }

    /// Forgets who held the lock: nobody else is there.
    pub(super) fn unlock_by_force(&self) {
        self.word.release();
    }
}

impl Held<'_> {
    /// Begins the windows of `time`, and says whether a request may pass; it isn't counted yet.
    pub(super) fn judge(&self, limits: &Limits, time: u64) -> Counted {
        let slot = self.slot;
        let word = slot.word.load(Ordering::Relaxed);
        let time = time.clamp(time_of(word), u64::from(u32::MAX));
        let total = slot.total.load(Ordering::Relaxed);
        if time != time_of(word) {
            slot.begin_windows(time_of(word), time, total);
        }
        let mut counted = Counted {
            admitted: true,
            time,
            used: [0; WINDOWS],
        };
        let mut windows = windows_of(word);
        for window in Window::ALL {
            let used = slot.used(window, total);
            counted.used[window as usize] = used;
            if let Some(limit) = limits.get(window) {
                counted.admitted &= used < limit;
                windows |= 1 << window as u8;
            }
        }
        // The lock stays held: bases first, then the time that they belong to, then the count.
        let held = (word & Holder::MASK) | windows << 24 | time << 32;
        slot.word.store(held, Ordering::Release);
        counted
    }

    /// Counts the request that was judged.
    pub(super) fn count(&self, counted: &mut Counted) {
        self.add(1);
        counted.used.iter_mut().for_each(|used| *used += 1);
    }

    /// What was used of the allowance, which is kept until this second at least.
    pub(super) fn used_until(&self, until: u64) -> u64 {
        let slot = self.slot;
        let word = slot.word.load(Ordering::Relaxed);
        let until = until.min(u64::from(u32::MAX));
        let held = (word & Holder::MASK) | ALLOWANCE << 24 | until << 32;
        slot.word.store(held, Ordering::Release);
        slot.total.load(Ordering::Relaxed)
    }

    /// More was used.
    pub(super) fn add(&self, amount: u64) {
        let total = self.slot.total.load(Ordering::Relaxed);
        let total = total.saturating_add(amount);
        self.slot.total.store(total, Ordering::Release);
    }

    /// Less was used than was thought.
    pub(super) fn give_back(&self, amount: u64) {
        let total = self.slot.total.load(Ordering::Relaxed);
        let total = total.saturating_sub(amount);
        self.slot.total.store(total, Ordering::Release);
    }
}

/// The longest window with a limit has ended. A counter that never had one is kept for a minute.
fn is_over(word: u64, time: u64) -> bool {
    let windows = windows_of(word);
    if windows & ALLOWANCE != 0 {
        return time_of(word) <= time;
    }
    let longest = (Window::ALL.into_iter().rev())
        .find(|window| windows >> *window as u8 & 1 == 1)
        .unwrap_or(Window::Minute);
    longest.end(time_of(word)) <= time
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "counts in 32 bits are meant modulo 2^32"
)]
fn low_half(total: u64) -> u32 {
    total as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_one_cache_line() {
        assert_eq!((size_of::<Slot>(), align_of::<Slot>()), (64, 64));
    }
}
