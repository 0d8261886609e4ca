//! The mark: how far a shard may be read, and what that means in time.
//!
//! A file of a header and two slots, written in turn, so that one is always whole:
//!
//! | at | |
//! |---|---|
//! | 0 | header, as a segment's |
//! | 512, 1024 | sequence, synced offset, synced time, flags (1: closed), u64 each; CRC32C, u32 |
//!
//! Everything below the synced offset is fdatasynced, and every event with a time before the synced time
//! lies below it. The mark itself is synced only when the shard is closed: an older one after a power cut
//! merely hides events until recovery has looked for them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::{AtPath, LogError, Result};
use super::layout::{HEADER_BYTES, Header, MARK, number};

const SLOTS: [usize; 2] = [512, 1024];
const SLOT: usize = 36;
const LENGTH: usize = 1536;
const CLOSED: u64 = 1;

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// Everything below is durable.
    pub synced: u64,
    /// µs; every event with an earlier time lies below `synced`.
    pub time: u64,
    /// Nothing will be appended any more.
    pub closed: bool,
}

/// A mark that is being kept.
pub(super) struct MarkFile {
    file: File,
    path: PathBuf,
    header: Header,
    sequence: u64,
    mark: Mark,
}

impl MarkFile {
    pub(super) fn create(shard_dir: &Path, header: Header, mark: Mark) -> Result<Self> {
        let unborn = shard_dir.join(format!("{MARK}.new"));
        let file = File::create(&unborn).at("create", &unborn)?;
        file.write_all_at(&header.encode(), 0)
            .at("write", &unborn)?;
        let mut created = Self {
            file,
            path: shard_dir.join(MARK),
            header,
            sequence: 0,
            mark,
        };
        created.write(mark)?;
        created.write(mark)?;
        created.sync()?;
        // Whole or not at all: where it replaces one that was damaged, the old is there until the new is.
        std::fs::rename(&unborn, &created.path).at("create", &created.path)?;
        Ok(created)
    }

    /// Opens a mark to go on with it; its last state is [`mark`](Self::mark).
    pub(super) fn open(shard_dir: &Path) -> Result<Self> {
        let path = shard_dir.join(MARK);
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .at("open", &path)?;
        let (header, sequence, mark) = decode(&read_all(&file, &path)?, &path)?;
        Ok(Self {
            file,
            path,
            header,
            sequence,
            mark,
        })
    }

    pub(super) fn header(&self) -> Header {
        self.header
    }

    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    pub(super) fn write(&mut self, mark: Mark) -> Result<()> {
        self.sequence += 1;
        let flags = if mark.closed { CLOSED } else { 0 };
        let mut slot = [0; SLOT];
        for (bytes, value) in
            slot.chunks_exact_mut(8)
                .zip([self.sequence, mark.synced, mark.time, flags])
        {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
        let at = SLOTS[usize::from(self.sequence % 2 == 1)];
        let sum = self.header.seed().checksum(at as u64, &slot[..32]);
        slot[32..].copy_from_slice(&sum.to_le_bytes());
        self.file
            .write_all_at(&slot, at as u64)
            .at("write", &self.path)?;
        self.mark = mark;
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_all().at("sync", &self.path)
    }
}

/// Reads a shard's mark.
pub(super) fn read(shard_dir: &Path) -> Result<(Header, Mark)> {
    let path = shard_dir.join(MARK);
    let file = File::open(&path).at("open", &path)?;
    let (header, _, mark) = decode(&read_all(&file, &path)?, &path)?;
    Ok((header, mark))
}

fn read_all(file: &File, path: &Path) -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    let mut read = 0;
    while read < LENGTH {
        match file
            .read_at(&mut bytes[read..], read as u64)
            .at("read", path)?
        {
            0 => break,
            more => read += more,
        }
    }
    Ok(bytes)
}

fn decode(bytes: &[u8; LENGTH], path: &Path) -> Result<(Header, u64, Mark)> {
    let header = Header::decode(&bytes[..HEADER_BYTES], path)?;
    let newest = SLOTS.into_iter().filter_map(|at| {
        let slot = &bytes[at..at + SLOT];
        let whole =
            number(slot, 32, 4) == u64::from(header.seed().checksum(at as u64, &slot[..32]));
        whole.then(|| {
            let mark = Mark {
                synced: number(slot, 8, 8),
                time: number(slot, 16, 8),
                closed: number(slot, 24, 8) & CLOSED != 0,
            };
            (number(slot, 0, 8), mark)
        })
    });
    let (sequence, mark) = newest
        .max_by_key(|(sequence, _)| *sequence)
        .ok_or_else(|| LogError::Damaged {
            path: path.to_owned(),
            problem: "neither slot passes its checksum; restore this file".to_owned(),
        })?;
    Ok((header, sequence, mark))
}
