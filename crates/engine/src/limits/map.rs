//! Shared memory: stretches of a file mapped into the process, seen as arrays of atomics.

#![allow(unsafe_code, reason = "mapping a file is; see each block")]

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::mm::{MapFlags, ProtFlags};

/// Types that any bytes are a value of, and that other processes may change at any time.
///
/// # Safety
/// Made of atomics alone, `repr(C)`, without padding, and at most page-aligned.
pub(super) unsafe trait Shared {}

// SAFETY: an atomic integer is all of that.
unsafe impl Shared for AtomicU32 {}
// SAFETY: as above.
unsafe impl Shared for AtomicU64 {}

/// A stretch of a file, mapped for as long as this lives.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the memory belongs to the mapping, is only read and written through atomics, and is unmapped by `drop` alone.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `length` bytes from `offset`, a multiple of the page's size. The stretch must be allocated: touching what the disk has
    /// no room for would kill the process.
    pub(super) fn new(file: &File, offset: u64, length: usize) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                offset,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, length })
    }

    /// `count` values from `offset` bytes on; fewer, or none, where the mapping ends before.
    pub(super) fn values<T: Shared>(&self, offset: usize, count: usize) -> &[T] {
        let room = self.length.saturating_sub(offset) / size_of::<T>();
        if !offset.is_multiple_of(align_of::<T>()) || room == 0 {
            return &[];
        }
        // SAFETY: the range lies within the mapping, is aligned since the mapping is page-aligned, and `Shared` says that
        // whatever the bytes are and whoever changes them, they are a value. The borrow keeps the mapping alive.
        unsafe {
            let first = self.start.as_ptr().add(offset).cast::<T>();
            std::slice::from_raw_parts(first, count.min(room))
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is what `new` mapped, and no borrow of it outlives `self`. A failure leaves it mapped: harmless.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

macro_rules! shared {
    ($type:ty) => {
        // SAFETY: `repr(C)`, atomics without padding: see the type and the test of its size.
        unsafe impl Shared for $type {}
    };
}

shared!(super::slot::Slot);
shared!(super::segment::Bucket);
shared!(super::file::Header);
