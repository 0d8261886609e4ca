//! Which endpoint a key belongs to: weighted rendezvous hashing. Each endpoint draws a lot for each slot, the best lot
//! owns it; so when one goes, its slots alone move, and when one comes, slots move to it alone.

use std::sync::atomic::{AtomicU16, Ordering};

use super::hash;

/// Owners by slot, drawn when first asked for: building costs nothing, and asking again is one look.
#[derive(Debug)]
pub(super) struct Owners {
    /// The owner's number and one more; 0 where it isn't drawn yet.
    slots: Box<[AtomicU16]>,
}

/// One that can own slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bidder {
    pub number: usize,
    pub seed: u64,
    pub weight: u32,
}

impl Owners {
    pub(super) fn new(slots: u32) -> Self {
        Self {
            slots: (0..slots.max(1)).map(|_| AtomicU16::new(0)).collect(),
        }
    }

    /// The slot of a key.
    pub(super) fn slot(&self, key: u64) -> u64 {
        key % self.slots.len() as u64
    }

    /// The owner of `slot` among all `bidders`, which must be the same at every call.
    pub(super) fn owner(&self, slot: u64, bidders: impl Iterator<Item = Bidder>) -> Option<usize> {
        let place = usize::try_from(slot).ok()?;
        let known = self.slots.get(place)?;
        match known.load(Ordering::Relaxed) {
            0 => {
                let owner = best(slot, bidders)?;
                // Whoever else draws meanwhile comes to the same.
                if let Ok(number) = u16::try_from(owner + 1) {
                    known.store(number, Ordering::Relaxed);
                }
                Some(owner)
            }
            number => Some(usize::from(number) - 1),
        }
    }
}

/// Who of `bidders` has the best lot for `slot`.
pub(super) fn best(slot: u64, bidders: impl Iterator<Item = Bidder>) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for bidder in bidders {
        let lot = lot(slot, bidder);
        if bidder.weight > 0 && best.is_none_or(|(found, _)| lot > found) {
            best = Some((lot, bidder.number));
        }
    }
    best.map(|(_, number)| number)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "53 bits of a hash are taken on purpose"
)]
fn lot(slot: u64, bidder: Bidder) -> f64 {
    let drawn = hash::mix(bidder.seed ^ hash::mix(slot)) >> 11;
    // Within (0, 1): neither logarithm nor quotient is infinite.
    let even = (drawn as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(bidder.weight) / even.ln()
}
