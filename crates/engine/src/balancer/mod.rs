//! Balancing over an upstream's targets; no I/O.
//!
//! | part | owns |
//! |---|---|
//! | `settings`, `policy` | the upstream as control writes it, and compiled |
//! | `hash_key` | what consistent hashing goes by |

mod hash_key;
mod policy;
mod settings;

pub use hash_key::HashKey;
pub use policy::{Active, Passive, Policy, Statuses, Target, Thresholds};
pub use settings::{Algorithm, CheckKind};

pub(crate) use settings::Settings;

#[cfg(test)]
mod tests;
