//! Making a new epoch: numbered one above the highest, whole and durable before anybody sees it, locked
//! from birth.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::LogConfig;
use super::error::{AtPath, Result};
use super::event::ShardId;
use super::layout::{self, Header, RING, SPARE};
use super::mark::{Mark, MarkFile};
use super::segment::{Segments, allocate};
use super::{clock, recovery};
use crate::failpoint;

/// Epochs that are being made have names that are no numbers.
const UNBORN: &str = ".new-";

/// A new epoch's directory.
pub(super) struct Epoch {
    pub number: u64,
    pub directory: PathBuf,
    /// No event may have a time before this.
    pub start_time: u64,
    /// Held for as long as somebody may append.
    pub lock: Arc<File>,
}

/// Makes a new epoch, with a mark, a ring, a segment and a spare for each shard.
pub(super) fn create(config: &LogConfig) -> Result<Epoch> {
    let node_dir = layout::node_dir(&config.directory, &config.node);
    if !node_dir.is_dir() {
        make_directory(&node_dir)?;
        layout::sync_directory(&config.directory)?;
    }
    remove_unborn(&node_dir)?;
    loop {
        let last = layout::epochs(&node_dir)?.last().copied().unwrap_or(0);
        let number = last + 1;
        let start = (config.clock)()
            .max(clock::floor(&node_dir)?)
            .max(recovery::last_time(&config.directory, &config.node)?);
        let unborn = node_dir.join(format!("{UNBORN}{}-{number}", std::process::id()));
        make_directory(&unborn)?;
        let lock = File::open(&unborn).at("open", &unborn)?;
        lock.try_lock().map_err(refusal).at("lock", &unborn)?;
        fill(config, &unborn, number, start)?;
        failpoint!("usage_log.epoch_filled");
        let directory = node_dir.join(number.to_string());
        match std::fs::rename(&unborn, &directory) {
            // Another gateway of this node was faster; an epoch is never empty, so it isn't replaced.
            Err(_) if directory.is_dir() => {
                std::fs::remove_dir_all(&unborn).at("remove", &unborn)?;
                continue;
            }
            other => other.at("create", &directory)?,
        }
        failpoint!("usage_log.epoch_made");
        layout::sync_directory(&node_dir)?;
        return Ok(Epoch {
            number,
            directory,
            // Whoever looked before the epoch could be seen has raised this by now.
            start_time: start.max(clock::floor(&node_dir)?),
            lock: Arc::new(lock),
        });
    }
}

fn fill(config: &LogConfig, directory: &Path, epoch: u64, start: u64) -> Result<()> {
    for shard in 0..config.shards {
        let shard_dir = directory.join(shard.to_string());
        make_directory(&shard_dir)?;
        let mut salt = [0; 8];
        getrandom::fill(&mut salt)
            .map_err(|error| std::io::Error::other(error.to_string()))
            .at("get random bytes for", &shard_dir)?;
        let header = Header {
            shard: ShardId {
                node: config.node,
                epoch,
                shard,
            },
            salt: u64::from_le_bytes(salt),
            base: 0,
        };
        let mark = Mark {
            synced: 0,
            time: start,
            closed: false,
        };
        MarkFile::create(&shard_dir, header, mark)?;
        allocate(&shard_dir.join(RING), config.ring_bytes, true)?;
        Segments::create(&shard_dir, header, config.segment_bytes)?
            .take_unsynced()
            .sync()?;
        allocate(&shard_dir.join(SPARE), config.segment_bytes, false)?;
        layout::sync_directory(&shard_dir)?;
    }
    layout::sync_directory(directory)
}

/// Takes an epoch's lock, if its gateway is dead and nobody else is recovering it.
pub(super) fn lock_if_dead(epoch_dir: &Path) -> Result<Option<File>> {
    let lock = File::open(epoch_dir).at("open", epoch_dir)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).at("lock", epoch_dir),
    }
}

/// Removes what starts left behind that died within `create`.
fn remove_unborn(node_dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(node_dir).at("list", node_dir)? {
        let path = entry.at("list", node_dir)?.path();
        let unborn = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(UNBORN));
        if unborn && lock_if_dead(&path)?.is_some() {
            std::fs::remove_dir_all(&path).at("remove", &path)?;
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .at("create", path)
}

fn refusal(error: TryLockError) -> std::io::Error {
    match error {
        TryLockError::Error(error) => error,
        TryLockError::WouldBlock => std::io::ErrorKind::WouldBlock.into(),
    }
}
