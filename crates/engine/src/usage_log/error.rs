//! What can go wrong with the usage log.

use std::io;
use std::path::{Path, PathBuf};

use super::event::ShardId;

/// A result of the usage log.
pub type Result<T> = std::result::Result<T, LogError>;

/// The usage log can't be opened, read or written.
#[derive(Debug)]
pub enum LogError {
    /// The system refused.
    Io {
        /// What was tried, e.g. `"create"`.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file isn't what it should be.
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A later version of Tollway wrote this, and this one doesn't understand it.
    LaterVersion {
        /// Where.
        path: PathBuf,
    },
    /// A cursor lies above what may be read.
    BeyondReadable {
        /// Of which shard.
        shard: ShardId,
        /// Where the cursor stands.
        cursor: u64,
        /// Where the readable part ends.
        readable: u64,
    },
    /// A setting is out of range.
    Setting {
        /// Which.
        name: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The log can't be closed: this many requests may still append.
    InUse(u64),
}

impl std::fmt::Display for LogError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io {
                doing,
                path,
                source,
            } => write!(out, "usage log: can't {doing} {}: {source}", path.display()),
            Self::Damaged { path, problem } => {
                write!(out, "usage log: {}: {problem}", path.display())
            }
            Self::LaterVersion { path } => write!(
                out,
                "usage log: {} was written by a later version of Tollway: upgrade this one",
                path.display()
            ),
            Self::BeyondReadable {
                shard,
                cursor,
                readable,
            } => write!(
                out,
                "usage log: shard {shard} can be read up to {readable}, but a cursor stands at {cursor}: \
                 the log was lost or exchanged; restore it beside the database that knows the cursor"
            ),
            Self::Setting { name, problem } => write!(out, "usage log: {name}: {problem}"),
            Self::InUse(count) => write!(
                out,
                "usage log: {count} requests may still append, so the epoch stays open; recovery closes it"
            ),
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Names the file in a system's refusal.
pub(super) trait AtPath<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> AtPath<T> for std::result::Result<T, E> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T> {
        self.map_err(|error| LogError::Io {
            doing,
            path: path.to_owned(),
            source: error.into(),
        })
    }
}

/// Why a request can't be served now: its event would have no room. Answered with 503, before anything
/// is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The disk or the log's budget is full, the disk is far too slow, or too many requests are in flight.
    Full,
    /// The disk refused to write or sync; the gateway must be started anew, on a sound disk.
    Failed,
    /// The log is being closed.
    Closed,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Full => "the usage log has no room",
            Self::Failed => "the usage log's disk failed",
            Self::Closed => "the usage log is closed",
        })
    }
}

impl std::error::Error for Refused {}
