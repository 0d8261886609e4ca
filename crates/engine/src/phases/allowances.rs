//! What a request takes of its subscription's quotas: reserved before the upstream is asked, corrected by each usage event, given
//! back where there is none.

use std::cell::Cell;

use crate::entitlement::{Part, Quota};
use crate::limits::{Admission, CounterKey, Counters, Draw, MOST_DRAWS};
use crate::usage_log::UsageEvent;

const SECOND: u64 = 1_000_000;
/// A counter outlives its period by so long, µs: for exchanges that end late, and for clocks that were wrong for a while.
const KEPT: u64 = 40 * 86_400 * SECOND;
/// And by so long where nobody said what comes after the period: it goes on.
const KEPT_OPEN: u64 = 400 * 86_400 * SECOND;
/// Seconds after which it is worth asking again where a period has ended and control is yet to say what follows.
const ASK_AGAIN: u64 = 60;

/// The quotas that one request draws on, and how.
#[derive(Debug)]
pub(super) struct Allowances {
    drawn: [Drawn; MOST_DRAWS],
    count: usize,
    /// Of those with too little left the one that is full again last.
    exhausted: Option<usize>,
}

/// One of them.
#[derive(Debug, Clone, Default)]
struct Drawn {
    /// Its place among the subscription's quotas.
    quota: usize,
    counter: CounterKey,
    limit: u64,
    asked: u64,
    until: u64,
    /// What was taken and not yet accounted for.
    reserved: Cell<u64>,
    used: u64,
    /// Seconds until the period ends, and those that it has.
    reset: u64,
    length: u64,
    /// The period's end, µs since 1970.
    end: u64,
}

/// A quota as headers and refusals tell of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<'a> {
    pub(super) quota: &'a Quota,
    pub(super) used: u64,
    /// Seconds until it is full again.
    pub(super) reset: u64,
    /// Seconds of the whole period.
    pub(super) length: u64,
    /// The second since 1970 at which it is full again.
    pub(super) resets_at: u64,
}

impl Standing<'_> {
    pub(super) fn remaining(&self) -> u64 {
        self.quota.limit.saturating_sub(self.used)
    }
}

impl Allowances {
    /// What a request of this kind has to draw on; nothing is taken yet.
    pub(super) fn of(quotas: &[Quota], part: Part, wall: u64) -> Self {
        let mut allowances = Self {
            drawn: Default::default(),
            count: 0,
            exhausted: None,
        };
        let concerned =
            (quotas.iter().enumerate()).filter(|(_, quota)| quota.filter.may_take(part));
        for ((place, quota), drawn) in concerned.zip(&mut allowances.drawn) {
            let period = quota.period(wall);
            let kept = if period.open { KEPT_OPEN } else { KEPT };
            *drawn = Drawn {
                quota: place,
                counter: period.counter,
                limit: quota.limit,
                asked: quota.reserved(),
                until: (period.end.saturating_add(kept)).div_ceil(SECOND),
                reserved: Cell::new(0),
                used: 0,
                reset: match period.end.saturating_sub(wall) {
                    0 => ASK_AGAIN,
                    left => left.div_ceil(SECOND),
                },
                length: (period.end - period.start).div_ceil(SECOND),
                end: period.end.max(wall),
            };
            allowances.count += 1;
        }
        allowances
    }

    /// What to ask the counters for.
    pub(super) fn draws(&self) -> ([Draw; MOST_DRAWS], usize) {
        let draw = |drawn: &Drawn| Draw {
            counter: drawn.counter,
            limit: drawn.limit,
            amount: drawn.asked,
            until: drawn.until,
        };
        (self.drawn.each_ref().map(draw), self.count)
    }

    /// Keeps what the counters said.
    pub(super) fn note(&mut self, admission: &Admission) {
        let mut latest = 0;
        for (place, drawn) in self.drawn[..self.count].iter_mut().enumerate() {
            drawn.used = admission.used[place];
            if admission.admitted {
                drawn.reserved.set(drawn.asked);
            } else if drawn.used.saturating_add(drawn.asked.max(1)) > drawn.limit
                && drawn.reset > latest
            {
                latest = drawn.reset;
                self.exhausted = Some(place);
            }
        }
    }

    /// Before a usage event is written: takes what it has used beyond what was reserved. Killed in between, the caller has lost it.
    pub(super) fn draw_more(&self, quotas: &[Quota], event: &UsageEvent<'_>, counters: &Counters) {
        for (drawn, quota) in self.each(quotas) {
            let (used, reserved) = (quota.used_by(event), drawn.reserved.get());
            if used >= reserved {
                drawn.reserved.set(0);
                if used > reserved {
                    counters.draw_more(drawn.counter, used - reserved);
                }
            }
        }
    }

    /// After it was written: gives back what was reserved and not used.
    pub(super) fn give_back(&self, quotas: &[Quota], event: &UsageEvent<'_>, counters: &Counters) {
        for (drawn, quota) in self.each(quotas) {
            let reserved = drawn.reserved.take();
            if reserved > 0 {
                counters.give_back(drawn.counter, reserved - quota.used_by(event).min(reserved));
            }
        }
    }

    /// There will be no event: gives everything back.
    pub(super) fn cancel(&self, counters: &Counters) {
        for drawn in &self.drawn[..self.count] {
            let reserved = drawn.reserved.take();
            if reserved > 0 {
                counters.give_back(drawn.counter, reserved);
            }
        }
    }

    /// The request is refused by something else, which is asked later: gives everything back, and tells of it as given back.
    pub(super) fn refuse(&mut self, counters: &Counters) {
        for drawn in &mut self.drawn[..self.count] {
            drawn.used = drawn.used.saturating_sub(drawn.reserved.get());
        }
        self.cancel(counters);
    }

    /// How each stands, what is reserved for this request taken away from it.
    pub(super) fn standings<'a>(
        &'a self,
        quotas: &'a [Quota],
    ) -> impl Iterator<Item = Standing<'a>> {
        self.each(quotas)
            .map(|(drawn, quota)| drawn.standing(quota))
    }

    /// The one that refused the request.
    pub(super) fn exhausted<'a>(&'a self, quotas: &'a [Quota]) -> Option<Standing<'a>> {
        let drawn = self.drawn.get(self.exhausted?)?;
        Some(drawn.standing(quotas.get(drawn.quota)?))
    }

    fn each<'a>(&'a self, quotas: &'a [Quota]) -> impl Iterator<Item = (&'a Drawn, &'a Quota)> {
        let drawn = self.drawn[..self.count].iter();
        drawn.filter_map(|drawn| Some((drawn, quotas.get(drawn.quota)?)))
    }
}

impl Drawn {
    fn standing<'a>(&self, quota: &'a Quota) -> Standing<'a> {
        Standing {
            quota,
            used: self.used,
            reset: self.reset,
            length: self.length,
            resets_at: self.end.div_ceil(SECOND),
        }
    }
}
