//! What the phases count: answers by kind, forwarded exchanges by status. Each thread has counters of its own, which it alone
//! writes; whoever reads the metrics adds them up.

use std::sync::atomic::{AtomicU64, Ordering};

use super::answer::AnswerKind;

const KINDS: usize = AnswerKind::ALL.len();
const FIRST_STATUS: u16 = 100;
const STATUSES: usize = 900;

/// One thread's counters.
#[derive(Debug)]
pub(super) struct ThreadStats {
    answers: [AtomicU64; KINDS],
    forwarded: [AtomicU64; STATUSES],
    abandoned: AtomicU64,
    uncounted: AtomicU64,
}

/// The sum over all threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Answers of the gateway's own, by [`AnswerKind::ALL`].
    pub answers: [u64; KINDS],
    /// Forwarded exchanges by the status that the client saw, those that there were, in order.
    pub forwarded: Vec<(u16, u64)>,
    /// Exchanges whose client went away before an answer began.
    pub abandoned: u64,
    /// Requests that passed rate-limiting uncounted since the counters had a fault.
    pub uncounted: u64,
}

impl Default for ThreadStats {
    fn default() -> Self {
        Self {
            answers: [const { AtomicU64::new(0) }; KINDS],
            forwarded: [const { AtomicU64::new(0) }; STATUSES],
            abandoned: AtomicU64::new(0),
            uncounted: AtomicU64::new(0),
        }
    }
}

/// Adds one where only this thread writes: no locked instruction is needed.
fn increment(counter: &AtomicU64) {
    let value = counter.load(Ordering::Relaxed);
    counter.store(value.wrapping_add(1), Ordering::Relaxed);
}

impl ThreadStats {
    pub(super) fn answered(&self, kind: AnswerKind) {
        increment(&self.answers[kind as usize]);
    }

    pub(super) fn forwarded(&self, status: u16) {
        let place = usize::from(status.saturating_sub(FIRST_STATUS));
        if let Some(counter) = self.forwarded.get(place) {
            increment(counter);
        }
    }

    pub(super) fn abandoned(&self) {
        increment(&self.abandoned);
    }

    pub(super) fn uncounted(&self) {
        increment(&self.uncounted);
    }
}

impl Totals {
    pub(super) fn sum(threads: &[&ThreadStats]) -> Self {
        let sum = |counter: &dyn Fn(&ThreadStats) -> &AtomicU64| {
            threads
                .iter()
                .map(|stats| counter(stats).load(Ordering::Relaxed))
                .sum()
        };
        let mut answers = [0; KINDS];
        for (kind, total) in answers.iter_mut().enumerate() {
            *total = sum(&|stats| &stats.answers[kind]);
        }
        let statuses = (FIRST_STATUS..).take(STATUSES).enumerate();
        let forwarded =
            statuses.map(|(place, status)| (status, sum(&|stats| &stats.forwarded[place])));
        Self {
            answers,
            forwarded: forwarded.filter(|(_, count)| *count > 0).collect(),
            abandoned: sum(&|stats| &stats.abandoned),
            uncounted: sum(&|stats| &stats.uncounted),
        }
    }
}
