//! Allowances: so much in a stretch of time that somebody else defines, a billing period say. Each period of each allowance has
//! a counter of its own, so nothing has to happen when one ends, and a clock that is set back opens none anew.
//!
//! A request that draws on several allowances and on a rate limit is decided upon as one: all counters are locked, in the order of
//! their keys, then all are asked, then all or none are changed. A process that is killed between the changes has counted some: what
//! is lost is the caller's, by one request in flight, and never is there one too many.

use super::lock::Busy;
use super::slot::{Counted, Held, Slot};
use super::{CounterKey, Counters, LimitFault, Limits};
use crate::phases::Now;

/// On how many allowances one request may draw.
pub const MOST_DRAWS: usize = 8;

const MOST: usize = MOST_DRAWS + 1;

/// What a request takes of an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The counter of the allowance in this period.
    pub counter: CounterKey,
    /// How much there is.
    pub limit: u64,
    /// How much is taken now; nothing where that will be known later: then there only has to be something left.
    pub amount: u64,
    /// The counter is kept until this second since 1970.
    pub until: u64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    /// What the rate limit's counter says, where there is one. Counted only if nothing was refused.
    pub rate: Option<Counted>,
    /// What was used of each allowance, by the order in which they were given, this request included if it was admitted.
    pub used: [u64; MOST_DRAWS],
    /// The first allowance that has too little left.
    pub exhausted: Option<usize>,
    /// Whether the request may pass; only then anything was counted.
    pub admitted: bool,
}

impl Admission {
    /// Of a request that nothing limits.
    pub const FREE: Self = Self {
        rate: None,
        used: [0; MOST_DRAWS],
        exhausted: None,
        admitted: true,
    };

    /// Of one that a rate limit alone has judged.
    #[must_use]
    pub fn rated(counted: Counted) -> Self {
        Self {
            rate: Some(counted),
            admitted: counted.admitted,
            ..Self::FREE
        }
    }
}

impl Counters {
    /// Judges a request by a rate limit and by allowances, and counts it everywhere if it may pass. Of more than
    /// [`MOST_DRAWS`] draws the rest is left out.
    ///
    /// # Errors
    /// [`LimitFault`]: it was not judged, and not counted.
    pub fn admit(
        &self,
        rate: Option<(CounterKey, &Limits)>,
        draws: &[Draw],
        now: Now,
    ) -> Result<Admission, LimitFault> {
        let draws = &draws[..draws.len().min(MOST_DRAWS)];
        let mut keys = [(CounterKey::default(), 0); MOST];
        let mut count = 0;
        let all = (draws.iter().map(|draw| draw.counter)).chain(rate.map(|(key, _)| key));
        for (place, key) in all.enumerate() {
            keys[place] = (key, place);
            count = place + 1;
        }
        let keys = &mut keys[..count];
        // Whoever needs two of them locks them in the same order: nobody waits for one who waits for him.
        keys.sort_unstable_by_key(|(key, _)| (key.high, key.low));
        loop {
            // Before any is locked: making one takes the structure's lock, under which others lock counters.
            let mut slots: [Option<&Slot>; MOST] = [None; MOST];
            for (key, place) in &*keys {
                slots[*place] = Some(self.find_or_insert(*key, now)?);
            }
            let mut held: [Option<Held<'_>>; MOST] = [const { None }; MOST];
            if self.lock_all(keys, &slots, &mut held)? {
                let time = self.second(now);
                return Ok(decide(&held, rate.map(|(_, limits)| limits), draws, time));
            }
        }
    }

    /// Locks each; false where one was freed and became another's between finding and locking it.
    fn lock_all<'a>(
        &self,
        keys: &[(CounterKey, usize)],
        slots: &[Option<&'a Slot>; MOST],
        held: &mut [Option<Held<'a>>; MOST],
    ) -> Result<bool, Busy> {
        for (key, place) in keys {
            if let Some(slot) = slots[*place] {
                held[*place] = slot.lock(*key, &self.process)?;
                if held[*place].is_none() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// More was used of an allowance than was taken beforehand. Its counter is there since it was asked; where it isn't
    /// any more, its period is long over.
    pub fn draw_more(&self, counter: CounterKey, amount: u64) {
        self.change(counter, |held| held.add(amount));
    }

    /// Less was used than was taken beforehand.
    pub fn give_back(&self, counter: CounterKey, amount: u64) {
        self.change(counter, |held| held.give_back(amount));
    }

    fn change(&self, counter: CounterKey, change: impl FnOnce(&Held<'_>)) {
        // Whoever is stopped (not killed) for 30 ms with the lock makes this one change fail.
        if let Some(slot) = self.find(counter)
            && let Ok(Some(held)) = slot.lock(counter, &self.process)
        {
            change(&held);
        }
    }
}

fn decide(
    held: &[Option<Held<'_>>; MOST],
    limits: Option<&Limits>,
    draws: &[Draw],
    time: u64,
) -> Admission {
    let mut admission = Admission::FREE;
    for (place, (draw, held)) in draws.iter().zip(held).enumerate() {
        let used = held.as_ref().map_or(0, |held| held.used_until(draw.until));
        admission.used[place] = used;
        let has_room = used.saturating_add(draw.amount.max(1)) <= draw.limit;
        if !has_room && admission.exhausted.is_none() {
            admission.exhausted = Some(place);
        }
    }
    if let (Some(limits), Some(rate)) = (limits, &held[draws.len()]) {
        admission.rate = Some(rate.judge(limits, time));
    }
    let by_rate = admission.rate.is_none_or(|rate| rate.admitted);
    admission.admitted = by_rate && admission.exhausted.is_none();
    if !admission.admitted {
        return admission;
    }
    if let (Some(counted), Some(rate)) = (&mut admission.rate, &held[draws.len()]) {
        rate.count(counted);
    }
    for (place, (draw, held)) in draws.iter().zip(held).enumerate() {
        if let Some(held) = held {
            held.add(draw.amount);
            admission.used[place] += draw.amount;
        }
    }
    admission
}
