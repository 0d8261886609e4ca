//! How long things took.

use crate::proxy::stats::Counter;

/// The upper ends of all buckets but the last, in microseconds: 1, 2, 5 of each decade from 10 µs to 50 s.
pub const BOUNDS_US: [u64; 21] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
    500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000,
];

/// Durations of one thread, by size.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BOUNDS_US.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    /// Takes note of one.
    pub(super) fn record(&self, micros: u64) {
        let bucket = BOUNDS_US.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.increment();
        }
        self.sum_us.add(micros);
    }

    /// Adds what was noted to a sum over several: durations by bucket, and all of them in microseconds.
    pub fn add_to(&self, buckets: &mut [u64; BOUNDS_US.len() + 1], sum_us: &mut u64) {
        for (total, bucket) in buckets.iter_mut().zip(&self.buckets) {
            *total = total.wrapping_add(bucket.get());
        }
        *sum_us = sum_us.wrapping_add(self.sum_us.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_at_most_its_bound() {
        let histogram = Histogram::default();
        for micros in [0, 10, 11, 50_000_000, 50_000_001, u64::from(u32::MAX)] {
            histogram.record(micros);
        }
        let (mut buckets, mut sum) = ([0; 22], 0);
        histogram.add_to(&mut buckets, &mut sum);
        assert_eq!(
            (buckets[0], buckets[1], buckets[20], buckets[21]),
            (2, 1, 1, 2)
        );
        assert_eq!(sum, 100_000_022 + u64::from(u32::MAX));
    }
}
