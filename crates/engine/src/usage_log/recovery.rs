//! Recovery: closes the epochs of dead gateways, so that their tails can be read.
//!
//! What a dead gateway left is in its segments and, from where it had copied, in its ring. After a power
//! cut either may hold less. So the tail is walked from the mark on: at each place the segment's record
//! counts, else the ring's. Records of the ring are copied to the segments, a hole is put over what lies
//! between valid records, all is synced, and only then the mark is closed and the ring removed. Whoever
//! dies within this leaves what the next attempt reads to the same end.

use std::path::{Path, PathBuf};

use super::epoch::lock_if_dead;
use super::error::{AtPath, LogError, Result};
use super::event::{Id, ShardId};
use super::layout::{self, Header, MARK, RING, SPARE};
use super::mark::{self, Mark, MarkFile};
use super::segment::remove_if_there;
use super::tail::Tail;
use crate::failpoint;

/// A shard that recovery closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Which.
    pub shard: ShardId,
    /// The offset at which it ends.
    pub end: u64,
    /// Stretches that were reserved but never finished.
    pub holes: u64,
}

/// Closes every epoch under `root` whose gateway is dead. Idempotent; several may run at once.
///
/// Those that `closed` knows as closed are not looked at.
///
/// # Errors
/// A shard can't be closed; all others were. What is wrong with the first is said, the next call tries
/// again.
pub(super) fn recover(root: &Path, closed: impl Fn(ShardId) -> bool) -> Result<Vec<Recovered>> {
    let mut recovered = Vec::new();
    let mut fault = None;
    for node in layout::nodes(root)? {
        for epoch in layout::epochs(&layout::node_dir(root, &node))? {
            let result = recover_epoch(root, node, epoch, &closed, &mut recovered);
            fault = fault.or(result.err());
        }
    }
    fault.map_or(Ok(recovered), Err)
}

fn recover_epoch(
    root: &Path,
    node: Id,
    epoch: u64,
    closed: &impl Fn(ShardId) -> bool,
    recovered: &mut Vec<Recovered>,
) -> Result<()> {
    let directory = layout::epoch_dir(root, &node, epoch);
    let ids: Vec<_> = layout::shards(&directory)?
        .into_iter()
        .map(|shard| ShardId { node, epoch, shard })
        .collect();
    let open = |id: &ShardId| !closed(*id) && !is_closed(&layout::shard_dir(root, *id));
    if !ids.iter().any(open) {
        return Ok(());
    }
    let Some(_lock) = lock_if_dead(&directory)? else {
        return Ok(());
    };
    let mut fault = None;
    for id in ids.into_iter().filter(open) {
        match close_shard(&layout::shard_dir(root, id), id) {
            Ok(closed) => recovered.push(closed),
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    fault.map_or(Ok(()), Err)
}

/// Whether there is nothing left to do. The ring goes last.
fn is_closed(shard_dir: &Path) -> bool {
    mark::read(shard_dir).is_ok_and(|(_, mark)| mark.closed) && !shard_dir.join(RING).exists()
}

fn close_shard(directory: &Path, shard: ShardId) -> Result<Recovered> {
    let mut mark_file = match MarkFile::open(directory) {
        Err(LogError::Damaged { .. }) => rebuild_mark(directory)?,
        other => other?,
    };
    let mark = mark_file.mark();
    let mut holes = 0;
    if !mark.closed {
        let tail = Tail::read(directory, mark_file.header(), mark.synced)?;
        // Makes room; the tail takes no more than what was reserved.
        remove_if_there(&directory.join(SPARE))?;
        tail.write(directory, mark_file.header())?;
        failpoint!("usage_log.recovered_tail");
        mark_file.write(Mark {
            synced: tail.end(),
            time: mark.time.max(tail.last_time()),
            closed: true,
        })?;
        mark_file.sync()?;
        failpoint!("usage_log.recovered_mark");
        holes = tail.holes();
    }
    remove_if_there(&directory.join(SPARE))?;
    remove_if_there(&directory.join(RING))?;
    Ok(Recovered {
        shard,
        end: mark_file.mark().synced,
        holes,
    })
}

/// Replaces a mark that is damaged by one that knows nothing: the last two segments are the tail.
fn rebuild_mark(directory: &Path) -> Result<MarkFile> {
    let mut problem = None;
    let bases = layout::segments(directory)?;
    for base in &bases {
        let path: PathBuf = directory.join(layout::segment_name(*base));
        let bytes = std::fs::read(&path).at("read", &path)?;
        match Header::decode(&bytes, &path) {
            Ok(header) => {
                // Whatever is older than the last two was synced long before its gateway died.
                let mark = Mark {
                    synced: bases[bases.len().saturating_sub(2)],
                    ..Mark::default()
                };
                return MarkFile::create(directory, Header { base: 0, ..header }, mark);
            }
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    Err(problem.unwrap_or_else(|| LogError::Damaged {
        path: directory.join(MARK),
        problem: "is damaged, and there is no segment to tell whose it was; restore it".to_owned(),
    }))
}

/// The latest time of any event of this node that can be known, for the clock of a new epoch.
pub(super) fn last_time(root: &Path, node: &Id) -> Result<u64> {
    let mut last = 0;
    for epoch in layout::epochs(&layout::node_dir(root, node))? {
        let epoch_dir = layout::epoch_dir(root, node, epoch);
        for shard in layout::shards(&epoch_dir)? {
            let directory = epoch_dir.join(shard.to_string());
            // What is damaged is recovery's to report; it must not keep a gateway from starting.
            let Ok((header, mark)) = mark::read(&directory) else {
                continue;
            };
            last = last.max(mark.time);
            if !mark.closed
                && let Ok(tail) = Tail::read(&directory, header, mark.synced)
            {
                last = last.max(tail.last_time());
            }
        }
    }
    Ok(last)
}
