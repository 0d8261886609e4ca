//! Which processes are on the file, and which of those that were are dead.
//!
//! Each takes one of 64 places and keeps that place's file locked (`flock`). The kernel lets go of the lock when the
//! process ends, however it ends, so asking for the lock is asking whether the process lives: unlike a process id it
//! can't be somebody else's by now.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::file::Table;
use super::lock::{Holder, Process};

/// This process on the file.
#[derive(Debug)]
pub(super) struct ThisProcess {
    folder: PathBuf,
    table: Arc<Table>,
    holder: Holder,
    /// Locked as long as this process lives.
    _place: File,
}

impl ThisProcess {
    /// Takes a place.
    pub(super) fn join(folder: &Path, table: Arc<Table>) -> io::Result<Self> {
        for (place, life) in (0_u32..).zip(table.lives()) {
            if let Some(file) = lock_place(folder, place)? {
                let life = life.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
                return Ok(Self {
                    folder: folder.to_owned(),
                    holder: Holder::new(place, life),
                    table,
                    _place: file,
                });
            }
        }
        Err(io::Error::other(
            "as many processes as can be are on the counters; end some of them",
        ))
    }

    /// Whether no other process is on the file now.
    pub(super) fn is_alone(&self) -> io::Result<bool> {
        let places = 0_u32..u32::try_from(Holder::PLACES).unwrap_or_default();
        for place in places.filter(|place| *place != self.holder.place()) {
            if place_file(&self.folder, place).exists()
                && lock_place(&self.folder, place)?.is_none()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Process for ThisProcess {
    fn me(&self) -> Holder {
        self.holder
    }

    fn is_dead(&self, holder: Holder) -> bool {
        if holder == self.holder {
            return false;
        }
        let place = holder.place();
        let life = self.table.lives().get(place as usize);
        let current = life.map(|life: &AtomicU32| Holder::new(place, life.load(Ordering::Acquire)));
        // In a later life the earlier one has ended. Otherwise: can the place be had? In doubt somebody lives.
        current != Some(holder) || matches!(lock_place(&self.folder, place), Ok(Some(_)))
    }
}

fn place_file(folder: &Path, place: u32) -> PathBuf {
    folder.join(format!("process-{place:02}"))
}

/// The place's file, locked; none where somebody else has it.
fn lock_place(folder: &Path, place: u32) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true);
    let file = options.open(place_file(folder, place))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
