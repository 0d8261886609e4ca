//! A segment: slots, and an index that finds them by key.
//!
//! A key has two buckets, each a cache line of eight entries, and its slot is named in one of them. Looking up takes no lock: an entry is
//! one word, and whether the slot it names is really the key's is checked under the slot's own lock. Changes are made under the
//! file's one structure lock. Slots hold the truth: from them the index can be made anew.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::CounterKey;
use super::lock::{Busy, Process};
use super::map::Mapping;
use super::slot::Slot;

const ENTRIES: usize = 8;
/// Slots per bucket: half of the entries, so a key's two buckets are hardly ever both full before the slots are.
const SLOTS_PER_BUCKET: usize = ENTRIES / 2;
/// Segments have a multiple of so many slots: then each begins on a page, whatever the size of pages (up to 64 KiB).
pub(super) const UNIT: u32 = 4096;

/// Entries: 32 bits of the key, and the slot's number counted from 1; 0 where it is free.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Bucket([AtomicU64; ENTRIES]);

/// What the file's header says of a segment.
#[derive(Debug)]
#[repr(C)]
pub(super) struct SegmentState {
    /// How many slots it has; 0 where there is no such segment yet.
    pub(super) slots: AtomicU32,
    /// Slots below this were in use at some time.
    used: AtomicU32,
    /// The first free slot among those, counted from 1.
    free: AtomicU32,
    /// How many of those there are.
    free_count: AtomicU32,
}

impl SegmentState {
    /// Slots that a counter could have now.
    pub(super) fn room(&self) -> u32 {
        let (slots, used) = (&self.slots, &self.used);
        let untouched =
            (slots.load(Ordering::Relaxed)).saturating_sub(used.load(Ordering::Relaxed));
        untouched.saturating_add(self.free_count.load(Ordering::Relaxed))
    }
}

/// A segment, mapped.
#[derive(Debug)]
pub(super) struct Segment {
    mapping: Mapping,
    buckets: usize,
    slots: usize,
}

impl Segment {
    pub(super) fn new(mapping: Mapping, slots: usize) -> Self {
        Self {
            mapping,
            buckets: slots / SLOTS_PER_BUCKET,
            slots,
        }
    }

    /// How many bytes of the file a segment of so many slots takes.
    pub(super) fn bytes(slots: usize) -> usize {
        slots / SLOTS_PER_BUCKET * size_of::<Bucket>() + slots * size_of::<Slot>()
    }

    fn buckets(&self) -> &[Bucket] {
        self.mapping.values(0, self.buckets)
    }

    fn slots(&self) -> &[Slot] {
        let offset = self.buckets * size_of::<Bucket>();
        self.mapping.values(offset, self.slots)
    }

    /// The key's two buckets.
    fn homes(&self, key: CounterKey) -> [&Bucket; 2] {
        let buckets = self.buckets();
        let home = |word: u64| {
            // The upper half of a product: a share of the buckets, without a division.
            let place = (u128::from(word) * buckets.len() as u128) >> u64::BITS;
            &buckets[usize::try_from(place).unwrap_or_default()]
        };
        [home(key.high), home(key.low)]
    }

    /// The slot of a key, as the index has it just now.
    pub(super) fn find(&self, key: CounterKey) -> Option<&Slot> {
        let slots = self.slots();
        let tag = tag(key);
        for bucket in self.homes(key) {
            for entry in &bucket.0 {
                let entry = entry.load(Ordering::Acquire);
                if entry & TAG == tag
                    && let Some(slot) = slots.get(slot_number(entry))
                    && slot.key() == Some(key)
                {
                    return Some(slot);
                }
            }
        }
        None
    }

    /// Makes a slot the counter of a key that has none. None where there is no room. Under the structure lock.
    pub(super) fn insert(
        &self,
        state: &SegmentState,
        key: CounterKey,
        time: u64,
        me: &impl Process,
    ) -> Result<Option<&Slot>, Busy> {
        let Some(entry) = self.free_entry(key) else {
            return Ok(None);
        };
        let Some(number) = self.take_slot(state) else {
            return Ok(None);
        };
        let slot = &self.slots()[number];
        slot.assign(key, time, me)?;
        entry.store(tag(key) | (number as u64 + 1), Ordering::Release);
        Ok(Some(slot))
    }

    /// A free entry in the emptier of a key's buckets.
    fn free_entry(&self, key: CounterKey) -> Option<&AtomicU64> {
        let is_free = |entry: &&AtomicU64| entry.load(Ordering::Relaxed) == 0;
        let free = |bucket: &Bucket| bucket.0.iter().filter(is_free).count();
        let [one, other] = self.homes(key);
        let emptier = if free(other) > free(one) { other } else { one };
        emptier.0.iter().find(is_free)
    }

    fn take_slot(&self, state: &SegmentState) -> Option<usize> {
        let free = state.free.load(Ordering::Relaxed);
        if free > 0 {
            let number = free as usize - 1;
            let next = self.slots().get(number)?.next_free();
            state.free.store(next, Ordering::Relaxed);
            state.free_count.fetch_sub(1, Ordering::Relaxed);
            return Some(number);
        }
        let used = state.used.load(Ordering::Relaxed);
        if used as usize >= self.slots {
            return None;
        }
        state.used.store(used + 1, Ordering::Relaxed);
        Some(used as usize)
    }

    /// Frees the slots from `from` on, at most `count`, whose windows are all over; returns where to go on, 0 at the end. Under
    /// the structure lock.
    pub(super) fn reclaim(
        &self,
        state: &SegmentState,
        from: usize,
        count: usize,
        time: u64,
        me: &impl Process,
    ) -> usize {
        let used = state.used.load(Ordering::Relaxed) as usize;
        let until = (from + count).min(used);
        for (number, slot) in self.slots().iter().enumerate().take(until).skip(from) {
            let Some(key) = slot.key() else { continue };
            // A slot that somebody is busy with is not over.
            if slot.free_if_over(time, me) != Ok(true) {
                continue;
            }
            let entry = tag(key) | (number as u64 + 1);
            for bucket in self.homes(key) {
                if let Some(found) =
                    (bucket.0.iter()).find(|own| own.load(Ordering::Relaxed) == entry)
                {
                    found.store(0, Ordering::Release);
                }
            }
            Self::give_slot(state, slot, number);
        }
        if until == used { 0 } else { until }
    }

    fn give_slot(state: &SegmentState, slot: &Slot, number: usize) {
        slot.set_next_free(state.free.load(Ordering::Relaxed));
        let link = u32::try_from(number + 1).unwrap_or_default();
        state.free.store(link, Ordering::Relaxed);
        state.free_count.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes index and free list anew from the slots: whoever changed them last may have died over it. Under the structure
    /// lock; lookups meanwhile find nothing, and wait for it.
    pub(super) fn rebuild(&self, state: &SegmentState, forget_locks: bool) {
        for bucket in self.buckets() {
            bucket
                .0
                .iter()
                .for_each(|entry| entry.store(0, Ordering::Release));
        }
        state.free.store(0, Ordering::Relaxed);
        state.free_count.store(0, Ordering::Relaxed);
        let used = (state.used.load(Ordering::Relaxed) as usize).min(self.slots);
        for (number, slot) in self.slots().iter().enumerate().take(used) {
            if forget_locks {
                slot.unlock_by_force();
            }
            let entry = slot
                .key()
                .and_then(|key| Some((key, self.free_entry(key)?)));
            if let Some((key, entry)) = entry {
                entry.store(tag(key) | (number as u64 + 1), Ordering::Release);
            } else {
                slot.clear();
                Self::give_slot(state, slot, number);
            }
        }
    }
}

const TAG: u64 = !0 << 32;

/// Bits of the key that its homes aren't chosen by.
fn tag(key: CounterKey) -> u64 {
    (key.high ^ key.low.rotate_left(17)) << 32
}

fn slot_number(entry: u64) -> usize {
    // 0 is free: it becomes a number that no slot has.
    usize::try_from((entry & !TAG).wrapping_sub(1)).unwrap_or(usize::MAX)
}
