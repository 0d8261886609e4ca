//! A hard allowance over a billing period: which exchanges draw on it, and on which counter.

use sha2::{Digest, Sha256};

use super::filter::Filter;
use crate::config::ConfigError;
use crate::config::wire;
use crate::limits::CounterKey;
use crate::usage_log::UsageEvent;
use crate::uuid::Uuid;

pub use wire::Counted;

/// A quota of one meter.
#[derive(Debug)]
pub struct Quota {
    /// The meter's name.
    pub meter: Box<str>,
    /// The same as the name of a policy in `RateLimit` headers: `quota:` and what of the name a header can hold.
    pub policy: Box<str>,
    /// What is added up.
    pub counted: Counted,
    /// Of which exchanges.
    pub filter: Filter,
    /// How much there is in one period.
    pub limit: u64,
    /// Ascending; each begins where the one before it ends. At least one.
    periods: Box<[Period]>,
}

/// A billing period, µs since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first instant.
    pub start: u64,
    /// The first instant after it.
    pub end: u64,
    /// Where what was used in it is kept.
    pub counter: CounterKey,
    /// Nobody said what comes after it: it goes on until control does.
    pub open: bool,
}

impl Quota {
    pub(super) fn compile(subscription: Uuid, row: wire::Quota) -> Result<Self, ConfigError> {
        let bounds = &row.boundaries;
        if bounds.len() < 2 || bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(ConfigError::new(
                "boundaries",
                "not the start of a period and later ends",
                "give at least two instants, ascending",
            ));
        }
        if bounds.last().is_some_and(|last| *last > LAST) {
            return Err(ConfigError::new(
                "boundaries",
                "an instant after the year 9999",
                "give microseconds since 1970",
            ));
        }
        if row.limit > MOST {
            return Err(ConfigError::new(
                "limit",
                format!("more than {MOST}"),
                "leave the quota out: nobody would ever reach it",
            ));
        }
        let last = bounds.len() - 2;
        let periods = (bounds.windows(2).enumerate())
            .map(|(place, pair)| Period {
                start: pair[0],
                end: pair[1],
                counter: counter(subscription, &row.meter, pair[0]),
                open: place == last,
            })
            .collect();
        Ok(Self {
            filter: Filter::compile(row.filter, row.any_completion)?,
            policy: policy(&row.meter),
            meter: row.meter.into(),
            counted: row.counted,
            limit: row.limit,
            periods,
        })
    }

    /// The period in force. Before the first one that is the first, after the last one the last.
    #[must_use]
    pub fn period(&self, wall: u64) -> Period {
        let after = self.periods.partition_point(|period| period.start <= wall);
        self.periods[after.saturating_sub(1)]
    }

    /// How much of the allowance is taken before the upstream is asked: all that one exchange can use, where that is known.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        match self.counted {
            Counted::Requests | Counted::Units => 1,
            Counted::BytesIn | Counted::BytesOut => 0,
        }
    }

    /// How much of it a usage event has used.
    #[must_use]
    pub fn used_by(&self, event: &UsageEvent<'_>) -> u64 {
        if !self.filter.takes(event) {
            return 0;
        }
        match self.counted {
            Counted::Requests => u64::from(event.part == 0),
            Counted::Units => event.units,
            Counted::BytesIn => event.bytes_in,
            Counted::BytesOut => event.bytes_out,
        }
    }
}

fn policy(meter: &str) -> Box<str> {
    let holds = |letter: char| matches!(letter, ' '..='~') && letter != '"' && letter != '\\';
    let letters = (meter.chars()).map(|letter| if holds(letter) { letter } else { '_' });
    "quota:".chars().chain(letters).collect::<String>().into()
}

/// 9999-12-31.
const LAST: u64 = 253_402_214_400_000_000;

/// A quota stays a whole number in any program that reads its header.
const MOST: u64 = (1 << 53) - 1;

/// The counter of (subscription, meter, start of the period). The prefix keeps it apart from rate limits' keys, which
/// are digests of other texts.
fn counter(subscription: Uuid, meter: &str, start: u64) -> CounterKey {
    let mut hash = Sha256::new();
    hash.update(b"tollway/quota/1");
    hash.update(subscription.0);
    hash.update(start.to_le_bytes());
    hash.update(meter);
    let digest: [u8; 32] = hash.finalize().into();
    CounterKey::new(&digest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn quota(boundaries: &[u64]) -> Result<Quota, ConfigError> {
        let row = json!({
            "meter": "über \"calls\"", "counted": "requests", "any_completion": false, "limit": 5,
            "filter": {"status": [], "method": [], "route": []}, "boundaries": boundaries,
        });
        let row: wire::Quota = serde_json::from_value(row).unwrap();
        Quota::compile(Uuid([7; 16]), row)
    }

    proptest! {
        #[test]
        fn periods_tile_time(steps in prop::collection::vec(1..1_000_000_u64, 1..8), at in 0..8_000_000_u64) {
            let mut boundaries = vec![1000];
            for step in steps {
                boundaries.push(boundaries.last().unwrap() + step);
            }
            let quota = quota(&boundaries).unwrap();
            let period = quota.period(at);
            let last = boundaries[boundaries.len() - 1];
            // It holds the instant, unless that lies outside of all that is known.
            prop_assert!(at < 1000 || at >= last || (period.start <= at && at < period.end));
            prop_assert_eq!(period.open, period.end == last);
            prop_assert_eq!(quota.period(period.start), period);
            prop_assert_eq!(quota.period(period.end - 1), period);
            let next = quota.period(period.end);
            prop_assert!(next.start == period.end || next == period);
            prop_assert_eq!(next.counter == period.counter, next == period);
        }
    }

    #[test]
    fn a_quota_has_a_period_and_a_name_for_headers() {
        assert_eq!(&*quota(&[1, 2]).unwrap().policy, "quota:_ber _calls_");
        for wrong in [&[][..], &[1], &[2, 2], &[3, 2], &[1, u64::MAX]] {
            assert_eq!(quota(wrong).unwrap_err().location, "boundaries");
        }
    }
}
