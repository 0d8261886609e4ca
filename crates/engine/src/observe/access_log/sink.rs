//! Where lines go.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::observe::text::MOST;

/// A file that is open for appending.
#[derive(Debug)]
pub(super) struct Sink {
    file: File,
    /// Where it was opened; none for standard output.
    path: Option<PathBuf>,
    /// The last write ended within a line.
    cut: bool,
    /// What others write there too, who would come between two parts of a line.
    is_pipe: bool,
}

impl Sink {
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let file = match path {
            Some(path) => open(path)?,
            None => File::from(io::stdout().as_fd().try_clone_to_owned()?),
        };
        Ok(Self {
            is_pipe: is_pipe(&file),
            file,
            path: path.map(Path::to_owned),
            cut: false,
        })
    }

    /// Opens the file anew if it isn't the one at its path any more.
    pub fn look(&mut self) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let there = std::fs::metadata(path).map(identity).ok();
        if there != Some(identity(self.file.metadata()?)) {
            self.file = open(path)?;
            self.is_pipe = is_pipe(&self.file);
            self.cut = false;
        }
        Ok(())
    }

    /// Writes whole lines. Of those that it fails at some may have been written.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if std::mem::take(&mut self.cut) {
            // Whatever was begun must not run into what comes now.
            self.write_whole(b"\n")?;
        }
        if !self.is_pipe {
            return self.write_whole(lines);
        }
        let mut rest = lines;
        while !rest.is_empty() {
            let part = &rest[..rest.len().min(MOST)];
            let end = memchr::memrchr(b'\n', part).map_or(part.len(), |end| end + 1);
            self.write_whole(&rest[..end])?;
            rest = &rest[end..];
        }
        Ok(())
    }

    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => {
                    self.cut = rest[length - 1] != b'\n';
                    rest = &rest[length..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Not to be waited for: a FIFO without a reader is refused, and one that is full takes nothing.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

fn is_pipe(file: &File) -> bool {
    let kind = file.metadata().map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}
