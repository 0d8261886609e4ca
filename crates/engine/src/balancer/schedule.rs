//! Weighted turns, spread evenly: one cycle is laid out beforehand, so taking a turn is one step of a shared counter.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The order of one cycle. Each is in it as often as its weight says, divided by what all weights have in common.
#[derive(Debug)]
pub(super) struct Schedule {
    order: Box<[u16]>,
}

/// When it is somebody's turn: the `nth` of one that has `weight` of them (from 0) lies at (2·nth + 1) / (2·weight) of the cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    nth: u64,
    weight: u64,
    number: u16,
}

impl Ord for Turn {
    /// The earliest is the greatest: it leaves the heap first.
    fn cmp(&self, other: &Self) -> Ordering {
        let own = (2 * self.nth + 1) * other.weight;
        let others = (2 * other.nth + 1) * self.weight;
        others.cmp(&own).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Schedule {
    /// A cycle over `weights`, at most about `most` turns long: where exact shares would take more, the shares are
    /// rounded, and whoever has a weight gets a turn.
    pub(super) fn new(weights: &[u32], most: u32) -> Self {
        let common = weights
            .iter()
            .fold(0, |common, weight| gcd(common, *weight));
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let shared = |weight: u32| {
            let weight = u64::from(weight);
            let exact = total <= u64::from(most) * u64::from(common.max(1));
            match weight {
                0 => 0,
                _ if exact => weight / u64::from(common.max(1)),
                _ => ((weight * u64::from(most) + total / 2) / total).max(1),
            }
        };
        let mut heap: BinaryHeap<Turn> = (0_u16..)
            .zip(weights)
            .map(|(number, weight)| Turn {
                nth: 0,
                weight: shared(*weight),
                number,
            })
            .filter(|turn| turn.weight > 0)
            .collect();
        let length: u64 = heap.iter().map(|turn| turn.weight).sum();
        let mut order = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        while let Some(next) = heap.pop() {
            order.push(next.number);
            if next.nth + 1 < next.weight {
                heap.push(Turn {
                    nth: next.nth + 1,
                    ..next
                });
            }
        }
        Self {
            order: order.into(),
        }
    }

    /// Whose turn the `turn`-th is; the cycle repeats.
    pub(super) fn at(&self, turn: usize) -> Option<usize> {
        let place = turn.checked_rem(self.order.len())?;
        self.order.get(place).map(|number| usize::from(*number))
    }

    #[cfg(test)]
    pub(super) fn order(&self) -> &[u16] {
        &self.order
    }
}

fn gcd(one: u32, other: u32) -> u32 {
    if other == 0 {
        one
    } else {
        gcd(other, one % other)
    }
}
