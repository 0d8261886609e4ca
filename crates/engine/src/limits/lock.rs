//! Locks in shared memory: a word that names its holder, so that a dead holder's lock can be taken over.
//!
//! What a lock guards takes some tens of nanoseconds, so waiting is first done by trying again. Nothing is allocated or
//! asked of the kernel unless somebody was stopped in between.

use std::thread;
use std::time::Duration;

/// Who holds a lock: which of the processes on the file, in which of its lives. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder(u32);

impl Holder {
    /// The bits of a word that name the holder.
    pub(super) const MASK: u64 = 0xff_ffff;
    const PLACE_BITS: u32 = 6;
    /// How many processes can be on the file at once.
    pub(super) const PLACES: usize = 1 << Self::PLACE_BITS;

    /// The process at `place`, in its life of this number.
    pub(super) fn new(place: u32, life: u32) -> Self {
        let lives = 1 << (24 - Self::PLACE_BITS);
        // Lives count from 1 here, so that place 0 isn't zero.
        Self((life % (lives - 1) + 1) << Self::PLACE_BITS | place)
    }

    pub(super) fn from_bits(word: u64) -> Option<Self> {
        let bits = u32::try_from(word & Self::MASK).unwrap_or_default();
        (bits != 0).then_some(Self(bits))
    }

    pub(super) fn bits(self) -> u64 {
        u64::from(self.0)
    }

    pub(super) fn place(self) -> u32 {
        self.0 & ((1 << Self::PLACE_BITS) - 1)
    }
}

/// The process that this is, and what it can find out about others.
pub(super) trait Process {
    /// What this process signs locks with.
    fn me(&self) -> Holder;
    /// Whether a holder's process has ended. Asks the kernel.
    fn is_dead(&self, holder: Holder) -> bool;
}

/// A word that can be locked.
pub(super) trait Lockable {
    /// The word as it is, and who holds it.
    fn holder(&self) -> (u64, Option<Holder>);
    /// Signs the word if it is still as it was seen.
    fn try_hold(&self, seen: u64, me: Holder) -> bool;
    /// Takes the signature off.
    fn release(&self);
}

/// A living process kept a lock for longer than a request may wait: it was stopped in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// A lock, held until this is dropped, also when what it guards unwinds.
pub(super) struct Guard<'a, L: Lockable> {
    lock: &'a L,
    /// The lock was a dead process's: what it guards may be half done.
    pub(super) inherited: bool,
}

impl<L: Lockable> Drop for Guard<'_, L> {
    fn drop(&mut self) {
        self.lock.release();
    }
}

/// Tries before the processor is given to somebody else: the holder may be waiting for it.
const SPINS: u32 = 64;
/// Tries before the holder is looked for, and after which it is looked for again.
const YIELDS: u32 = 64;
/// Naps after which waiting ends, and how long one is.
const NAPS: u32 = 200;
const NAP: Duration = Duration::from_micros(100);

/// Waits for a lock: at most some 30 ms, and only for a process that was stopped while it held it.
pub(super) fn hold<'a, L: Lockable>(
    lock: &'a L,
    process: &impl Process,
) -> Result<Guard<'a, L>, Busy> {
    let me = process.me();
    for attempt in 0..SPINS + YIELDS + NAPS {
        let (seen, holder) = lock.holder();
        let inherited = match holder {
            None => false,
            Some(holder) if attempt < SPINS + YIELDS || !process.is_dead(holder) => {
                wait(attempt);
                continue;
            }
            Some(_) => true,
        };
        if lock.try_hold(seen, me) {
            return Ok(Guard { lock, inherited });
        }
    }
    Err(Busy)
}

fn wait(attempt: u32) {
    if attempt < SPINS {
        std::hint::spin_loop();
    } else if attempt < SPINS + YIELDS {
        thread::yield_now();
    } else {
        thread::sleep(NAP);
    }
}
