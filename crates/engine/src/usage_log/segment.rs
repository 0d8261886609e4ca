//! The segments of a shard, from the side that writes them: the flusher, and recovery.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::error::{AtPath, LogError, Result};
use super::layout::{HEADER, Header, SPARE, segment_name, sync_directory};
use super::record::MAX_RECORD;
use crate::failpoint;

/// Creates a file of `size` bytes whose blocks are really there: a full disk is an error here, and
/// nowhere later. With `written` they hold zeroes on the disk too, rather than by the file system's word.
pub(super) fn allocate(path: &Path, size: u64, written: bool) -> Result<File> {
    let create = || -> std::io::Result<File> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        let allocated = match fallocate(&file, FallocateFlags::empty(), 0, size) {
            Err(Errno::OPNOTSUPP) => false,
            other => other.map(|()| true)?,
        };
        if written || !allocated {
            let zeroes = vec![0; 1 << 16];
            let mut at = 0;
            while at < size {
                let length = usize::try_from(size - at)
                    .unwrap_or(usize::MAX)
                    .min(zeroes.len());
                file.write_all_at(&zeroes[..length], at)?;
                at += length as u64;
            }
        }
        file.sync_all()?;
        Ok(file)
    };
    create()
        .inspect_err(|_| drop(std::fs::remove_file(path)))
        .at("allocate", path)
}

struct Current {
    file: Arc<File>,
    path: PathBuf,
    base: u64,
    /// Where the next byte goes, as an offset of the stream.
    end: u64,
    /// The file's size.
    size: u64,
}

/// The segment that is being written, and the one that comes next.
pub(super) struct Segments {
    directory: PathBuf,
    header: Header,
    size: u64,
    current: Current,
    spare: Option<File>,
    unsynced: Unsynced,
}

/// What must be synced before what was written counts as durable.
#[derive(Default)]
pub(super) struct Unsynced {
    files: Vec<(Arc<File>, PathBuf)>,
    directory: Option<PathBuf>,
}

impl Unsynced {
    pub(super) fn sync(&self) -> Result<()> {
        for (file, path) in &self.files {
            file.sync_data().at("sync", path)?;
        }
        self.directory.as_deref().map_or(Ok(()), sync_directory)
    }
}

impl Segments {
    /// Makes a shard's first segment. The caller syncs the directory.
    pub(super) fn create(directory: &Path, header: Header, size: u64) -> Result<Self> {
        let path = directory.join(segment_name(header.base));
        let file = allocate(&path, size, false)?;
        Self::begin(directory, header, size, file, path, header.base)
    }

    /// Goes on writing at `end`, within the segment that begins at `base`.
    pub(super) fn resume(
        directory: &Path,
        header: Header,
        base: u64,
        end: u64,
        size: u64,
    ) -> Result<Self> {
        let path = directory.join(segment_name(base));
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .at("open", &path)?;
        Self::begin(directory, Header { base, ..header }, size, file, path, end)
    }

    fn begin(
        directory: &Path,
        header: Header,
        size: u64,
        file: File,
        path: PathBuf,
        end: u64,
    ) -> Result<Self> {
        file.write_all_at(&header.encode(), 0).at("write", &path)?;
        let actual = file.metadata().at("inspect", &path)?.len().max(HEADER);
        let file = Arc::new(file);
        Ok(Self {
            directory: directory.to_owned(),
            header,
            size,
            unsynced: Unsynced {
                files: vec![(Arc::clone(&file), path.clone())],
                directory: None,
            },
            current: Current {
                file,
                path,
                base: header.base,
                end,
                size: actual,
            },
            spare: None,
        })
    }

    /// How many bytes still fit into the current segment.
    pub(super) fn room(&self) -> u64 {
        let current = &self.current;
        current
            .size
            .saturating_sub(HEADER + (current.end - current.base))
    }

    /// The offset up to which records will find room on the disk, whatever their lengths.
    pub(super) fn guaranteed(&self) -> u64 {
        let mut end = self.current.end + self.room().saturating_sub(MAX_RECORD as u64);
        if self.spare.is_some() {
            end += self.size - HEADER - MAX_RECORD as u64;
        }
        end
    }

    /// Writes bytes that fit into the current segment, at its end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let current = &mut self.current;
        let at = HEADER + (current.end - current.base);
        current
            .file
            .write_all_at(bytes, at)
            .at("write", &current.path)?;
        current.end += bytes.len() as u64;
        if !self
            .unsynced
            .files
            .iter()
            .any(|(file, _)| Arc::ptr_eq(file, &current.file))
        {
            self.unsynced
                .files
                .push((Arc::clone(&current.file), current.path.clone()));
        }
        Ok(())
    }

    pub(super) fn needs_spare(&self) -> bool {
        self.spare.is_none()
    }

    /// Where the next segment is allocated, by whoever has the time.
    pub(super) fn spare_path(&self) -> PathBuf {
        self.directory.join(SPARE)
    }

    pub(super) fn put_spare(&mut self, file: File) {
        self.spare = Some(file);
    }

    /// Begins the next segment with the spare; without one, nothing happens and the answer is no.
    pub(super) fn next(&mut self) -> Result<bool> {
        let Some(file) = self.spare.take() else {
            return Ok(false);
        };
        failpoint!("usage_log.segment_switch");
        let base = self.current.end;
        let path = self.directory.join(segment_name(base));
        file.write_all_at(
            &Header {
                base,
                ..self.header
            }
            .encode(),
            0,
        )
        .at("write", &path)?;
        std::fs::rename(self.spare_path(), &path).at("create", &path)?;
        failpoint!("usage_log.segment_switched");
        let size = file.metadata().at("inspect", &path)?.len();
        self.unsynced.directory = Some(self.directory.clone());
        self.current = Current {
            file: Arc::new(file),
            path,
            base,
            end: base,
            size,
        };
        Ok(true)
    }

    /// Hands over what must be synced; a file comes up again once it is written again.
    pub(super) fn take_unsynced(&mut self) -> Unsynced {
        std::mem::take(&mut self.unsynced)
    }

    /// Gives back what the closed shard doesn't need: the spare and the last segment's rest.
    pub(super) fn trim(&mut self) -> Result<()> {
        let current = &self.current;
        let length = HEADER + (current.end - current.base);
        current.file.set_len(length).at("trim", &current.path)?;
        self.spare = None;
        remove_if_there(&self.spare_path())
    }
}

/// Removes a file; that it is gone already is fine.
pub(super) fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
    }
}

/// Checks a segment's size: at least a few records, and as much as a hole can cover.
pub(super) fn check_size(size: u64) -> Result<()> {
    if (1 << 12..=1 << 30).contains(&size) && size.is_multiple_of(4096) {
        return Ok(());
    }
    Err(LogError::Setting {
        name: "segment size",
        problem: format!("is {size} bytes; use a multiple of 4096 from 4096 to 1 GiB"),
    })
}
