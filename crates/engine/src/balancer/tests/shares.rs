//! Shares by weight: exact and even in turns, near and stable by hash.

use proptest::prelude::*;
use serde_json::json;

use super::super::schedule::Schedule;
use super::*;
use crate::balancer::{Tried, hash};

fn owners(balancer: &Balancer, keys: u64) -> Vec<usize> {
    let members = balancer.members();
    (0..keys)
        .map(|key| {
            let key = Some(hash::mix(key));
            members
                .choose(key, &Tried::default(), at(0))
                .unwrap()
                .member
        })
        .collect()
}

fn by_hash(weights: &[u16]) -> Balancer {
    balancer(weights, |row| {
        row["algorithm"] = json!("consistent-hashing");
        row["hash_on"] = json!("ip");
        row["slots"] = json!(2000);
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Each gets exactly its weight in a cycle, and at no point within is anybody far from its share.
    #[test]
    fn turns_are_exact_and_even(weights in prop::collection::vec(0_u32..40, 1..8)) {
        let schedule = Schedule::new(&weights, 65_536);
        let total: u32 = weights.iter().sum();
        let common = weights.iter().fold(0, |one, other| num_gcd(one, *other)).max(1);
        prop_assert_eq!(schedule.order().len(), usize::try_from(total / common).unwrap());
        let mut counts = vec![0_u32; weights.len()];
        for (taken, number) in (1_u32..).zip(schedule.order()) {
            counts[usize::from(*number)] += 1;
            for (count, weight) in counts.iter().zip(&weights) {
                let share = f64::from(taken * weight) / f64::from(total);
                // Half a turn for each one's own rounding, and its part of everybody else's.
                let most = 1.5 + f64::from(*weight) / f64::from(total) * f64::from(u32::try_from(weights.len()).unwrap()) / 2.0;
                prop_assert!((f64::from(*count) - share).abs() <= most, "{:?} {:?}", counts, weights);
            }
        }
        for (count, weight) in counts.iter().zip(&weights) {
            prop_assert_eq!(*count, weight / common);
        }
    }

    /// However uneven the weights, a cycle stays within what was asked for, and nobody with a weight is left out.
    #[test]
    fn a_cycle_is_bounded(weights in prop::collection::vec(1_u32..65_536, 1..50), slots in 10_u32..500) {
        let schedule = Schedule::new(&weights, slots);
        prop_assert!(schedule.order().len() <= slots as usize + weights.len());
        for number in 0..u16::try_from(weights.len()).unwrap() {
            prop_assert!(schedule.order().contains(&number));
        }
    }

    /// When a target goes, only its own keys move; when it comes back, only they do again.
    #[test]
    fn few_keys_move(weights in prop::collection::vec(1_u16..200, 2..10), gone in 0_usize..10) {
        let gone = gone % weights.len();
        let before = owners(&by_hash(&weights), 1000);
        let mut less = weights.clone();
        less[gone] = 0;
        let after = owners(&by_hash(&less), 1000);
        for (old, new) in before.iter().zip(&after) {
            prop_assert!(*new != gone);
            prop_assert!(*old == gone || old == new);
        }
    }

    /// Being out moves the same keys as being gone, and to the same.
    #[test]
    fn out_is_as_gone(weights in prop::collection::vec(1_u16..200, 2..6), out in 0_usize..6) {
        let out = out % weights.len();
        let sick = by_hash(&weights);
        sick.members().set(out, false);
        let mut less = weights.clone();
        less[out] = 0;
        prop_assert_eq!(owners(&sick, 300), owners(&by_hash(&less), 300));
    }
}

fn num_gcd(one: u32, other: u32) -> u32 {
    if other == 0 {
        one
    } else {
        num_gcd(other, one % other)
    }
}

#[test]
fn keys_are_shared_by_weight() {
    let mut counts = [0_u32; 3];
    for owner in owners(&by_hash(&[100, 200, 100]), 20_000) {
        counts[owner] += 1;
    }
    for (count, share) in counts.into_iter().zip([5000, 10_000, 5000]) {
        assert!(count.abs_diff(share) < share / 8, "{counts:?}");
    }
}

#[test]
fn an_owner_does_not_depend_on_the_order_of_targets() {
    let one = by_hash(&[100, 100, 100]);
    let turned = balancer(&[100, 100, 100], |row| {
        row["algorithm"] = json!("consistent-hashing");
        row["hash_on"] = json!("ip");
        row["slots"] = json!(2000);
        row["targets"].as_array_mut().unwrap().reverse();
    });
    let turned: Vec<usize> = owners(&turned, 500).iter().map(|owner| 2 - owner).collect();
    assert_eq!(owners(&one, 500), turned);
}
