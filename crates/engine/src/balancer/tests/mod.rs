//! Upstreams without a socket: compiled, chosen from, in and out.

mod choice;
mod compile;
mod health;
mod shares;

use std::sync::Arc;

use serde_json::Value;

use super::{Balancer, Moment, Pauses, Policy, Settings};
use crate::config::fixtures::upstream;
use crate::tls::certificates::Certificates;

const PAUSES: Pauses = Pauses {
    first: 1_000_000,
    most: 8_000_000,
};

fn at(now: u64) -> Moment {
    Moment {
        now,
        pauses: PAUSES,
    }
}

/// Targets 10.0.0.1, 10.0.0.2, … of these weights.
fn balancer(weights: &[u16], change: impl FnOnce(&mut Value)) -> Balancer {
    Balancer::new(policy(weights, change), None)
}

fn policy(weights: &[u16], change: impl FnOnce(&mut Value)) -> Arc<Policy> {
    let names: Vec<String> = (1..=weights.len())
        .map(|number| format!("10.0.{}.{}:80", number / 256, number % 256))
        .collect();
    let targets: Vec<_> = (names.iter().map(String::as_str))
        .zip(weights.iter().copied())
        .collect();
    let mut row = upstream(7, "api", &targets);
    change(&mut row);
    let settings: Settings = serde_json::from_value(row).unwrap();
    Arc::new(Policy::compile(&settings, &Certificates::default()).unwrap())
}
