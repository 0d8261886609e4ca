//! The tail of a shard whose gateway died: what its segments and its ring hold above the mark.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::{AtPath, LogError, Result};
use super::layout::{self, HEADER, Header, RING, segment_name};
use super::record::{Found, MAX_RECORD, Seed, find};
use super::segment::allocate;

/// A stretch of the tail that isn't in the segments as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// A record that only the ring holds.
    Copy { offset: u64, bytes: Vec<u8> },
    /// Nothing valid.
    Hole { start: u64, end: u64 },
}

/// What stands above a mark.
pub(super) struct Tail {
    start: u64,
    end: u64,
    last_time: u64,
    holes: u64,
    ends_in_hole: bool,
    repairs: Vec<Repair>,
}

/// The bytes of the segments from the tail's start on, and the ring's, twice in a row so that no record
/// runs over its end.
pub(super) struct Sources {
    start: u64,
    segments: Vec<u8>,
    ring: Vec<u8>,
}

impl Sources {
    pub(super) fn new(start: u64, segments: Vec<u8>, mut ring: Vec<u8>) -> Self {
        ring.extend_from_within(..);
        Self {
            start,
            segments,
            ring,
        }
    }

    fn read(directory: &Path, start: u64) -> Result<Self> {
        let mut segments = Vec::new();
        let bases = bases_from(directory, start)?;
        for (number, base) in bases.iter().enumerate() {
            let path = directory.join(segment_name(*base));
            let bytes = std::fs::read(&path).at("read", &path)?;
            let skip = usize::try_from(HEADER + start.saturating_sub(*base)).unwrap_or(usize::MAX);
            segments.extend_from_slice(bytes.get(skip..).unwrap_or_default());
            if let Some(next) = bases.get(number + 1) {
                segments.resize(usize::try_from(next - start).unwrap_or(usize::MAX), 0);
            }
        }
        let path = directory.join(RING);
        let ring = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.at("read", &path)?,
        };
        Ok(Self::new(start, segments, ring))
    }

    fn lap(&self) -> u64 {
        self.ring.len() as u64 / 2
    }

    fn segments_end(&self) -> u64 {
        self.start + self.segments.len() as u64
    }

    fn in_segments(&self, at: u64) -> &[u8] {
        let skip = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        self.segments.get(skip..).unwrap_or_default()
    }

    fn in_ring(&self, at: u64) -> &[u8] {
        let lap = self.ring.len() / 2;
        match usize::try_from(at.checked_rem(self.lap()).unwrap_or(0)) {
            Ok(skip) if lap > 0 => &self.ring[skip..skip + lap],
            _ => &[],
        }
    }
}

impl Tail {
    /// Walks what stands above `start` in the shard's directory. Changes nothing.
    pub(super) fn read(directory: &Path, header: Header, start: u64) -> Result<Self> {
        let sources = Sources::read(directory, start)?;
        Self::find(&sources, header.seed()).ok_or_else(|| LogError::LaterVersion {
            path: directory.to_owned(),
        })
    }

    /// None if there is a record that only a later version understands.
    pub(super) fn find(sources: &Sources, seed: Seed) -> Option<Self> {
        let mut tail = Self {
            start: sources.start,
            end: sources.start,
            last_time: 0,
            holes: 0,
            ends_in_hole: false,
            repairs: Vec::new(),
        };
        tail.walk(sources, seed)?;
        tail.end_in_part(sources);
        Some(tail)
    }

    fn walk(&mut self, sources: &Sources, seed: Seed) -> Option<()> {
        let mut at = self.start;
        // The ring holds what follows the last that reached the segments, and no more than a lap of it.
        let mut ring_end = self.start + sources.lap();
        while at < sources.segments_end().max(ring_end) {
            let in_segments = find(seed, at, sources.in_segments(at));
            let in_ring = if in_segments == Found::Invalid && at < ring_end {
                find(seed, at, sources.in_ring(at))
            } else {
                Found::Invalid
            };
            let length = match (in_segments, in_ring) {
                (Found::Unknown, _) | (_, Found::Unknown) => return None,
                (Found::Event { length, time, .. }, _) => {
                    self.pass_gap(at);
                    self.last_time = self.last_time.max(time);
                    ring_end = at + length as u64 + sources.lap();
                    length
                }
                // An earlier attempt of recovery has come this far.
                (Found::Hole { length }, _) => {
                    self.pass_gap(at);
                    self.holes += 1;
                    length
                }
                (_, Found::Event { length, time, .. }) => {
                    self.pass_gap(at);
                    self.last_time = self.last_time.max(time);
                    let bytes = sources.in_ring(at)[..length].to_vec();
                    self.repairs.push(Repair::Copy { offset: at, bytes });
                    length
                }
                _ => {
                    at += 8;
                    continue;
                }
            };
            at += length as u64;
            self.end = at;
            self.ends_in_hole = matches!(in_segments, Found::Hole { .. });
        }
        Some(())
    }

    /// What lies between the last valid record and the one at `at` is a hole.
    fn pass_gap(&mut self, at: u64) {
        if self.end < at {
            self.holes += 1;
            self.repairs.push(Repair::Hole {
                start: self.end,
                end: at,
            });
            self.end = at;
        }
    }

    /// A last record that was begun, but has nothing finished behind it, is a hole too.
    fn end_in_part(&mut self, sources: &Sources) {
        if self.ends_in_hole {
            return;
        }
        let written = [sources.in_segments(self.end), sources.in_ring(self.end)].into_iter();
        let longest = written.filter_map(|bytes| {
            bytes
                .iter()
                .take(MAX_RECORD)
                .rposition(|byte| *byte != 0)
                .map(|last| last as u64 + 1)
        });
        if let Some(length) = longest.max() {
            self.pass_gap(self.end + length.next_multiple_of(8));
        }
    }

    /// The offset after the last record.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The time of the last event, 0 if there is none.
    pub(super) fn last_time(&self) -> u64 {
        self.last_time
    }

    /// Stretches that were reserved but never finished.
    pub(super) fn holes(&self) -> u64 {
        self.holes
    }

    /// What must be written into the segments, in order.
    pub(super) fn repairs(&self) -> &[Repair] {
        &self.repairs
    }

    /// Puts everything in its place in the segments, and makes it durable.
    pub(super) fn write(&self, directory: &Path, header: Header) -> Result<()> {
        let mut segments = Vec::new();
        for base in bases_from(directory, self.start)? {
            let path = directory.join(segment_name(base));
            let file = File::options()
                .read(true)
                .write(true)
                .open(&path)
                .at("open", &path)?;
            segments.push(Target::new(base, file, path)?);
        }
        let mut writer = Writer {
            directory,
            header,
            end: self.end,
            segments,
        };
        for repair in self.repairs() {
            match repair {
                Repair::Copy { offset, bytes } => writer.put(*offset, bytes)?,
                Repair::Hole { start, end } => writer.put_hole(*start, *end)?,
            }
        }
        writer.finish()
    }
}

/// The segments that hold what is at `start` or above.
fn bases_from(directory: &Path, start: u64) -> Result<Vec<u64>> {
    let bases = layout::segments(directory)?;
    match bases.partition_point(|base| *base <= start).checked_sub(1) {
        Some(first) => Ok(bases[first..].to_vec()),
        None => Err(LogError::Damaged {
            path: directory.to_owned(),
            problem: format!("the segment that holds offset {start} is missing; restore it"),
        }),
    }
}

struct Target {
    base: u64,
    size: u64,
    file: File,
    path: PathBuf,
}

impl Target {
    fn new(base: u64, file: File, path: PathBuf) -> Result<Self> {
        let size = file.metadata().at("inspect", &path)?.len();
        Ok(Self {
            base,
            size,
            file,
            path,
        })
    }
}

/// Writes into the segments of a tail.
struct Writer<'a> {
    directory: &'a Path,
    header: Header,
    end: u64,
    segments: Vec<Target>,
}

impl Writer<'_> {
    fn put(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let place = self
            .segments
            .partition_point(|target| target.base <= offset)
            .saturating_sub(1);
        let last = place + 1 == self.segments.len();
        let at = |target: &Target| HEADER + (offset - target.base);
        let target = &self.segments[place];
        if last && at(target) + bytes.len() as u64 > target.size {
            let path = self.directory.join(segment_name(offset));
            let file = allocate(&path, HEADER + (self.end - offset), false)?;
            let header = Header {
                base: offset,
                ..self.header
            };
            file.write_all_at(&header.encode(), 0).at("write", &path)?;
            self.segments.push(Target::new(offset, file, path)?);
        }
        let target = &self.segments[if last { self.segments.len() - 1 } else { place }];
        target
            .file
            .write_all_at(bytes, at(target))
            .at("write", &target.path)
    }

    /// A hole ends at the latest where a segment does.
    fn put_hole(&mut self, start: u64, end: u64) -> Result<()> {
        let cuts: Vec<_> = self.segments.iter().map(|target| target.base).collect();
        let mut from = start;
        for to in cuts
            .into_iter()
            .filter(|base| (start + 1..end).contains(base))
            .chain([end])
        {
            for (offset, word) in self.header.seed().holes(from, to) {
                self.put(offset, &word.to_le_bytes())?;
            }
            from = to;
        }
        Ok(())
    }

    /// Syncs all, then gives back what was allocated and isn't needed.
    fn finish(self) -> Result<()> {
        for target in &self.segments {
            target.file.sync_all().at("sync", &target.path)?;
        }
        layout::sync_directory(self.directory)?;
        for (number, target) in self.segments.iter().enumerate() {
            if target.base >= self.end && number > 0 {
                super::segment::remove_if_there(&target.path)?;
            } else if number + 1 == self.segments.len()
                || self.segments[number + 1].base >= self.end
            {
                let length = HEADER + self.end.saturating_sub(target.base);
                if length < target.size {
                    target.file.set_len(length).at("trim", &target.path)?;
                }
            }
        }
        Ok(())
    }
}
