//! Deleting what every reader has passed. Nothing else ever deletes usage.

use std::path::Path;

use super::error::Result;
use super::layout::{self, segment_name};
use super::mark;
use super::reader::Cursors;
use super::segment::remove_if_there;

/// Deletes the segments under `root` whose events all lie below the cursors of every reader; a reader
/// that doesn't name a shard stands at 0 there. With no reader at all, nothing is deleted.
///
/// Marks stay, so that epochs are never used again and a cursor can still be told from one that is beyond
/// the end. Returns how many segments went.
///
/// # Errors
/// A shard can't be read or a segment not removed.
pub fn delete_passed(root: &Path, readers: &[Cursors]) -> Result<u64> {
    let mut deleted = 0;
    let Some(first) = readers.first() else {
        return Ok(0);
    };
    for shard in first.keys() {
        let cursors = readers
            .iter()
            .map(|reader| reader.get(shard).copied().unwrap_or(0));
        let passed = cursors.min().unwrap_or(0);
        let directory = layout::shard_dir(root, *shard);
        let bases = layout::segments(&directory)?;
        let (_, mark) = mark::read(&directory)?;
        // The last segment of a shard that isn't closed is being written.
        let end = if mark.closed { mark.synced } else { u64::MAX };
        let ends = bases.iter().skip(1).copied().chain([end]);
        for (base, _) in bases.iter().zip(ends).filter(|(_, end)| *end <= passed) {
            remove_if_there(&directory.join(segment_name(*base)))?;
            deleted += 1;
        }
    }
    Ok(deleted)
}
