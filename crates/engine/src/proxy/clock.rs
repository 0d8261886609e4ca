//! The present, for a thread that asks several times per request.

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use crate::phases::Now;

/// Where the process counts from: threads compare their instants.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A thread's clock: reads one of the system's clocks, and knows from the last [`Clock::adjust`] how far the
/// other is ahead.
#[derive(Debug)]
pub struct Clock {
    ahead: Cell<u64>,
}

impl Default for Clock {
    fn default() -> Self {
        let clock = Self {
            ahead: Cell::new(0),
        };
        clock.adjust();
        clock
    }
}

impl Clock {
    /// The present.
    #[must_use]
    pub fn now(&self) -> Now {
        let mono = micros(ORIGIN.elapsed());
        Now {
            mono,
            wall: self.ahead.get().saturating_add(mono),
        }
    }

    /// Looks at the calendar, which may have been set.
    pub fn adjust(&self) {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, micros);
        self.ahead
            .set(wall.saturating_sub(micros(ORIGIN.elapsed())));
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
