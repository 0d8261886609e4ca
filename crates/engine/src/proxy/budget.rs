//! What requests may spend on trying again. Every request saves a part of a try, every further try spends a whole one:
//! so when an upstream fails, tries stay a fraction of the requests instead of multiplying them.

use std::cell::Cell;

use super::timers::Millis;

/// Thousandths of a try.
const TRY: u64 = 1000;

/// Seconds of the floor, and requests' savings, that may be saved up.
const SAVED_SECONDS: u64 = 10;

/// How much is saved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    /// Further tries per hundred requests.
    pub percent: u64,
    /// Further tries a second that are free.
    pub floor: u64,
}

/// One purse. A worker has one for each upstream and one for services with a host of their own.
#[derive(Debug, Default)]
pub(super) struct Budget {
    saved: Cell<u64>,
    /// When the floor was last paid in; none before the first try.
    paid: Cell<Option<Millis>>,
}

impl Budget {
    /// A request was begun.
    pub fn save(&self, rates: Rates) {
        let most = (rates.percent * TRY).max(rates.floor * TRY * SAVED_SECONDS);
        self.saved
            .set((self.saved.get() + rates.percent * TRY / 100).min(most));
    }

    /// Whether another try may be made.
    pub fn spend(&self, rates: Rates, now: Millis) -> bool {
        let since = self
            .paid
            .replace(Some(now))
            .map_or(1000, |paid| now.saturating_sub(paid));
        let paid = since.min(SAVED_SECONDS * 1000) * rates.floor;
        let saved = self.saved.get() + paid;
        let may = saved >= TRY;
        self.saved.set(if may { saved - TRY } else { saved });
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates {
        percent: 20,
        floor: 2,
    };

    fn tries(budget: &Budget, now: Millis, wanted: usize) -> usize {
        (0..wanted).filter(|_| budget.spend(RATES, now)).count()
    }

    #[test]
    fn tries_are_a_fraction_of_requests_beyond_the_floor() {
        let budget = Budget::default();
        assert_eq!(tries(&budget, 0, 10), 2, "a second's worth to begin with");
        for _ in 0..100 {
            budget.save(RATES);
        }
        assert_eq!(tries(&budget, 0, 100), 20);
        assert_eq!(tries(&budget, 1000, 10), 2, "the floor of a second");
        for _ in 0..1_000_000 {
            budget.save(RATES);
        }
        assert_eq!(tries(&budget, 1000, 1000), 20, "what is saved has a bound");
        assert_eq!(tries(&budget, 3_600_000, 1000), 20, "the floor too");
    }

    #[test]
    fn nothing_saved_is_nothing_spent() {
        let none = Rates {
            percent: 0,
            floor: 0,
        };
        let budget = Budget::default();
        budget.save(none);
        assert!(!budget.spend(none, 5000));
    }
}
