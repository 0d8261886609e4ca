//! Reading the logs in place, below the marks only.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::config::Clock;
use super::error::{AtPath, LogError, Result};
use super::event::{Id, ShardId};
use super::layout::{self, HEADER, Header, segment_name};
use super::mark::{self, Mark};
use super::record::{Found, MAX_RECORD, find};
use super::recovery::{self, Recovered};
use super::scan::{Item, Scanner};
use super::{clock, system_clock};

/// How far shards were read: the offset of each. A shard that isn't named stands at 0.
pub type Cursors = BTreeMap<ShardId, u64>;

const CHUNK: u64 = 1 << 20;

/// How far a shard may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardView {
    /// Which.
    pub shard: ShardId,
    /// Everything below is durable; nothing above may be read.
    pub readable: u64,
    /// µs; every event with an earlier time lies below `readable`.
    pub time: u64,
    /// Nothing will be appended any more.
    pub closed: bool,
}

/// One look at all marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// µs: the instant taken before the look. No event that the look missed will have an earlier time.
    pub as_of: u64,
    /// Ordered.
    pub shards: Vec<ShardView>,
}

impl View {
    /// Every event of the node with a time before this lies below the `readable` of this view, µs.
    ///
    /// A closed shard bounds nothing. A dead gateway's shard bounds until recovery has closed it.
    #[must_use]
    pub fn watermark(&self, node: &Id) -> u64 {
        let open = self
            .shards
            .iter()
            .filter(|shard| shard.shard.node == *node && !shard.closed);
        open.map(|shard| shard.time)
            .min()
            .map_or(self.as_of, |time| time.min(self.as_of))
    }
}

/// Reads the logs of every node under a directory.
pub struct Reader {
    root: PathBuf,
    clock: Clock,
    /// What is closed never changes.
    closed: BTreeMap<ShardId, (Header, Mark)>,
}

impl Reader {
    /// Reads under `root` (`DATA_DIR/usage-log`), which need not exist yet.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self::with_clock(root, system_clock())
    }

    /// As [`new`](Self::new), with a clock of the caller's.
    #[must_use]
    pub fn with_clock(root: PathBuf, clock: Clock) -> Self {
        Self {
            root,
            clock,
            closed: BTreeMap::new(),
        }
    }

    /// Closes the epochs of dead gateways, so that their tails can be read: see [`recovery::recover`].
    ///
    /// # Errors
    /// A shard can't be closed; all others were.
    pub fn recover(&mut self) -> Result<Vec<Recovered>> {
        let closed = &self.closed;
        recovery::recover(&self.root, |shard| closed.contains_key(&shard))
    }

    /// Looks at all marks.
    ///
    /// # Errors
    /// A mark can't be read.
    pub fn view(&mut self) -> Result<View> {
        let as_of = (self.clock)();
        let mut shards = Vec::new();
        for node in layout::nodes(&self.root)? {
            let node_dir = layout::node_dir(&self.root, &node);
            clock::raise_floor(&node_dir, as_of)?;
            for epoch in layout::epochs(&node_dir)? {
                for shard in layout::shards(&node_dir.join(epoch.to_string()))? {
                    let shard = ShardId { node, epoch, shard };
                    let (_, mark) = self.mark(shard)?;
                    shards.push(ShardView {
                        shard,
                        readable: mark.synced,
                        time: mark.time,
                        closed: mark.closed,
                    });
                }
            }
        }
        Ok(View { as_of, shards })
    }

    fn mark(&mut self, shard: ShardId) -> Result<(Header, Mark)> {
        if let Some(known) = self.closed.get(&shard) {
            return Ok(*known);
        }
        let directory = layout::shard_dir(&self.root, shard);
        let (header, mark) = mark::read(&directory)?;
        if header.shard != shard {
            return Err(LogError::Damaged {
                path: directory,
                problem: format!(
                    "its mark belongs to {}; restore the right one",
                    header.shard
                ),
            });
        }
        if mark.closed {
            self.closed.insert(shard, (header, mark));
        }
        Ok((header, mark))
    }

    /// How far a shard may be read now.
    ///
    /// # Errors
    /// Its mark can't be read.
    pub fn readable(&mut self, shard: ShardId) -> Result<u64> {
        Ok(self.mark(shard)?.1.synced)
    }

    /// Opens `[start, end)` of a shard for reading. None if `start` lies beyond the end of the log, as far
    /// as that can be told now.
    ///
    /// # Errors
    /// `end` lies above what is readable, or a file is missing.
    pub fn range(&mut self, shard: ShardId, start: u64, end: u64) -> Result<Option<Range>> {
        let directory = layout::shard_dir(&self.root, shard);
        let (header, mark) = self.mark(shard)?;
        if start > mark.synced {
            return Ok(None);
        }
        if end > mark.synced {
            return Err(LogError::BeyondReadable {
                shard,
                cursor: end,
                readable: mark.synced,
            });
        }
        Range::open(directory, header, mark, start, end.max(start)).map(Some)
    }
}

/// A stretch of a shard that is being read.
pub struct Range {
    directory: PathBuf,
    header: Header,
    /// Of the segments that hold the stretch, with the end of the last.
    bounds: Vec<u64>,
    scanner: Scanner,
    end: u64,
    latest: u64,
}

impl Range {
    fn open(directory: PathBuf, header: Header, mark: Mark, start: u64, end: u64) -> Result<Self> {
        let mut bounds = Vec::new();
        if start < end {
            let bases = layout::segments(&directory)?;
            let Some(first) = bases.partition_point(|base| *base <= start).checked_sub(1) else {
                return Err(missing(&directory, start));
            };
            let last = bases.partition_point(|base| *base < end);
            bounds.extend_from_slice(&bases[first..last]);
            bounds.push(bases.get(last).copied().unwrap_or(mark.synced));
        }
        Ok(Self {
            directory,
            header,
            bounds,
            scanner: Scanner::new(header.seed(), start),
            end,
            latest: if mark.closed { mark.time } else { u64::MAX },
        })
    }

    /// Whose stretch it is.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        self.header.shard
    }

    /// Everything below was read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.scanner.settled()
    }

    /// Whether all was read.
    #[must_use]
    pub fn done(&self) -> bool {
        self.scanner.settled() >= self.end
    }

    /// Passes over segments that hold only events with a time before `time`, as far as that is cheap.
    ///
    /// # Errors
    /// A segment can't be read.
    pub fn skip_before(&mut self, time: u64) -> Result<()> {
        if self.latest < time {
            self.scanner = self.scanner.restarted(self.end);
            return Ok(());
        }
        let Some((_, bases)) = self.bounds.split_last() else {
            return Ok(());
        };
        let mut fault = None;
        // The events before a segment's first are no later than that one.
        let later = bases.partition_point(|base| match self.first_time(*base) {
            Ok(first) => first.is_some_and(|first| first < time),
            Err(error) => {
                fault = Some(error);
                false
            }
        });
        if let Some(error) = fault {
            return Err(error);
        }
        if let Some(base) = later.checked_sub(1).map(|place| bases[place])
            && base > self.scanner.at()
        {
            self.scanner = self.scanner.restarted(base);
        }
        Ok(())
    }

    /// The time of the record that a segment begins with. None if that isn't an event.
    fn first_time(&self, base: u64) -> Result<Option<u64>> {
        let mut bytes = [0; MAX_RECORD];
        let read = read_up_to(&self.directory.join(segment_name(base)), &mut bytes, HEADER)?;
        Ok(match find(self.header.seed(), base, &bytes[..read]) {
            Found::Event { time, .. } => Some(time),
            _ => None,
        })
    }

    /// Gives what is found to `take`, in order, until that says to stop, or all was read.
    ///
    /// # Errors
    /// A file is missing or can't be read, or a record was written by a later version.
    pub(super) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        mut take: impl FnMut(Item<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        while self.scanner.at() < self.end {
            let at = self.scanner.at();
            let place = self.bounds.partition_point(|base| *base <= at);
            let (Some(base), Some(next)) = (
                place
                    .checked_sub(1)
                    .and_then(|place| self.bounds.get(place)),
                self.bounds.get(place),
            ) else {
                return Err(missing(&self.directory, at));
            };
            let stop = self.end.min(*next);
            let path = self.directory.join(segment_name(*base));
            buffer.resize(usize::try_from((stop - at).min(CHUNK)).unwrap_or(0), 0);
            let read = read_up_to(&path, buffer, HEADER + (at - base))?;
            // What the file should hold and doesn't is zeroes, and fails its checksum like any damage.
            buffer[read..].fill(0);
            let complete = at + buffer.len() as u64 >= stop;
            while let Some(item) = self.scanner.next(buffer, at, complete) {
                if let Item::Unknown { offset } = item {
                    return Err(LogError::LaterVersion {
                        path: path.join(format!("at offset {offset}")),
                    });
                }
                if take(item).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Fills the buffer from a file, as far as that goes.
fn read_up_to(path: &Path, buffer: &mut [u8], at: u64) -> Result<usize> {
    let file = File::open(path).at("open", path)?;
    let mut read = 0;
    while read < buffer.len() {
        match file
            .read_at(&mut buffer[read..], at + read as u64)
            .at("read", path)?
        {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

fn missing(directory: &Path, offset: u64) -> LogError {
    LogError::Damaged {
        path: directory.to_owned(),
        problem: format!("the segment that holds offset {offset} is missing; restore it"),
    }
}
