//! The file: one page that describes it, then segments, each allocated as a whole before it is touched.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use rustix::fs::FallocateFlags;

use super::lock::Holder;
use super::map::Mapping;
use super::segment::{Segment, SegmentState};

const MAGIC: u64 = u64::from_le_bytes(*b"TOLLCNT1");
/// The first page's size, whatever the machine's (up to this).
const PAGE: usize = 64 * 1024;
/// Each segment has twice the slots of the one before it.
pub(super) const SEGMENTS: usize = 16;

/// The first page.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Header {
    magic: AtomicU64,
    /// The last second that any counter has seen.
    reached: AtomicU64,
    /// Who changes the structure: index, free lists, segments.
    structure: AtomicU64,
    segments: [SegmentState; SEGMENTS],
    /// How often each place was taken.
    lives: [AtomicU32; Holder::PLACES],
}

/// The file, mapped as far as it is known here.
#[derive(Debug)]
pub(super) struct Table {
    file: File,
    header: Mapping,
    segments: [OnceLock<Segment>; SEGMENTS],
    /// How many of those there are.
    mapped: AtomicUsize,
}

impl Table {
    /// Opens the file or makes it, with a first segment of `slots`. For one process at a time.
    pub(super) fn open(path: &Path, slots: u32) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600);
        let file = options.open(path)?;
        let is_new = file.metadata()?.len() < PAGE as u64;
        if is_new {
            allocate(&file, 0, PAGE as u64)?;
        }
        let table = Self {
            header: Mapping::new(&file, 0, PAGE)?,
            file,
            segments: [const { OnceLock::new() }; SEGMENTS],
            mapped: AtomicUsize::new(0),
        };
        let header = table.header()?;
        match header.magic.load(Ordering::Acquire) {
            MAGIC => {}
            0 => {
                table.grow(slots)?;
                // Last: whoever was killed before has made nothing.
                header.magic.store(MAGIC, Ordering::Release);
            }
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "{} holds no counters of this version; take it away",
                        path.display()
                    ),
                ));
            }
        }
        table.map_segments()?;
        Ok(table)
    }

    fn header(&self) -> io::Result<&Header> {
        let header = self.header.values(0, 1).first();
        header.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The header's parts; empty where it could not be mapped, which `open` has ruled out.
    pub(super) fn lives(&self) -> &[AtomicU32] {
        self.header().map_or(&[], |header| &header.lives)
    }

    pub(super) fn states(&self) -> &[SegmentState] {
        self.header().map_or(&[], |header| &header.segments)
    }

    pub(super) fn reached(&self) -> Option<&AtomicU64> {
        self.header().ok().map(|header| &header.reached)
    }

    pub(super) fn structure(&self) -> Option<&AtomicU64> {
        self.header().ok().map(|header| &header.structure)
    }

    /// How many segments the file has.
    fn count(&self) -> usize {
        let there = |state: &&SegmentState| state.slots.load(Ordering::Acquire) > 0;
        self.states().iter().take_while(there).count()
    }

    /// Segments mapped here, with their states; the largest, where most counters are, first.
    pub(super) fn segments(&self) -> impl Iterator<Item = (&Segment, &SegmentState)> {
        let mapped = &self.segments[..self.mapped.load(Ordering::Acquire)];
        let both = mapped.iter().zip(self.states()).rev();
        both.filter_map(|(segment, state)| Some((segment.get()?, state)))
    }

    /// Maps the segments that another process has added.
    pub(super) fn map_segments(&self) -> io::Result<()> {
        let mut offset = PAGE as u64;
        for (place, state) in self.states().iter().enumerate().take(self.count()) {
            let slots = state.slots.load(Ordering::Acquire) as usize;
            let bytes = Segment::bytes(slots);
            if self.segments[place].get().is_none() {
                let mapping = Mapping::new(&self.file, offset, bytes)?;
                // Another thread may have been quicker; then this mapping goes again.
                let _ = self.segments[place].set(Segment::new(mapping, slots));
            }
            self.mapped.fetch_max(place + 1, Ordering::AcqRel);
            offset += bytes as u64;
        }
        Ok(())
    }

    /// Adds a segment. Under the structure lock.
    pub(super) fn grow(&self, slots: u32) -> io::Result<()> {
        let count = self.count();
        let Some(state) = self.states().get(count) else {
            return Ok(());
        };
        let before = self.states()[..count].iter();
        let bytes_before: usize = before
            .map(|state| Segment::bytes(state.slots.load(Ordering::Acquire) as usize))
            .sum();
        let bytes = Segment::bytes(slots as usize);
        allocate(&self.file, (PAGE + bytes_before) as u64, bytes as u64)?;
        state.slots.store(slots, Ordering::Release);
        self.map_segments()
    }
}

/// Makes sure that the disk has room: what is mapped without it would kill the process at the first touch.
fn allocate(file: &File, offset: u64, length: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), offset, length) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP) => {
            let zeros = vec![0; PAGE];
            for place in (0..length).step_by(PAGE) {
                let left = usize::try_from(length - place).unwrap_or(PAGE).min(PAGE);
                file.write_all_at(&zeros[..left], offset + place)?;
            }
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_fits_its_page_without_gaps() {
        let parts = 3 * size_of::<u64>()
            + SEGMENTS * size_of::<SegmentState>()
            + Holder::PLACES * size_of::<u32>();
        assert_eq!(size_of::<Header>(), parts);
        assert!(parts <= PAGE);
    }
}
