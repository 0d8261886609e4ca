//! The keeper of a log: a thread that allocates segments ahead, watches the budget, and empties a ring
//! that fills while its flusher waits for the disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::park_timeout;
use std::time::Duration;

use super::error::{AtPath, Result};
use super::segment::allocate;
use super::shard::Shard;

/// How often the keeper looks unasked; a shard that needs something asks.
const LOOK: Duration = Duration::from_secs(5);
/// The same while there is no room: somebody may make some.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const ALARM_PERCENT: u64 = 70;
const REFUSE_PERCENT: u64 = 95;

/// What the keeper found.
pub(super) struct Space {
    pub budget: u64,
    pub used: AtomicU64,
    /// Why there is no segment ahead.
    pub fault: Mutex<Option<String>>,
}

impl Space {
    pub(super) fn new(budget: u64) -> Self {
        Self {
            budget,
            used: AtomicU64::new(0),
            fault: Mutex::new(None),
        }
    }

    pub(super) fn alarming(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= percent(self.budget, ALARM_PERCENT)
    }

    pub(super) fn fault(&self) -> Option<String> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

pub(super) struct Keeper {
    pub directory: PathBuf,
    pub shards: Vec<Arc<Shard>>,
    pub segment_bytes: u64,
    pub space: Arc<Space>,
    pub stop: Arc<AtomicBool>,
}

impl Keeper {
    pub(super) fn run(&self) {
        while !self.stop.load(Ordering::Acquire) {
            let fault = self.keep().err().map(|error| error.to_string());
            let pause = if fault.is_none() { LOOK } else { LOOK_AGAIN };
            let mut said = self
                .space
                .fault
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *said = fault;
            drop(said);
            park_timeout(pause);
        }
    }

    /// One round. A fault of one shard's disk shows in its flusher; here it is a missing segment.
    pub(super) fn keep(&self) -> Result<()> {
        let mut used = disk_usage(&self.directory)?;
        self.space.used.store(used, Ordering::Relaxed);
        for shard in &self.shards {
            let mut drain = shard.drain();
            shard.copy_out(&mut drain)?;
            let path = drain
                .segments
                .needs_spare()
                .then(|| drain.segments.spare_path());
            drop(drain);
            let Some(path) = path else { continue };
            if used + self.segment_bytes > percent(self.space.budget, REFUSE_PERCENT) {
                let full = std::io::Error::from(std::io::ErrorKind::QuotaExceeded);
                return Err(full).at("stay within the log's budget with", &path);
            }
            let file = allocate(&path, self.segment_bytes, false)?;
            used += self.segment_bytes;
            self.space.used.store(used, Ordering::Relaxed);
            let mut drain = shard.drain();
            drain.segments.put_spare(file);
            shard.raise_limit(&drain);
        }
        Ok(())
    }
}

fn percent(of: u64, share: u64) -> u64 {
    of / 100 * share + of % 100 * share / 100
}

/// The bytes that the files under a directory take on the disk. Files that go meanwhile don't count.
fn disk_usage(directory: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut used = 0;
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        other => other.at("list", directory)?,
    };
    for entry in entries {
        let entry = entry.at("list", directory)?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => used += disk_usage(&entry.path())?,
            Ok(metadata) => used += metadata.blocks() * 512,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).at("inspect", &entry.path()),
        }
    }
    Ok(used)
}
