//! The time that counters live in: it never goes back and never stands still, whatever is done to the clock.
//!
//! A request's time is the steady clock plus an offset, and the offset is the greatest difference to the wall clock
//! ever seen. Put forward, the wall clock takes this time with it. Put back, it is not followed: no window is opened a second time,
//! and none is kept open, since the steady clock goes on. The second reached is kept in the file, for other processes and for the next start.
//! (So after a clock was an hour fast for a moment, windows end an hour early by that clock until the file is taken
//! away or the hour is over: a wrong calendar is less harm than a limit that isn't one.)

use std::sync::atomic::{AtomicU64, Ordering};

use crate::phases::Now;

/// One process's offset between the two clocks.
#[derive(Debug, Default)]
pub(super) struct LimitTime {
    /// µs to be added to the steady clock.
    offset: AtomicU64,
}

const SECOND: u64 = 1_000_000;

impl LimitTime {
    /// The second in which `now` lies, at least `reached`, which it moves on. To be called with a counter's lock held: every second
    /// that a counter has seen is then already in `reached`.
    pub(super) fn second(&self, now: Now, reached: &AtomicU64) -> u64 {
        let seen = now.wall.saturating_sub(now.mono);
        let mut offset = self.offset.load(Ordering::Relaxed);
        if seen > offset {
            offset = self.raise(seen);
        }
        let second = (now.mono + offset) / SECOND;
        let least = reached.load(Ordering::Acquire);
        if second == least {
            return second;
        }
        if second > least {
            return reached.fetch_max(second, Ordering::AcqRel).max(second);
        }
        if least - second > 1 {
            // Another process, or an earlier life, is ahead: go on from there.
            self.raise((least * SECOND).saturating_sub(now.mono));
        }
        least
    }

    fn raise(&self, to: u64) -> u64 {
        self.offset.fetch_max(to, Ordering::Relaxed).max(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn time_goes_on_whatever_the_clock_does(
            steps in prop::collection::vec((0..3 * SECOND, -5_000_000..5_000_000_i64), 1..100),
        ) {
            let (time, reached) = (LimitTime::default(), AtomicU64::new(0));
            let (mut mono, mut error) = (0, 0_i64);
            let mut last = 0;
            for (pass, step) in steps {
                mono += pass;
                error += step;
                let wall = (1_000_000_000_000 + mono).saturating_add_signed(error);
                let second = time.second(Now { mono, wall }, &reached);
                // Never back, never behind the wall clock, and never slower than the steady one.
                prop_assert!(second >= last && second >= wall / SECOND);
                prop_assert!(second >= last + pass / SECOND || last == 0);
                last = second;
            }
        }
    }

    #[test]
    fn another_process_ahead_is_followed_and_not_waited_for() {
        let (time, reached) = (LimitTime::default(), AtomicU64::new(5000));
        let at = |seconds: u64| Now {
            mono: seconds * SECOND,
            wall: (1000 + seconds) * SECOND,
        };
        assert_eq!(time.second(at(1), &reached), 5000);
        assert_eq!(time.second(at(2), &reached), 5001);
    }
}
