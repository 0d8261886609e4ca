//! The ring: where an event is safe from the death of the process, from the moment that `append` returns.
//!
//! A mapped file in the shard's folder, written by the request threads and copied to the segments by the
//! flusher. It is never synced: its pages stay writable, so an append doesn't fault (ADR 2). It is mapped
//! twice, back to back, so that what runs over its end needs no second copy.
//!
//! This module holds all `unsafe` of the usage log. Its rule: a range of the stream has at every time one
//! owner. The appender owns what it reserved until it commits it. From then on the flusher may read it,
//! and zeroes it before it lends the range out again, one lap later.
#![allow(unsafe_code)] // shared memory: a mapping can't be had otherwise
#![allow(clippy::cast_possible_truncation)] // what lies within a mapping fits a usize

use std::fs::File;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

use super::record::Memory;

const PAGE: u64 = 4096;

/// The mapped ring of one shard. Offsets are the stream's.
pub(super) struct Ring {
    base: NonNull<u8>,
    size: u64,
}

// SAFETY: the mapping belongs to this value alone and lives as long; who may touch which range, when, is
// the module's rule, kept by `Shard`'s reservations.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

impl Ring {
    /// Maps `file`, which is `size` bytes long, allocated and zero. `size` is a multiple of the page's.
    pub(super) fn map(file: &File, size: u64) -> std::io::Result<Self> {
        let length = usize::try_from(size).map_err(std::io::Error::other)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: asks for address space of the kernel's choice; nothing else lies there.
        let base = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                2 * length,
                ProtFlags::empty(),
                MapFlags::PRIVATE,
            )?
        };
        let ring = Self {
            base: NonNull::new(base.cast()).ok_or(std::io::ErrorKind::OutOfMemory)?,
            size,
        };
        for half in [0, length] {
            let flags = MapFlags::SHARED | MapFlags::FIXED | MapFlags::POPULATE;
            // SAFETY: replaces half of the address space that was just reserved, and that only `ring` knows.
            unsafe {
                mmap(
                    base.cast::<u8>().add(half).cast(),
                    length,
                    access,
                    flags,
                    file,
                    0,
                )?
            };
        }
        Ok(ring)
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The address of a range, which may run over the ring's end into the second mapping.
    fn at(&self, offset: u64, length: usize) -> *mut u8 {
        assert!(length as u64 <= self.size, "longer than the ring");
        // SAFETY: below `size`, so within the first mapping; with `length` still within both.
        unsafe { self.base.as_ptr().add((offset % self.size) as usize) }
    }

    fn word(&self, offset: u64) -> &AtomicU64 {
        debug_assert!(offset.is_multiple_of(8));
        // SAFETY: within the mapping, which outlives `self`; aligned, since the base is page-aligned and
        // offsets of records are multiples of 8. Words are only accessed as atomics while they are shared.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8).cast()) }
    }

    /// The commit word at `offset`: zero until that record is finished. What the record's writer wrote
    /// before it is visible then.
    pub(super) fn committed(&self, offset: u64) -> u64 {
        u64::from_le(self.word(offset).load(Ordering::Acquire))
    }

    /// A stretch of finished records. The caller knows from [`committed`](Self::committed) that they are,
    /// and is the one who will [`clear`](Self::clear) them.
    pub(super) fn finished(&self, offset: u64, length: usize) -> &[u8] {
        // SAFETY: within the mappings; finished records are written by nobody until they are cleared, which
        // takes the exclusive right that `Shard`'s drain lock gives.
        unsafe { std::slice::from_raw_parts(self.at(offset, length), length) }
    }

    /// Zeroes a stretch whose records were copied out, before it is lent out again.
    pub(super) fn clear(&self, offset: u64, length: usize) {
        // SAFETY: within the mappings; the stretch was finished, and no appender is given it before the
        // flusher raises the shard's limit, after this.
        unsafe { ptr::write_bytes(self.at(offset, length), 0, length) }
    }

    /// Makes the pages of a stretch writable, so that no append has to fault. Without effect on the
    /// content; where the kernel can't (before Linux 5.14), appends fault now and then.
    pub(super) fn touch(&self, offset: u64, length: u64) {
        let start = offset % self.size / PAGE * PAGE;
        let length = length.min(self.size).next_multiple_of(PAGE);
        // SAFETY: within the mappings, since `start` is below `size` and `length` not above it.
        let _ = unsafe {
            madvise(
                self.base.as_ptr().add(start as usize).cast(),
                length as usize,
                Advice::LinuxPopulateWrite,
            )
        };
    }
}

impl Memory for Ring {
    fn put(&self, offset: u64, bytes: &[u8]) {
        // SAFETY: within the mappings; the caller reserved the range, so nobody else touches it.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(offset, bytes.len()), bytes.len());
        }
    }

    fn commit(&self, offset: u64, word: u64) {
        self.word(offset).store(word.to_le(), Ordering::Release);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: both mappings, made by `map`; nobody can hold a reference into them any more.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), 2 * self.size as usize) };
    }
}
