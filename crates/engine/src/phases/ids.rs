//! Request ids: 128 bits that nobody else makes, without asking the system for each.

use crate::usage_log::Id;

/// One thread's generator: xoshiro256++, seeded by the operating system. Ids must be different, not secret.
#[derive(Debug)]
pub(super) struct RequestIds([u64; 4]);

impl RequestIds {
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut state = [0; 4];
        for word in &mut state {
            *word = getrandom::u64()?;
        }
        // All zero would be all it ever says.
        state[0] |= 1;
        Ok(Self(state))
    }

    pub(super) fn next(&mut self) -> Id {
        let mut id = [0; 16];
        for half in id.as_chunks_mut::<8>().0 {
            *half = self.word().to_ne_bytes();
        }
        id
    }

    fn word(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_differ_within_and_between_threads() {
        let mut generators = [RequestIds::new().unwrap(), RequestIds::new().unwrap()];
        let ids = (0..20_000).map(|number| generators[number % 2].next());
        assert_eq!(ids.collect::<HashSet<_>>().len(), 20_000);
    }
}
