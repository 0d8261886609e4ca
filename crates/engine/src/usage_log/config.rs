//! How a log is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::{LogError, Result};
use super::event::Id;
use super::record::MAX_RECORD;
use super::segment::check_size;

/// What a crash may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// The death of the process loses nothing, a power cut at most 50 ms.
    #[default]
    Group,
    /// Nothing is lost: the last byte waits for the disk.
    Strict,
    /// The death of the process may lose 100 ms by contract (today: nothing), a power cut a second and
    /// what the disk then holds back. For disks that can't sync 20 times a second.
    Relaxed,
}

impl Level {
    /// How often the log is synced.
    pub(super) fn interval(self) -> Duration {
        match self {
            Self::Group | Self::Strict => Duration::from_millis(50),
            Self::Relaxed => Duration::from_secs(1),
        }
    }
}

/// The wall's clock: µs since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(now)
}

pub(super) fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// How a log is opened.
#[derive(Clone)]
pub struct LogConfig {
    /// `DATA_DIR/usage-log`; must exist.
    pub directory: PathBuf,
    /// The node that this gateway writes as. Its lock is held by whoever started the gateway.
    pub node: Id,
    /// How many threads append.
    pub shards: u32,
    /// What a crash may cost.
    pub level: Level,
    /// Bytes that all logs under `directory` may take: alarm at 70 %, requests are refused at 95 %.
    pub budget_bytes: u64,
    /// A segment's size; a multiple of 4096.
    pub segment_bytes: u64,
    /// The ring's size for each shard, a multiple of 4096: bounds the requests in flight to this / 696,
    /// and how long the disk may stand still.
    pub ring_bytes: u64,
    /// Where the events' times come from.
    pub clock: Clock,
}

impl LogConfig {
    /// What a seller gets who sets nothing else: 10 GiB, segments of 16 MiB, rings of 4 MiB.
    #[must_use]
    pub fn new(directory: PathBuf, node: Id, shards: u32, level: Level) -> Self {
        Self {
            directory,
            node,
            shards,
            level,
            budget_bytes: 10 << 30,
            // Tests that kill the gateway at the end of a segment don't have to fill 16 MiB first.
            segment_bytes: if cfg!(feature = "failpoints") {
                64 << 10
            } else {
                16 << 20
            },
            ring_bytes: 4 << 20,
            clock: system_clock(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let fault = |name, problem| Err(LogError::Setting { name, problem });
        check_size(self.segment_bytes)?;
        if !(1..=1024).contains(&self.shards) {
            return fault("shards", format!("is {}; use 1 to 1024", self.shards));
        }
        let ring = self.ring_bytes;
        if !(4096..=1 << 30).contains(&ring) || !ring.is_multiple_of(4096) {
            let least = MAX_RECORD;
            return fault(
                "ring size",
                format!(
                    "is {ring} bytes; use a multiple of 4096 from 4096 to 1 GiB: {least} a request"
                ),
            );
        }
        // One segment to write, one ahead, one that the meter reads: and all that below the refusal.
        let least = u64::from(self.shards) * (3 * self.segment_bytes + ring) * 100 / 95 + 1;
        if self.budget_bytes < least {
            return fault(
                "budget",
                format!(
                    "is {} bytes; {} shards need at least {least}",
                    self.budget_bytes, self.shards
                ),
            );
        }
        Ok(())
    }
}
