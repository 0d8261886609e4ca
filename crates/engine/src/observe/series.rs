//! One thread's figures of one route, and of one consumer group.

use std::sync::atomic::{AtomicU16, Ordering};

use super::board::Ending;
use super::histogram::Histogram;
use crate::proxy::stats::Counter;

/// How many statuses of a route are told apart, those of upstreams and of the gateway's own answers.
pub const MOST_STATUSES: usize = 24;

/// What further statuses are counted as.
pub const OTHER_STATUS: u16 = 0;

/// A status, and who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status {
    /// What the client was told; [`OTHER_STATUS`] for one of many.
    pub code: u16,
    /// The gateway answered itself.
    pub by_gateway: bool,
}

/// One route's.
#[derive(Debug, Default)]
pub struct Series {
    statuses: [(AtomicU16, Counter); MOST_STATUSES],
    others: [Counter; 2],
    /// From a request's whole head to the end of its answer.
    pub whole: Histogram,
    /// Of that, until the answer's head, what an upstream took.
    pub upstream: Histogram,
    /// Of that, what the gateway took before it asked an upstream, or answered itself.
    pub own: Histogram,
    /// Body bytes of requests.
    pub bytes_in: Counter,
    /// Body bytes of answers.
    pub bytes_out: Counter,
}

const BY_GATEWAY: u16 = 1 << 15;

impl Status {
    fn word(self) -> u16 {
        self.code | if self.by_gateway { BY_GATEWAY } else { 0 }
    }

    fn of_word(word: u16) -> Self {
        Self {
            code: word & !BY_GATEWAY,
            by_gateway: word & BY_GATEWAY != 0,
        }
    }
}

impl Series {
    pub(super) fn record(&self, ending: &Ending<'_>) {
        self.status(ending.status).increment();
        self.whole.record(ending.whole_us);
        if let Some(micros) = ending.upstream_us {
            self.upstream.record(micros);
        }
        self.own.record(ending.own_us);
        self.bytes_in.add(ending.bytes_in);
        self.bytes_out.add(ending.bytes_out);
    }

    /// The counter of a status: few occur, so they are looked at in turn.
    fn status(&self, status: Status) -> &Counter {
        let wanted = status.word();
        for (word, counter) in &self.statuses {
            match word.load(Ordering::Relaxed) {
                known if known == wanted => return counter,
                // Its count is 0 until after it has a name, so a reader never sees one under another's.
                0 => {
                    word.store(wanted, Ordering::Relaxed);
                    return counter;
                }
                _ => {}
            }
        }
        &self.others[usize::from(status.by_gateway)]
    }

    /// Every status that there was, and how often.
    pub fn statuses(&self) -> impl Iterator<Item = (Status, u64)> {
        let known = self.statuses.iter().map(|(word, counter)| {
            let status = Status::of_word(word.load(Ordering::Relaxed));
            (status, counter.get())
        });
        let others = self.others.iter().zip([false, true]);
        let others = others.map(|(counter, by_gateway)| {
            let status = Status {
                code: OTHER_STATUS,
                by_gateway,
            };
            (status, counter.get())
        });
        known.chain(others).filter(|(_, count)| *count > 0)
    }
}

/// One consumer group's: answers by the class of their status, 1xx to 5xx, and others.
#[derive(Debug, Default)]
pub struct GroupSeries {
    classes: [Counter; 6],
}

impl GroupSeries {
    pub(super) fn record(&self, status: Status) {
        let class = usize::from(status.code / 100).wrapping_sub(1).min(5);
        self.classes[class].increment();
    }

    /// Adds what was noted to a sum over several.
    pub fn add_to(&self, classes: &mut [u64; 6]) {
        for (total, counter) in classes.iter_mut().zip(&self.classes) {
            *total = total.wrapping_add(counter.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_beyond_what_is_told_apart_are_counted_as_others() {
        let series = Series::default();
        let status = |code| Status {
            code,
            by_gateway: false,
        };
        for code in 200..230 {
            series.status(status(code)).increment();
        }
        series.status(status(200)).increment();
        let told: Vec<_> = series.statuses().collect();
        assert_eq!(told.len(), MOST_STATUSES + 1);
        assert_eq!(told[0], (status(200), 2));
        assert_eq!(told[MOST_STATUSES], (status(OTHER_STATUS), 6));
        let own = Status {
            code: 200,
            by_gateway: true,
        };
        series.status(own).increment();
        assert_eq!(
            series.statuses().last(),
            Some((
                Status {
                    code: OTHER_STATUS,
                    ..own
                },
                1
            ))
        );
    }
}
